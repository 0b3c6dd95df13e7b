//! SQLite: one file, one writer thread, a few readers, write-ahead log with every commit synced.
//!
//! Checkpoints run on a connection of their own, because a checkpoint inside a commit is what makes its p99. The
//! directory is locked while the store is open: SQLite itself would let a second process in, and that one's memory
//! would go stale.

mod lock;
mod queries;
mod schema;
mod threads;
mod writes;

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rusqlite::Connection;

use crate::base::BaseHash;
use crate::engine::{Backend, Batch, Claim, Hold, Index, Marks, Outcome, TenantRecord, View, ViewQuery};
use crate::error::StorageError;
use crate::key::{Key, KeyRange, Revision, TenantId};
use crate::write::Due;

use lock::DirectoryLock;
use schema::PageCache;
use threads::{Checkpointer, Workers};

/// Readers beside the writer: the cache answers most reads, so these only load what is cold.
const READERS: usize = 2;

/// A batch should fit, and the inner nodes of the tables.
const WRITER_PAGES: PageCache = PageCache(2_048);

/// The inner nodes and a few leaves; behind it is the system's page cache.
const READER_PAGES: PageCache = PageCache(512);

/// Estimated bytes written to the log between two checkpoints: small enough that a checkpoint takes milliseconds.
const CHECKPOINT_BYTES: u64 = 4 << 20;

/// The engine.
pub struct SqliteEngine {
    writer: Workers,
    readers: Workers,
    checkpointer: Checkpointer,
    written: Arc<AtomicU64>,
    lock: Mutex<Option<DirectoryLock>>,
}

impl SqliteEngine {
    /// Opens `kplex.db` in a directory, making both when missing.
    ///
    /// # Errors
    /// When another process has the directory, or the file is not ours. Blocking: call it off the runtime.
    pub fn open(directory: &Path) -> Result<SqliteEngine, StorageError> {
        std::fs::create_dir_all(directory)
            .map_err(|error| StorageError::Unavailable(format!("create directory {}: {error}", directory.display())))?;
        let lock = DirectoryLock::take(directory)?;
        let file = directory.join("kplex.db");
        // The file holds Secrets and the keys of every control plane. SQLite gives its log the same mode.
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&file)
            .map_err(|error| StorageError::Unavailable(format!("create {}: {error}", file.display())))?;
        let writer = connect(&file, WRITER_PAGES)?;
        schema::prepare(&writer)?;
        let readers: Result<Vec<Connection>, StorageError> =
            (0..READERS).map(|_| connect(&file, READER_PAGES)).collect();
        let checkpointer = Checkpointer::start(connect(&file, READER_PAGES)?);
        let lock = Mutex::new(Some(lock));
        let written = Arc::new(AtomicU64::new(0));
        let writer = Workers::start("kplex-sqlite-writer", vec![writer]);
        Ok(SqliteEngine {
            writer,
            readers: Workers::start("kplex-sqlite-reader", readers?),
            checkpointer,
            written,
            lock,
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.readers.run(move |connection| query(connection)).await
    }
}

fn connect(file: &PathBuf, pages: PageCache) -> Result<Connection, StorageError> {
    let connection = Connection::open(file).map_err(|error| unavailable("open database", &error))?;
    schema::configure(&connection, pages)?;
    Ok(connection)
}

pub(crate) fn unavailable(what: &str, error: &rusqlite::Error) -> StorageError {
    StorageError::Unavailable(format!("{what}: {error}"))
}

#[async_trait]
impl Backend for SqliteEngine {
    async fn open(&self, lanes: u16) -> Result<Marks, StorageError> {
        self.writer.run(move |connection| writes::open(connection, lanes)).await
    }

    async fn claim(&self, lane: u16, owner: u64, hold: Hold) -> Result<Option<Claim>, StorageError> {
        self.writer.run(move |connection| writes::claim(connection, lane, owner, hold)).await
    }

    async fn commit(&self, batch: &Batch) -> Outcome {
        // A batch holds shared bytes, so that this copies row headers, not values.
        let batch = batch.clone();
        let weight = writes::weight(&batch);
        let outcome = self.writer.run(move |connection| Ok(writes::commit(connection, &batch))).await;
        if self.written.fetch_add(weight, Ordering::Relaxed) + weight > CHECKPOINT_BYTES {
            self.written.store(0, Ordering::Relaxed);
            self.checkpointer.wake();
        }
        outcome.unwrap_or_else(|error| Outcome::Unknown(error.to_string()))
    }

    async fn view(&self, query: ViewQuery) -> Result<Option<View>, StorageError> {
        self.readers.run(move |connection| queries::view(connection, &query)).await
    }

    async fn index(&self, tenant: TenantId, range: KeyRange, rows_max: usize) -> Result<Option<Index>, StorageError> {
        self.readers.run(move |connection| queries::index(connection, tenant, &range, rows_max)).await
    }

    async fn count(&self, tenant: TenantId, range: KeyRange) -> Result<u64, StorageError> {
        self.read(move |connection| queries::count(connection, tenant, &range)).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<TenantRecord>, StorageError> {
        self.read(move |connection| queries::tenant(connection, id)).await
    }

    async fn tenant_named(&self, name: &str) -> Result<Option<TenantRecord>, StorageError> {
        let name = name.to_owned();
        self.read(move |connection| queries::tenant_named(connection, &name)).await
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<Vec<TenantRecord>, StorageError> {
        let after = after.unwrap_or("").to_owned();
        self.read(move |connection| queries::tenants(connection, &after, limit)).await
    }

    async fn tenants_deleting(&self, limit: usize) -> Result<Vec<TenantRecord>, StorageError> {
        self.read(move |connection| queries::tenants_deleting(connection, limit)).await
    }

    async fn has_rows(&self, tenant: TenantId, lane: u16) -> Result<bool, StorageError> {
        self.readers.run(move |connection| queries::has_rows(connection, tenant, lane)).await
    }

    async fn due(&self, until_minute: u64, limit: usize) -> Result<Vec<(TenantId, Due)>, StorageError> {
        self.read(move |connection| queries::due(connection, until_minute, limit)).await
    }

    async fn dependents(&self, tenant: TenantId, owner: &str) -> Result<Vec<Key>, StorageError> {
        let owner = owner.to_owned();
        self.read(move |connection| queries::dependents(connection, tenant, &owner)).await
    }

    async fn consumers(&self, lane: u16) -> Result<Vec<(String, u64)>, StorageError> {
        self.read(move |connection| queries::consumers(connection, lane)).await
    }

    async fn batches(
        &self,
        lane: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId, Revision)>, StorageError> {
        self.readers.run(move |connection| queries::batches(connection, lane, after, limit)).await
    }

    async fn slice_tops(&self, lane: u16, slice: u64) -> Result<Vec<(TenantId, Revision)>, StorageError> {
        self.read(move |connection| queries::slice_tops(connection, lane, slice)).await
    }

    async fn base(&self, hash: BaseHash) -> Result<Option<Bytes>, StorageError> {
        self.read(move |connection| queries::base(connection, hash)).await
    }

    async fn close(&self) {
        self.writer.stop().await;
        self.readers.stop().await;
        self.checkpointer.stop().await;
        drop(self.lock.lock().take());
    }
}
