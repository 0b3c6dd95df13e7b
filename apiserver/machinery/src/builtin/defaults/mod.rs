//! Versioned defaulting of built-in kinds: what a server fills in, on writes and on reads, before anything else looks
//! at an object.
//!
//! Besides defaults proper, objects are brought to the form that a round trip through the server gives them, such as
//! `serviceAccount` beside `serviceAccountName` or `stringData` merged into `data`. Defaulting twice changes nothing.

pub(crate) mod autoscaling;
mod cluster;
mod core;
mod doc;
mod extension;
mod image;
mod pod;
mod resources;
mod volume;
mod workloads;

#[cfg(test)]
mod tests;

use serde_json::Value;

/// Fills what an object of a built-in kind leaves out.
///
/// `now` is the time of the request in RFC 3339 with whole seconds; device taints are stamped with it. Kinds without
/// defaults and objects that are not JSON objects are left alone.
pub fn default(group: &str, version: &str, kind: &str, object: &mut Value, now: &str) {
    let Some(object) = object.as_object_mut() else { return };
    match (group, version) {
        ("", "v1") => default_core(kind, object),
        ("apps" | "batch", "v1") => default_workload(kind, object),
        ("autoscaling", "v1") if kind == "HorizontalPodAutoscaler" => autoscaling::v1(object),
        ("autoscaling", "v2") if kind == "HorizontalPodAutoscaler" => autoscaling::v2(object),
        ("resource.k8s.io", "v1") => default_resource(kind, object, now),
        (_, "v1") => default_cluster(group, kind, object),
        _ => {}
    }
}

fn default_core(kind: &str, object: &mut doc::Doc) {
    match kind {
        "Pod" => pod::pod(object),
        "PodTemplate" => core::pod_template(object),
        "Service" => core::service(object),
        "Secret" => core::secret(object),
        "PersistentVolume" => volume::persistent_volume(object),
        "PersistentVolumeClaim" => volume::claim(object),
        "Endpoints" => core::endpoints(object),
        "Namespace" => core::namespace(object),
        "Node" => core::node(object),
        "LimitRange" => core::limit_range(object),
        "ResourceQuota" => core::resource_quota(object),
        "ReplicationController" => core::replication_controller(object),
        _ => {}
    }
}

fn default_workload(kind: &str, object: &mut doc::Doc) {
    match kind {
        "Deployment" => workloads::deployment(object),
        "DaemonSet" => workloads::daemon_set(object),
        "StatefulSet" => workloads::stateful_set(object),
        "ReplicaSet" => workloads::replica_set(object),
        "Job" => workloads::job(object),
        "CronJob" => workloads::cron_job(object),
        _ => {}
    }
}

fn default_resource(kind: &str, object: &mut doc::Doc, now: &str) {
    match kind {
        "ResourceClaim" => cluster::resource_claim(object),
        "ResourceClaimTemplate" => cluster::resource_claim_template(object),
        "ResourceSlice" => cluster::resource_slice(object, now),
        _ => {}
    }
}

fn default_cluster(group: &str, kind: &str, object: &mut doc::Doc) {
    match (group, kind) {
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => cluster::role_binding(object),
        ("storage.k8s.io", "StorageClass") => cluster::storage_class(object),
        ("storage.k8s.io", "CSIDriver") => cluster::csi_driver(object),
        ("storage.k8s.io", "VolumeAttachment") => cluster::volume_attachment(object),
        ("scheduling.k8s.io", "PriorityClass") => cluster::priority_class(object),
        ("networking.k8s.io", "NetworkPolicy") => cluster::network_policy(object),
        ("networking.k8s.io", "IngressClass") => cluster::ingress_class(object),
        ("discovery.k8s.io", "EndpointSlice") => cluster::endpoint_slice(object),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => cluster::flow_schema(object),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => cluster::priority_level(object),
        ("authentication.k8s.io", "TokenRequest") => cluster::token_request(object),
        ("policy", "PodDisruptionBudget") => cluster::disruption_budget(object),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => extension::validating_webhooks(object),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => extension::mutating_webhooks(object),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => extension::admission_policy(object),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => extension::admission_binding(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => extension::custom_resource_definition(object),
        ("apiregistration.k8s.io", "APIService") => extension::api_service(object),
        _ => {}
    }
}
