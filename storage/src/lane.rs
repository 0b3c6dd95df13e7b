//! The writer lane: one task that turns queued writes into batches, one in flight at a time.
//!
//! Everything that queued while the last commit was in flight forms the next batch, round robin over tenants. Writes
//! become visible when their batch is durable. When it is not, they fail, and so does every later write of the same
//! tenants. A panic here would leave writes that nobody answers and memory that disagrees with the database, so it ends
//! the process.

mod batch;
mod feed;
mod queue;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::engine::{Batch, Claim, Head, Hold, LaneRow, Outcome, SliceChange, SliceRow, TenantRecord};
use crate::error::StorageError;
use crate::event::Event;
use crate::key::{Key, TenantId};
use crate::limits::Limits;
use crate::store::Shared;
use crate::tenant::Tenant;
use crate::write::Due;

pub(crate) use feed::Feed;
pub(crate) use queue::LOST;
use queue::{Queue, Taken};

/// What happens to the object row of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowChange {
    /// It holds the new value.
    Put,
    /// It holds a tombstone, because the base has an object of that key.
    Tombstone,
    /// It is removed.
    Remove,
    /// Nothing: the change is in the base.
    Base,
}

/// One queued unit: committed whole or not at all.
pub(crate) struct Work {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) events: Vec<(Arc<Event>, RowChange)>,
    /// Where the tenant stands after the work. Set when there are events.
    pub(crate) head: Option<Head>,
    pub(crate) due: Vec<(Due, bool)>,
    pub(crate) owners: Vec<(String, Key, bool)>,
    pub(crate) record: Option<TenantRecord>,
    pub(crate) next_tenant: u64,
    pub(crate) revision_mark: u64,
    pub(crate) purge: Option<u32>,
    pub(crate) forget: bool,
    pub(crate) weight: usize,
    pub(crate) reply: oneshot::Sender<Result<(), StorageError>>,
}

impl Work {
    pub(crate) fn new(tenant: Arc<Tenant>, reply: oneshot::Sender<Result<(), StorageError>>) -> Work {
        Work {
            tenant,
            events: Vec::new(),
            head: None,
            due: Vec::new(),
            owners: Vec::new(),
            record: None,
            next_tenant: 0,
            revision_mark: 0,
            purge: None,
            forget: false,
            weight: 128,
            reply,
        }
    }
}

/// The part of a lane that everybody sees.
pub(crate) struct Lane {
    pub(crate) number: u16,
    queue: Mutex<Queue>,
    wake: Notify,
    /// Another process took the lane: what is in memory may be stale, nothing is served from it any more.
    fenced: AtomicBool,
    /// The task has ended.
    ended: AtomicBool,
    /// Last batch whose events were dropped since the store was opened.
    dropped: AtomicU64,
    pub(crate) feed: Mutex<Feed>,
}

impl Lane {
    pub(crate) fn new(number: u16, sequence: u64, consumers: Vec<(String, u64)>) -> Lane {
        let queue = Mutex::new(Queue::new(consumers));
        let feed = Mutex::new(Feed::starting_at(sequence));
        Lane {
            number,
            queue,
            wake: Notify::new(),
            fenced: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            feed,
        }
    }

    /// Queues a unit of work behind the others of its tenant.
    pub(crate) fn queue(&self, work: Work, limits: &Limits) -> Result<(), StorageError> {
        self.queue.lock().push(work, limits)?;
        self.wake.notify_one();
        Ok(())
    }

    /// Takes back everything a tenant has queued.
    pub(crate) fn drain(&self, tenant: TenantId) -> Vec<Work> {
        self.queue.lock().drain(tenant)
    }

    /// Fails when the lane belongs to another process.
    pub(crate) fn serving(&self) -> Result<(), StorageError> {
        if self.fenced.load(Ordering::Relaxed) {
            return Err(StorageError::Unavailable("another process has taken over this store".to_owned()));
        }
        if self.ended.load(Ordering::Relaxed) {
            return Err(StorageError::Unavailable("the store is closed".to_owned()));
        }
        Ok(())
    }

