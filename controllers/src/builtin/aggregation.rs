//! Aggregated cluster roles: their rules are gathered from the roles that their selectors find.

use super::process::{Failure, Settled, Tenant};
use super::resources;
use kplex_apiserver::authz::aggregate::aggregate;
use kplex_storage::Prefix;
use serde_json::json;

const ACCOUNT: &str = "clusterrole-aggregation-controller";
const GROUP: &str = "rbac.authorization.k8s.io";

/// Gathers the rules of all aggregated roles. A role that gathers from a changed one follows on the event of the change.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant) -> Result<Settled, Failure> {
    let roles = tenant.list(&Prefix::resource(GROUP, "clusterroles")).await?;
    let client = tenant.client(ACCOUNT);
    for change in aggregate(&roles) {
        let object = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRole",
            "metadata": {"name": change.name}, "rules": change.rules,
        });
        client
            .apply(&format!("/apis/{GROUP}/v1/clusterroles/{}", resources::escape(&change.name)), ACCOUNT, &object)
            .await?;
    }
    Ok(Settled)
}
