//! What the store asks of a database: one way to write (a batch) and a few snapshot reads.
//!
//! Engines move rows; they know nothing of expectations, pending writes, caches or the base. Every write of the store,
//! also of tenants, event slices and purges, is a [`Batch`] of one lane, so fencing, ordering and the settling of unknown
//! outcomes are solved once, by the lane row.

pub mod fault;
pub mod memory;
pub mod postgres;
pub mod rows;
pub mod sqlite;

use async_trait::async_trait;
use bytes::Bytes;

use crate::base::BaseHash;
use crate::error::StorageError;
use crate::key::{Key, KeyRange, Revision, TenantId};
use crate::write::Due;

pub use rows::{EventKind, EventRow, Head, IndexRow, ObjectRow, TenantRecord};

/// Format of the rows; a store with another one is refused.
pub const FORMAT: u64 = 2;

/// How a batch ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is durable.
    Durable,
    /// It is not, and never will be. The text is for the log.
    Rejected(String),
    /// It may be either. The lane settles it with [`Backend::claim`] before it answers anyone.
    Unknown(String),
}

/// The lane row: who may write and how far the lane came. It is moved by compare-and-swap in every batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LaneRow {
    /// Number of the lane.
    pub lane: u16,
    /// Raised by each claim; a batch with an older one is refused.
    pub epoch: u64,
    /// Number of the last durable batch.
    pub sequence: u64,
    /// Event slice that events are written to.
    pub slice: u64,
    /// Unix milliseconds at which that slice came into use.
    pub opened_ms: u64,
    /// Bytes of events in that slice, roughly.
    pub slice_bytes: u64,
}

/// How a lane is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// From whoever has it: a start, a takeover.
    Take,
    /// Only if it is still ours: after a batch whose outcome is unknown.
    Keep,
}

/// A full event slice: no more events are written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceRow {
    /// Number of the slice within its lane.
    pub slice: u64,
    /// Unix milliseconds at which the next slice came into use: everything in this one is older.
    pub closed_ms: u64,
    /// Last batch that wrote to it.
    pub last_sequence: u64,
    /// Bytes of its events, roughly.
    pub bytes: u64,
}

/// A lane as it was found when it was claimed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its row, with the new epoch.
    pub row: LaneRow,
    /// Its closed slices, oldest first.
    pub closed: Vec<SliceRow>,
}

/// What a store knows about itself as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// The next tenant id.
    pub next_tenant: u64,
    /// Highest revision of all deleted tenants.
    pub revision_mark: u64,
    /// Lanes that exist.
    pub lanes: u16,
}

/// Change of a lane's event slices.
#[derive(Clone, Copy, Debug)]
pub enum SliceChange {
    /// Makes the table, ahead of its use.
    Create(u64),
    /// Notes that the slice is full.
    Close(SliceRow),
    /// Drops the table and forgets the slice.
    Drop(u64),
}

/// Everything one transaction writes. Each row key occurs once in its list; lists are applied in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The lane row after the batch: same epoch, sequence one higher.
    pub lane: LaneRow,
    /// Event tables to make, close or drop.
    pub slices: Vec<SliceChange>,
    /// Tenant rows to insert; of rows that exist everything but what batches move is replaced.
    pub tenants: Vec<TenantRecord>,
    /// Heads to set.
    pub heads: Vec<(TenantId, Head)>,
    /// Floors to raise.
    pub floors: Vec<(TenantId, Revision)>,
    /// Object rows to insert or replace.
    pub objects: Vec<ObjectRow>,
    /// Object rows to remove.
    pub removed: Vec<(TenantId, Key)>,
    /// Events to append to the lane's current slice.
    pub events: Vec<EventRow>,
    /// Due rows to add (`true`) or remove.
    pub due: Vec<(TenantId, Due, bool)>,
    /// Owner index rows to add (`true`) or remove.
    pub owners: Vec<(TenantId, String, Key, bool)>,
    /// Tail positions of this lane to store; `None` forgets the consumer.
    pub consumers: Vec<(String, Option<u64>)>,
    /// Bases to keep.
    pub bases: Vec<(BaseHash, Bytes)>,
    /// Raises the next tenant id to at least this.
    pub next_tenant: u64,
    /// Raises the mark of deleted tenants to at least this.
    pub revision_mark: u64,
    /// Tenants of which up to so many rows of each kind are removed, events included.
    pub purge: Vec<(TenantId, u32)>,
    /// Tenant rows to remove.
    pub forget: Vec<TenantId>,
}

