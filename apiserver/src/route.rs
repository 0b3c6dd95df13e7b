//! From an authorized request to its verb: the last stop of the stack.

use crate::authn::User;
use crate::call::Call;
use crate::catalog;
use crate::http::info::{RequestInfo, ResourcePath, Verb};
use crate::http::negotiate::{self, Offer};
use crate::http::{body, respond};
use crate::resource::Served;
use crate::shared::Shared;
use crate::verbs::reply::Reply;
use crate::verbs::{create, delete, delete_collection, get, list, patch, update, watch};
use crate::{documents, limits, subresources};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::field_error::go_quote;
use kplex_machinery::metadata::names;
use kplex_machinery::status::Status;
use kplex_tenants::TenantScope;
use std::sync::Arc;

/// Serves a request that has passed the stack.
pub async fn route(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let extensions = &mut parts.extensions;
    let (Some(scope), Some(user), Some(info)) =
        (extensions.remove::<TenantScope>(), extensions.remove::<User>(), extensions.remove::<RequestInfo>())
    else {
        return respond::early_failure(&parts.headers, &Status::no_such_path());
    };
    let query = parts.uri.query().unwrap_or("").to_owned();
    let method = parts.method;
    let mut call = Call::new(scope, shared, user, info, query, parts.headers);
    let outcome = dispatch(&mut call, &method, body).await;
    respond::respond(&call, outcome)
}

/// What is not there at all answers as upstream's mux does.
fn page_not_found() -> Reply {
    let headers = vec![("x-content-type-options", "nosniff".to_owned())];
    Reply::Tagged(404, "text/plain; charset=utf-8", Bytes::from_static(b"404 page not found\n"), headers)
}

async fn dispatch(call: &mut Call, method: &Method, body: Body) -> Result<Reply, Status> {
    if call.info.path.contains("//") {
        return Err(Status::no_such_path());
    }
    let Some(path) = call.info.resource.clone() else {
        return Ok(documents::answer(call).await?.unwrap_or_else(page_not_found));
    };
    let Some(served) = catalog::find(call, &path).await? else {
        return if catalog::has_group(&path.group) { Err(Status::no_such_path()) } else { Ok(page_not_found()) };
    };
    let offer = Offer {
        protobuf: !served.is_custom(),
        transforms: served.is_stored() && path.subresource.is_empty() || path.subresource == "status",
    };
    if !served.is_custom() {
        if !matches!(*method, Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE) {
            return Err(Status::no_such_method());
        }
        let streams = path.name.is_none() && call.info.verb.is_read_only() && served.is_stored();
        negotiate::check_routes(&call.headers, streams)?;
    }
    call.accepted = negotiate::accept(&call.headers, offer)?;
    if path.watch_path && *method != Method::GET {
        return Err(Status::no_such_method());
    }
    let across = served.is_custom() && served.namespaced && path.namespace.is_none();
    if across && (path.name.is_some() || !call.info.verb.is_read_only()) {
        return Ok(page_not_found());
    }
    check_scope(&served, &path, call.info.verb)?;
    let name = path.name.as_deref();
    if let Some(warning) = served.deprecation_warning().filter(|_| is_handled(&served, call.info.verb, &path)) {
        call.warn(warning);
    }
    if !path.subresource.is_empty() && path.subresource != "status" || !served.is_stored() {
        let bytes = body::read(body, limits::BODY_BYTES_MAX).await?;
        return subresources::dispatch(call, &served, &path, &bytes).await;
    }
    if path.subresource == "status" && !served.has_status() {
        return Err(served.no_subresource(name.unwrap_or("")));
    }
    match (call.info.verb, name) {
        (Verb::Get, Some(name)) => get::get(call, &served, name).await,
        (Verb::List, None) => list::list(call, &served).await,
        (Verb::Watch, _) => watch::watch(call, &served).await,
        (verb, name) => write(call, &served, &path, verb, name, body).await,
    }
}

async fn write(
    call: &Call,
    served: &Arc<Served>,
    path: &ResourcePath,
    verb: Verb,
    name: Option<&str>,
    body: Body,
) -> Result<Reply, Status> {
    let part = if path.subresource == "status" { Subresource::Status } else { Subresource::Main };
    if !served.has_verb(verb.as_str()) {
        return Err(Status::no_such_method());
    }
    let bytes = body::read(body, limits::BODY_BYTES_MAX).await?;
    match (verb, name) {
        (Verb::Create, None) => create::create(call, served, &bytes).await,
        // Upstream's one handler for custom resources looks at the name only where it needs one.
        (Verb::Create, Some(_)) if served.is_custom() && part == Subresource::Main => {
            create::create(call, served, &bytes).await
        }
        (Verb::Update | Verb::Patch, None) if served.is_custom() => Err(Status::bad_request("name must be provided")),
        (Verb::Update, Some(name)) => update::update(call, served, name, part, &bytes).await,
        (Verb::Patch, Some(name)) => patch::patch(call, served, name, part, &bytes).await,
        (Verb::Delete, Some(name)) if part == Subresource::Main => delete::delete(call, served, name, &bytes).await,
        (Verb::DeleteCollection, None) if part == Subresource::Main => {
            delete_collection::delete_collection(call, served, &bytes).await
        }
        _ => Err(Status::no_such_method()),
    }
}

/// Whether upstream has a handler for this, which may warn; custom resources have one for everything.
fn is_handled(served: &Served, verb: Verb, path: &ResourcePath) -> bool {
    if served.is_custom() || !path.subresource.is_empty() {
        return served.is_custom() || served.has_subresource(&path.subresource);
    }
    match verb {
        Verb::Get | Verb::Update | Verb::Patch | Verb::Delete => path.name.is_some(),
        Verb::List | Verb::Create | Verb::DeleteCollection => path.name.is_none(),
        _ => true,
    }
}

/// A cluster-scoped resource has no namespace in its path; a namespaced object needs one.
fn check_scope(served: &Served, path: &ResourcePath, verb: Verb) -> Result<(), Status> {
    // One segment of a path, decoded, is one segment of a key.
    let segments = [path.namespace.as_deref(), path.name.as_deref()];
    if segments.iter().flatten().any(|segment| segment.contains('/')) {
        return Err(Status::no_such_path());
    }
    for segment in segments.into_iter().flatten() {
        if let Some(why) = names::name_is_path_segment(segment, names::NameUse::Name).first() {
            return Err(Status::bad_request(format!("Name parameter invalid: {}: {why}", go_quote(segment))));
        }
    }
    let in_namespace = path.namespace.is_some() && path.resource != "namespaces";
    if in_namespace && !served.namespaced {
        return Err(Status::no_such_path());
    }
    let needs_namespace = served.namespaced && path.namespace.is_none();
    if needs_namespace && served.is_stored() {
        if path.name.is_some() {
            return Err(Status::no_such_path());
        }
        // Across namespaces there is only reading.
        if matches!(verb, Verb::Create | Verb::DeleteCollection) {
            return Err(Status::no_such_method());
        }
    }
    Ok(())
}
