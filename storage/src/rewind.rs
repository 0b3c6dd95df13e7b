//! Going back in time: from current states and events to earlier states.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::delta;
use crate::engine::{EventKind, EventRow};
use crate::error::StorageError;
use crate::key::Key;
use crate::write::Entry;

/// States of keys at one moment; a key that is missing was not touched.
pub(crate) type States = BTreeMap<Key, Option<Entry>>;

/// Turns an event into the row that remembers the way back.
pub(crate) fn way_back(before: Option<&Entry>, after: Option<&Entry>) -> (EventKind, Bytes) {
    match (before, after) {
        (None, _) => (EventKind::Create, Bytes::new()),
        (Some(before), Some(after)) => (EventKind::Update, delta::way_back(&after.value, &before.value)),
        (Some(before), None) => (EventKind::Delete, before.value.clone()),
    }
}

/// Walks `events` (oldest first) backward from the `states` after the last one. `states` ends as it was before the
/// first; `visit` gets the place of each event with the states before and after it, newest first.
pub(crate) fn walk_back(
    events: &[EventRow],
    states: &mut States,
    mut visit: impl FnMut(usize, Option<Entry>, Option<Entry>),
) -> Result<(), StorageError> {
    for (place, event) in events.iter().enumerate().rev() {
        let damaged = || {
            StorageError::Corrupt(format!(
                "event {} of tenant {} does not fit its object",
                event.revision, event.tenant
            ))
        };
        let state = states.get_mut(&event.key).ok_or_else(damaged)?;
        let after = state.take();
        let fits = match (event.kind, &after) {
            (EventKind::Create | EventKind::Update, Some(entry)) => entry.revision == event.revision,
            (EventKind::Delete, None) => true,
            (EventKind::Create | EventKind::Update, None) | (EventKind::Delete, Some(_)) => false,
        };
        if !fits {
            return Err(damaged());
        }
        let value = match (event.kind, &after) {
            (EventKind::Create, _) => None,
            (EventKind::Update, Some(entry)) => Some(delta::go_back(&entry.value, &event.back).ok_or_else(damaged)?),
            (EventKind::Update | EventKind::Delete, _) => Some(event.back.clone()),
        };
        let (key, stamp) = (event.key.clone(), event.previous_stamp);
        let before = value.map(|value| Entry { key, revision: event.previous, stamp, value });
        state.clone_from(&before);
        visit(place, before, after);
    }
    Ok(())
}
