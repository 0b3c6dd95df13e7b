//! Reads.

use std::collections::BTreeSet;

use bytes::Bytes;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Row};

use super::calls::PLACE_BITS;
use super::connect::Connection;
use super::failed;
use super::schema::event_table;
use crate::base::BaseHash;
use crate::engine::{EventKind, EventRow, Head, Index, IndexRow, ObjectRow, Scan, TenantRecord, View, ViewQuery};
use crate::error::StorageError;
use crate::key::{Key, KeyRange, Revision, TenantId, row_key};
use crate::write::{Due, Stamp, Usage};

/// Why a read failed.
pub(super) enum ReadError {
    Database(tokio_postgres::Error),
    // Boxed: it is large and rare.
    Storage(Box<StorageError>),
}

impl ReadError {
    pub(super) fn into_storage(self) -> StorageError {
        match self {
            ReadError::Database(error) => failed("read database", &error),
            ReadError::Storage(error) => *error,
        }
    }
}

impl From<tokio_postgres::Error> for ReadError {
    fn from(error: tokio_postgres::Error) -> ReadError {
        ReadError::Database(error)
    }
}

impl From<StorageError> for ReadError {
    fn from(error: StorageError) -> ReadError {
        ReadError::Storage(Box::new(error))
    }
}

type Result<T> = std::result::Result<T, ReadError>;

/// Tells whether a read failed because an event slice was dropped meanwhile: a new one sees the raised floor.
pub(super) fn table_is_gone(error: &ReadError) -> bool {
    match error {
        ReadError::Database(error) => error.code() == Some(&SqlState::UNDEFINED_TABLE),
        ReadError::Storage(_) => false,
    }
}

fn number(row: &Row, column: usize) -> u64 {
    row.get::<_, i64>(column) as u64
}

fn small(row: &Row, column: usize, what: &str) -> Result<u32> {
    let damaged = |_| StorageError::Corrupt(format!("{what} out of range"));
    Ok(u32::try_from(row.get::<_, i64>(column)).map_err(damaged)?)
}

fn blob(row: &Row, column: usize) -> Bytes {
    Bytes::from(row.get::<_, Vec<u8>>(column).into_boxed_slice())
}

fn damaged_key(tenant: TenantId) -> StorageError {
    StorageError::Corrupt(format!("key of a row of tenant {tenant}"))
}

async fn query(connection: &mut Connection, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
    let statement = connection.prepare(sql).await?;
    Ok(connection.client.query(&statement, params).await?)
}

const OBJECT: &str = "SELECT key, revision, schema, splice, tombstone, value, crc FROM object";

pub(super) async fn view(connection: &mut Connection, wanted: &ViewQuery) -> Result<Option<View>> {
    let head = connection.prepare("SELECT head, floor FROM tenant WHERE id = $1").await?;
    let scan = format!("{OBJECT} WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3");
    let scan = connection.prepare(&scan).await?;
    let points = connection.prepare(&format!("{OBJECT} WHERE key = ANY($1::bytea[])")).await?;
    let slices = connection.prepare(SLICES).await?;
    let snapshot =
        connection.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = snapshot.start().await?;
    let client = transaction.client();
    let Some(marks) = client.query_opt(&head, &[&i64::from(wanted.tenant.get())]).await? else { return Ok(None) };
    let (head, floor) = (Revision::new(number(&marks, 0)), Revision::new(number(&marks, 1)));
    let mut view = View { head, floor, ..View::default() };
    if let Some((after, range)) = &wanted.undo {
        for row in client.query(&slices, &[&i32::from(wanted.lane)]).await? {
            events(client, wanted, number(&row, 0), *after, range, &mut view.events).await?;
        }
    }
    let touched: BTreeSet<Key> = view.events.iter().map(|event| event.key.clone()).collect();
    if let Some(wish) = &wanted.scan {
        scan_rows(client, &scan, wanted.tenant, wish, touched.len(), &mut view).await?;
    }
    let keys: BTreeSet<&Key> = wanted.keys.iter().chain(&touched).collect();
    if !keys.is_empty() {
        let keys: Vec<Vec<u8>> = keys.into_iter().map(|key| row_key(wanted.tenant, key.as_bytes())).collect();
        for row in client.query(&points, &[&keys]).await? {
            view.points.push(object(wanted.tenant, &row)?);
        }
    }
    transaction.commit().await?;
    Ok(Some(view))
}

