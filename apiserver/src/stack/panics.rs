//! The outermost layer: a panic ends its request with a 500, and nothing else.

use crate::http::negotiate::Wish;
use crate::http::respond;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use kplex_machinery::status::Status;
use std::panic::AssertUnwindSafe;

/// Catches panics of everything inside. What a request touches is either its own or guarded by locks that don't poison,
/// so nothing half-done is seen by others: changes become visible only by a commit.
pub(super) async fn contain(request: Request, next: Next) -> Response {
    let wish = Wish::of(&request);
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            tracing::error!(panic = text, "request panicked");
            respond::early_failure(&wish, &Status::internal("the request could not be served"))
        }
    }
}
