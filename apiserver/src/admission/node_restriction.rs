//! NodeRestriction: a node changes itself and what runs on it, and nothing else.
//!
//! Concerns users `system:node:NAME` of the group `system:nodes` alone. Tokens that nodes ask for are checked where tokens
//! are made.

use super::Verb;
use super::service_account::{is_mirror, secret_names};
use super::write::{Write, items, text};
use crate::authn::User;
use crate::codec;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::{GroupResource, Status};
use serde_json::Value;
use std::collections::BTreeSet;

const PREFIX: &str = "system:node:";
const GROUP: &str = "system:nodes";
const LEASES: &str = "kube-node-lease";
const RESTRICTED: &str = "node-restriction.kubernetes.io";

/// Labels of Kubernetes' own that a kubelet sets on its node.
const KUBELET_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

/// Checks a write. For a deletion, `new` is the object that goes.
pub(super) async fn check(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    let Some(node) = node_of(&write.call.user) else { return Ok(()) };
    if node.is_empty() {
        let why = format!("could not determine node from user {}", go_quote(&write.call.user.name));
        return Err(write.forbidden(new, &why));
    }
    if write.creates("", "pods") && check_mirror(node, new).is_ok() {
        check_owner(write, node, new).await?;
    }
    let verdict = match (write.served.group.as_str(), write.served.plural.as_str()) {
        ("", "pods") => check_pod(write, node, new),
        ("", "nodes") => check_node(write.operation.verb, node, write.old, new),
        ("", "persistentvolumeclaims") if write.operation.part != Subresource::Status => {
            Err("may only update PVC status".to_owned())
        }
        ("coordination.k8s.io", "leases") if codec::meta_str(new, "namespace") != LEASES => {
            Err(format!("can only access leases in the {} system namespace", go_quote(LEASES)))
        }
        ("coordination.k8s.io", "leases") if codec::meta_str(new, "name") != node => {
            Err("can only access node lease with the same name as the requesting node".to_owned())
        }
        ("storage.k8s.io", "csinodes") if codec::meta_str(new, "name") != node => {
            Err("can only access CSINode with the same name as the requesting node".to_owned())
        }
        ("resource.k8s.io", "resourceslices")
            if write.operation.verb != Verb::Update && text(new, "/spec/nodeName") != node =>
        {
            let verb = if write.operation.verb == Verb::Create { "create" } else { "delete" };
            Err(format!("can only {verb} ResourceSlice with the same NodeName as the requesting node"))
        }
        _ => Ok(()),
    };
    verdict.map_err(|why| write.forbidden(new, &why))
}

/// Returns the name of the node that a user is.
fn node_of(user: &User) -> Option<&str> {
    user.name.strip_prefix(PREFIX).filter(|_| user.is_in(GROUP))
}

fn check_pod(write: &Write<'_>, node: &str, new: &Value) -> Result<(), String> {
    let quoted = go_quote(node);
    match (write.operation.verb, write.operation.part) {
        (Verb::Create, _) => check_mirror(node, new),
        (Verb::Delete, _) if text(new, "/spec/nodeName") == node => Ok(()),
        (Verb::Delete, _) => Err(format!("node {quoted} can only delete pods with spec.nodeName set to itself")),
        (Verb::Update, Subresource::Status) => check_pod_status(node, write.old.unwrap_or(&Value::Null), new),
        (Verb::Update, Subresource::Main) => {
            Err(format!("unexpected operation \"UPDATE\", node {quoted} can only create and delete mirror pods"))
        }
        (Verb::Update, part) => {
            let part = crate::verbs::write::subresource_name(part);
            Err(format!("unexpected pod subresource {}, only 'status' and 'eviction' are allowed", go_quote(part)))
        }
    }
}

fn check_pod_status(node: &str, old: &Value, new: &Value) -> Result<(), String> {
    let quoted = go_quote(node);
    let same =
        |pointer: &str| old.pointer(pointer).unwrap_or(&Value::Null) == new.pointer(pointer).unwrap_or(&Value::Null);
    if text(old, "/spec/nodeName") != node {
        return Err(format!("node {quoted} can only update pod status for pods with spec.nodeName set to itself"));
    }
    if !same("/metadata/labels") {
        return Err(format!("node {quoted} cannot update labels through pod status"));
    }
    if !same("/status/resourceClaimStatuses") {
        return Err(format!("node {quoted} cannot update resource claim statues"));
    }
    if !same("/status/extendedResourceClaimStatus") {
        return Err(format!("node {quoted} cannot update extended resource claim status"));
    }
    Ok(())
}

