//! A server in memory, or on disk to come back from.

use crate::client::{Client, ClientError};
use crate::{Controllers, Endpoint};
use kplex_apiserver::shared::Shared;
use kplex_apiserver::{bootstrap, catalog, stack};
use kplex_storage::{Engine, Store, StoreOptions};
use kplex_tenants::{HUB, NewControlPlane, TenantScope, Tenants, TenantsOptions};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Longest wait for something that controllers do; machines may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Harness {
    pub(super) controllers: Controllers,
    pub(super) scope: TenantScope,
    /// Acts as the server itself, with all rights.
    pub(super) client: Client,
    /// Seconds by which the server's clock is ahead.
    ahead: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Harness {
    /// A server in memory with its controllers.
    pub(super) async fn start() -> Self {
        let mut harness = Self::open(Engine::Memory, Duration::ZERO).await;
        harness.start_controllers();
        harness
    }

    /// A server without controllers, whose clock is ahead.
    pub(super) async fn open(engine: Engine, ahead: Duration) -> Self {
        Self::open_at(engine, ahead, "a").await
    }

    /// A hub without controllers.
    pub(super) async fn open_hub(engine: Engine) -> Self {
        Self::open_at(engine, Duration::ZERO, HUB).await
    }

    /// A hub in memory with everything that works in it.
    pub(super) async fn start_hub() -> Self {
        let mut harness = Self::open_hub(Engine::Memory).await;
        harness.start_operator().await;
        harness
    }

    async fn open_at(engine: Engine, ahead: Duration, name: &str) -> Self {
        let ahead = Arc::new(AtomicU64::new(ahead.as_secs()));
        let clock = ahead.clone();
        let store = Store::open(StoreOptions::new(engine, Arc::new(catalog::base()))).await.unwrap();
        let advertised: SocketAddr = "192.0.2.1:9443".parse().unwrap();
        let options = TenantsOptions {
            fill_holes: Arc::new(move |facts| bootstrap::holes::fill(facts, advertised)),
            clock: Arc::new(move || jiff::Timestamp::now() + Duration::from_secs(clock.load(Ordering::Relaxed))),
            ..TenantsOptions::default()
        };
        let tenants = Tenants::open(store.clone(), options).await.unwrap();
        let shared = Shared::new(tenants.clone(), None);
        let router = stack::build(shared.clone());
        let scope = match tenants.resolve(name).await.unwrap() {
            Some(scope) => scope,
            None if name == HUB => tenants.open_hub(NewControlPlane::default()).await.unwrap(),
            None => tenants.create(NewControlPlane::named(name)).await.unwrap(),
        };
        shared.set_ready();
        let client = Client::server(router.clone(), scope.clone());
        let endpoint = Endpoint { address: Some(advertised), domain: None };
        let controllers = Controllers { shared, router, store, endpoint };
        Self { controllers, scope, client, ahead, tasks: Vec::new() }
    }

    pub(super) fn start_controllers(&mut self) {
        self.tasks = crate::builtin::start(self.controllers.clone(), None);
    }

    /// Starts the controllers and the operator.
    pub(super) async fn start_operator(&mut self) {
        self.tasks = self.controllers.clone().start(true).await.unwrap();
    }

    /// Moves the server's clock.
    pub(super) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    pub(super) async fn stop(self) {
        self.controllers.shared.drain.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        self.controllers.store.shutdown().await;
    }

    /// Creates an object and returns it.
    pub(super) async fn create(&self, path: &str, object: Value) -> Value {
        self.client.create(path, &object).await.unwrap_or_else(|error| panic!("create at {path}: {error}"))
    }

    pub(super) async fn get(&self, path: &str) -> Option<Value> {
        self.client.get(path).await.unwrap_or_else(|error| panic!("get {path}: {error}"))
    }

    pub(super) async fn merge(&self, path: &str, patch: Value) -> Value {
        self.client.merge(path, &patch).await.unwrap().unwrap_or_else(|| panic!("{path} is absent"))
    }

    pub(super) async fn delete(&self, path: &str, policy: &str) {
        let options = serde_json::json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy});
        self.client.delete(path, &options).await.unwrap().unwrap_or_else(|| panic!("{path} is absent"));
    }

    /// Waits until an object is there and as it should be, and returns it.
    pub(super) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let found = self.get(path).await;
            match found {
                Some(object) if wanted(&object) => return object,
                found => assert!(since.elapsed() < PATIENCE, "{path} does not become what it should: {found:#?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn until_there(&self, path: &str) -> Value {
        self.until(path, |_| true).await
    }

    pub(super) async fn until_gone(&self, path: &str) {
        let since = Instant::now();
        while let Some(found) = self.get(path).await {
            assert!(since.elapsed() < PATIENCE, "{path} does not go: {found:#}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Creates something that may be refused for a moment.
    pub(super) async fn create_eventually(&self, path: &str, object: Value) -> Value {
        let since = Instant::now();
        loop {
            match self.client.create(path, &object).await {
                Ok(object) => return object,
                Err(error @ ClientError::Status { code: 404, .. }) => {
                    assert!(since.elapsed() < PATIENCE, "{path}: {error}")
                }
                Err(error) => panic!("create at {path}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Returns the condition of a type.
pub(super) fn condition<'o>(object: &'o Value, kind: &str) -> &'o Value {
    let list = object["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    list.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

/// Returns a namespaced definition of `things.example.com`, or of other names.
pub(super) fn definition(plural: &str, kind: &str) -> Value {
    serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

pub(super) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
