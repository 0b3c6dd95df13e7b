//! Tenants as rows: creating, finding, changing and deleting them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::base::{BaseChain, Overlay};
use crate::engine::{Head, TenantRecord};
use crate::error::StorageError;
use crate::key::{Revision, TenantId};
use crate::lane::Work;
use crate::limits::PURGE_ROWS_MAX;
use crate::store::{Shared, Store, random_bytes};
use crate::tenant::{Staged, Tenant, check_size};
use crate::tenant_log::TenantLog;
use crate::write::{Usage, WriteSet};

/// What a new tenant starts with.
#[derive(Clone, Debug, Default)]
pub struct NewTenant {
    /// Its name; unique among tenants that exist.
    pub name: String,
    /// The upper layer's own bytes.
    pub record: Bytes,
    /// What the holes of the base are filled with.
    pub holes: Vec<Bytes>,
    /// Written in the same transaction, after the base: the first of them gets the revision after the creation's.
    pub first_writes: WriteSet,
    /// What uids of base objects are derived from; random when missing.
    pub seed: Option<[u8; 16]>,
}

/// A tenant that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRow {
    /// Its number.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// The upper layer's own bytes.
    pub record: Bytes,
    /// What uids of base objects are derived from.
    pub seed: [u8; 16],
    /// What the holes of the base are filled with.
    pub holes: Vec<Bytes>,
    lane: u16,
}

impl TenantRow {
    fn from_record(record: TenantRecord) -> Option<TenantRow> {
        let TenantRecord { id, lane, name, record, seed, holes, .. } = record;
        name.map(|name| TenantRow { id, name, record, seed, holes, lane })
    }
}

/// Releases a name that is being created.
struct NameClaim {
    shared: Arc<Shared>,
    name: String,
}

impl Drop for NameClaim {
    fn drop(&mut self) {
        self.shared.names.lock().remove(&self.name);
    }
}

impl Store {
    /// Creates a tenant in one small transaction. It starts above the mark of all deleted tenants, so that revisions of
    /// a tenant of the same name are never seen twice.
    ///
    /// # Errors
    /// `Exists` when the name is taken; those of [`TenantLog::commit`] for the first writes.
    pub async fn create_tenant(&self, new: NewTenant) -> Result<TenantRow, StorageError> {
        check_size(&new.first_writes, &self.shared)?;
        let shared = self.shared.clone();
        // On a task of its own: a caller that goes away must not release the name before the outcome is known.
        finished(tokio::spawn(create(shared, new)).await)
    }

    /// Finds a tenant by its name.
    pub async fn find_tenant(&self, name: &str) -> Result<Option<TenantRow>, StorageError> {
        Ok(self.shared.backend.tenant_named(name).await?.and_then(TenantRow::from_record))
    }

    /// Finds a tenant by its number.
    pub async fn get_tenant(&self, id: TenantId) -> Result<Option<TenantRow>, StorageError> {
        Ok(self.shared.backend.tenant(id).await?.and_then(TenantRow::from_record))
    }

    /// Lists tenants in the order of their names, after a name.
    pub async fn list_tenants(&self, after: Option<&str>, limit: usize) -> Result<Vec<TenantRow>, StorageError> {
        let rows = self.shared.backend.tenants(after, limit).await?;
        Ok(rows.into_iter().filter_map(TenantRow::from_record).collect())
    }

    /// Replaces the upper layer's bytes of a tenant.
    pub async fn update_tenant(&self, id: TenantId, record: Bytes) -> Result<(), StorageError> {
        self.change_row(id, move |row| row.record = record).await
    }

    /// Replaces what the holes of a tenant's base objects are filled with. It takes effect when the
    /// tenant next wakes, without an event and without a new revision, so that it is for holes of a base the tenant has
    /// yet to move to.
    pub async fn update_holes(&self, id: TenantId, holes: Vec<Bytes>) -> Result<(), StorageError> {
        self.change_row(id, move |row| row.holes = holes).await
    }

    /// Deletes a tenant: when this returns nothing of it is left in the database or in memory. A deletion that was cut
    /// short goes on when the store is opened again.
    pub async fn delete_tenant(&self, id: TenantId) -> Result<(), StorageError> {
        let shared = self.shared.clone();
        finished(tokio::spawn(async move { delete(shared, id).await }).await)
    }

