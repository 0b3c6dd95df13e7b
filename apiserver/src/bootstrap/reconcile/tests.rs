//! What comes back, kind by kind.

use super::*;
use crate::bootstrap::base::objects;
use serde_json::json;

fn check(resource: &str, expected: &Value, live: &Value, action: Action) {
    let group = if resource.contains("role") { RBAC_GROUP } else { FLOW_GROUP };
    assert_eq!(reconcile(group, resource, expected, Some(live)), action, "{resource} {live}");
}

#[test]
fn the_base_is_as_it_should_be_and_a_missing_object_is_made() {
    for row in objects() {
        let (group, resource) = (row.group.as_str(), row.resource.as_str());
        assert_eq!(reconcile(group, resource, &row.object, Some(&row.object)), Action::Keep, "{}", row.object);
        assert_eq!(reconcile(group, resource, &row.object, None), Action::Create);
    }
}

#[test]
fn roles_get_back_what_they_lost_and_keep_what_they_gained() {
    let rule = |verbs: &[&str]| json!({"apiGroups": [""], "resources": ["pods"], "verbs": verbs});
    let metadata = json!({"name": "r", "labels": {"a": "b"}});
    let expected = json!({"metadata": metadata, "rules": [rule(&["get", "list"])]});
    let changed = json!({"metadata": {"name": "r", "labels": {"c": "d"}}, "rules": [rule(&["get"]), rule(&["x"])]});
    let wanted = json!({
        "metadata": {"name": "r", "labels": {"a": "b", "c": "d"}},
        "rules": [rule(&["get"]), rule(&["x"]), rule(&["list"])],
    });
    check("clusterroles", &expected, &changed, Action::Update(wanted));
    let mut protected = changed;
    protected["metadata"]["annotations"] = json!({RBAC_AUTOUPDATE: "false"});
    check("clusterroles", &expected, &protected, Action::Keep);
    let aggregated =
        json!({"metadata": metadata, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    let plain = json!({"metadata": metadata});
    check("clusterroles", &aggregated, &plain, Action::Update(aggregated.clone()));
    check("clusterroles", &plain, &aggregated, Action::Update(plain.clone()));
}

#[test]
fn bindings_get_back_their_subjects_and_their_role() {
    let role = |name: &str| json!({"kind": "ClusterRole", "name": name});
    let (a, b) = (json!({"kind": "User", "name": "a"}), json!({"kind": "User", "name": "b"}));
    let expected = json!({"metadata": {}, "roleRef": role("r"), "subjects": [a]});
    let other = json!({"metadata": {}, "roleRef": role("r"), "subjects": [b]});
    let both = json!({"metadata": {}, "roleRef": role("r"), "subjects": [b, a]});
    check("rolebindings", &expected, &other, Action::Update(both.clone()));
    check("rolebindings", &expected, &both, Action::Keep);
    let none = json!({"metadata": {}, "roleRef": role("r")});
    check("rolebindings", &expected, &none, Action::Update(expected.clone()));
    let elsewhere = json!({"metadata": {}, "roleRef": role("s"), "subjects": [a]});
    check("rolebindings", &expected, &elsewhere, Action::Recreate);
}

#[test]
fn flow_control_is_put_back_where_it_is_mandatory_or_automatic() {
    let schema = |name: &str, generation: u64, annotation: Option<&str>, precedence: u64| {
        let mut object = json!({
            "metadata": {"name": name, "generation": generation}, "spec": {"matchingPrecedence": precedence},
        });
        if let Some(annotation) = annotation {
            object["metadata"]["annotations"] = json!({FLOW_AUTOUPDATE: annotation});
        }
        object
    };
    let ask = |name: &str, generation: u64, annotation: Option<&str>| {
        let live = schema(name, generation, annotation, 7);
        match reconcile(FLOW_GROUP, "flowschemas", &schema(name, 1, Some("true"), 1), Some(&live)) {
            Action::Update(wanted) => {
                let annotation = wanted["metadata"]["annotations"][FLOW_AUTOUPDATE].as_str().map(str::to_owned);
                (wanted["spec"]["matchingPrecedence"].clone(), annotation)
            }
            other => panic!("{other:?}"),
        }
    };
    let yes = Some("true".to_owned());
    assert_eq!(ask("catch-all", 3, Some("false")), (json!(1), yes.clone()));
    assert_eq!(ask("probes", 3, Some("true")), (json!(1), yes.clone()));
    assert_eq!(ask("probes", 1, None), (json!(1), yes));
    assert_eq!(ask("probes", 2, None), (json!(7), Some("false".to_owned())));
    let kept = schema("probes", 2, Some("false"), 7);
    check("flowschemas", &schema("probes", 1, Some("true"), 1), &kept, Action::Keep);
    let level = |shares: u64, kind: &str| {
        json!({"metadata": {"name": "exempt", "annotations": {FLOW_AUTOUPDATE: "true"}},
            "spec": {"type": kind, "exempt": {"nominalConcurrencyShares": shares, "lendablePercent": 0}}})
    };
    check("prioritylevelconfigurations", &level(0, "Exempt"), &level(5, "Exempt"), Action::Keep);
    check("prioritylevelconfigurations", &level(0, "Exempt"), &level(5, "x"), Action::Update(level(0, "Exempt")));
}

#[test]
fn what_returns_when() {
    for (group, resource, name, when) in [
        (RBAC_GROUP, "clusterroles", "admin", Return::AtStart),
        (FLOW_GROUP, "flowschemas", "exempt", Return::Soon),
        ("", "serviceaccounts", "default", Return::Soon),
        ("", "serviceaccounts", "token-cleaner", Return::AtStart),
        ("", "configmaps", "kube-root-ca.crt", Return::Soon),
        ("", "services", "kubernetes", Return::Soon),
    ] {
        assert_eq!(returns(group, resource, name), when, "{group}/{resource}/{name}");
    }
}