/// One statement, so that head and rows are of one moment; a tenant without rows of the range gives one row of nulls.
pub(super) async fn index(
    connection: &mut Connection,
    tenant: TenantId,
    range: &KeyRange,
    rows_max: usize,
) -> Result<Option<Index>> {
    let read = "SELECT head, key, revision, schema, splice, tombstone, length(value) FROM tenant
        LEFT JOIN object ON key >= $2 AND key < $3 WHERE id = $1 ORDER BY key LIMIT $4";
    let (from, to) = range.rows(tenant);
    let limit = i64::try_from(rows_max.saturating_add(1)).unwrap_or(i64::MAX);
    let found = query(connection, read, &[&i64::from(tenant.get()), &from, &to, &limit]).await?;
    let Some(first) = found.first() else { return Ok(None) };
    let head = Revision::new(number(first, 0));
    let rows = found.iter().filter(|row| row.get::<_, Option<&[u8]>>(1).is_some()).take(rows_max);
    let rows: Result<Vec<IndexRow>> = rows
        .map(|row| {
            let length: i32 = row.get(6);
            Ok(IndexRow {
                key: key(tenant, row, 1)?,
                revision: Revision::new(number(row, 2)),
                stamp: Stamp { schema: number(row, 3), splice: small(row, 4, "splice")? },
                tombstone: row.get(5),
                length: length.unsigned_abs(),
            })
        })
        .collect();
    Ok(Some(Index { head, rows: rows?, more: rows_max < found.len() }))
}

fn key(tenant: TenantId, row: &Row, column: usize) -> Result<Key> {
    let key = row.get::<_, &[u8]>(column).get(4..).and_then(Key::parse);
    Ok(key.ok_or_else(|| damaged_key(tenant))?)
}

async fn scan_rows(
    client: &Client,
    statement: &tokio_postgres::Statement,
    tenant: TenantId,
    scan: &Scan,
    extra: usize,
    view: &mut View,
) -> Result<()> {
    let (from, to) = scan.range.rows(tenant);
    let rows_max = scan.rows_max.saturating_add(extra);
    // One more than wanted tells whether there are more.
    let limit = i64::try_from(rows_max.saturating_add(1)).unwrap_or(i64::MAX);
    let rows = client.query(statement, &[&from, &to, &limit]).await?;
    view.more = rows_max < rows.len();
    view.rows = rows.iter().take(rows_max).map(|row| object(tenant, row)).collect::<Result<_>>()?;
    Ok(())
}

fn object(tenant: TenantId, row: &Row) -> Result<ObjectRow> {
    Ok(ObjectRow {
        tenant,
        key: key(tenant, row, 0)?,
        revision: Revision::new(number(row, 1)),
        stamp: Stamp { schema: number(row, 2), splice: small(row, 3, "splice")? },
        tombstone: row.get(4),
        value: blob(row, 5),
        crc: small(row, 6, "crc")?,
    })
}

