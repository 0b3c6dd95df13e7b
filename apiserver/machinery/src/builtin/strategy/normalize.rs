//! What upstream's conversion to internal types does to a document that defaults alone do not explain: fields that
//! exist twice are made to agree, and write-only fields are folded into the fields they stand for.

use super::prepare::{copy, field, section, set};
use crate::builtin::Gvk;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const INIT_CONTAINER_ANNOTATIONS: &[&str] = &[
    "pod.beta.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-container-statuses",
];

/// Where the pod template of a workload lies.
pub(crate) fn template_path(gvk: Gvk<'_>) -> Option<&'static str> {
    match (gvk.group, gvk.kind) {
        ("", "PodTemplate") => Some("/template"),
        ("", "ReplicationController")
        | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job") => Some("/spec/template"),
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

/// Makes a document agree with itself. Idempotent.
pub fn normalize(gvk: Gvk<'_>, object: &mut Value) {
    if let Some(template) = template_path(gvk).and_then(|path| object.pointer_mut(path)) {
        normalize_pod(template);
    }
    match (gvk.group, gvk.kind) {
        ("", "Pod") => {
            normalize_pod(object);
            if let Some(status) = object.get_mut("status") {
                agree(status, "podIP", "podIPs", Some("ip"));
            }
        }
        ("", "Node") => {
            if let Some(spec) = object.get_mut("spec") {
                agree(spec, "podCIDR", "podCIDRs", None);
            }
        }
        ("", "Secret") => fold_string_data(object),
        ("apps", "StatefulSet") => name_claim_templates(object),
        _ => {}
    }
}

fn normalize_pod(pod: &mut Value) {
    if let Some(annotations) = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !INIT_CONTAINER_ANNOTATIONS.contains(&key.as_str()));
    }
    let Some(spec) = pod.get_mut("spec") else { return };
    let name = field(spec, "serviceAccountName").as_str().unwrap_or("");
    if name.is_empty() {
        let old = field(spec, "serviceAccount").clone();
        set(spec, "serviceAccountName", old);
    } else {
        let name = Value::from(name);
        set(spec, "serviceAccount", name);
    }
}

/// Makes a single value and the first of a list agree; the single value wins.
fn agree(object: &mut Value, single: &str, list: &str, inner: Option<&str>) {
    let one = field(object, single).as_str().unwrap_or("").to_owned();
    let first = field(object, list)
        .as_array()
        .and_then(|items| items.first())
        .map_or("", |item| inner.map_or_else(|| item.as_str(), |name| field(item, name).as_str()).unwrap_or(""));
    if one == first {
        return;
    }
    if one.is_empty() {
        let first = Value::from(first);
        set(object, single, first);
    } else {
        let item = inner.map_or_else(|| Value::from(one.as_str()), |name| json!({name: one}));
        set(object, list, Value::Array(vec![item]));
    }
}

/// Folds `stringData` of a Secret into `data`.
pub fn fold_string_data(object: &mut Value) {
    let Some(Value::Object(strings)) = object.as_object_mut().and_then(|map| map.remove("stringData")) else { return };
    if strings.is_empty() {
        return;
    }
    let Some(data) = section(object, "data").and_then(Value::as_object_mut) else { return };
    for (key, value) in strings {
        data.insert(key, Value::from(STANDARD.encode(value.as_str().unwrap_or(""))));
    }
}

fn name_claim_templates(object: &mut Value) {
    let templates = object.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
    let named = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim"});
    for template in templates.into_iter().flatten() {
        for name in ["apiVersion", "kind"] {
            if field(template, name).as_str().unwrap_or("").is_empty() {
                copy(template, name, &named);
            }
        }
    }
}
