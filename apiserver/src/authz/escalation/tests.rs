//! Writes of roles and bindings by somebody with some rights; texts as a real kube-apiserver's.

use super::*;
use crate::authz::layer::Layer;
use serde_json::json;

/// `eve` administers pods in namespace `a`, is bound to a cluster role that is gone, and may write roles.
fn own() -> Layer {
    let mut layer = Layer::default();
    let mut put = |kind: Kind, namespace: &str, name: &str, object: Value| {
        layer.put(kind, namespace, name, object.to_string().as_bytes()).expect("test object");
    };
    let eve = json!([{"kind": "User", "name": "eve"}]);
    let pods = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]);
    let nodes = json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}]);
    put(Kind::ClusterRole, "", "pods", json!({"rules": pods}));
    put(Kind::ClusterRole, "", "nodes", json!({"rules": nodes}));
    put(Kind::RoleBinding, "a", "eve", json!({"roleRef": {"kind": "ClusterRole", "name": "pods"}, "subjects": eve}));
    let gone = json!({"roleRef": {"kind": "ClusterRole", "name": "gone"}, "subjects": eve});
    put(Kind::ClusterRoleBinding, "", "gone", gone);
    let may = json!({"rules": [
        {"apiGroups": [RBAC_GROUP], "resources": ["clusterroles"], "resourceNames": ["nodes"], "verbs": ["bind"]},
        {"apiGroups": [RBAC_GROUP], "resources": ["roles"], "resourceNames": ["free"], "verbs": ["escalate"]},
    ]});
    put(Kind::Role, "b", "may", may);
    put(Kind::RoleBinding, "b", "may", json!({"roleRef": {"kind": "Role", "name": "may"}, "subjects": eve}));
    layer
}

fn ask(kind: Kind, namespace: &str, name: &str, old: Option<&Value>, new: &Value, user: &User) -> Result<(), Status> {
    let (base, own) = (Layer::default(), own());
    let write = Write { user, kind, namespace, request_name: name, old, new };
    check(&Policy { base: &base, own: &own }, &write)
}

fn role(verbs: &[&str]) -> Value {
    let rules = json!([{"apiGroups": ["", "foo"], "resources": ["pods"], "verbs": verbs}]);
    json!({"metadata": {"name": "r"}, "rules": rules})
}

fn binding(name: &str) -> Value {
    json!({"metadata": {"name": "r"}, "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": name}})
}

fn eve() -> User {
    User::named("eve").authenticated()
}

#[test]
fn a_role_may_not_grant_more_than_its_writer_has() {
    let held =
        json!({"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    assert_eq!(ask(Kind::Role, "a", "", None, &held, &eve()), Ok(()));
    let refused = ask(Kind::Role, "a", "", None, &role(&["get", "x"]), &eve()).expect_err("too much");
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message,
        "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"eve\" (groups=[\"system:authenticated\"]) is \
         attempting to grant RBAC permissions not currently held:\n\
         {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"x\"]}\n\
         {APIGroups:[\"foo\"], Resources:[\"pods\"], Verbs:[\"get\" \"x\"]}; \
         resolution errors: [roles.rbac.authorization.k8s.io \"gone\" not found]"
    );
    let root = User::named("root").with_groups(&[PRIVILEGED_GROUP]);
    assert_eq!(ask(Kind::Role, "a", "", None, &role(&["x"]), &root), Ok(()));
    assert_eq!(ask(Kind::Role, "b", "free", Some(&held), &role(&["x"]), &eve()), Ok(()), "escalate is allowed");
}

#[test]
fn the_garbage_collector_may_edit_roles_it_does_not_hold() {
    let mut old = role(&["x"]);
    old["metadata"]["finalizers"] = json!(["f"]);
    assert_eq!(ask(Kind::Role, "b", "r", Some(&old), &role(&["x"]), &eve()), Ok(()));
    assert!(ask(Kind::Role, "b", "r", Some(&old), &role(&["x", "y"]), &eve()).is_err());
}

#[test]
fn aggregation_needs_everything() {
    let new = json!({"metadata": {"name": "r"}, "aggregationRule": {"clusterRoleSelectors": [{}]}});
    let refused = ask(Kind::ClusterRole, "", "", None, &new, &eve()).expect_err("not an administrator");
    assert_eq!(
        refused.message,
        "clusterroles.rbac.authorization.k8s.io \"r\" is forbidden: \
         must have cluster-admin privileges to use the aggregationRule"
    );
}

#[test]
fn a_binding_needs_the_rights_or_leave_to_bind() {
    assert_eq!(ask(Kind::RoleBinding, "a", "", None, &binding("pods"), &eve()), Ok(()));
    assert_eq!(ask(Kind::RoleBinding, "b", "", None, &binding("nodes"), &eve()), Ok(()), "bind is allowed");
    let refused = ask(Kind::RoleBinding, "a", "", None, &binding("nodes"), &eve()).expect_err("not held");
    assert!(refused.message.starts_with(r#"rolebindings.rbac.authorization.k8s.io "r" is forbidden: user "eve""#));
    let missing = ask(Kind::RoleBinding, "a", "", None, &binding("nope"), &eve()).expect_err("no such role");
    assert_eq!(
        (missing.code, missing.message.as_str()),
        (404, r#"rolebindings.rbac.authorization.k8s.io "nope" not found"#)
    );
}
