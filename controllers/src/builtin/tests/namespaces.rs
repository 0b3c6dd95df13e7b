//! Namespaces get what every namespace has, and go with all that is in them.

use super::harness::{DEFINITIONS, Harness, condition, definition};
use serde_json::{Value, json};

const SPACES: &str = "/api/v1/namespaces";

fn space(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[tokio::test]
async fn every_namespace_keeps_its_account_and_its_authorities() {
    let server = Harness::start().await;
    server.create(SPACES, space("a")).await;
    let (account, trust) =
        ("/api/v1/namespaces/a/serviceaccounts/default", "/api/v1/namespaces/a/configmaps/kube-root-ca.crt");
    let first = server.until_there(account).await;
    let config = server.until_there(trust).await;
    let base = server.until_there("/api/v1/namespaces/default/configmaps/kube-root-ca.crt").await;
    assert_eq!(config["data"], base["data"], "the same as in the namespaces of the base");
    assert_eq!(config["metadata"]["annotations"], base["metadata"]["annotations"]);
    server.delete(account, "Background").await;
    server.until(account, |object| object["metadata"]["uid"] != first["metadata"]["uid"]).await;
    server.delete(trust, "Background").await;
    server.until_there(trust).await;
    server.merge(trust, json!({"data": {"ca.crt": "other", "more": "x"}})).await;
    server.until(trust, |object| object["data"] == base["data"]).await;
    server.delete("/api/v1/namespaces/default/serviceaccounts/default", "Background").await;
    server.until_there("/api/v1/namespaces/default/serviceaccounts/default").await;
    server.stop().await;
}

#[tokio::test]
async fn a_deleted_namespace_goes_with_all_that_is_in_it() {
    let server = Harness::start().await;
    server.create(SPACES, space("a")).await;
    server.create(DEFINITIONS, definition("things", "Thing")).await;
    for name in ["x", "y"] {
        server.create("/api/v1/namespaces/a/configmaps", config(name)).await;
        let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}});
        server.create_eventually("/apis/example.com/v1/namespaces/a/things", thing).await;
    }
    server.delete("/api/v1/namespaces/a", "Background").await;
    server.until_gone("/api/v1/namespaces/a").await;
    for path in [
        "/api/v1/namespaces/a/configmaps/x",
        "/apis/example.com/v1/namespaces/a/things/y",
        "/api/v1/namespaces/a/serviceaccounts/default",
    ] {
        assert_eq!(server.get(path).await, None, "{path}");
    }
    server.create(SPACES, space("a")).await;
    server.until_there("/api/v1/namespaces/a/serviceaccounts/default").await;
    server.stop().await;
}

#[tokio::test]
async fn a_namespace_says_what_holds_it_and_goes_when_that_is_gone() {
    let server = Harness::start().await;
    server.create(SPACES, space("a")).await;
    let mut held = config("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    server.create("/api/v1/namespaces/a/configmaps", held).await;
    server.delete("/api/v1/namespaces/a", "Background").await;
    let object = server
        .until("/api/v1/namespaces/a", |object| condition(object, "NamespaceContentRemaining")["status"] == "True")
        .await;
    assert_eq!(object["status"]["phase"], "Terminating");
    let expected = [
        ("NamespaceDeletionDiscoveryFailure", "False", "All resources successfully discovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", "False", "All legacy kube types successfully parsed"),
        (
            "NamespaceDeletionContentFailure",
            "False",
            "All content successfully deleted, may be waiting on finalization",
        ),
        ("NamespaceContentRemaining", "True", "Some resources are remaining: configmaps. has 1 resource instances"),
        (
            "NamespaceFinalizersRemaining",
            "True",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        ),
    ];
    for (kind, status, message) in expected {
        assert_eq!(condition(&object, kind)["status"], status, "{kind}");
        assert_eq!(condition(&object, kind)["message"], message, "{kind}");
    }
    assert_eq!(server.get("/api/v1/namespaces/a/serviceaccounts/default").await, None, "nothing is made again in it");
    server.merge("/api/v1/namespaces/a/configmaps/held", json!({"metadata": {"finalizers": null}})).await;
    server.until_gone("/api/v1/namespaces/a").await;
    server.stop().await;
}

#[tokio::test]
async fn pods_go_before_what_they_use() {
    let server = Harness::start().await;
    server.create(SPACES, space("a")).await;
    server.until_there("/api/v1/namespaces/a/serviceaccounts/default").await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "finalizers": ["example.com/hold"]},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    });
    server.create("/api/v1/namespaces/a/pods", pod).await;
    server.create("/api/v1/namespaces/a/configmaps", config("used")).await;
    server.delete("/api/v1/namespaces/a", "Background").await;
    server.until("/api/v1/namespaces/a/pods/p", |pod| !pod["metadata"]["deletionTimestamp"].is_null()).await;
    server
        .until("/api/v1/namespaces/a", |object| !condition(object, "NamespaceDeletionContentFailure").is_null())
        .await;
    assert!(server.get("/api/v1/namespaces/a/configmaps/used").await.is_some());
    server.merge("/api/v1/namespaces/a/pods/p", json!({"metadata": {"finalizers": null}})).await;
    server.until_gone("/api/v1/namespaces/a").await;
    server.stop().await;
}

#[tokio::test]
async fn system_namespaces_and_flow_control_come_back() {
    let server = Harness::start().await;
    let lease = "/api/v1/namespaces/kube-node-lease";
    let first = server.until_there(lease).await;
    server.delete(lease, "Background").await;
    server.until(lease, |object| object["metadata"]["uid"] != first["metadata"]["uid"]).await;
    server.until_there("/api/v1/namespaces/kube-node-lease/serviceaccounts/default").await;
    let schema = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/global-default";
    let spec = server.until_there(schema).await["spec"].clone();
    server.merge(schema, json!({"spec": {"matchingPrecedence": 9000}})).await;
    server.until(schema, |object| object["spec"] == spec).await;
    server.stop().await;
}
