//! The service account `default`, in every active namespace.

use super::process::{Failure, Settled, Tenant};
use super::{namespace, resources};
use kplex_storage::Key;
use serde_json::json;

const ACCOUNT: &str = "service-account-controller";
const NAME: &str = "default";

/// Makes the account when it is missing.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant, space: &str) -> Result<Settled, Failure> {
    if !namespace::is_active(tenant, space).await?
        || tenant.read(&Key::new("", "serviceaccounts", Some(space), NAME)).await?.is_some()
    {
        return Ok(Settled);
    }
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": space}});
    let path = format!("/api/v1/namespaces/{}/serviceaccounts", resources::escape(space));
    namespace::ignore_terminating(tenant.client(ACCOUNT).create(&path, &object).await)?;
    Ok(Settled)
}
