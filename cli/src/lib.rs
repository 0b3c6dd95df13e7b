//! Kubeplex as a library: many Kubernetes control planes in this process.
//!
//! [`Server::builder`] takes a store, an optional listener and whether there is a hub. [`Server::client`] gives a
//! [`kube::Client`] for a control plane that never touches a socket. The `kplex` binary is a thin wrapper over this.

use anyhow::Context;
use kplex_apiserver::authn::User;
use kplex_apiserver::bootstrap;
use kplex_apiserver::catalog;
use kplex_apiserver::in_process::InProcessService;
use kplex_apiserver::server::{Certificates, Drained, Listener, OwnNames, ServerLimits};
use kplex_apiserver::shared::Shared;
use kplex_apiserver::stack;
use kplex_controllers::{Controllers, Endpoint};
use kplex_storage::{Engine, Store, StoreOptions};
pub use kplex_tenants::TenantLimits;
use kplex_tenants::{Endpoints, NewControlPlane, TenantScope, Tenants, TenantsOptions, check_domain};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where objects are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// A SQLite file in the data directory.
    Sqlite,
    /// Nowhere: gone with the process.
    Memory,
    /// PostgreSQL, by URL.
    Postgres(String),
}

/// Name of the control plane in which `ControlPlane` objects live.
pub const HUB: &str = "hub";

/// What a server is made of. Made by [`Server::builder`].
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    store: StoreChoice,
    data_dir: PathBuf,
    listen: Option<SocketAddr>,
    domain: Option<String>,
    hub: bool,
}

impl ServerBuilder {
    /// Keeps objects there; by default in memory.
    #[must_use]
    pub fn store(mut self, store: StoreChoice) -> Self {
        self.store = store;
        self
    }

    /// Directory of the SQLite file; by default `kplex-data`.
    #[must_use]
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_dir = directory.into();
        self
    }

    /// Listens there with TLS; by default nowhere. Port 0 takes a free one.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Serves control planes as `<name>.<domain>` too, and puts that form into kubeconfigs.
    #[must_use]
    pub fn domain(mut self, domain: Option<String>) -> Self {
        self.domain = domain;
        self
    }

    /// Hosts `ControlPlane` objects in a control plane of its own and runs the operator; on by default.
    #[must_use]
    pub fn hub(mut self, hub: bool) -> Self {
        self.hub = hub;
        self
    }

    /// Opens the store, binds the listener and starts everything. Ready when this returns.
    ///
    /// # Errors
    /// When the domain is not a host name, the store can't be opened (another server may hold it) or the address is taken.
    pub async fn start(self) -> anyhow::Result<Server> {
        let endpoints = Endpoints::new(self.domain.as_deref());
        let domain = endpoints.domain().map(str::to_owned);
        domain.as_deref().map(check_domain).transpose()?;
        let store = self.open_store().await?;
        // Where the Service "kubernetes" of each control plane leads.
        let advertised = self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9443)));
        let options = TenantsOptions {
            endpoints,
            fill_holes: Arc::new(move |facts| bootstrap::holes::fill(facts, advertised)),
            ..TenantsOptions::default()
        };
        let tenants = Tenants::open(store.clone(), options).await.context("open the registry of control planes")?;
        let shared = Shared::new(tenants.clone(), domain.clone());
        let router = stack::build(shared.clone());
        let mut tasks = Vec::new();
        let mut address = None;
        if let Some(listen) = self.listen {
            let own = OwnNames::for_address(listen);
            let certificates = Certificates::new(tenants.clone(), own);
            let listener = Listener::bind(listen, certificates, ServerLimits::default())
                .with_context(|| format!("listen on {listen}"))?;
            address = Some(listener.local_addr().context("read the bound address")?);
            let (service, drain) = (stack::connection_service(router.clone()), shared.drain.clone());
            tasks.push(tokio::spawn(async move {
                let drained = listener.serve(service, drain).await;
                report(drained);
            }));
        }
        if self.hub {
            tenants.open_hub(NewControlPlane::named(HUB)).await.context("open the hub")?;
        }
        let endpoint = Endpoint { address, domain };
        let controllers = Controllers {
            shared: shared.clone(),
            router: router.clone(),
            store: store.clone(),
            endpoint: endpoint.clone(),
        };
        tasks.extend(controllers.start(self.hub).await.context("start the controllers")?);
        let (sweeper, drain) = (tenants.clone(), shared.drain.clone());
        tasks.push(tokio::spawn(async move { sweeper.run_sweeper(drain.cancelled_owned()).await }));
        shared.set_ready();
        Ok(Server { shared, router, store, endpoint, tasks })
    }

    async fn open_store(&self) -> anyhow::Result<Store> {
        let engine = match &self.store {
            StoreChoice::Memory => Engine::Memory,
            StoreChoice::Postgres(url) => Engine::Postgres(url.clone()),
            StoreChoice::Sqlite => {
                std::fs::create_dir_all(&self.data_dir)
                    .with_context(|| format!("create {}", self.data_dir.display()))?;
                Engine::Sqlite(self.data_dir.clone())
            }
        };
        Store::open(StoreOptions::new(engine, Arc::new(catalog::base()))).await.context("open the store")
    }
}

