//! How often metadata is validated.
//!
//! Upstream checks the metadata of every update itself, and most kinds then check it again, some of them twice and each
//! in an order of its own. Clients see every error as often as it was found, so the looks of each kind are a table here,
//! taken from the answers of kube-apiserver 1.35.

use super::super::Gvk;
use super::super::at::At;
use super::super::strategy::{Subresource, name_rule, strategy_of_kind};
use super::meta;
use crate::field_error::FieldErrors;
use crate::metadata::object_meta::{Scope, validate_object_meta, validate_object_meta_update};

/// One validation of metadata by a kind.
#[derive(Clone, Copy)]
enum Look {
    /// As that of a new object.
    Whole,
    /// What may not change.
    Change,
}

use Look::{Change, Whole};

fn looks(gvk: Gvk<'_>, part: Subresource) -> &'static [Look] {
    match (gvk.kind, part) {
        ("PodDisruptionBudget", _) | ("CronJob" | "VolumeAttachment", Subresource::Status) => &[],
        ("Event", _) if gvk.group.is_empty() => &[],
        ("CertificateSigningRequest", _) => &[Whole, Change],
        ("FlowSchema" | "PriorityLevelConfiguration", _) => &[Whole],
        (
            "LimitRange"
            | "VolumeAttachment"
            | "EndpointSlice"
            | "MutatingWebhookConfiguration"
            | "ValidatingWebhookConfiguration"
            | "ValidatingAdmissionPolicy"
            | "ValidatingAdmissionPolicyBinding"
            | "MutatingAdmissionPolicy"
            | "MutatingAdmissionPolicyBinding",
            Subresource::Main,
        ) => &[Whole],
        (
            "ConfigMap"
            | "Endpoints"
            | "PersistentVolumeClaim"
            | "Pod"
            | "Secret"
            | "ServiceAccount"
            | "APIService"
            | "ControllerRevision"
            | "IngressClass"
            | "Ingress"
            | "VolumeAttributesClass",
            Subresource::Main,
        ) => &[Change, Whole],
        (
            "Namespace"
            | "Node"
            | "Job"
            | "IPAddress"
            | "NetworkPolicy"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "Role"
            | "RoleBinding"
            | "CSIStorageCapacity"
            | "StorageClass"
            | "RuntimeClass"
            | "DeviceClass"
            | "ResourceClaim"
            | "ResourceClaimTemplate",
            Subresource::Main,
        ) => &[Whole, Change],
        ("PersistentVolume" | "CSINode", Subresource::Main) => &[Whole, Whole],
        _ => &[Change],
    }
}

/// Whether a kind looks at the metadata of new objects; upstream looks for those that don't once the kind is content.
pub(super) fn looks_at_new(gvk: Gvk<'_>) -> bool {
    gvk.kind != "PodDisruptionBudget" && !(gvk.kind == "Event" && gvk.group.is_empty())
}

/// Kinds whose finalizers upstream does not check with the stricter rule of the core group.
fn has_plain_finalizers(gvk: Gvk<'_>) -> bool {
    match gvk.group {
        "admissionregistration.k8s.io" | "apiregistration.k8s.io" | "coordination.k8s.io" => true,
        "" => gvk.kind == "Event",
        _ => matches!(gvk.kind, "PodDisruptionBudget" | "RuntimeClass"),
    }
}

/// What the core group checks beyond the rules for all finalizers.
pub(super) fn finalizers(gvk: Gvk<'_>, root: &At, errors: &mut FieldErrors) {
    if !has_plain_finalizers(gvk) {
        let metadata = root.get("metadata");
        metadata.get("finalizers").items().for_each(|item| meta::kube_finalizer(&item, errors));
    }
}

/// Validates the metadata of an update as often as the kind does.
pub(super) fn update(gvk: Gvk<'_>, part: Subresource, new: &At, old: &At, errors: &mut FieldErrors) {
    let namespaced = strategy_of_kind(gvk.group, gvk.kind).is_some_and(|strategy| strategy.namespaced);
    let scope = if namespaced { Scope::Namespaced } else { Scope::Cluster };
    let (after, before) = (&new.value()["metadata"], &old.value()["metadata"]);
    for look in looks(gvk, part) {
        errors.extend(match look {
            Whole => validate_object_meta(after, scope, name_rule(gvk).function(), "metadata"),
            Change => validate_object_meta_update(after, before, "metadata"),
        });
        finalizers(gvk, new, errors);
    }
}
