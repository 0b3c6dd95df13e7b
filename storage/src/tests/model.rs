//! Random operations against a store and against a plain model of it, which must agree.
//!
//! Every run prints its seeds; `KPLEX_SEED=<seed>` replays one, `KPLEX_SEEDS=<count>` runs many.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::harness::*;
use crate::engine::fault::{Fault, FaultEngine};
use crate::engine::memory::MemoryEngine;
use crate::{
    Change, Due, Expect, Key, ListQuery, NewTenant, Op, Prefix, Revision, StorageError, Store, Tail, TenantLog,
};

/// SplitMix64: all a test needs, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// What one tenant should hold: every change it ever saw.
#[derive(Default)]
struct Model {
    start: Revision,
    /// State at creation, by path.
    first: BTreeMap<String, String>,
    /// Revision, path, value after.
    changes: Vec<(Revision, String, Option<String>)>,
    due: BTreeMap<Vec<u8>, u64>,
}

impl Model {
    fn head(&self) -> Revision {
        self.changes.last().map_or(self.start, |change| change.0)
    }

    fn at(&self, revision: Revision) -> BTreeMap<String, String> {
        let mut state = self.first.clone();
        for (_, path, value) in self.changes.iter().take_while(|change| change.0 <= revision) {
            match value {
                Some(value) => state.insert(path.clone(), value.clone()),
                None => state.remove(path),
            };
        }
        state
    }

    fn listed(&self, revision: Revision, prefix: &Prefix) -> Vec<(String, String)> {
        let prefix = String::from_utf8(prefix.as_bytes().to_vec()).unwrap();
        self.at(revision).into_iter().filter(|(path, _)| path.starts_with(&prefix)).collect()
    }
}

struct World {
    place: Place,
    faults: Option<Arc<FaultEngine>>,
    dice: Dice,
    store: Store,
    models: BTreeMap<String, Model>,
    logs: BTreeMap<String, TenantLog>,
    created: u32,
    tail: Tail,
    /// Committed changes that the tail has not shown yet, by tenant id and revision.
    untold: BTreeMap<(u32, u64), (String, Option<String>)>,
    /// Shown by the tail, not acknowledged when the store was closed: may come again.
    told: BTreeMap<(u32, u64), (String, Option<String>)>,
}

fn prefixes() -> Vec<Prefix> {
    vec![
        pods(),
        Prefix::namespace("", "pods", "default"),
        namespaces(),
        Prefix::resource("apps", "deployments"),
        Prefix::all(),
    ]
}

