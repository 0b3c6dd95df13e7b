//! A lane's event slices: turned while writing, dropped whole when all of one is older than the window.
//!
//! Order matters: floors are durable before a slice goes, so that nobody is promised a past that is not there.

use crate::engine::{Batch, SliceChange, SliceRow};
use crate::error::StorageError;
use crate::key::{Revision, TenantId};
use crate::lane::Runner;
use crate::limits::FLOORS_PER_BATCH_MAX;

impl Runner {
    /// Adds an event weight to the current slice of a batch, turning to the next slice first if this one is full.
    pub(crate) fn turn_slice(&self, batch: &mut Batch, weight: u64) {
        let now = self.shared.now_ms();
        if self.slice_is_full(now) {
            let row = SliceRow {
                slice: batch.lane.slice,
                closed_ms: now,
                last_sequence: self.row.sequence,
                bytes: batch.lane.slice_bytes,
            };
            batch.slices.push(SliceChange::Close(row));
            batch.lane.slice += 1;
            batch.lane.slice_bytes = 0;
            // The slice that is turned to was made ahead; this is the one after.
            batch.slices.push(SliceChange::Create(batch.lane.slice + 1));
        }
        if batch.lane.slice_bytes == 0 {
            batch.lane.opened_ms = now;
        }
        batch.lane.slice_bytes += weight;
    }

    fn slice_is_full(&self, now_ms: u64) -> bool {
        let limits = &self.shared.limits;
        let old = self.row.opened_ms + millis(limits.slice) <= now_ms;
        self.row.slice_bytes > 0 && (old || limits.window_bytes_max / 8 < self.row.slice_bytes)
    }

    /// Returns when (unix milliseconds) something will have to be done even if nobody writes.
    pub(crate) fn maintenance_due_ms(&self) -> Option<u64> {
        if self.lane.serving().is_err() {
            return None;
        }
        let limits = &self.shared.limits;
        let turn = (self.row.slice_bytes > 0).then(|| self.row.opened_ms + millis(limits.slice));
        let oldest = self.closed.first().filter(|slice| self.lane.behind(slice.last_sequence).is_empty());
        let expiry = oldest.map(|slice| slice.closed_ms + millis(limits.window));
        let full = self.is_over_bytes().then_some(0);
        turn.into_iter().chain(expiry).chain(full).min()
    }

    fn is_over_bytes(&self) -> bool {
        let closed: u64 = self.closed.iter().map(|slice| slice.bytes).sum();
        !self.closed.is_empty() && self.shared.limits.window_bytes_max < closed + self.row.slice_bytes
    }

    /// Turns the current slice if it is due, and drops slices that have expired.
    pub(crate) async fn maintain(&mut self) {
        if let Err(error) = self.try_maintain().await {
            tracing::warn!(lane = self.lane.number, %error, "event slices could not be looked after");
            // Not at once again: the next attempt is with the next write or a second later.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    async fn try_maintain(&mut self) -> Result<(), StorageError> {
        if self.slice_is_full(self.shared.now_ms()) {
            let mut batch = self.next_batch();
            self.turn_slice(&mut batch, 0);
            self.commit(batch).await?;
        }
        while let Some(slice) = self.closed.first().copied() {
            let behind = self.lane.behind(slice.last_sequence);
            let expired = slice.closed_ms + millis(self.shared.limits.window) <= self.shared.now_ms();
            if !(self.is_over_bytes() || expired && behind.is_empty()) {
                break;
            }
            self.drop_slice(slice, behind).await?;
        }
        Ok(())
    }

    async fn drop_slice(&mut self, slice: SliceRow, behind: Vec<String>) -> Result<(), StorageError> {
        let tops = self.shared.backend.slice_tops(self.lane.number, slice.slice).await?;
        for floors in tops.chunks(FLOORS_PER_BATCH_MAX) {
            let mut batch = self.next_batch();
            batch.floors = floors.to_vec();
            self.commit(batch).await?;
            for (tenant, floor) in floors {
                self.raise_floor(*tenant, *floor);
            }
        }
        // Before they go: a tail that is reading them looks at this afterwards.
        self.lane.dropping(slice.last_sequence);
        let mut batch = self.next_batch();
        batch.slices.push(SliceChange::Drop(slice.slice));
        if !behind.is_empty() {
            tracing::warn!(lane = self.lane.number, consumers = ?behind, "events were dropped before their consumers had them");
        }
        batch.consumers = behind.into_iter().map(|name| (name, Some(crate::lane::LOST))).collect();
        self.commit(batch).await?;
        tracing::debug!(lane = self.lane.number, slice = slice.slice, tenants = tops.len(), "event slice dropped");
        Ok(())
    }

    fn raise_floor(&self, tenant: TenantId, floor: Revision) {
        if let Some(tenant) = self.shared.warm(tenant) {
            let mut state = tenant.lock();
            state.floor = state.floor.max(floor);
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
