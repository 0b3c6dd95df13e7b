//! The operator: `ControlPlane` objects of the hub become tenants (D9).
//!
//! It is a `kube` client that keeps no object: a reconcile takes a name, reads what is, asks the pure [`plan`] what to do,
//! and does it. Any step may run at any time again. Which names want a look it hears from the commit feed, as the built-in
//! controllers do ([`crate::builtin`]): a start goes on from where the feed was worked off, and lists nothing.

pub mod api;
mod definitions;
pub mod plan;
mod reconcile;
pub(crate) mod secrets;

use crate::Controllers;
use anyhow::Context;
use kplex_apiserver::authn::User;
use kplex_apiserver::in_process::InProcessService;
use kplex_tenants::HUB;
use std::sync::Arc;

pub use definitions::definitions;

/// What a reconcile works with.
pub(crate) struct Operator {
    controllers: Controllers,
    client: kube::Client,
}

impl Operator {
    /// Returns the operator of the hub.
    ///
    /// # Errors
    /// When there is no hub.
    pub(crate) async fn open(controllers: &Controllers) -> anyhow::Result<Arc<Self>> {
        let scope =
            controllers.shared.tenants.resolve(HUB).await.context("open the hub")?.context("there is no hub")?;
        let user = User::named("system:kplex:operator").with_groups(&["system:masters"]).authenticated();
        let client = kube::Client::new(InProcessService::new(controllers.router.clone(), scope, user), "default");
        Ok(Arc::new(Self { controllers: controllers.clone(), client }))
    }

    /// Applies the CRDs to the hub.
    ///
    /// # Errors
    /// When the hub does not take them.
    pub(crate) async fn prepare_hub(&self) -> anyhow::Result<()> {
        definitions::apply(&self.client).await.context("apply the CRDs to the hub")
    }
}
