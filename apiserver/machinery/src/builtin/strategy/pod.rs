//! Pods: what the server sets when one is created, and what each subresource may change.

use super::prepare::{copy, field, section, set};
use super::qos::pod_qos;
use crate::builtin::same::same;
use serde_json::{Map, Value, json};

const APPARMOR_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Returns the grace period of a deletion in seconds.
pub(super) fn grace_period(pod: &Value, asked: Option<i64>) -> i64 {
    let spec = field(pod, "spec");
    let own = field(spec, "terminationGracePeriodSeconds").as_i64().unwrap_or(0);
    let unbound = field(spec, "nodeName").as_str().unwrap_or("").is_empty();
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or("");
    if unbound || matches!(phase, "Failed" | "Succeeded") {
        return 0;
    }
    let period = asked.unwrap_or(own);
    if period < 0 { 1 } else { period }
}

pub(super) fn prepare_for_create(pod: &mut Value) -> Vec<String> {
    let mut status = json!({"phase": "Pending", "qosClass": pod_qos(pod)});
    if pod.pointer("/spec/schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty()) {
        set(
            &mut status,
            "conditions",
            json!([{
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": null,
                "lastTransitionTime": null,
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }]),
        );
    }
    set(pod, "status", status);
    let labels = pod.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
    merge_label_keys(pod, &labels);
    apply_apparmor_annotations(pod)
}

/// Adds the values of `matchLabelKeys` and `mismatchLabelKeys` to the selectors they belong to.
fn merge_label_keys(pod: &mut Value, labels: &Map<String, Value>) {
    let Some(spec) = pod.get_mut("spec") else { return };
    if let Some(affinity) = spec.get_mut("affinity") {
        for kind in ["podAffinity", "podAntiAffinity"] {
            let Some(rules) = affinity.get_mut(kind) else { continue };
            let preferred = rules.get_mut("preferredDuringSchedulingIgnoredDuringExecution");
            for term in preferred.and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(term) = term.get_mut("podAffinityTerm") {
                    extend_selector(term, labels);
                }
            }
            let required = rules.get_mut("requiredDuringSchedulingIgnoredDuringExecution");
            for term in required.and_then(Value::as_array_mut).into_iter().flatten() {
                extend_selector(term, labels);
            }
        }
    }
    let constraints = spec.get_mut("topologySpreadConstraints").and_then(Value::as_array_mut);
    constraints.into_iter().flatten().for_each(|constraint| extend_selector(constraint, labels));
}

fn extend_selector(term: &mut Value, labels: &Map<String, Value>) {
    let mut added = Vec::new();
    for (name, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in field(term, name).as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                added.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    if added.is_empty() || field(term, "labelSelector").is_null() {
        return;
    }
    let selector = section(term, "labelSelector").and_then(Value::as_object_mut);
    if let Some(selector) = selector {
        let list = selector.entry("matchExpressions").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.extend(added);
        }
    }
}

/// The profile that an annotation of old stands for.
pub(crate) fn apparmor_profile(annotation: &str) -> Option<Value> {
    match annotation {
        "unconfined" => Some(json!({"type": "Unconfined"})),
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        _ => {
            let profile = annotation.strip_prefix("localhost/").filter(|profile| !profile.is_empty())?;
            Some(json!({"type": "Localhost", "localhostProfile": profile}))
        }
    }
}

