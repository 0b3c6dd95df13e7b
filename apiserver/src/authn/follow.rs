//! Keeping what was derived from a tenant's objects up to date, without a task: each use first reads the news.

use kplex_storage::{Cursor, Event, Prefix, Revision, StorageError, TenantLog};
use std::sync::Arc;

/// Someone who lags further behind than this starts anew instead of reading every event.
const LAG_MAX: u64 = 512;

/// A place in the tenant's log, from which on everything is known.
#[derive(Default)]
pub(crate) struct Follower {
    cursor: Option<Cursor>,
}

impl Follower {
    /// Starts to follow after a revision.
    pub(crate) fn start(&mut self, log: &TenantLog, after: Revision) {
        self.cursor = Some(log.watch(Prefix::all(), after));
    }

    /// Returns the events since the last call, or `None` when the follower must start anew.
    ///
    /// # Errors
    /// The storage fails; the place is kept.
    pub(crate) async fn news(&mut self, log: &TenantLog) -> Result<Option<Vec<Arc<Event>>>, StorageError> {
        let Some(cursor) = &mut self.cursor else { return Ok(None) };
        if log.head().await?.get().saturating_sub(cursor.position().get()) > LAG_MAX {
            self.cursor = None;
            return Ok(None);
        }
        match cursor.advance().await {
            Ok(events) => Ok(Some(events)),
            Err(StorageError::Compacted { .. } | StorageError::Future { .. }) => {
                self.cursor = None;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
