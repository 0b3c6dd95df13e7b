//! The per-tenant fair queue. Watches pass: they take no place, and are counted for themselves (`verbs/watching.rs`).

use super::fair::Full;
use crate::http::info::{RequestInfo, Verb};
use crate::http::negotiate::Wish;
use crate::http::respond;
use crate::shared::Shared;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use kplex_machinery::status::Status;
use kplex_tenants::TenantScope;
use std::sync::Arc;

/// Waits for a place.
pub(super) async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let (Some(scope), Some(info)) = (extensions.get::<TenantScope>(), extensions.get::<RequestInfo>()) else {
        return next.run(request).await;
    };
    if info.verb == Verb::Watch {
        return next.run(request).await;
    }
    match shared.queue.enter(scope.id(), scope.limits()).await {
        Ok(place) => {
            let response = next.run(request).await;
            drop(place);
            response
        }
        Err(Full) => {
            let text = "too many requests, please try again later";
            respond::early_failure(&Wish::of(&request), &Status::too_many_requests(text, 1))
        }
    }
}
