//! The scale subresource of built-in workloads.

use super::Gvk;
use super::at::At;
use crate::field_error::FieldErrors;
use serde_json::{Map, Value, json};

/// Returns the `autoscaling/v1` Scale of a workload.
///
/// # Errors
/// When its selector cannot be read; the text is upstream's.
pub fn from(gvk: Gvk<'_>, object: &Value) -> Result<Value, String> {
    let root = At::root(object);
    let metadata = root.get("metadata");
    let mut meta = Map::new();
    for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        let value = metadata.get(name);
        if value.has() {
            meta.insert(name.to_owned(), value.value().clone());
        }
    }
    let spec = root.get("spec");
    let selector = spec.get("selector");
    let text = if gvk.kind == "ReplicationController" { equality_text(&selector) } else { selector_text(&selector)? };
    let replicas = spec.get("replicas").number().unwrap_or(if gvk.kind == "ReplicationController" { 0 } else { 1 });
    let mut status = json!({"replicas": root.get("status").get("replicas").int()});
    if !text.is_empty() {
        status["selector"] = Value::from(text);
    }
    let mut scale_spec = Map::new();
    if replicas != 0 {
        scale_spec.insert("replicas".to_owned(), Value::from(replicas));
    }
    Ok(json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": meta, "spec": scale_spec, "status": status,
    }))
}

/// Writes the replicas of a Scale into a workload; a resourceVersion or uid in the Scale is taken over, so that the
/// caller's checks of preconditions see it.
pub fn into(scale: &Value, object: &mut Value) {
    let root = At::root(scale);
    let replicas = root.get("spec").get("replicas").int();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("replicas".to_owned(), Value::from(replicas));
    }
    for name in ["resourceVersion", "uid"] {
        let value = root.get("metadata").get(name).str();
        if !value.is_empty()
            && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.insert(name.to_owned(), Value::from(value));
        }
    }
}

/// Validates a Scale (its metadata is the caller's).
#[must_use]
pub fn validate(scale: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    At::root(scale).get("spec").get("replicas").non_negative(&mut errors);
    errors
}

fn equality_text(selector: &At) -> String {
    let pairs: Vec<String> = selector.entries().map(|(key, value)| format!("{key}={}", value.str())).collect();
    pairs.join(",")
}

/// Writes a label selector as the text that list requests take; requirements are sorted by key.
///
/// # Errors
/// When an operator is unknown.
fn selector_text(selector: &At) -> Result<String, String> {
    let mut parts: Vec<(&str, String)> = Vec::new();
    for (key, value) in selector.get("matchLabels").entries() {
        parts.push((key, format!("{key}={}", value.str())));
    }
    for requirement in selector.get("matchExpressions").items() {
        let key = requirement.get("key").str();
        let mut values: Vec<&str> = requirement.get("values").strings().collect();
        values.sort_unstable();
        let values = values.join(",");
        let operator = requirement.get("operator").str();
        parts.push((
            key,
            match operator {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.to_owned(),
                "DoesNotExist" => format!("!{key}"),
                _ => {
                    let operator = crate::field_error::go_quote(operator);
                    return Err(format!("{operator} is not a valid label selector operator"));
                }
            },
        ));
    }
    parts.sort_by(|a, b| a.0.cmp(b.0));
    Ok(parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_shows_selector_and_replicas() {
        let deployment = json!({
            "metadata": {"name": "a", "namespace": "b", "labels": {"x": "y"}},
            "spec": {"replicas": 3, "selector": {
                "matchLabels": {"z": "1", "a": "2"},
                "matchExpressions": [{"key": "m", "operator": "In", "values": ["2", "1"]}],
            }},
            "status": {"replicas": 2},
        });
        let scale = from(Gvk::new("apps", "v1", "Deployment"), &deployment).expect("a good selector");
        assert_eq!(
            scale,
            json!({
                "kind": "Scale", "apiVersion": "autoscaling/v1",
                "metadata": {"name": "a", "namespace": "b"},
                "spec": {"replicas": 3}, "status": {"replicas": 2, "selector": "a=2,m in (1,2),z=1"},
            })
        );
        let mut changed = deployment.clone();
        into(&json!({"spec": {"replicas": 5}}), &mut changed);
        assert_eq!(changed["spec"]["replicas"], 5);
        assert_eq!(validate(&json!({"spec": {"replicas": -1}})).len(), 1);
    }
}
