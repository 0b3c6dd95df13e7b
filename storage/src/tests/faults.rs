//! What happens when commits fail, and what waiting writes may see.

use std::sync::Arc;
use std::time::Duration;

use super::harness::*;
use crate::engine::fault::{Fault, FaultEngine};
use crate::engine::memory::MemoryEngine;
use crate::engine::{Backend, Outcome};
use crate::{Expect, StorageError, TenantLog};

fn faulty() -> (Place, Arc<FaultEngine>) {
    let engine = Arc::new(FaultEngine::new(Arc::new(MemoryEngine::new())));
    (Place::custom(engine.clone()), engine)
}

/// Waits until something becomes true by what other tasks do.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("not in time: {what}");
}

fn pending(
    log: &TenantLog,
    key: &str,
    expect: Expect,
    value: &str,
) -> tokio::task::JoinHandle<Result<u64, StorageError>> {
    let (log, set) = (log.clone(), set(vec![put(pod(key), expect, value)]));
    tokio::spawn(async move { log.commit(set).await.map(|revisions| revisions[0].get()) })
}

#[tokio::test]
async fn write_is_invisible_until_it_is_durable() {
    let (place, engine) = faulty();
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let head = log.head().await.unwrap();
    engine.pause();
    let first = pending(&log, "a", Expect::Absent, "1");
    eventually("the write is pending", || engine.commits() > 2).await;
    assert_eq!(log.get(&pod("a")).await.unwrap(), (None, head));
    assert!(shown(&log, pods(), None).await.is_empty());
    assert!(log.watch(pods(), head).advance().await.unwrap().is_empty());
    let current = log.current(&pod("a")).await.unwrap().expect("the next write is computed on it");
    let second = pending(&log, "a", Expect::At(current.revision), "2");
    let refused = log.commit(set(vec![put(pod("a"), Expect::Absent, "3")])).await;
    assert!(matches!(refused, Err(StorageError::Conflict { .. })), "checked against the pending state");
    assert!(!first.is_finished());
    engine.resume();
    assert_eq!(first.await.unwrap().unwrap(), head.get() + 1);
    assert_eq!(second.await.unwrap().unwrap(), head.get() + 2);
    assert_eq!(shown(&log, pods(), None).await, ["a=2"]);
}

#[tokio::test]
async fn failed_write_takes_later_ones_of_its_tenant_with_it() {
    let (place, engine) = faulty();
    let store = place.open().await;
    let (log, other) = (tenant(&store, "one").await, tenant(&store, "two").await);
    let head = log.head().await.unwrap();
    engine.inject([Fault::Reject]);
    engine.pause();
    let tried = engine.commits();
    let first = pending(&log, "a", Expect::Absent, "1");
    eventually("the first is in flight", || engine.commits() > tried).await;
    let current = log.current(&pod("a")).await.unwrap().unwrap();
    let second = pending(&log, "a", Expect::At(current.revision), "2");
    let third = pending(&log, "b", Expect::Absent, "3");
    let innocent = pending(&other, "x", Expect::Absent, "4");
    tokio::time::sleep(Duration::from_millis(20)).await;
    engine.resume();
    for failed in [first, second, third] {
        assert!(matches!(failed.await.unwrap(), Err(StorageError::Unavailable(_))));
    }
    assert!(innocent.await.unwrap().is_ok(), "another tenant's write in a later batch goes on");
    assert_eq!(log.head().await.unwrap(), head);
    assert_eq!(write(&log, pod("a"), "5").await, head.plus(1), "no gap");
    assert_eq!(shown(&log, pods(), None).await, ["a=5"]);
}

