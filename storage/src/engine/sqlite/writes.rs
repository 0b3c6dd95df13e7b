//! Transactions of the writer thread.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, named_params, params};

use super::schema::{create_event_table, event_table};
use super::unavailable;
use crate::engine::{Batch, Claim, Head, Hold, LaneRow, Marks, Outcome, SliceChange, SliceRow};
use crate::error::StorageError;
use crate::key::{KeyRange, TenantId, row_key};

/// Bits of an event's row id that number the events of one batch.
pub(super) const PLACE_BITS: u32 = 20;

pub(super) fn open(connection: &mut Connection, lanes: u16) -> Result<Marks, StorageError> {
    let failed = |error: rusqlite::Error| unavailable("open lanes", &error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let there: u16 = transaction.query_row("SELECT count(*) FROM lane", [], |row| row.get(0)).map_err(failed)?;
    for lane in there..lanes {
        transaction.execute("INSERT INTO lane VALUES (?, 0, 0, 0, 1, 0, 0)", [lane]).map_err(failed)?;
        for slice in [1, 2] {
            transaction.execute_batch(&create_event_table(lane, slice)).map_err(failed)?;
        }
    }
    let mark =
        |name: &str| transaction.query_row("SELECT value FROM meta WHERE name = ?", [name], |row| row.get::<_, i64>(0));
    let marks = Marks {
        next_tenant: mark("next_tenant").map_err(failed)? as u64,
        revision_mark: mark("revision_mark").map_err(failed)? as u64,
        lanes: there.max(lanes),
    };
    transaction.commit().map_err(failed)?;
    Ok(marks)
}

pub(super) fn claim(
    connection: &mut Connection,
    lane: u16,
    owner: u64,
    hold: Hold,
) -> Result<Option<Claim>, StorageError> {
    let failed = |error: rusqlite::Error| unavailable("claim lane", &error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let claim = "UPDATE lane SET epoch = epoch + 1, owner = ?2 WHERE lane = ?1 AND (?3 OR owner = ?2)
        RETURNING epoch, sequence, slice, opened_ms, slice_bytes";
    let row = transaction
        .query_row(claim, params![lane, owner as i64, hold == Hold::Take], |row| {
            Ok(LaneRow {
                lane,
                epoch: row.get::<_, i64>(0)? as u64,
                sequence: row.get::<_, i64>(1)? as u64,
                slice: row.get::<_, i64>(2)? as u64,
                opened_ms: row.get::<_, i64>(3)? as u64,
                slice_bytes: row.get::<_, i64>(4)? as u64,
            })
        })
        .optional()
        .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let closed = {
        let read = "SELECT slice, closed_ms, last_sequence, bytes FROM slice WHERE lane = ? ORDER BY slice";
        let mut statement = transaction.prepare(read).map_err(failed)?;
        let rows = statement.query_map([lane], |row| {
            Ok(SliceRow {
                slice: row.get::<_, i64>(0)? as u64,
                closed_ms: row.get::<_, i64>(1)? as u64,
                last_sequence: row.get::<_, i64>(2)? as u64,
                bytes: row.get::<_, i64>(3)? as u64,
            })
        });
        rows.and_then(|rows| rows.collect()).map_err(failed)?
    };
    transaction.commit().map_err(failed)?;
    Ok(Some(Claim { row, closed }))
}

pub(super) fn commit(connection: &mut Connection, batch: &Batch) -> Outcome {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => return Outcome::Rejected(format!("begin transaction: {error}")),
    };
    match apply(&transaction, batch) {
        Ok(true) => {}
        Ok(false) => return Outcome::Rejected("the lane was taken over".to_owned()),
        Err(error) => return Outcome::Rejected(format!("write batch: {error}")),
    }
    match transaction.commit() {
        Ok(()) => Outcome::Durable,
        // The log may hold the commit although the sync failed. The claim that settles this writes over it or
        // finds it.
        Err(error) => Outcome::Unknown(format!("commit transaction: {error}")),
    }
}

/// Returns the bytes that the batch adds to the log, roughly.
pub(super) fn weight(batch: &Batch) -> u64 {
    let objects: usize = batch.objects.iter().map(|row| row.value.len() + 256).sum();
    let events: u64 = batch.events.iter().map(|row| row.weight()).sum();
    objects as u64 + events + 6 * 8_192
}

fn apply(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<bool> {
    let lane = &batch.lane;
    let moved = transaction
        .prepare_cached(
            "UPDATE lane SET sequence = :sequence, slice = :slice, opened_ms = :opened, slice_bytes = :bytes
             WHERE lane = :lane AND epoch = :epoch AND sequence = :sequence - 1",
        )?
        .execute(named_params! {
            ":sequence": lane.sequence as i64, ":slice": lane.slice as i64, ":opened": lane.opened_ms as i64,
            ":bytes": lane.slice_bytes as i64, ":lane": lane.lane, ":epoch": lane.epoch as i64,
        })?;
    if moved != 1 {
        return Ok(false);
    }
    for change in &batch.slices {
        apply_slice(transaction, lane.lane, *change)?;
    }
    apply_tenants(transaction, batch)?;
    apply_objects(transaction, batch)?;
    apply_events(transaction, batch)?;
    apply_indexes(transaction, batch)?;
    apply_store(transaction, batch)?;
    for (tenant, limit) in &batch.purge {
        purge(transaction, batch, *tenant, *limit)?;
    }
    for tenant in &batch.forget {
        transaction.prepare_cached("DELETE FROM tenant WHERE id = ?")?.execute([tenant.get()])?;
    }
    Ok(true)
}

fn apply_slice(transaction: &Transaction<'_>, lane: u16, change: SliceChange) -> rusqlite::Result<()> {
    match change {
        SliceChange::Create(slice) => transaction.execute_batch(&create_event_table(lane, slice)),
        SliceChange::Close(row) => {
            let insert = "INSERT INTO slice VALUES (?, ?, ?, ?, ?)";
            let (slice, closed, last) = (row.slice as i64, row.closed_ms as i64, row.last_sequence as i64);
            transaction.execute(insert, params![lane, slice, closed, last, row.bytes as i64]).map(drop)
        }
        SliceChange::Drop(slice) => {
            transaction.execute("DELETE FROM slice WHERE lane = ? AND slice = ?", params![lane, slice as i64])?;
            transaction.execute_batch(&format!("DROP TABLE IF EXISTS {}", event_table(lane, slice)))
        }
    }
}

fn apply_tenants(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    for row in &batch.tenants {
        transaction
            .prepare_cached(
                "INSERT INTO tenant VALUES
                     (:id, :lane, :name, :record, :head, :objects, :bytes, :floor, :body, :crc)
                 ON CONFLICT (id) DO UPDATE SET
                     lane = :lane, name = :name, record = :record, body = :body, crc = :crc",
            )?
            .execute(named_params! {
                ":id": row.id.get(), ":lane": row.lane, ":name": row.name, ":record": row.record.as_ref(),
                ":head": row.head.revision.get() as i64, ":objects": row.head.usage.objects,
                ":bytes": row.head.usage.bytes, ":floor": row.floor.get() as i64, ":body": row.body(),
                ":crc": row.checksum(),
            })?;
    }
    let mut head = transaction.prepare_cached("UPDATE tenant SET head = ?, objects = ?, bytes = ? WHERE id = ?")?;
    for (id, Head { revision, usage }) in &batch.heads {
        head.execute(params![revision.get() as i64, usage.objects, usage.bytes, id.get()])?;
    }
    let mut floor = transaction.prepare_cached("UPDATE tenant SET floor = max(floor, ?) WHERE id = ?")?;
    for (id, revision) in &batch.floors {
        floor.execute(params![revision.get() as i64, id.get()])?;
    }
    Ok(())
}

fn apply_objects(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    let mut put = transaction.prepare_cached(
        "INSERT INTO object VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET revision = excluded.revision,
         schema = excluded.schema, splice = excluded.splice, tombstone = excluded.tombstone, value = excluded.value,
         crc = excluded.crc",
    )?;
    for row in &batch.objects {
        let key = row_key(row.tenant, row.key.as_bytes());
        let (revision, schema) = (row.revision.get() as i64, row.stamp.schema as i64);
        put.execute(params![key, revision, schema, row.stamp.splice, row.tombstone, row.value.as_ref(), row.crc])?;
    }
    let mut remove = transaction.prepare_cached("DELETE FROM object WHERE key = ?")?;
    for (tenant, key) in &batch.removed {
        remove.execute([row_key(*tenant, key.as_bytes())])?;
    }
    Ok(())
}

fn apply_events(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    if batch.events.is_empty() {
        return Ok(());
    }
    let table = event_table(batch.lane.lane, batch.lane.slice);
    let insert = format!("INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let mut insert = transaction.prepare_cached(&insert)?;
    for row in &batch.events {
        let id = (row.sequence << PLACE_BITS | u64::from(row.place)) as i64;
        insert.execute(params![
            id,
            row.tenant.get(),
            row.revision.get() as i64,
            row.key.as_bytes(),
            row.kind.code(),
            row.previous.get() as i64,
            row.previous_stamp.schema as i64,
            row.previous_stamp.splice,
            row.back.as_ref(),
            row.crc
        ])?;
    }
    Ok(())
}

fn apply_indexes(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    for (tenant, due, add) in &batch.due {
        let sql = match add {
            true => "INSERT OR IGNORE INTO due VALUES (?, ?, ?, ?)",
            false => "DELETE FROM due WHERE minute = ? AND tenant = ? AND kind = ? AND key = ?",
        };
        transaction.prepare_cached(sql)?.execute(params![due.minute as i64, tenant.get(), due.kind, due.key])?;
    }
    for (tenant, uid, key, add) in &batch.owners {
        let sql = match add {
            true => "INSERT OR IGNORE INTO owner VALUES (?, ?, ?)",
            false => "DELETE FROM owner WHERE tenant = ? AND uid = ? AND key = ?",
        };
        transaction.prepare_cached(sql)?.execute(params![tenant.get(), uid, key.as_bytes()])?;
    }
    Ok(())
}

fn apply_store(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    for (name, sequence) in &batch.consumers {
        match sequence {
            Some(sequence) => transaction
                .prepare_cached("INSERT OR REPLACE INTO consumer VALUES (?, ?, ?)")?
                .execute(params![batch.lane.lane, name, *sequence as i64])?,
            None => transaction
                .prepare_cached("DELETE FROM consumer WHERE lane = ? AND name = ?")?
                .execute(params![batch.lane.lane, name])?,
        };
    }
    for (hash, body) in &batch.bases {
        transaction.execute("INSERT OR IGNORE INTO base VALUES (?, ?)", params![hash, body.as_ref()])?;
    }
    for (name, mark) in [("next_tenant", batch.next_tenant), ("revision_mark", batch.revision_mark)] {
        if mark > 0 {
            transaction
                .prepare_cached("UPDATE meta SET value = max(value, ?) WHERE name = ?")?
                .execute(params![mark as i64, name])?;
        }
    }
    Ok(())
}

fn purge(transaction: &Transaction<'_>, batch: &Batch, tenant: TenantId, limit: u32) -> rusqlite::Result<()> {
    let (from, to) = KeyRange { from: Vec::new(), to: None }.rows(tenant);
    let objects = "DELETE FROM object WHERE key IN (SELECT key FROM object WHERE key >= ? AND key < ? LIMIT ?)";
    transaction.prepare_cached(objects)?.execute(params![from, to, limit])?;
    for slice in event_slices(transaction, batch.lane.lane)? {
        let table = event_table(batch.lane.lane, slice);
        let events = format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE tenant = ? LIMIT ?)");
        transaction.prepare_cached(&events)?.execute(params![tenant.get(), limit])?;
    }
    let due = "DELETE FROM due WHERE (minute, tenant, kind, key) IN
        (SELECT minute, tenant, kind, key FROM due WHERE tenant = ? LIMIT ?)";
    transaction.prepare_cached(due)?.execute(params![tenant.get(), limit])?;
    let owners = "DELETE FROM owner WHERE (tenant, uid, key) IN
        (SELECT tenant, uid, key FROM owner WHERE tenant = ? LIMIT ?)";
    transaction.prepare_cached(owners)?.execute(params![tenant.get(), limit])?;
    Ok(())
}

/// Returns the slices of a lane that may hold events, oldest first.
pub(super) fn event_slices(connection: &Connection, lane: u16) -> rusqlite::Result<Vec<u64>> {
    let read = "SELECT slice FROM slice WHERE lane = ?1 UNION SELECT slice FROM lane WHERE lane = ?1 ORDER BY 1";
    let mut statement = connection.prepare_cached(read)?;
    let rows = statement.query_map([lane], |row| row.get::<_, i64>(0).map(|slice| slice as u64))?;
    rows.collect()
}
