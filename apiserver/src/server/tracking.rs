//! Counts what is going on in a connection, so that an idle one can be closed and a busy one is left alone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;

/// The requests of one connection that are being answered.
pub(super) struct Activity {
    started: Instant,
    running: AtomicUsize,
    /// Milliseconds from `started` to the end of the last request. Means something only while nothing runs.
    idle_since_ms: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Arc<Activity> {
        Arc::new(Activity { started: Instant::now(), running: AtomicUsize::new(0), idle_since_ms: AtomicU64::new(0) })
    }

    /// Notes that a request begins; it ends when the guard goes.
    pub(super) fn enter(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(self))
    }

    /// Returns since when nothing runs, or None if something does.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        match self.running.load(Ordering::Acquire) {
            0 => Some(self.started + Duration::from_millis(self.idle_since_ms.load(Ordering::Acquire))),
            _ => None,
        }
    }
}

/// A request that is being answered.
pub(super) struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        let elapsed = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since_ms.store(elapsed, Ordering::Release);
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

pin_project! {
    /// A response body that counts as running until it was sent or dropped.
    pub(super) struct Tracked<B> {
        #[pin]
        body: B,
        running: Running,
    }
}

impl<B> Tracked<B> {
    pub(super) fn new(body: B, running: Running) -> Tracked<B> {
        Tracked { body, running }
    }
}

impl<B: Body> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
