//! What the base has comes back when upstream would bring it back.

use super::harness::Harness;
use kplex_storage::Engine;
use serde_json::{Value, json};
use std::time::Duration;

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const CLASSES: &str = "/apis/scheduling.k8s.io/v1/priorityclasses";

fn has_rules(role: &Value) -> bool {
    role["rules"].as_array().is_some_and(|rules| !rules.is_empty())
}

#[tokio::test]
async fn a_start_brings_back_what_was_taken_from_roles_unless_it_is_protected() {
    let directory = tempfile::tempdir().unwrap();
    let engine = || Engine::Sqlite(directory.path().to_owned());
    let mut server = Harness::open(engine(), Duration::ZERO).await;
    server.start_controllers();
    let no_rules = json!({"rules": []});
    server.delete(&format!("{ROLES}/system:basic-user"), "Background").await;
    server.delete(&format!("{CLASSES}/system-node-critical"), "Background").await;
    server.merge(&format!("{ROLES}/system:discovery"), no_rules.clone()).await;
    let mut protected = no_rules.clone();
    protected["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = json!("false");
    server.merge(&format!("{ROLES}/system:public-info-viewer"), protected).await;
    let more = json!({"metadata": {"labels": {"mine": "yes"}}});
    server.merge(&format!("{ROLES}/system:kube-dns"), more).await;
    server.delete(&format!("{BINDINGS}/system:discovery"), "Background").await;
    let other = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "system:discovery"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    });
    server.create(BINDINGS, other).await;
    assert!(server.get(&format!("{ROLES}/system:basic-user")).await.is_none(), "a running server leaves it");
    assert_eq!(server.controllers.store.due(0, 10).await.unwrap().len(), 4, "one row for each, none for what stays");
    server.stop().await;

    let mut server = Harness::open(engine(), Duration::ZERO).await;
    server.start_controllers();
    server.until_there(&format!("{ROLES}/system:basic-user")).await;
    server.until_there(&format!("{CLASSES}/system-node-critical")).await;
    server.until(&format!("{ROLES}/system:discovery"), has_rules).await;
    server.until(&format!("{BINDINGS}/system:discovery"), |it| it["roleRef"]["name"] == "system:discovery").await;
    let kept = server.get(&format!("{ROLES}/system:public-info-viewer")).await.unwrap();
    assert!(!has_rules(&kept), "{kept:#}");
    assert_eq!(server.controllers.store.due(0, 10).await.unwrap(), [], "nothing is left for the next start");
    server.stop().await;
}
