//! Control planes of the hub: which changes want the operator to look, and the way to it.

use super::process::{Failure, Settled, Tenant};
use super::route::{Change, mentions};
use crate::operator::api::ControlPlane;
use crate::operator::secrets::TENANT;
use kplex_storage::{Entry, Key};

/// Suffix of the namespaces of control planes.
const SYSTEM: &str = "-system";

/// Returns the name of the control plane that a change may be about: its object changed, its namespace went, or somebody
/// touched a Secret of it. Control planes other than the hub may have such objects too; the operator leaves them alone.
pub(super) fn concerned<'k>(change: Change<'k>) -> Option<&'k str> {
    let key: &'k Key = change.key;
    match (key.group(), key.resource()) {
        // What the operator itself has written last asks for nothing. Without a state before, as in a look at everything, it
        // is not known what else went on.
        ("tenancy.kflex.kubestellar.org", "controlplanes") => {
            let rests = change.before.is_some() && change.after.is_some_and(is_settled);
            (!rests).then(|| key.name())
        }
        ("", "namespaces") if change.after.is_none() => key.name().strip_suffix(SYSTEM),
        // The operator makes them; a look is due when they change afterwards.
        ("", "secrets") if change.before.is_some_and(|before| mentions(&before.value, TENANT)) => {
            key.namespace()?.strip_suffix(SYSTEM)
        }
        _ => None,
    }
}

fn is_settled(entry: &Entry) -> bool {
    serde_json::from_slice(&entry.value).is_ok_and(|plane: ControlPlane| plane.is_settled())
}

/// Has the operator bring a control plane to what its object says.
///
/// # Errors
/// When it could not.
pub(super) async fn reconcile(tenant: &Tenant, name: &str) -> Result<Settled, Failure> {
    if let (true, Some(operator)) = (tenant.is_hub(), &tenant.process.operator) {
        operator.reconcile(name).await.map_err(|error| Failure::Other(format!("{error:#}")))?;
    }
    Ok(Settled)
}
