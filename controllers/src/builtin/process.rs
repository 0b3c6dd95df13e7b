//! What all controllers of the process share, and one tenant as a controller sees it.

use super::progress::Ticket;
use super::queue::Queue;
use super::resources;
use super::waiting::Waiting;
use super::work::{Controller, Pool, Work};
use crate::Controllers;
use crate::client::{Client, ClientError};
use crate::operator::Operator;
use kplex_apiserver::codec;
use kplex_apiserver::resource::Served;
use kplex_machinery::status::Status;
use kplex_storage::{Key, ListQuery, Prefix, StorageError, TenantId};
use kplex_tenants::{HUB, TenantScope, TenantsError};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Names of tenants kept by number, so that the feed need not look them up; dropped as a whole when it is full.
const NAMES_MAX: usize = 4096;
/// Workers that one tenant may keep busy.
const TENANT_WORKERS_MAX: usize = 3;
/// Pieces of work above which the feed waits: some ten megabytes.
const WORK_MAX: usize = 50_000;
/// Objects read at a time.
const READ_CHUNK: usize = 500;

/// A controller looked, and nothing is left to do until something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled;

/// Why a piece of work could not be done; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A request failed.
    #[error("request failed: {0}")]
    Client(#[from] ClientError),
    /// The store failed.
    #[error("read the store: {0}")]
    Storage(#[from] StorageError),
    /// The apiserver's own code refused.
    #[error("{}", .0.message)]
    Status(Box<Status>),
    /// The registry of tenants failed.
    #[error("look for the tenant: {0}")]
    Tenants(#[from] TenantsError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl Failure {
    /// The object changed meanwhile; trying again at once is right.
    #[must_use]
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Client(error) if error.code() == 409)
    }

    /// The tenant is gone, and with it everything to do.
    #[must_use]
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Storage(StorageError::Gone))
    }
}

/// What all controllers share.
pub(crate) struct Process {
    /// The server they work in.
    pub controllers: Controllers,
    /// The operator, where there is a hub.
    pub operator: Option<Arc<Operator>>,
    /// What the controllers have to do.
    tenants: Queue,
    /// What the operator has to do; all of it is the hub's.
    planes: Queue,
    /// What waits for something else to go.
    pub waiting: Waiting,
    // Taken alone, never across an await.
    names: Mutex<HashMap<TenantId, String>>,
}

impl Process {
    /// Puts the shared state together.
    #[must_use]
    pub(crate) fn new(controllers: Controllers, operator: Option<Arc<Operator>>) -> Arc<Self> {
        Arc::new(Self {
            controllers,
            operator,
            tenants: Queue::new(TENANT_WORKERS_MAX),
            planes: Queue::new(usize::MAX),
            waiting: Waiting::default(),
            names: Mutex::default(),
        })
    }

    /// Returns the queue of a pool.
    #[must_use]
    pub(crate) fn queue(&self, pool: Pool) -> &Queue {
        match pool {
            Pool::Tenants => &self.tenants,
            Pool::Operator => &self.planes,
        }
    }

    /// Adds work, with the batch of the feed that caused it.
    pub(crate) fn add(&self, work: Work, ticket: Option<Ticket>) {
        self.queue(work.controller.pool()).add(work, ticket);
    }

    /// Whether there is so much to do that the feed waits. What is not read stays in the log.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.tenants.len() + self.planes.len() >= WORK_MAX
    }

    /// Returns a tenant, waking it when it is cold; `None` when it is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn tenant(self: &Arc<Self>, id: TenantId) -> Result<Option<Tenant>, Failure> {
        let known = self.names.lock().get(&id).cloned();
        let name = match known {
            Some(name) => name,
            None => {
                let Some(row) = self.controllers.store.get_tenant(id).await? else { return Ok(None) };
                let mut names = self.names.lock();
                if names.len() >= NAMES_MAX {
                    names.clear();
                }
                names.insert(id, row.name.clone());
                row.name
            }
        };
        let scope = self.controllers.shared.tenants.resolve(&name).await?.filter(|scope| scope.id() == id);
        if scope.is_none() {
            self.names.lock().remove(&id);
        }
        Ok(scope.map(|scope| Tenant { scope, process: self.clone() }))
    }

    /// Forgets everything about a tenant that is gone.
    pub(crate) fn forget(&self, id: TenantId) {
        self.names.lock().remove(&id);
        self.tenants.forget(id);
        self.planes.forget(id);
        self.waiting.forget(id);
    }
}