    /// Returns the last batch whose events were dropped since the store was opened.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::SeqCst)
    }

    /// Notes that the events up to a batch are about to be dropped.
    pub(crate) fn dropping(&self, sequence: u64) {
        self.dropped.fetch_max(sequence, Ordering::SeqCst);
    }

    /// Serves nothing any more.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Notes how far a consumer came, to be stored with the next batch; `None` forgets the consumer.
    pub(crate) fn acknowledge(&self, consumer: &str, sequence: Option<u64>, now_ms: u64) {
        let passed = {
            let mut queue = self.queue.lock();
            queue.acknowledge(consumer, sequence, now_ms);
            queue.passed()
        };
        self.feed.lock().forget(passed);
        self.wake.notify_one();
    }

    /// Returns the position a consumer last acknowledged.
    pub(crate) fn consumer(&self, consumer: &str) -> Option<u64> {
        self.queue.lock().consumer(consumer)
    }

    /// Returns the consumers that have not stored a position at or after `sequence`, unless nothing is there for them.
    pub(crate) fn behind(&self, sequence: u64) -> Vec<String> {
        let behind = self.queue.lock().behind(sequence);
        let feed = self.feed.lock();
        let waiting = |at: u64| feed.after(at).is_none_or(|next| next.is_some_and(|(batch, _)| batch <= sequence));
        behind.into_iter().filter(|(_, at)| waiting(*at)).map(|(name, _)| name).collect()
    }

    /// Has the lane drop what has expired now rather than later.
    pub(crate) async fn maintain(&self) -> Result<(), StorageError> {
        let (reply, answer) = oneshot::channel();
        self.queue.lock().maintain(reply);
        self.wake.notify_one();
        answer.await.map_err(|_| StorageError::Unavailable("the store is closed".to_owned()))
    }

    /// Refuses new work and ends the task when the queue is empty.
    pub(crate) fn close(&self) {
        self.queue.lock().close();
        self.wake.notify_one();
    }
}

/// The task's own part of a lane.
pub(crate) struct Runner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lane: Arc<Lane>,
    /// The lane row after the last batch.
    pub(crate) row: LaneRow,
    /// Full event slices, oldest first.
    pub(crate) closed: Vec<SliceRow>,
}

/// Longest sleep of a lane with nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// First and longest pause between attempts to settle an unknown outcome.
const SETTLE_PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

impl Runner {
    pub(crate) fn new(shared: Arc<Shared>, lane: Arc<Lane>, claim: Claim) -> Runner {
        Runner { shared, lane, row: claim.row, closed: claim.closed }
    }

    /// Runs until the lane is closed and its queue is empty.
    pub(crate) async fn run(self) {
        if AssertUnwindSafe(self.take_turns()).catch_unwind().await.is_err() {
            tracing::error!("a writer lane panicked; ending the process");
            std::process::abort();
        }
    }

    async fn take_turns(mut self) {
        loop {
            let now = self.shared.now_ms();
            let taken = self.lane.queue.lock().take(&self.shared.limits, now);
            match taken {
                Taken::Work(works, consumers) => self.commit_works(works, consumers).await,
                Taken::Maintain(replies) => {
                    self.maintain().await;
                    for reply in replies {
                        // The caller may have gone.
                        let _ = reply.send(());
                    }
                }
                Taken::Closed => return,
                Taken::Nothing(ack_due_ms) => {
                    let due = self.maintenance_due_ms().into_iter().chain(ack_due_ms).min();
                    let pause = due.map_or(IDLE, |due| Duration::from_millis(due.saturating_sub(now)));
                    tokio::select! {
                        () = self.lane.wake.notified() => {}
                        () = tokio::time::sleep(pause.min(IDLE)) => {}
                    }
                }
            }
            if self.maintenance_due_ms().is_some_and(|due| due <= self.shared.now_ms()) {
                self.maintain().await;
            }
        }
    }

    async fn commit_works(&mut self, works: Vec<Work>, consumers: Vec<(String, Option<u64>)>) {
        let mut batch = self.next_batch();
        batch::fill(&mut batch, &works);
        batch.consumers = consumers;
        let weight: u64 = batch.events.iter().map(|row| row.weight()).sum();
        self.turn_slice(&mut batch, weight);
        match self.commit(batch).await {
            Ok(()) => self.publish(works),
            Err(error) => self.fail(works, &error),
        }
    }

