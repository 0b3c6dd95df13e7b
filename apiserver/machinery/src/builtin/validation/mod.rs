//! Validation of built-in kinds, with upstream's paths, reasons and messages.
//!
//! Rules of object metadata are the metadata module's; what is here begins where that ends. Objects arrive defaulted and prepared. Nothing here looks at other objects.

mod aggregation;
mod apps;
mod autoscaling;
mod batch;
mod certificates;
mod core;
mod cron;
mod devices;
mod diff;
mod discovery;
mod flow;
mod indexes;
mod ingress;
mod job_status;
mod meta;
mod metadata;
mod networking;
mod pod;
mod policies;
mod resources;
mod reviews;
mod shape;
mod slices;
mod small;
mod storage;
#[cfg(test)]
mod tests;
mod webhooks;

use self::core::{
    binding, claim, config, controller, endpoints, event, namespace, node, quota, range, service, volume,
};
use super::Gvk;
use super::at::At;
use super::strategy::Subresource;
use crate::field_error::FieldErrors;
use serde_json::Value;

/// Validates an object that is created.
#[must_use]
pub fn validate_create(gvk: Gvk<'_>, object: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let root = At::root(object);
    metadata::finalizers(gvk, &root, &mut errors);
    whole(gvk, &root, None, &mut errors);
    errors
}

/// Whether the metadata of a new object is validated together with the object, and not after it.
#[must_use]
pub fn validates_new_metadata(gvk: Gvk<'_>) -> bool {
    metadata::looks_at_new(gvk)
}

/// Validates the metadata of an object that replaces another, beyond what all kinds have in common.
#[must_use]
pub fn validate_metadata_update(gvk: Gvk<'_>, new: &Value, old: &Value, subresource: Subresource) -> FieldErrors {
    let mut errors = FieldErrors::new();
    metadata::update(gvk, subresource, &At::root(new), &At::root(old), &mut errors);
    errors
}

/// Validates an object that replaces another.
#[must_use]
pub fn validate_update(gvk: Gvk<'_>, new: &Value, old: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let (root, before) = (At::root(new), At::root(old));
    whole(gvk, &root, Some(&before), &mut errors);
    errors
}

/// Validates an object whose status is written.
#[must_use]
pub fn validate_status_update(gvk: Gvk<'_>, new: &Value, old: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let (root, before) = (At::root(new), At::root(old));
    status(gvk, &root, &before, &mut errors);
    errors
}

/// Validates an object of which one part is written.
#[must_use]
pub fn validate_subresource_update(gvk: Gvk<'_>, new: &Value, old: &Value, subresource: Subresource) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let (root, before) = (At::root(new), At::root(old));
    match subresource {
        Subresource::Main => return validate_update(gvk, new, old),
        Subresource::Status => return validate_status_update(gvk, new, old),
        Subresource::EphemeralContainers => pod::ephemeral_containers(&root, &before, &mut errors),
        Subresource::Resize => pod::resize(&root, &before, &mut errors),
        Subresource::Finalize => namespace::finalize(&root, &mut errors),
        Subresource::Approval => {
            certificates::request(&root, Some((&before, certificates::Part::Approval)), &mut errors);
        }
    }
    errors
}

/// Validates the binding of a pod to a node.
#[must_use]
pub fn validate_binding(binding: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    binding::binding(&At::root(binding), &mut errors);
    errors
}

/// Validates the addresses and address families of a service, which must make sense before addresses are allocated.
#[must_use]
pub fn service_addresses(new: &Value, old: Option<&Value>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let before = old.map(At::root);
    service::addresses(&At::root(new), before.as_ref(), &mut errors);
    errors
}

