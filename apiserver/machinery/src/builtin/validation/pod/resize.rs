//! Changing the resources of a running pod.

use super::rules::PodRules;
use super::{MIRROR, metadata_and_spec};
use crate::builtin::at::At;
use crate::builtin::same::same;
use crate::builtin::strategy::pod_qos;
use crate::field_error::FieldErrors;
use serde_json::{Map, Value};

/// A pod with new resources.
pub(in super::super) fn resize(new: &At, old: &At, errors: &mut FieldErrors) {
    metadata_and_spec(new, &PodRules::after(true, old), errors);
    let (spec, before) = (new.get("spec"), old.get("spec"));
    let refusal = if old.get("metadata").get("annotations").get(MIRROR).has() {
        Some("static pods cannot be resized")
    } else if before.get("os").get("name").str() == "windows" {
        Some("windows pods cannot be resized")
    } else {
        None
    };
    if let Some(refusal) = refusal {
        errors.clear();
        At::root(&Value::Null).forbidden(errors, refusal);
        return;
    }
    let class = old.get("status").get("qosClass").str();
    let class = if class.is_empty() { pod_qos(old.value()) } else { class };
    if class != pod_qos(new.value()) {
        let shown = new.get("status").get("qosClass").str();
        spec.invalid(errors, shown, "Pod QOS Class may not change as a result of resizing");
    }
    if !supports_resize(old) {
        spec.forbidden(errors, "Pod running on node without support for resize");
    }
    let level = |spec: &At| {
        let resources = spec.get("resources");
        !resources.get("requests").is_empty() || !resources.get("limits").is_empty()
    };
    if level(&spec) || level(&before) {
        At::root(&Value::Null).forbidden(
            errors,
            "resize of pods with pod-level resources is forbidden when InPlacePodLevelResourcesVerticalScalingEnabled \
             feature gate is disabled",
        );
        return;
    }
    if order(&spec, &before, errors) {
        containers(&spec, &before, errors);
    }
}

fn supports_resize(old: &At) -> bool {
    let status = old.get("status");
    let list = status.get("containerStatuses");
    let running = list.items().find(|status| status.get("state").get("running").has());
    running.is_none_or(|status| status.get("resources").has())
}

fn order(spec: &At, old: &At, errors: &mut FieldErrors) -> bool {
    let count = errors.len();
    for list in ["containers", "initContainers"] {
        let (now, before) = (spec.get(list), old.get(list));
        if now.len() != before.len() {
            now.forbidden(errors, format!("{list} may not be added or removed on resize"));
            continue;
        }
        for (container, old) in now.items().zip(before.items()) {
            if container.get("name").str() != old.get("name").str() {
                container.get("name").forbidden(errors, format!("{list} may not be renamed or reordered on resize"));
            }
        }
    }
    errors.len() == count
}

fn is_sidecar(container: &At) -> bool {
    container.get("restartPolicy").str() == "Always"
}

fn containers(spec: &At, old: &At, errors: &mut FieldErrors) {
    let lists = [spec.get("initContainers"), spec.get("containers")];
    let before = [old.get("initContainers"), old.get("containers")];
    for (index, list) in lists.iter().enumerate() {
        for (container, old) in list.items().zip(before[index].items()) {
            if index == 1 || is_sidecar(&old) {
                removed(&container.get("resources"), &old.get("resources"), errors);
            }
        }
    }
    for (container, old) in lists[1].items().zip(before[1].items()) {
        if !same(&forgive(container.value(), old.value()), old.value()) {
            spec.forbidden(errors, "only cpu and memory resources are mutable");
        }
    }
    for (container, old) in lists[0].items().zip(before[0].items()) {
        if is_sidecar(&container) {
            if !same(&forgive(container.value(), old.value()), old.value()) {
                spec.forbidden(errors, "only cpu and memory resources for sidecar containers are mutable");
            }
        } else if !same(container.value(), old.value()) {
            spec.forbidden(errors, "resources for non-sidecar init containers are immutable");
        }
    }
    if !errors.is_empty() {
        return;
    }
    let rest = |spec: &Value| {
        let mut map = spec.as_object().cloned().unwrap_or_default();
        map.remove("containers");
        map.remove("initContainers");
        Value::Object(map)
    };
    if !same(&rest(spec.value()), &rest(old.value())) {
        spec.forbidden(errors, "only cpu and memory resources are mutable");
    }
}

fn removed(at: &At, old: &At, errors: &mut FieldErrors) {
    for (list, detail) in
        [("requests", "resource requests cannot be removed"), ("limits", "resource limits cannot be removed")]
    {
        let (now, before) = (at.get(list), old.get(list));
        if before.entries().any(|(name, _)| !now.get(name).has()) {
            now.forbidden(errors, detail);
        }
    }
}

/// A container whose cpu and memory are as they were.
fn forgive(container: &Value, old: &Value) -> Value {
    let mut out = container.clone();
    let mut resources = Map::new();
    for list in ["limits", "requests"] {
        let of = |value: &Value| value.pointer(&format!("/resources/{list}")).and_then(Value::as_object).cloned();
        let (mut now, before) = (of(container).unwrap_or_default(), of(old).unwrap_or_default());
        for name in ["cpu", "memory"] {
            now.remove(name);
            if let Some(value) = before.get(name) {
                now.insert(name.to_owned(), value.clone());
            }
        }
        resources.insert(list.to_owned(), Value::Object(now));
    }
    if let Some(map) = out.as_object_mut() {
        map.insert("resources".to_owned(), Value::Object(resources));
    }
    out
}