#[tokio::test]
async fn unknown_outcome_is_settled_before_anyone_is_answered() {
    for (fault, durable) in [(Fault::LoseAnswer, true), (Fault::LoseRequest, false), (Fault::ArriveLate, false)] {
        let (place, engine) = faulty();
        let store = place.open().await;
        let log = tenant(&store, "one").await;
        let head = log.head().await.unwrap();
        engine.inject([fault]);
        engine.fail_claims(3);
        let outcome = log.commit(set(vec![put(pod("a"), Expect::Absent, "1")])).await;
        assert_eq!(outcome.is_ok(), durable, "{fault:?}: {outcome:?}");
        assert_eq!(shown(&log, pods(), None).await.len(), usize::from(durable), "{fault:?}");
        assert_eq!(log.head().await.unwrap(), head.plus(u64::from(durable)), "{fault:?}");
        write(&log, pod("b"), "2").await;
        let late = engine.late_outcomes();
        assert!(late.iter().all(|outcome| matches!(outcome, Outcome::Rejected(_))), "{late:?}");
        assert_eq!(late.len(), usize::from(fault == Fault::ArriveLate));
        drop(log);
        store.shutdown().await;
        let log = find(&place.open().await, "one").await;
        assert_eq!(log.head().await.unwrap(), head.plus(1 + u64::from(durable)), "{fault:?}: after a restart");
    }
}

#[tokio::test]
async fn store_that_was_taken_over_serves_nothing() {
    let engine: Arc<dyn Backend> = Arc::new(MemoryEngine::new());
    let place = Place::custom(engine.clone());
    let old = place.open().await;
    let log = tenant(&old, "one").await;
    write(&log, pod("a"), "1").await;
    let mut cursor = log.watch(pods(), log.head().await.unwrap());
    let waiting = tokio::spawn(async move { cursor.next().await });
    let new = place.open().await;
    let theirs = find(&new, "one").await;
    write(&theirs, pod("a"), "2").await;
    assert!(matches!(try_write(&log, pod("a"), "3").await, Err(StorageError::Unavailable(_))));
    assert!(matches!(log.get(&pod("a")).await, Err(StorageError::Unavailable(_))), "its memory is stale");
    assert!(matches!(waiting.await.unwrap(), Err(StorageError::Unavailable(_))), "its watches end");
    assert_eq!(shown(&theirs, pods(), None).await, ["a=2"]);
}

#[tokio::test]
async fn writes_that_queue_behind_a_commit_share_the_next_one() {
    let (place, engine) = faulty();
    let store = place.open().await;
    let logs = [tenant(&store, "one").await, tenant(&store, "two").await];
    engine.pause();
    let before = engine.commits();
    let blocking = pending(&logs[0], "first", Expect::Absent, "x");
    eventually("the first is in flight", || engine.commits() > before).await;
    let writes: Vec<_> = (0..100).map(|at| pending(&logs[at % 2], &format!("p{at}"), Expect::Absent, "x")).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    engine.resume();
    blocking.await.unwrap().unwrap();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert!(engine.commits() <= before + 3, "{} commits for 100 writes", engine.commits() - before);
}

#[tokio::test]
async fn flooding_tenant_is_refused_and_does_not_hold_up_the_others() {
    let (mut place, engine) = faulty();
    place.limits.tenant_queue_max = 50;
    place.limits.batch_changes_max = 10;
    let store = place.open().await;
    let (flood, quiet) = (tenant(&store, "flood").await, tenant(&store, "quiet").await);
    engine.pause();
    let before = engine.commits();
    let writes: Vec<_> = (0..100).map(|at| pending(&flood, &format!("p{at}"), Expect::Absent, "x")).collect();
    eventually("the first is in flight", || engine.commits() > before).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let late = pending(&quiet, "late", Expect::Absent, "x");
    tokio::time::sleep(Duration::from_millis(20)).await;
    engine.resume();
    late.await.unwrap().unwrap();
    let batches = store.shared.backend.batches(0, 0, 1_000).await.unwrap();
    let sequence = |id| batches.iter().find(|row| row.1 == id).expect("it wrote").0;
    let waited = sequence(quiet.id()) - sequence(flood.id());
    assert!(waited <= 1, "the quiet tenant waited for {waited} batches");
    let mut refused = 0;
    for write in writes {
        refused += usize::from(matches!(write.await.unwrap(), Err(StorageError::Unavailable(_))));
    }
    assert!((40..=50).contains(&refused), "{refused}");
}

#[tokio::test]
async fn dropped_caller_does_not_undo_its_write() {
    let (place, engine) = faulty();
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    engine.pause();
    let before = engine.commits();
    let write = pending(&log, "a", Expect::Absent, "1");
    eventually("the write is in flight", || engine.commits() > before).await;
    write.abort();
    engine.resume();
    let mut cursor = log.watch(pods(), log.floor().await.unwrap());
    assert_eq!(collect(&mut cursor, 1).await.len(), 1);
    assert_eq!(shown(&log, pods(), None).await, ["a=1"]);
}