/// A node makes pods only to show what it runs on its own.
fn check_mirror(node: &str, pod: &Value) -> Result<(), String> {
    let quoted = go_quote(node);
    if !is_mirror(pod) {
        let annotation = "\"kubernetes.io/config.mirror\"";
        return Err(format!("pod does not have {annotation} annotation, node {quoted} can only create mirror pods"));
    }
    if text(pod, "/spec/nodeName") != node {
        return Err(format!("node {quoted} can only create pods with spec.nodeName set to itself"));
    }
    let owner = match items(pod, "/metadata/ownerReferences") {
        [owner] => owner,
        [] => return Err(format!("node {quoted} can only create pods with an owner reference set to itself")),
        _ => return Err(format!("node {quoted} can only create pods with a single owner reference set to itself")),
    };
    if [text(owner, "/apiVersion"), text(owner, "/kind"), text(owner, "/name")] != ["v1", "Node", node] {
        return Err(format!("node {quoted} can only create pods with an owner reference set to itself"));
    }
    if owner["controller"] != true {
        return Err(format!("node {quoted} can only create pods with a controller owner reference set to itself"));
    }
    if owner["blockOwnerDeletion"] == true {
        return Err(format!("node {quoted} must not set blockOwnerDeletion on an owner reference"));
    }
    reference(pod).map_or(Ok(()), |what| Err(format!("node {quoted} can not create pods that reference {what}")))
}

/// Returns what a pod needs of the API.
fn reference(pod: &Value) -> Option<&'static str> {
    const VOLUMES: [(&str, &str); 7] = [
        ("configMap", "configmaps (via configmap volumes)"),
        ("secret", "secrets (via secret volumes)"),
        ("csi", "csidrivers (via CSI volumes)"),
        ("glusterfs", "endpoints (via glusterFS volumes)"),
        ("persistentVolumeClaim", "persistentvolumeclaims"),
        ("ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
        ("projected", "serviceaccounts (via projected volumes)"),
    ];
    let has = |object: &Value, field: &str| object.get(field).is_some_and(|value| !value.is_null());
    let containers = ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"];
    let config_maps = containers.into_iter().flat_map(|list| items(pod, list)).any(|container| {
        items(container, "/env")
            .iter()
            .any(|env| env.pointer("/valueFrom/configMapKeyRef").is_some_and(|key| !key.is_null()))
            || items(container, "/envFrom").iter().any(|env| has(env, "configMapRef"))
    });
    if !text(pod, "/spec/serviceAccountName").is_empty() {
        return Some("serviceaccounts");
    }
    if !secret_names(pod).is_empty() {
        return Some("secrets");
    }
    if config_maps {
        return Some("configmaps");
    }
    if !items(pod, "/spec/resourceClaims").is_empty() {
        return Some("resourceclaims");
    }
    items(pod, "/spec/volumes")
        .iter()
        .find_map(|volume| VOLUMES.iter().find(|(kind, _)| has(volume, kind)).map(|(_, what)| *what))
}

/// The owner of a mirror pod is the node as it is now.
async fn check_owner(write: &Write<'_>, node: &str, pod: &Value) -> Result<(), Status> {
    let nodes = GroupResource { group: String::new(), resource: "nodes".to_owned() };
    let object = write.find("", "nodes", None, node).await?.ok_or_else(|| Status::not_found(&nodes, node))?;
    let (given, is) = (text(pod, "/metadata/ownerReferences/0/uid"), codec::meta_str(&object, "uid"));
    if given == is {
        return Ok(());
    }
    Err(write.forbidden(pod, &format!("node {node} UID mismatch: expected {given} got {is}")))
}

