//! Objects go with their owners.

use super::harness::{DEFINITIONS, Harness, definition};
use serde_json::{Value, json};

const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";

fn path(name: &str) -> String {
    format!("{CONFIGS}/{name}")
}

fn owner(object: &Value, blocks: bool) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "blockOwnerDeletion": blocks,
    })
}

fn config(name: &str, owners: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": owners}})
}

async fn chain(server: &Harness) {
    let top = server.create(CONFIGS, config("top", &[])).await;
    let middle = server.create(CONFIGS, config("middle", &[owner(&top, true)])).await;
    server.create(CONFIGS, config("bottom", &[owner(&middle, true)])).await;
}

#[tokio::test]
async fn dependents_follow_in_the_background() {
    let server = Harness::start().await;
    chain(&server).await;
    server.delete(&path("top"), "Background").await;
    assert_eq!(server.get(&path("top")).await, None);
    server.until_gone(&path("bottom")).await;
    server.until_gone(&path("middle")).await;
    server.stop().await;
}

#[tokio::test]
async fn dependents_go_first_in_the_foreground() {
    let server = Harness::start().await;
    chain(&server).await;
    server.merge(&path("middle"), json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    server.delete(&path("top"), "Foreground").await;
    server.until(&path("middle"), |object| !object["metadata"]["deletionTimestamp"].is_null()).await;
    server.until_gone(&path("bottom")).await;
    let top = server.get(&path("top")).await.expect("it waits");
    assert_eq!(top["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    server.until(&path("middle"), |object| object["metadata"]["finalizers"] == json!(["example.com/hold"])).await;
    server.merge(&path("middle"), json!({"metadata": {"finalizers": null}})).await;
    server.until_gone(&path("top")).await;
    server.stop().await;
}

#[tokio::test]
async fn orphans_stay() {
    let server = Harness::start().await;
    chain(&server).await;
    server.delete(&path("top"), "Orphan").await;
    server.until_gone(&path("top")).await;
    let middle = server.get(&path("middle")).await.expect("it stays");
    assert_eq!(middle["metadata"].get("ownerReferences"), None);
    assert!(server.get(&path("bottom")).await.is_some());
    server.stop().await;
}

#[tokio::test]
async fn owners_that_never_were_own_nothing() {
    let server = Harness::start().await;
    let real = server.create(CONFIGS, config("real", &[])).await;
    let mut other = owner(&real, false);
    other["uid"] = json!("00000000-0000-0000-0000-000000000000");
    let mut absent = owner(&real, false);
    absent["name"] = json!("absent");
    let mut unknown = owner(&real, false);
    unknown["kind"] = json!("Nothing");
    server.create(CONFIGS, config("by-unknown", &[unknown])).await;
    server.create(CONFIGS, config("by-other", &[other.clone()])).await;
    server.create(CONFIGS, config("by-absent", &[absent])).await;
    server.create(CONFIGS, config("by-both", &[owner(&real, false), other])).await;
    server.until_gone(&path("by-other")).await;
    server.until_gone(&path("by-absent")).await;
    let both = server
        .until(&path("by-both"), |object| object["metadata"]["ownerReferences"].as_array().map(Vec::len) == Some(1))
        .await;
    assert_eq!(both["metadata"]["ownerReferences"][0]["uid"], real["metadata"]["uid"]);
    assert!(server.get(&path("by-unknown")).await.is_some(), "a kind that is not known may come to be");
    server.stop().await;
}

#[tokio::test]
async fn an_object_with_another_owner_loses_only_the_reference() {
    let server = Harness::start().await;
    let (first, second) =
        (server.create(CONFIGS, config("first", &[])).await, server.create(CONFIGS, config("second", &[])).await);
    server.create(CONFIGS, config("shared", &[owner(&first, true), owner(&second, true)])).await;
    server.delete(&path("first"), "Foreground").await;
    server.until_gone(&path("first")).await;
    let shared = server.get(&path("shared")).await.expect("it stays");
    assert_eq!(shared["metadata"]["ownerReferences"], json!([owner(&second, true)]));
    server.stop().await;
}

#[tokio::test]
async fn a_cycle_goes_as_a_whole() {
    let server = Harness::start().await;
    let first = server.create(CONFIGS, config("first", &[])).await;
    let second = server.create(CONFIGS, config("second", &[owner(&first, true)])).await;
    server.merge(&path("first"), json!({"metadata": {"ownerReferences": [owner(&second, true)]}})).await;
    server.delete(&path("first"), "Foreground").await;
    server.until_gone(&path("first")).await;
    server.until_gone(&path("second")).await;
    server.stop().await;
}

#[tokio::test]
async fn custom_resources_own_and_are_owned_and_go_with_their_definition() {
    let server = Harness::start().await;
    server.create(DEFINITIONS, definition("things", "Thing")).await;
    let things = "/apis/example.com/v1/namespaces/default/things";
    let thing = |name: &str, owners: &[Value]| json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name, "ownerReferences": owners}});
    let top = server.create_eventually(things, thing("top", &[])).await;
    server.create(things, thing("bottom", &[owner(&top, true)])).await;
    server.create(CONFIGS, config("owned", &[owner(&top, true)])).await;
    server.delete(&format!("{things}/top"), "Foreground").await;
    server.until_gone(&format!("{things}/top")).await;
    server.until_gone(&format!("{things}/bottom")).await;
    server.until_gone(&path("owned")).await;
    let last = server.create(things, thing("last", &[])).await;
    server.create(CONFIGS, config("owned", &[owner(&last, true)])).await;
    server.delete(&format!("{DEFINITIONS}/things.example.com"), "Background").await;
    server.until_gone(&format!("{DEFINITIONS}/things.example.com")).await;
    server.until_gone(&path("owned")).await;
    server.stop().await;
}

#[tokio::test]
async fn cluster_scoped_objects_are_not_owned_by_namespaced_ones() {
    let server = Harness::start().await;
    let real = server.create(CONFIGS, config("real", &[])).await;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": [],
        "metadata": {"name": "owned", "ownerReferences": [owner(&real, false)]},
    });
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let role = server.create(roles, role).await;
    server.create(CONFIGS, config("by-role", &[owner(&role, false)])).await;
    server.delete(&path("real"), "Background").await;
    server.create(CONFIGS, config("last", &[])).await;
    assert!(server.get(&format!("{roles}/owned")).await.is_some());
    server.delete(&format!("{roles}/owned"), "Background").await;
    server.until_gone(&path("by-role")).await;
    server.stop().await;
}
