//! One warm tenant in memory: head, pending writes, history, cache. Nothing here outlives its use; a cold tenant has no
//! such thing.
//!
//! Hot path: every read and every watcher takes the one lock here, briefly.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};

use crate::base::Overlay;
use crate::cache::{Cache, Known, Row};
use crate::engine::Head;
use crate::error::StorageError;
use crate::event::Event;
use crate::history::{History, Since};
use crate::key::{Key, Revision, TenantId};
use crate::lane::{RowChange, Work};
use crate::limits::WRITE_SET_CHANGES_MAX;
use crate::store::Shared;
use crate::write::{Change, Entry, Expect, Op, Usage, WriteSet};

pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) lane: u16,
    pub(crate) shared: Arc<Shared>,
    /// Lock order: this, then the lane's queue. Never held over an await.
    state: Mutex<State>,
    /// Woken when the head moves, a resource was loaded, or the tenant is gone.
    pub(crate) changed: Notify,
    /// Second of the last use.
    used: AtomicU32,
    /// Held while the tenant is being woken.
    pub(crate) waking: tokio::sync::Mutex<()>,
}

/// How much of a tenant is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing was read yet.
    Cold,
    /// Head, floor and base are known.
    Ready,
    /// It was deleted, or is being deleted.
    Gone,
}

pub(crate) struct State {
    pub(crate) phase: Phase,
    /// Last durable revision; what readers see.
    pub(crate) head: Revision,
    /// Oldest revision that can be asked for.
    pub(crate) floor: Revision,
    /// What is stored at the head.
    pub(crate) usage: Usage,
    /// Where the last write that was accepted leads. Invariant: `head <= assigned.revision`.
    pub(crate) assigned: Head,
    /// Set from the moment the tenant is ready.
    pub(crate) overlay: Option<Arc<Overlay>>,
    /// States of keys with writes that are not durable yet, and the revision of the last such write.
    pub(crate) pending: HashMap<Key, (Revision, Option<Entry>)>,
    pub(crate) history: History,
    pub(crate) cache: Cache,
    /// Resources being loaded, and what was published since the loading began.
    pub(crate) loading: Vec<Loading>,
    /// Resources that were too large to load, and when to try again.
    pub(crate) oversized: Vec<(Box<[u8]>, u32)>,
}

pub(crate) struct Loading {
    pub(crate) resource: Box<[u8]>,
    pub(crate) events: Vec<Arc<Event>>,
}

/// Keys read from the database for a write, and the head from before they were read.
pub(crate) struct Fetched {
    pub(crate) head: Revision,
    pub(crate) states: HashMap<Key, Option<Entry>>,
}

/// What became of an attempt to stage a write.
pub(crate) enum Staged {
    /// It is queued; these are its revisions.
    Queued(Vec<Revision>, oneshot::Receiver<Result<(), StorageError>>),
    /// The states of some keys are not in memory; this was the head when they were looked for.
    Missing(Revision),
}

impl Tenant {
    pub(crate) fn cold(id: TenantId, lane: u16, shared: Arc<Shared>) -> Tenant {
        let second = shared.second();
        let state = State {
            phase: Phase::Cold,
            head: Revision::ZERO,
            floor: Revision::ZERO,
            usage: Usage::default(),
            assigned: Head::default(),
            overlay: None,
            pending: HashMap::new(),
            history: History::default(),
            cache: Cache::default(),
            loading: Vec::new(),
            oversized: Vec::new(),
        };
        let used = AtomicU32::new(second);
        let waking = tokio::sync::Mutex::new(());
        Tenant { id, lane, shared, state: Mutex::new(state), changed: Notify::new(), used, waking }
    }

    /// Returns a tenant that is about to be created at `start`, with nothing to read from the database.
    pub(crate) fn fresh(
        id: TenantId,
        lane: u16,
        shared: Arc<Shared>,
        start: Revision,
        overlay: Arc<Overlay>,
    ) -> Tenant {
        let cached = shared.cache_enabled();
        let tenant = Tenant::cold(id, lane, shared);
        {
            let mut state = tenant.lock();
            state.become_ready(Head { revision: start, usage: Usage::default() }, start, overlay);
            if cached {
                state.cache = Cache::complete();
            }
        }
        tenant
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Locks the state if the tenant may be served; `None` when it must be woken first.
    pub(crate) fn ready(&self) -> Result<Option<MutexGuard<'_, State>>, StorageError> {
        self.shared.lane(self.lane).serving()?;
        self.used.store(self.shared.second(), Ordering::Relaxed);
        let state = self.state.lock();
        match state.phase {
            Phase::Ready => Ok(Some(state)),
            Phase::Cold => Ok(None),
            Phase::Gone => Err(StorageError::Gone),
        }
    }

