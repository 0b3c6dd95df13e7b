//! From host name or path to a control plane, and what can be said without one.
//!
//! The four probe paths are answered here, so they never look up or wake a tenant; a name that doesn't exist answers like
//! one that does (D10).

use crate::authn::{self, User};
use crate::http::info::RequestInfo;
use crate::http::negotiate::{Accepted, Wish};
use crate::http::respond;
use crate::probes;
use crate::server::{ConnectionInfo, ServerIdentity};
use crate::shared::Shared;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri};
use kplex_machinery::status::Status;
use kplex_tenants::TenantScope;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// What a client shows on its connection, for authentication.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The certificate chain whose key the client has proved to hold, leaf first.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

/// Marks a request that comes from inside the process: who it acts as is settled.
#[derive(Clone)]
pub struct InProcess {
    /// The control plane.
    pub scope: TenantScope,
    /// Who acts.
    pub user: User,
}

/// Returns a tenant as it is now: who acts inside the process may hold a scope from before a change of keys or limits.
async fn latest(shared: &Shared, scope: TenantScope) -> TenantScope {
    match shared.tenants.resolve(scope.name()).await {
        Ok(Some(now)) if now.id() == scope.id() => now,
        // Deleted, or made anew: the old scope says so.
        _ => scope,
    }
}

/// Routes to a tenant: puts [`RequestInfo`], [`TenantScope`] and [`Credentials`] into the request.
pub(super) async fn resolve(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    if let Some(inside) = request.extensions_mut().remove::<InProcess>() {
        let info = parse(&request, request.uri().path());
        let scope = latest(&shared, inside.scope).await;
        let extensions = request.extensions_mut();
        extensions.insert(info);
        extensions.insert(scope);
        extensions.insert(inside.user);
        return next.run(request).await;
    }
    let connection = request.extensions_mut().remove::<Arc<ConnectionInfo>>();
    let (name, path) = match target(connection.as_deref(), &request) {
        Target::Tenant(name, path) => (name, path),
        Target::Process => return process(&shared, &request),
        Target::Misdirected => return misdirected(),
    };
    let info = parse(&request, &path);
    if let Some(response) = probes::answer(&shared, &request, &info.path) {
        return response;
    }
    let certificates: Arc<[CertificateDer<'static>]> =
        connection.map(|connection| connection.client_certs.clone()).unwrap_or_default();
    let scope = match shared.tenants.resolve(&name).await {
        Ok(Some(scope)) => scope,
        Ok(None) => return nobody_home(&request, &info, !certificates.is_empty()),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "tenant could not be opened");
            let status = Status {
                retry_after_seconds: 1,
                ..Status::unavailable("the control plane is not available; please try again")
            };
            return respond::early_failure(&Wish::of(&request), &status);
        }
    };
    tracing::Span::current().record("tenant", &name);
    *request.uri_mut() = with_path(request.uri(), &path);
    let extensions = request.extensions_mut();
    extensions.insert(info);
    extensions.insert(scope);
    extensions.insert(Credentials { certificates });
    next.run(request).await
}

fn parse(request: &Request, path: &str) -> RequestInfo {
    RequestInfo::parse(request.method(), path, request.uri().query().unwrap_or(""))
}

enum Target {
    /// A tenant by name, and the path inside it.
    Tenant(String, String),
    /// The process itself: no tenant is named.
    Process,
    /// Host name of the connection and of the request differ.
    Misdirected,
}

/// A tenant's host name (SNI) names it; otherwise the path does. SNI and `:authority` must name the same tenant.
fn target(connection: Option<&ConnectionInfo>, request: &Request) -> Target {
    let path = request.uri().path();
    if let Some(ServerIdentity::Tenant(name)) = connection.map(|connection| &connection.server_identity) {
        let host = host(request);
        let sni = connection.and_then(|connection| connection.sni.as_deref()).unwrap_or("");
        if !host.is_empty() && !host.eq_ignore_ascii_case(sni) {
            return Target::Misdirected;
        }
        return Target::Tenant(name.to_string(), path.to_owned());
    }
    let Some(rest) = path.strip_prefix("/clusters/") else { return Target::Process };
    let (name, inside) = rest.split_once('/').map_or((rest, ""), |(name, inside)| (name, inside));
    Target::Tenant(name.to_owned(), format!("/{inside}"))
}

/// Host of the request without its port.
fn host(request: &Request) -> &str {
    let from_uri = request.uri().authority().map(|authority| authority.host());
    let from_header = || request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let host = from_uri.or_else(from_header).unwrap_or("");
    host.rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(host, _)| host)
}

fn process(shared: &Shared, request: &Request) -> Response {
    let path = request.uri().path();
    probes::answer(shared, request, path)
        .or_else(|| probes::process_only(shared, path))
        .unwrap_or_else(|| respond::early_failure(&Wish::of(request), &Status::no_such_path()))
}

fn misdirected() -> Response {
    let mut response =
        respond::failure(Accepted::default(), &Status::new(421, "", "the connection is for another control plane"));
    *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    response
}

/// Answers as an existing control plane would answer a stranger.
fn nobody_home(request: &Request, info: &RequestInfo, shows_certificate: bool) -> Response {
    let status =
        authn::refuse_stranger(shows_certificate, request.headers(), info, request.uri().query().unwrap_or(""));
    respond::refusal(&Wish::of(request), &status)
}

fn with_path(uri: &Uri, path: &str) -> Uri {
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(text).ok();
    if parts.path_and_query.is_some() { Uri::from_parts(parts).unwrap_or_else(|_| uri.clone()) } else { uri.clone() }
}
