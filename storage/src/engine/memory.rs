//! Everything in maps: for tests, and the plainest statement of what an engine does.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::base::BaseHash;
use crate::engine::{
    Backend, Batch, Claim, EventRow, Hold, Index, IndexRow, LaneRow, Marks, ObjectRow, Outcome, SliceChange, SliceRow,
    TenantRecord, View, ViewQuery,
};
use crate::error::StorageError;
use crate::key::{Key, KeyRange, Revision, TenantId, row_key};
use crate::write::Due;

/// An engine whose rows live as long as it does; several stores may open it one after the other.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    lanes: BTreeMap<u16, Lane>,
    tenants: BTreeMap<TenantId, TenantRecord>,
    objects: BTreeMap<Vec<u8>, ObjectRow>,
    due: BTreeSet<(u64, TenantId, String, Vec<u8>)>,
    owners: BTreeSet<(TenantId, String, Key)>,
    bases: BTreeMap<BaseHash, Bytes>,
    next_tenant: u64,
    revision_mark: u64,
}

#[derive(Debug, Default)]
struct Lane {
    row: LaneRow,
    owner: u64,
    closed: Vec<SliceRow>,
    slices: BTreeMap<u64, BTreeMap<(TenantId, Revision), EventRow>>,
    consumers: BTreeMap<String, u64>,
}

impl MemoryEngine {
    /// Returns an empty engine.
    pub fn new() -> MemoryEngine {
        MemoryEngine::default()
    }
}

impl Tables {
    fn apply(&mut self, batch: &Batch) -> Result<(), String> {
        let lane = self.lanes.get_mut(&batch.lane.lane).ok_or("no such lane")?;
        if lane.row.epoch != batch.lane.epoch || lane.row.sequence + 1 != batch.lane.sequence {
            return Err("the lane was taken over".to_owned());
        }
        lane.row = batch.lane;
        for change in &batch.slices {
            match change {
                SliceChange::Create(slice) => drop(lane.slices.insert(*slice, BTreeMap::new())),
                SliceChange::Close(row) => lane.closed.push(*row),
                SliceChange::Drop(slice) => {
                    lane.closed.retain(|row| row.slice != *slice);
                    lane.slices.remove(slice);
                }
            }
        }
        let slice = lane.slices.get_mut(&batch.lane.slice).ok_or("the event slice is missing")?;
        for event in &batch.events {
            slice.insert((event.tenant, event.revision), event.clone());
        }
        for (name, sequence) in &batch.consumers {
            match sequence {
                Some(sequence) => drop(lane.consumers.insert(name.clone(), *sequence)),
                None => drop(lane.consumers.remove(name)),
            }
        }
        for row in &batch.tenants {
            let old = self.tenants.get(&row.id);
            let (head, floor) = old.map_or((row.head, row.floor), |old| (old.head, old.floor));
            self.tenants.insert(row.id, TenantRecord { head, floor, ..row.clone() });
        }
        self.apply_rows(batch);
        Ok(())
    }

    fn apply_rows(&mut self, batch: &Batch) {
        for (id, head) in &batch.heads {
            if let Some(row) = self.tenants.get_mut(id) {
                row.head = *head;
            }
        }
        for (id, floor) in &batch.floors {
            if let Some(row) = self.tenants.get_mut(id) {
                row.floor = row.floor.max(*floor);
            }
        }
        for row in &batch.objects {
            self.objects.insert(row_key(row.tenant, row.key.as_bytes()), row.clone());
        }
        for (tenant, key) in &batch.removed {
            self.objects.remove(&row_key(*tenant, key.as_bytes()));
        }
        for (tenant, due, add) in &batch.due {
            let row = (due.minute, *tenant, due.kind.clone(), due.key.clone());
            if *add {
                self.due.insert(row)
            } else {
                self.due.remove(&row)
            };
        }
        for (tenant, uid, key, add) in &batch.owners {
            let row = (*tenant, uid.clone(), key.clone());
            if *add {
                self.owners.insert(row)
            } else {
                self.owners.remove(&row)
            };
        }
        self.bases.extend(batch.bases.iter().cloned());
        self.next_tenant = self.next_tenant.max(batch.next_tenant);
        self.revision_mark = self.revision_mark.max(batch.revision_mark);
        for (tenant, limit) in &batch.purge {
            self.purge(*tenant, *limit as usize, batch.lane.lane);
        }
        for tenant in &batch.forget {
            self.tenants.remove(tenant);
        }
    }

