//! Validation of built-in kinds, with upstream's paths, reasons and messages.
//!
//! Object metadata is checked by the metadata module, with the name rule of the strategy; what is here begins where
//! that ends. Objects arrive defaulted and prepared. Nothing here looks at other objects.

mod apps;
mod core;
mod diff;
mod meta;
mod pod;
mod resources;
#[cfg(test)]
mod tests;

use self::core::{
    binding, claim, config, controller, endpoints, event, namespace, node, quota, range, service, volume,
};
use super::Gvk;
use super::at::At;
use super::strategy::Subresource;
use crate::field_error::FieldErrors;
use serde_json::Value;

/// Kinds whose finalizers upstream checks with the stricter rule of the core group: all but these.
const PLAIN_FINALIZERS: &[&str] = &["Lease", "LeaseCandidate", "PodDisruptionBudget", "Role", "ClusterRole"];

fn finalizers(gvk: Gvk<'_>, root: &At, errors: &mut FieldErrors) {
    let plain = PLAIN_FINALIZERS.contains(&gvk.kind) || gvk.kind == "Event" && gvk.group.is_empty();
    if !plain {
        let metadata = root.get("metadata");
        metadata.get("finalizers").items().for_each(|item| meta::kube_finalizer(&item, errors));
    }
}

/// Validates an object that is created.
#[must_use]
pub fn validate_create(gvk: Gvk<'_>, object: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let root = At::root(object);
    finalizers(gvk, &root, &mut errors);
    whole(gvk, &root, None, &mut errors);
    errors
}

/// Validates an object that replaces another.
#[must_use]
pub fn validate_update(gvk: Gvk<'_>, new: &Value, old: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let (root, before) = (At::root(new), At::root(old));
    finalizers(gvk, &root, &mut errors);
    whole(gvk, &root, Some(&before), &mut errors);
    errors
}

/// Validates an object whose status is written.
#[must_use]
pub fn validate_status_update(gvk: Gvk<'_>, new: &Value, old: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let (root, before) = (At::root(new), At::root(old));
    finalizers(gvk, &root, &mut errors);
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
        Subresource::Approval => {}
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
        "events.k8s.io" => whole_event(gvk, root, old, errors),
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
        _ => {}
    }
}
