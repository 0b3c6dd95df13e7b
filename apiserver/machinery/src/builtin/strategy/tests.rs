//! Tests of strategies.

use super::*;
use crate::builtin::Gvk;
use serde_json::json;

#[test]
fn every_resource_is_found_by_its_name_and_by_its_kind() {
    for entry in table::ALL {
        assert!(strategy(entry.group, entry.resource).is_some(), "{}", entry.resource);
        assert!(strategy_of_kind(entry.group, entry.kind).is_some(), "{}", entry.kind);
    }
    assert!(strategy("", "unknown").is_none());
}

#[test]
fn creation_drops_status_and_starts_the_generation() {
    let mut object = json!({"metadata": {"name": "d"}, "spec": {}, "status": {"replicas": 3}});
    prepare_for_create(Gvk::new("apps", "v1", "Deployment"), &mut object, "2026-01-01T00:00:00Z");
    assert_eq!(object["metadata"]["generation"], json!(1));
    assert!(object["status"].get("replicas").is_none(), "{object}");
}

#[test]
fn a_changed_spec_raises_the_generation_and_status_stays() {
    let gvk = Gvk::new("apps", "v1", "ReplicaSet");
    let old = json!({"metadata": {"name": "d", "generation": 4}, "spec": {"replicas": 1}, "status": {"replicas": 1}});
    let mut new = old.clone();
    new["spec"]["replicas"] = json!(2);
    new["status"]["replicas"] = json!(9);
    prepare_for_update(gvk, &mut new, &old, Subresource::Main, "2026-01-01T00:00:00Z");
    assert_eq!((&new["metadata"]["generation"], &new["status"]["replicas"]), (&json!(5), &json!(1)));
    let mut status = old.clone();
    status["spec"]["replicas"] = json!(7);
    status["status"]["replicas"] = json!(7);
    prepare_for_update(gvk, &mut status, &old, Subresource::Status, "2026-01-01T00:00:00Z");
    assert_eq!((&status["spec"]["replicas"], &status["status"]["replicas"]), (&json!(1), &json!(7)));
}

#[test]
fn the_topology_of_endpoints_is_dropped_unless_they_stay() {
    let gvk = Gvk::new("discovery.k8s.io", "v1", "EndpointSlice");
    let old = json!({"endpoints": [{"deprecatedTopology": {"kubernetes.io/hostname": "n"}}]});
    let mut same = old.clone();
    prepare_for_update(gvk, &mut same, &old, Subresource::Main, "2026-01-01T00:00:00Z");
    assert_eq!(same["endpoints"], old["endpoints"]);
    let mut changed = old.clone();
    changed["endpoints"][0]["addresses"] = json!(["1.2.3.4"]);
    prepare_for_update(gvk, &mut changed, &old, Subresource::Main, "2026-01-01T00:00:00Z");
    assert_eq!(changed["endpoints"], json!([{"addresses": ["1.2.3.4"], "nodeName": "n"}]));
}

#[test]
fn names_follow_the_rule_of_their_kind() {
    use crate::metadata::names::NameUse;
    let good = |kind: &str, name: &str| name_rule(Gvk::new("", "v1", kind)).function()(name, NameUse::Name).is_empty();
    assert!(good("ConfigMap", "1.a") && !good("Service", "1a") && !good("Namespace", "a.b"));
}

#[test]
fn only_the_server_raises_the_generation_of_a_template() {
    let gvk = Gvk::new("apps", "v1", "DaemonSet");
    let generation = |object: &serde_json::Value| object["metadata"]["annotations"].clone();
    let annotation = |number: &str| json!({"deprecated.daemonset.template.generation": number});
    let mut old = json!({"metadata": {}, "spec": {"template": {"spec": {"hostname": "a"}}}});
    prepare_for_create(gvk, &mut old, "2026-01-01T00:00:00Z");
    assert_eq!(generation(&old), annotation("1"));
    let mut new = old.clone();
    new["metadata"]["annotations"] = annotation("7");
    prepare_for_update(gvk, &mut new, &old, Subresource::Main, "2026-01-01T00:00:00Z");
    assert_eq!(generation(&new), annotation("1"));
    new["spec"]["template"]["spec"]["hostname"] = json!("b");
    prepare_for_update(gvk, &mut new, &old, Subresource::Main, "2026-01-01T00:00:00Z");
    assert_eq!(generation(&new), annotation("2"));
}

#[test]
fn a_local_api_service_is_available_from_the_start() {
    let gvk = Gvk::new("apiregistration.k8s.io", "v1", "APIService");
    let mut local = json!({"metadata": {}, "spec": {}});
    prepare_for_create(gvk, &mut local, "2026-01-01T00:00:00Z");
    assert_eq!(local["status"]["conditions"][0]["reason"], "Local");
    let mut remote = json!({"metadata": {}, "spec": {"service": {"name": "s"}}});
    prepare_for_create(gvk, &mut remote, "2026-01-01T00:00:00Z");
    assert_eq!(remote["status"], json!({}));
}
