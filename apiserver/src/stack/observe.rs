//! Request id, span and counters.

use crate::shared::Shared;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;

/// Gives the request an id (`Audit-Id`, the client's own where it sent one), a span and a place in the metrics.
pub(super) async fn observe(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let id = request.headers().get("audit-id").filter(|id| id.len() <= 64).cloned();
    let id = id.unwrap_or_else(|| HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a uuid is ASCII"));
    let span = tracing::debug_span!("request", id = id.to_str().unwrap_or(""), tenant = tracing::field::Empty);
    let method = request.method().clone();
    let path = tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned());
    let started = Instant::now();
    shared.metrics.started();
    let mut response = next.run(request).instrument(span.clone()).await;
    shared.metrics.finished(&method, response.status(), started.elapsed());
    if let Some(path) = path {
        span.in_scope(|| tracing::debug!(%method, path, status = response.status().as_u16(), elapsed = ?started.elapsed(), "answered"));
    }
    response.headers_mut().insert("Audit-Id", id);
    response
}
