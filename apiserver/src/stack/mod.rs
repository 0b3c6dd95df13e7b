//! The path of a request: one visible stack, outermost layer first.

mod admit;
mod authenticate;
mod authorize;
mod deadline;
pub mod fair;
mod observe;
mod panics;
mod tenancy;

use crate::route;
use crate::shared::Shared;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use std::sync::Arc;
use tower::ServiceBuilder;

pub use tenancy::{Credentials, InProcess};

/// Builds the service that answers every request of the process, over the wire and in process.
///
/// The order is the design's: a panic stays in its request; each request has an id and a span; it has a deadline; URL and
/// verb are parsed once and name a tenant; who asks is found out against that tenant only; tenants queue fairly; what is
/// asked is authorized; then it is routed. Bodies are read, with their limit, by the verbs.
pub fn build(shared: Arc<Shared>) -> Router {
    let state = || shared.clone();
    Router::new().fallback(route::route).with_state(state()).layer(
        ServiceBuilder::new()
            .layer(from_fn(panics::contain))
            .layer(from_fn_with_state(state(), observe::observe))
            .layer(from_fn(deadline::limit))
            .layer(from_fn_with_state(state(), tenancy::resolve))
            .layer(from_fn_with_state(state(), authenticate::authenticate))
            .layer(from_fn_with_state(state(), admit::admit))
            .layer(from_fn_with_state(state(), authorize::authorize)),
    )
}