    /// Returns the handle to a tenant's data.
    pub fn tenant(&self, row: &TenantRow) -> TenantLog {
        TenantLog::new(self.shared.tenant(row.id, row.lane))
    }

    async fn change_row(
        &self,
        id: TenantId,
        change: impl FnOnce(&mut TenantRecord) + Send + 'static,
    ) -> Result<(), StorageError> {
        let shared = self.shared.clone();
        let changed = tokio::spawn(async move {
            let _row = shared.lock_row(id).await;
            let mut record = shared.read_row(id).await?;
            change(&mut record);
            let tenant = shared.tenant(id, record.lane);
            submit(tenant, |work| work.record = Some(record)).await
        });
        finished(changed.await)
    }
}

fn finished<T>(joined: Result<Result<T, StorageError>, tokio::task::JoinError>) -> Result<T, StorageError> {
    joined.unwrap_or_else(|error| Err(StorageError::Unknown(format!("the runtime is shutting down: {error}"))))
}

impl Shared {
    /// Holds off other changes of a tenant's row.
    pub(crate) async fn lock_row(self: &Arc<Self>, id: TenantId) -> tokio::sync::MutexGuard<'_, ()> {
        self.row_locks[id.get() as usize % self.row_locks.len()].lock().await
    }

    /// Reads the row of a tenant that exists.
    pub(crate) async fn read_row(&self, id: TenantId) -> Result<TenantRecord, StorageError> {
        self.backend.tenant(id).await?.filter(|row| row.name.is_some()).ok_or(StorageError::Gone)
    }
}

/// Queues work that is no write set, and waits for it.
pub(crate) async fn submit(tenant: Arc<Tenant>, fill: impl FnOnce(&mut Work)) -> Result<(), StorageError> {
    let (reply, answer) = oneshot::channel();
    let shared = tenant.shared.clone();
    let lane = shared.lane(tenant.lane);
    let mut work = Work::new(tenant, reply);
    fill(&mut work);
    work.weight += work.events.iter().map(|(event, _)| event.weight()).sum::<usize>();
    lane.queue(work, &shared.limits)?;
    answered(answer).await
}

/// Waits for the lane's answer.
pub(crate) async fn answered(answer: oneshot::Receiver<Result<(), StorageError>>) -> Result<(), StorageError> {
    answer.await.unwrap_or_else(|_| Err(StorageError::Unknown("the store was closed".to_owned())))
}

async fn create(shared: Arc<Shared>, new: NewTenant) -> Result<TenantRow, StorageError> {
    let NewTenant { name, record, holes, first_writes, seed } = new;
    if name.is_empty() || name.contains('\0') {
        return Err(StorageError::Invalid("a tenant has a name, without NUL".to_owned()));
    }
    if holes.len() < shared.base.holes() {
        let (need, have) = (shared.base.holes(), holes.len());
        return Err(StorageError::Invalid(format!("the base has {need} holes, the tenant fills {have}")));
    }
    if !shared.names.lock().insert(name.clone()) {
        return Err(StorageError::Exists(name));
    }
    let _claim = NameClaim { shared: shared.clone(), name: name.clone() };
    if shared.backend.tenant_named(&name).await?.is_some() {
        return Err(StorageError::Exists(name));
    }
    let seed = seed.map_or_else(random_bytes, Ok)?;
    let id = shared.next_tenant.fetch_add(1, Ordering::SeqCst);
    let id = u32::try_from(id).map_err(|_| StorageError::Unavailable("no tenant ids are left".to_owned()))?;
    let (id, lane) = (TenantId::new(id), (u64::from(id) % shared.lanes().len() as u64) as u16);
    let start = Revision::new(shared.revision_mark.load(Ordering::SeqCst)).plus(1);
    let chain = shared.chain(&[shared.base.hash()]).await?;
    let overlay = Arc::new(Overlay { chain, starts: vec![start], seed, holes: holes.clone() });
    let tenant = Arc::new(Tenant::fresh(id, lane, shared.clone(), start, overlay));
    let bases = vec![(shared.base.hash(), start)];
    let (head, floor) = (Head { revision: start, usage: Usage::default() }, start);
    let mut row = TenantRecord { id, lane, name: Some(name), record, head, floor, seed, bases, holes };
    // In the map before it is in the database: who finds the row must find this tenant, not make another.
    shared.adopt(tenant.clone());
    let created = write_first(&tenant, &mut row, &first_writes).await;
    if let Err(error) = created {
        tenant.vanish();
        shared.forget(id);
        return Err(error);
    }
    tenant.forget_creation();
    Ok(TenantRow::from_record(row).expect("a new tenant has a name"))
}

