//! What all requests of the process share.

use crate::metrics::Metrics;
use crate::openapi;
use crate::stack::fair::FairQueue;
use kplex_machinery::crd::Interner;
use kplex_tenants::Tenants;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// State of the process behind every request. Made once by the builder.
pub struct Shared {
    /// Who exists.
    pub tenants: Tenants,
    /// Cancelled when the server drains: watches end, new work is refused.
    pub drain: CancellationToken,
    /// Admits requests fairly over tenants.
    pub queue: FairQueue,
    /// Counters of the process.
    pub metrics: Metrics,
    /// Compiled definitions, shared between tenants by content.
    pub interner: Arc<Interner>,
    /// OpenAPI documents of the built-in API.
    pub documents: openapi::Kept,
    /// Host-name suffix of control planes (`--domain`).
    pub domain: Option<String>,
    ready: AtomicBool,
}

impl Shared {
    /// Puts the shared state together; not ready yet.
    #[must_use]
    pub fn new(tenants: Tenants, domain: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            tenants,
            drain: CancellationToken::new(),
            queue: FairQueue::default(),
            metrics: Metrics::default(),
            interner: Arc::default(),
            documents: openapi::Kept::default(),
            domain,
            ready: AtomicBool::new(false),
        })
    }

    /// Lets `/readyz` answer 200.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether the server takes requests: started and not draining.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && !self.drain.is_cancelled()
    }
}
