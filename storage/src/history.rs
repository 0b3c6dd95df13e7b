//! The recent events of one warm tenant, for its watchers. Bounded in bytes and age.
//!
//! Hot path: a watcher finds its place by binary search and clones `Arc`s; nothing is allocated or stored per watcher.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::Event;
use crate::key::{Key, Revision};
use crate::limits::Limits;
use crate::write::Entry;

/// What the history can say about a key.
pub(crate) enum Since {
    /// It was not changed since.
    Unchanged,
    /// It was; this is its state now.
    Changed(Option<Entry>),
    /// The history does not reach back that far.
    Forgotten,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    /// Invariant: holds every event of the tenant after `start`, in order of revision, with the second it came in.
    events: VecDeque<(u32, Arc<Event>)>,
    start: Revision,
    bytes: usize,
}

impl History {
    pub(crate) fn starting_at(start: Revision) -> History {
        History { start, ..History::default() }
    }

    pub(crate) fn push(&mut self, second: u32, event: Arc<Event>, limits: &Limits) {
        debug_assert!(self.events.back().is_none_or(|(_, last)| last.revision < event.revision));
        self.bytes += event.weight();
        self.events.push_back((second, event));
        self.trim(second, limits);
    }

    /// Forgets what is too old or too much.
    pub(crate) fn trim(&mut self, second: u32, limits: &Limits) {
        let age_max = u32::try_from(limits.history_age_max.as_secs()).unwrap_or(u32::MAX);
        let before = self.events.len();
        while let Some((at, event)) = self.events.front() {
            if self.bytes <= limits.history_bytes_max && second.saturating_sub(*at) <= age_max {
                break;
            }
            self.bytes -= event.weight();
            self.start = event.revision;
            self.events.pop_front();
        }
        if self.events.len() < before && self.events.capacity() > 4 * self.events.len().max(4) {
            self.events.shrink_to_fit();
        }
    }

    /// Returns the events after a revision; `None` when some of them are no longer here.
    pub(crate) fn after(&self, revision: Revision) -> Option<impl Iterator<Item = &Arc<Event>>> {
        if revision < self.start {
            return None;
        }
        let from = self.events.partition_point(|(_, event)| event.revision <= revision);
        Some(self.events.range(from..).map(|(_, event)| event))
    }

    /// Returns the event of a revision, if it is here.
    pub(crate) fn at(&self, revision: Revision) -> Option<&Arc<Event>> {
        let at = self.events.binary_search_by_key(&revision, |(_, event)| event.revision).ok()?;
        self.events.get(at).map(|(_, event)| event)
    }

    /// Tells what became of a key since a revision.
    pub(crate) fn since(&self, key: &Key, revision: Revision) -> Since {
        if revision < self.start {
            return Since::Forgotten;
        }
        let newest_first = self.events.iter().rev().take_while(|(_, event)| revision < event.revision);
        match newest_first.map(|(_, event)| event).find(|event| event.key == *key) {
            Some(event) => Since::Changed(event.after.clone()),
            None => Since::Unchanged,
        }
    }
}
