//! GET of one object.

use super::reply::Reply;
use crate::call::Call;
use crate::resource::Served;
use crate::{http::query, respond};
use kplex_machinery::status::Status;
use kplex_storage::{Entry, Revision};
use std::sync::Arc;

/// Returns an object.
///
/// # Errors
/// 404 when it does not exist, 504 for a resourceVersion in the future.
pub async fn get(call: &Call, served: &Arc<Served>, name: &str) -> Result<Reply, Status> {
    refuse_export(call)?;
    let entry = find(call, served, name).await?;
    Ok(Reply::Entry(200, served.clone(), entry))
}

/// Refuses a parameter that had a meaning once; who still sends it expects another answer.
///
/// # Errors
/// 400 when it is set.
pub fn refuse_export(call: &Call) -> Result<(), Status> {
    match query::pairs(&call.query).find(|(key, _)| key == "export") {
        Some((_, value)) if query::boolean(&value) => {
            Err(Status::bad_request("the export parameter, deprecated since v1.14, is no longer supported"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Returns an entry.
///
/// # Errors
/// As [`get`].
pub async fn find(call: &Call, served: &Served, name: &str) -> Result<Entry, Status> {
    let key = served.key(call.path()?.namespace.as_deref(), name);
    let (entry, head) = call.scope.log().get(&key).await.map_err(respond::storage)?;
    if let Some((_, wanted)) = query::pairs(&call.query).find(|(key, _)| key == "resourceVersion") {
        not_older(&wanted, head)?;
    }
    entry.ok_or_else(|| Status::not_found(&served.group_resource(), name))
}

/// Checks that the head is not older than a resourceVersion.
///
/// # Errors
/// 400 for one that is not a number, 504 for one in the future.
pub fn not_older(wanted: &str, head: Revision) -> Result<(), Status> {
    let wanted = parse_revision(wanted).map_err(Status::plain)?;
    if wanted > head.get() { Err(Status::revision_too_large(wanted, head.get())) } else { Ok(()) }
}

/// Parses a resourceVersion; nothing and `0` are 0.
///
/// # Errors
/// What is wrong, in upstream's words; reads answer it with 500, lists with 400.
pub fn parse_revision(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        let quoted = kplex_machinery::field_error::go_quote(text);
        format!("resourceVersion: Invalid value: {quoted}: strconv.ParseUint: parsing {quoted}: invalid syntax")
    })
}