async fn events(
    client: &Client,
    wanted: &ViewQuery,
    slice: u64,
    after: Revision,
    range: &KeyRange,
    events: &mut Vec<EventRow>,
) -> Result<()> {
    let table = event_table(wanted.lane, slice);
    let read = format!(
        "SELECT id, revision, key, kind, previous, schema, splice, back, crc FROM {table}
         WHERE tenant = $1 AND revision > $2 AND key >= $3 AND ($4::bytea IS NULL OR key < $4) ORDER BY revision"
    );
    let (tenant, after) = (i64::from(wanted.tenant.get()), i64::try_from(after.get()).unwrap_or(i64::MAX));
    for row in client.query(&read, &[&tenant, &after, &range.from, &range.to]).await? {
        let revision = Revision::new(number(&row, 1));
        let damaged = || StorageError::Corrupt(format!("event {revision} of tenant {}", wanted.tenant));
        let key = Key::parse(row.get::<_, &[u8]>(2)).ok_or_else(damaged)?;
        let kind = u8::try_from(row.get::<_, i32>(3)).ok().and_then(EventKind::from_code).ok_or_else(damaged)?;
        events.push(EventRow {
            sequence: number(&row, 0) >> PLACE_BITS,
            place: (number(&row, 0) & ((1 << PLACE_BITS) - 1)) as u32,
            tenant: wanted.tenant,
            revision,
            key,
            kind,
            previous: Revision::new(number(&row, 4)),
            previous_stamp: Stamp { schema: number(&row, 5), splice: small(&row, 6, "splice")? },
            back: blob(&row, 7),
            crc: small(&row, 8, "crc")?,
        });
    }
    Ok(())
}

pub(super) async fn count(connection: &mut Connection, tenant: TenantId, range: &KeyRange) -> Result<u64> {
    let (from, to) = range.rows(tenant);
    let read = "SELECT count(*) FROM object WHERE key >= $1 AND key < $2 AND NOT tombstone";
    let rows = query(connection, read, &[&from, &to]).await?;
    Ok(rows.first().map_or(0, |row| number(row, 0)))
}

async fn records(connection: &mut Connection, rest: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<TenantRecord>> {
    let read = format!("SELECT id, lane, name, record, head, objects, bytes, floor, body, crc FROM tenant {rest}");
    let rows = query(connection, &read, params).await?;
    let records = rows.iter().map(|row| {
        let damaged = |_| StorageError::Corrupt("lane of a tenant row".to_owned());
        let lane = u16::try_from(row.get::<_, i32>(1)).map_err(damaged)?;
        let (id, crc) = (small(row, 0, "tenant id")?, small(row, 9, "crc")?);
        let (record, body) = (blob(row, 3), blob(row, 8));
        let usage = Usage { objects: row.get(5), bytes: row.get(6) };
        let head = Head { revision: Revision::new(number(row, 4)), usage };
        Ok(TenantRecord::from_columns(id, lane, row.get(2), record, head, number(row, 7), &body, crc)?)
    });
    records.collect()
}

pub(super) async fn tenant(connection: &mut Connection, id: TenantId) -> Result<Option<TenantRecord>> {
    Ok(records(connection, "WHERE id = $1", &[&i64::from(id.get())]).await?.pop())
}

pub(super) async fn tenant_named(connection: &mut Connection, name: &str) -> Result<Option<TenantRecord>> {
    Ok(records(connection, "WHERE name = $1", &[&name]).await?.pop())
}

pub(super) async fn tenants(
    connection: &mut Connection,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<TenantRecord>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    records(connection, "WHERE name > $1 ORDER BY name LIMIT $2", &[&after.unwrap_or(""), &limit]).await
}

pub(super) async fn tenants_deleting(connection: &mut Connection, limit: usize) -> Result<Vec<TenantRecord>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    records(connection, "WHERE name IS NULL ORDER BY id LIMIT $1", &[&limit]).await
}