/// Rules for whole objects; `old` is what they replace.
fn whole(gvk: Gvk<'_>, root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    match gvk.group {
        "" => whole_core(gvk, root, old, errors),
        "apps" => match (gvk.kind, old) {
            ("Deployment", _) => apps::deployment(root, old, errors),
            ("ReplicaSet", _) => apps::replica_set(root, old, errors),
            ("StatefulSet", None) => apps::stateful_set(root, errors),
            ("StatefulSet", Some(old)) => apps::stateful_set_update(root, old, errors),
            ("DaemonSet", _) => apps::daemon_set(root, old, errors),
            ("ControllerRevision", _) => apps::controller_revision(root, old, errors),
            _ => {}
        },
        "batch" => match (gvk.kind, old) {
            ("Job", None) => batch::job(root, errors),
            ("Job", Some(old)) => batch::job_update(root, old, errors),
            ("CronJob", _) => batch::cron_job(root, old, errors),
            _ => {}
        },
        "admissionregistration.k8s.io" => whole_admission(gvk, root, old, errors),
        "apiregistration.k8s.io" if gvk.kind == "APIService" => aggregation::service(root, errors),
        "authentication.k8s.io" if gvk.kind == "TokenRequest" => reviews::token_request(root, errors),
        "authorization.k8s.io" => match gvk.kind {
            "SubjectAccessReview" => reviews::access_review(root, false, false, errors),
            "SelfSubjectAccessReview" => reviews::access_review(root, true, false, errors),
            "LocalSubjectAccessReview" => reviews::access_review(root, false, true, errors),
            _ => {}
        },
        "autoscaling" if gvk.kind == "HorizontalPodAutoscaler" => autoscaling::autoscaler(root, old, errors),
        "certificates.k8s.io" if gvk.kind == "CertificateSigningRequest" => {
            certificates::request(root, old.map(|old| (old, certificates::Part::Main)), errors);
        }
        "coordination.k8s.io" => match gvk.kind {
            "Lease" => small::lease(root, errors),
            "LeaseCandidate" => small::lease_candidate(root, old, errors),
            _ => {}
        },
        "discovery.k8s.io" if gvk.kind == "EndpointSlice" => discovery::endpoint_slice(root, old, errors),
        "events.k8s.io" => whole_event(gvk, root, old, errors),
        "flowcontrol.apiserver.k8s.io" => match gvk.kind {
            "FlowSchema" => flow::schema(root, errors),
            "PriorityLevelConfiguration" => flow::level(root, errors),
            _ => {}
        },
        "networking.k8s.io" => whole_networking(gvk, root, old, errors),
        "node.k8s.io" => match (gvk.kind, old) {
            ("RuntimeClass", None) => small::runtime_class(root, errors),
            ("RuntimeClass", Some(old)) => small::runtime_class_update(root, old, errors),
            _ => {}
        },
        "policy" if gvk.kind == "PodDisruptionBudget" => small::budget(root, old, errors),
        "rbac.authorization.k8s.io" => match gvk.kind {
            "Role" => small::role(root, errors),
            "ClusterRole" => small::cluster_role(root, old, errors),
            "RoleBinding" => small::role_binding(root, old, true, errors),
            "ClusterRoleBinding" => small::role_binding(root, old, false, errors),
            _ => {}
        },
        "resource.k8s.io" => match gvk.kind {
            "ResourceClaim" => devices::claim(root, old, errors),
            "ResourceClaimTemplate" => devices::template(root, old, errors),
            "DeviceClass" => devices::class(root, old, errors),
            "ResourceSlice" => slices::slice(root, old, errors),
            "DeviceTaintRule" => slices::taint_rule(root, old, errors),
            _ => {}
        },
        "scheduling.k8s.io" => match (gvk.kind, old) {
            ("PriorityClass", None) => small::priority_class(root, errors),
            ("PriorityClass", Some(old)) => small::priority_class_update(root, old, errors),
            _ => {}
        },
        "storage.k8s.io" => whole_storage(gvk, root, old, errors),
        _ => {}
    }
}

fn whole_admission(gvk: Gvk<'_>, root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    match gvk.kind {
        "ValidatingWebhookConfiguration" => webhooks::configuration(root, old, false, errors),
        "MutatingWebhookConfiguration" => webhooks::configuration(root, old, true, errors),
        "ValidatingAdmissionPolicy" => policies::validating(root, old, errors),
        "MutatingAdmissionPolicy" => policies::mutating(root, old, errors),
        "ValidatingAdmissionPolicyBinding" => policies::binding(root, false, errors),
        "MutatingAdmissionPolicyBinding" => policies::binding(root, true, errors),
        _ => {}
    }
}

fn whole_networking(gvk: Gvk<'_>, root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    match (gvk.kind, old) {
        ("Ingress", _) => ingress::ingress(root, old, errors),
        ("IngressClass", _) => ingress::class(root, old, errors),
        ("NetworkPolicy", _) => networking::network_policy(root, old, errors),
        ("IPAddress", None) => networking::ip_address(root, errors),
        ("IPAddress", Some(old)) => networking::ip_address_update(root, old, errors),
        ("ServiceCIDR", None) => networking::service_cidr(root, errors),
        ("ServiceCIDR", Some(old)) => networking::service_cidr_update(root, old, errors),
        _ => {}
    }
}

