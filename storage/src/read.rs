//! Reads: at the head or at any revision of the window, from memory where the resource is there, else in one snapshot of
//! the database. Both go through one merge of the tenant's own rows, the base, and the states that events lead back to.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::MutexGuard;

use crate::base::Overlay;
use crate::cache::{Known, Reader, Row};
use crate::engine::{Index, ObjectRow, Scan, View, ViewQuery};
use crate::error::StorageError;
use crate::event::Event;
use crate::key::{Key, KeyRange, Prefix, Revision};
use crate::rewind::{States, walk_back};
use crate::tenant::{Fetched, Loading, State, Tenant, known};
use crate::tenant_log::{ListQuery, Page};
use crate::write::Entry;

/// Seconds until a resource that was too large to be cached is tried again.
const OVERSIZED_RETRY_SECONDS: u32 = 60;

/// How often a list brings in what it misses before it reads past the cache.
const LIST_ATTEMPTS: usize = 2;

/// What a list found in memory.
enum Listed {
    /// All of it.
    Page(Page),
    /// All but the values of these keys.
    Away(Vec<Key>),
    /// Not enough, or what is missing is more than should be kept.
    Unknown,
}

/// One object of a merge, not rendered yet: rendering base objects needs no lock.
enum Slot {
    Ready(Entry),
    Base(usize),
}

impl Tenant {
    /// Returns the durable state of a key and the head.
    pub(crate) async fn get(self: &Arc<Self>, key: &Key) -> Result<(Option<Entry>, Revision), StorageError> {
        if let Some(mut state) = self.ready()? {
            // Hot path: no I/O, one short lock, no allocation for the tenant's own objects.
            if let Some(entry) = state.cached(key, self.shared.second()) {
                return Ok((entry, state.head));
            }
        }
        if self.load(key.resource_prefix()).await?
            && let Some(mut state) = self.ready()?
            && let Some(entry) = state.cached(key, self.shared.second())
        {
            return Ok((entry, state.head));
        }
        let view = self.view(None, vec![key.clone()], None).await?;
        self.keep(&view, Reader::Get)?;
        let overlay = self.overlay()?;
        let entry = match view.points.into_iter().next() {
            Some(row) => live(row),
            None => overlay.get(key.as_bytes()),
        };
        Ok((entry, view.head))
    }

    /// Reads keys for a write that found them missing in memory.
    pub(crate) async fn fetch(&self, keys: Vec<Key>, head: Revision) -> Result<Fetched, StorageError> {
        let overlay = self.overlay()?;
        let mut states: HashMap<Key, Option<Entry>> =
            keys.iter().map(|key| (key.clone(), overlay.get(key.as_bytes()))).collect();
        // Not published yet or not: the caller compares with what was published since `head`.
        let view = self.read_view(None, keys, None).await?;
        self.keep(&view, Reader::Returning)?;
        for row in view.points {
            states.insert(row.key.clone(), live(row));
        }
        Ok(Fetched { head, states })
    }

    pub(crate) async fn list(self: &Arc<Self>, query: &ListQuery) -> Result<Page, StorageError> {
        self.wake().await?;
        let range = query_range(query);
        if let Some(resource) = query.prefix.resource_prefix()
            && self.load(resource).await?
        {
            for _ in 0..LIST_ATTEMPTS {
                match self.list_cached(query, resource, &range)? {
                    Listed::Page(page) => return Ok(page),
                    Listed::Away(keys) => {
                        let view = self.view(None, keys, None).await?;
                        self.keep(&view, Reader::Returning)?;
                    }
                    Listed::Unknown => break,
                }
            }
        }
        self.list_stored(query, range).await
    }

