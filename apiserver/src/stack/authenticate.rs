//! Who asks: settled against the routed tenant only.

use super::tenancy::Credentials;
use crate::authn::{self, User};
use crate::http::negotiate::Wish;
use crate::http::respond;
use crate::shared::Shared;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use kplex_tenants::TenantScope;
use std::sync::Arc;

/// Puts a [`User`] into the request, or answers 401. Impersonation is resolved and checked here too.
pub(super) async fn authenticate(State(_shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<User>().is_some() {
        return next.run(request).await;
    }
    let Some(scope) = request.extensions().get::<TenantScope>().cloned() else { return next.run(request).await };
    let credentials = request.extensions_mut().remove::<Credentials>().unwrap_or_default();
    match authn::authenticate(&scope, &credentials.certificates, request.headers()).await {
        Ok(user) => {
            request.extensions_mut().insert(user);
            next.run(request).await
        }
        Err(status) => respond::refusal(&Wish::of(&request), &status),
    }
}
