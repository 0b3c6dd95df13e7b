//! An engine that fails on purpose, around one that does not: for tests of everything above engines.
//!
//! Tests are the only users, also those of other crates; that is why it is not under `cfg(test)`.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::base::BaseHash;
use crate::engine::{Backend, Batch, Claim, Hold, Index, Marks, Outcome, TenantRecord, View, ViewQuery};
use crate::error::StorageError;
use crate::key::{Key, KeyRange, Revision, TenantId};
use crate::write::Due;

/// What happens to one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is refused.
    Reject,
    /// It becomes durable, but the answer is lost.
    LoseAnswer,
    /// It never arrives, and nobody knows.
    LoseRequest,
    /// It becomes durable, and the answer comes with [`FaultEngine::release`].
    HoldAnswer,
    /// Nobody knows, and it arrives after the lane was settled. It must bounce off the raised epoch.
    ArriveLate,
}

/// The engine.
pub struct FaultEngine {
    inner: Arc<dyn Backend>,
    faults: Mutex<VecDeque<Fault>>,
    otherwise: Mutex<Fault>,
    /// How many claims fail from now on.
    failing_claims: Mutex<u32>,
    late: Mutex<Vec<Batch>>,
    late_outcomes: Mutex<Vec<Outcome>>,
    paused: watch::Sender<bool>,
    /// How many of the next views and indexes are held up after they have read.
    held_views: Mutex<u32>,
    held: watch::Sender<bool>,
    commits: Mutex<u64>,
}

impl FaultEngine {
    /// Returns an engine that does what `inner` does until told otherwise.
    pub fn new(inner: Arc<dyn Backend>) -> FaultEngine {
        FaultEngine {
            inner,
            faults: Mutex::default(),
            otherwise: Mutex::new(Fault::None),
            failing_claims: Mutex::new(0),
            late: Mutex::default(),
            late_outcomes: Mutex::default(),
            paused: watch::channel(false).0,
            held_views: Mutex::new(0),
            held: watch::channel(true).0,
            commits: Mutex::new(0),
        }
    }

    /// Has the next commits suffer these faults, one each.
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().extend(faults);
    }

    /// Has every commit suffer this fault that suffers no injected one.
    pub fn always(&self, fault: Fault) {
        *self.otherwise.lock() = fault;
    }

    /// Has the next claims fail, as if the database were away.
    pub fn fail_claims(&self, count: u32) {
        *self.failing_claims.lock() = count;
    }

    /// Holds commits up until [`FaultEngine::resume`].
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Lets commits go on.
    pub fn resume(&self) {
        self.paused.send_replace(false);
    }

    /// Holds up the next views after they have read, until [`FaultEngine::release`]: their answers will be old.
    pub fn hold_views(&self, count: u32) {
        self.held.send_replace(true);
        *self.held_views.lock() = count;
    }

    /// Tells whether all views that were to be held are.
    pub fn views_are_held(&self) -> bool {
        *self.held_views.lock() == 0
    }

    /// Lets held views and answers go.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// Waits if this read is one of those to be held.
    async fn hold_up(&self) {
        let hold = {
            let mut held = self.held_views.lock();
            let hold = *held > 0;
            *held = held.saturating_sub(1);
            hold
        };
        if hold {
            self.wait_for_release().await;
        }
    }

    async fn wait_for_release(&self) {
        let mut held = self.held.subscribe();
        // The sender lives in self: waiting cannot fail.
        let _ = held.wait_for(|held| !held).await;
    }

    /// Returns how many commits were tried.
    pub fn commits(&self) -> u64 {
        *self.commits.lock()
    }

    /// Returns what became of the batches that arrived late.
    pub fn late_outcomes(&self) -> Vec<Outcome> {
        self.late_outcomes.lock().clone()
    }
}

#[async_trait]
impl Backend for FaultEngine {
    async fn open(&self, lanes: u16) -> Result<Marks, StorageError> {
        self.inner.open(lanes).await
    }

