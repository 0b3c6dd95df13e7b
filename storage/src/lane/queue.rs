//! What waits for a lane: work by tenant, acknowledged tail positions, requests for maintenance.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::oneshot;

use super::Work;
use crate::error::StorageError;
use crate::key::TenantId;
use crate::limits::Limits;

/// A consumer whose batches were dropped before it had them.
pub(crate) const LOST: u64 = i64::MAX as u64;

pub(super) struct Queue {
    /// Tenants with work, in the order of their turns. Invariant: exactly the keys of `works`.
    turns: VecDeque<TenantId>,
    works: HashMap<TenantId, VecDeque<Work>>,
    bytes: usize,
    /// Positions as they are stored.
    consumers: BTreeMap<String, u64>,
    /// Positions to store.
    acknowledged: BTreeMap<String, Option<u64>>,
    acknowledged_ms: u64,
    maintain: Vec<oneshot::Sender<()>>,
    closed: bool,
}

/// What a lane does next.
pub(super) enum Taken {
    /// Commits these, and these tail positions.
    Work(Vec<Work>, Vec<(String, Option<u64>)>),
    /// Looks after its event slices and answers.
    Maintain(Vec<oneshot::Sender<()>>),
    /// Waits, at most until this time (unix milliseconds).
    Nothing(Option<u64>),
    /// Ends.
    Closed,
}

impl Queue {
    pub(super) fn new(consumers: Vec<(String, u64)>) -> Queue {
        Queue {
            turns: VecDeque::new(),
            works: HashMap::new(),
            bytes: 0,
            consumers: consumers.into_iter().collect(),
            acknowledged: BTreeMap::new(),
            acknowledged_ms: 0,
            maintain: Vec::new(),
            closed: false,
        }
    }

    pub(super) fn push(&mut self, work: Work, limits: &Limits) -> Result<(), StorageError> {
        let refuse = |why: &str| Err(StorageError::Unavailable(why.to_owned()));
        if self.closed {
            return refuse("the store is closed");
        }
        if limits.queue_bytes_max < self.bytes + work.weight {
            return refuse("too many writes are queued");
        }
        let tenant = work.tenant.id;
        let works = self.works.entry(tenant).or_default();
        if limits.tenant_queue_max <= works.len() {
            return refuse("too many writes of this control plane are queued");
        }
        if works.is_empty() {
            self.turns.push_back(tenant);
        }
        self.bytes += work.weight;
        works.push_back(work);
        Ok(())
    }

    pub(super) fn drain(&mut self, tenant: TenantId) -> Vec<Work> {
        let works = self.works.remove(&tenant).unwrap_or_default();
        self.turns.retain(|turn| *turn != tenant);
        self.bytes -= works.iter().map(|work| work.weight).sum::<usize>();
        works.into()
    }

    pub(super) fn acknowledge(&mut self, consumer: &str, sequence: Option<u64>, now_ms: u64) {
        if self.acknowledged.is_empty() {
            self.acknowledged_ms = now_ms;
        }
        self.acknowledged.insert(consumer.to_owned(), sequence);
    }

    /// Returns where a consumer is: what it acknowledged last, stored or not.
    pub(super) fn consumer(&self, consumer: &str) -> Option<u64> {
        match self.acknowledged.get(consumer) {
            Some(sequence) => *sequence,
            None => self.consumers.get(consumer).copied(),
        }
    }

    /// Returns the batch that every consumer has acknowledged.
    pub(super) fn passed(&self) -> u64 {
        let names = self.consumers.keys().chain(self.acknowledged.keys());
        names.filter_map(|name| self.consumer(name)).min().unwrap_or(0)
    }

    /// Notes positions that a batch has stored.
    pub(super) fn stored(&mut self, consumers: &[(String, Option<u64>)]) {
        for (name, sequence) in consumers {
            match sequence {
                Some(sequence) => drop(self.consumers.insert(name.clone(), *sequence)),
                None => drop(self.consumers.remove(name)),
            }
        }
    }

    /// Returns the consumers that have not stored a position at or after `sequence`, with where they are.
    pub(super) fn behind(&self, sequence: u64) -> Vec<(String, u64)> {
        self.consumers.iter().filter(|(_, at)| **at < sequence).map(|(name, at)| (name.clone(), *at)).collect()
    }

    pub(super) fn maintain(&mut self, reply: oneshot::Sender<()>) {
        self.maintain.push(reply);
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn take(&mut self, limits: &Limits, now_ms: u64) -> Taken {
        let works = self.take_works(limits);
        let ack_due_ms = self.acknowledged_ms + u64::try_from(limits.ack_delay.as_millis()).unwrap_or(u64::MAX);
        let ripe = !self.acknowledged.is_empty() && (self.closed || ack_due_ms <= now_ms);
        if !works.is_empty() || ripe {
            return Taken::Work(works, std::mem::take(&mut self.acknowledged).into_iter().collect());
        }
        if !self.maintain.is_empty() {
            return Taken::Maintain(std::mem::take(&mut self.maintain));
        }
        if self.closed {
            return Taken::Closed;
        }
        Taken::Nothing((!self.acknowledged.is_empty()).then_some(ack_due_ms))
    }

    /// Takes one work of each tenant in turn until a batch is full. A batch holds at least one, however large.
    fn take_works(&mut self, limits: &Limits) -> Vec<Work> {
        let mut taken: Vec<Work> = Vec::new();
        let (mut bytes, mut changes) = (0, 0);
        while let Some(tenant) = self.turns.front().copied() {
            let works = self.works.get_mut(&tenant).expect("every turn has work");
            let next = works.front().expect("a tenant without work has no turn");
            let full = limits.batch_bytes_max < bytes + next.weight
                || limits.batch_changes_max < changes + next.events.len().max(1);
            if full && !taken.is_empty() {
                break;
            }
            bytes += next.weight;
            changes += next.events.len().max(1);
            taken.extend(works.pop_front());
            self.turns.pop_front();
            if works.is_empty() {
                self.works.remove(&tenant);
            } else {
                self.turns.push_back(tenant);
            }
        }
        self.bytes -= bytes;
        taken
    }
}
