//! From an authorized request to its verb: the last stop of the stack.

use crate::authn::User;
use crate::call::Call;
use crate::catalog;
use crate::http::info::{RequestInfo, ResourcePath, Verb};
use crate::http::negotiate::{self, Offer, Transforms, Wish};
use crate::http::{body, respond};
use crate::resource::Served;
use crate::shared::Shared;
use crate::verbs::reply::Reply;
use crate::verbs::{create, delete, delete_collection, get, list, patch, update, watch};
use crate::{documents, limits, subresources};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
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
        let wish = Wish::new(&parts.headers, parts.uri.query().unwrap_or(""));
        return respond::early_failure(&wish, &Status::no_such_path());
    };
    let query = parts.uri.query().unwrap_or("").to_owned();
    let method = parts.method;
    let mut call = Call::new(scope, shared, user, info, query, parts.headers);
    let outcome = dispatch(&mut call, &method, body).await;
    respond::respond(&call, outcome)
}

/// What is not there at all answers as upstream's mux does.
const PAGE_NOT_FOUND: Reply = Reply::Text(404, b"404 page not found\n");

async fn dispatch(call: &mut Call, method: &Method, body: Body) -> Result<Reply, Status> {
    if call.info.path.contains("//") {
        return Err(Status::no_such_path());
    }
    let Some(path) = call.info.resource.clone() else {
        return Ok(documents::answer(call, method).await?.unwrap_or(PAGE_NOT_FOUND));
    };
    let Some(served) = catalog::find(call, &path).await? else {
        return if catalog::has_group(&path.group) { Err(Status::no_such_path()) } else { Ok(PAGE_NOT_FOUND) };
    };
    if served.is_custom() {
        if is_out_of_scope(&served, &path, call.info.verb) {
            return Ok(PAGE_NOT_FOUND);
        }
        check_custom(call, &served, &path)?;
    } else {
        check_routes(call, &served, &path, method)?;
    }
    call.accepted = negotiate::accept(&call.wish, offer(&served, &path))?;
    check_scope(&served, &path, call.info.verb)?;
    if !path.subresource.is_empty() && path.subresource != "status" || !served.is_stored() {
        if let Some(warning) = served.deprecation_warning().filter(|_| path.subresource.is_empty()) {
            call.warn(warning);
        }
        let bytes = body::read(body, limits::BODY_BYTES_MAX).await?;
        return subresources::dispatch(call, &served, &path, &bytes).await;
    }
    let action = action(&served, &path, call.info.verb)?;
    if let Some(warning) = served.deprecation_warning() {
        call.warn(warning);
    }
    perform(call, &served, action, body).await
}

/// What a custom resource has: upstream serves them without routes, by verb.
fn check_custom(call: &Call, served: &Served, path: &ResourcePath) -> Result<(), Status> {
    const OBJECT: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    const PART: [&str; 3] = ["get", "update", "patch"];
    if let Some(warning) = served.deprecation_warning() {
        call.warn(warning);
    }
    let part = path.subresource.split('/').next().unwrap_or("");
    if !part.is_empty() && !served.has_subresource(part) {
        return Err(Status::not_found(&path.group_resource(), path.name.as_deref().unwrap_or("")));
    }
    let verbs = if part.is_empty() { &OBJECT[..] } else { &PART[..] };
    if !verbs.contains(&call.info.verb.as_str()) {
        return Err(Status::method_not_allowed(&path.group_resource(), call.info.verb.as_str()));
    }
    if path.name.is_none() && matches!(call.info.verb, Verb::Update | Verb::Patch) {
        return Err(Status::bad_request("name must be provided"));
    }
    Ok(())
}

/// Whether a custom resource has nothing at a path, since it lives in namespaces and the path names none, or the other way
/// round.
fn is_out_of_scope(served: &Served, path: &ResourcePath, verb: Verb) -> bool {
    match (served.namespaced, path.namespace.is_some()) {
        (true, false) => !matches!(verb, Verb::List | Verb::Watch),
        (false, true) => true,
        (true, true) | (false, false) => false,
    }
}

/// What upstream's routes of built-in resources look at.
fn check_routes(call: &Call, served: &Served, path: &ResourcePath, method: &Method) -> Result<(), Status> {
    if !matches!(*method, Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
        || path.watch_path && *method != Method::GET
    {
        return Err(Status::no_such_method());
    }
    let streams = path.name.is_none() && call.info.verb.is_read_only() && served.is_stored();
    negotiate::check_route(&call.wish, if streams { negotiate::STREAMING_ROUTE } else { negotiate::ROUTE })
}

fn offer(served: &Served, path: &ResourcePath) -> Offer {
    let has_table = matches!(path.subresource.as_str(), "" | "status" | "scale") && served.has_verb("get");
    let transforms = if has_table { Transforms::Table } else { Transforms::Metadata };
    Offer { protobuf: !served.is_custom(), transforms }
}

/// What is done with stored objects.
enum Action<'p> {
    Get(&'p str),
    List,
    Watch,
    Create,
    Update(&'p str, Subresource),
    Patch(&'p str, Subresource),
    Delete(&'p str),
    DeleteCollection,
}

/// Returns what a request does to stored objects.
///
/// # Errors
/// 404 for a status that a kind doesn't have, 405 for what can't be done at a path.
fn action<'p>(served: &Served, path: &'p ResourcePath, verb: Verb) -> Result<Action<'p>, Status> {
    let part = if path.subresource == "status" { Subresource::Status } else { Subresource::Main };
    if part == Subresource::Status && !served.has_status() {
        return Err(Status::no_such_path());
    }
    if !verb.is_read_only() && !served.has_verb(verb.as_str()) {
        return Err(Status::no_such_method());
    }
    let main = part == Subresource::Main;
    Ok(match (verb, path.name.as_deref()) {
        (Verb::Get, Some(name)) => Action::Get(name),
        (Verb::List, None) => Action::List,
        (Verb::Watch, _) => Action::Watch,
        (Verb::Create, None) => Action::Create,
        // Upstream takes the path of an object for that of its collection.
        (Verb::Create, Some(_)) if main && served.is_custom() => Action::Create,
        (Verb::Update, Some(name)) => Action::Update(name, part),
        (Verb::Patch, Some(name)) => Action::Patch(name, part),
        (Verb::Delete, Some(name)) if main => Action::Delete(name),
        (Verb::DeleteCollection, None) if main => Action::DeleteCollection,
        _ => return Err(Status::no_such_method()),
    })
}

async fn perform(call: &Call, served: &Arc<Served>, action: Action<'_>, body: Body) -> Result<Reply, Status> {
    let bytes = body::read(body, limits::BODY_BYTES_MAX);
    match action {
        Action::Get(name) => get::get(call, served, name).await,
        Action::List => list::list(call, served).await,
        Action::Watch => watch::watch(call, served).await,
        Action::Create => create::create(call, served, &bytes.await?).await,
        Action::Update(name, part) => update::update(call, served, name, part, &bytes.await?).await,
        Action::Patch(name, part) => patch::patch(call, served, name, part, &bytes.await?).await,
        Action::Delete(name) => delete::delete(call, served, name, &bytes.await?).await,
        Action::DeleteCollection => delete_collection::delete_collection(call, served, &bytes.await?).await,
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
