//! Control planes as the operator makes them, keeps them and takes them away.

use super::harness::{Harness, condition};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kplex_apiserver::authn::certificate::ClientAuthorities;
use kplex_storage::Engine;
use serde_json::{Value, json};
use std::time::Duration;

const PLANES: &str = "/apis/tenancy.kflex.kubestellar.org/v1alpha1/controlplanes";

fn plane(name: &str) -> Value {
    json!({
        "apiVersion": "tenancy.kflex.kubestellar.org/v1alpha1", "kind": "ControlPlane",
        "metadata": {"name": name}, "spec": {"type": "k8s"},
    })
}

fn secret_path(plane: &str, secret: &str) -> String {
    format!("/api/v1/namespaces/{plane}-system/secrets/{secret}")
}

fn is_ready(plane: &Value) -> bool {
    condition(plane, "Ready")["status"] == "True"
}

async fn until_ready(server: &Harness, name: &str) -> Value {
    server.until(&format!("{PLANES}/{name}"), is_ready).await
}

fn decoded(object: &Value, key: &str) -> String {
    String::from_utf8(STANDARD.decode(object["data"][key].as_str().unwrap()).unwrap()).unwrap()
}

/// Returns the bytes of a certificate in PEM.
fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

/// Returns the client certificate of a kubeconfig.
fn client_certificate(kubeconfig: &str) -> Vec<u8> {
    let line = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("client-certificate-data:"));
    der(&String::from_utf8(STANDARD.decode(line.unwrap().trim().trim_matches('"')).unwrap()).unwrap())
}

#[tokio::test]
async fn a_control_plane_is_held_from_its_first_revision_and_takes_everything_along() {
    let server = Harness::start_hub().await;
    let made = server.create(PLANES, plane("cp")).await;
    assert_eq!(made["metadata"]["finalizers"], json!(["kflex.kubestellar.org/finalizer"]));
    until_ready(&server, "cp").await;
    for name in ["admin-kubeconfig", "k8s-certs", "cm-kubeconfig"] {
        assert!(server.get(&secret_path("cp", name)).await.is_some(), "{name} is there when Ready says so");
    }
    assert!(server.controllers.shared.tenants.exists("cp").await.unwrap());
    server.delete(&format!("{PLANES}/cp"), "Background").await;
    server.until_gone(&format!("{PLANES}/cp")).await;
    assert!(!server.controllers.shared.tenants.exists("cp").await.unwrap());
    server.until_gone("/api/v1/namespaces/cp-system").await;
    server.stop().await;
}

#[tokio::test]
async fn a_control_plane_waits_for_the_namespace_of_its_predecessor() {
    let server = Harness::start_hub().await;
    let held = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cp-system"}});
    server.create("/api/v1/namespaces", held).await;
    server.create(PLANES, plane("cp")).await;
    let refused = server.until(&format!("{PLANES}/cp"), |plane| condition(plane, "Synced")["status"] == "False").await;
    assert!(condition(&refused, "Synced")["message"].as_str().unwrap().contains("does not belong"), "{refused:#}");
    server.delete("/api/v1/namespaces/cp-system", "Background").await;
    until_ready(&server, "cp").await;
    server.stop().await;
}

#[tokio::test]
async fn a_control_plane_never_gets_the_data_of_one_whose_finalizer_was_taken_off() {
    let directory = tempfile::tempdir().unwrap();
    let engine = || Engine::Sqlite(directory.path().to_owned());
    let path = format!("{PLANES}/cp");
    let mut server = Harness::open_hub(engine()).await;
    server.start_operator().await;
    server.create(PLANES, plane("cp")).await;
    until_ready(&server, "cp").await;
    let tenants = server.controllers.shared.tenants.clone();
    let first = tenants.resolve("cp").await.unwrap().unwrap().id();
    drop(tenants);
    server.stop().await;
    // While no operator looks, the object goes without its finalizer, and another one comes.
    let server = Harness::open_hub(engine()).await;
    server.merge(&path, json!({"metadata": {"finalizers": null}})).await;
    server.delete(&path, "Background").await;
    server.until_gone(&path).await;
    server.create(PLANES, plane("cp")).await;
    server.stop().await;
    let mut server = Harness::open_hub(engine()).await;
    server.start_operator().await;
    until_ready(&server, "cp").await;
    assert_ne!(server.controllers.shared.tenants.resolve("cp").await.unwrap().unwrap().id(), first);
    server.delete(&path, "Background").await;
    server.until_gone(&path).await;
    server.stop().await;
}

