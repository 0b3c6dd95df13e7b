//! From queued works to the rows of a batch: each row once, the last state wins.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{RowChange, Work};
use crate::engine::{Batch, EventRow, Head, ObjectRow, TenantRecord};
use crate::event::Event;
use crate::key::{Key, Revision, TenantId};
use crate::rewind;
use crate::write::{Due, Stamp};

/// Fills a batch from works, in their order.
pub(super) fn fill(batch: &mut Batch, works: &[Work]) {
    let mut heads: BTreeMap<TenantId, Head> = BTreeMap::new();
    let mut tenants: BTreeMap<TenantId, &TenantRecord> = BTreeMap::new();
    let mut objects: BTreeMap<(TenantId, &Key), (&Event, RowChange)> = BTreeMap::new();
    let mut due: BTreeMap<(TenantId, &Due), bool> = BTreeMap::new();
    let mut owners: BTreeMap<(TenantId, &str, &Key), bool> = BTreeMap::new();
    for work in works {
        let tenant = work.tenant.id;
        for (event, row) in &work.events {
            batch.events.push(event_row(batch.lane.sequence, batch.events.len(), tenant, event));
            objects.insert((tenant, &event.key), (event, *row));
        }
        heads.extend(work.head.map(|head| (tenant, head)));
        due.extend(work.due.iter().map(|(due, add)| ((tenant, due), *add)));
        owners.extend(work.owners.iter().map(|(uid, key, add)| ((tenant, uid.as_str(), key), *add)));
        tenants.extend(work.record.as_ref().map(|record| (tenant, record)));
        batch.next_tenant = batch.next_tenant.max(work.next_tenant);
        batch.revision_mark = batch.revision_mark.max(work.revision_mark);
        batch.purge.extend(work.purge.map(|rows| (tenant, rows)));
        batch.forget.extend(work.forget.then_some(tenant));
    }
    for ((tenant, key), (event, row)) in objects {
        match row {
            RowChange::Base => {}
            RowChange::Remove => batch.removed.push((tenant, key.clone())),
            RowChange::Put | RowChange::Tombstone => batch.objects.push(object_row(tenant, event)),
        }
    }
    batch.heads = heads.into_iter().collect();
    batch.tenants = tenants.into_values().cloned().collect();
    batch.due = due.into_iter().map(|((tenant, due), add)| (tenant, due.clone(), add)).collect();
    batch.owners =
        owners.into_iter().map(|((tenant, uid, key), add)| (tenant, uid.to_owned(), key.clone(), add)).collect();
}

fn object_row(tenant: TenantId, event: &Event) -> ObjectRow {
    let (stamp, value) = match &event.after {
        Some(entry) => (entry.stamp, entry.value.clone()),
        None => (Stamp::default(), Bytes::new()),
    };
    let (key, tombstone) = (event.key.clone(), event.after.is_none());
    ObjectRow { tenant, key, revision: event.revision, stamp, tombstone, value, crc: 0 }.sealed()
}

fn event_row(sequence: u64, place: usize, tenant: TenantId, event: &Event) -> EventRow {
    let (kind, back) = rewind::way_back(event.before.as_ref(), event.after.as_ref());
    let row = EventRow {
        sequence,
        place: u32::try_from(place).expect("a batch is bounded"),
        tenant,
        revision: event.revision,
        key: event.key.clone(),
        kind,
        previous: event.before.as_ref().map_or(Revision::ZERO, |entry| entry.revision),
        previous_stamp: event.before.as_ref().map_or(Stamp::default(), |entry| entry.stamp),
        back,
        crc: 0,
    };
    row.sealed()
}
