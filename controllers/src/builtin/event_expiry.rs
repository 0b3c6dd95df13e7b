//! Events are kept for an hour after they were last written; upstream leaves this to leases of etcd.

use super::process::{Failure, Settled, Tenant};
use super::resources;
use kplex_apiserver::due;
use kplex_storage::Key;
use serde_json::json;

/// Removes an event that has had its time.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant, key: &str) -> Result<Settled, Failure> {
    let Some(key) = Key::parse(key.as_bytes()) else { return Ok(Settled) };
    let Some(event) = tenant.read(&key).await? else { return Ok(Settled) };
    let Some(served) = tenant.resource(key.group(), key.resource()).await? else { return Ok(Settled) };
    if due::event_end(&event) <= tenant.process.controllers.shared.tenants.now() {
        let metadata = &event["metadata"];
        let preconditions = json!({"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]});
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions});
        tenant.server_client().delete(&resources::object(&served, key.namespace(), key.name()), &options).await?;
    }
    Ok(Settled)
}
