//! From a batch to statements: one multi-row statement for each kind of row.

use tokio_postgres::types::ToSql;

use super::schema::{create_event_table, event_table};
use crate::engine::{Batch, SliceChange};
use crate::key::{KeyRange, TenantId, row_key};

/// Bits of an event's id that number the events of one batch.
pub(super) const PLACE_BITS: u32 = 20;

type Param = Box<dyn ToSql + Sync + Send>;

/// A statement and what to fill it with.
pub(super) struct Call {
    pub(super) sql: String,
    pub(super) params: Vec<Param>,
    /// Definitions are sent as they are; there is nothing to prepare.
    pub(super) definition: bool,
}

impl Call {
    fn new(sql: impl Into<String>, params: Vec<Param>) -> Call {
        Call { sql: sql.into(), params, definition: false }
    }

    fn definition(sql: String) -> Call {
        Call { sql, params: Vec::new(), definition: true }
    }
}

fn column<T: ToSql + Sync + Send + 'static>(values: impl Iterator<Item = T>) -> Param
where
    Vec<T>: ToSql,
{
    Box::new(values.collect::<Vec<T>>())
}

fn number(value: u64) -> Param {
    Box::new(value as i64)
}

fn id(tenant: TenantId) -> i64 {
    i64::from(tenant.get())
}

/// Returns the statements of a batch, in order. The first one moves the lane; the batch counts only if it moved a row.
pub(super) fn calls(batch: &Batch) -> Vec<Call> {
    let lane = &batch.lane;
    let fence = Call::new(
        "UPDATE lane SET sequence = $1::bigint, slice = $2, opened_ms = $3, slice_bytes = $4
         WHERE lane = $5 AND epoch = $6 AND sequence = $1::bigint - 1",
        vec![
            number(lane.sequence),
            number(lane.slice),
            number(lane.opened_ms),
            number(lane.slice_bytes),
            Box::new(i32::from(lane.lane)),
            number(lane.epoch),
        ],
    );
    let mut calls = vec![fence];
    for change in &batch.slices {
        slice(lane.lane, *change, &mut calls);
    }
    tenants(batch, &mut calls);
    objects(batch, &mut calls);
    events(batch, &mut calls);
    indexes(batch, &mut calls);
    store(batch, &mut calls);
    calls
}

fn slice(lane: u16, change: SliceChange, calls: &mut Vec<Call>) {
    match change {
        SliceChange::Create(slice) => calls.push(Call::definition(create_event_table(lane, slice))),
        SliceChange::Close(row) => calls.push(Call::new(
            "INSERT INTO slice VALUES ($1, $2, $3, $4, $5)",
            vec![
                Box::new(i32::from(lane)),
                number(row.slice),
                number(row.closed_ms),
                number(row.last_sequence),
                number(row.bytes),
            ],
        )),
        SliceChange::Drop(slice) => {
            let forget = "DELETE FROM slice WHERE lane = $1 AND slice = $2";
            calls.push(Call::new(forget, vec![Box::new(i32::from(lane)), number(slice)]));
            calls.push(Call::definition(format!("DROP TABLE IF EXISTS {}", event_table(lane, slice))));
        }
    }
}

