//! Reads of the reader threads.

use std::collections::BTreeSet;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::schema::event_table;
use super::unavailable;
use super::writes::{PLACE_BITS, event_slices};
use crate::base::BaseHash;
use crate::engine::{EventKind, EventRow, Head, Index, IndexRow, ObjectRow, Scan, TenantRecord, View, ViewQuery};
use crate::error::StorageError;
use crate::key::{Key, KeyRange, Revision, TenantId, row_key};
use crate::write::{Due, Stamp, Usage};

type Result<T> = std::result::Result<T, StorageError>;

fn failed(error: rusqlite::Error) -> StorageError {
    unavailable("read database", &error)
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|value| value as u64)
}

fn blob(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    Ok(Bytes::copy_from_slice(row.get_ref(column)?.as_blob()?))
}

pub(super) fn view(connection: &mut Connection, query: &ViewQuery) -> Result<Option<View>> {
    // Deferred: the first statement fixes what all of them see.
    let transaction = connection.transaction().map_err(failed)?;
    let mut view = View::default();
    let Some(marks) = marks(&transaction, query.tenant)? else { return Ok(None) };
    (view.head, view.floor) = marks;
    let mut keys: BTreeSet<Key> = query.keys.iter().cloned().collect();
    if let Some((after, range)) = &query.undo {
        view.events = events(&transaction, query, *after, range)?;
    }
    let touched: BTreeSet<Key> = view.events.iter().map(|event| event.key.clone()).collect();
    if let Some(scan) = &query.scan {
        scan_rows(&transaction, query.tenant, scan, touched.len(), &mut view)?;
    }
    keys.extend(touched);
    for key in &keys {
        let read = "SELECT key, revision, schema, splice, tombstone, value, crc FROM object WHERE key = ?";
        let mut read = transaction.prepare_cached(read).map_err(failed)?;
        let row = row_key(query.tenant, key.as_bytes());
        let row = read.query_row([row], |row| Ok(object(query.tenant, row))).optional().map_err(failed)?;
        view.points.extend(row.transpose()?);
    }
    Ok(Some(view))
}

/// Returns head and floor of a tenant.
fn marks(connection: &Connection, tenant: TenantId) -> Result<Option<(Revision, Revision)>> {
    let read = "SELECT head, floor FROM tenant WHERE id = ?";
    let mut read = connection.prepare_cached(read).map_err(failed)?;
    let marks = read
        .query_row([tenant.get()], |row| Ok((Revision::new(number(row, 0)?), Revision::new(number(row, 1)?))))
        .optional();
    marks.map_err(failed)
}

pub(super) fn index(
    connection: &mut Connection,
    tenant: TenantId,
    range: &KeyRange,
    rows_max: usize,
) -> Result<Option<Index>> {
    let transaction = connection.transaction().map_err(failed)?;
    let Some((head, _)) = marks(&transaction, tenant)? else { return Ok(None) };
    let (from, to) = range.rows(tenant);
    // `length` of a blob reads the row's header; values on overflow pages are not touched.
    let read = "SELECT key, revision, schema, splice, tombstone, length(value) FROM object
        WHERE key >= ? AND key < ? ORDER BY key LIMIT ?";
    let mut read = transaction.prepare_cached(read).map_err(failed)?;
    let limit = i64::try_from(rows_max.saturating_add(1)).unwrap_or(i64::MAX);
    let mut found = read.query(params![from, to, limit]).map_err(failed)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        rows.push(index_row(tenant, row)?);
    }
    let more = rows_max < rows.len();
    rows.truncate(rows_max);
    Ok(Some(Index { head, rows, more }))
}

fn index_row(tenant: TenantId, row: &Row<'_>) -> Result<IndexRow> {
    let key = key(tenant, row)?;
    let columns = || {
        Ok(IndexRow {
            key,
            revision: Revision::new(number(row, 1)?),
            stamp: Stamp { schema: number(row, 2)?, splice: row.get(3)? },
            tombstone: row.get(4)?,
            length: row.get(5)?,
        })
    };
    columns().map_err(failed)
}

fn scan_rows(connection: &Connection, tenant: TenantId, scan: &Scan, extra: usize, view: &mut View) -> Result<()> {
    let (from, to) = scan.range.rows(tenant);
    let read = "SELECT key, revision, schema, splice, tombstone, value, crc FROM object
        WHERE key >= ? AND key < ? ORDER BY key";
    let mut read = connection.prepare_cached(read).map_err(failed)?;
    let mut rows = read.query(params![from, to]).map_err(failed)?;
    let rows_max = scan.rows_max.saturating_add(extra);
    while let Some(row) = rows.next().map_err(failed)? {
        if view.rows.len() >= rows_max {
            view.more = true;
            return Ok(());
        }
        view.rows.push(object(tenant, row)?);
    }
    Ok(())
}

