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
use crate::server::ConnectionInfo;
use crate::shared::Shared;
use axum::Router;
use axum::body::Body;
use axum::middleware::{from_fn, from_fn_with_state};
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
use tower::{Service, ServiceBuilder};

pub use tenancy::{Credentials, InProcess};

/// Turns the stack into the service that a listener calls for each request of a connection.
pub fn connection_service(
    router: Router,
) -> impl Fn(Arc<ConnectionInfo>, Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Clone + Send + Sync + 'static
{
    move |connection, request| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(connection);
        let mut router = router.clone();
        Box::pin(async move {
            let Ok(response) = Service::call(&mut router, request).await;
            response
        })
    }
}

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
