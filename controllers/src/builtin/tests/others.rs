//! Tokens, certificates, roles and volumes.

use super::harness::{Harness, condition};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn decoded(object: &Value, key: &str) -> String {
    String::from_utf8(STANDARD.decode(object["data"][key].as_str().unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_secret_is_filled_and_goes_with_its_account() {
    let server = Harness::start().await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    let account = server.create("/api/v1/namespaces/default/serviceaccounts", account).await;
    let secret = |name: &str, account: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": account}},
        })
    };
    server.create(SECRETS, secret("token", "robot")).await;
    let filled = server.until(&format!("{SECRETS}/token"), |object| object["data"]["token"].is_string()).await;
    assert_eq!(filled["metadata"]["annotations"]["kubernetes.io/service-account.uid"], account["metadata"]["uid"]);
    assert_eq!(decoded(&filled, "namespace"), "default");
    assert_eq!(decoded(&filled, "ca.crt").matches("BEGIN CERTIFICATE").count(), 2, "both authorities");
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": decoded(&filled, "token")}});
    let review = server.create("/apis/authentication.k8s.io/v1/tokenreviews", review).await;
    assert_eq!(review["status"]["user"]["username"], "system:serviceaccount:default:robot");
    server.create(SECRETS, secret("stray", "nobody")).await;
    server.until_gone(&format!("{SECRETS}/stray")).await;
    server.delete("/api/v1/namespaces/default/serviceaccounts/robot", "Background").await;
    server.until_gone(&format!("{SECRETS}/token")).await;
    server.stop().await;
}

#[tokio::test]
async fn an_approved_request_gets_a_certificate() {
    let server = Harness::start().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "somebody");
    let pem = parameters.serialize_request(&key).unwrap().pem().unwrap();
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let request = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "r"},
        "spec": {"request": STANDARD.encode(pem), "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
    });
    let mut request = server.create(requests, request).await;
    request["status"]["conditions"] =
        json!([{"type": "Approved", "status": "True", "reason": "Tested", "message": "yes"}]);
    server.client.update(&format!("{requests}/r/approval"), &request).await.unwrap();
    let signed = server.until(&format!("{requests}/r"), |object| object["status"]["certificate"].is_string()).await;
    let certificate =
        String::from_utf8(STANDARD.decode(signed["status"]["certificate"].as_str().unwrap()).unwrap()).unwrap();
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----\n"), "{certificate}");
    server.stop().await;
}

#[tokio::test]
async fn a_flow_schema_says_whether_its_priority_level_exists() {
    let server = Harness::start().await;
    let group = "/apis/flowcontrol.apiserver.k8s.io/v1";
    let schema = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": "s"},
        "spec": {"priorityLevelConfiguration": {"name": "later"}},
    });
    server.create(&format!("{group}/flowschemas"), schema).await;
    let path = format!("{group}/flowschemas/s");
    let dangling = server.until(&path, |it| condition(it, "Dangling")["status"] == "True").await;
    assert_eq!(
        condition(&dangling, "Dangling")["message"],
        "This FlowSchema references the PriorityLevelConfiguration object named \"later\" but there is no such object"
    );
    let level = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration", "metadata": {"name": "later"},
        "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}},
    });
    server.create(&format!("{group}/prioritylevelconfigurations"), level).await;
    server.until(&path, |it| condition(it, "Dangling")["reason"] == "Found").await;
    let others = server.get(&format!("{group}/flowschemas/catch-all")).await.unwrap();
    assert_eq!(condition(&others, "Dangling")["reason"], "Found", "the base says so of its own");
    server.stop().await;
}

#[tokio::test]
async fn roles_are_aggregated() {
    let server = Harness::start().await;
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let rule = json!({"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": [rule],
        "metadata": {"name": "things-viewer", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
    });
    server.create(roles, role).await;
    let holds = |object: &Value| object["rules"].as_array().is_some_and(|rules| rules.contains(&rule));
    for name in ["view", "edit", "admin"] {
        server.until(&format!("{roles}/{name}"), holds).await;
    }
    server.delete(&format!("{roles}/things-viewer"), "Background").await;
    server.until(&format!("{roles}/view"), |object| !holds(object)).await;
    server.stop().await;
}

#[tokio::test]
async fn cluster_info_is_signed_by_bootstrap_tokens() {
    let server = Harness::start().await;
    let info = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-info"}, "data": {"kubeconfig": "x"}});
    server.create("/api/v1/namespaces/kube-public/configmaps", info).await;
    let token = |expiration: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token", "metadata": {"name": "bootstrap-token-abcdef"},
            "stringData": {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", "expiration": expiration},
        })
    };
    let secrets = "/api/v1/namespaces/kube-system/secrets";
    server.create(secrets, token("2999-01-01T00:00:00Z")).await;
    let path = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
    server.until(path, |object| object["data"]["jws-kubeconfig-abcdef"].is_string()).await;
    server.delete(&format!("{secrets}/bootstrap-token-abcdef"), "Background").await;
    server.until(path, |object| object["data"] == json!({"kubeconfig": "x"})).await;
    server.create(secrets, token("2020-01-01T00:00:00Z")).await;
    server.until_gone(&format!("{secrets}/bootstrap-token-abcdef")).await;
    server.stop().await;
}

#[tokio::test]
async fn a_claim_in_use_stays_until_its_pod_goes() {
    let server = Harness::start().await;
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    server.create(claims, claim).await;
    server
        .until(&format!("{claims}/c"), |object| {
            object["metadata"]["finalizers"] == json!(["kubernetes.io/pvc-protection"])
        })
        .await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {
            "nodeName": "n", "containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
        },
    });
    server.create("/api/v1/namespaces/default/pods", pod).await;
    server.delete(&format!("{claims}/c"), "Background").await;
    server.until(&format!("{claims}/c"), |object| !object["metadata"]["deletionTimestamp"].is_null()).await;
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0});
    server.client.delete("/api/v1/namespaces/default/pods/p", &options).await.unwrap();
    server.until_gone(&format!("{claims}/c")).await;
    server.stop().await;
}