fn whole_storage(gvk: Gvk<'_>, root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    match (gvk.kind, old) {
        ("StorageClass", None) => storage::storage_class(root, errors),
        ("StorageClass", Some(old)) => storage::storage_class_update(root, old, errors),
        ("VolumeAttributesClass", _) => storage::attributes_class(root, old, errors),
        ("VolumeAttachment", _) => storage::attachment(root, old, errors),
        ("CSINode", _) => storage::csi_node(root, old, errors),
        ("CSIDriver", _) => storage::driver(root, old, errors),
        ("CSIStorageCapacity", None) => storage::capacity(root, errors),
        ("CSIStorageCapacity", Some(old)) => storage::capacity_update(root, old, errors),
        _ => {}
    }
}

fn whole_event(gvk: Gvk<'_>, root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    match old {
        None => event::create(gvk, root, errors),
        Some(old) => event::update(gvk, root, old, errors),
    }
}

fn whole_core(gvk: Gvk<'_>, root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    match (gvk.kind, old) {
        ("Pod", None) => pod::create(root, errors),
        ("Pod", Some(old)) => pod::update(root, old, errors),
        ("PodTemplate", _) => controller::pod_template(root, old, errors),
        ("ReplicationController", _) => controller::replication_controller(root, old, errors),
        ("Service", None) => service::service(root, None, errors),
        ("Service", Some(old)) => service::update(root, old, errors),
        ("ConfigMap", None) => config::config_map(root, errors),
        ("ConfigMap", Some(old)) => config::config_map_update(root, old, errors),
        ("Secret", None) => config::secret(root, errors),
        ("Secret", Some(old)) => config::secret_update(root, old, errors),
        ("PersistentVolume", None) => volume::create(root, errors),
        ("PersistentVolume", Some(old)) => volume::update(root, old, errors),
        ("PersistentVolumeClaim", None) => claim::create(root, errors),
        ("PersistentVolumeClaim", Some(old)) => claim::update(root, old, errors),
        ("ResourceQuota", None) => quota::create(root, errors),
        ("ResourceQuota", Some(old)) => quota::update(root, old, errors),
        ("LimitRange", _) => range::limit_range(root, errors),
        ("Node", None) => node::node(root, errors),
        ("Node", Some(old)) => {
            node::node(root, errors);
            node::update(root, old, errors);
        }
        ("Namespace", _) => namespace::namespace(root, errors),
        ("Endpoints", _) => endpoints::endpoints(root, old, errors),
        ("Event", _) => whole_event(gvk, root, old, errors),
        ("Binding", _) => binding::binding(root, errors),
        _ => {}
    }
}

/// Rules for writes through `/status`.
fn status(gvk: Gvk<'_>, new: &At, old: &At, errors: &mut FieldErrors) {
    match (gvk.group, gvk.kind) {
        ("", "Pod") => pod::status_update(new, old, errors),
        ("", "ReplicationController") => controller::controller_status(new, errors),
        ("", "Service") => service::status_update(new, old, errors),
        ("", "PersistentVolume") => volume::status_update(new, errors),
        ("", "PersistentVolumeClaim") => claim::status_update(new, errors),
        ("", "ResourceQuota") => quota::status_update(new, errors),
        ("", "Node") => node::update(new, old, errors),
        ("", "Namespace") => namespace::status_update(new, errors),
        ("apps", "Deployment") => apps::deployment_status(new, old, errors),
        ("apps", "ReplicaSet") => apps::replica_set_status(new, errors),
        ("apps", "StatefulSet") => apps::stateful_set_status(new, old, errors),
        ("apps", "DaemonSet") => apps::daemon_set_status(new, old, errors),
        ("batch", "Job") => job_status::status_update(new, old, errors),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => policies::status_update(new, errors),
        ("apiregistration.k8s.io", "APIService") => aggregation::status_update(new, errors),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaling::status_update(new, errors),
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            certificates::request(new, Some((old, certificates::Part::Status)), errors);
        }
        ("flowcontrol.apiserver.k8s.io", _) => flow::conditions(new, errors),
        ("networking.k8s.io", "Ingress") => ingress::status_update(new, old, errors),
        ("policy", "PodDisruptionBudget") => small::budget_status(new, errors),
        ("resource.k8s.io", "ResourceClaim") => devices::claim_status(new, old, errors),
        ("resource.k8s.io", "DeviceTaintRule") => slices::taint_rule_status(new, errors),
        _ => {}
    }
}
