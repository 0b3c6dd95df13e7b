//! How many watches of a control plane are open, and its limit of them.

use kplex_machinery::status::Status;
use kplex_tenants::TenantScope;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Open watches of one warm tenant.
#[derive(Default)]
struct Open(AtomicU64);

/// One open watch; it ends when this is dropped.
pub(super) struct Watching(Arc<Open>);

impl Watching {
    /// Counts another watch.
    ///
    /// # Errors
    /// 429 when the control plane has as many as it may.
    pub(super) fn begin(scope: &TenantScope) -> Result<Watching, Status> {
        let watching = Watching(scope.state(Open::default));
        if scope.limits().watches_max < watching.0.0.fetch_add(1, Ordering::Relaxed) + 1 {
            return Err(Status::too_many_requests("too many open watches, please try again later", 1));
        }
        Ok(watching)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
