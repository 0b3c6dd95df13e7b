//! Subresources and resources that are answered rather than stored.

mod components;
mod eviction;
mod pods;
mod scale;

use crate::call::Call;
use crate::http::info::{ResourcePath, Verb};
use crate::http::query::{OptionsKind, WriteOptions};
use crate::resource::Served;
use crate::verbs::reply::Reply;
use crate::verbs::{get, input, patch, update};
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::status::Status;
use std::sync::Arc;

/// Serves everything that is not an object, a collection or `/status`.
///
/// # Errors
/// 404 for a subresource that is not served, 405 for its verbs, and what the subresource says.
pub async fn dispatch(call: &Call, served: &Arc<Served>, path: &ResourcePath, body: &[u8]) -> Result<Reply, Status> {
    let (subresource, rest) = path.subresource.split_once('/').unwrap_or((&path.subresource, ""));
    let name = path.name.as_deref().unwrap_or("");
    if !subresource.is_empty() && !served.has_subresource(subresource) {
        return Err(Status::no_such_path());
    }
    let _ = rest;
    match (served.group.as_str(), served.plural.as_str(), subresource) {
        (_, _, "scale") => scale::serve(call, served, name, body).await,
        ("", "namespaces", "finalize") => part(call, served, name, Subresource::Finalize, body).await,
        ("certificates.k8s.io", "certificatesigningrequests", "approval") => {
            part(call, served, name, Subresource::Approval, body).await
        }
        ("", "pods", "ephemeralcontainers") => part(call, served, name, Subresource::EphemeralContainers, body).await,
        ("", "pods", "resize") => part(call, served, name, Subresource::Resize, body).await,
        ("", "pods", "binding") | ("", "bindings", "") => pods::bind(call, name, body).await,
        ("", "pods", "eviction") => eviction::evict(call, name, body).await,
        ("", "pods" | "nodes" | "services", "exec" | "attach" | "log" | "portforward" | "proxy") => {
            Err(pods::no_pods_run(call, served, name, subresource).await)
        }
        ("", "componentstatuses", _) => components::serve(call, served, name).await,
        _ => crate::reviews::serve(call, served, path, body).await,
    }
}

/// A subresource that is another view of the object itself.
async fn part(call: &Call, served: &Arc<Served>, name: &str, part: Subresource, body: &[u8]) -> Result<Reply, Status> {
    match call.info.verb {
        Verb::Get => get::get(call, served, name).await,
        Verb::Update => update::update(call, served, name, part, body).await,
        Verb::Patch => patch::patch(call, served, name, part, body).await,
        _ => Err(Status::no_such_method()),
    }
}

/// Decodes the body of a create-only resource.
pub(crate) fn decode(call: &Call, served: &Served, body: &[u8]) -> Result<(serde_json::Value, WriteOptions), Status> {
    let options = WriteOptions::parse(&call.query, OptionsKind::Create)?;
    let value = input::object(call, served, body, options.field_validation)?;
    Ok((value, options))
}
