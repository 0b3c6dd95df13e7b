//! The promises of a store, each as a function of the place it lives in.

use std::time::Duration;

use bytes::Bytes;

use super::harness::*;
use crate::{
    Change, Due, Expect, Key, ListQuery, NewTenant, Op, Prefix, Revision, Stamp, StorageError, Usage, WriteSet,
    derived_uid,
};

pub(super) async fn acknowledged_write_is_read_back(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let first = write(&log, pod("a"), "1").await;
    let second = write(&log, pod("a"), "22").await;
    assert_eq!(second.get(), first.get() + 1, "no gaps");
    let (entry, head) = log.get(&pod("a")).await.unwrap();
    let entry = entry.unwrap();
    assert_eq!((entry.revision, head, &entry.value[..]), (second, second, &b"22"[..]));
    assert_eq!(entry.stamp, Stamp { schema: 2, splice: 1 });
    assert_eq!(log.get(&pod("b")).await.unwrap(), (None, second));
    drop(log);
    store.shutdown().await;
    let store = place.open().await;
    let log = find(&store, "one").await;
    assert_eq!(log.get(&pod("a")).await.unwrap(), (Some(entry), second), "after a restart");
    assert_eq!(write(&log, pod("b"), "x").await.get(), second.get() + 1);
}

pub(super) async fn expectation_that_fails_changes_nothing(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let revision = write(&log, pod("a"), "1").await;
    for expect in [Expect::Absent, Expect::At(Revision::new(revision.get() - 1))] {
        let refused = log.commit(set(vec![put(pod("a"), expect, "2")])).await;
        let Err(StorageError::Conflict { key, current }) = refused else { panic!("{refused:?}") };
        assert_eq!((key, current.map(|entry| entry.revision)), (pod("a"), Some(revision)));
    }
    let refused = log.commit(set(vec![put(pod("b"), Expect::At(revision), "2")])).await;
    assert!(matches!(refused, Err(StorageError::Conflict { current: None, .. })), "{refused:?}");
    let nonsense = Change { key: pod("b"), expect: Expect::Absent, op: Op::Delete };
    assert!(matches!(log.commit(set(vec![nonsense])).await, Err(StorageError::Invalid(_))));
    assert_eq!(shown(&log, pods(), None).await, ["a=1"]);
    assert_eq!(log.head().await.unwrap(), revision);
}

pub(super) async fn write_set_is_whole_or_nothing(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let start = log.head().await.unwrap();
    let changes = vec![put(pod("a"), Expect::Absent, "1"), put(pod("b"), Expect::Absent, "2")];
    let revisions = log.commit(set(changes)).await.unwrap();
    assert_eq!(revisions, [start.plus(1), start.plus(2)]);
    let mixed = vec![put(pod("c"), Expect::Absent, "3"), put(pod("b"), Expect::Absent, "4")];
    assert!(matches!(log.commit(set(mixed)).await, Err(StorageError::Conflict { .. })));
    assert_eq!(shown(&log, pods(), None).await, ["a=1", "b=2"]);
    // The same key twice: the second change sees the first.
    let twice = vec![put(pod("d"), Expect::Absent, "5"), put(pod("d"), Expect::At(start.plus(3)), "6")];
    assert_eq!(log.commit(set(twice)).await.unwrap(), [start.plus(3), start.plus(4)]);
    assert_eq!(shown(&log, pods(), None).await, ["a=1", "b=2", "d=6"]);
    let mut cursor = log.watch(pods(), start.plus(2));
    assert_eq!(collect(&mut cursor, 2).await.len(), 2);
}

pub(super) async fn list_is_ordered_and_paged(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    for name in ["c", "a", "e", "b", "d"] {
        write(&log, pod(name), name).await;
    }
    write(&log, Key::new("", "pods", Some("other"), "z"), "z").await;
    write(&log, Key::new("", "podtemplates", Some("default"), "t"), "t").await;
    assert_eq!(shown(&log, pods(), None).await, ["a=a", "b=b", "c=c", "d=d", "e=e", "z=z"]);
    let default = Prefix::namespace("", "pods", "default");
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = log.list(ListQuery { prefix: default.clone(), after, limit: 2, at: None }).await.unwrap();
        pages.push(page.entries.len());
        after = page.entries.last().map(|entry| entry.key.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, [2, 2, 1]);
    assert_eq!(shown(&log, Prefix::all(), None).await.len(), 7);
}

