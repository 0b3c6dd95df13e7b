//! Answers to reviews, as a real kube-apiserver gave them.

use super::*;
use crate::authz::layer::{Kind, Layer};

fn own() -> Layer {
    let mut layer = Layer::default();
    let mut put = |kind: Kind, namespace: &str, name: &str, object: Value| {
        layer.put(kind, namespace, name, object.to_string().as_bytes()).expect("test object");
    };
    let rules = json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"nonResourceURLs": ["/healthz"], "verbs": ["get"]},
    ]);
    put(Kind::ClusterRole, "", "r", json!({"rules": rules}));
    let subjects = json!([{"kind": "User", "name": "bob"}]);
    put(
        Kind::ClusterRoleBinding,
        "",
        "b",
        json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": subjects}),
    );
    layer
}

fn with_policy<T>(ask: impl FnOnce(&Policy<'_>) -> T) -> T {
    let (base, own) = (Layer::default(), own());
    ask(&Policy { base: &base, own: &own })
}

fn sar(spec: Value) -> Result<Value, Status> {
    with_policy(|policy| subject_access(policy, json!({"metadata": {}, "spec": spec})))
}

#[test]
fn subject_access_is_answered_with_its_reason() {
    let asked = json!({"verb": "get", "resource": "pods"});
    let done = sar(json!({"user": "bob", "resourceAttributes": asked})).expect("answer");
    let reason = r#"RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "bob""#;
    assert_eq!(done["status"], json!({"allowed": true, "reason": reason}));
    let done = sar(json!({"user": "eve", "groups": ["system:masters"], "resourceAttributes": asked})).expect("answer");
    assert_eq!(done["status"], json!({"allowed": true}));
    let done = sar(json!({"groups": ["a"], "nonResourceAttributes": {"path": "/healthz", "verb": "get"}}));
    assert_eq!(done.expect("answer")["status"], json!({"allowed": false}));
}

#[test]
fn selectors_are_ignored_aloud() {
    let ask = |selector: Value| {
        let asked = json!({"verb": "get", "resource": "pods", "labelSelector": selector});
        sar(json!({"user": "eve", "resourceAttributes": asked})).expect("answer")["status"]["evaluationError"].clone()
    };
    let requirement = |operator: &str| json!({"key": "a", "operator": operator});
    assert_eq!(ask(json!({"requirements": [requirement("Exists")]})), Value::Null);
    assert_eq!(
        ask(json!({"requirements": [requirement("Near"), requirement("Exists")]})),
        "spec.resourceAttributes.labelSelector partially ignored due to parse error"
    );
    assert_eq!(ask(json!({"rawSelector": "a in (b),c"})), Value::Null);
    assert_eq!(
        ask(json!({"rawSelector": "a in b"})),
        "spec.resourceAttributes.labelSelector ignored due to parse error"
    );
    assert_eq!(
        ask(json!({"requirements": [requirement("Near")]})),
        "spec.resourceAttributes.labelSelector ignored due to parse error"
    );
}

#[test]
fn senseless_questions_are_refused_in_upstreams_words() {
    let refused = sar(json!({})).expect_err("empty");
    assert_eq!(
        refused.message,
        ".authorization.k8s.io \"\" is invalid: [spec.resourceAttributes: Invalid value: null: exactly one of \
         nonResourceAttributes or resourceAttributes must be specified, spec.user: Invalid value: \"\": at least one of \
         user or group must be specified]"
    );
    let both = json!({"user": "u", "resourceAttributes": {}, "nonResourceAttributes": {"path": "/"}});
    assert_eq!(
        sar(both).expect_err("both").message,
        ".authorization.k8s.io \"\" is invalid: spec.nonResourceAttributes: Invalid value: {\"Path\":\"/\",\"Verb\":\"\"}: \
         cannot be specified in combination with resourceAttributes"
    );
    let selectors = json!({"user": "u", "resourceAttributes": {
        "fieldSelector": {}, "labelSelector": {"requirements": [{"key": "a", "operator": "In"}]},
    }});
    assert_eq!(
        sar(selectors).expect_err("selectors").message,
        ".authorization.k8s.io \"\" is invalid: [spec.resourceAttributes.fieldSelector.requirements: Required value: when \
         spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required, \
         spec.resourceAttributes.labelSelector.requirements[0].values: Required value: must be specified when `operator` \
         is 'In' or 'NotIn']"
    );
}

#[test]
fn local_reviews_stay_in_their_namespace() {
    let ask = |namespace: &str, asked: Value| {
        let review =
            json!({"metadata": {"namespace": namespace}, "spec": {"user": "bob", "resourceAttributes": asked}});
        with_policy(|policy| local_subject_access(policy, "a", review))
    };
    let pods = |namespace: &str| json!({"verb": "get", "resource": "pods", "namespace": namespace});
    assert_eq!(ask("a", pods("a")).expect("answer")["status"]["allowed"], true);
    assert_eq!(
        ask("a", pods("b")).expect_err("other namespace").message,
        ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes.namespace: Invalid value: \"b\": \
         must match metadata.namespace"
    );
    assert_eq!(ask("b", pods("b")).expect_err("other namespace").code, 400);
}

#[test]
fn rules_are_listed_in_two_sorts() {
    let bob = User::named("bob");
    let done = with_policy(|policy| self_subject_rules(policy, &bob, &json!({"spec": {"namespace": "a"}})));
    let expected = json!({
        "resourceRules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        "nonResourceRules": [{"nonResourceURLs": ["/healthz"], "verbs": ["get"]}],
        "incomplete": false,
    });
    assert_eq!(done.expect("answer")["status"], expected);
    let refused =
        with_policy(|policy| self_subject_rules(policy, &bob, &json!({"spec": {}}))).expect_err("no namespace");
    assert_eq!((refused.code, refused.message.as_str()), (400, "no namespace on request"));
}
