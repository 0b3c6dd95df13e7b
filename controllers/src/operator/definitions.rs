//! The CRDs of the hub, generated from the Rust types.

use super::api::{ControlPlane, PostCreateHook};
use anyhow::Context;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::core::crd::CustomResourceExt;
use kube::{Api, Client, ResourceExt};
use std::time::Duration;

/// Field manager of everything the operator writes.
pub(super) const MANAGER: &str = "kplex-operator";
/// How long the hub may take to serve a CRD; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the CRDs.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 2] {
    [ControlPlane::crd(), PostCreateHook::crd()]
}

/// Applies the CRDs and waits until they are served. An unchanged CRD is not written.
pub(super) async fn apply(client: &Client) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in definitions() {
        let name = definition.name_any();
        let parameters = PatchParams::apply(MANAGER).force();
        api.patch(&name, &parameters, &Patch::Apply(&definition)).await.with_context(|| format!("apply {name}"))?;
        let established = kube::runtime::wait::await_condition(
            api.clone(),
            &name,
            kube::runtime::wait::conditions::is_crd_established(),
        );
        tokio::time::timeout(PATIENCE, established)
            .await
            .with_context(|| format!("{name} was not established in time"))?
            .with_context(|| format!("watch {name}"))?;
    }
    Ok(())
}