#[tokio::test]
async fn a_secret_that_is_lost_or_damaged_comes_back() {
    let server = Harness::start_hub().await;
    server.create(PLANES, plane("cp")).await;
    until_ready(&server, "cp").await;
    let path = secret_path("cp", "admin-kubeconfig");
    let uid = server.get(&path).await.unwrap()["metadata"]["uid"].clone();
    server.delete(&path, "Background").await;
    server.until(&path, |secret| secret["metadata"]["uid"] != uid).await;
    let added = json!({"data": {"kubeconfig": STANDARD.encode("broken"), "mine": STANDARD.encode("kept")}});
    server.merge(&path, added).await;
    let healed = server.until(&path, |secret| decoded(secret, "kubeconfig") != "broken").await;
    assert_eq!(decoded(&healed, "mine"), "kept");
    server.stop().await;
}

#[tokio::test]
async fn a_start_goes_on_where_the_last_one_ended_and_wakes_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let engine = || Engine::Sqlite(directory.path().to_owned());
    let mut server = Harness::open_hub(engine()).await;
    server.start_operator().await;
    server.create(PLANES, plane("done")).await;
    until_ready(&server, "done").await;
    server.stop().await;
    // No controller runs: as if the server had died right after the request.
    let server = Harness::open_hub(engine()).await;
    server.create(PLANES, plane("missed")).await;
    server.stop().await;
    let mut server = Harness::open_hub(engine()).await;
    server.start_operator().await;
    until_ready(&server, "missed").await;
    assert_eq!(server.controllers.shared.tenants.warm_count(), 2, "the hub and the new one");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_at_two_thirds_of_their_life_and_the_old_ones_stay_valid() {
    let server = Harness::start_hub().await;
    server.create(PLANES, plane("cp")).await;
    until_ready(&server, "cp").await;
    let (admin, certs) = (secret_path("cp", "admin-kubeconfig"), secret_path("cp", "k8s-certs"));
    let (old_admin, old_certs) = (server.get(&admin).await.unwrap(), server.get(&certs).await.unwrap());
    let day = Duration::from_secs(24 * 3600);

    server.advance(day * 240);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(server.get(&admin).await.unwrap()["data"], old_admin["data"], "not yet");

    server.advance(day * 5);
    let new_admin = server.until(&admin, |secret| secret["data"] != old_admin["data"]).await;
    let new_certs = server.until(&certs, |secret| secret["data"] != old_certs["data"]).await;
    assert_eq!(decoded(&new_certs, "ca.crt"), decoded(&old_certs, "ca.crt"), "the authority stays");
    assert_ne!(decoded(&new_certs, "apiserver.crt"), decoded(&old_certs, "apiserver.crt"));
    let authority = der(&decoded(&new_certs, "ca.crt"));
    let authorities = ClientAuthorities::new([&authority[..]]).unwrap();
    let now = server.controllers.shared.tenants.now().as_second();
    let life = |secret: &Value| {
        let certificate = client_certificate(&decoded(secret, "kubeconfig"));
        let certified = authorities.verify(&[certificate[..].into()], now).unwrap();
        assert_eq!(&*certified.user.unwrap().name, "kubernetes-admin");
        (certified.expiry - now + 12 * 3600) / (24 * 3600)
    };
    assert_eq!((life(&old_admin), life(&new_admin)), (120, 365), "days left of the old and of the new one");
    server.stop().await;
}