pub(super) async fn list_at_a_revision_shows_the_past(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let mut past = vec![(log.head().await.unwrap(), Vec::<String>::new())];
    let script = [("a", "1"), ("b", "1"), ("a", "22"), ("a", ""), ("c", "x"), ("a", "again"), ("b", ""), ("c", "xyz")];
    for (name, value) in script {
        let revision = match value {
            "" => delete(&log, pod(name)).await,
            value => write(&log, pod(name), value).await,
        };
        past.push((revision, shown(&log, pods(), None).await));
    }
    let check = async |log: &crate::TenantLog, what: &str| {
        for (revision, expected) in &past {
            assert_eq!(&shown(log, pods(), Some(*revision)).await, expected, "{what} at {revision}");
            let query = ListQuery { prefix: pods(), after: Some(pod("a")), limit: 1, at: Some(*revision) };
            let page = log.list(query).await.unwrap();
            let rest: Vec<&String> = expected.iter().filter(|text| !text.starts_with("a=")).collect();
            assert_eq!(page.entries.iter().map(show).collect::<Vec<_>>().first(), rest.first().copied(), "{what}");
            assert_eq!((page.more, page.revision), (rest.len() > 1, *revision), "{what}");
        }
    };
    check(&log, "from memory").await;
    drop(log);
    store.shutdown().await;
    let store = place.open().await;
    check(&find(&store, "one").await, "from the event tables").await;
}

pub(super) async fn list_beyond_the_head_or_below_the_floor_is_refused(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let floor = log.floor().await.unwrap();
    let head = write(&log, pod("a"), "1").await;
    let future = list(&log, pods(), Some(head.plus(1))).await;
    assert!(matches!(future, Err(StorageError::Future { head: told }) if told == head), "{future:?}");
    let past = list(&log, pods(), Some(Revision::new(floor.get() - 1))).await;
    assert!(matches!(past, Err(StorageError::Compacted { floor: told }) if told == floor), "{past:?}");
    assert!(list(&log, pods(), Some(floor)).await.unwrap().entries.is_empty());
    let watched = log.watch(pods(), head.plus(1)).next().await;
    assert!(matches!(watched, Err(StorageError::Future { .. })), "{watched:?}");
    let watched = log.watch(pods(), Revision::new(floor.get() - 1)).next().await;
    assert!(matches!(watched, Err(StorageError::Compacted { .. })), "{watched:?}");
}

pub(super) async fn count_follows_writes(mut place: Place) {
    place.base = base(1, &[("default", "d"), ("kube-system", "k")]);
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    assert_eq!(log.count(&namespaces()).await.unwrap(), 2);
    write(&log, namespace("mine"), "m").await;
    write(&log, namespace("default"), "changed").await;
    assert_eq!(log.count(&namespaces()).await.unwrap(), 3);
    delete(&log, namespace("kube-system")).await;
    delete(&log, namespace("mine")).await;
    write(&log, pod("a"), "1").await;
    assert_eq!(log.count(&namespaces()).await.unwrap(), 1);
    assert_eq!(log.count(&Prefix::namespace("", "pods", "default")).await.unwrap(), 1);
    assert_eq!(log.count(&Prefix::all()).await.unwrap(), 2);
}

pub(super) async fn watch_sees_every_event_once_in_order(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let start = log.head().await.unwrap();
    let mut watching = log.watch(pods(), start);
    let waiter = tokio::spawn(async move { (collect(&mut watching, 4).await, watching.position()) });
    let mut expected = Vec::new();
    let a = write(&log, pod("a"), "1").await;
    expected.push(format!("{a} a: none -> 1"));
    write(&log, Key::new("", "secrets", Some("default"), "s"), "s").await;
    let b = write(&log, pod("a"), "22").await;
    expected.push(format!("{b} a: 1 -> 22"));
    let c = delete(&log, pod("a")).await;
    expected.push(format!("{c} a: 22 -> none"));
    let d = write(&log, pod("a"), "333").await;
    expected.push(format!("{d} a: none -> 333"));
    let (seen, position) = waiter.await.unwrap();
    assert_eq!((seen, position), (expected.clone(), d));
    let mut later = log.watch(pods(), b);
    assert_eq!(collect(&mut later, 2).await, expected[2..]);
    let mut idle = log.watch(Prefix::resource("", "nothing"), start);
    assert!(idle.advance().await.unwrap().is_empty());
    assert_eq!(idle.position(), d, "the position passes events of others");
}

