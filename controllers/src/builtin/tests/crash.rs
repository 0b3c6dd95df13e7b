//! Work goes on after a crash in control planes that nobody touches again.

use super::harness::Harness;
use kplex_storage::{Engine, Key};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";

/// Waits without a request to the control plane.
async fn until_gone(server: &Harness, key: Key) {
    let since = Instant::now();
    while server.scope.log().get(&key).await.unwrap().0.is_some() {
        assert!(since.elapsed() < Duration::from_secs(60), "{key:?} stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_was_begun_before_a_crash_is_finished_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let engine = || Engine::Sqlite(directory.path().join("store"));
    std::fs::create_dir_all(directory.path().join("store")).unwrap();
    // No controller runs: as if the server had died right after each request.
    let server = Harness::open(engine(), Duration::ZERO).await;
    server
        .create("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dying"}}))
        .await;
    let config = |name: &str, owners: &[Value]| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": owners}});
    server.create("/api/v1/namespaces/dying/configmaps", config("content", &[])).await;
    server.delete("/api/v1/namespaces/dying", "Background").await;
    server
        .create("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}}))
        .await;
    for (name, policy) in [("back", "Background"), ("fore", "Foreground")] {
        let owner = server.create(CONFIGS, config(name, &[])).await;
        let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true});
        server.create(CONFIGS, config(&format!("{name}-owned"), &[reference])).await;
        server.delete(&format!("{CONFIGS}/{name}"), policy).await;
    }
    server.stop().await;

    let mut server = Harness::open(engine(), Duration::ZERO).await;
    server.start_controllers();
    until_gone(&server, Key::new("", "namespaces", None, "dying")).await;
    for name in ["back-owned", "fore-owned", "fore"] {
        until_gone(&server, Key::new("", "configmaps", Some("default"), name)).await;
    }
    server.until_there("/api/v1/namespaces/new/serviceaccounts/default").await;
    server.stop().await;

    // Everything was acknowledged and no row is left.
    let server = Harness::open(engine(), Duration::ZERO).await;
    assert_eq!(server.controllers.store.due(1, 10).await.unwrap(), []);
    server.stop().await;
}

#[tokio::test]
async fn events_go_after_their_time() {
    let directory = tempfile::tempdir().unwrap();
    let engine = || Engine::Sqlite(directory.path().join("store"));
    std::fs::create_dir_all(directory.path().join("store")).unwrap();
    let server = Harness::open(engine(), Duration::ZERO).await;
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"},
        "involvedObject": {"kind": "ConfigMap", "namespace": "default", "name": "c"}, "reason": "Tested", "type": "Normal",
    });
    server.create("/api/v1/namespaces/default/events", event).await;
    server.stop().await;
    let mut server = Harness::open(engine(), Duration::from_secs(2 * 3600)).await;
    server.start_controllers();
    until_gone(&server, Key::new("", "events", Some("default"), "e")).await;
    server.stop().await;
}
