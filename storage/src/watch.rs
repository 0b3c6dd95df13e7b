//! Watching: a cursor is a position and a prefix. It has no queue and no task, and a slow one costs nobody anything.
//!
//! Hot path: a call takes the tenant's lock once and clones the `Arc`s of the events it wants.

use std::sync::Arc;

use crate::error::StorageError;
use crate::event::Event;
use crate::key::{Prefix, Revision};
use crate::limits::WATCH_EVENTS_MAX;
use crate::tenant::Tenant;

/// A position in a tenant's log.
pub struct Cursor {
    tenant: Arc<Tenant>,
    prefix: Prefix,
    position: Revision,
    checked: bool,
}

/// What a look at the history in memory found.
enum Seen {
    Events(Vec<Arc<Event>>),
    Nothing,
    Behind,
}

impl Cursor {
    pub(crate) fn new(tenant: Arc<Tenant>, prefix: Prefix, after: Revision) -> Cursor {
        Cursor { tenant, prefix, position: after, checked: false }
    }

    /// Returns the revision up to which everything was handed out, events outside the prefix included.
    pub fn position(&self) -> Revision {
        self.position
    }

    /// Waits for the next events, at least one, in order, none missing and none twice. Cancel-safe: what was not returned
    /// will be returned by the next call.
    ///
    /// # Errors
    /// `Compacted` when events after the position are no longer kept, `Future` when the cursor was opened above the head,
    /// `Gone` when the tenant is deleted.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, StorageError> {
        loop {
            let tenant = self.tenant.clone();
            let changed = tenant.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let events = self.advance().await?;
            if !events.is_empty() {
                return Ok(events);
            }
            changed.await;
        }
    }

    /// Returns the events that are there now, without waiting for new ones; the position has then reached the head as
    /// long as nothing is returned.
    pub async fn advance(&mut self) -> Result<Vec<Arc<Event>>, StorageError> {
        self.tenant.wake().await?;
        loop {
            match self.look()? {
                Seen::Events(events) => return Ok(events),
                Seen::Nothing => return Ok(Vec::new()),
                Seen::Behind => {
                    let (events, covered) =
                        self.tenant.events_after(&self.prefix, self.position, WATCH_EVENTS_MAX).await?;
                    self.position = self.position.max(covered);
                    if !events.is_empty() {
                        return Ok(events);
                    }
                }
            }
        }
    }

    fn look(&mut self) -> Result<Seen, StorageError> {
        // A tenant with a cursor never goes cold; if it did, this would be like an empty history.
        let Some(state) = self.tenant.ready()? else { return Ok(Seen::Nothing) };
        if !self.checked && state.head < self.position {
            return Err(StorageError::Future { head: state.head });
        }
        self.checked = true;
        let Some(events) = state.history.after(self.position) else { return Ok(Seen::Behind) };
        let mut found = Vec::new();
        let mut position = state.head;
        for event in events {
            if self.prefix.contains(&event.key) {
                if found.len() == WATCH_EVENTS_MAX {
                    position = found.last().map_or(position, |last: &Arc<Event>| last.revision);
                    break;
                }
                found.push(event.clone());
            }
        }
        self.position = self.position.max(position);
        Ok(if found.is_empty() { Seen::Nothing } else { Seen::Events(found) })
    }
}
