//! The commit feed of the whole process, for controllers: every event of every tenant, in order of commit within a lane,
//! from where the consumer last was, also after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::StorageError;
use crate::event::Event;
use crate::key::{Prefix, Revision, TenantId};
use crate::lane::LOST;
use crate::limits::TAIL_ROWS_MAX;
use crate::store::{Shared, Store};

/// Place in the commit feed: everything of the lane up to this batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The lane.
    pub lane: u16,
    /// The batch.
    pub sequence: u64,
}

/// Events of one batch, or of several that were read back together.
#[derive(Clone, Debug)]
pub struct TailBatch {
    /// What to acknowledge once the events are dealt with.
    pub position: Position,
    /// The events, in order of commit.
    pub events: Vec<(TenantId, Arc<Event>)>,
}

/// One consumer's place in the commit feed.
pub struct Tail {
    shared: Arc<Shared>,
    consumer: String,
    /// Last batch handed out, by lane.
    positions: Vec<u64>,
    /// The lane to look at first, so that none starves the others.
    turn: usize,
}

impl Store {
    /// Opens the commit feed for a consumer, after what it last acknowledged. A consumer that was never seen before starts
    /// with the oldest events that are kept. While it is known, events it has not acknowledged are kept (but for the byte
    /// limit), so a consumer that will never return must be forgotten.
    pub fn tail(&self, consumer: &str) -> Tail {
        let lanes = self.shared.lanes();
        let positions = lanes.iter().map(|lane| {
            lane.feed.lock().listen();
            lane.consumer(consumer).unwrap_or_else(|| {
                // Known from here on, so that what it has not seen is kept.
                let oldest = lane.dropped();
                lane.acknowledge(consumer, Some(oldest), self.shared.now_ms());
                oldest
            })
        });
        let positions = positions.collect();
        Tail { shared: self.shared.clone(), consumer: consumer.to_owned(), positions, turn: 0 }
    }

    /// Forgets how far a consumer came, so that nothing is kept for it any more.
    pub fn forget_consumer(&self, consumer: &str) {
        for lane in self.shared.lanes() {
            lane.acknowledge(consumer, None, self.shared.now_ms());
        }
    }
}

impl Tail {
    /// Waits for the next events. Cancel-safe.
    ///
    /// # Errors
    /// `Compacted` when events were dropped before this consumer had them: it must call [`Tail::skip`] and then look at
    /// everything again.
    pub async fn next(&mut self) -> Result<TailBatch, StorageError> {
        loop {
            let shared = self.shared.clone();
            let fed = shared.fed.notified();
            tokio::pin!(fed);
            fed.as_mut().enable();
            for _ in 0..self.positions.len() {
                let lane = self.turn;
                self.turn = (self.turn + 1) % self.positions.len();
                if let Some(batch) = self.next_of(lane).await? {
                    return Ok(batch);
                }
            }
            fed.await;
        }
    }

    /// Stores how far the consumer came, with the next commit of the lane or a moment later. After a crash what was not
    /// stored yet comes again.
    pub fn ack(&self, position: Position) {
        let now = self.shared.now_ms();
        self.shared.lane(position.lane).acknowledge(&self.consumer, Some(position.sequence), now);
    }

    /// Skips everything up to now, as far as it was not handed out, and acknowledges it.
    pub fn skip(&mut self) {
        for (lane, position) in self.shared.lanes().iter().zip(&mut self.positions) {
            *position = lane.feed.lock().last();
            lane.acknowledge(&self.consumer, Some(*position), self.shared.now_ms());
        }
    }

    async fn next_of(&mut self, lane: usize) -> Result<Option<TailBatch>, StorageError> {
        let after = self.positions[lane];
        if after == LOST {
            return Err(StorageError::Compacted { floor: Revision::ZERO });
        }
        let shared = self.shared.lanes()[lane].clone();
        shared.serving()?;
        let (fed, last) = {
            let feed = shared.feed.lock();
            (feed.after(after), feed.last())
        };
        let (sequence, events) = match fed {
            Some(None) => return Ok(None),
            Some(Some((sequence, events))) => (sequence, events.to_vec()),
            None => {
                let read = self.read_back(lane, after, last).await?;
                // Slices that went before or while they were read leave a hole.
                if after < shared.dropped() {
                    return Err(StorageError::Compacted { floor: Revision::ZERO });
                }
                read
            }
        };
        self.positions[lane] = sequence;
        let position = Position { lane: shared.number, sequence };
        Ok((!events.is_empty()).then_some(TailBatch { position, events }))
    }

    /// Reads some batches from the event tables.
    async fn read_back(
        &self,
        lane: usize,
        after: u64,
        last: u64,
    ) -> Result<(u64, Vec<(TenantId, Arc<Event>)>), StorageError> {
        let number = self.shared.lanes()[lane].number;
        let mut rows = self.shared.backend.batches(number, after, TAIL_ROWS_MAX).await?;
        if rows.len() == TAIL_ROWS_MAX {
            // The last batch may be cut; a batch that is larger than a chunk is read whole.
            let cut = rows.last().map_or(0, |row| row.0);
            if rows.first().is_some_and(|row| row.0 == cut) {
                rows = self.shared.backend.batches(number, after, crate::limits::WRITE_SET_CHANGES_MAX * 2).await?;
                rows.retain(|row| row.0 == cut);
            } else {
                rows.retain(|row| row.0 < cut);
            }
        } else if rows.is_empty() {
            return Ok((last, Vec::new()));
        }
        let sequence = rows.last().map_or(last, |row| row.0);
        let mut wanted: BTreeMap<TenantId, (Revision, usize)> = BTreeMap::new();
        for (_, tenant, revision) in &rows {
            wanted.entry(*tenant).or_insert((*revision, 0)).1 += 1;
        }
        let mut found = BTreeMap::new();
        for (id, (first, count)) in wanted {
            let tenant = self.shared.tenant(id, number);
            let after = Revision::new(first.get() - 1);
            match tenant.events_after(&Prefix::all(), after, count).await {
                Ok((events, _)) => found.extend(events.into_iter().map(|event| ((id, event.revision), event))),
                // Deleted since: nothing of it is left to act on.
                Err(StorageError::Gone) => {}
                // The slice was dropped since.
                Err(error @ StorageError::Compacted { .. }) => return Err(error),
                Err(error) => return Err(error),
            }
        }
        let events = rows.into_iter().filter_map(|(_, id, revision)| Some((id, found.remove(&(id, revision))?)));
        Ok((sequence, events.collect()))
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        for lane in self.shared.lanes() {
            lane.feed.lock().leave();
        }
    }
}