    /// Lists from memory.
    fn list_cached(&self, query: &ListQuery, resource: &[u8], range: &KeyRange) -> Result<Listed, StorageError> {
        let Some(mut state) = self.ready()? else { return Ok(Listed::Unknown) };
        if !state.cache.touch(resource, self.shared.second()) {
            return Ok(Listed::Unknown);
        }
        let revision = query.at.unwrap_or(state.head);
        check_revision(revision, state.floor, state.head)?;
        let Some(events) = state.history.after(revision) else { return Ok(Listed::Unknown) };
        let mut past = States::new();
        for event in events.filter(|event| range.contains(event.key.as_bytes())) {
            // The first event of a key after the revision knows its state at the revision.
            past.entry(event.key.clone()).or_insert_with(|| event.before.clone());
        }
        let overlay = state.overlay().clone();
        let base = overlay.range(range);
        let (mut away, mut away_bytes) = (Vec::new(), 0);
        let State { cache, history, .. } = &mut *state;
        let own = cache.read(range, self.shared.second()).map(|(key, row)| match known(row, key, history) {
            Known::State(entry) => (key, entry),
            Known::Away(length) => {
                away.push(key.clone());
                away_bytes += length as usize;
                // Stands for the object until its value was brought.
                let (revision, stamp) = (row.revision, row.stamp);
                (key, Some(Entry { key: key.clone(), revision, stamp, value: Bytes::new() }))
            }
        });
        let (slots, more) = merge(own, &overlay, base, &past, query.limit);
        drop(state);
        if self.shared.budget.list_bytes_max() < away_bytes {
            return Ok(Listed::Unknown);
        }
        if !away.is_empty() {
            return Ok(Listed::Away(away));
        }
        Ok(Listed::Page(Page { entries: render(slots, &overlay), more, revision }))
    }

    async fn list_stored(&self, query: &ListQuery, range: KeyRange) -> Result<Page, StorageError> {
        let overlay = self.overlay()?;
        let base = overlay.range(&range);
        let rows_max = match query.limit {
            0 => usize::MAX,
            // Tombstones take rows and give no entries; there are no more of them than base objects.
            limit => limit.saturating_add(1 + base.len()),
        };
        let scan = Scan { range: range.clone(), rows_max };
        let undo = query.at.map(|at| (at, range));
        let view = self.view(Some(scan), Vec::new(), undo).await?;
        let revision = query.at.unwrap_or(view.head);
        check_revision(revision, view.floor, view.head)?;
        let mut past = head_states(&view, &overlay);
        walk_back(&view.events, &mut past, |_, _, _| {})?;
        let last = view.rows.last().map(|row| row.key.clone()).filter(|_| view.more);
        let own: Vec<(Key, Option<Entry>)> = view.rows.into_iter().map(|row| (row.key.clone(), live(row))).collect();
        let own = own.iter().map(|(key, entry)| (key, entry.clone()));
        let (mut slots, mut more) = merge(own, &overlay, base, &past, query.limit);
        if let Some(last) = last {
            // Beyond the last row that was read nothing is known.
            let known = slots.len();
            slots.retain(|slot| slot_key(slot, &overlay) <= &last);
            more |= slots.len() < known || view.more;
        }
        Ok(Page { entries: render(slots, &overlay), more, revision })
    }

    pub(crate) async fn count(self: &Arc<Self>, prefix: &Prefix) -> Result<u64, StorageError> {
        self.wake().await?;
        let range = prefix.range();
        if let Some(resource) = prefix.resource_prefix()
            && self.load(resource).await?
            && let Some(mut state) = self.ready()?
            && state.cache.touch(resource, self.shared.second())
        {
            return Ok(count_cached(&state, &range));
        }
        let overlay = self.overlay()?;
        let base = overlay.range(&range);
        let keys: Vec<Key> = overlay.base().items()[base.clone()].iter().map(|item| item.key.clone()).collect();
        let hidden = match keys.is_empty() {
            true => 0,
            false => self.view(None, keys, None).await?.points.len(),
        };
        let own = self.shared.backend.count(self.id, range).await?;
        Ok(own + (base.len() - hidden) as u64)
    }

    /// Reads events after a revision from the event tables: at most `limit`, oldest first, and up to which revision that
    /// covers everything.
    pub(crate) async fn events_after(
        self: &Arc<Self>,
        prefix: &Prefix,
        after: Revision,
        limit: usize,
    ) -> Result<(Vec<Arc<Event>>, Revision), StorageError> {
        self.wake().await?;
        let overlay = self.overlay()?;
        let view = self.view(None, Vec::new(), Some((after, prefix.range()))).await?;
        if after < view.floor {
            return Err(StorageError::Compacted { floor: view.floor });
        }
        let mut states = head_states(&view, &overlay);
        let mut events = Vec::new();
        walk_back(&view.events, &mut states, |place, before, after| {
            // Newest first: what is beyond the limit is only walked over.
            if place < limit {
                let row = &view.events[place];
                events.push(Arc::new(Event::new(row.revision, row.key.clone(), before, after)));
            }
        })?;
        events.reverse();
        let covered = match events.last() {
            Some(last) if events.len() < view.events.len() => last.revision,
            _ => view.head,
        };
        Ok((events, covered))
    }

