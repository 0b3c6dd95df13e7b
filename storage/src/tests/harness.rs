//! Where a test's store lives, and short ways to use it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::engine::Backend;
use crate::engine::fault::{Fault, FaultEngine};
use crate::engine::memory::MemoryEngine;
use crate::{
    Base, BaseItem, Change, Clock, Cursor, Engine, Entry, Event, Expect, Key, Limits, ListQuery, NewTenant, Op, Page,
    Part, Prefix, Revision, Stamp, StorageError, Store, StoreOptions, TenantLog, WriteSet,
};

/// Something a store can be opened on, again and again.
pub(crate) struct Place {
    kind: Kind,
    pub(crate) limits: Limits,
    pub(crate) base: Arc<Base>,
    pub(crate) lanes: u16,
    now_ms: Arc<AtomicU64>,
}

enum Kind {
    Custom(Arc<dyn Backend>),
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl Place {
    fn new(kind: Kind) -> Place {
        let now_ms = Arc::new(AtomicU64::new(1_800_000_000_000));
        let base = Arc::new(Base::new(Vec::new()));
        Place { kind, limits: Limits::default(), base, lanes: 1, now_ms }
    }

    pub(crate) fn memory() -> Place {
        Place::custom(Arc::new(MemoryEngine::new()))
    }

    /// A place where each commit has to be settled before anybody can be answered.
    pub(crate) fn losing_every_answer() -> Place {
        let faults = FaultEngine::new(Arc::new(MemoryEngine::new()));
        faults.always(Fault::LoseAnswer);
        Place::custom(Arc::new(faults))
    }

    pub(crate) fn custom(backend: Arc<dyn Backend>) -> Place {
        Place::new(Kind::Custom(backend))
    }

    pub(crate) fn sqlite() -> Place {
        Place::new(Kind::Sqlite(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn postgres() -> Place {
        Place::new(Kind::Postgres(super::cluster::database()))
    }

    pub(crate) fn without_cache(mut self) -> Place {
        self.limits.cache_bytes_max = 0;
        self
    }

    pub(crate) fn directory(&self) -> PathBuf {
        match &self.kind {
            Kind::Sqlite(directory) => directory.path().to_owned(),
            Kind::Custom(_) | Kind::Postgres(_) => panic!("only SQLite has a directory"),
        }
    }

    pub(crate) fn url(&self) -> &str {
        match &self.kind {
            Kind::Postgres(url) => url,
            Kind::Custom(_) | Kind::Sqlite(_) => panic!("only PostgreSQL has a URL"),
        }
    }

    pub(crate) fn set_url(&mut self, url: String) {
        self.kind = Kind::Postgres(url);
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.now_ms.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }

    pub(crate) fn options(&self) -> StoreOptions {
        let engine = match &self.kind {
            Kind::Custom(backend) => Engine::Custom(backend.clone()),
            Kind::Sqlite(directory) => Engine::Sqlite(directory.path().to_owned()),
            Kind::Postgres(url) => Engine::Postgres(url.clone()),
        };
        let now_ms = self.now_ms.clone();
        StoreOptions {
            limits: self.limits.clone(),
            lanes: self.lanes,
            clock: Clock::from_fn(move || Duration::from_millis(now_ms.load(Ordering::Relaxed))),
            ..StoreOptions::new(engine, self.base.clone())
        }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(self.options()).await.expect("open the store")
    }
}

pub(crate) async fn tenant(store: &Store, name: &str) -> TenantLog {
    let holes = vec![Bytes::from_static(b"hole zero"), Bytes::from_static(b"hole one")];
    let new = NewTenant { name: name.to_owned(), seed: Some([9; 16]), holes, ..NewTenant::default() };
    let row = store.create_tenant(new).await.expect("create a tenant");
    store.tenant(&row)
}

pub(crate) async fn find(store: &Store, name: &str) -> TenantLog {
    let row = store.find_tenant(name).await.expect("look for a tenant").expect("find the tenant");
    store.tenant(&row)
}

pub(crate) fn pod(name: &str) -> Key {
    Key::new("", "pods", Some("default"), name)
}

pub(crate) fn pods() -> Prefix {
    Prefix::resource("", "pods")
}

pub(crate) fn put(key: Key, expect: Expect, value: &str) -> Change {
    let stamp = Stamp { schema: value.len() as u64, splice: 1 };
    Change { key, expect, op: Op::Put { stamp, value: Bytes::copy_from_slice(value.as_bytes()) } }
}

pub(crate) fn set(changes: Vec<Change>) -> WriteSet {
    WriteSet { changes, ..WriteSet::default() }
}

/// Writes a value whatever is there.
pub(crate) async fn write(log: &TenantLog, key: Key, value: &str) -> Revision {
    try_write(log, key, value).await.expect("write")
}

pub(crate) async fn try_write(log: &TenantLog, key: Key, value: &str) -> Result<Revision, StorageError> {
    let expect = log.current(&key).await?.map_or(Expect::Absent, |entry| Expect::At(entry.revision));
    Ok(log.commit(set(vec![put(key, expect, value)])).await?[0])
}

pub(crate) async fn delete(log: &TenantLog, key: Key) -> Revision {
    let current = log.current(&key).await.expect("read").expect("something to delete");
    let change = Change { key, expect: Expect::At(current.revision), op: Op::Delete };
    log.commit(set(vec![change])).await.expect("delete")[0]
}

pub(crate) async fn list(log: &TenantLog, prefix: Prefix, at: Option<Revision>) -> Result<Page, StorageError> {
    log.list(ListQuery { prefix, after: None, limit: 0, at }).await
}

/// Returns what a list shows, as `name=value`.
pub(crate) async fn shown(log: &TenantLog, prefix: Prefix, at: Option<Revision>) -> Vec<String> {
    list(log, prefix, at).await.expect("list").entries.iter().map(show).collect()
}

pub(crate) fn show(entry: &Entry) -> String {
    format!("{}={}", entry.key.name(), String::from_utf8_lossy(&entry.value))
}

/// Returns an event as `revision name: before -> after`.
pub(crate) fn told(event: &Event) -> String {
    let value = |entry: &Option<Entry>| {
        entry.as_ref().map_or("none".to_owned(), |entry| {
            assert_eq!(entry.stamp.schema, entry.value.len() as u64, "the stamp goes with the value");
            String::from_utf8_lossy(&entry.value).into_owned()
        })
    };
    format!("{} {}: {} -> {}", event.revision, event.key.name(), value(&event.before), value(&event.after))
}

/// Reads events until there are `count`.
pub(crate) async fn collect(cursor: &mut Cursor, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), cursor.next()).await;
        events.extend(next.expect("events in time").expect("watch").iter().map(|event| told(event)));
    }
    events
}

/// Returns a base of namespaces `name -> text`, with a splice mark in front, a uid and the second hole behind.
pub(crate) fn base(version: u64, objects: &[(&str, &str)]) -> Arc<Base> {
    let items = objects.iter().map(|(name, text)| BaseItem {
        key: Key::new("", "namespaces", None, name),
        schema: 0,
        parts: vec![Part::Literal(Bytes::copy_from_slice(text.as_bytes())), Part::Splice, Part::Uid, Part::Hole(1)],
    });
    Arc::new(Base::with_version(version, items.collect()))
}

pub(crate) fn namespace(name: &str) -> Key {
    Key::new("", "namespaces", None, name)
}

pub(crate) fn namespaces() -> Prefix {
    Prefix::resource("", "namespaces")
}
