//! One change as watchers and controllers see it.

use std::fmt;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::key::{Key, Revision};
use crate::limits;
use crate::write::Entry;

/// One committed change of one key, with the state before and after it.
pub struct Event {
    /// Revision that the change got.
    pub revision: Revision,
    /// Whose change.
    pub key: Key,
    /// State before; `None` for a create.
    pub before: Option<Entry>,
    /// State after; `None` for a delete.
    pub after: Option<Entry>,
    /// Encodings made so far, by the caller's number for them; shared by all watchers of the tenant.
    derived: Mutex<Vec<(u32, Bytes)>>,
}

impl Event {
    pub(crate) fn new(revision: Revision, key: Key, before: Option<Entry>, after: Option<Entry>) -> Event {
        assert!(before.is_some() || after.is_some(), "an event changes something");
        Event { revision, key, before, after, derived: Mutex::new(Vec::new()) }
    }

    /// Returns the bytes that `make` computes, computing them once for each `encoding`.
    ///
    /// `make` runs under the event's own lock, so that two watchers never encode the same thing twice.
    pub fn derived(&self, encoding: u32, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut derived = self.derived.lock();
        if let Some((_, bytes)) = derived.iter().find(|(made, _)| *made == encoding) {
            return bytes.clone();
        }
        let bytes = make();
        if derived.len() < limits::EVENT_ENCODINGS_MAX {
            derived.push((encoding, bytes.clone()));
        }
        bytes
    }

    /// Returns the bytes the event keeps in memory, roughly, without its encodings.
    pub(crate) fn weight(&self) -> usize {
        let entry = |entry: &Option<Entry>| entry.as_ref().map_or(0, |entry| entry.value.len());
        size_of::<Event>() + entry(&self.before) + entry(&self.after)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (&self.before, &self.after) {
            (None, _) => "create",
            (Some(_), Some(_)) => "update",
            (Some(_), None) => "delete",
        };
        write!(f, "{:?} {what} {:?}", self.revision, self.key)
    }
}