    fn publish(&mut self, works: Vec<Work>) {
        for work in &works {
            work.tenant.publish(work);
        }
        let events = works.iter().flat_map(|work| work.events.iter().map(|(event, _)| (work.tenant.id, event.clone())));
        self.lane.feed.lock().push(self.row.sequence, events);
        self.shared.fed.notify_waiters();
        if works.iter().any(|work| work.due.iter().any(|(_, add)| *add)) {
            self.shared.due_added.notify_waiters();
        }
        for work in works {
            // The caller may have gone.
            let _ = work.reply.send(Ok(()));
        }
        self.shared.evict();
    }

    fn fail(&self, works: Vec<Work>, error: &StorageError) {
        tracing::warn!(lane = self.lane.number, %error, writes = works.len(), "batch failed");
        let mut failed = Vec::new();
        let mut tenants: Vec<&Arc<Tenant>> = works.iter().map(|work| &work.tenant).collect();
        tenants.sort_by_key(|tenant| tenant.id);
        tenants.dedup_by_key(|tenant| tenant.id);
        for tenant in tenants {
            failed.extend(tenant.fail_pending());
        }
        for work in works.into_iter().chain(failed) {
            let _ = work.reply.send(Err(error.clone()));
        }
    }

    /// Returns an empty batch that follows the last one.
    pub(crate) fn next_batch(&self) -> Batch {
        Batch { lane: LaneRow { sequence: self.row.sequence + 1, ..self.row }, ..Batch::default() }
    }

    /// Commits a batch and knows the outcome when it returns.
    pub(crate) async fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.lane.serving()?;
        let why = match self.shared.backend.commit(&batch).await {
            Outcome::Durable => {
                self.follow(&batch);
                return Ok(());
            }
            Outcome::Rejected(why) => {
                self.check_ownership().await?;
                return Err(StorageError::Unavailable(why));
            }
            Outcome::Unknown(why) => why,
        };
        tracing::warn!(lane = self.lane.number, %why, "settling a batch");
        let claim = self.settle().await?;
        if claim.row.sequence == batch.lane.sequence {
            self.follow(&batch);
            self.row = claim.row;
            return Ok(());
        }
        self.row = claim.row;
        Err(StorageError::Unavailable(why))
    }

    /// Takes note of what a durable batch did.
    fn follow(&mut self, batch: &Batch) {
        self.row = batch.lane;
        for change in &batch.slices {
            match change {
                SliceChange::Create(_) => {}
                SliceChange::Close(row) => self.closed.push(*row),
                SliceChange::Drop(slice) => self.closed.retain(|closed| closed.slice != *slice),
            }
        }
        self.lane.queue.lock().stored(&batch.consumers);
    }

    /// Finds out whether a batch was refused because somebody else has the lane. If the database cannot say, the next
    /// batch will tell: who was refused need not wait for that.
    async fn check_ownership(&mut self) -> Result<(), StorageError> {
        match self.shared.backend.claim(self.lane.number, self.shared.owner, Hold::Keep).await {
            Ok(Some(claim)) => self.row = claim.row,
            Ok(None) => return Err(self.fence()),
            Err(error) => tracing::warn!(lane = self.lane.number, %error, "lane cannot be checked"),
        }
        Ok(())
    }

    /// Stops serving: somebody else has the lane.
    fn fence(&self) -> StorageError {
        self.lane.fenced.store(true, Ordering::Relaxed);
        self.shared.wake_all(self.lane.number);
        tracing::error!(lane = self.lane.number, "another process has taken over this lane");
        StorageError::Unavailable("another process has taken over this store".to_owned())
    }

    /// Finds out where the lane stands, however long the database is away: nobody is answered before.
    async fn settle(&self) -> Result<Claim, StorageError> {
        let (mut pause, pause_max) = SETTLE_PAUSES;
        loop {
            match self.shared.backend.claim(self.lane.number, self.shared.owner, Hold::Keep).await {
                Ok(Some(claim)) => return Ok(claim),
                Ok(None) => return Err(self.fence()),
                Err(error) => tracing::warn!(lane = self.lane.number, %error, "lane cannot be settled yet"),
            }
            if self.shared.gave_up() {
                return Err(StorageError::Unknown("the store was closed while the database was away".to_owned()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(pause_max);
        }
    }
}