pub(super) async fn watch_resumes_from_the_event_tables_after_a_restart(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let start = log.head().await.unwrap();
    for round in 0..200 {
        write(&log, pod(["a", "b", "c"][round % 3]), &"v".repeat(round)).await;
        if round % 7 == 0 {
            delete(&log, pod(["a", "b", "c"][round % 3])).await;
        }
    }
    let head = log.head().await.unwrap();
    let count = (head.get() - start.get()) as usize;
    let expected = collect(&mut log.watch(pods(), start), count).await;
    drop(log);
    store.shutdown().await;
    let store = place.open().await;
    let log = find(&store, "one").await;
    for after in [0, 1, 57, count - 1] {
        let mut cursor = log.watch(pods(), start.plus(after as u64));
        assert_eq!(collect(&mut cursor, count - after).await, expected[after..], "after {after}");
        assert_eq!(cursor.position(), head);
    }
    let one: Vec<_> = expected.iter().filter(|text| text.contains(" b: ")).cloned().collect();
    let mut cursor = log.watch(Prefix::resource("", "pods"), start);
    let all = collect(&mut cursor, count).await;
    assert_eq!(all.iter().filter(|text| text.contains(" b: ")).cloned().collect::<Vec<_>>(), one);
    let next = write(&log, pod("z"), "z").await;
    assert_eq!(collect(&mut cursor, 1).await, [format!("{next} z: none -> z")]);
}

pub(super) async fn base_objects_are_there_from_the_start(mut place: Place) {
    place.base = base(1, &[("default", "d"), ("kube-system", "k")]);
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let head = log.head().await.unwrap();
    let (entry, _) = log.get(&namespace("default")).await.unwrap();
    let entry = entry.unwrap();
    let uid = derived_uid(&[9; 16], &namespace("default"));
    assert_eq!(entry.value, format!("d{uid}hole one").as_bytes());
    assert_eq!((entry.revision, entry.stamp.splice), (head, 1), "the creation's revision");
    assert_eq!(log.base_uid(&namespace("default")).await.unwrap(), uid);
    assert_eq!(list(&log, namespaces(), None).await.unwrap().entries.len(), 2);
    assert!(log.watch(namespaces(), head).advance().await.unwrap().is_empty(), "no events at creation");
    let refused = log.commit(set(vec![put(namespace("default"), Expect::Absent, "x")])).await;
    assert!(matches!(refused, Err(StorageError::Conflict { current: Some(_), .. })), "{refused:?}");
}

pub(super) async fn base_object_is_copied_up_and_hidden(mut place: Place) {
    place.base = base(1, &[("default", "d"), ("kube-system", "k")]);
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let start = log.head().await.unwrap();
    let original = log.get(&namespace("default")).await.unwrap().0;
    let update = log.commit(set(vec![put(namespace("default"), Expect::At(start), "mine")])).await.unwrap()[0];
    let removal = delete(&log, namespace("kube-system")).await;
    assert_eq!(shown(&log, namespaces(), None).await, ["default=mine"]);
    assert_eq!(list(&log, namespaces(), Some(start)).await.unwrap().entries.len(), 2);
    assert_eq!(log.get(&namespace("kube-system")).await.unwrap(), (None, removal));
    let check = async |log: &crate::TenantLog| {
        assert_eq!(shown(log, namespaces(), None).await, ["default=mine"]);
        let past = list(log, namespaces(), Some(start)).await.unwrap().entries;
        assert_eq!((past.len(), past.first()), (2, original.as_ref()));
        let mut cursor = log.watch(namespaces(), start);
        let mut events = Vec::new();
        while events.len() < 2 {
            events.extend(cursor.next().await.unwrap());
        }
        assert_eq!((events[0].revision, &events[0].before), (update, &original));
        assert_eq!((events[1].revision, &events[1].after), (removal, &None));
        assert!(events[1].before.is_some());
    };
    check(&log).await;
    drop(log);
    store.shutdown().await;
    let store = place.open().await;
    let log = find(&store, "one").await;
    check(&log).await;
    write(&log, namespace("kube-system"), "back").await;
    assert_eq!(shown(&log, namespaces(), None).await, ["default=mine", "kube-system=back"]);
    delete(&log, namespace("kube-system")).await;
    delete(&log, namespace("default")).await;
    assert!(shown(&log, namespaces(), None).await.is_empty());
}