/// One consistent read of one tenant.
#[derive(Clone, Debug)]
pub struct ViewQuery {
    /// Lane of the tenant: where its events lie.
    pub lane: u16,
    /// The tenant.
    pub tenant: TenantId,
    /// Rows of this range, in order.
    pub scan: Option<Scan>,
    /// Rows of these keys.
    pub keys: Vec<Key>,
    /// Events after a revision whose keys lie in a range, and the rows of all keys they touch.
    pub undo: Option<(Revision, KeyRange)>,
}

/// Rows of a range.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The range.
    pub range: KeyRange,
    /// How many, at most; as many again as keys are touched by the view's events.
    pub rows_max: usize,
}

/// The rows of a range without their values, all at one moment.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Head of the tenant.
    pub head: Revision,
    /// The rows, in order.
    pub rows: Vec<IndexRow>,
    /// There are more rows than were asked for.
    pub more: bool,
}

/// What a [`ViewQuery`] saw, all at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Head of the tenant.
    pub head: Revision,
    /// Floor of the tenant.
    pub floor: Revision,
    /// Rows of the scan.
    pub rows: Vec<ObjectRow>,
    /// The scan ended at a limit, before the end of its range.
    pub more: bool,
    /// Rows of `keys` and of the keys the events touch, as far as they exist.
    pub points: Vec<ObjectRow>,
    /// Events, oldest first.
    pub events: Vec<EventRow>,
}

/// A database. Implementations verify nothing but their own errors; checksums are made and checked above.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Makes what is missing (tables, `lanes` lanes with their first slices) and returns the marks.
    async fn open(&self, lanes: u16) -> Result<Marks, StorageError>;

    /// Raises a lane's epoch, after waiting for a commit in flight, so that no older batch can still become durable.
    /// May be repeated when its own outcome is unknown. `None` when somebody else has the lane and it is not taken.
    async fn claim(&self, lane: u16, owner: u64, hold: Hold) -> Result<Option<Claim>, StorageError>;

    /// Applies a batch if the lane row is one before it.
    async fn commit(&self, batch: &Batch) -> Outcome;

    /// Reads one tenant consistently; `None` when it has no row.
    async fn view(&self, query: ViewQuery) -> Result<Option<View>, StorageError>;

    /// Reads the rows of a range, at most so many, without touching their values; `None` when the tenant has no row.
    async fn index(&self, tenant: TenantId, range: KeyRange, rows_max: usize) -> Result<Option<Index>, StorageError>;

    /// Counts the live (not tombstone) rows of a range.
    async fn count(&self, tenant: TenantId, range: KeyRange) -> Result<u64, StorageError>;

    /// Reads a tenant row.
    async fn tenant(&self, id: TenantId) -> Result<Option<TenantRecord>, StorageError>;

    /// Reads a tenant row by name.
    async fn tenant_named(&self, name: &str) -> Result<Option<TenantRecord>, StorageError>;

    /// Reads tenant rows in the order of their names, after a name.
    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<Vec<TenantRecord>, StorageError>;

    /// Reads some tenants whose deletion has begun, without reading the others.
    async fn tenants_deleting(&self, limit: usize) -> Result<Vec<TenantRecord>, StorageError>;

    /// Tells whether a tenant has rows other than its own tenant row.
    async fn has_rows(&self, tenant: TenantId, lane: u16) -> Result<bool, StorageError>;

    /// Reads due rows up to a minute, earliest first.
    async fn due(&self, until_minute: u64, limit: usize) -> Result<Vec<(TenantId, Due)>, StorageError>;

    /// Reads the keys of an owner's dependents.
    async fn dependents(&self, tenant: TenantId, owner: &str) -> Result<Vec<Key>, StorageError>;

    /// Reads the stored tail positions of a lane.
    async fn consumers(&self, lane: u16) -> Result<Vec<(String, u64)>, StorageError>;

    /// Reads which revisions of which tenants the batches after a sequence hold, in order of commit.
    async fn batches(
        &self,
        lane: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId, Revision)>, StorageError>;

    /// Reads the last revision of each tenant in a slice.
    async fn slice_tops(&self, lane: u16, slice: u64) -> Result<Vec<(TenantId, Revision)>, StorageError>;

    /// Reads a base.
    async fn base(&self, hash: BaseHash) -> Result<Option<Bytes>, StorageError>;

    /// Ends connections and threads; everything fails as unavailable afterwards.
    async fn close(&self);
}
