//! Quotas, from their first count to the release of what is gone.

use super::harness::Harness;
use crate::client::ClientError;
use kplex_storage::{Engine, Key};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn quota(hard: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}})
}

fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})
}

fn pod(name: &str, cpu: &str) -> Value {
    let container = json!({"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}})
}

async fn until_used(server: &Harness, used: Value) {
    server.until(&format!("{QUOTAS}/q"), |quota| quota["status"]["used"] == used).await;
}

async fn refusal(server: &Harness, path: &str, object: Value) -> String {
    match server.client.create(path, &object).await {
        Err(ClientError::Status { code: 403, message, .. }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_quota_counts_refuses_and_gives_back() {
    let server = Harness::start().await;
    server.create(SECRETS, secret("before")).await;
    server.create(PODS, pod("p", "400m")).await;
    let hard = json!({"secrets": "2", "count/deployments.apps": "1", "requests.cpu": "1", "pods": "5", "example.com/odd": "3"});
    server.create(QUOTAS, quota(hard.clone())).await;
    let used = |secrets: &str, cpu: &str, pods: &str| json!({"secrets": secrets, "count/deployments.apps": "0", "requests.cpu": cpu, "pods": pods});
    until_used(&server, used("1", "400m", "1")).await;
    assert_eq!(server.get(&format!("{QUOTAS}/q")).await.unwrap()["status"]["hard"], hard);
    server.create(SECRETS, secret("second")).await;
    assert_eq!(
        refusal(&server, SECRETS, secret("third")).await,
        "secrets \"third\" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=2, limited: secrets=2"
    );
    assert_eq!(
        refusal(&server, PODS, pod("big", "700m")).await,
        "pods \"big\" is forbidden: exceeded quota: q, requested: requests.cpu=700m, used: requests.cpu=400m, limited: requests.cpu=1"
    );
    server.delete(&format!("{SECRETS}/before"), "Background").await;
    until_used(&server, used("1", "400m", "1")).await;
    server.create(SECRETS, secret("third")).await;
    // A pod that is done uses nothing, but is there.
    server.client.merge(&format!("{PODS}/p/status"), &json!({"status": {"phase": "Succeeded"}})).await.unwrap();
    until_used(&server, used("2", "0", "0")).await;
    server.merge(&format!("{QUOTAS}/q"), json!({"spec": {"hard": {"pods": null, "services": "1"}}})).await;
    let changed = |quota: &Value| {
        let used = &quota["status"]["used"];
        used["services"] == "1" && used.get("pods").is_none()
    };
    server.until(&format!("{QUOTAS}/q"), changed).await;
    server.stop().await;
}

#[tokio::test]
async fn a_quota_in_scope_counts_only_what_is() {
    let server = Harness::start().await;
    server.create(PODS, pod("p", "400m")).await;
    let mut scoped = quota(json!({"pods": "1"}));
    scoped["spec"]["scopes"] = json!(["BestEffort"]);
    server.create(QUOTAS, scoped).await;
    until_used(&server, json!({"pods": "0"})).await;
    server.stop().await;
}

#[tokio::test]
async fn what_went_before_a_crash_is_given_back_in_a_tenant_that_nobody_touches() {
    let directory = tempfile::tempdir().unwrap();
    let engine = || Engine::Sqlite(directory.path().to_owned());
    let mut server = Harness::open(engine(), Duration::ZERO).await;
    server.start_controllers();
    server.create(QUOTAS, quota(json!({"secrets": "1"}))).await;
    until_used(&server, json!({"secrets": "0"})).await;
    server.create(SECRETS, secret("s")).await;
    server.stop().await;
    let server = Harness::open(engine(), Duration::ZERO).await;
    server.delete(&format!("{SECRETS}/s"), "Background").await;
    server.stop().await;

    let mut server = Harness::open(engine(), Duration::ZERO).await;
    server.start_controllers();
    let (key, since) = (Key::new("", "resourcequotas", Some("default"), "q"), Instant::now());
    loop {
        let entry = server.scope.log().get(&key).await.unwrap().0.unwrap();
        let quota: Value = serde_json::from_slice(&entry.value).unwrap();
        if quota["status"]["used"]["secrets"] == "0" {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{quota:#}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop().await;
}
