//! The handle to one tenant's data: the only way to it.

use std::sync::Arc;

use crate::base::derived_uid;
use crate::error::StorageError;
use crate::key::{Key, Prefix, Revision, TenantId};
use crate::registry::answered;
use crate::tenant::{Fetched, Staged, Tenant, check_size};
use crate::watch::Cursor;
use crate::write::{Entry, Usage, WriteSet};

/// One tenant's log. Cheap to clone; as long as a clone lives, the tenant stays warm.
#[derive(Clone)]
pub struct TenantLog {
    tenant: Arc<Tenant>,
}

/// What to list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Which keys.
    pub prefix: Prefix,
    /// Only keys after this one.
    pub after: Option<Key>,
    /// How many entries at most; 0 means all.
    pub limit: usize,
    /// At which revision; the head when missing.
    pub at: Option<Revision>,
}

/// What a list returns: everything in it at one revision.
#[derive(Clone, Debug)]
pub struct Page {
    /// Entries in the order of their keys.
    pub entries: Vec<Entry>,
    /// The limit cut it short.
    pub more: bool,
    /// The revision it shows.
    pub revision: Revision,
}

impl TenantLog {
    pub(crate) fn new(tenant: Arc<Tenant>) -> TenantLog {
        TenantLog { tenant }
    }

    #[cfg(test)]
    pub(crate) fn tenant_for_tests(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// Returns the tenant's number.
    pub fn id(&self) -> TenantId {
        self.tenant.id
    }

    /// Returns the last durable revision.
    pub async fn head(&self) -> Result<Revision, StorageError> {
        self.tenant.wake().await?;
        Ok(self.tenant.ready()?.map_or(Revision::ZERO, |state| state.head))
    }

    /// Returns what the tenant stores, as of the last durable commit.
    pub async fn usage(&self) -> Result<Usage, StorageError> {
        self.tenant.wake().await?;
        Ok(self.tenant.ready()?.map_or(Usage::default(), |state| state.usage))
    }

    /// Returns the oldest revision that can be listed at or watched from.
    pub async fn floor(&self) -> Result<Revision, StorageError> {
        self.tenant.wake().await?;
        Ok(self.tenant.ready()?.map_or(Revision::ZERO, |state| state.floor))
    }

    /// Returns the durable state of a key and the head it was read at. Linearizable: sees every acknowledged write.
    pub async fn get(&self, key: &Key) -> Result<(Option<Entry>, Revision), StorageError> {
        self.tenant.get(key).await
    }

    /// Returns the pending state of a key: what the next write must be computed on. It may never become durable, so that
    /// it is not for answering reads.
    pub async fn current(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        // Who is about to write a resource reads it too, sooner or later; and the write will find the key in memory.
        self.tenant.load(key.resource_prefix()).await?;
        let mut fetched: Option<Fetched> = None;
        loop {
            let head = {
                let Some(mut state) = self.tenant.ready()? else { return Err(StorageError::Gone) };
                let second = self.tenant.shared.second();
                if let Some(entry) = state.pending_view(&Default::default(), key, fetched.as_ref(), second) {
                    return Ok(entry);
                }
                state.head
            };
            fetched = Some(self.tenant.fetch(vec![key.clone()], head).await?);
        }
    }

    /// Lists keys in order, at the head or at an earlier revision.
    ///
    /// # Errors
    /// `Compacted` below the floor, `Future` above the head.
    pub async fn list(&self, query: ListQuery) -> Result<Page, StorageError> {
        self.tenant.list(&query).await
    }

    /// Counts the objects under a prefix at the head.
    pub async fn count(&self, prefix: &Prefix) -> Result<u64, StorageError> {
        self.tenant.count(prefix).await
    }

    /// Commits changes together and returns their revisions, in order, once they are durable. Each change is checked
    /// against the pending state of its key. Once queued, the write goes on if the caller goes away.
    ///
    /// # Errors
    /// `Conflict` when an expectation fails, `Full` when the tenant would grow beyond its limit: nothing was written. `Unavailable` when the batch failed, or one before it
    /// that this write came after: nothing was written, and it may be tried again.
    pub async fn commit(&self, set: WriteSet) -> Result<Vec<Revision>, StorageError> {
        check_size(&set, &self.tenant.shared)?;
        self.tenant.wake().await?;
        if set.is_empty() {
            return Ok(Vec::new());
        }
        let mut fetched: Option<Fetched> = None;
        loop {
            match self.tenant.stage(&set, fetched.as_ref(), |_| {})? {
                Staged::Queued(revisions, answer) => return answered(answer).await.map(|()| revisions),
                Staged::Missing(head) => {
                    // All keys, not only the missing ones: what is in memory now may be evicted meanwhile.
                    let keys = set.changes.iter().map(|change| change.key.clone()).collect();
                    fetched = Some(self.tenant.fetch(keys, head).await?);
                }
            }
        }
    }

    /// Returns a cursor over the events after a revision whose keys lie under the prefix.
    pub fn watch(&self, prefix: Prefix, after: Revision) -> Cursor {
        Cursor::new(self.tenant.clone(), prefix, after)
    }

    /// Returns the keys that have an owner of this uid, as of the last durable commit.
    pub async fn dependents(&self, owner_uid: &str) -> Result<Vec<Key>, StorageError> {
        self.tenant.wake().await?;
        self.tenant.shared.backend.dependents(self.tenant.id, owner_uid).await
    }

    /// Returns the uid that a base object of this key has in this tenant.
    pub async fn base_uid(&self, key: &Key) -> Result<String, StorageError> {
        self.tenant.wake().await?;
        Ok(derived_uid(&self.tenant.overlay()?.seed, key))
    }
}