/// One tenant, for as long as a piece of work takes.
#[derive(Clone)]
pub(crate) struct Tenant {
    /// The tenant.
    pub scope: TenantScope,
    /// The process.
    pub process: Arc<Process>,
}

impl Tenant {
    /// Whether `ControlPlane` objects mean something here.
    #[must_use]
    pub(crate) fn is_hub(&self) -> bool {
        self.scope.name() == HUB
    }

    /// Returns a client that acts as a controller's service account in kube-system.
    #[must_use]
    pub(crate) fn client(&self, account: &'static str) -> Client {
        Client::new(self.process.controllers.router.clone(), self.scope.clone(), account)
    }

    /// Returns a client that acts as the server itself.
    #[must_use]
    pub(crate) fn server_client(&self) -> Client {
        Client::server(self.process.controllers.router.clone(), self.scope.clone())
    }

    /// Returns a client that acts as the controller manager, for controllers that have no account of their own upstream.
    #[must_use]
    pub(crate) fn manager_client(&self) -> Client {
        Client::manager(self.process.controllers.router.clone(), self.scope.clone())
    }

    /// Reads an object in its stored version, with `resourceVersion`.
    ///
    /// # Errors
    /// When the store fails or the object can't be read.
    pub(crate) async fn read(&self, key: &Key) -> Result<Option<Value>, Failure> {
        let (entry, _) = self.scope.log().get(key).await?;
        Ok(entry.as_ref().map(codec::parse).transpose()?)
    }

    /// Reads an object in its served version, with `resourceVersion`.
    ///
    /// # Errors
    /// When the store fails or the object can't be read.
    pub(crate) async fn load(&self, served: &Served, key: &Key) -> Result<Option<Value>, Failure> {
        let (entry, _) = self.scope.log().get(key).await?;
        Ok(entry.as_ref().map(|entry| codec::load(served, entry)).transpose()?)
    }

    /// Reads all objects under a prefix, in their stored versions.
    ///
    /// # Errors
    /// When the store fails or an object can't be read.
    pub(crate) async fn list(&self, prefix: &Prefix) -> Result<Vec<Value>, Failure> {
        let mut objects = Vec::new();
        let (mut after, mut at) = (None, None);
        loop {
            let query = ListQuery { prefix: prefix.clone(), after: after.take(), limit: READ_CHUNK, at };
            let page = self.scope.log().list(query).await?;
            for entry in &page.entries {
                objects.push(codec::parse(entry)?);
            }
            match page.entries.last().filter(|_| page.more) {
                None => return Ok(objects),
                Some(last) => (after, at) = (Some(last.key.clone()), Some(page.revision)),
            }
        }
    }

    /// Finds the resource of a storage key.
    ///
    /// # Errors
    /// When the definitions can't be read.
    pub(crate) async fn resource(&self, group: &str, plural: &str) -> Result<Option<Arc<Served>>, Failure> {
        if let Some(served) = resources::builtin(group, plural) {
            return Ok(Some(served));
        }
        let custom = resources::custom(self).await?;
        Ok(custom.into_iter().find(|served| served.group == group && served.plural == plural))
    }

    /// Adds work of this tenant.
    pub(crate) fn add(&self, controller: Controller, key: &str) {
        self.process.add(Work::new(self.scope.id(), controller, key), None);
    }

    /// Returns the time as `metav1.Time` is written.
    #[must_use]
    pub(crate) fn timestamp(&self) -> String {
        self.process.controllers.shared.tenants.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}
