//! The operator: `ControlPlane` objects of the hub become tenants (D9).
//!
//! It is a `kube` client and nothing more: it follows names by a watch, keeps no object, and a reconcile takes a name, reads what
//! is, asks the pure [`plan`] what to do, and does it. Any step may run at any time again.

pub mod api;
mod definitions;
mod follow;
pub mod plan;
mod reconcile;
mod secrets;

use crate::Controllers;
use anyhow::Context;
use kplex_apiserver::authn::User;
use kplex_apiserver::in_process::InProcessService;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use definitions::definitions;

/// Name of the control plane that hosts `ControlPlane` objects.
pub const HUB: &str = "hub";

/// What a reconcile works with.
pub(crate) struct Operator {
    controllers: Controllers,
    client: kube::Client,
}

/// Applies the CRDs to the hub and starts to follow its `ControlPlane` objects. `aging` gives names of those whose
/// credentials want to be renewed.
///
/// # Errors
/// When the hub is not there or does not take the CRDs.
pub async fn start(controllers: &Controllers, aging: mpsc::Receiver<String>) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let scope = controllers.shared.tenants.resolve(HUB).await.context("open the hub")?.context("there is no hub")?;
    let user = User::named("system:kplex:operator").with_groups(&["system:masters"]).authenticated();
    let client = kube::Client::new(InProcessService::new(controllers.router.clone(), scope, user), "default");
    definitions::apply(&client).await.context("apply the CRDs to the hub")?;
    let operator = Arc::new(Operator { controllers: controllers.clone(), client });
    Ok(vec![tokio::spawn(follow::follow(operator, aging))])
}
