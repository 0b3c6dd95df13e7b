//! Waking a tenant, and moving it to a newer base when it wakes.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::{Base, BaseHash, Overlay, changed};
use crate::engine::{Head, TenantRecord, ViewQuery};
use crate::error::StorageError;
use crate::event::Event;
use crate::key::{Key, Revision};
use crate::lane::{RowChange, Runner};
use crate::registry::submit;
use crate::store::Shared;
use crate::tenant::{Phase, Tenant};

impl Tenant {
    /// Reads what must be known about a tenant before anything else, unless it is.
    pub(crate) async fn wake(self: &Arc<Self>) -> Result<(), StorageError> {
        if self.ready()?.is_some() {
            return Ok(());
        }
        let _waking = self.waking.lock().await;
        if self.ready()?.is_some() {
            return Ok(());
        }
        let record = match self.shared.read_row(self.id).await {
            Err(StorageError::Gone) => {
                self.vanish();
                self.shared.forget(self.id);
                return Err(StorageError::Gone);
            }
            record => record?,
        };
        if self.shared.moves_to_newer(&record).await? {
            // On a task of its own: half a move must not be visible, and the caller may go away.
            let tenant = self.clone();
            let moved = tokio::spawn(async move { tenant.move_base().await }).await;
            return moved.unwrap_or_else(|error| Err(StorageError::Unknown(error.to_string())));
        }
        let overlay = self.shared.overlay(&record).await?;
        self.open_state(record.head, record.floor, overlay);
        Ok(())
    }

    fn open_state(&self, head: Head, floor: Revision, overlay: Arc<Overlay>) {
        let mut state = self.lock();
        // A deletion may have come in between.
        if state.phase == Phase::Cold {
            state.become_ready(head, floor, overlay);
        }
    }

    /// Moves the tenant to the store's base: one transaction, one revision for each object that differs.
    async fn move_base(self: &Arc<Self>) -> Result<(), StorageError> {
        let _row = self.shared.lock_row(self.id).await;
        let mut record = self.shared.read_row(self.id).await?;
        let old = self.shared.overlay(&record).await?;
        let base = self.shared.base.clone();
        let start = record.head.revision.plus(1);
        let (floor, keys) = (record.floor, changed(old.base(), &base));
        record.bases.push((base.hash(), start));
        record.head.revision = record.head.revision.plus(keys.len() as u64);
        let new = self.shared.overlay(&record).await?;
        let own = self.own_rows(&keys).await?;
        let mut events = Vec::new();
        for (place, key) in keys.into_iter().enumerate() {
            // The tenant's own row hides the base object; its revision stays unused.
            if own.contains(&key) {
                continue;
            }
            let (before, after) = (old.get(key.as_bytes()), new.get(key.as_bytes()));
            let event = Event::new(start.plus(place as u64), key, before, after);
            events.push((Arc::new(event), RowChange::Base));
        }
        tracing::info!(tenant = %self.id, objects = events.len(), "tenant moves to a newer base");
        let head = record.head;
        submit(self.clone(), |work| {
            work.events = events;
            work.head = Some(head);
            work.record = Some(record);
        })
        .await?;
        self.open_state(head, floor, new);
        Ok(())
    }

    async fn own_rows(&self, keys: &[Key]) -> Result<HashSet<Key>, StorageError> {
        let query = ViewQuery { lane: self.lane, tenant: self.id, scan: None, keys: keys.to_vec(), undo: None };
        let view = self.shared.backend.view(query).await?.ok_or(StorageError::Gone)?;
        Ok(view.points.into_iter().map(|row| row.key).collect())
    }
}

impl Shared {
    /// Tells whether a tenant must move to the store's base.
    async fn moves_to_newer(&self, record: &TenantRecord) -> Result<bool, StorageError> {
        let (hash, _) = record.bases.last().expect("a tenant row has a base");
        if *hash == self.base.hash() {
            return Ok(false);
        }
        let has = self.read_base(*hash).await?.version();
        if self.base.version() < has {
            return Ok(false);
        }
        if record.holes.len() < self.base.holes() {
            tracing::warn!(tenant = %record.id, "tenant stays on its base: it does not fill the holes of the newer one");
            return Ok(false);
        }
        Ok(true)
    }

    /// Returns the base as the tenant of this row sees it.
    async fn overlay(&self, record: &TenantRecord) -> Result<Arc<Overlay>, StorageError> {
        let hashes: Vec<BaseHash> = record.bases.iter().map(|(hash, _)| *hash).collect();
        let chain = self.chain(&hashes).await?;
        let starts = record.bases.iter().map(|(_, start)| *start).collect();
        Ok(Arc::new(Overlay { chain, starts, seed: record.seed, holes: record.holes.clone() }))
    }

    /// Returns a base by its hash.
    pub(crate) async fn read_base(&self, hash: BaseHash) -> Result<Arc<Base>, StorageError> {
        if hash == self.base.hash() {
            return Ok(self.base.clone());
        }
        let known = self.chains.lock().values().find_map(|chain| chain.find(hash));
        if let Some(base) = known {
            return Ok(base);
        }
        let body = self.backend.base(hash).await?;
        let base = body.and_then(|body| Base::decode(&body)).filter(|base| base.hash() == hash);
        base.map(Arc::new).ok_or_else(|| StorageError::Corrupt("a base is missing or damaged".to_owned()))
    }

    /// Stores the base this release brings, so that every release can read it.
    pub(crate) async fn keep_base(&self, runner: &mut Runner) -> Result<(), StorageError> {
        if self.backend.base(self.base.hash()).await?.is_some() {
            return Ok(());
        }
        let mut batch = runner.next_batch();
        batch.bases.push((self.base.hash(), self.base.encode()));
        runner.commit(batch).await
    }
}