impl World {
    async fn run(place: Place, faults: Option<Arc<FaultEngine>>, seed: u64, steps: usize) {
        let store = place.open().await;
        let tail = store.tail("model");
        let mut world = World {
            place,
            faults,
            dice: Dice(seed),
            store,
            models: BTreeMap::new(),
            logs: BTreeMap::new(),
            created: 0,
            tail,
            untold: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        world.create().await;
        for _ in 0..steps {
            match world.dice.below(100) {
                0..45 => world.write().await,
                45..60 => world.list().await,
                60..70 => world.watch().await,
                70..76 => world.get_and_count().await,
                76..82 => world.race().await,
                82..86 => world.follow_tail(false).await,
                86..90 => world.pass_time().await,
                90..92 => world.create().await,
                92..93 => world.delete().await,
                93..96 => world.restart().await,
                96..98 => world.go_cold().await,
                _ => world.check_due().await,
            }
        }
        world.follow_tail(true).await;
        world.store.shutdown().await;
    }

    fn any(&mut self) -> (String, TenantLog) {
        let names: Vec<String> = self.models.keys().cloned().collect();
        let name = self.dice.pick(&names).clone();
        let log = self.logs[&name].clone();
        (name, log)
    }

    fn any_key(&mut self) -> Key {
        let name = format!("o{}", self.dice.below(6));
        match self.dice.below(4) {
            0 => Key::new("", "namespaces", None, ["default", "kube-system", "mine"][self.dice.below(3) as usize]),
            1 => Key::new("", "pods", Some("other"), &name),
            2 => Key::new("apps", "deployments", Some("default"), &name),
            _ => pod(&name),
        }
    }

    fn any_value(&mut self) -> String {
        let length = [0, 1, 10, 100, 3_000][self.dice.below(5) as usize];
        format!("{}-{}", self.dice.below(10), "v".repeat(length))
    }

    fn maybe_fault(&mut self) {
        let fault = match self.dice.below(8) {
            0 => Fault::Reject,
            1 => Fault::LoseAnswer,
            2 => Fault::LoseRequest,
            3 => Fault::ArriveLate,
            _ => return,
        };
        if let Some(faults) = &self.faults {
            faults.inject([fault]);
        }
    }

    async fn create(&mut self) {
        if self.models.len() >= 4 {
            return;
        }
        // Names come again, so that a deleted tenant's revisions would be noticed.
        let name = format!("t{}", self.dice.below(6));
        let new = NewTenant { name: name.clone(), holes: vec![Default::default(); 2], ..NewTenant::default() };
        let row = match self.store.create_tenant(new).await {
            Err(StorageError::Exists(_)) => return assert!(self.models.contains_key(&name)),
            row => row.expect("create"),
        };
        assert!(self.created < row.id.get(), "ids grow");
        self.created = row.id.get();
        let log = self.store.tenant(&row);
        let mut model = Model { start: log.head().await.unwrap(), ..Model::default() };
        for item in self.place.base.items() {
            let value = log.get(&item.key).await.unwrap().0.unwrap().value;
            model.first.insert(item.key.to_string(), String::from_utf8(value.to_vec()).unwrap());
        }
        self.models.insert(name.clone(), model);
        self.logs.insert(name, log);
    }

    async fn delete(&mut self) {
        if self.models.len() < 2 {
            return;
        }
        let (name, log) = self.any();
        let head = self.models[&name].head();
        self.store.delete_tenant(log.id()).await.expect("delete");
        self.models.remove(&name);
        self.logs.remove(&name);
        self.untold.retain(|(id, _), _| *id != log.id().get());
        let row = self.store.create_tenant(NewTenant {
            name: name.clone(),
            holes: vec![Default::default(); 2],
            ..NewTenant::default()
        });
        let row = row.await.expect("create again");
        assert!(head < self.store.tenant(&row).head().await.unwrap(), "revisions of a name never come twice");
        self.store.delete_tenant(row.id).await.expect("delete again");
        self.created = row.id.get();
    }

    async fn write(&mut self) {
        let (name, log) = self.any();
        let count = 1 + self.dice.below(3) as usize;
        let mut changes = Vec::new();
        let mut after = BTreeMap::new();
        for _ in 0..count {
            let key = self.any_key();
            let current = log.current(&key).await.unwrap();
            let expected = self.models[&name].at(Revision::new(u64::MAX)).get(key.as_str()).cloned();
            let value = current.as_ref().map(|entry| String::from_utf8(entry.value.to_vec()).unwrap());
            assert_eq!(value, expected, "{key}");
            if after.contains_key(&key) {
                continue;
            }
            let expect = current.map_or(Expect::Absent, |entry| Expect::At(entry.revision));
            if expect != Expect::Absent && self.dice.below(3) == 0 {
                after.insert(key.clone(), None);
                changes.push(Change { key, expect, op: Op::Delete });
            } else {
                let value = self.any_value();
                after.insert(key.clone(), Some(value.clone()));
                changes.push(put(key, expect, &value));
            }
        }
        if self.dice.below(5) == 0 {
            return self.conflict(&name, &log, changes).await;
        }
        let mut writes = set(changes.clone());
        let due = vec![self.dice.below(8) as u8];
        let had = self.models[&name].due.get(&due).copied();
        match had {
            Some(minute) => writes.due_remove.push(Due { minute, kind: "x".to_owned(), key: due.clone() }),
            None => writes.due_add.push(Due { minute: 3, kind: "x".to_owned(), key: due.clone() }),
        }
        self.maybe_fault();
        let model = self.models.get_mut(&name).unwrap();
        match log.commit(writes).await {
            Ok(revisions) => {
                for (change, revision) in changes.iter().zip(revisions) {
                    assert_eq!(revision, model.head().plus(1), "no gaps");
                    let value = after[&change.key].clone();
                    let key = (log.id().get(), revision.get());
                    self.untold.insert(key, (change.key.to_string(), value.clone()));
                    model.changes.push((revision, change.key.to_string(), value));
                }
                match had {
                    Some(_) => model.due.remove(&due),
                    None => model.due.insert(due, 3),
                };
            }
            Err(StorageError::Unavailable(_)) => assert!(self.faults.is_some()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn conflict(&mut self, name: &str, log: &TenantLog, mut changes: Vec<Change>) {
        let key = self.any_key();
        changes.retain(|change| change.key != key);
        let there = self.models[name].at(Revision::new(u64::MAX)).contains_key(key.as_str());
        let expect = if there { Expect::Absent } else { Expect::At(Revision::new(1)) };
        changes.push(put(key.clone(), expect, "refused"));
        match log.commit(set(changes)).await {
            Err(StorageError::Conflict { key: told, current }) => {
                assert_eq!((told, current.is_some()), (key, there));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Several writers of the same key at once: one wins each round, and the model follows the order of revisions.
    async fn race(&mut self) {
        let (name, log) = self.any();
        self.maybe_fault();
        let keys: Vec<Key> = (0..8).map(|_| self.any_key()).collect();
        let values: Vec<String> = (0..8).map(|_| self.any_value()).collect();
        let writers = keys.iter().zip(&values).map(|(key, value)| try_write(&log, key.clone(), value));
        let results = futures::future::join_all(writers).await;
        let mut won: Vec<(Revision, String, Option<String>)> = Vec::new();
        for (at, result) in results.into_iter().enumerate() {
            match result {
                Ok(revision) => won.push((revision, keys[at].to_string(), Some(values[at].clone()))),
                Err(StorageError::Conflict { .. }) => {}
                Err(StorageError::Unavailable(_)) => assert!(self.faults.is_some()),
                Err(error) => panic!("{error}"),
            }
        }
        won.sort();
        let model = self.models.get_mut(&name).unwrap();
        for (revision, path, value) in won {
            assert_eq!(revision, model.head().plus(1), "no gaps");
            self.untold.insert((log.id().get(), revision.get()), (path.clone(), value.clone()));
            model.changes.push((revision, path, value));
        }
        assert_eq!(log.head().await.unwrap(), model.head());
    }

    async fn any_revision(&mut self, name: &str, log: &TenantLog) -> Revision {
        let floor = log.floor().await.unwrap();
        let head = self.models[name].head();
        floor.plus(self.dice.below(head.get() - floor.get() + 1))
    }

    async fn list(&mut self) {
        let (name, log) = self.any();
        let prefix = self.dice.pick(&prefixes()).clone();
        let at = match self.dice.below(3) {
            0 => None,
            _ => Some(self.any_revision(&name, &log).await),
        };
        let limit = self.dice.below(5) as usize;
        let expected = self.models[&name].listed(at.unwrap_or(self.models[&name].head()), &prefix);
        let (mut found, mut after, mut revision) = (Vec::new(), None, at);
        loop {
            let query = ListQuery { prefix: prefix.clone(), after, limit, at: revision };
            let page = match log.list(query).await {
                // The lane dropped a slice by itself, since the floor was asked for.
                Err(StorageError::Compacted { floor }) if revision < Some(floor) => return,
                page => page.expect("list"),
            };
            assert!(limit == 0 || page.entries.len() <= limit);
            assert!(!page.more || !page.entries.is_empty(), "a page that is not the last has entries");
            revision = Some(page.revision);
            after = page.entries.last().map(|entry| entry.key.clone());
            for entry in page.entries {
                found.push((entry.key.to_string(), String::from_utf8(entry.value.to_vec()).unwrap()));
            }
            if !page.more {
                break;
            }
        }
        assert_eq!(found, expected, "{name} {prefix:?} at {at:?} by {limit}");
        let below = log.floor().await.unwrap().get() - 1;
        assert!(list(&log, prefix, Some(Revision::new(below))).await.is_err());
    }

    async fn watch(&mut self) {
        let (name, log) = self.any();
        let prefix = self.dice.pick(&prefixes()).clone();
        let after = self.any_revision(&name, &log).await;
        let model = &self.models[&name];
        let mut states = model.at(after);
        let start = String::from_utf8(prefix.as_bytes().to_vec()).unwrap();
        let mut expected = Vec::new();
        for (revision, path, value) in model.changes.iter().filter(|change| after < change.0) {
            let before = match value {
                Some(value) => states.insert(path.clone(), value.clone()),
                None => states.remove(path),
            };
            if path.starts_with(&start) {
                expected.push((*revision, path.clone(), before, value.clone()));
            }
        }
        let mut cursor = log.watch(prefix, after);
        let mut found = Vec::new();
        let text =
            |entry: &Option<crate::Entry>| entry.as_ref().map(|entry| String::from_utf8(entry.value.to_vec()).unwrap());
        loop {
            let events = match cursor.advance().await {
                Err(StorageError::Compacted { floor }) if after < floor => return,
                events => events.expect("watch"),
            };
            if events.is_empty() {
                break;
            }
            for event in events {
                found.push((event.revision, event.key.to_string(), text(&event.before), text(&event.after)));
            }
        }
        assert_eq!(found, expected, "{name} after {after}");
        assert_eq!(cursor.position(), model.head());
    }

    async fn get_and_count(&mut self) {
        let (name, log) = self.any();
        let key = self.any_key();
        let model = &self.models[&name];
        let (entry, head) = log.get(&key).await.unwrap();
        let value = entry.map(|entry| String::from_utf8(entry.value.to_vec()).unwrap());
        assert_eq!((value, head), (model.at(head).get(key.as_str()).cloned(), model.head()));
        for prefix in prefixes() {
            assert_eq!(log.count(&prefix).await.unwrap(), model.listed(head, &prefix).len() as u64, "{prefix:?}");
        }
    }

    async fn follow_tail(&mut self, to_the_end: bool) {
        let wanted = if to_the_end { self.untold.len() } else { self.untold.len().min(5) };
        let goal = self.untold.len() - wanted;
        while goal < self.untold.len() {
            let next = tokio::time::timeout(Duration::from_secs(20), self.tail.next()).await;
            let batch = next.expect("the tail has it in time").expect("tail");
            for (tenant, event) in &batch.events {
                let at = (tenant.get(), event.revision.get());
                let value = event.after.as_ref().map(|entry| String::from_utf8(entry.value.to_vec()).unwrap());
                let change = (event.key.to_string(), value);
                match self.untold.remove(&at) {
                    Some(expected) => {
                        assert_eq!(change, expected);
                        let earlier = self.untold.range((at.0, 0)..at).next();
                        assert_eq!(earlier, None, "in order within a tenant");
                        self.told.insert(at, change);
                    }
                    // A deleted tenant's events may still be in memory.
                    None if !self.logs.values().any(|log| log.id() == *tenant) => {}
                    None => assert_eq!(self.told.get(&at), Some(&change), "again only after a restart"),
                }
            }
            if self.dice.below(2) == 0 {
                self.tail.ack(batch.position);
            }
        }
    }

    async fn pass_time(&mut self) {
        let seconds = self.dice.below(120);
        self.place.pass(Duration::from_secs(seconds));
        if self.dice.below(2) == 0 {
            self.store.maintain().await.unwrap();
        }
        self.store.trim(Duration::from_secs(3600));
    }

    async fn restart(&mut self) {
        self.logs.clear();
        let faults = self.faults.clone();
        self.store.shutdown().await;
        self.store = self.place.open().await;
        drop(faults);
        self.tail = self.store.tail("model");
        for name in self.models.keys() {
            self.logs.insert(name.clone(), find(&self.store, name).await);
        }
        let listed = self.store.list_tenants(None, 100).await.unwrap();
        assert!(listed.iter().map(|row| &row.name).eq(self.models.keys()));
    }

    async fn go_cold(&mut self) {
        self.logs.clear();
        self.place.pass(Duration::from_secs(5));
        self.store.trim(Duration::from_secs(1));
        for (name, model) in &self.models {
            let log = find(&self.store, name).await;
            assert_eq!(log.head().await.unwrap(), model.head());
            self.logs.insert(name.clone(), log);
        }
    }

    async fn check_due(&mut self) {
        let mut found: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        for (tenant, due) in self.store.due(3, 1_000).await.unwrap() {
            found.entry(tenant.get()).or_default().push(due.key);
        }
        for (name, model) in &self.models {
            let keys: Vec<Vec<u8>> = model.due.keys().cloned().collect();
            assert_eq!(found.remove(&self.logs[name].id().get()).unwrap_or_default(), keys, "{name}");
        }
        assert!(found.is_empty(), "no due rows of deleted tenants");
    }
}

fn seeds(count: u64) -> Vec<u64> {
    if let Ok(seed) = std::env::var("KPLEX_SEED") {
        return vec![seed.parse().expect("KPLEX_SEED is a number")];
    }
    let count = std::env::var("KPLEX_SEEDS").map_or(count, |count| count.parse().expect("KPLEX_SEEDS is a number"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (0..count).map(|at| now.as_nanos() as u64 ^ (at << 32)).collect()
}

async fn check(count: u64, steps: usize, mut place: impl FnMut() -> (Place, Option<Arc<FaultEngine>>)) {
    for seed in seeds(count) {
        println!("KPLEX_SEED={seed}");
        let (mut place, faults) = place();
        place.base = base(1, &[("default", "d"), ("kube-system", "k")]);
        let mut dice = Dice(seed ^ 0xfeed);
        // Small limits, so that every path is walked.
        place.limits.history_bytes_max = [2_000, 20_000, 1 << 20][dice.below(3) as usize];
        place.limits.cache_bytes_max = [0, 5_000, 50_000, 1 << 20][dice.below(4) as usize];
        place.lanes = 1 + dice.below(2) as u16;
        World::run(place, faults, seed, steps).await;
    }
}

#[tokio::test]
async fn memory_store_agrees_with_the_model() {
    check(6, 400, || (Place::memory(), None)).await;
}

#[tokio::test]
async fn faulty_store_agrees_with_the_model() {
    let place = || {
        let faults = Arc::new(FaultEngine::new(Arc::new(MemoryEngine::new())));
        (Place::custom(faults.clone()), Some(faults))
    };
    check(6, 400, place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_store_agrees_with_the_model() {
    check(2, 300, || (Place::sqlite(), None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_store_agrees_with_the_model() {
    check(1, 200, || (Place::postgres(), None)).await;
}
