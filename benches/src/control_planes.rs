//! Control planes in number: how fast one can be used, what a warm one weighs, and a start with all of them stored.

use crate::start::{measure, megabytes, settled_bytes};
use crate::{Options, percentiles, row};
use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use futures::{StreamExt, stream};
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
    density(options, &server, &hub).await?;
    drop(hub);
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

/// Makes control planes, asks each for five kinds, and divides what the process gained by their number.
async fn density(options: &Options, server: &Server, hub: &Wire) -> Result<()> {
    let start = Instant::now();
    let names: Vec<String> = (0..options.planes).map(|number| format!("dense-{number}")).collect();
    let made = stream::iter(&names).map(|name| async move { hub.post(PLANES, &plane(name)).await.code == 201 });
    ensure!(made.buffer_unordered(8).all(|made| async move { made }).await, "control planes are made");
    while ready(hub).await < options.planes {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let took = start.elapsed().as_secs_f64();
    row(&format!("{} `ControlPlane` objects applied → all Ready", options.planes), &format!("{took:.1} s"));
    // Cold ones first: a restart forgets all of them, so that what is measured is what the GETs warm.
    let asked = stream::iter(&names).map(|name| ask_five(hub, name)).buffer_unordered(4).collect::<Vec<_>>().await;
    for outcome in asked {
        outcome?;
    }
    let all = settled_bytes(server);
    row(&format!("RSS with {} warm control planes, made and asked in this process", options.planes), &megabytes(all));
    density_after_restart(options, &names).await
}

/// The same without the traces of making them, on a second server.
async fn density_after_restart(options: &Options, names: &[String]) -> Result<()> {
    let mut server = Server::start(ServerOptions::default());
    let hub = server.hub().wire().await;
    let made = stream::iter(names).map(|name| {
        let hub = &hub;
        async move { hub.post(PLANES, &plane(name)).await.code == 201 }
    });
    ensure!(made.buffer_unordered(8).all(|made| async move { made }).await, "control planes are made");
    while ready(&hub).await < options.planes {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    drop(hub);
    server.signal_terminate();
    ensure!(server.wait().success(), "the server drains");
    server.restart();
    let hub = server.hub().wire().await;
    // The first one warms what is made once for the process.
    ask_five(&hub, &names[0]).await?;
    let before = settled_bytes(&server);
    for outcome in
        stream::iter(&names[1..]).map(|name| ask_five(&hub, name)).buffer_unordered(4).collect::<Vec<_>>().await
    {
        outcome?;
    }
    let after = settled_bytes(&server);
    let each = after.saturating_sub(before) / (options.planes as u64 - 1);
    row(
        &format!("RSS per warm control plane ({} of them, one GET of five kinds each)", options.planes),
        &format!("{}.{} kB ({} → {})", each / 1000, each / 100 % 10, megabytes(before), megabytes(after)),
    );
    Ok(())
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

async fn ask_five(hub: &Wire, name: &str) -> Result<()> {
    let secret = hub.get(&format!("/api/v1/namespaces/{name}-system/secrets/admin-kubeconfig")).await;
    let wire = ControlPlane::new(name, kubeconfig(&secret.json())?).wire().await;
    for path in FIVE {
        let answer = wire.get(path).await;
        ensure!(answer.code == 200, "{name} {path}: {}", answer.text());
    }
    Ok(())
}
