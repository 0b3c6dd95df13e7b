//! The work queue: each piece of work once, fair over tenants, with backoff after failures.
//!
//! A tenant with nothing to do is not in here. One tenant runs on a few of the workers at most, so that one whose
//! requests hang doesn't stop the others.

use super::progress::Ticket;
use super::work::Work;
use kplex_storage::TenantId;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// First wait after a failure; doubled with each one more.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// Longest wait after a failure.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// A piece of work in a worker's hands.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The work.
    pub work: Work,
    /// How often it failed in a row before.
    pub failures: u32,
    /// A due row keeps it over a crash.
    pub durable: bool,
}

/// What came of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// It is done.
    Done,
    /// It failed and is tried again after a while; a durable one no longer holds the feed back.
    Retry {
        /// A due row keeps it over a crash.
        durable: bool,
    },
}

#[derive(Default)]
struct Item {
    place: Place,
    /// The oldest batch of the feed that waits for it.
    ticket: Option<Ticket>,
    /// It was added while it ran, by this batch.
    again: Option<Option<Ticket>>,
    failures: u32,
    durable: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// In its tenant's line.
    #[default]
    Waiting,
    /// In a worker's hands.
    Running,
    /// In the list of those to be tried later.
    Delayed(Instant),
}

/// Work of one tenant. Invariant: it exists only while the tenant has waiting or running work.
#[derive(Default)]
struct Line {
    waiting: VecDeque<Work>,
    running: usize,
    /// Invariant: true if and only if the tenant is in the ring.
    in_ring: bool,
}

struct Inner {
    /// Workers that one tenant may keep busy.
    tenant_workers_max: usize,
    items: HashMap<Work, Item>,
    lines: HashMap<TenantId, Line>,
    /// Tenants with waiting work that may start, in the order of their turns.
    ring: VecDeque<TenantId>,
    delayed: BTreeSet<(Instant, Work)>,
}

/// The queue.
pub(crate) struct Queue {
    // Lock order: taken alone, never across an await.
    inner: Mutex<Inner>,
    ready: Notify,
}

impl Queue {
    /// Returns an empty queue in which one tenant may keep this many workers busy.
    #[must_use]
    pub(crate) fn new(tenant_workers_max: usize) -> Self {
        let inner = Inner {
            tenant_workers_max,
            items: HashMap::new(),
            lines: HashMap::new(),
            ring: VecDeque::new(),
            delayed: BTreeSet::new(),
        };
        Self { inner: Mutex::new(inner), ready: Notify::new() }
    }

    /// Adds work that a batch of the feed caused, or nobody in particular. Work that waits already is not added twice; work
    /// that runs is run again afterwards.
    pub(crate) fn add(&self, work: Work, ticket: Option<Ticket>) {
        let mut inner = self.inner.lock();
        inner.add(work, ticket, false);
        drop(inner);
        self.ready.notify_one();
    }

    /// Adds work that a due row keeps.
    pub(crate) fn add_durable(&self, work: Work) {
        let mut inner = self.inner.lock();
        inner.add(work, None, true);
        drop(inner);
        self.ready.notify_one();
    }

    /// Returns how much work there is.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().items.len()
    }

    /// Waits for work. Cancel-safe.
    pub(crate) async fn take(&self) -> Taken {
        loop {
            let ready = self.ready.notified();
            tokio::pin!(ready);
            ready.as_mut().enable();
            let wake = {
                let mut inner = self.inner.lock();
                if let Some(taken) = inner.take(Instant::now()) {
                    // One notification may stand for several pieces of work.
                    self.ready.notify_one();
                    return taken;
                }
                inner.delayed.first().map(|(at, _)| *at)
            };
            match wake {
                None => ready.await,
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, ready).await;
                }
            }
        }
    }

    /// Gives work back.
    pub(crate) fn finish(&self, work: &Work, finish: Finish) {
        let mut inner = self.inner.lock();
        // The ticket goes outside the lock: its end may wake the feed.
        let ticket = inner.finish(work, finish, Instant::now());
        drop(inner);
        drop(ticket);
        self.ready.notify_one();
    }

    /// Forgets all waiting work of a tenant that is gone.
    pub(crate) fn forget(&self, tenant: TenantId) {
        let mut inner = self.inner.lock();
        let works: Vec<Work> = inner
            .items
            .iter()
            .filter(|(work, item)| work.tenant == tenant && item.place != Place::Running)
            .map(|(work, _)| work.clone())
            .collect();
        let items: Vec<Option<Item>> = works.iter().map(|work| inner.items.remove(work)).collect();
        inner.delayed.retain(|(_, work)| work.tenant != tenant);
        if let Some(line) = inner.lines.get_mut(&tenant) {
            line.waiting.clear();
        }
        inner.settle_line(tenant);
        drop(inner);
        drop(items);
    }
}