pub(super) async fn has_rows(connection: &mut Connection, tenant: TenantId, lane: u16) -> Result<bool> {
    let (from, to) = KeyRange { from: Vec::new(), to: None }.rows(tenant);
    let id = i64::from(tenant.get());
    let objects = "SELECT 1 FROM object WHERE key >= $1 AND key < $2 LIMIT 1";
    if !query(connection, objects, &[&from, &to]).await?.is_empty() {
        return Ok(true);
    }
    let mut tables = vec!["due".to_owned(), "owner".to_owned()];
    tables.extend(event_slices(connection, lane).await?.into_iter().map(|slice| event_table(lane, slice)));
    for table in tables {
        let read = format!("SELECT 1 FROM {table} WHERE tenant = $1 LIMIT 1");
        if !connection.client.query(&read, &[&id]).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) async fn due(connection: &mut Connection, until: u64, limit: usize) -> Result<Vec<(TenantId, Due)>> {
    let read = "SELECT minute, tenant, kind, key FROM due WHERE minute <= $1
        ORDER BY minute, tenant, kind, key LIMIT $2";
    let until = i64::try_from(until).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query(connection, read, &[&until, &limit]).await?;
    let due = rows.iter().map(|row| {
        let due = Due { minute: number(row, 0), kind: row.get(2), key: row.get(3) };
        Ok((TenantId::new(small(row, 1, "tenant id")?), due))
    });
    due.collect()
}

pub(super) async fn dependents(connection: &mut Connection, tenant: TenantId, owner: &str) -> Result<Vec<Key>> {
    let read = "SELECT key FROM owner WHERE tenant = $1 AND uid = $2 ORDER BY key";
    let rows = query(connection, read, &[&i64::from(tenant.get()), &owner]).await?;
    let keys = rows.iter().map(|row| Ok(Key::parse(row.get(0)).ok_or_else(|| damaged_key(tenant))?));
    keys.collect()
}

pub(super) async fn consumers(connection: &mut Connection, lane: u16) -> Result<Vec<(String, u64)>> {
    let read = "SELECT name, sequence FROM consumer WHERE lane = $1";
    let rows = query(connection, read, &[&i32::from(lane)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), number(row, 1))).collect())
}

pub(super) async fn batches(
    connection: &mut Connection,
    lane: u16,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, TenantId, Revision)>> {
    let mut batches = Vec::new();
    let first = ((after + 1) << PLACE_BITS) as i64;
    for slice in event_slices(connection, lane).await? {
        let table = event_table(lane, slice);
        let read = format!("SELECT id, tenant, revision FROM {table} WHERE id >= $1 ORDER BY id LIMIT $2");
        let left = (limit - batches.len()) as i64;
        for row in connection.client.query(&read, &[&first, &left]).await? {
            let tenant = TenantId::new(small(&row, 1, "tenant id")?);
            batches.push((number(&row, 0) >> PLACE_BITS, tenant, Revision::new(number(&row, 2))));
        }
        if batches.len() >= limit {
            break;
        }
    }
    Ok(batches)
}

pub(super) async fn slice_tops(
    connection: &mut Connection,
    lane: u16,
    slice: u64,
) -> Result<Vec<(TenantId, Revision)>> {
    let read =
        format!("SELECT tenant, max(revision) FROM {} GROUP BY tenant ORDER BY tenant", event_table(lane, slice));
    let rows = connection.client.query(&read, &[]).await?;
    let tops = rows.iter().map(|row| Ok((TenantId::new(small(row, 0, "tenant id")?), Revision::new(number(row, 1)))));
    tops.collect()
}

pub(super) async fn base(connection: &mut Connection, hash: BaseHash) -> Result<Option<Bytes>> {
    let rows = query(connection, "SELECT body FROM base WHERE hash = $1", &[&hash.as_slice()]).await?;
    Ok(rows.first().map(|row| blob(row, 0)))
}

const SLICES: &str = "SELECT slice FROM slice WHERE lane = $1 UNION SELECT slice FROM lane WHERE lane = $1 ORDER BY 1";

/// Returns the slices of a lane that may hold events, oldest first.
pub(super) async fn event_slices(
    connection: &mut Connection,
    lane: u16,
) -> std::result::Result<Vec<u64>, tokio_postgres::Error> {
    let statement = connection.prepare(SLICES).await?;
    let rows = connection.client.query(&statement, &[&i32::from(lane)]).await?;
    Ok(rows.iter().map(|row| number(row, 0)).collect())
}