    fn purge(&mut self, tenant: TenantId, limit: usize, lane: u16) {
        let keys: Vec<Vec<u8>> = self.objects_of(tenant).take(limit).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.objects.remove(&key);
        }
        for slice in self.lanes.get_mut(&lane).into_iter().flat_map(|lane| lane.slices.values_mut()) {
            let events: Vec<_> = slice.keys().filter(|(owner, _)| *owner == tenant).take(limit).copied().collect();
            for event in events {
                slice.remove(&event);
            }
        }
        let due: Vec<_> = self.due.iter().filter(|row| row.1 == tenant).take(limit).cloned().collect();
        for row in due {
            self.due.remove(&row);
        }
        let owners: Vec<_> = self.owners.iter().filter(|row| row.0 == tenant).take(limit).cloned().collect();
        for row in owners {
            self.owners.remove(&row);
        }
    }

    fn objects_of(&self, tenant: TenantId) -> impl Iterator<Item = (&Vec<u8>, &ObjectRow)> {
        self.objects_in(tenant, &KeyRange { from: Vec::new(), to: None })
    }

    fn objects_in<'a>(
        &'a self,
        tenant: TenantId,
        range: &KeyRange,
    ) -> impl Iterator<Item = (&'a Vec<u8>, &'a ObjectRow)> + use<'a> {
        let (from, to) = range.rows(tenant);
        let to = to.max(from.clone());
        self.objects.range(from..to)
    }

    fn view(&self, query: &ViewQuery) -> Option<View> {
        let tenant = self.tenants.get(&query.tenant)?;
        let mut view = View { head: tenant.head.revision, floor: tenant.floor, ..View::default() };
        let slices = self.lanes.get(&query.lane).into_iter().flat_map(|lane| lane.slices.values());
        if let Some((after, range)) = &query.undo {
            let from = (query.tenant, after.plus(1));
            let to = (query.tenant, Revision::new(u64::MAX));
            let events = slices.flat_map(|slice| slice.range(from..=to));
            view.events =
                events.map(|(_, row)| row).filter(|row| range.contains(row.key.as_bytes())).cloned().collect();
        }
        let touched: BTreeSet<Key> = view.events.iter().map(|event| event.key.clone()).collect();
        let keys: BTreeSet<&Key> = query.keys.iter().chain(&touched).collect();
        view.points =
            keys.iter().filter_map(|key| self.objects.get(&row_key(query.tenant, key.as_bytes()))).cloned().collect();
        if let Some(scan) = &query.scan {
            for (_, row) in self.objects_in(query.tenant, &scan.range) {
                if view.rows.len() >= scan.rows_max.saturating_add(touched.len()) {
                    view.more = true;
                    break;
                }
                view.rows.push(row.clone());
            }
        }
        Some(view)
    }

    fn index(&self, tenant: TenantId, range: &KeyRange, rows_max: usize) -> Option<Index> {
        let head = self.tenants.get(&tenant)?.head.revision;
        let mut rows = self.objects_in(tenant, range).map(|(_, row)| IndexRow {
            key: row.key.clone(),
            revision: row.revision,
            stamp: row.stamp,
            tombstone: row.tombstone,
            length: row.value.len() as u32,
        });
        let known = rows.by_ref().take(rows_max).collect();
        Some(Index { head, rows: known, more: rows.next().is_some() })
    }
}

#[async_trait]
impl Backend for MemoryEngine {
    async fn open(&self, lanes: u16) -> Result<Marks, StorageError> {
        let mut tables = self.tables.lock();
        for lane in 0..lanes {
            tables.lanes.entry(lane).or_insert_with(|| Lane {
                row: LaneRow { lane, slice: 1, ..LaneRow::default() },
                slices: BTreeMap::from([(1, BTreeMap::new()), (2, BTreeMap::new())]),
                ..Lane::default()
            });
        }
        let lanes = tables.lanes.len() as u16;
        Ok(Marks { next_tenant: tables.next_tenant, revision_mark: tables.revision_mark, lanes })
    }

    async fn claim(&self, lane: u16, owner: u64, hold: Hold) -> Result<Option<Claim>, StorageError> {
        let mut tables = self.tables.lock();
        let Some(lane) = tables.lanes.get_mut(&lane) else { return Ok(None) };
        if hold == Hold::Keep && lane.owner != owner {
            return Ok(None);
        }
        lane.owner = owner;
        lane.row.epoch += 1;
        Ok(Some(Claim { row: lane.row, closed: lane.closed.clone() }))
    }

    async fn commit(&self, batch: &Batch) -> Outcome {
        match self.tables.lock().apply(batch) {
            Ok(()) => Outcome::Durable,
            Err(why) => Outcome::Rejected(why),
        }
    }