pub(super) async fn tenant_moves_to_a_newer_base_when_it_wakes(mut place: Place) {
    place.base = base(1, &[("changed", "1"), ("gone", "1"), ("mine", "1"), ("same", "1")]);
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let created = log.head().await.unwrap();
    let own = write(&log, namespace("mine"), "own").await;
    drop(log);
    store.shutdown().await;
    place.base = base(2, &[("changed", "2"), ("mine", "2"), ("new", "2"), ("same", "1")]);
    for round in 0..2 {
        let store = place.open().await;
        let log = find(&store, "one").await;
        let entries = list(&log, namespaces(), None).await.unwrap();
        let told: Vec<(String, u64)> = entries
            .entries
            .iter()
            .map(|entry| (format!("{}{}", entry.key.name(), entry.value[0] as char), entry.revision.get()))
            .collect();
        // Keys that differ, in order: changed, gone, mine (hidden, its revision stays unused), new.
        let expected =
            [("changed2", own.get() + 1), ("mineo", own.get()), ("new2", own.get() + 4), ("same1", created.get())];
        assert_eq!(told, expected.map(|(name, revision)| (name.to_owned(), revision)), "round {round}");
        assert_eq!(log.head().await.unwrap(), own.plus(4));
        let mut cursor = log.watch(namespaces(), own);
        let mut events = Vec::new();
        while events.len() < 3 {
            events.extend(cursor.next().await.unwrap());
        }
        let told: Vec<(u64, &str, bool, bool)> = events
            .iter()
            .map(|event| (event.revision.get(), event.key.name(), event.before.is_some(), event.after.is_some()))
            .collect();
        let own = own.get();
        assert_eq!(
            told,
            [(own + 1, "changed", true, true), (own + 2, "gone", true, false), (own + 4, "new", false, true)]
        );
        let past = list(&log, namespaces(), Some(Revision::new(own))).await.unwrap().entries;
        let past: Vec<String> =
            past.iter().map(|entry| format!("{}{}", entry.key.name(), entry.value[0] as char)).collect();
        assert_eq!(past, ["changed1", "gone1", "mineo", "same1"]);
        drop((cursor, log));
        store.shutdown().await;
    }
}

pub(super) async fn older_release_leaves_tenants_on_the_newer_base(mut place: Place) {
    place.base = base(2, &[("default", "2")]);
    let store = place.open().await;
    let head = tenant(&store, "one").await.head().await.unwrap();
    store.shutdown().await;
    place.base = base(1, &[("default", "1")]);
    let store = place.open().await;
    let log = find(&store, "one").await;
    let (entry, now) = log.get(&namespace("default")).await.unwrap();
    assert_eq!((entry.unwrap().value[0], now), (b'2', head));
}

pub(super) async fn deleted_tenant_leaves_nothing(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let other = tenant(&store, "two").await;
    write(&other, pod("kept"), "kept").await;
    for name in 0..50 {
        let due = Due { minute: 7, kind: "expiry".to_owned(), key: vec![name] };
        let key = pod(&format!("p{name}"));
        let writes = WriteSet {
            changes: vec![put(key.clone(), Expect::Absent, "x")],
            due_add: vec![due],
            owners_add: vec![("uid".to_owned(), key)],
            ..WriteSet::default()
        };
        log.commit(writes).await.unwrap();
    }
    let row = store.find_tenant("one").await.unwrap().unwrap();
    let mut cursor = log.watch(pods(), log.head().await.unwrap());
    let waiting = tokio::spawn(async move { cursor.next().await });
    store.delete_tenant(row.id).await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(StorageError::Gone)), "a watch ends");
    assert!(matches!(log.get(&pod("p1")).await, Err(StorageError::Gone)));
    assert!(matches!(try_write(&log, pod("p1"), "x").await, Err(StorageError::Gone)));
    assert!(matches!(store.delete_tenant(row.id).await, Err(StorageError::Gone)));
    assert!(store.find_tenant("one").await.unwrap().is_none());
    assert!(store.due(100, 10).await.unwrap().is_empty());
    let backend = &store.shared.backend;
    assert!(!backend.has_rows(row.id, 0).await.unwrap());
    assert!(backend.tenant(row.id).await.unwrap().is_none());
    assert!(store.shared.warm(row.id).is_none());
    assert_eq!(shown(&other, pods(), None).await, ["kept=kept"]);
}

