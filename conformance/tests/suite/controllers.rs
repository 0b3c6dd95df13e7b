//! What the operator and the controllers do without being asked.

use kplex_conformance::{ControlPlane, Options, Server, eventually, wait_until};
use serde_json::{Value, json};

const PLANES: &str = "/apis/tenancy.kflex.kubestellar.org/v1alpha1/controlplanes";

fn is_ready(plane: &Value) -> bool {
    let conditions = plane["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

#[test]
fn a_quota_is_counted_enforced_and_given_back() {
    let plane = Server::shared().create("controllers-quota");
    plane.kubectl(&["create", "namespace", "shop"]);
    plane.kubectl(&["-n", "shop", "create", "quota", "small", "--hard=count/secrets=1,pods=1,requests.cpu=1"]);
    let used = |wanted: &str| {
        wait_until("the quota to be counted", || {
            let args = ["-n", "shop", "get", "quota", "small", "-o", "jsonpath={.status.used.count/secrets}"];
            (plane.kubectl(&args) == wanted).then_some(())
        });
    };
    used("0");
    plane.kubectl(&["-n", "shop", "create", "secret", "generic", "one"]);
    let refused = plane.kubectl_fails(&["-n", "shop", "create", "secret", "generic", "two"], "");
    let why = "secrets \"two\" is forbidden: exceeded quota: small, requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1";
    assert!(refused.contains(why), "{refused}");
    let refused = plane.kubectl_fails(&["-n", "shop", "run", "p", "--image=i"], "");
    assert!(refused.contains("failed quota: small: must specify requests.cpu for: p"), "{refused}");
    plane.kubectl(&["-n", "shop", "delete", "secret", "one"]);
    used("0");
    plane.kubectl(&["-n", "shop", "create", "secret", "generic", "two"]);
}

#[test]
fn a_lost_secret_of_a_control_plane_comes_back_and_opens_it() {
    let server = Server::shared();
    let _ = server.create("controllers-secret");
    let hub = server.hub();
    let secret = ["-n", "controllers-secret-system", "get", "secret", "admin-kubeconfig", "--ignore-not-found"];
    let read = |path: &str| hub.kubectl(&[&secret[..], &["-o", path]].concat());
    let uid = read("jsonpath={.metadata.uid}");
    hub.kubectl(&["-n", "controllers-secret-system", "delete", "secret", "admin-kubeconfig"]);
    let template = "go-template={{if .data}}{{.data.kubeconfig | base64decode}}{{end}}";
    let text = wait_until("the Secret to come back", || Some(read(template)).filter(|text| !text.is_empty()));
    assert_ne!(read("jsonpath={.metadata.uid}"), uid);
    ControlPlane::new("controllers-secret", text).kubectl(&["get", "namespaces"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_applied_right_before_a_crash_is_made_after_it() {
    let mut server = Server::start(Options::default());
    let plane = |name: &str| {
        json!({
            "apiVersion": "tenancy.kflex.kubestellar.org/v1alpha1", "kind": "ControlPlane",
            "metadata": {"name": name}, "spec": {"type": "k8s"},
        })
    };
    let names: Vec<String> = (0..8).map(|number| format!("crash-{number}")).collect();
    let hub = server.hub().wire().await;
    for name in &names {
        assert_eq!(hub.post(PLANES, &plane(name)).await.code, 201);
    }
    server.kill();
    server.restart();
    let hub = server.hub().wire().await;
    for name in &names {
        eventually("it to get ready", async || {
            is_ready(&hub.get(&format!("{PLANES}/{name}")).await.json()).then_some(())
        })
        .await;
        let wire = server.control_plane(name).wire().await;
        assert_eq!(wire.get("/api/v1/namespaces/default").await.code, 200, "{name}");
    }
}
