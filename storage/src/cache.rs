//! The rows of one warm tenant that are in memory. Of a resource all keys and revisions are here or none, so that a 404
//! can be answered and a list be planned from here; values come and go singly. Base objects are not in it: they are
//! rendered when read.
//!
//! Most of what is written is not read again soon, and most of what is read once is not read again: a value comes with
//! its second read in [`limits::READ_AGAIN_SECONDS`], with a list, or when it is about to be replaced. What was written a
//! moment ago is in the tenant's history, not here.
//!
//! Hot path: a get is one map lookup.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::engine::{IndexRow, ObjectRow};
use crate::event::Event;
use crate::key::{Key, KeyRange, Revision};
use crate::limits;
use crate::write::{Entry, Stamp};

/// A tenant's own row of a key.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) revision: Revision,
    pub(crate) stamp: Stamp,
    pub(crate) value: Value,
    /// Second of the value's last use; 0 if there was none since the row came.
    used: u32,
}

/// Who has read a value from the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Somebody who may not come again.
    Get,
    /// Somebody who will: for a list that is read again, or for the write that follows.
    Returning,
}

/// Where a row's value is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// There is none: the row hides a base object.
    Tombstone,
    /// In the database, so many bytes.
    Away(u32),
    /// Here.
    Here(Bytes),
}

/// What is known of an object without asking the database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is this, or it is not there.
    State(Option<Entry>),
    /// It is there, but its value, so many bytes, is not in memory.
    Away(u32),
}

impl Row {
    pub(crate) fn from_index(row: IndexRow) -> (Key, Row) {
        let value = if row.tombstone { Value::Tombstone } else { Value::Away(row.length) };
        (row.key, Row { revision: row.revision, stamp: row.stamp, value, used: 0 })
    }

    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.value, Value::Tombstone)
    }

    pub(crate) fn known(&self, key: &Key) -> Known {
        match &self.value {
            Value::Tombstone => Known::State(None),
            Value::Away(length) => Known::Away(*length),
            Value::Here(value) => {
                let (revision, stamp) = (self.revision, self.stamp);
                Known::State(Some(Entry { key: key.clone(), revision, stamp, value: value.clone() }))
            }
        }
    }

    fn mark(&mut self, second: u32) {
        if matches!(self.value, Value::Here(_)) {
            self.used = second;
        }
    }

    fn weight(&self, key: &Key) -> usize {
        let value = if let Value::Here(value) = &self.value { value.len() } else { 0 };
        ROW_BYTES + key.as_bytes().len() + value
    }
}

