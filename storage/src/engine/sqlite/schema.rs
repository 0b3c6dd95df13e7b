//! Tables and settings of the SQLite file. `docs/storage-format.md` says what the columns mean.

use rusqlite::{Connection, OptionalExtension};

use super::unavailable;
use crate::engine::FORMAT;
use crate::error::StorageError;

/// Marks the file as ours for `file(1)` and against opening somebody else's database: "KPLX".
const APPLICATION_ID: i64 = 0x4b50_4c58;

const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE lane (lane INTEGER PRIMARY KEY, owner INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
    slice INTEGER NOT NULL, opened_ms INTEGER NOT NULL, slice_bytes INTEGER NOT NULL);
CREATE TABLE slice (lane INTEGER NOT NULL, slice INTEGER NOT NULL, closed_ms INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (lane, slice)) WITHOUT ROWID;
CREATE TABLE tenant (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, name TEXT UNIQUE, record BLOB NOT NULL,
    head INTEGER NOT NULL, objects INTEGER NOT NULL, bytes INTEGER NOT NULL, floor INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX tenant_deleting ON tenant (id) WHERE name IS NULL;
CREATE TABLE object (key BLOB PRIMARY KEY, revision INTEGER NOT NULL, schema INTEGER NOT NULL,
    splice INTEGER NOT NULL, tombstone INTEGER NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE due (minute INTEGER NOT NULL, tenant INTEGER NOT NULL, kind TEXT NOT NULL, key BLOB NOT NULL,
    PRIMARY KEY (minute, tenant, kind, key)) WITHOUT ROWID;
CREATE INDEX due_tenant ON due (tenant);
CREATE TABLE owner (tenant INTEGER NOT NULL, uid TEXT NOT NULL, key BLOB NOT NULL,
    PRIMARY KEY (tenant, uid, key)) WITHOUT ROWID;
CREATE TABLE consumer (lane INTEGER NOT NULL, name TEXT NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (lane, name)) WITHOUT ROWID;
CREATE TABLE base (hash BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
";

/// Memory for pages, in kilobytes.
#[derive(Clone, Copy)]
pub(super) struct PageCache(pub(super) u32);

/// Settings of every connection.
pub(super) fn configure(connection: &Connection, pages: PageCache) -> Result<(), StorageError> {
    // 8 kB pages hold rows of 2 kB without overflow pages. The page size counts only while the file is empty.
    let settings = "
        PRAGMA page_size = 8192;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA journal_size_limit = 67108864;
        PRAGMA busy_timeout = 10000;
        PRAGMA trusted_schema = OFF;
    ";
    connection.execute_batch(settings).map_err(|error| unavailable("configure database", &error))?;
    let failed = |error: rusqlite::Error| unavailable("configure database", &error);
    connection.pragma_update(None, "cache_size", -i64::from(pages.0)).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Makes the tables in a new file, and refuses files that are not ours or of another format.
pub(super) fn prepare(connection: &Connection) -> Result<(), StorageError> {
    let failed = |error: rusqlite::Error| unavailable("prepare database", &error);
    let ours: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(failed)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if tables == 0 {
        let create = format!(
            "BEGIN EXCLUSIVE; PRAGMA application_id = {APPLICATION_ID}; {TABLES}
             INSERT INTO meta VALUES ('format', {FORMAT}), ('next_tenant', 1), ('revision_mark', 0); COMMIT;"
        );
        return connection.execute_batch(&create).map_err(failed);
    }
    if ours != APPLICATION_ID {
        return Err(StorageError::Unavailable("kplex.db is a database of another application".to_owned()));
    }
    let format = connection.query_row("SELECT value FROM meta WHERE name = 'format'", [], |row| row.get::<_, i64>(0));
    match format.optional().map_err(failed)? {
        Some(format) if format as u64 == FORMAT => Ok(()),
        Some(format) => Err(StorageError::Unavailable(format!(
            "kplex.db has storage format {format}, this release reads format {FORMAT}"
        ))),
        None => Err(StorageError::Corrupt("kplex.db does not name its storage format".to_owned())),
    }
}

/// Returns the name of an event table.
pub(super) fn event_table(lane: u16, slice: u64) -> String {
    format!("event_{lane}_{slice}")
}

/// Returns the statements that make an event table.
pub(super) fn create_event_table(lane: u16, slice: u64) -> String {
    let table = event_table(lane, slice);
    format!(
        "CREATE TABLE {table} (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, revision INTEGER NOT NULL,
             key BLOB NOT NULL, kind INTEGER NOT NULL, previous INTEGER NOT NULL, schema INTEGER NOT NULL,
             splice INTEGER NOT NULL, back BLOB NOT NULL, crc INTEGER NOT NULL);
         CREATE UNIQUE INDEX {table}_tenant ON {table} (tenant, revision);"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_commit_is_synced() {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("kplex.db")).unwrap();
        configure(&connection, PageCache(512)).unwrap();
        let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, String>(0));
        let number = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        assert_eq!(pragma("journal_mode").unwrap(), "wal");
        assert_eq!(number("synchronous").unwrap(), 2, "2 is FULL");
        assert_eq!(number("wal_autocheckpoint").unwrap(), 0, "a connection of its own does that");
    }
}