    async fn claim(&self, lane: u16, owner: u64, hold: Hold) -> Result<Option<Claim>, StorageError> {
        let fails = {
            let mut failing = self.failing_claims.lock();
            *failing = failing.saturating_sub(1);
            *failing > 0
        };
        if fails {
            return Err(StorageError::Unavailable("injected".to_owned()));
        }
        let claim = self.inner.claim(lane, owner, hold).await;
        let late = std::mem::take(&mut *self.late.lock());
        for batch in late {
            let outcome = self.inner.commit(&batch).await;
            self.late_outcomes.lock().push(outcome);
        }
        claim
    }

    async fn commit(&self, batch: &Batch) -> Outcome {
        *self.commits.lock() += 1;
        let mut paused = self.paused.subscribe();
        // The sender lives in self: waiting cannot fail.
        let _ = paused.wait_for(|paused| !paused).await;
        let fault = self.faults.lock().pop_front().unwrap_or(*self.otherwise.lock());
        match fault {
            Fault::None => self.inner.commit(batch).await,
            Fault::Reject => Outcome::Rejected("injected".to_owned()),
            Fault::LoseAnswer => {
                // If the engine itself refuses, the answer that is lost is a refusal.
                let _lost = self.inner.commit(batch).await;
                Outcome::Unknown("injected: answer lost".to_owned())
            }
            Fault::LoseRequest => Outcome::Unknown("injected: request lost".to_owned()),
            Fault::HoldAnswer => {
                let outcome = self.inner.commit(batch).await;
                self.wait_for_release().await;
                outcome
            }
            Fault::ArriveLate => {
                self.late.lock().push(batch.clone());
                Outcome::Unknown("injected: request late".to_owned())
            }
        }
    }

    async fn view(&self, query: ViewQuery) -> Result<Option<View>, StorageError> {
        let view = self.inner.view(query).await;
        self.hold_up().await;
        view
    }

    async fn index(&self, tenant: TenantId, range: KeyRange, rows_max: usize) -> Result<Option<Index>, StorageError> {
        let index = self.inner.index(tenant, range, rows_max).await;
        self.hold_up().await;
        index
    }

    async fn count(&self, tenant: TenantId, range: KeyRange) -> Result<u64, StorageError> {
        self.inner.count(tenant, range).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<TenantRecord>, StorageError> {
        self.inner.tenant(id).await
    }

    async fn tenant_named(&self, name: &str) -> Result<Option<TenantRecord>, StorageError> {
        self.inner.tenant_named(name).await
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<Vec<TenantRecord>, StorageError> {
        self.inner.tenants(after, limit).await
    }

    async fn tenants_deleting(&self, limit: usize) -> Result<Vec<TenantRecord>, StorageError> {
        self.inner.tenants_deleting(limit).await
    }

    async fn has_rows(&self, tenant: TenantId, lane: u16) -> Result<bool, StorageError> {
        self.inner.has_rows(tenant, lane).await
    }

    async fn due(&self, until_minute: u64, limit: usize) -> Result<Vec<(TenantId, Due)>, StorageError> {
        self.inner.due(until_minute, limit).await
    }

    async fn dependents(&self, tenant: TenantId, owner: &str) -> Result<Vec<Key>, StorageError> {
        self.inner.dependents(tenant, owner).await
    }

    async fn consumers(&self, lane: u16) -> Result<Vec<(String, u64)>, StorageError> {
        self.inner.consumers(lane).await
    }

    async fn batches(
        &self,
        lane: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId, Revision)>, StorageError> {
        self.inner.batches(lane, after, limit).await
    }

    async fn slice_tops(&self, lane: u16, slice: u64) -> Result<Vec<(TenantId, Revision)>, StorageError> {
        self.inner.slice_tops(lane, slice).await
    }

    async fn base(&self, hash: BaseHash) -> Result<Option<Bytes>, StorageError> {
        self.inner.base(hash).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
