//! The recent batches of a lane, for tails. Kept only while somebody listens, until everybody has dealt with them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::Event;
use crate::key::TenantId;
use crate::limits;

/// Events of one batch, with their tenants.
pub(crate) type FedBatch = Arc<[(TenantId, Arc<Event>)]>;

pub(crate) struct Feed {
    /// Invariant: holds every batch with events after `start`.
    batches: VecDeque<(u64, FedBatch)>,
    start: u64,
    bytes: usize,
    listeners: usize,
    /// Last batch of the lane.
    last: u64,
}

impl Feed {
    pub(super) fn starting_at(sequence: u64) -> Feed {
        Feed { batches: VecDeque::new(), start: sequence, bytes: 0, listeners: 0, last: sequence }
    }

    pub(crate) fn listen(&mut self) {
        self.listeners += 1;
    }

    pub(crate) fn leave(&mut self) {
        self.listeners -= 1;
        if self.listeners == 0 {
            self.batches = VecDeque::new();
            (self.start, self.bytes) = (self.last, 0);
        }
    }

    /// Returns the number of the last batch.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn push(&mut self, sequence: u64, events: impl Iterator<Item = (TenantId, Arc<Event>)>) {
        self.last = sequence;
        if self.listeners == 0 {
            self.start = sequence;
            return;
        }
        let events: FedBatch = events.collect();
        if events.is_empty() {
            return;
        }
        self.bytes += weight(&events);
        self.batches.push_back((sequence, events));
        while limits::TAIL_BATCHES_MAX < self.batches.len() || limits::TAIL_BYTES_MAX < self.bytes {
            self.drop_oldest();
        }
    }

    /// Drops the batches up to one that everybody has dealt with.
    pub(super) fn forget(&mut self, passed: u64) {
        while self.batches.front().is_some_and(|(sequence, _)| *sequence <= passed) {
            self.drop_oldest();
        }
        if self.batches.is_empty() {
            self.batches = VecDeque::new();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((sequence, events)) = self.batches.pop_front() {
            self.bytes -= weight(&events);
            self.start = sequence;
        }
    }

    /// Returns the first batch after a sequence, if the feed reaches back that far.
    pub(crate) fn after(&self, sequence: u64) -> Option<Option<(u64, FedBatch)>> {
        if sequence < self.start {
            return None;
        }
        let at = self.batches.partition_point(|(batch, _)| *batch <= sequence);
        Some(self.batches.get(at).cloned())
    }
}

fn weight(events: &FedBatch) -> usize {
    events.iter().map(|(_, event)| event.weight() + 24).sum()
}
