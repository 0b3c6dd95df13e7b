//! PostgreSQL: shared tables in the schema `kplex`, one connection per lane, two for reads.
//!
//! A batch is one transaction of multi-row statements, sent together; its first statement moves the lane row by
//! compare-and-swap, which fences it. Only tables, such updates and polling are used, so that engines that speak
//! PostgreSQL's protocol will do.

mod calls;
mod connect;
mod queries;
mod schema;
mod tls;
mod writes;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Mutex;

use crate::base::BaseHash;
use crate::engine::{Backend, Batch, Claim, Hold, Index, Marks, Outcome, TenantRecord, View, ViewQuery};
use crate::error::StorageError;
use crate::key::{Key, KeyRange, Revision, TenantId};
use crate::write::Due;

use connect::{Connection, Connector, Readers};

/// How long a commit may take before its outcome counts as unknown. A failover of the database takes longer anyway.
const COMMIT_PATIENCE: Duration = Duration::from_secs(15);

/// How often a read is tried again whose event table was dropped between two of its statements.
const READ_RETRIES: usize = 3;

/// The engine.
pub struct PostgresEngine {
    connector: Connector,
    readers: Readers,
    /// The connection of each lane; `None` after a failure, until it is needed again.
    lanes: Mutex<BTreeMap<u16, std::sync::Arc<Mutex<Option<Connection>>>>>,
}

impl PostgresEngine {
    /// Connects to a database and makes the tables when they are missing.
    ///
    /// `url` is what `libpq` takes. Connections are encrypted when it says `sslmode=require`, `verify-ca` or
    /// `verify-full`; all three check the certificate, against `sslrootcert` or else the system's roots.
    ///
    /// # Errors
    /// When the database is not reachable, or holds another storage format.
    pub async fn open(url: &str) -> Result<PostgresEngine, StorageError> {
        let connector = Connector::new(url)?;
        let mut connection = connector.connect().await?;
        schema::prepare(&mut connection).await?;
        let readers = Readers::new(connector.clone());
        Ok(PostgresEngine { connector, readers, lanes: Mutex::default() })
    }

    async fn lane(&self, lane: u16) -> std::sync::Arc<Mutex<Option<Connection>>> {
        self.lanes.lock().await.entry(lane).or_default().clone()
    }
}

pub(crate) fn failed(what: &str, error: &tokio_postgres::Error) -> StorageError {
    // The Display of a server's error names neither its text nor its code.
    match error.as_db_error() {
        Some(db) => StorageError::Unavailable(format!("{what}: {} ({})", db.message(), db.code().code())),
        None => {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            StorageError::Unavailable(format!("{what}: {error}{cause}"))
        }
    }
}

#[async_trait]
impl Backend for PostgresEngine {
    async fn open(&self, lanes: u16) -> Result<Marks, StorageError> {
        let mut connection = self.connector.connect().await?;
        schema::open(&mut connection, lanes).await
    }

    async fn claim(&self, lane: u16, owner: u64, hold: Hold) -> Result<Option<Claim>, StorageError> {
        let held = self.lane(lane).await;
        let mut held = held.lock().await;
        // A new connection: the old one may still have a commit on its way.
        let mut connection = self.connector.connect().await?;
        let claim = tokio::time::timeout(COMMIT_PATIENCE, writes::claim(&mut connection, lane, owner, hold)).await;
        let late = |_| StorageError::Unavailable("claim lane: no answer in time".to_owned());
        let claim = claim.map_err(late)??;
        *held = Some(connection);
        Ok(claim)
    }

    async fn commit(&self, batch: &Batch) -> Outcome {
        let held = self.lane(batch.lane.lane).await;
        let mut held = held.lock().await;
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => match self.connector.connect().await {
                Ok(connection) => connection,
                Err(error) => return Outcome::Rejected(error.to_string()),
            },
        };
        let commit = tokio::time::timeout(COMMIT_PATIENCE, writes::commit(&mut connection, batch)).await;
        let outcome = commit.unwrap_or_else(|_| Outcome::Unknown("commit: no answer in time".to_owned()));
        if matches!(outcome, Outcome::Durable) {
            *held = Some(connection);
        }
        outcome
    }

    async fn view(&self, query: ViewQuery) -> Result<Option<View>, StorageError> {
        let mut retries = 0;
        loop {
            let mut reader = self.readers.take().await?;
            match queries::view(reader.connection(), &query).await {
                Ok(view) => {
                    reader.give_back();
                    return Ok(view);
                }
                Err(error) if queries::table_is_gone(&error) && retries < READ_RETRIES => retries += 1,
                Err(error) => return Err(error.into_storage()),
            }
        }
    }

    async fn index(&self, tenant: TenantId, range: KeyRange, rows_max: usize) -> Result<Option<Index>, StorageError> {
        self.readers.read(async |connection| queries::index(connection, tenant, &range, rows_max).await).await
    }

    async fn count(&self, tenant: TenantId, range: KeyRange) -> Result<u64, StorageError> {
        self.readers.read(async |connection| queries::count(connection, tenant, &range).await).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<TenantRecord>, StorageError> {
        self.readers.read(async |connection| queries::tenant(connection, id).await).await
    }

    async fn tenant_named(&self, name: &str) -> Result<Option<TenantRecord>, StorageError> {
        self.readers.read(async |connection| queries::tenant_named(connection, name).await).await
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<Vec<TenantRecord>, StorageError> {
        self.readers.read(async |connection| queries::tenants(connection, after, limit).await).await
    }

    async fn tenants_deleting(&self, limit: usize) -> Result<Vec<TenantRecord>, StorageError> {
        self.readers.read(async |connection| queries::tenants_deleting(connection, limit).await).await
    }

    async fn has_rows(&self, tenant: TenantId, lane: u16) -> Result<bool, StorageError> {
        self.readers.read(async |connection| queries::has_rows(connection, tenant, lane).await).await
    }

    async fn due(&self, until_minute: u64, limit: usize) -> Result<Vec<(TenantId, Due)>, StorageError> {
        self.readers.read(async |connection| queries::due(connection, until_minute, limit).await).await
    }

    async fn dependents(&self, tenant: TenantId, owner: &str) -> Result<Vec<Key>, StorageError> {
        self.readers.read(async |connection| queries::dependents(connection, tenant, owner).await).await
    }

    async fn consumers(&self, lane: u16) -> Result<Vec<(String, u64)>, StorageError> {
        self.readers.read(async |connection| queries::consumers(connection, lane).await).await
    }

    async fn batches(
        &self,
        lane: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId, Revision)>, StorageError> {
        self.readers.read(async |connection| queries::batches(connection, lane, after, limit).await).await
    }

    async fn slice_tops(&self, lane: u16, slice: u64) -> Result<Vec<(TenantId, Revision)>, StorageError> {
        self.readers.read(async |connection| queries::slice_tops(connection, lane, slice).await).await
    }

    async fn base(&self, hash: BaseHash) -> Result<Option<Bytes>, StorageError> {
        self.readers.read(async |connection| queries::base(connection, hash).await).await
    }

    async fn close(&self) {
        self.readers.close();
        self.lanes.lock().await.clear();
    }
}