fn object(tenant: TenantId, row: &Row<'_>) -> Result<ObjectRow> {
    let key = key(tenant, row)?;
    let columns = || {
        Ok(ObjectRow {
            tenant,
            key,
            revision: Revision::new(number(row, 1)?),
            stamp: Stamp { schema: number(row, 2)?, splice: row.get(3)? },
            tombstone: row.get(4)?,
            value: blob(row, 5)?,
            crc: row.get(6)?,
        })
    };
    columns().map_err(failed)
}

fn key(tenant: TenantId, row: &Row<'_>) -> Result<Key> {
    let key = row.get_ref(0).map_err(failed)?.as_blob().map_err(|_| damaged_key(tenant))?;
    key.get(4..).and_then(Key::parse).ok_or_else(|| damaged_key(tenant))
}

fn damaged_key(tenant: TenantId) -> StorageError {
    StorageError::Corrupt(format!("key of a row of tenant {tenant}"))
}

fn events(connection: &Connection, query: &ViewQuery, after: Revision, range: &KeyRange) -> Result<Vec<EventRow>> {
    let mut events = Vec::new();
    for slice in event_slices(connection, query.lane).map_err(failed)? {
        let table = event_table(query.lane, slice);
        let read = format!(
            "SELECT id, revision, key, kind, previous, schema, splice, back, crc FROM {table}
             WHERE tenant = ? AND revision > ? AND key >= ? AND (?4 IS NULL OR key < ?4) ORDER BY revision"
        );
        let mut read = connection.prepare_cached(&read).map_err(failed)?;
        let bounds = params![query.tenant.get(), after.get() as i64, range.from, range.to];
        let mut rows = read.query(bounds).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            events.push(event(query.tenant, row)?);
        }
    }
    Ok(events)
}

fn event(tenant: TenantId, row: &Row<'_>) -> Result<EventRow> {
    let revision = Revision::new(number(row, 1).map_err(failed)?);
    let damaged = || StorageError::Corrupt(format!("event {revision} of tenant {tenant}"));
    let key = blob(row, 2).ok().and_then(|key| Key::parse(&key)).ok_or_else(damaged)?;
    let kind = EventKind::from_code(row.get(3).map_err(failed)?).ok_or_else(damaged)?;
    let columns = || {
        let id = number(row, 0)?;
        Ok(EventRow {
            sequence: id >> PLACE_BITS,
            place: (id & ((1 << PLACE_BITS) - 1)) as u32,
            tenant,
            revision,
            key,
            kind,
            previous: Revision::new(number(row, 4)?),
            previous_stamp: Stamp { schema: number(row, 5)?, splice: row.get(6)? },
            back: blob(row, 7)?,
            crc: row.get(8)?,
        })
    };
    columns().map_err(failed)
}

pub(super) fn count(connection: &Connection, tenant: TenantId, range: &KeyRange) -> Result<u64> {
    let (from, to) = range.rows(tenant);
    let read = "SELECT count(*) FROM object WHERE key >= ? AND key < ? AND NOT tombstone";
    let mut read = connection.prepare_cached(read).map_err(failed)?;
    read.query_row(params![from, to], |row| number(row, 0)).map_err(failed)
}

const TENANT: &str = "SELECT id, lane, name, record, head, objects, bytes, floor, body, crc FROM tenant";

fn record(row: &Row<'_>) -> rusqlite::Result<Result<TenantRecord>> {
    let (record, body) = (blob(row, 3)?, blob(row, 8)?);
    let usage = Usage { objects: row.get(5)?, bytes: row.get(6)? };
    let head = Head { revision: Revision::new(number(row, 4)?), usage };
    let (id, lane, name, floor, crc) = (row.get(0)?, row.get(1)?, row.get(2)?, number(row, 7)?, row.get(9)?);
    Ok(TenantRecord::from_columns(id, lane, name, record, head, floor, &body, crc))
}

fn records(connection: &Connection, rest: &str, params: impl rusqlite::Params) -> Result<Vec<TenantRecord>> {
    let mut read = connection.prepare_cached(&format!("{TENANT} {rest}")).map_err(failed)?;
    let rows = read.query_map(params, record).map_err(failed)?;
    rows.map(|row| row.map_err(failed)?).collect()
}

pub(super) fn tenant(connection: &Connection, id: TenantId) -> Result<Option<TenantRecord>> {
    Ok(records(connection, "WHERE id = ?", [id.get()])?.pop())
}

pub(super) fn tenant_named(connection: &Connection, name: &str) -> Result<Option<TenantRecord>> {
    Ok(records(connection, "WHERE name = ?", [name])?.pop())
}

pub(super) fn tenants(connection: &Connection, after: &str, limit: usize) -> Result<Vec<TenantRecord>> {
    records(connection, "WHERE name > ? ORDER BY name LIMIT ?", params![after, limit as i64])
}

