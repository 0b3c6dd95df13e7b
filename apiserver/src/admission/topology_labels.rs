//! PodTopologyLabels: a pod that lies on a node carries the node's zone and region as labels.

use super::Verb;
use super::write::{Write, text};
use crate::codec;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::status::Status;
use serde_json::{Value, json};

/// The labels that a pod takes over from its node.
const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

pub(super) async fn admit(write: &Write<'_>, pod: &mut Value) -> Result<(), Status> {
    let concerned =
        write.is_of("", "pods") && write.operation.verb != Verb::Delete && write.operation.part == Subresource::Main;
    let node = text(pod, "/spec/nodeName");
    if !concerned || node.is_empty() {
        return Ok(());
    }
    if let Some(node) = write.find("", "nodes", None, node).await? {
        copy(pod, &node);
    }
    Ok(())
}

fn copy(pod: &mut Value, node: &Value) {
    let own = node.pointer("/metadata/labels").and_then(Value::as_object);
    for (name, value) in LABELS.into_iter().filter_map(|name| Some((name, own?.get(name)?))) {
        let labels = codec::metadata_mut(pod).entry("labels").or_insert_with(|| json!({}));
        if labels.is_null() {
            *labels = json!({});
        }
        labels[name] = value.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_and_region_are_copied_and_nothing_else() {
        let node = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": "z", "other": "x"}}});
        let mut pod = json!({"metadata": {"labels": {"app": "web"}}});
        copy(&mut pod, &node);
        assert_eq!(pod["metadata"]["labels"], json!({"app": "web", "topology.kubernetes.io/zone": "z"}));
    }
}
