//! What is held in memory, and that answers are right whatever is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::harness::*;
use crate::engine::fault::FaultEngine;
use crate::engine::memory::MemoryEngine;
use crate::{Key, Prefix, Store, TenantLog};

/// A place whose database can be made unreachable for reads.
fn place() -> (Place, Arc<FaultEngine>) {
    let engine = Arc::new(FaultEngine::new(Arc::new(MemoryEngine::new())));
    (Place::custom(engine.clone()), engine)
}

/// Returns what comes without a read of the database; `None` when it needs one.
async fn from_memory<T>(engine: &FaultEngine, answer: impl Future<Output = T>) -> Option<T> {
    engine.hold_views(u32::MAX);
    let answer = tokio::time::timeout(Duration::ZERO, answer).await.ok();
    engine.hold_views(0);
    answer
}

/// Writes pods `0`, `1` … of a thousand bytes each, and opens the store anew.
async fn stored(place: &Place, count: usize) -> (Store, TenantLog) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    for number in 0..count {
        write(&log, pod(&number.to_string()), &"x".repeat(1_000)).await;
    }
    drop(log);
    store.shutdown().await;
    let store = place.open().await;
    let log = find(&store, "one").await;
    (store, log)
}

#[tokio::test]
async fn value_that_is_read_twice_stays_and_the_others_stay_away() {
    let (place, engine) = place();
    let (store, log) = stored(&place, 10).await;
    place.pass(Duration::from_secs(1));
    for minutes in [0, 10, 1] {
        assert!(store.cache_bytes() < 3_000, "ten keys: {}", store.cache_bytes());
        place.pass(Duration::from_secs(60 * minutes));
        let (entry, _) = log.get(&pod("3")).await.unwrap();
        assert_eq!(entry.unwrap().value.len(), 1_000);
    }
    assert!((3_000..5_000).contains(&store.cache_bytes()), "one value and ten keys: {}", store.cache_bytes());
    let again = from_memory(&engine, log.get(&pod("3"))).await.expect("it is here").unwrap();
    assert!(again.0.is_some());
    let missing = from_memory(&engine, log.get(&pod("none"))).await.expect("all keys are here").unwrap();
    assert!(missing.0.is_none());
    assert_eq!(from_memory(&engine, log.count(&pods())).await.expect("all keys are here").unwrap(), 10);
    assert!(from_memory(&engine, log.get(&pod("4"))).await.is_none(), "its value is in the database");
    assert!(log.get(&pod("4")).await.unwrap().0.is_some());
}

#[tokio::test]
async fn value_that_is_written_is_read_from_the_history_and_not_held_twice() {
    let (place, engine) = place();
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    write(&log, pod("a"), &"x".repeat(5_000)).await;
    assert!(store.cache_bytes() < 1_000, "{}", store.cache_bytes());
    let read = from_memory(&engine, log.get(&pod("a"))).await.expect("it was just written").unwrap();
    assert_eq!(read.0.unwrap().value.len(), 5_000);
    assert_eq!(from_memory(&engine, shown(&log, pods(), None)).await.expect("and is listed").len(), 1);
    log.tenant_for_tests().forget_creation();
    assert!(from_memory(&engine, log.get(&pod("a"))).await.is_none(), "the history has forgotten it");
    write(&log, pod("a"), "new").await;
    log.tenant_for_tests().forget_creation();
    let read = from_memory(&engine, log.get(&pod("a"))).await.expect("who replaces it has it").unwrap();
    assert_eq!(&read.0.unwrap().value[..], b"new");
}

#[tokio::test]
async fn list_brings_its_values_unless_they_are_too_much() {
    let (mut place, engine) = place();
    // A sixteenth of it is what a list may bring.
    place.limits.cache_bytes_max = 16 * 5_000;
    let (store, log) = stored(&place, 10).await;
    assert_eq!(shown(&log, pods(), None).await.len(), 10);
    assert!(store.cache_bytes() < 4_000, "ten values are too much: {}", store.cache_bytes());
    write(&log, Key::new("", "pods", Some("other"), "a"), &"x".repeat(1_000)).await;
    log.tenant_for_tests().forget_creation();
    let other = Prefix::namespace("", "pods", "other");
    assert_eq!(shown(&log, other.clone(), None).await.len(), 1);
    assert_eq!(from_memory(&engine, shown(&log, other, None)).await.expect("one value is not").len(), 1);
}

#[tokio::test]
async fn values_go_by_their_last_use_and_keys_after_them() {
    let (place, engine) = place();
    let (store, log) = stored(&place, 8).await;
    shown(&log, pods(), None).await;
    for number in 0..8 {
        place.pass(Duration::from_secs(1));
        log.get(&pod(&number.to_string())).await.unwrap();
    }
    place.pass(Duration::from_secs(1));
    log.get(&pod("0")).await.unwrap();
    let evict = || log.tenant_for_tests().lock().cache.evict(&store.shared.budget);
    let before = store.cache_bytes();
    assert!(evict());
    assert_eq!(before - store.cache_bytes(), 2_000, "a quarter of them");
    for (name, is_here) in [("0", true), ("1", false), ("2", false), ("3", true)] {
        let read = from_memory(&engine, log.get(&pod(name))).await;
        assert_eq!(read.is_some(), is_here, "pod {name}");
    }
    while log.tenant_for_tests().lock().cache.bytes() > 0 {
        assert!(evict());
    }
    assert_eq!(store.cache_bytes(), 0);
    assert_eq!(shown(&log, pods(), None).await.len(), 8);
}

#[tokio::test]
async fn cache_stays_within_its_budget_and_answers_stay_right() {
    let mut place = Place::memory();
    place.limits.cache_bytes_max = 20_000;
    let store = place.open().await;
    let (large, small) = (tenant(&store, "large").await, tenant(&store, "small").await);
    write(&small, pod("a"), "small").await;
    for resource in ["r1", "r2", "r3", "r4"] {
        for name in 0..10 {
            let key = crate::Key::new("", resource, Some("n"), &format!("o{name}"));
            write(&large, key, &"x".repeat(500)).await;
        }
        let prefix = crate::Prefix::resource("", resource);
        assert_eq!(shown(&large, prefix, None).await.len(), 10);
        assert!(store.cache_bytes() <= 20_000, "{}", store.cache_bytes());
    }
    assert!(small.tenant_for_tests().lock().cache.bytes() > 0, "who is below the fair share keeps what it has");
    for resource in ["r1", "r2", "r3", "r4"] {
        let prefix = crate::Prefix::resource("", resource);
        assert_eq!(large.count(&prefix).await.unwrap(), 10);
        let key = crate::Key::new("", resource, Some("n"), "o3");
        assert!(large.get(&key).await.unwrap().0.is_some());
    }
    drop((large, small));
    let rows = store.list_tenants(None, 10).await.unwrap();
    for row in rows {
        store.delete_tenant(row.id).await.unwrap();
    }
    assert_eq!((store.cache_bytes(), store.warm_tenants()), (0, 0), "memory goes with the tenants");
}
