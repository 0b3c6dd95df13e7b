//! Tenants over a memory store with the real base, for the tests of authentication and authorization.

use super::base::{build, objects};
use super::holes::fill;
use kplex_storage::{Engine, Expect, Key, Op, Stamp, Store, StoreOptions, WriteSet};
use kplex_tenants::{NewControlPlane, TenantScope, Tenants, TenantsOptions};
use serde_json::Value;
use std::sync::Arc;

/// Opens a registry without tenants.
pub(crate) async fn tenants() -> Tenants {
    let base = Arc::new(build(&objects(), |_| 1));
    let store = Store::open(StoreOptions::new(Engine::Memory, base)).await.expect("a memory store");
    let advertised = "192.0.2.1:9443".parse().expect("address");
    let options =
        TenantsOptions { fill_holes: Arc::new(move |facts| fill(facts, advertised)), ..TenantsOptions::default() };
    Tenants::open(store, options).await.expect("a registry")
}

/// Creates a tenant.
pub(crate) async fn create(tenants: &Tenants, name: &str) -> TenantScope {
    tenants.create(NewControlPlane::named(name)).await.expect("a tenant")
}

/// Reads an object.
pub(crate) async fn read(scope: &TenantScope, key: &Key) -> Option<Value> {
    let (entry, _) = scope.log().get(key).await.expect("a read");
    entry.map(|entry| serde_json::from_slice(&entry.value).expect("JSON"))
}

/// Creates or replaces an object.
pub(crate) async fn write(scope: &TenantScope, key: &Key, object: &Value) {
    let op = Op::Put { stamp: Stamp { schema: 1, splice: 0 }, value: object.to_string().into() };
    commit(scope, key, op).await;
}

/// Deletes an object.
pub(crate) async fn delete(scope: &TenantScope, key: &Key) {
    commit(scope, key, Op::Delete).await;
}

async fn commit(scope: &TenantScope, key: &Key, op: Op) {
    let current = scope.log().current(key).await.expect("a read");
    let expect = current.map_or(Expect::Absent, |entry| Expect::At(entry.revision));
    scope.log().commit(WriteSet::one(key.clone(), expect, op)).await.expect("a write");
}