fn check_node(verb: Verb, node: &str, old: Option<&Value>, new: &Value) -> Result<(), String> {
    let (quoted, name) = (go_quote(node), codec::meta_str(new, "name"));
    if name != node {
        return Err(format!("node {quoted} is not allowed to modify node {}", go_quote(name)));
    }
    let part = |object: &Value, pointer: &str| object.pointer(pointer).cloned().filter(|value| !value.is_null());
    let config = part(new, "/spec/configSource");
    match (verb, old) {
        (Verb::Create, _) if config.is_some() => {
            Err(format!("node {quoted} is not allowed to create pods with a non-nil configSource"))
        }
        (Verb::Create, _) => {
            refuse_labels(&format!("node {quoted} is not allowed to set the following labels"), new, &Value::Null)
        }
        (Verb::Update, Some(old)) => {
            if config.is_some() && config != part(old, "/spec/configSource") {
                return Err(format!(
                    "node {quoted} is not allowed to update configSource to a new non-nil configSource"
                ));
            }
            for (pointer, what) in [("/spec/taints", "taints"), ("/metadata/ownerReferences", "ownerReferences")] {
                if items(new, pointer) != items(old, pointer) {
                    return Err(format!("node {quoted} is not allowed to modify {what}"));
                }
            }
            refuse_labels("is not allowed to modify labels", new, old)
        }
        (Verb::Update, None) | (Verb::Delete, _) => Ok(()),
    }
}

fn refuse_labels(start: &str, new: &Value, old: &Value) -> Result<(), String> {
    let label =
        |object: &Value, key: &str| object.pointer("/metadata/labels").and_then(|labels| labels.get(key)).cloned();
    let keys = [new, old]
        .into_iter()
        .filter_map(|object| object.pointer("/metadata/labels")?.as_object())
        .flat_map(serde_json::Map::keys);
    let changed: BTreeSet<&str> =
        keys.map(String::as_str).filter(|key| label(new, key) != label(old, key) && is_forbidden(key)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!("{start}: {}", changed.into_iter().collect::<Vec<_>>().join(", ")))
}

/// Labels by which work could be drawn to a node.
fn is_forbidden(label: &str) -> bool {
    let namespace = label.split_once('/').map_or("", |(namespace, _)| namespace);
    let within =
        |domain: &str| namespace == domain || namespace.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let kubelets = KUBELET_LABELS.contains(&label) || within("kubelet.kubernetes.io") || within("node.kubernetes.io");
    within(RESTRICTED) || ((within("kubernetes.io") || within("k8s.io")) && !kubelets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_labels_itself_only_as_kubelets_do() {
        let node = |labels: Value| json!({"metadata": {"name": "n", "labels": labels}});
        let check = |labels: Value| check_node(Verb::Create, "n", None, &node(labels));
        assert_eq!(
            check(json!({"kubernetes.io/hostname": "n", "mine.example.com/x": "y", "x.node.kubernetes.io/y": "z"})),
            Ok(())
        );
        let why = "node \"n\" is not allowed to set the following labels: foo.node-restriction.kubernetes.io/x, other.k8s.io/y";
        assert_eq!(
            check(json!({"foo.node-restriction.kubernetes.io/x": "1", "other.k8s.io/y": "2"})),
            Err(why.to_owned())
        );
        let other = check_node(Verb::Update, "m", Some(&node(json!({}))), &node(json!({})));
        assert_eq!(other, Err("node \"m\" is not allowed to modify node \"n\"".to_owned()));
    }

    #[test]
    fn a_node_makes_mirror_pods_of_its_own_alone() {
        let plain = json!({"metadata": {"name": "p"}, "spec": {}});
        let why =
            "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n\" can only create mirror pods";
        assert_eq!(check_mirror("n", &plain), Err(why.to_owned()));
        let mut mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "controller": true}]},
            "spec": {"nodeName": "n", "containers": [{"name": "c"}]}});
        assert_eq!(check_mirror("n", &mirror), Ok(()));
        mirror["spec"]["volumes"] = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]);
        assert_eq!(
            check_mirror("n", &mirror),
            Err("node \"n\" can not create pods that reference persistentvolumeclaims".to_owned())
        );
    }

    #[test]
    fn only_members_of_the_group_are_nodes() {
        let node = User::named("system:node:n").with_groups(&[GROUP]);
        assert_eq!(node_of(&node), Some("n"));
        assert_eq!(node_of(&User::named("system:node:n")), None);
    }
}
