//! The rows of one warm tenant that are in memory, by resource: whole or not at all, so that a 404 and a list can be
//! answered from here. Base objects are not in it: they are rendered when read.
//!
//! Hot path: a get is one map lookup.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::engine::ObjectRow;
use crate::event::Event;
use crate::key::{Key, KeyRange, Revision};
use crate::write::{Entry, Stamp};

/// A tenant's own row of a key.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) revision: Revision,
    pub(crate) stamp: Stamp,
    /// `None` for a tombstone.
    pub(crate) value: Option<Bytes>,
}

impl Row {
    pub(crate) fn entry(&self, key: &Key) -> Option<Entry> {
        let value = self.value.clone()?;
        Some(Entry { key: key.clone(), revision: self.revision, stamp: self.stamp, value })
    }

    pub(crate) fn from_object(row: ObjectRow) -> (Key, Row) {
        let value = (!row.tombstone).then_some(row.value);
        (row.key, Row { revision: row.revision, stamp: row.stamp, value })
    }

    fn weight(&self, key: &Key) -> usize {
        // Map slot at two thirds full, and the two headers of shared bytes.
        key.as_bytes().len() + self.value.as_ref().map_or(0, Bytes::len) + 200
    }
}

/// Bytes of all caches of the process.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) bytes_max: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Budget {
        Budget { bytes_max, used: AtomicUsize::new(0) }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.bytes_max < self.used()
    }

    /// Tells whether a resource of this size should be held at all: one that fills half of everything should not.
    pub(crate) fn resource_bytes_max(&self) -> usize {
        self.bytes_max / 2
    }
}

#[derive(Debug)]
struct Resident {
    resource: Box<[u8]>,
    used: u32,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// Invariant: for every resident resource, all rows of the tenant as of its published head.
    rows: BTreeMap<Key, Row>,
    resident: Vec<Resident>,
    /// Every resource counts as resident: true from a tenant's creation until something is evicted.
    complete: bool,
    bytes: usize,
}

impl Cache {
    /// Returns the cache of a tenant that has no rows yet.
    pub(crate) fn complete() -> Cache {
        Cache { complete: true, ..Cache::default() }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tells whether a resource is here, and marks it used.
    pub(crate) fn touch(&mut self, resource: &[u8], second: u32) -> bool {
        match self.resident.iter_mut().find(|resident| *resident.resource == *resource) {
            Some(resident) => {
                resident.used = second;
                true
            }
            None => self.complete,
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    pub(crate) fn range(&self, range: &KeyRange) -> impl Iterator<Item = (&Key, &Row)> {
        let from = Bound::Included(range.from.as_slice());
        let to = match &range.to {
            // BTreeMap refuses a range that ends before it starts, which `after` can make.
            Some(to) => Bound::Excluded(to.as_slice().max(range.from.as_slice())),
            None => Bound::Unbounded,
        };
        let empty = range.to.as_deref().is_some_and(|to| to <= range.from.as_slice());
        let rows = (!empty).then(|| self.rows.range::<[u8], _>((from, to)));
        rows.into_iter().flatten()
    }

    /// Follows a published event, if its resource is here.
    pub(crate) fn follow(&mut self, event: &Event, in_base: bool, second: u32, budget: &Budget) {
        let resource = event.key.resource_prefix();
        let Some(at) = self.place(resource, second) else { return };
        let row = match &event.after {
            Some(entry) => Some(Row { revision: entry.revision, stamp: entry.stamp, value: Some(entry.value.clone()) }),
            None if in_base => Some(Row { revision: event.revision, stamp: Stamp::default(), value: None }),
            None => None,
        };
        self.set(at, &event.key, row, budget);
    }

    /// Takes in a resource that was read as a whole.
    pub(crate) fn install(&mut self, resource: &[u8], rows: Vec<(Key, Row)>, second: u32, budget: &Budget) {
        self.resident.push(Resident { resource: resource.into(), used: second, bytes: 0 });
        let at = self.resident.len() - 1;
        for (key, row) in rows {
            self.set(at, &key, Some(row), budget);
        }
    }

    /// Drops the resource that was not used for longest. Returns whether there was one.
    pub(crate) fn evict(&mut self, budget: &Budget) -> bool {
        self.complete = false;
        let oldest = self.resident.iter().enumerate().min_by_key(|(_, resident)| resident.used);
        let Some((at, _)) = oldest else { return false };
        let resident = self.resident.swap_remove(at);
        self.resident.shrink_to_fit();
        let to = [&resident.resource[..resident.resource.len() - 1], b"0"].concat();
        let range = KeyRange { from: resident.resource.to_vec(), to: Some(to) };
        let keys: Vec<Key> = self.range(&range).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.rows.remove(&key);
        }
        self.bytes -= resident.bytes;
        budget.used.fetch_sub(resident.bytes, Ordering::Relaxed);
        true
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, budget: &Budget) {
        budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        *self = Cache::default();
    }

    fn place(&mut self, resource: &[u8], second: u32) -> Option<usize> {
        let at = self.resident.iter().position(|resident| *resident.resource == *resource);
        if at.is_none() && self.complete {
            self.resident.push(Resident { resource: resource.into(), used: second, bytes: 0 });
            return Some(self.resident.len() - 1);
        }
        at
    }

    fn set(&mut self, at: usize, key: &Key, row: Option<Row>, budget: &Budget) {
        let added = row.as_ref().map_or(0, |row| row.weight(key));
        let old = match row {
            Some(row) => self.rows.insert(key.clone(), row),
            None => self.rows.remove(key),
        };
        let freed = old.map_or(0, |old| old.weight(key));
        let resident = &mut self.resident[at];
        resident.bytes = resident.bytes + added - freed;
        self.bytes = self.bytes + added - freed;
        budget.used.fetch_add(added, Ordering::Relaxed);
        budget.used.fetch_sub(freed, Ordering::Relaxed);
    }
}