fn apply_apparmor_annotations(pod: &mut Value) -> Vec<String> {
    let mut warnings = Vec::new();
    if pod.pointer("/spec/os/name").and_then(Value::as_str) == Some("windows") {
        return warnings;
    }
    let annotations = pod.pointer("/metadata/annotations").and_then(Value::as_object).cloned().unwrap_or_default();
    if !annotations.keys().any(|key| key.starts_with(APPARMOR_PREFIX)) {
        return warnings;
    }
    let own = pod.pointer("/spec/securityContext/appArmorProfile").cloned().unwrap_or_default();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let containers = pod.get_mut("spec").and_then(|spec| spec.get_mut(list)).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let key = format!("{APPARMOR_PREFIX}{}", field(container, "name").as_str().unwrap_or(""));
            let Some(annotation) = annotations.get(&key).and_then(Value::as_str) else { continue };
            if container.pointer("/securityContext/appArmorProfile").is_some_and(|profile| !profile.is_null()) {
                continue;
            }
            let profile = apparmor_profile(annotation);
            if profile.as_ref().is_some_and(|profile| same(profile, &own)) {
                continue;
            }
            if let Some(profile) = profile
                && let Some(context) = section(container, "securityContext")
            {
                set(context, "appArmorProfile", profile);
            }
            warnings.push(format!(
                "metadata.annotations[{key}]: deprecated since v1.30; use the \"appArmorProfile\" field instead"
            ));
        }
    }
    warnings
}

pub(super) fn prepare_status(pod: &mut Value, old: &Value) {
    if let Some(metadata) = section(pod, "metadata") {
        set(metadata, "deletionTimestamp", Value::Null);
        // The caller puts back what belongs to the stored object; upstream ignores the field here as well.
        copy(metadata, "deletionTimestamp", field(old, "metadata"));
    }
    let old_status = field(old, "status");
    let Some(status) = section(pod, "status") else { return };
    for (name, empty) in [("qosClass", Value::from("")), ("observedGeneration", Value::from(0))] {
        let value = field(status, name);
        if value.is_null() || *value == empty {
            copy(status, name, old_status);
        }
    }
    let mut before: Vec<&Value> =
        field(old_status, "conditions").as_array().map(|list| list.iter().collect()).unwrap_or_default();
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        let position = before.iter().position(|old| field(old, "type") == field(condition, "type"));
        let matching = position.map(|position| before.remove(position));
        if field(condition, "observedGeneration").as_i64().unwrap_or(0) == 0
            && let Some(matching) = matching
        {
            copy(condition, "observedGeneration", matching);
        }
    }
}

const KEPT_METADATA: &[&str] =
    &["deletionTimestamp", "generation", "selfLink", "labels", "annotations", "finalizers", "ownerReferences"];

fn keep_all_but_spec(pod: &mut Value, old: &Value, spec: Value) {
    set(pod, "spec", spec);
    copy(pod, "status", old);
    if let Some(metadata) = section(pod, "metadata") {
        KEPT_METADATA.iter().for_each(|name| copy(metadata, name, field(old, "metadata")));
    }
}

/// Leaves everything as it was but the ephemeral containers.
pub(super) fn keep_all_but_ephemeral(pod: &mut Value, old: &Value) {
    let containers = pod.pointer("/spec/ephemeralContainers").cloned().unwrap_or_default();
    let mut spec = field(old, "spec").clone();
    set(&mut spec, "ephemeralContainers", containers);
    keep_all_but_spec(pod, old, spec);
}

/// Leaves everything as it was but the resources of containers.
pub(super) fn keep_all_but_resources(pod: &mut Value, old: &Value) {
    let mut spec = field(old, "spec").clone();
    for list in ["containers", "initContainers"] {
        let Some(merged) = merge_resources(field(field(pod, "spec"), list), field(&spec, list)) else { return };
        set(&mut spec, list, merged);
    }
    keep_all_but_spec(pod, old, spec);
}

/// The old containers with new resources; the new ones when names differ; `None` when their number differs.
fn merge_resources(new: &Value, old: &Value) -> Option<Value> {
    let new_list = new.as_array().map_or(&[][..], Vec::as_slice);
    let old_list = old.as_array().map_or(&[][..], Vec::as_slice);
    if new_list.len() != old_list.len() {
        return None;
    }
    if new_list.iter().zip(old_list).any(|(new, old)| field(new, "name") != field(old, "name")) || new_list.is_empty() {
        return Some(new.clone());
    }
    let merged = new_list.iter().zip(old_list).map(|(new, old)| {
        let mut container = old.clone();
        copy(&mut container, "resources", new);
        copy(&mut container, "resizePolicy", new);
        container
    });
    Some(Value::Array(merged.collect()))
}
