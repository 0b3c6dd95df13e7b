//! ReplicationControllers and PodTemplates.

use crate::builtin::at::At;
use crate::builtin::validation::meta;
use crate::builtin::validation::pod::{self, PodRules};
use crate::field_error::FieldErrors;

/// A PodTemplate, and what it replaces.
pub(in super::super) fn pod_template(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let rules = old.map_or(PodRules::strict(false), |old| PodRules::after(false, &old.get("template")));
    pod::template(&root.get("template"), &rules, errors);
}

/// A ReplicationController, and what it replaces.
pub(in super::super) fn replication_controller(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let before = old.map(|old| old.get("spec"));
    let rules = before.as_ref().map_or(PodRules::strict(false), |old| PodRules::after(false, &old.get("template")));
    spec.get("minReadySeconds").non_negative(errors);
    let selector = spec.get("selector");
    selector.require(errors);
    let replicas = spec.get("replicas");
    if replicas.has() {
        replicas.non_negative(errors);
    } else {
        replicas.required(errors, "");
    }
    let template = spec.get("template");
    if !template.has() {
        template.required(errors, "");
        return;
    }
    let metadata = template.get("metadata");
    let labels = metadata.get("labels");
    if !selector.entries().all(|(key, value)| labels.get(key).text() == Some(value.str())) {
        labels.invalid_here(errors, "`selector` does not match template `labels`");
    }
    pod::template(&template, &rules, errors);
    let pod = template.get("spec");
    if pod.get("restartPolicy").str() != "Always" {
        pod.get("restartPolicy").unsupported(errors, &["Always"]);
    }
    if pod.get("activeDeadlineSeconds").has() {
        pod.get("activeDeadlineSeconds")
            .forbidden(errors, "activeDeadlineSeconds in ReplicationController is not Supported");
    }
}

/// The status of a ReplicationController.
pub(in super::super) fn controller_status(root: &At, errors: &mut FieldErrors) {
    let status = root.get("status");
    meta::non_negative_fields(
        &status,
        &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"],
        errors,
    );
    let counts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    meta::at_most(&status, &counts, "replicas", "cannot be greater than status.replicas", errors);
    meta::at_most(&status, &["availableReplicas"], "readyReplicas", "cannot be greater than readyReplicas", errors);
}
