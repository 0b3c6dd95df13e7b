//! Decisions of a small policy, asked as a table; the expected texts are a real kube-apiserver's.

use super::*;
use crate::authz::attributes::{ResourceTarget, Target};
use crate::authz::layer::Kind;
use serde_json::{Value, json};

fn put(layer: &mut Layer, kind: Kind, namespace: &str, name: &str, object: &Value) {
    layer.put(kind, namespace, name, object.to_string().as_bytes()).expect("test object");
}

fn role_ref(kind: &str, name: &str) -> Value {
    json!({"apiGroup": RBAC_GROUP, "kind": kind, "name": name})
}

fn bind(layer: &mut Layer, namespace: &str, name: &str, role: Value, subjects: Value) {
    let kind = if namespace.is_empty() { Kind::ClusterRoleBinding } else { Kind::RoleBinding };
    put(layer, kind, namespace, name, &json!({"roleRef": role, "subjects": subjects}));
}

fn base() -> Layer {
    let mut layer = Layer::default();
    let all = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    put(&mut layer, Kind::ClusterRole, "", "all", &all);
    put(
        &mut layer,
        Kind::ClusterRole,
        "",
        "view",
        &json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}),
    );
    put(
        &mut layer,
        Kind::Role,
        "kube-system",
        "secrets",
        &json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}),
    );
    let group = json!([{"kind": "Group", "name": "system:authenticated"}]);
    bind(&mut layer, "", "everybody", role_ref("ClusterRole", "view"), group);
    let account = json!([{"kind": "ServiceAccount", "name": "cleaner", "namespace": "kube-system"}]);
    bind(&mut layer, "kube-system", "cleaner", role_ref("Role", "secrets"), account);
    layer
}

fn pods<'a>(namespace: &'a str) -> Target<'a> {
    Target::Resource(ResourceTarget { namespace, resource: "pods", ..ResourceTarget::default() })
}

fn secrets<'a>(namespace: &'a str) -> Target<'a> {
    Target::Resource(ResourceTarget { namespace, resource: "secrets", name: "x", ..ResourceTarget::default() })
}

fn check(own: &Layer, user: &User, verb: &str, target: Target<'_>, allowed: bool, reason: &str) {
    let base = base();
    let policy = Policy { base: &base, own };
    let decision = policy.authorize(&Attributes { user, verb, target });
    assert_eq!((decision.allowed(), decision.reason().as_str()), (allowed, reason), "{} {verb} {target:?}", user.name);
}

#[test]
fn base_decides_for_a_tenant_without_rules_of_its_own() {
    let none = Layer::default();
    let everybody =
        r#"RBAC: allowed by ClusterRoleBinding "everybody" of ClusterRole "view" to Group "system:authenticated""#;
    let somebody = User::named("u").authenticated();
    check(&none, &somebody, "list", pods("a"), true, everybody);
    check(&none, &somebody, "list", pods(""), true, everybody);
    check(&none, &somebody, "delete", pods("a"), false, "");
    check(&none, &User::anonymous(), "list", pods("a"), false, "");
    check(&none, &User::named("root").with_groups(&["system:masters"]), "x", Target::Path("/x"), true, "");
    let cleaner = User::service_account("kube-system", "cleaner", "1").authenticated();
    let reason = r#"RBAC: allowed by RoleBinding "cleaner/kube-system" of Role "secrets" to ServiceAccount "cleaner/kube-system""#;
    check(&none, &cleaner, "get", secrets("kube-system"), true, reason);
    check(&none, &cleaner, "get", secrets("default"), false, "");
    check(&none, &cleaner, "get", secrets(""), false, "");
}

#[test]
fn own_rows_add_change_and_remove() {
    let mut own = Layer::default();
    let eve = User::named("eve");
    bind(&mut own, "a", "eve", role_ref("ClusterRole", "all"), json!([{"kind": "User", "name": "eve"}]));
    let reason = r#"RBAC: allowed by RoleBinding "eve/a" of ClusterRole "all" to User "eve""#;
    check(&own, &eve, "get", secrets("a"), true, reason);
    check(&own, &eve, "get", secrets("b"), false, "");
    // A changed role counts at once for bindings of the base.
    put(&mut own, Kind::ClusterRole, "", "view", &json!({"rules": []}));
    check(&own, &User::named("u").authenticated(), "list", pods("a"), false, "");
    own.forget(Kind::ClusterRole, "", "view");
    own.hide(Kind::ClusterRoleBinding, "", "everybody");
    check(&own, &User::named("u").authenticated(), "list", pods("a"), false, "");
    own.forget(Kind::ClusterRoleBinding, "", "everybody");
    own.hide(Kind::ClusterRole, "", "all");
    let missing = r#"RBAC: clusterrole.rbac.authorization.k8s.io "all" not found"#;
    check(&own, &eve, "get", secrets("a"), false, missing);
    own.forget(Kind::RoleBinding, "a", "eve");
    own.forget(Kind::ClusterRole, "", "all");
    assert!(own.is_empty());
}

#[test]
fn broken_references_are_told_once_each_and_only_in_a_refusal() {
    let mut own = Layer::default();
    let eve = json!([{"kind": "User", "name": "eve"}]);
    bind(&mut own, "", "x", role_ref("ClusterRole", "gone"), eve.clone());
    bind(&mut own, "", "y", role_ref("ClusterRole", "gone"), eve.clone());
    let once = r#"RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found"#;
    check(&own, &User::named("eve"), "get", pods("a"), false, once);
    bind(&mut own, "a", "z", role_ref("Role", "lost"), eve.clone());
    let both = r#"RBAC: [clusterrole.rbac.authorization.k8s.io "gone" not found, role.rbac.authorization.k8s.io "lost" not found]"#;
    check(&own, &User::named("eve"), "get", pods("a"), false, both);
    bind(&mut own, "a", "zz", role_ref("ClusterRole", "all"), eve);
    let reason = r#"RBAC: allowed by RoleBinding "zz/a" of ClusterRole "all" to User "eve""#;
    check(&own, &User::named("eve"), "get", pods("a"), true, reason);
}

#[test]
fn a_replaced_binding_forgets_its_old_subjects() {
    let mut own = Layer::default();
    bind(&mut own, "a", "b", role_ref("ClusterRole", "all"), json!([{"kind": "User", "name": "eve"}]));
    // The namespace of a service account defaults to the binding's.
    bind(&mut own, "a", "b", role_ref("ClusterRole", "all"), json!([{"kind": "ServiceAccount", "name": "sa"}]));
    check(&own, &User::named("eve"), "get", secrets("a"), false, "");
    let reason = r#"RBAC: allowed by RoleBinding "b/a" of ClusterRole "all" to ServiceAccount "sa/a""#;
    check(&own, &User::service_account("a", "sa", "1"), "get", secrets("a"), true, reason);
}
