//! CustomResourceDefinitions are established at once and take their objects along.

use super::harness::{DEFINITIONS, Harness, condition, definition};
use serde_json::json;
use std::time::Instant;

fn path(plural: &str) -> String {
    format!("{DEFINITIONS}/{plural}.example.com")
}

#[tokio::test]
async fn a_definition_is_established_at_once() {
    let server = Harness::start().await;
    let since = Instant::now();
    server.create(DEFINITIONS, definition("things", "Thing")).await;
    let object = server.until(&path("things"), |object| condition(object, "Established")["status"] == "True").await;
    eprintln!("established after {:?}", since.elapsed());
    assert_eq!(condition(&object, "NamesAccepted")["reason"], "NoConflicts");
    assert_eq!(object["status"]["acceptedNames"]["listKind"], "ThingList");
    assert_eq!(object["status"]["storedVersions"], json!(["v1"]));
    server.stop().await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_given_when_it_is_free() {
    let server = Harness::start().await;
    server.create(DEFINITIONS, definition("things", "Thing")).await;
    server.until(&path("things"), |object| condition(object, "Established")["status"] == "True").await;
    server.create(DEFINITIONS, definition("others", "Thing")).await;
    let refused = server.until(&path("others"), |object| condition(object, "NamesAccepted")["status"] == "False").await;
    assert_eq!(condition(&refused, "Established")["status"], "False");
    server.delete(&path("things"), "Background").await;
    server.until(&path("others"), |object| condition(object, "Established")["status"] == "True").await;
    server.stop().await;
}

#[tokio::test]
async fn a_deleted_definition_takes_its_objects_along() {
    let server = Harness::start().await;
    server.create(DEFINITIONS, definition("things", "Thing")).await;
    let things = "/apis/example.com/v1/namespaces/default/things";
    let thing = |name: &str, finalizers: &[&str]| json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name, "finalizers": finalizers}});
    server.create_eventually(things, thing("a", &[])).await;
    server.create(things, thing("b", &["example.com/hold"])).await;
    server.delete(&path("things"), "Background").await;
    server.until_gone(&format!("{things}/a")).await;
    let object = server
        .until(&path("things"), |object| condition(object, "Terminating")["reason"] == "InstanceDeletionInProgress")
        .await;
    assert_eq!(object["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    server.merge(&format!("{things}/b"), json!({"metadata": {"finalizers": null}})).await;
    server.until_gone(&path("things")).await;
    assert_eq!(server.get(&format!("{things}/b")).await, None);
    server.stop().await;
}
