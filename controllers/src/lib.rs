//! The operator and the built-in controllers. All of them act as clients: through the request path, with admission and
//! validation, never through the store.
//!
//! [`operator`] reconciles `ControlPlane` objects of the hub. [`builtin`] is one set of controllers for all tenants, fed by
//! the commit log and by due rows (D8); an idle tenant costs nothing here.

pub mod operator;

pub mod builtin;

pub mod client;
pub mod endpoint;

use axum::Router;
use kplex_apiserver::shared::Shared;
use kplex_storage::Store;
use operator::Operator;
use std::sync::Arc;
use tokio::task::JoinHandle;

pub use endpoint::Endpoint;
pub use operator::api::{ControlPlane, ControlPlaneSpec, ControlPlaneStatus, ControlPlaneType, PostCreateHook};

/// Everything that works without being asked.
#[derive(Clone)]
pub struct Controllers {
    /// State of the process; its drain ends the controllers.
    pub shared: Arc<Shared>,
    /// The server's own stack, for clients.
    pub router: Router,
    /// Where the commit log and due rows come from.
    pub store: Store,
    /// How clients reach the server.
    pub endpoint: Endpoint,
}

impl Controllers {
    /// Starts the controllers, and the operator when there is a hub. Whoever starts them joins the tasks after the drain.
    ///
    /// # Errors
    /// When the hub can't be prepared.
    pub async fn start(self, hub: bool) -> anyhow::Result<Vec<JoinHandle<()>>> {
        let operator = if hub { Some(Operator::open(&self).await?) } else { None };
        let tasks = builtin::start(self, operator.clone());
        // The controllers that serve definitions run by now.
        if let Some(operator) = operator {
            operator.prepare_hub().await?;
        }
        Ok(tasks)
    }
}