fn tenants(batch: &Batch, calls: &mut Vec<Call>) {
    if !batch.tenants.is_empty() {
        let rows = &batch.tenants;
        calls.push(Call::new(
            "INSERT INTO tenant SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::bytea[],
                 $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bigint[])
             ON CONFLICT (id) DO UPDATE SET lane = excluded.lane, name = excluded.name, record = excluded.record,
                 body = excluded.body, crc = excluded.crc",
            vec![
                column(rows.iter().map(|row| id(row.id))),
                column(rows.iter().map(|row| i32::from(row.lane))),
                column(rows.iter().map(|row| row.name.clone())),
                column(rows.iter().map(|row| row.record.to_vec())),
                column(rows.iter().map(|row| row.head.revision.get() as i64)),
                column(rows.iter().map(|row| row.head.usage.objects)),
                column(rows.iter().map(|row| row.head.usage.bytes)),
                column(rows.iter().map(|row| row.floor.get() as i64)),
                column(rows.iter().map(|row| row.body())),
                column(rows.iter().map(|row| i64::from(row.checksum()))),
            ],
        ));
    }
    // Rows are locked in the order of their ids, whichever lane does it, so that lanes cannot wait for each other.
    if !batch.heads.is_empty() {
        let rows = &batch.heads;
        calls.push(Call::new(
            "UPDATE tenant SET head = r, objects = o, bytes = b
             FROM (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS t (i, r, o, b)
             ORDER BY i) AS moved WHERE id = i",
            vec![
                column(rows.iter().map(|(tenant, _)| id(*tenant))),
                column(rows.iter().map(|(_, head)| head.revision.get() as i64)),
                column(rows.iter().map(|(_, head)| head.usage.objects)),
                column(rows.iter().map(|(_, head)| head.usage.bytes)),
            ],
        ));
    }
    if !batch.floors.is_empty() {
        let rows = &batch.floors;
        calls.push(Call::new(
            "UPDATE tenant SET floor = greatest(floor, r)
             FROM (SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS t (i, r) ORDER BY i) AS moved WHERE id = i",
            vec![
                column(rows.iter().map(|(tenant, _)| id(*tenant))),
                column(rows.iter().map(|(_, revision)| revision.get() as i64)),
            ],
        ));
    }
}

fn objects(batch: &Batch, calls: &mut Vec<Call>) {
    if !batch.objects.is_empty() {
        let rows = &batch.objects;
        calls.push(Call::new(
            "INSERT INTO object SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[],
                 $5::boolean[], $6::bytea[], $7::bigint[])
             ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, schema = excluded.schema,
                 splice = excluded.splice, tombstone = excluded.tombstone, value = excluded.value, crc = excluded.crc",
            vec![
                column(rows.iter().map(|row| row_key(row.tenant, row.key.as_bytes()))),
                column(rows.iter().map(|row| row.revision.get() as i64)),
                column(rows.iter().map(|row| row.stamp.schema as i64)),
                column(rows.iter().map(|row| i64::from(row.stamp.splice))),
                column(rows.iter().map(|row| row.tombstone)),
                column(rows.iter().map(|row| row.value.to_vec())),
                column(rows.iter().map(|row| i64::from(row.crc))),
            ],
        ));
    }
    if !batch.removed.is_empty() {
        let keys = batch.removed.iter().map(|(tenant, key)| row_key(*tenant, key.as_bytes()));
        calls.push(Call::new("DELETE FROM object WHERE key = ANY($1::bytea[])", vec![column(keys)]));
    }
}

fn events(batch: &Batch, calls: &mut Vec<Call>) {
    if batch.events.is_empty() {
        return;
    }
    let rows = &batch.events;
    let table = event_table(batch.lane.lane, batch.lane.slice);
    calls.push(Call::new(
        format!(
            "INSERT INTO {table} SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[],
                 $5::integer[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bigint[])"
        ),
        vec![
            column(rows.iter().map(|row| (row.sequence << PLACE_BITS | u64::from(row.place)) as i64)),
            column(rows.iter().map(|row| id(row.tenant))),
            column(rows.iter().map(|row| row.revision.get() as i64)),
            column(rows.iter().map(|row| row.key.as_bytes().to_vec())),
            column(rows.iter().map(|row| i32::from(row.kind.code()))),
            column(rows.iter().map(|row| row.previous.get() as i64)),
            column(rows.iter().map(|row| row.previous_stamp.schema as i64)),
            column(rows.iter().map(|row| i64::from(row.previous_stamp.splice))),
            column(rows.iter().map(|row| row.back.to_vec())),
            column(rows.iter().map(|row| i64::from(row.crc))),
        ],
    ));
}