pub(super) async fn deletion_goes_on_after_a_restart(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    write(&log, pod("a"), "x").await;
    let row = store.find_tenant("one").await.unwrap().unwrap();
    // As if the process had ended after the first step.
    let mut record = store.shared.read_row(row.id).await.unwrap();
    record.name = None;
    crate::registry::submit(store.shared.tenant(row.id, 0), |work| work.record = Some(record)).await.unwrap();
    drop(log);
    store.shutdown().await;
    let store = place.open().await;
    assert!(store.find_tenant("one").await.unwrap().is_none());
    for _ in 0..1_000 {
        if store.shared.backend.tenant(row.id).await.unwrap().is_none() {
            assert!(!store.shared.backend.has_rows(row.id, 0).await.unwrap());
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the deletion did not go on");
}

pub(super) async fn new_tenant_starts_above_the_deleted_ones(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let first = log.id();
    for round in 0..20 {
        write(&log, pod("a"), &format!("{round}")).await;
    }
    let head = log.head().await.unwrap();
    store.delete_tenant(first).await.unwrap();
    let again = tenant(&store, "one").await;
    assert!(head < again.head().await.unwrap(), "revisions of a name never come twice");
    assert!(first < again.id(), "ids are never reused");
    let second = again.id();
    store.delete_tenant(second).await.unwrap();
    drop((log, again));
    store.shutdown().await;
    let store = place.open().await;
    let third = tenant(&store, "one").await;
    assert!(head < third.head().await.unwrap(), "nor after a restart");
    assert!(second < third.id());
}

pub(super) async fn tenants_are_found_and_listed_by_name(place: Place) {
    let store = place.open().await;
    for name in ["b", "a", "c"] {
        let new = NewTenant { name: name.to_owned(), record: Bytes::from_static(b"r"), ..NewTenant::default() };
        store.create_tenant(new).await.unwrap();
    }
    let again = store.create_tenant(NewTenant { name: "b".to_owned(), ..NewTenant::default() }).await;
    assert!(matches!(again, Err(StorageError::Exists(name)) if name == "b"));
    let names = async |after: Option<&str>, limit| -> Vec<String> {
        store.list_tenants(after, limit).await.unwrap().into_iter().map(|row| row.name).collect()
    };
    assert_eq!(names(None, 10).await, ["a", "b", "c"]);
    assert_eq!(names(Some("a"), 1).await, ["b"]);
    let row = store.find_tenant("b").await.unwrap().unwrap();
    assert_eq!(row.record, Bytes::from_static(b"r"));
    store.update_tenant(row.id, Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(store.find_tenant("b").await.unwrap().unwrap().record, Bytes::from_static(b"new"));
    assert_eq!(store.get_tenant(row.id).await.unwrap().unwrap().name, "b");
    assert!(store.find_tenant("nobody").await.unwrap().is_none());
    let many = futures::future::join_all(
        (0..8).map(|_| store.create_tenant(NewTenant { name: "race".to_owned(), ..NewTenant::default() })),
    );
    assert_eq!(many.await.iter().filter(|created| created.is_ok()).count(), 1, "one of a race wins");
    let first = set(vec![put(pod("a"), Expect::Absent, "first")]);
    let new = NewTenant { name: "with".to_owned(), first_writes: first, ..NewTenant::default() };
    let log = store.tenant(&store.create_tenant(new).await.unwrap());
    assert_eq!(shown(&log, pods(), None).await, ["a=first"]);
    let start = log.floor().await.unwrap();
    assert_eq!(log.head().await.unwrap(), start.plus(1));
}

pub(super) async fn due_rows_and_owners_come_and_go_with_commits(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let due = |minute, key: &[u8]| Due { minute, kind: "expiry".to_owned(), key: key.to_vec() };
    let add = WriteSet {
        due_add: vec![due(5, b"late"), due(0, b"at once"), due(9, b"later")],
        owners_add: vec![("owner".to_owned(), pod("b")), ("owner".to_owned(), pod("a")), ("x".to_owned(), pod("c"))],
        ..WriteSet::default()
    };
    assert!(log.commit(add).await.unwrap().is_empty(), "no change, no revision");
    let keys =
        async || -> Vec<Vec<u8>> { store.due(6, 10).await.unwrap().into_iter().map(|(_, due)| due.key).collect() };
    assert_eq!(keys().await, [b"at once".to_vec(), b"late".to_vec()]);
    assert_eq!(store.due(6, 1).await.unwrap(), [(log.id(), due(0, b"at once"))]);
    assert_eq!(log.dependents("owner").await.unwrap(), [pod("a"), pod("b")]);
    let remove = WriteSet {
        due_remove: vec![due(0, b"at once"), due(77, b"not there")],
        owners_remove: vec![("owner".to_owned(), pod("a"))],
        ..WriteSet::default()
    };
    log.commit(remove).await.unwrap();
    assert_eq!(keys().await, [b"late".to_vec()]);
    assert_eq!(log.dependents("owner").await.unwrap(), [pod("b")]);
    assert!(log.dependents("nobody").await.unwrap().is_empty());
}

pub(super) async fn tail_resumes_after_a_restart(place: Place) {
    let store = place.open().await;
    let (one, two) = (tenant(&store, "one").await, tenant(&store, "two").await);
    write(&one, pod("before"), "x").await;
    let mut tail = store.tail("gc");
    let mut seen = Vec::new();
    let read = async |tail: &mut crate::Tail, seen: &mut Vec<String>, count: usize| {
        let mut last = None;
        while seen.len() < count {
            let next = tokio::time::timeout(Duration::from_secs(20), tail.next());
            let batch = next.await.expect("a batch in time").unwrap();
            seen.extend(batch.events.iter().map(|(tenant, event)| format!("{tenant}: {}", told(event))));
            last = Some(batch.position);
        }
        last.unwrap()
    };
    read(&mut tail, &mut seen, 1).await;
    for round in 0..10 {
        let value = format!("{round}");
        write(if round % 2 == 0 { &one } else { &two }, pod("a"), &value).await;
    }
    let position = read(&mut tail, &mut seen, 6).await;
    tail.ack(position);
    drop((tail, one, two));
    store.shutdown().await;

    let store = place.open().await;
    let mut tail = store.tail("gc");
    let position = read(&mut tail, &mut seen, 11).await;
    let mut expected = vec!["1: 2 before: none -> x".to_owned()];
    for round in 0..10u64 {
        let old = if round < 2 { "none".to_owned() } else { (round - 2).to_string() };
        let (tenant, revision) = if round % 2 == 0 { (1, 3 + round / 2) } else { (2, 2 + round / 2) };
        expected.push(format!("{tenant}: {revision} a: {old} -> {round}"));
    }
    assert_eq!(seen, expected, "nothing missing, nothing twice");
    let one = find(&store, "one").await;
    write(&one, pod("z"), "z").await;
    read(&mut tail, &mut seen, 12).await;
    tail.ack(position);
    // An acknowledgement is stored by itself, a moment later.
    drop((tail, one));
    store.shutdown().await;
    let store = place.open().await;
    let mut fresh = Vec::new();
    read(&mut store.tail("gc"), &mut fresh, 1).await;
    assert_eq!(fresh, [seen[11].clone()]);
    let mut other = Vec::new();
    read(&mut store.tail("never seen"), &mut other, 12).await;
    assert_eq!(other, seen, "a new consumer starts with the oldest kept");
}

pub(super) async fn old_slices_are_dropped_and_the_floor_is_raised(place: Place) {
    let store = place.open().await;
    let (log, idle) = (tenant(&store, "one").await, tenant(&store, "idle").await);
    let idle_floor = idle.floor().await.unwrap();
    let start = log.head().await.unwrap();
    let mut revisions = Vec::new();
    for minute in 0..10u64 {
        revisions.push(write(&log, pod("a"), &format!("{minute}")).await);
        place.pass(Duration::from_secs(61));
        store.maintain().await.unwrap();
    }
    let floor = log.floor().await.unwrap();
    assert!(revisions[2] <= floor && floor <= revisions[5], "{floor:?} of {revisions:?}");
    assert_eq!(idle.floor().await.unwrap(), idle_floor, "who has no dropped events keeps the floor");
    assert!(list(&idle, pods(), Some(idle_floor)).await.is_ok(), "however old");
    let past = list(&log, pods(), Some(floor)).await.unwrap();
    assert_eq!(past.entries[0].revision, floor);
    let old = list(&log, pods(), Some(Revision::new(floor.get() - 1))).await;
    assert!(matches!(old, Err(StorageError::Compacted { floor: told }) if told == floor), "{old:?}");
    let old = log.watch(pods(), start).next().await;
    assert!(matches!(old, Err(StorageError::Compacted { .. })), "{old:?}");
    assert!(log.watch(pods(), floor).next().await.is_ok());
    drop((log, idle));
    store.shutdown().await;
    let store = place.open().await;
    let log = find(&store, "one").await;
    assert_eq!(log.floor().await.unwrap(), floor, "the floor is durable");
    place.pass(Duration::from_secs(3600));
    store.maintain().await.unwrap();
    store.maintain().await.unwrap();
    let head = log.head().await.unwrap();
    assert_eq!(log.floor().await.unwrap(), head, "when nobody writes the rest goes too");
    assert_eq!(list(&log, pods(), Some(head)).await.unwrap().entries.len(), 1);
}

pub(super) async fn consumer_that_is_behind_keeps_its_slices(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    write(&log, pod("a"), "1").await;
    let mut tail = store.tail("slow");
    let first = tail.next().await.unwrap();
    tail.ack(first.position);
    write(&log, pod("a"), "2").await;
    let floor = log.floor().await.unwrap();
    for _ in 0..3 {
        place.pass(Duration::from_secs(3600));
        store.maintain().await.unwrap();
    }
    assert_eq!(log.floor().await.unwrap(), floor, "not all of it is acknowledged");
    let second = tail.next().await.unwrap();
    tail.ack(second.position);
    write(&log, pod("b"), "makes the lane store the position").await;
    for _ in 0..3 {
        place.pass(Duration::from_secs(3600));
        store.maintain().await.unwrap();
    }
    assert!(floor < log.floor().await.unwrap());
    // The batch that stores this position is a later one, with nothing in it for the consumer.
    let third = tail.next().await.unwrap();
    tail.ack(third.position);
    for _ in 0..4 {
        place.pass(Duration::from_secs(3600));
        store.maintain().await.unwrap();
    }
    assert_eq!(log.floor().await.unwrap(), log.head().await.unwrap(), "nobody has to write again");
}

pub(super) async fn byte_limit_drops_slices_and_tells_the_consumer(mut place: Place) {
    place.limits.window_bytes_max = 100_000;
    place.limits.history_bytes_max = 10_000;
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let start = log.head().await.unwrap();
    write(&log, pod("a"), "1").await;
    let mut tail = store.tail("slow");
    let first = tail.next().await.unwrap();
    tail.ack(first.position);
    // The way back of a delete is the whole object.
    for round in 0..40 {
        write(&log, pod("big"), &format!("{round}").repeat(3_000)).await;
        delete(&log, pod("big")).await;
        place.pass(Duration::from_secs(2));
    }
    store.maintain().await.unwrap();
    assert!(start < log.floor().await.unwrap());
    drop((tail, log));
    store.shutdown().await;
    let store = place.open().await;
    let mut tail = store.tail("slow");
    assert!(matches!(tail.next().await, Err(StorageError::Compacted { .. })));
    tail.skip();
    let log = find(&store, "one").await;
    write(&log, pod("a"), "2").await;
    assert_eq!(tail.next().await.unwrap().events.len(), 1);
    // A consumer that is there, and has yet to read what was written before it came.
    let mut late = store.tail("late");
    for _ in 0..40 {
        write(&log, pod("big"), &"x".repeat(6_000)).await;
        delete(&log, pod("big")).await;
        place.pass(Duration::from_secs(2));
    }
    store.maintain().await.unwrap();
    assert!(matches!(late.next().await, Err(StorageError::Compacted { .. })));
    late.skip();
    write(&log, pod("a"), "3").await;
    assert_eq!(late.next().await.unwrap().events.len(), 1);
}

pub(super) async fn tenants_do_not_see_each_other(place: Place) {
    let store = place.open().await;
    let mut logs = Vec::new();
    for name in 0..5 {
        logs.push(tenant(&store, &format!("t{name}")).await);
    }
    let writes = logs.iter().enumerate().flat_map(|(at, log)| {
        (0..20).map(move |round| write(log, pod(&format!("p{round}")), Box::leak(format!("{at}").into_boxed_str())))
    });
    futures::future::join_all(writes).await;
    for (at, log) in logs.iter().enumerate() {
        let entries = shown(log, Prefix::all(), None).await;
        assert_eq!(entries.len(), 20);
        assert!(entries.iter().all(|entry| entry.ends_with(&format!("={at}"))));
        let mut cursor = log.watch(Prefix::all(), log.floor().await.unwrap());
        let events = collect(&mut cursor, 20).await;
        assert!(events.iter().all(|event| event.ends_with(&format!("-> {at}"))));
        assert!(cursor.advance().await.unwrap().is_empty());
    }
}

pub(super) async fn tenant_goes_cold_and_wakes(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    write(&log, pod("a"), "1").await;
    place.pass(Duration::from_secs(100));
    assert_eq!(store.trim(Duration::from_secs(60)), 0, "a handle keeps it warm");
    drop(log);
    assert_eq!(store.trim(Duration::from_secs(600)), 0, "not idle long enough");
    // The lane lets go of a tenant a moment after it has answered.
    for _ in 0..1_000 {
        store.trim(Duration::from_secs(60));
        if store.warm_tenants() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((store.warm_tenants(), store.cache_bytes()), (0, 0));
    let log = find(&store, "one").await;
    assert_eq!(shown(&log, pods(), None).await, ["a=1"]);
    write(&log, pod("b"), "2").await;
    assert_eq!(shown(&log, pods(), None).await, ["a=1", "b=2"]);
}

pub(super) async fn event_is_encoded_once(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let start = log.head().await.unwrap();
    write(&log, pod("a"), "1").await;
    let first = log.watch(pods(), start).next().await.unwrap();
    let second = log.watch(pods(), start).next().await.unwrap();
    let made = first[0].derived(1, || Bytes::from_static(b"encoded"));
    // Without a cache two cursors may read the event twice; in memory they share it.
    let again = second[0].derived(1, || panic!("encoded twice"));
    assert_eq!(made, again);
    assert_eq!(first[0].derived(2, || Bytes::from_static(b"other")), Bytes::from_static(b"other"));
}

pub(super) async fn too_large_is_refused(mut place: Place) {
    place.limits.value_bytes_max = 10;
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    assert!(matches!(try_write(&log, pod("a"), "12345678901").await, Err(StorageError::TooLarge)));
    assert!(try_write(&log, pod("a"), "1234567890").await.is_ok());
}

pub(crate) async fn usage_follows_the_writes_and_its_limit_refuses_growth(place: Place) {
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    assert_eq!(log.usage().await.unwrap(), Usage::default(), "the base costs nothing");
    write(&log, pod("a"), "12345").await;
    write(&log, pod("b"), "1").await;
    write(&log, pod("b"), "123").await;
    let two = Usage { objects: 2, bytes: 8 };
    assert_eq!(log.usage().await.unwrap(), two);
    let within = |limit: Usage, changes| WriteSet { within: Some(limit), ..set(changes) };
    let another = put(pod("c"), Expect::Absent, "1");
    for limit in [Usage { objects: 2, bytes: 100 }, Usage { objects: 100, bytes: 8 }] {
        let refused = log.commit(within(limit, vec![another.clone()])).await;
        assert!(matches!(refused, Err(StorageError::Full)), "{refused:?}");
    }
    let current = log.current(&pod("a")).await.unwrap().unwrap();
    let shorter = put(pod("a"), Expect::At(current.revision), "1");
    log.commit(within(Usage::default(), vec![shorter])).await.expect("who is beyond the limit may shrink");
    delete(&log, pod("b")).await;
    drop(log);
    store.shutdown().await;
    let store = place.open().await;
    let log = find(&store, "one").await;
    assert_eq!(log.usage().await.unwrap(), Usage { objects: 1, bytes: 1 });
    store.shutdown().await;
}
