//! Credentials that age: tells the operator which control plane wants new ones (issue A, tenancy).
//!
//! The row stays until the Secret is written again, so that a crash loses nothing.

use super::process::{Failure, Settled, Tenant};
use super::work::Controller;
use kplex_storage::Key;
use serde_json::Value;

/// Hands the owner of a Secret whose credentials age to the operator.
///
/// # Errors
/// When the store fails.
pub(super) async fn reconcile(tenant: &Tenant, key: &str) -> Result<Settled, Failure> {
    let Some(key) = Key::parse(key.as_bytes()) else { return Ok(Settled) };
    // Anybody may write the annotation in a control plane of their own; it means nothing there.
    if !tenant.is_hub() {
        return Ok(Settled);
    }
    if let Some(name) = tenant.read(&key).await?.as_ref().and_then(owner) {
        tenant.add(Controller::ControlPlane, name);
    }
    Ok(Settled)
}

fn owner(secret: &Value) -> Option<&str> {
    let owners = secret["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["kind"] == "ControlPlane")?["name"].as_str()
}