#[tokio::test]
async fn write_that_read_its_key_before_another_one_is_refused() {
    let (place, engine) = faulty();
    let store = place.without_cache().open().await;
    let log = tenant(&store, "one").await;
    let first = write(&log, pod("a"), "1").await;
    engine.hold_views(1);
    let late = pending(&log, "a", Expect::At(first), "late");
    eventually("the write has read its key", || engine.views_are_held()).await;
    write(&log, pod("a"), "2").await;
    engine.release();
    let refused = late.await.unwrap();
    let Err(StorageError::Conflict { current: Some(current), .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(&current.value[..], b"2");
    // The same for a key that was not there, and with a history too short to tell.
    engine.hold_views(1);
    let late = pending(&log, "b", Expect::Absent, "late");
    eventually("the write has read its key", || engine.views_are_held()).await;
    write(&log, pod("b"), "1").await;
    log.tenant_for_tests().forget_creation();
    engine.release();
    assert!(matches!(late.await.unwrap(), Err(StorageError::Conflict { .. })));
}

#[tokio::test]
async fn resource_that_is_loaded_while_it_changes_is_whole() {
    let (place, engine) = faulty();
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    write(&log, pod("old"), "1").await;
    write(&log, pod("gone"), "1").await;
    drop(log);
    store.shutdown().await;
    let store = place.open().await;
    let log = find(&store, "one").await;
    engine.hold_views(1);
    let reading = log.clone();
    let reader = tokio::spawn(async move { shown(&reading, pods(), None).await });
    eventually("the resource is being loaded", || engine.views_are_held()).await;
    let gone = log.floor().await.unwrap().plus(2);
    let delete = crate::Change { key: pod("gone"), expect: Expect::At(gone), op: crate::Op::Delete };
    log.commit(set(vec![delete, put(pod("new"), Expect::Absent, "2")])).await.unwrap();
    engine.release();
    assert_eq!(reader.await.unwrap(), ["new=2", "old=1"]);
    assert!(log.tenant_for_tests().lock().cache.bytes() > 0, "it was loaded");
    assert_eq!(shown(&log, pods(), None).await, ["new=2", "old=1"]);
}

#[tokio::test]
async fn read_never_shows_what_the_head_denies() {
    let (mut place, engine) = faulty();
    for cache_bytes_max in [0, 1 << 20] {
        place.limits.cache_bytes_max = cache_bytes_max;
        let store = place.open().await;
        let log = tenant(&store, &format!("{cache_bytes_max}")).await;
        log.tenant_for_tests().lock().cache.evict(&store.shared.budget);
        let head = log.head().await.unwrap();
        engine.hold_views(0);
        engine.inject([Fault::HoldAnswer]);
        let before = engine.commits();
        let writing = pending(&log, "a", Expect::Absent, "1");
        eventually("the write is durable, its answer under way", || engine.commits() > before).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let reading = log.clone();
        let reader = tokio::spawn(async move {
            let (entry, head) = reading.get(&pod("a")).await.unwrap();
            assert!(entry.unwrap().revision <= head);
            let shown = shown(&reading, pods(), None).await;
            (shown, reading.watch(pods(), head).advance().await.is_ok())
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!reader.is_finished(), "the write is not published yet");
        assert_eq!(log.head().await.unwrap(), head);
        engine.release();
        assert_eq!(reader.await.unwrap(), (vec!["a=1".to_owned()], true));
        assert_eq!(writing.await.unwrap().unwrap(), head.get() + 1);
        store.shutdown().await;
    }
}

#[tokio::test]
async fn refused_write_is_answered_while_the_database_is_away() {
    let (place, engine) = faulty();
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    engine.inject([Fault::Reject, Fault::Reject]);
    engine.fail_claims(u32::MAX);
    for _ in 0..2 {
        let refused = log.commit(set(vec![put(pod("a"), Expect::Absent, "1")])).await;
        assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
    }
    write(&log, pod("a"), "2").await;
    assert_eq!(shown(&log, pods(), None).await, ["a=2"]);
}