fn indexes(batch: &Batch, calls: &mut Vec<Call>) {
    let due = [
        (
            true,
            "INSERT INTO due SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bytea[])
             ON CONFLICT DO NOTHING",
        ),
        (
            false,
            "DELETE FROM due USING unnest($1::bigint[], $2::bigint[], $3::text[], $4::bytea[]) AS r (m, t, d, k)
             WHERE minute = m AND tenant = t AND kind = d AND key = k",
        ),
    ];
    for (add, sql) in due {
        let rows: Vec<_> = batch.due.iter().filter(|row| row.2 == add).collect();
        if !rows.is_empty() {
            let params = vec![
                column(rows.iter().map(|row| row.1.minute as i64)),
                column(rows.iter().map(|row| id(row.0))),
                column(rows.iter().map(|row| row.1.kind.clone())),
                column(rows.iter().map(|row| row.1.key.clone())),
            ];
            calls.push(Call::new(sql, params));
        }
    }
    let owners = [
        (true, "INSERT INTO owner SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[]) ON CONFLICT DO NOTHING"),
        (
            false,
            "DELETE FROM owner USING unnest($1::bigint[], $2::text[], $3::bytea[]) AS r (t, u, k)
             WHERE tenant = t AND uid = u AND key = k",
        ),
    ];
    for (add, sql) in owners {
        let rows: Vec<_> = batch.owners.iter().filter(|row| row.3 == add).collect();
        if !rows.is_empty() {
            let params = vec![
                column(rows.iter().map(|row| id(row.0))),
                column(rows.iter().map(|row| row.1.clone())),
                column(rows.iter().map(|row| row.2.as_bytes().to_vec())),
            ];
            calls.push(Call::new(sql, params));
        }
    }
}

fn store(batch: &Batch, calls: &mut Vec<Call>) {
    let lane = i32::from(batch.lane.lane);
    for (name, sequence) in &batch.consumers {
        let name = Box::new(name.clone());
        calls.push(match sequence {
            Some(sequence) => Call::new(
                "INSERT INTO consumer VALUES ($1, $2, $3)
                 ON CONFLICT (lane, name) DO UPDATE SET sequence = excluded.sequence",
                vec![Box::new(lane), name, number(*sequence)],
            ),
            None => Call::new("DELETE FROM consumer WHERE lane = $1 AND name = $2", vec![Box::new(lane), name]),
        });
    }
    for (hash, body) in &batch.bases {
        let insert = "INSERT INTO base VALUES ($1, $2) ON CONFLICT DO NOTHING";
        calls.push(Call::new(insert, vec![Box::new(hash.to_vec()), Box::new(body.to_vec())]));
    }
    for (name, mark) in [("next_tenant", batch.next_tenant), ("revision_mark", batch.revision_mark)] {
        if mark > 0 {
            let raise = "UPDATE meta SET value = greatest(value, $1) WHERE name = $2";
            calls.push(Call::new(raise, vec![number(mark), Box::new(name)]));
        }
    }
    if !batch.forget.is_empty() {
        let ids = column(batch.forget.iter().map(|tenant| id(*tenant)));
        calls.push(Call::new("DELETE FROM tenant WHERE id = ANY($1::bigint[])", vec![ids]));
    }
}

/// Returns the statements that remove up to so many rows of each kind of a tenant. `slices` may hold its events.
pub(super) fn purge(lane: u16, slices: &[u64], tenant: TenantId, limit: u32) -> Vec<Call> {
    let (from, to) = KeyRange { from: Vec::new(), to: None }.rows(tenant);
    let limit = i64::from(limit);
    let mut calls = vec![Call::new(
        "DELETE FROM object WHERE key IN (SELECT key FROM object WHERE key >= $1 AND key < $2 LIMIT $3)",
        vec![Box::new(from), Box::new(to), Box::new(limit)],
    )];
    let of_tenant = || -> Vec<Param> { vec![Box::new(id(tenant)), Box::new(limit)] };
    for slice in slices {
        let table = event_table(lane, *slice);
        let events = format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE tenant = $1 LIMIT $2)");
        calls.push(Call::new(events, of_tenant()));
    }
    let due = "DELETE FROM due WHERE (minute, tenant, kind, key) IN
        (SELECT minute, tenant, kind, key FROM due WHERE tenant = $1 LIMIT $2)";
    calls.push(Call::new(due, of_tenant()));
    let owners = "DELETE FROM owner WHERE (tenant, uid, key) IN
        (SELECT tenant, uid, key FROM owner WHERE tenant = $1 LIMIT $2)";
    calls.push(Call::new(owners, of_tenant()));
    calls
}
