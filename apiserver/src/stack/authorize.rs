//! May they: RBAC of the tenant, before anything is routed.

use crate::authn::User;
use crate::authz;
use crate::http::info::RequestInfo;
use crate::http::negotiate::Wish;
use crate::http::respond;
use crate::shared::Shared;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use kplex_tenants::TenantScope;
use std::sync::Arc;

/// Answers 403 unless the tenant's RBAC allows the request.
pub(super) async fn authorize(State(_shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let (Some(scope), Some(user), Some(info)) =
        (extensions.get::<TenantScope>(), extensions.get::<User>(), extensions.get::<RequestInfo>())
    else {
        return next.run(request).await;
    };
    match authz::authorize_request(scope, user, info, request.uri().query().unwrap_or("")).await {
        Ok(()) => next.run(request).await,
        Err(status) => respond::refusal(&Wish::of(&request), &status),
    }
}