    pub(crate) fn overlay(&self) -> Result<Arc<Overlay>, StorageError> {
        match self.ready()? {
            Some(state) => Ok(state.overlay().clone()),
            None => Err(StorageError::Unavailable("the tenant went cold; try again".to_owned())),
        }
    }

    /// Reads from the database and waits until what was seen is published, so that nobody learns of a revision that the
    /// head denies.
    async fn view(
        &self,
        scan: Option<Scan>,
        keys: Vec<Key>,
        undo: Option<(Revision, KeyRange)>,
    ) -> Result<View, StorageError> {
        let view = self.read_view(scan, keys, undo).await?;
        self.published(view.head).await?;
        Ok(view)
    }

    async fn read_view(
        &self,
        scan: Option<Scan>,
        keys: Vec<Key>,
        undo: Option<(Revision, KeyRange)>,
    ) -> Result<View, StorageError> {
        let query = ViewQuery { lane: self.lane, tenant: self.id, scan, keys, undo };
        let mut view = self.shared.backend.view(query).await?.ok_or(StorageError::Gone)?;
        view.rows = view.rows.into_iter().map(ObjectRow::verified).collect::<Result<_, _>>()?;
        view.points = view.points.into_iter().map(ObjectRow::verified).collect::<Result<_, _>>()?;
        view.events = view.events.into_iter().map(|row| row.verified()).collect::<Result<_, _>>()?;
        Ok(view)
    }

    /// Keeps the values of a view's points in memory, as far as they will be read again.
    fn keep(&self, view: &View, reader: Reader) -> Result<(), StorageError> {
        if let Some(mut state) = self.ready()? {
            let second = self.shared.second();
            for row in &view.points {
                state.cache.keep(row, reader, second, &self.shared.budget);
            }
        }
        self.shared.evict();
        Ok(())
    }

    /// Brings the keys of a resource into memory. Returns false when it stays out: no cache, or too large.
    pub(crate) async fn load(self: &Arc<Self>, resource: &[u8]) -> Result<bool, StorageError> {
        self.wake().await?;
        if !self.shared.cache_enabled() {
            return Ok(false);
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let Some(mut state) = self.ready()? else { return Ok(false) };
                let second = self.shared.second();
                if state.cache.touch(resource, second) {
                    return Ok(true);
                }
                state.oversized.retain(|(_, until)| second < *until);
                if state.oversized.iter().any(|(known, _)| **known == *resource) {
                    return Ok(false);
                }
                if !state.loading.iter().any(|loading| *loading.resource == *resource) {
                    state.loading.push(Loading { resource: resource.into(), events: Vec::new() });
                    break;
                }
            }
            changed.await;
        }
        let guard = LoadGuard { tenant: self, resource };
        let range = crate::key::prefix_range(resource);
        let rows_max = self.shared.budget.resource_rows_max();
        let index = self.shared.backend.index(self.id, range, rows_max).await?.ok_or(StorageError::Gone)?;
        self.published(index.head).await?;
        let installed = self.install(resource, index)?;
        drop(guard);
        self.shared.evict();
        Ok(installed)
    }

    fn install(&self, resource: &[u8], index: Index) -> Result<bool, StorageError> {
        let Some(mut state) = self.ready()? else { return Ok(false) };
        let second = self.shared.second();
        if index.more {
            state.oversized.push((resource.into(), second + OVERSIZED_RETRY_SECONDS));
            return Ok(false);
        }
        let rows = index.rows.into_iter().map(Row::from_index).collect();
        let State { cache, loading, overlay, .. } = &mut *state;
        cache.install(resource, rows, second, &self.shared.budget);
        let overlay = overlay.as_ref().expect("a ready tenant has its base");
        let missed =
            loading.iter().filter(|loading| *loading.resource == *resource).flat_map(|loading| &loading.events);
        for event in missed.filter(|event| index.head < event.revision) {
            cache.follow(event, overlay.has(event.key.as_bytes()), second, &self.shared.budget);
        }
        Ok(true)
    }
}

