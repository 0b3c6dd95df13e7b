//! Tests of discovery. The tags are those of kube-apiserver 1.35.4.

use super::*;
use crate::crd::compile;
use serde_json::{Value, json};

fn definition() -> Compiled {
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object"}},
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.r", "statusReplicasPath": ".status.r"}},
        })
    };
    let names = json!({"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["w"]});
    compile(&json!({"spec": {
        "group": "crd.example.com", "scope": "Namespaced", "names": names,
        "versions": [version("v1beta1", false), version("v1", true)],
    }}))
    .unwrap()
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_control_plane_without_definitions_has_upstreams_tags() {
    let discovery = Discovery::new(Api::builtin(), []);
    let core = discovery.aggregated_core();
    assert_eq!(
        core.etag,
        "\"4D7E1BED90B364BC86049DD9E636494980AEF65B7F8CFAA267616FA062B514A8A3CC2C2851CC9337B8D28B4C80960E2353DE5E0B152E87CC\
         223E02EA3C5C37AC\""
    );
    assert!(core.bytes.starts_with(b"{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\""));
}

#[test]
fn definitions_come_after_built_in_groups_with_their_best_version_first() {
    let compiled = definition();
    let discovery = Discovery::new(Api::builtin(), [Custom { definition: &compiled, terminating: false }]);
    let groups = parse(&discovery.groups());
    let last = groups["groups"].as_array().unwrap().last().unwrap();
    assert_eq!(
        *last,
        json!({
            "name": "crd.example.com",
            "versions": [
                {"groupVersion": "crd.example.com/v1", "version": "v1"},
                {"groupVersion": "crd.example.com/v1beta1", "version": "v1beta1"},
            ],
            "preferredVersion": {"groupVersion": "crd.example.com/v1", "version": "v1"},
        })
    );
    let resources = parse(&discovery.resources("crd.example.com", "v1").unwrap());
    let names: Vec<&str> =
        resources["resources"].as_array().unwrap().iter().map(|found| found["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
    assert_eq!(resources["resources"][0]["storageVersionHash"], "GxNd3ZEauYM=");
    assert_eq!(discovery.resources("crd.example.com", "v2"), None);
    let aggregated = parse(&discovery.aggregated_groups().bytes);
    let last = aggregated["items"].as_array().unwrap().last().unwrap();
    assert_eq!(
        last["versions"][0]["resources"][0]["responseKind"],
        json!({
            "group": "crd.example.com", "version": "v1", "kind": "Widget",
        })
    );
    assert_eq!(last["versions"][0]["freshness"], "Current");
}

#[test]
fn a_terminating_definition_takes_no_new_objects() {
    let compiled = definition();
    let discovery = Discovery::new(Api::builtin(), [Custom { definition: &compiled, terminating: true }]);
    let resources = parse(&discovery.resources("crd.example.com", "v1").unwrap());
    assert_eq!(resources["resources"][0]["verbs"], json!(["delete", "deletecollection", "get", "list", "watch"]));
}
