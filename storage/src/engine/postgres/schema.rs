//! Tables in PostgreSQL. `docs/storage-format.md` says what the columns mean.

use super::connect::Connection;
use super::failed;
use crate::engine::{FORMAT, Marks};
use crate::error::StorageError;

// Values are not compressed by the server (EXTERNAL): that costs it more than the bytes. Room in the pages lets updates
// stay where they are (HOT), as no index holds a column that changes.
const TABLES: &str = r#"
CREATE SCHEMA IF NOT EXISTS kplex;
CREATE TABLE meta (name text PRIMARY KEY, value bigint NOT NULL);
CREATE TABLE lane (lane integer PRIMARY KEY, owner bigint NOT NULL, epoch bigint NOT NULL, sequence bigint NOT NULL,
    slice bigint NOT NULL, opened_ms bigint NOT NULL, slice_bytes bigint NOT NULL) WITH (fillfactor = 10);
CREATE TABLE slice (lane integer, slice bigint, closed_ms bigint NOT NULL, last_sequence bigint NOT NULL,
    bytes bigint NOT NULL, PRIMARY KEY (lane, slice));
CREATE TABLE tenant (id bigint PRIMARY KEY, lane integer NOT NULL, name text COLLATE "C" UNIQUE, record bytea NOT NULL,
    head bigint NOT NULL, objects bigint NOT NULL, bytes bigint NOT NULL, floor bigint NOT NULL, body bytea NOT NULL, crc bigint NOT NULL) WITH (fillfactor = 70);
CREATE INDEX tenant_deleting ON tenant (id) WHERE name IS NULL;
CREATE TABLE object (key bytea PRIMARY KEY, revision bigint NOT NULL, schema bigint NOT NULL, splice bigint NOT NULL,
    tombstone boolean NOT NULL, value bytea NOT NULL, crc bigint NOT NULL) WITH (fillfactor = 70);
ALTER TABLE object ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE TABLE due (minute bigint, tenant bigint, kind text COLLATE "C", key bytea, PRIMARY KEY (minute, tenant, kind, key));
CREATE INDEX due_tenant ON due (tenant);
CREATE TABLE owner (tenant bigint, uid text COLLATE "C", key bytea, PRIMARY KEY (tenant, uid, key));
CREATE TABLE consumer (lane integer, name text COLLATE "C", sequence bigint NOT NULL, PRIMARY KEY (lane, name));
CREATE TABLE base (hash bytea PRIMARY KEY, body bytea NOT NULL);
"#;

/// Makes the tables where they are missing, and refuses another format.
pub(super) async fn prepare(connection: &mut Connection) -> Result<(), StorageError> {
    let preparing = |error| failed("prepare database", &error);
    let client = &mut connection.client;
    let there = client.query_one("SELECT to_regclass('kplex.meta') IS NOT NULL", &[]).await.map_err(preparing)?;
    if !there.get::<_, bool>(0) {
        let create = format!(
            "BEGIN; {TABLES}
             INSERT INTO meta VALUES ('format', {FORMAT}), ('next_tenant', 1), ('revision_mark', 0); COMMIT"
        );
        // Two processes may get here at once; the one that loses finds the tables made by the other.
        if let Err(error) = client.batch_execute(&create).await {
            client.batch_execute("ROLLBACK").await.map_err(preparing)?;
            let there = client.query_one("SELECT to_regclass('kplex.meta') IS NOT NULL", &[]).await;
            if !there.map_err(preparing)?.get::<_, bool>(0) {
                return Err(preparing(error));
            }
        }
    }
    let format = client.query_opt("SELECT value FROM meta WHERE name = 'format'", &[]).await.map_err(preparing)?;
    match format.map(|row| row.get::<_, i64>(0) as u64) {
        Some(FORMAT) => Ok(()),
        Some(format) => Err(StorageError::Unavailable(format!(
            "the database has storage format {format}, this release reads format {FORMAT}"
        ))),
        None => Err(StorageError::Corrupt("the database does not name its storage format".to_owned())),
    }
}

/// Makes missing lanes and reads the marks.
pub(super) async fn open(connection: &mut Connection, lanes: u16) -> Result<Marks, StorageError> {
    let opening = |error| failed("open lanes", &error);
    let transaction = connection.client.transaction().await.map_err(opening)?;
    // Whoever else is opening waits here.
    let marks = "SELECT name, value FROM meta ORDER BY name FOR UPDATE";
    let mut found = Marks::default();
    for row in transaction.query(marks, &[]).await.map_err(opening)? {
        match row.get(0) {
            "next_tenant" => found.next_tenant = row.get::<_, i64>(1) as u64,
            "revision_mark" => found.revision_mark = row.get::<_, i64>(1) as u64,
            _ => {}
        }
    }
    let there = transaction.query_one("SELECT count(*) FROM lane", &[]).await.map_err(opening)?;
    let there = there.get::<_, i64>(0) as u16;
    for lane in there..lanes {
        let insert = "INSERT INTO lane VALUES ($1, 0, 0, 0, 1, 0, 0)";
        transaction.execute(insert, &[&i32::from(lane)]).await.map_err(opening)?;
        for slice in [1, 2] {
            transaction.batch_execute(&create_event_table(lane, slice)).await.map_err(opening)?;
        }
    }
    transaction.commit().await.map_err(opening)?;
    found.lanes = there.max(lanes);
    Ok(found)
}

/// Returns the name of an event table.
pub(super) fn event_table(lane: u16, slice: u64) -> String {
    format!("event_{lane}_{slice}")
}

/// Returns the statements that make an event table.
pub(super) fn create_event_table(lane: u16, slice: u64) -> String {
    let table = event_table(lane, slice);
    format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, tenant bigint NOT NULL, revision bigint NOT NULL,
             key bytea NOT NULL, kind integer NOT NULL, previous bigint NOT NULL, schema bigint NOT NULL,
             splice bigint NOT NULL, back bytea NOT NULL, crc bigint NOT NULL);
         ALTER TABLE {table} ALTER COLUMN back SET STORAGE EXTERNAL;
         CREATE UNIQUE INDEX {table}_tenant ON {table} (tenant, revision)"
    )
}
