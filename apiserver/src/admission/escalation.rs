//! RBAC: nobody gives away in a role or a binding what they don't have themselves.

use super::Verb;
use super::write::Write;
use crate::authz::escalation::Write as Grant;
use crate::authz::layer::Kind;
use crate::authz::{RBAC_GROUP, check_escalation};
use crate::codec;
use kplex_machinery::status::Status;
use serde_json::Value;

pub(super) async fn check(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    if write.served.group != RBAC_GROUP || write.operation.verb == Verb::Delete {
        return Ok(());
    }
    let Some(kind) = Kind::of_resource(&write.served.plural) else { return Ok(()) };
    let call = write.call;
    let grant = Grant {
        user: &call.user,
        kind,
        namespace: codec::meta_str(new, "namespace"),
        request_name: call.path()?.name.as_deref().unwrap_or_default(),
        old: write.old,
        new,
    };
    check_escalation(&call.scope, &grant).await
}
