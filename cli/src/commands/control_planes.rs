//! `kplex create`, `delete`, `get` and `kubeconfig`: ControlPlane objects of a hosting control plane.

use crate::hosting::{Hosting, runtime};
use anyhow::{Context, anyhow, bail};
use k8s_openapi::api::core::v1::Secret;
use kplex_controllers::{ControlPlane, ControlPlaneSpec, ControlPlaneType};
use kplex_tenants::TenantName;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use std::time::Duration;

/// How long a control plane may take to become ready or to go.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates a control plane and waits until it is ready.
///
/// # Errors
/// When it exists, or does not become ready.
pub(crate) fn create(name: &str, hosting: &Hosting) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        // The hub takes any name that Kubernetes takes, and tells in a condition that nothing comes of it.
        TenantName::parse_new(name).map_err(|error| anyhow!("{error}"))?;
        let api: Api<ControlPlane> = Api::all(hosting.client().await?);
        api.create(&PostParams::default(), &wanted(name))
            .await
            .with_context(|| format!("create control plane {name}"))?;
        wait_ready(&api, name).await?;
        println!("controlplane/{name} created");
        Ok(())
    })
}

fn wanted(name: &str) -> ControlPlane {
    ControlPlane::new(name, ControlPlaneSpec { type_: ControlPlaneType::K8s, ..ControlPlaneSpec::default() })
}

/// Makes a control plane unless it exists, and waits until it is ready.
///
/// # Errors
/// When it does not become ready.
pub(crate) fn ensure(name: &str, hosting: &Hosting) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let api: Api<ControlPlane> = Api::all(hosting.client().await?);
        if api.get_opt(name).await.context("look for the control plane")?.is_none() {
            api.create(&PostParams::default(), &wanted(name))
                .await
                .with_context(|| format!("create control plane {name}"))?;
        }
        wait_ready(&api, name).await
    })
}

async fn wait_ready(api: &Api<ControlPlane>, name: &str) -> anyhow::Result<()> {
    let ready = |plane: Option<&ControlPlane>| plane.is_some_and(ControlPlane::is_ready);
    let waiting = kube::runtime::wait::await_condition(api.clone(), name, ready);
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(waited) => waited.map(|_| ()).with_context(|| format!("watch control plane {name}")),
        Err(_) => {
            let why = api.get(name).await.map(|plane| trouble(&plane)).unwrap_or_default();
            bail!("control plane {name} was created and is not ready after {} s{why}", PATIENCE.as_secs())
        }
    }
}

/// What the operator says of a control plane that does not become ready, to be appended.
fn trouble(plane: &ControlPlane) -> String {
    let conditions = plane.status.iter().flat_map(|status| &status.conditions);
    let told = conditions.filter(|condition| condition.type_ == "Synced" && !condition.message.is_empty());
    told.map(|condition| format!(": {}", condition.message)).collect()
}

/// Deletes a control plane and waits until it is gone.
///
/// # Errors
/// When it does not exist, or does not go.
pub(crate) fn delete(name: &str, hosting: &Hosting) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let api: Api<ControlPlane> = Api::all(hosting.client().await?);
        let plane = api.get(name).await.with_context(|| format!("find control plane {name}"))?;
        api.delete(name, &DeleteParams::default()).await.with_context(|| format!("delete control plane {name}"))?;
        let uid = plane.uid().unwrap_or_default();
        let gone =
            kube::runtime::wait::await_condition(api.clone(), name, kube::runtime::wait::conditions::is_deleted(&uid));
        tokio::time::timeout(PATIENCE, gone)
            .await
            .context("the control plane did not go in time")?
            .context("watch the control plane")?;
        println!("controlplane/{name} deleted");
        Ok(())
    })
}

/// Prints control planes as a table.
///
/// # Errors
/// When they can't be read.
pub(crate) fn get(name: Option<&str>, hosting: &Hosting) -> anyhow::Result<()> {
    let planes = runtime()?.block_on(async {
        let api: Api<ControlPlane> = Api::all(hosting.client().await?);
        match name {
            Some(name) => {
                api.get(name).await.map(|plane| vec![plane]).with_context(|| format!("find control plane {name}"))
            }
            None => api.list(&ListParams::default()).await.map(|list| list.items).context("list control planes"),
        }
    })?;
    let mut rows = vec![["NAME", "SYNCED", "READY", "TYPE"].map(str::to_owned)];
    for plane in &planes {
        rows.push([
            plane.name_any(),
            plane.condition("Synced"),
            plane.condition("Ready"),
            plane.spec.type_.to_string(),
        ]);
    }
    print_table(&rows);
    Ok(())
}

/// Prints rows in columns, three spaces apart, as kubectl does.
fn print_table(rows: &[[String; 4]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", cells.join("   ").trim_end());
    }
}

/// Prints a control plane's kubeconfig.
///
/// # Errors
/// When there is none.
pub(crate) fn kubeconfig(name: &str, hosting: &Hosting) -> anyhow::Result<()> {
    print!("{}", read_kubeconfig(name, hosting)?);
    Ok(())
}

/// Reads the kubeconfig that the Secret of a control plane holds.
///
/// # Errors
/// When the control plane or its Secret is not there.
pub(crate) fn read_kubeconfig(name: &str, hosting: &Hosting) -> anyhow::Result<String> {
    runtime()?.block_on(async {
        let client = hosting.client().await?;
        let bytes = secret_value(client, name).await?;
        String::from_utf8(bytes).context("the kubeconfig is not text")
    })
}

async fn secret_value(client: Client, name: &str) -> anyhow::Result<Vec<u8>> {
    let plane = Api::<ControlPlane>::all(client.clone())
        .get(name)
        .await
        .with_context(|| format!("find control plane {name}"))?;
    let reference = plane
        .status
        .and_then(|status| status.secret_ref)
        .with_context(|| format!("control plane {name} has no kubeconfig yet"))?;
    let Some(key) = reference.key.filter(|key| !key.is_empty()) else {
        bail!("control plane {name} has only an in-cluster kubeconfig")
    };
    let secrets: Api<Secret> = Api::namespaced(client, &reference.namespace);
    let secret = secrets
        .get(&reference.name)
        .await
        .with_context(|| format!("read Secret {}/{}", reference.namespace, reference.name))?;
    let value = secret.data.and_then(|mut data| data.remove(&key));
    Ok(value.with_context(|| format!("Secret {}/{} has no key {key}", reference.namespace, reference.name))?.0)
}
