//! How far the commit feed was worked off: a position may be acknowledged when all work up to it is done or durable.
//!
//! Every batch of the feed gets a [`Ticket`] that goes with the work it caused. When the last clone is gone, the batch is
//! done. Batches end in any order; [`Progress::take`] gives out only what has nothing unfinished before it.

use kplex_storage::Position;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// Unfinished batches.
#[derive(Default)]
pub(crate) struct Progress {
    /// By lane and sequence: whether the batch is done. Invariant: the first batch of a lane is not done, or about to be
    /// taken. Taken alone, never across an await.
    lanes: Mutex<BTreeMap<u16, BTreeMap<u64, bool>>>,
    changed: Notify,
}

/// Keeps a batch of the feed unfinished while a clone lives.
#[derive(Clone)]
pub(crate) struct Ticket {
    _batch: Arc<Batch>,
}

struct Batch {
    progress: Arc<Progress>,
    position: Position,
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut lanes = self.progress.lanes.lock();
        if let Some(done) = lanes.get_mut(&self.position.lane).and_then(|lane| lane.get_mut(&self.position.sequence)) {
            *done = true;
        }
        drop(lanes);
        self.progress.changed.notify_one();
    }
}

impl Progress {
    /// Opens a batch.
    #[must_use]
    pub(crate) fn open(self: &Arc<Self>, position: Position) -> Ticket {
        self.lanes.lock().entry(position.lane).or_default().insert(position.sequence, false);
        Ticket { _batch: Arc::new(Batch { progress: self.clone(), position }) }
    }

    /// Returns, for each lane, the last position with nothing unfinished up to it, since the last call.
    #[must_use]
    pub(crate) fn take(&self) -> Vec<Position> {
        let mut positions = Vec::new();
        for (lane, batches) in self.lanes.lock().iter_mut() {
            let mut last = None;
            while let Some(entry) = batches.first_entry().filter(|entry| *entry.get()) {
                last = Some(*entry.key());
                entry.remove();
            }
            positions.extend(last.map(|sequence| Position { lane: *lane, sequence }));
        }
        positions
    }

    /// Waits until a batch was done.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_acknowledged_only_when_everything_before_it_is_done() {
        let progress = Arc::new(Progress::default());
        let at = |sequence| Position { lane: 0, sequence };
        let (first, second) = (progress.open(at(1)), progress.open(at(2)));
        let again = first.clone();
        drop(second);
        drop(first);
        assert_eq!(progress.take(), []);
        drop(again);
        assert_eq!(progress.take(), [at(2)]);
        assert_eq!(progress.take(), []);
    }
}