impl Inner {
    fn add(&mut self, work: Work, ticket: Option<Ticket>, durable: bool) {
        let Some(item) = self.items.get_mut(&work) else {
            self.items.insert(work.clone(), Item { ticket, durable, ..Item::default() });
            return self.line_up(work);
        };
        item.durable |= durable;
        match item.place {
            Place::Running => {
                let again = item.again.take().flatten();
                item.again = Some(again.or(ticket));
            }
            Place::Waiting => item.ticket = item.ticket.take().or(ticket),
            Place::Delayed(at) => {
                item.ticket = item.ticket.take().or(ticket);
                item.place = Place::Waiting;
                self.delayed.remove(&(at, work.clone()));
                self.line_up(work);
            }
        }
    }

    fn line_up(&mut self, work: Work) {
        let tenant = work.tenant;
        self.lines.entry(tenant).or_default().waiting.push_back(work);
        self.settle_line(tenant);
    }

    /// Restores the invariants of a tenant's line after a change.
    fn settle_line(&mut self, tenant: TenantId) {
        let Some(line) = self.lines.get_mut(&tenant) else { return };
        if line.waiting.is_empty() && line.running == 0 {
            if line.in_ring {
                self.ring.retain(|other| *other != tenant);
            }
            self.lines.remove(&tenant);
            return;
        }
        let wanted = !line.waiting.is_empty() && line.running < self.tenant_workers_max;
        if wanted && !line.in_ring {
            line.in_ring = true;
            self.ring.push_back(tenant);
        }
    }

    fn take(&mut self, now: Instant) -> Option<Taken> {
        while let Some((_, work)) = self.delayed.first().filter(|(at, _)| *at <= now).cloned() {
            self.delayed.pop_first();
            if let Some(item) = self.items.get_mut(&work) {
                item.place = Place::Waiting;
                self.line_up(work);
            }
        }
        loop {
            let tenant = self.ring.pop_front()?;
            let Some(line) = self.lines.get_mut(&tenant) else { continue };
            line.in_ring = false;
            let work = if line.running < self.tenant_workers_max { line.waiting.pop_front() } else { None };
            let Some(work) = work else {
                self.settle_line(tenant);
                continue;
            };
            line.running += 1;
            self.settle_line(tenant);
            let item = self.items.get_mut(&work).expect("work in a line has an item");
            item.place = Place::Running;
            return Some(Taken { failures: item.failures, durable: item.durable, work });
        }
    }

    /// Returns a ticket to drop.
    fn finish(&mut self, work: &Work, finish: Finish, now: Instant) -> Option<Ticket> {
        let mut item = self.items.remove(work)?;
        if let Some(line) = self.lines.get_mut(&work.tenant) {
            line.running = line.running.saturating_sub(1);
        }
        let (wait, durable) = match finish {
            Finish::Done => (None, false),
            Finish::Retry { durable } => {
                item.failures = item.failures.saturating_add(1);
                let wait = BACKOFF_MIN.saturating_mul(1 << (item.failures - 1).min(16)).min(BACKOFF_MAX);
                (Some(wait), durable)
            }
        };
        item.durable = durable;
        let mut ticket = if durable || wait.is_none() { item.ticket.take() } else { None };
        if let Some(again) = item.again.take() {
            // A failure holds the older batch back still.
            item.ticket = item.ticket.take().or(again);
            item.failures = if wait.is_none() { 0 } else { item.failures };
            item.place = Place::Waiting;
            self.items.insert(work.clone(), item);
            self.line_up(work.clone());
        } else if let Some(wait) = wait {
            let at = now + wait;
            item.place = Place::Delayed(at);
            self.items.insert(work.clone(), item);
            self.delayed.insert((at, work.clone()));
        } else {
            ticket = ticket.or(item.ticket.take());
        }
        self.settle_line(work.tenant);
        ticket
    }
}

#[cfg(test)]
mod tests;