    /// Returns the second of the last use.
    pub(crate) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// Waits until a durable revision that was seen in the database is also published here.
    pub(crate) async fn published(&self, revision: Revision) -> Result<(), StorageError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.ready()? {
                Some(state) if state.head < revision => {}
                _ => return Ok(()),
            }
            changed.await;
        }
    }

    /// Checks a write set against the pending states and queues it, under one lock, so that the queue has the order of
    /// the revisions.
    pub(crate) fn stage(
        self: &Arc<Self>,
        set: &WriteSet,
        fetched: Option<&Fetched>,
        finish: impl FnOnce(&mut Work),
    ) -> Result<Staged, StorageError> {
        let Some(mut state) = self.ready()? else {
            return Err(StorageError::Unavailable("the tenant went cold; try again".to_owned()));
        };
        let mut plan = Plan { events: Vec::new(), local: HashMap::new(), next: state.assigned };
        let mut missing = false;
        for change in &set.changes {
            match state.pending_view(&plan.local, &change.key, fetched, self.shared.second()) {
                Some(current) => plan.add(change, current, &state)?,
                None => missing = true,
            }
        }
        if missing {
            return Ok(Staged::Missing(state.head));
        }
        if set.within.is_some_and(|limit| plan.next.usage.grew_beyond(state.assigned.usage, limit)) {
            return Err(StorageError::Full);
        }
        let revisions = plan.events.iter().map(|(event, _)| event.revision).collect();
        let (reply, answer) = oneshot::channel();
        let mut work = Work::new(self.clone(), reply);
        work.weight = set.weight() + 128;
        work.due.extend(set.due_add.iter().map(|due| (due.clone(), true)));
        work.due.extend(set.due_remove.iter().map(|due| (due.clone(), false)));
        work.owners.extend(set.owners_add.iter().map(|(uid, key)| (uid.clone(), key.clone(), true)));
        work.owners.extend(set.owners_remove.iter().map(|(uid, key)| (uid.clone(), key.clone(), false)));
        work.head = (!plan.events.is_empty()).then_some(plan.next);
        work.events = plan.events;
        finish(&mut work);
        let pending = work.events.iter().map(|(event, _)| (event.key.clone(), (event.revision, event.after.clone())));
        let pending: Vec<_> = pending.collect();
        self.shared.lane(self.lane).queue(work, &self.shared.limits)?;
        state.pending.extend(pending);
        state.assigned = plan.next;
        Ok(Staged::Queued(revisions, answer))
    }

    /// Returns what reading the keys of a write set would give if the tenant had no rows.
    pub(crate) fn fetched_nothing(&self, set: &WriteSet) -> Fetched {
        let state = self.state.lock();
        let states = set.changes.iter().map(|change| {
            let key = change.key.clone();
            let entry = state.overlay().get(key.as_bytes());
            (key, entry)
        });
        Fetched { head: state.head, states: states.collect() }
    }

    /// Makes durable events visible to reads and watches.
    pub(crate) fn publish(&self, work: &Work) {
        let second = self.shared.second();
        {
            let mut state = self.state.lock();
            let overlay = state.overlay.clone();
            for (event, row) in &work.events {
                if state.pending.get(&event.key).is_some_and(|(revision, _)| *revision == event.revision) {
                    state.pending.remove(&event.key);
                }
                state.history.push(second, event.clone(), &self.shared.limits);
                for loading in &mut state.loading {
                    if event.key.as_bytes().starts_with(&loading.resource) {
                        loading.events.push(event.clone());
                    }
                }
                if *row != RowChange::Base && state.phase != Phase::Gone && self.shared.cache_enabled() {
                    let in_base = overlay.as_ref().is_some_and(|overlay| overlay.has(event.key.as_bytes()));
                    state.cache.follow(event, in_base, second, &self.shared.budget);
                }
            }
            if let Some(head) = work.head {
                (state.head, state.usage) = (head.revision, head.usage);
                if state.assigned.revision < head.revision {
                    state.assigned = head;
                }
            }
            if state.pending.is_empty() {
                // An empty map of this kind still holds a kilobyte.
                state.pending = HashMap::new();
            }
        }
        self.changed.notify_waiters();
    }

    /// Forgets every write that is not durable: one failed, and the others were computed on it or have revisions after
    /// its own. Returns them, still unanswered.
    pub(crate) fn fail_pending(&self) -> Vec<Work> {
        let mut state = self.state.lock();
        state.pending.clear();
        state.assigned = Head { revision: state.head, usage: state.usage };
        self.shared.lane(self.lane).drain(self.id)
    }

    /// Lets go of the events of the creation: nobody can have watched before it.
    pub(crate) fn forget_creation(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Ready {
            state.history = History::starting_at(state.head);
        }
    }

    /// Marks the tenant as gone: every later call answers so, every watcher wakes up and learns it.
    pub(crate) fn vanish(&self) -> Revision {
        let assigned = {
            let mut state = self.state.lock();
            state.phase = Phase::Gone;
            state.cache.clear(&self.shared.budget);
            state.history = History::default();
            state.assigned.revision
        };
        self.changed.notify_waiters();
        assigned
    }
}

impl Tenant {
    /// Takes back [`Tenant::vanish`]: the deletion could not be begun.
    pub(crate) fn revive(&self) {
        self.state.lock().phase = Phase::Cold;
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.state.get_mut().cache.clear(&self.shared.budget);
    }
}

