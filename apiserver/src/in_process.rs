//! Requests that never touch a socket: a tower service per control plane and identity, over the same stack.

use crate::authn::User;
use crate::stack::InProcess;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use kplex_tenants::TenantScope;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::Service;

/// Serves requests of one identity in one control plane. `kube::Client::new` takes it.
#[derive(Clone)]
pub struct InProcessService {
    router: Router,
    who: InProcess,
}

impl InProcessService {
    /// Makes a service that acts as `user`; what it may do is up to the tenant's RBAC.
    #[must_use]
    pub fn new(router: Router, scope: TenantScope, user: User) -> Self {
        Self { router, who: InProcess { scope, user } }
    }
}

impl<B> Service<Request<B>> for InProcessService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.who.clone());
        let mut router = self.router.clone();
        Box::pin(async move { Service::call(&mut router, request).await })
    }
}