    async fn view(&self, query: ViewQuery) -> Result<Option<View>, StorageError> {
        Ok(self.tables.lock().view(&query))
    }

    async fn index(&self, tenant: TenantId, range: KeyRange, rows_max: usize) -> Result<Option<Index>, StorageError> {
        Ok(self.tables.lock().index(tenant, &range, rows_max))
    }

    async fn count(&self, tenant: TenantId, range: KeyRange) -> Result<u64, StorageError> {
        Ok(self.tables.lock().objects_in(tenant, &range).filter(|(_, row)| !row.tombstone).count() as u64)
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<TenantRecord>, StorageError> {
        Ok(self.tables.lock().tenants.get(&id).cloned())
    }

    async fn tenant_named(&self, name: &str) -> Result<Option<TenantRecord>, StorageError> {
        Ok(self.tables.lock().tenants.values().find(|row| row.name.as_deref() == Some(name)).cloned())
    }

    async fn tenants(&self, after: Option<&str>, limit: usize) -> Result<Vec<TenantRecord>, StorageError> {
        let tables = self.tables.lock();
        let named = tables.tenants.values().filter_map(|row| row.name.as_deref().map(|name| (name, row)));
        let rest: BTreeMap<&str, &TenantRecord> =
            named.filter(|(name, _)| after.is_none_or(|after| after < *name)).collect();
        Ok(rest.into_values().take(limit).cloned().collect())
    }

    async fn tenants_deleting(&self, limit: usize) -> Result<Vec<TenantRecord>, StorageError> {
        Ok(self.tables.lock().tenants.values().filter(|row| row.name.is_none()).take(limit).cloned().collect())
    }

    async fn has_rows(&self, tenant: TenantId, lane: u16) -> Result<bool, StorageError> {
        let tables = self.tables.lock();
        let slices = tables.lanes.get(&lane).into_iter().flat_map(|lane| lane.slices.values());
        let events = slices.flat_map(|slice| slice.keys()).any(|(owner, _)| *owner == tenant);
        let index = tables.due.iter().any(|row| row.1 == tenant) || tables.owners.iter().any(|row| row.0 == tenant);
        Ok(events || index || tables.objects_of(tenant).next().is_some())
    }

    async fn due(&self, until_minute: u64, limit: usize) -> Result<Vec<(TenantId, Due)>, StorageError> {
        let tables = self.tables.lock();
        let ripe = tables.due.iter().take_while(|row| row.0 <= until_minute).take(limit);
        let due = ripe.map(|(minute, tenant, kind, key)| {
            (*tenant, Due { minute: *minute, kind: kind.clone(), key: key.clone() })
        });
        Ok(due.collect())
    }

    async fn dependents(&self, tenant: TenantId, owner: &str) -> Result<Vec<Key>, StorageError> {
        let tables = self.tables.lock();
        let rows = tables.owners.iter().filter(|row| row.0 == tenant && row.1 == owner);
        Ok(rows.map(|row| row.2.clone()).collect())
    }

    async fn consumers(&self, lane: u16) -> Result<Vec<(String, u64)>, StorageError> {
        let tables = self.tables.lock();
        let consumers = tables.lanes.get(&lane).into_iter().flat_map(|lane| &lane.consumers);
        Ok(consumers.map(|(name, sequence)| (name.clone(), *sequence)).collect())
    }

    async fn batches(
        &self,
        lane: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId, Revision)>, StorageError> {
        let tables = self.tables.lock();
        let slices = tables.lanes.get(&lane).into_iter().flat_map(|lane| lane.slices.values());
        let rows = slices.flat_map(|slice| slice.values()).filter(|row| row.sequence > after);
        let ordered: BTreeMap<_, _> =
            rows.map(|row| ((row.sequence, row.place), (row.sequence, row.tenant, row.revision))).collect();
        Ok(ordered.into_values().take(limit).collect())
    }

    async fn slice_tops(&self, lane: u16, slice: u64) -> Result<Vec<(TenantId, Revision)>, StorageError> {
        let tables = self.tables.lock();
        let slice = tables.lanes.get(&lane).and_then(|lane| lane.slices.get(&slice));
        let tops: BTreeMap<TenantId, Revision> = slice.into_iter().flat_map(|slice| slice.keys().copied()).collect();
        Ok(tops.into_iter().collect())
    }

    async fn base(&self, hash: BaseHash) -> Result<Option<Bytes>, StorageError> {
        Ok(self.tables.lock().bases.get(&hash).cloned())
    }

    async fn close(&self) {}
}