fn report(drained: Drained) {
    if drained.cut > 0 {
        tracing::warn!(connections = drained.cut, "cut connections that did not drain");
    }
}

/// A running server. [`Server::shutdown`] drains it.
pub struct Server {
    shared: Arc<Shared>,
    router: axum::Router,
    store: Store,
    endpoint: Endpoint,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts to describe a server: in memory, without listener, with a hub.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            store: StoreChoice::Memory,
            data_dir: PathBuf::from("kplex-data"),
            listen: None,
            domain: None,
            hub: true,
        }
    }

    /// Returns the bound address, if it listens.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.endpoint.address
    }

    /// Cancelled when the server drains.
    #[must_use]
    pub fn drain(&self) -> CancellationToken {
        self.shared.drain.clone()
    }

    /// Makes a control plane directly, without a `ControlPlane` object.
    ///
    /// # Errors
    /// When the name is taken or not a name.
    pub async fn create_control_plane(&self, name: &str) -> anyhow::Result<()> {
        self.shared
            .tenants
            .create(NewControlPlane::named(name))
            .await
            .with_context(|| format!("create control plane {name}"))?;
        Ok(())
    }

    /// Deletes a control plane that was made directly, with everything in it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete_control_plane(&self, name: &str) -> anyhow::Result<()> {
        self.shared.tenants.delete(name).await.with_context(|| format!("delete control plane {name}"))
    }

    /// Changes what a control plane may use, from its next request on.
    ///
    /// # Errors
    /// When the control plane does not exist.
    pub async fn set_limits(&self, name: &str, limits: TenantLimits) -> anyhow::Result<()> {
        self.shared
            .tenants
            .set_limits(name, limits)
            .await
            .with_context(|| format!("set limits of control plane {name}"))
    }

    async fn scope(&self, name: &str) -> anyhow::Result<TenantScope> {
        let scope = self.shared.tenants.resolve(name).await.with_context(|| format!("open control plane {name}"))?;
        scope.with_context(|| format!("control plane {name} does not exist"))
    }

    /// Returns a client with cluster-admin rights in a control plane. No socket is involved.
    ///
    /// # Errors
    /// When the control plane does not exist.
    pub async fn client(&self, name: &str) -> anyhow::Result<kube::Client> {
        let user = User::named("kubernetes-admin").with_groups(&["system:masters"]).authenticated();
        let service = InProcessService::new(self.router.clone(), self.scope(name).await?, user);
        Ok(kube::Client::new(service, "default"))
    }

    /// Returns an administrator's kubeconfig for a control plane, with a fresh certificate.
    ///
    /// # Errors
    /// When the control plane does not exist or the server does not listen.
    pub async fn kubeconfig(&self, name: &str) -> anyhow::Result<String> {
        let scope = self.scope(name).await?;
        self.endpoint.admin_kubeconfig(&self.shared.tenants, &scope).context("write a kubeconfig")
    }

    /// Drains: no new work, watches end, in-flight requests finish, everything is on disk.
    pub async fn shutdown(self) {
        self.shared.drain.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task did not end well");
            }
        }
        self.store.shutdown().await;
    }
}

/// Returns where a server with this data directory puts its kubeconfig.
#[must_use]
pub fn kubeconfig_path(data_dir: &Path) -> PathBuf {
    data_dir.join("kubeconfig")
}