impl State {
    pub(crate) fn become_ready(&mut self, head: Head, floor: Revision, overlay: Arc<Overlay>) {
        assert!(floor <= head.revision, "a floor is a revision that was handed out");
        self.phase = Phase::Ready;
        // A slice may have expired since the row was read.
        (self.head, self.usage, self.assigned) = (head.revision, head.usage, head);
        self.floor = floor.max(self.floor);
        self.history = History::starting_at(head.revision);
        self.overlay = Some(overlay);
    }

    pub(crate) fn overlay(&self) -> &Arc<Overlay> {
        self.overlay.as_ref().expect("a ready tenant has its base")
    }

    /// Returns the durable state of a key if it is in memory.
    pub(crate) fn cached(&mut self, key: &Key, second: u32) -> Option<Option<Entry>> {
        if !self.cache.touch(key.resource_prefix(), second) {
            return None;
        }
        let Some(row) = self.cache.get(key, second) else { return Some(self.overlay().get(key.as_bytes())) };
        match known(row, key, &self.history) {
            Known::State(state) => Some(state),
            Known::Away(_) => None,
        }
    }

    /// Returns the state that the next write of a key is computed on, if it is in memory.
    pub(crate) fn pending_view(
        &mut self,
        local: &HashMap<Key, Option<Entry>>,
        key: &Key,
        fetched: Option<&Fetched>,
        second: u32,
    ) -> Option<Option<Entry>> {
        if let Some(state) = local.get(key) {
            return Some(state.clone());
        }
        if let Some((_, state)) = self.pending.get(key) {
            return Some(state.clone());
        }
        if let Some(state) = self.cached(key, second) {
            return Some(state);
        }
        let fetched = fetched?;
        let state = fetched.states.get(key)?;
        // A write of the key may have become durable after the head was read, before or after the row was.
        match self.history.since(key, fetched.head) {
            Since::Unchanged => Some(state.clone()),
            Since::Changed(state) => Some(state),
            Since::Forgotten => None,
        }
    }
}

/// Returns what memory knows of a key that has a row: a value that is away may be in the recent history.
pub(crate) fn known(row: &Row, key: &Key, history: &History) -> Known {
    match row.known(key) {
        Known::Away(length) => match history.at(row.revision).filter(|event| event.key == *key) {
            Some(event) => Known::State(event.after.clone()),
            None => Known::Away(length),
        },
        state @ Known::State(_) => state,
    }
}

/// A write set on its way through the checks.
struct Plan {
    events: Vec<(Arc<Event>, RowChange)>,
    local: HashMap<Key, Option<Entry>>,
    next: Head,
}

impl Plan {
    fn add(&mut self, change: &Change, current: Option<Entry>, state: &State) -> Result<(), StorageError> {
        let met = match (change.expect, &current) {
            (Expect::Absent, None) => true,
            (Expect::At(revision), Some(entry)) => entry.revision == revision,
            (Expect::Absent, Some(_)) | (Expect::At(_), None) => false,
        };
        if !met {
            return Err(StorageError::Conflict { key: change.key.clone(), current });
        }
        let revision = self.next.revision.plus(1);
        let key = change.key.clone();
        let (after, row) = match &change.op {
            Op::Put { stamp, value } => {
                let entry = Entry { key: key.clone(), revision, stamp: *stamp, value: value.clone() };
                (Some(entry), RowChange::Put)
            }
            Op::Delete if current.is_none() => {
                return Err(StorageError::Invalid(format!("delete of {key} expects it to be absent")));
            }
            Op::Delete if state.overlay().has(key.as_bytes()) => (None, RowChange::Tombstone),
            Op::Delete => (None, RowChange::Remove),
        };
        self.next = Head { revision, usage: self.next.usage.after(current.as_ref(), after.as_ref()) };
        self.local.insert(key.clone(), after.clone());
        self.events.push((Arc::new(Event::new(revision, key, current, after)), row));
        Ok(())
    }
}

/// Checks a write set against the limits.
pub(crate) fn check_size(set: &WriteSet, shared: &Shared) -> Result<(), StorageError> {
    let limits = &shared.limits;
    let large = set.changes.iter().any(|change| match &change.op {
        Op::Put { value, .. } => limits.value_bytes_max < value.len(),
        Op::Delete => false,
    });
    if large || WRITE_SET_CHANGES_MAX < set.changes.len() || limits.queue_bytes_max / 2 < set.weight() {
        return Err(StorageError::TooLarge);
    }
    // PostgreSQL's text holds no NUL, and one bad row would fail a whole batch of other people's writes.
    let kinds = set.due_add.iter().chain(&set.due_remove).map(|due| due.kind.as_str());
    let uids = set.owners_add.iter().chain(&set.owners_remove).map(|(uid, _)| uid.as_str());
    if kinds.chain(uids).any(|text| text.contains('\0')) {
        return Err(StorageError::Invalid("due kinds and owner uids hold no NUL".to_owned()));
    }
    Ok(())
}