async fn write_first(
    tenant: &Arc<Tenant>,
    row: &mut TenantRecord,
    first_writes: &WriteSet,
) -> Result<(), StorageError> {
    // A tenant that is not in the database yet has nothing there: what the base does not have is absent.
    let fetched = tenant.fetched_nothing(first_writes);
    let staged = tenant.stage(first_writes, Some(&fetched), |work| {
        row.head = work.head.unwrap_or(row.head);
        work.record = Some(row.clone());
        work.next_tenant = u64::from(tenant.id.get()) + 1;
    })?;
    match staged {
        Staged::Queued(_, answer) => answered(answer).await,
        Staged::Missing(_) => Err(StorageError::Corrupt(format!("new tenant {} has rows", tenant.id))),
    }
}

async fn delete(shared: Arc<Shared>, id: TenantId) -> Result<(), StorageError> {
    {
        let _row = shared.lock_row(id).await;
        let mut record = shared.read_row(id).await?;
        let tenant = shared.tenant(id, record.lane);
        // From here on nothing new is written, so that this is above everything that was or will be handed out.
        let mark = tenant.vanish().max(record.head.revision);
        record.name = None;
        let begun = submit(tenant.clone(), |work| {
            work.record = Some(record);
            work.revision_mark = mark.get();
        });
        if let Err(error) = begun.await {
            tenant.revive();
            return Err(error);
        }
        shared.raise_mark(mark);
    }
    purge(&shared, id).await
}

/// Removes the rows of a tenant whose deletion has begun, a bounded chunk at a time.
async fn purge(shared: &Arc<Shared>, id: TenantId) -> Result<(), StorageError> {
    let Some(record) = shared.backend.tenant(id).await? else { return Ok(()) };
    let tenant = shared.tenant(id, record.lane);
    tenant.vanish();
    while shared.backend.has_rows(id, record.lane).await? {
        submit(tenant.clone(), |work| work.purge = Some(PURGE_ROWS_MAX)).await?;
    }
    submit(tenant, |work| {
        // The head in the row is above what the first step knew if the process ended in between.
        work.revision_mark = record.head.revision.get();
        work.forget = true;
    })
    .await?;
    shared.raise_mark(record.head.revision);
    shared.forget(id);
    Ok(())
}

/// Goes on with deletions that were cut short.
pub(crate) async fn finish_deletions(shared: Arc<Shared>) {
    loop {
        let unfinished = match shared.backend.tenants_deleting(100).await {
            Ok(rows) if rows.is_empty() => return,
            Ok(rows) => rows,
            Err(error) => return tracing::warn!(%error, "deletions wait for the next start"),
        };
        for row in unfinished {
            if let Err(error) = purge(&shared, row.id).await {
                return tracing::warn!(tenant = %row.id, %error, "deletion waits for the next start");
            }
        }
    }
}

impl Shared {
    /// Returns the chain of these bases, reading those that are not in memory.
    pub(crate) async fn chain(&self, hashes: &[crate::base::BaseHash]) -> Result<Arc<BaseChain>, StorageError> {
        if let Some(chain) = self.chains.lock().get(hashes) {
            return Ok(chain.clone());
        }
        let mut bases = Vec::with_capacity(hashes.len());
        for hash in hashes {
            bases.push(self.read_base(*hash).await?);
        }
        let chain = Arc::new(BaseChain::new(bases));
        Ok(self.chains.lock().entry(hashes.to_vec()).or_insert(chain).clone())
    }
}
