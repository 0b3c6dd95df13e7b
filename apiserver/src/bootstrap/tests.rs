//! The base as a tenant sees it.

use super::fixture::{create, read, tenants};
use kplex_storage::Key;
use serde_json::json;

#[tokio::test]
async fn a_new_tenant_sees_the_base_with_its_own_values() {
    let tenants = tenants().await;
    let (one, two) = (create(&tenants, "cp1").await, create(&tenants, "cp2").await);
    let namespace = Key::new("", "namespaces", None, "default");
    let (a, b) = (read(&one, &namespace).await.expect("default"), read(&two, &namespace).await.expect("default"));
    assert_eq!(a["status"]["phase"], "Active");
    assert_eq!(a["metadata"]["creationTimestamp"], one.created().to_string());
    assert_eq!(a["metadata"]["uid"].as_str().map(str::len), Some(36));
    assert_ne!(a["metadata"]["uid"], b["metadata"]["uid"]);
    let trust = Key::new("", "configmaps", Some("kube-system"), "kube-root-ca.crt");
    let trust = read(&one, &trust).await.expect("kube-root-ca.crt");
    let own = one.keys().authority().certificate_pem();
    assert_eq!(trust["data"]["ca.crt"], format!("{own}{}", tenants.server_authority().certificate_pem()));
    let clients = Key::new("", "configmaps", Some("kube-system"), "extension-apiserver-authentication");
    assert_eq!(read(&one, &clients).await.expect("a ConfigMap")["data"]["client-ca-file"], own);
    let endpoints = read(&one, &Key::new("", "endpoints", Some("default"), "kubernetes")).await.expect("endpoints");
    assert_eq!(endpoints["subsets"][0]["ports"][0]["port"], 9443);
    assert_eq!(endpoints["subsets"][0]["addresses"], json!([{"ip": "192.0.2.1"}]));
}
