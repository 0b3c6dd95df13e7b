//! Forms and labels across versions.

use super::*;
use kplex_machinery::apply::Versions;
use kplex_machinery::field_error::FieldError;
use serde_json::{Value, json};

fn builtin(group: &str, version: &str, plural: &str) -> Arc<Served> {
    crate::catalog::builtin()[&(group.to_owned(), version.to_owned(), plural.to_owned())].clone()
}

#[test]
fn managers_of_other_versions_see_the_object_in_theirs() {
    let served = builtin("autoscaling", "v1", "horizontalpodautoscalers");
    let object = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {},
        "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}});
    let (second, ..) = served.as_ref().convert(&object, "autoscaling/v2").unwrap();
    assert_eq!(second["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
    assert!(served.as_ref().convert(&object, "autoscaling/v9").is_none());
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {}, "message": "m"});
    assert!(builtin("", "v1", "events").as_ref().convert(&event, "events.k8s.io/v1").is_none());
}

#[test]
fn versions_of_custom_resources_know_their_own_fields() {
    let version = |name: &str, field: &str| {
        json!({"name": name, "served": true, "storage": name == "v1",
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {field: {"type": "string"}}}}})
    };
    let definition = json!({"metadata": {"name": "foos.example.com"}, "spec": {"group": "example.com",
        "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
        "versions": [version("v1", "a"), version("v2", "b")]}});
    let served = Served::custom(&Arc::new(crd::compile(&definition).unwrap()), 0);
    let object = json!({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {}, "a": "1"});
    let (other, ..) = (&served).convert(&object, "example.com/v2").unwrap();
    assert_eq!(other, json!({"apiVersion": "example.com/v2", "kind": "Foo", "metadata": {}}));
    assert!((&served).convert(&object, "example.com/v3").is_none());
    let unknown = |api_version: &str| {
        let mut sent = object.clone();
        sent["apiVersion"] = Value::from(api_version);
        served.unknown_to_sibling(&sent)
    };
    assert_eq!(unknown("example.com/v2"), ["unknown field \"a\""]);
    assert_eq!(unknown("example.com/v3"), ["unknown field \"a\""]);
    assert!(unknown("example.com/v1").is_empty());
    assert!(unknown("other.com/v1").is_empty());
}

#[test]
fn a_job_without_labels_has_those_of_its_template() {
    let served = builtin("batch", "v1", "jobs");
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}});
    let mut job = json!({"metadata": {"name": "j"}, "spec": {"template": template}});
    served.read_back(&mut job, "2026-01-01T00:00:00Z");
    assert_eq!(job["metadata"]["labels"], json!({"a": "b"}));
}

#[test]
fn events_are_called_by_their_first_group() {
    let served = builtin("events.k8s.io", "v1", "events");
    let status = served.invalid("e", &[FieldError::required("x", "")]);
    assert_eq!(status.message, "Event \"e\" is invalid: x: Required value");
}