/// What a row takes beside key and value: map slot at two thirds full, and the two headers of shared bytes.
pub(crate) const ROW_BYTES: usize = 200;

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

    /// Returns how many keys of a resource are held at most: one that fills half of everything is not held at all.
    pub(crate) fn resource_rows_max(&self) -> usize {
        self.bytes_max / 2 / (ROW_BYTES + 50)
    }

    /// Returns how many bytes of values a list may bring in; a larger one is read past the cache.
    pub(crate) fn list_bytes_max(&self) -> usize {
        self.bytes_max / 16
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

    /// Returns the row of a key, and marks its value used if it is here.
    pub(crate) fn get(&mut self, key: &Key, second: u32) -> Option<&Row> {
        let row = self.rows.get_mut(key)?;
        row.mark(second);
        Some(row)
    }

    pub(crate) fn range(&self, range: &KeyRange) -> impl Iterator<Item = (&Key, &Row)> {
        let rows = (!is_empty(range)).then(|| self.rows.range::<[u8], _>(bounds(range)));
        rows.into_iter().flatten()
    }

    /// Returns the rows of a range, and marks those used that are taken.
    pub(crate) fn read(&mut self, range: &KeyRange, second: u32) -> impl Iterator<Item = (&Key, &Row)> {
        let rows = (!is_empty(range)).then(|| self.rows.range_mut::<[u8], _>(bounds(range)));
        rows.into_iter().flatten().map(move |(key, row)| {
            row.mark(second);
            (key, &*row)
        })
    }

    /// Follows a published event, if its resource is here.
    pub(crate) fn follow(&mut self, event: &Event, in_base: bool, second: u32, budget: &Budget) {
        let resource = event.key.resource_prefix();
        let Some(at) = self.place(resource, second) else { return };
        let before = self.rows.get(&event.key);
        let was_here = before.is_some_and(|row| matches!(row.value, Value::Here(_)));
        let used = before.map_or(0, |row| row.used);
        let row = match &event.after {
            Some(entry) => {
                let value = match was_here {
                    true => Value::Here(entry.value.clone()),
                    false => Value::Away(u32::try_from(entry.value.len()).unwrap_or(u32::MAX)),
                };
                Some(Row { revision: entry.revision, stamp: entry.stamp, value, used })
            }
            None if in_base => {
                let (revision, stamp) = (event.revision, Stamp::default());
                Some(Row { revision, stamp, value: Value::Tombstone, used })
            }
            None => None,
        };
        self.set(at, &event.key, row, budget);
    }

    /// Takes in the keys of a resource, all of them.
    pub(crate) fn install(&mut self, resource: &[u8], rows: Vec<(Key, Row)>, second: u32, budget: &Budget) {
        self.resident.push(Resident { resource: resource.into(), used: second, bytes: 0 });
        let at = self.resident.len() - 1;
        for (key, row) in rows {
            self.set(at, &key, Some(row), budget);
        }
    }

    /// Takes in a value that was read, if its row is here and of the same revision, and it will be read again.
    pub(crate) fn keep(&mut self, row: &ObjectRow, reader: Reader, second: u32, budget: &Budget) {
        let resource = row.key.resource_prefix();
        let Some(at) = self.resident.iter().position(|resident| *resident.resource == *resource) else { return };
        let Some(known) = self.rows.get_mut(&row.key) else { return };
        let again = known.used != 0 && second.saturating_sub(known.used) <= limits::READ_AGAIN_SECONDS;
        known.used = second;
        let wanted = again || reader == Reader::Returning;
        if wanted && known.revision == row.revision && matches!(known.value, Value::Away(_)) {
            let value = Value::Here(row.value.clone());
            let here = Row { value, ..*known };
            self.set(at, &row.key, Some(here), budget);
        }
    }

    /// Frees memory: a quarter of the values, those that were not used for longest, or where there are none the
    /// resource that was not. Returns whether there was anything.
    pub(crate) fn evict(&mut self, budget: &Budget) -> bool {
        self.evict_values(budget) || self.evict_resource(budget)
    }

    fn evict_values(&mut self, budget: &Budget) -> bool {
        let here = self.rows.values().filter(|row| matches!(row.value, Value::Here(_)));
        let mut seconds: Vec<u32> = here.map(|row| row.used).collect();
        if seconds.is_empty() {
            return false;
        }
        let quarter = (seconds.len() - 1) / 4;
        let (_, limit, _) = seconds.select_nth_unstable(quarter);
        let mut left = quarter + 1;
        let mut freed = 0;
        for (key, row) in &mut self.rows {
            let Value::Here(value) = &row.value else { continue };
            if left == 0 || *limit < row.used {
                continue;
            }
            let length = value.len();
            row.value = Value::Away(u32::try_from(length).unwrap_or(u32::MAX));
            let resource = key.resource_prefix();
            let resident = self.resident.iter_mut().find(|resident| *resident.resource == *resource);
            resident.expect("a row belongs to a resource that is here").bytes -= length;
            freed += length;
            left -= 1;
        }
        self.bytes -= freed;
        budget.used.fetch_sub(freed, Ordering::Relaxed);
        true
    }

    fn evict_resource(&mut self, budget: &Budget) -> bool {
        self.complete = false;
        let oldest = self.resident.iter().enumerate().min_by_key(|(_, resident)| resident.used);
        let Some((at, _)) = oldest else { return false };
        let resident = self.resident.swap_remove(at);
        self.resident.shrink_to_fit();
        let range = crate::key::prefix_range(&resident.resource);
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

/// Tells whether a range ends before it starts: a B-tree refuses that, and `after` can make one.
fn is_empty(range: &KeyRange) -> bool {
    range.to.as_ref().is_some_and(|to| *to <= range.from)
}

fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let to = range.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(&range.from), to)
}
