//! Control planes in number: how fast one can be used, what a warm one weighs, and a start with all of them stored.

use crate::start::{measure, megabytes, settled_bytes};
use crate::{Options, percentiles, row};
use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use futures::{StreamExt, TryStreamExt, stream};
use kplex_conformance::{ControlPlane, Options as ServerOptions, Server, Watch, Wire};
use serde_json::{Value, json};
use std::time::Instant;

const PLANES: &str = "/apis/tenancy.kflex.kubestellar.org/v1alpha1/controlplanes";
/// Kinds that every control plane is asked for.
const FIVE: [&str; 5] = [
    "/api/v1/namespaces/default",
    "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
    "/api/v1/namespaces/default/serviceaccounts/default",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin",
    "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
];

fn plane(name: &str) -> Value {
    json!({
        "apiVersion": "tenancy.kflex.kubestellar.org/v1alpha1", "kind": "ControlPlane",
        "metadata": {"name": name}, "spec": {"type": "k8s"},
    })
}

/// Measures all of it on one server.
///
/// # Errors
/// When the server does not do what it should.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let mut server = Server::start(ServerOptions::default());
    let hub = server.hub().wire().await;
    let mut samples = Vec::new();
    let mut secrets = hub.watch("/api/v1/secrets?watch=1&fieldSelector=metadata.name%3Dadmin-kubeconfig").await;
    for number in 0..options.samples {
        samples.push(first_write(&hub, &mut secrets, &format!("first-{number}")).await?);
    }
    row("`ControlPlane` applied → first write accepted in it, one client", &percentiles(&mut samples));
    drop(secrets);
    density(options, &mut server, hub).await?;
    measure(&mut server, options.samples.min(20), &format!("start to ready, {} control planes stored", options.planes))
        .await
}

/// Applies a control plane and writes into it as soon as its Secret is there; returns milliseconds.
async fn first_write(hub: &Wire, secrets: &mut Watch, name: &str) -> Result<f64> {
    let start = Instant::now();
    let answer = hub.post(PLANES, &plane(name)).await;
    ensure!(answer.code == 201, "{}", answer.text());
    let (_, _, secret) = secrets.event().await;
    ensure!(secret["metadata"]["namespace"] == format!("{name}-system"), "another Secret came: {secret}");
    let wire = ControlPlane::new(name, kubeconfig(&secret)?).wire().await;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first"}});
    let answer = wire.post("/api/v1/namespaces/default/configmaps", &object).await;
    ensure!(answer.code == 201, "{}", answer.text());
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

fn kubeconfig(secret: &Value) -> Result<String> {
    let text = secret["data"]["kubeconfig"].as_str().context("the Secret has a kubeconfig")?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).context("a Secret holds base64")?;
    String::from_utf8(bytes).context("a kubeconfig is text")
}

/// Makes control planes, asks each for five kinds, and divides what the process gained by their number: in the process
/// that made them, and in one that only woke them.
async fn density(options: &Options, server: &mut Server, hub: Wire) -> Result<()> {
    let names: Vec<String> = (0..options.planes).map(|number| format!("dense-{number}")).collect();
    let before = settled_bytes(server);
    let start = Instant::now();
    let made = stream::iter(&names).map(|name| async { hub.post(PLANES, &plane(name)).await.code == 201 });
    ensure!(made.buffer_unordered(8).all(|made| async move { made }).await, "control planes are made");
    while ready(&hub).await < options.planes {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let took = start.elapsed().as_secs_f64();
    row(&format!("{} `ControlPlane` objects applied → all Ready", options.planes), &format!("{took:.1} s"));
    let mut planes = Vec::new();
    for name in &names {
        let secret = hub.get(&format!("/api/v1/namespaces/{name}-system/secrets/admin-kubeconfig")).await;
        planes.push(ControlPlane::new(name, kubeconfig(&secret.json())?));
    }
    ask_all(&planes).await?;
    let what = format!("RSS per warm control plane, {} made and asked for five kinds", options.planes);
    weigh(&what, before, settled_bytes(server), options.planes);

    drop(hub);
    server.signal_terminate();
    ensure!(server.wait().success(), "the server drains");
    server.restart();
    // The first one warms what is made once for the process.
    ask_all(&planes[..1]).await?;
    let before = settled_bytes(server);
    ask_all(&planes[1..]).await?;
    let what = format!("RSS per warm control plane, {} woken after a restart and asked", options.planes);
    weigh(&what, before, settled_bytes(server), options.planes - 1);
    Ok(())
}

fn weigh(what: &str, before: u64, after: u64, planes: usize) {
    let each = after.saturating_sub(before) / planes as u64;
    let kilobytes = format!("{}.{} kB", each / 1000, each / 100 % 10);
    row(what, &format!("{kilobytes} ({} → {})", megabytes(before), megabytes(after)));
}

async fn ready(hub: &Wire) -> usize {
    let list = hub.get(PLANES).await.json();
    let is_ready = |plane: &&Value| {
        let conditions = plane["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    let planes = list["items"].as_array().into_iter().flatten();
    planes
        .filter(|plane| plane["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("dense-")))
        .filter(is_ready)
        .count()
}

/// Asks each control plane for one object of five kinds.
async fn ask_all(planes: &[ControlPlane]) -> Result<()> {
    stream::iter(planes).map(Ok).try_for_each_concurrent(4, ask_five).await
}

async fn ask_five(plane: &ControlPlane) -> Result<()> {
    let wire = plane.wire().await;
    for path in FIVE {
        let answer = wire.get(path).await;
        ensure!(answer.code == 200, "{path}: {}", answer.text());
    }
    Ok(())
}