/// Ends a loading, also one whose caller went away.
struct LoadGuard<'a> {
    tenant: &'a Tenant,
    resource: &'a [u8],
}

impl Drop for LoadGuard<'_> {
    fn drop(&mut self) {
        self.tenant.lock().loading.retain(|loading| *loading.resource != *self.resource);
        self.tenant.changed.notify_waiters();
    }
}

fn query_range(query: &ListQuery) -> KeyRange {
    match &query.after {
        Some(after) => query.prefix.range().after(after.as_bytes()),
        None => query.prefix.range(),
    }
}

fn check_revision(revision: Revision, floor: Revision, head: Revision) -> Result<(), StorageError> {
    if head < revision {
        return Err(StorageError::Future { head });
    }
    if revision < floor {
        return Err(StorageError::Compacted { floor });
    }
    Ok(())
}

fn live(row: ObjectRow) -> Option<Entry> {
    let ObjectRow { key, revision, stamp, tombstone, value, .. } = row;
    (!tombstone).then_some(Entry { key, revision, stamp, value })
}

/// Returns the states, at the view's head, of the keys that its events touch.
fn head_states(view: &View, overlay: &Overlay) -> States {
    let mut states: States =
        view.events.iter().map(|event| (event.key.clone(), overlay.get(event.key.as_bytes()))).collect();
    for row in &view.points {
        if let Some(state) = states.get_mut(&row.key) {
            *state = live(row.clone());
        }
    }
    states
}

fn count_cached(state: &MutexGuard<'_, State>, range: &KeyRange) -> u64 {
    let overlay = state.overlay();
    let (mut live, mut hidden) = (0, 0);
    for (key, row) in state.cache.range(range) {
        live += u64::from(row.is_live());
        hidden += u64::from(overlay.has(key.as_bytes()));
    }
    live + overlay.range(range).len() as u64 - hidden
}

/// Merges own rows, base objects and past states, all in order of key. A past state hides the other two, an own row
/// (also a tombstone, given as `None`) hides the base. Returns up to `limit` live objects (0: all) and whether there are more.
fn merge<'a>(
    own: impl Iterator<Item = (&'a Key, Option<Entry>)>,
    overlay: &'a Overlay,
    base: Range<usize>,
    past: &'a States,
    limit: usize,
) -> (Vec<Slot>, bool) {
    let items = overlay.base().items();
    let (mut own, mut base, mut past) = (own.peekable(), base.peekable(), past.iter().peekable());
    let mut slots = Vec::new();
    loop {
        let keys = [own.peek().map(|(key, _)| *key), base.peek().map(|at| &items[*at].key), past.peek().map(|p| p.0)];
        let Some(key) = keys.into_iter().flatten().min() else { return (slots, false) };
        let own = own.next_if(|(own, _)| *own == key).map(|(_, entry)| entry);
        let base = base.next_if(|at| items[*at].key == *key);
        let past = past.next_if(|(past, _)| *past == key).map(|(_, entry)| entry.clone());
        let slot = match (past, own, base) {
            (Some(entry), _, _) | (None, Some(entry), _) => entry.map(Slot::Ready),
            (None, None, base) => base.map(Slot::Base),
        };
        let Some(slot) = slot else { continue };
        if limit != 0 && slots.len() == limit {
            return (slots, true);
        }
        slots.push(slot);
    }
}

fn slot_key<'a>(slot: &'a Slot, overlay: &'a Overlay) -> &'a Key {
    match slot {
        Slot::Ready(entry) => &entry.key,
        Slot::Base(at) => &overlay.base().items()[*at].key,
    }
}

fn render(slots: Vec<Slot>, overlay: &Overlay) -> Vec<Entry> {
    let entries = slots.into_iter().map(|slot| match slot {
        Slot::Ready(entry) => entry,
        Slot::Base(at) => overlay.entry(at),
    });
    entries.collect()
}
