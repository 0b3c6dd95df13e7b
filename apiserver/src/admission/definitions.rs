//! How many CustomResourceDefinitions a control plane may have: each is compiled when it is used and stands in discovery.

use super::write::Write;
use crate::respond;
use kplex_machinery::status::Status;
use kplex_storage::Prefix;
use serde_json::Value;

const RESOURCE: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");

/// Refuses a definition beyond the limit. Those that are made at the same moment may go a little beyond it.
pub(super) async fn admit(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    let (group, plural) = RESOURCE;
    if !write.creates(group, plural) {
        return Ok(());
    }
    let limit = write.call.scope.limits().crds_max;
    let there = write.call.scope.log().count(&Prefix::resource(group, plural)).await.map_err(respond::storage)?;
    if there < limit {
        return Ok(());
    }
    Err(write.forbidden(new, &format!("this control plane may have {limit} definitions")))
}