pub(super) fn tenants_deleting(connection: &Connection, limit: usize) -> Result<Vec<TenantRecord>> {
    records(connection, "WHERE name IS NULL ORDER BY id LIMIT ?", [limit as i64])
}

pub(super) fn has_rows(connection: &mut Connection, tenant: TenantId, lane: u16) -> Result<bool> {
    let transaction = connection.transaction().map_err(failed)?;
    let (from, to) = KeyRange { from: Vec::new(), to: None }.rows(tenant);
    let exists = |sql: &str, bounds: &[&dyn rusqlite::ToSql]| {
        transaction.prepare_cached(sql).and_then(|mut read| read.exists(bounds)).map_err(failed)
    };
    if exists("SELECT 1 FROM object WHERE key >= ? AND key < ? LIMIT 1", &[&from, &to])?
        || exists("SELECT 1 FROM due WHERE tenant = ? LIMIT 1", &[&tenant.get()])?
        || exists("SELECT 1 FROM owner WHERE tenant = ? LIMIT 1", &[&tenant.get()])?
    {
        return Ok(true);
    }
    for slice in event_slices(&transaction, lane).map_err(failed)? {
        let read = format!("SELECT 1 FROM {} WHERE tenant = ? LIMIT 1", event_table(lane, slice));
        if exists(&read, &[&tenant.get()])? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn due(connection: &Connection, until_minute: u64, limit: usize) -> Result<Vec<(TenantId, Due)>> {
    let read = "SELECT minute, tenant, kind, key FROM due WHERE minute <= ?
        ORDER BY minute, tenant, kind, key LIMIT ?";
    let mut read = connection.prepare_cached(read).map_err(failed)?;
    let until = i64::try_from(until_minute).unwrap_or(i64::MAX);
    let rows = read.query_map(params![until, limit as i64], |row| {
        let due = Due { minute: number(row, 0)?, kind: row.get(2)?, key: row.get(3)? };
        Ok((TenantId::new(row.get(1)?), due))
    });
    rows.and_then(|rows| rows.collect()).map_err(failed)
}

pub(super) fn dependents(connection: &Connection, tenant: TenantId, owner: &str) -> Result<Vec<Key>> {
    let read = "SELECT key FROM owner WHERE tenant = ? AND uid = ? ORDER BY key";
    let mut read = connection.prepare_cached(read).map_err(failed)?;
    let rows = read.query_map(params![tenant.get(), owner], |row| blob(row, 0)).map_err(failed)?;
    rows.map(|key| Key::parse(&key.map_err(failed)?).ok_or_else(|| damaged_key(tenant))).collect()
}

pub(super) fn consumers(connection: &Connection, lane: u16) -> Result<Vec<(String, u64)>> {
    let mut read = connection.prepare_cached("SELECT name, sequence FROM consumer WHERE lane = ?").map_err(failed)?;
    let rows = read.query_map([lane], |row| Ok((row.get(0)?, number(row, 1)?)));
    rows.and_then(|rows| rows.collect()).map_err(failed)
}

pub(super) fn batches(
    connection: &mut Connection,
    lane: u16,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, TenantId, Revision)>> {
    let transaction = connection.transaction().map_err(failed)?;
    let mut batches = Vec::new();
    let first = ((after + 1) << PLACE_BITS) as i64;
    for slice in event_slices(&transaction, lane).map_err(failed)? {
        let table = event_table(lane, slice);
        let read = format!("SELECT id, tenant, revision FROM {table} WHERE id >= ? ORDER BY id LIMIT ?");
        let mut read = transaction.prepare_cached(&read).map_err(failed)?;
        let left = (limit - batches.len()) as i64;
        let rows = read.query_map(params![first, left], |row| {
            Ok((number(row, 0)? >> PLACE_BITS, TenantId::new(row.get(1)?), Revision::new(number(row, 2)?)))
        });
        for row in rows.map_err(failed)? {
            batches.push(row.map_err(failed)?);
        }
        if batches.len() >= limit {
            break;
        }
    }
    Ok(batches)
}

pub(super) fn slice_tops(connection: &Connection, lane: u16, slice: u64) -> Result<Vec<(TenantId, Revision)>> {
    let table = event_table(lane, slice);
    let read = format!("SELECT tenant, max(revision) FROM {table} GROUP BY tenant");
    let mut read = connection.prepare(&read).map_err(failed)?;
    let rows = read.query_map([], |row| Ok((TenantId::new(row.get(0)?), Revision::new(number(row, 1)?))));
    rows.and_then(|rows| rows.collect()).map_err(failed)
}

pub(super) fn base(connection: &Connection, hash: BaseHash) -> Result<Option<Bytes>> {
    let mut read = connection.prepare_cached("SELECT body FROM base WHERE hash = ?").map_err(failed)?;
    read.query_row([hash.as_slice()], |row| blob(row, 0)).optional().map_err(failed)
}
