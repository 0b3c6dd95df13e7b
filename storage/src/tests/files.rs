//! What SQLite's file promises: one process, nothing damaged read as whole, a format that does not change unnoticed.

use std::time::Duration;

use super::harness::*;
use crate::engine::sqlite::SqliteEngine;
use crate::{Expect, NewTenant, StorageError, Store};

fn database(place: &Place) -> rusqlite::Connection {
    rusqlite::Connection::open(place.directory().join("kplex.db")).unwrap()
}

#[tokio::test]
async fn second_store_on_a_directory_is_refused_with_a_reason() {
    let place = Place::sqlite();
    let store = place.open().await;
    let refused = Store::open(place.options()).await.err().expect("refused").to_string();
    let holder = format!("is in use by process {}", std::process::id());
    assert!(refused.contains(&holder), "{refused}");
    assert!(refused.contains(&place.directory().display().to_string()), "{refused}");
    store.shutdown().await;
    place.open().await.shutdown().await;
}

#[tokio::test]
async fn dropped_store_lets_go_of_its_directory() {
    let place = Place::sqlite();
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    write(&log, pod("a"), "1").await;
    drop((store, log));
    for _ in 0..500 {
        if let Ok(store) = Store::open(place.options()).await {
            assert_eq!(shown(&find(&store, "one").await, pods(), None).await, ["a=1"]);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the directory stays locked");
}

#[tokio::test]
async fn file_of_another_format_or_application_is_refused() {
    let place = Place::sqlite();
    place.open().await.shutdown().await;
    database(&place).execute("UPDATE meta SET value = 99 WHERE name = 'format'", []).unwrap();
    let refused = Store::open(place.options()).await.err().expect("refused").to_string();
    assert!(refused.contains("format 99"), "{refused}");
    let place = Place::sqlite();
    database(&place).execute("CREATE TABLE theirs (x)", []).unwrap();
    let refused = Store::open(place.options()).await.err().expect("refused").to_string();
    assert!(refused.contains("another application"), "{refused}");
}

#[tokio::test]
async fn damaged_rows_are_reported_and_not_served() {
    for damage in [
        "UPDATE object SET value = x'00'",
        "UPDATE object SET revision = revision - 1",
        "UPDATE object SET tombstone = 1",
        "UPDATE event_0_1 SET back = x'0000'",
        "UPDATE tenant SET record = x'00'",
        "UPDATE tenant SET name = 'two' WHERE name = 'one'",
    ] {
        let place = Place::sqlite();
        let store = place.open().await;
        let log = tenant(&store, "one").await;
        let start = write(&log, pod("a"), "1").await;
        write(&log, pod("a"), "2").await;
        drop(log);
        store.shutdown().await;
        assert!(database(&place).execute(damage, []).unwrap() > 0);
        let store = place.open().await;
        let name = if damage.contains("'two'") { "two" } else { "one" };
        let read = async {
            let row = store.find_tenant(name).await?.expect("there");
            let log = store.tenant(&row);
            log.get(&pod("a")).await?;
            list(&log, pods(), Some(start)).await.map(drop)
        };
        assert!(matches!(read.await, Err(StorageError::Corrupt(_))), "{damage}");
    }
}

#[tokio::test]
async fn opening_reads_no_tenants() {
    let place = Place::sqlite();
    let store = place.open().await;
    tenant(&store, "one").await;
    store.shutdown().await;
    // Rows that fail whoever reads them.
    let damaged =
        "INSERT INTO tenant SELECT id + 1000, lane, 'damaged', record, head, objects, bytes, floor, body, crc + 1
        FROM tenant WHERE name = 'one'";
    assert_eq!(database(&place).execute(damaged, []).unwrap(), 1);
    let store = place.open().await;
    assert!(find(&store, "one").await.head().await.is_ok());
    assert_eq!(store.warm_tenants(), 1);
    assert!(matches!(store.find_tenant("damaged").await, Err(StorageError::Corrupt(_))));
    store.shutdown().await;
}

#[tokio::test]
async fn file_has_the_documented_tables() {
    let place = Place::sqlite();
    place.open().await.shutdown().await;
    let connection = database(&place);
    let mut read = connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let rows = read.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let squeeze = |sql: String| sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let schema: Vec<String> = rows.map(|row| squeeze(row.unwrap())).collect();
    let golden = include_str!("golden/sqlite-schema.sql");
    assert_eq!(schema.join(";\n"), golden.trim_end(), "a change needs a new format and docs/storage-format.md");
}

#[tokio::test]
async fn lanes_work_side_by_side_and_stay() {
    let mut place = Place::sqlite();
    place.lanes = 3;
    let store = place.open().await;
    let mut logs = Vec::new();
    for name in 0..6 {
        logs.push(tenant(&store, &format!("t{name}")).await);
    }
    let writes = logs.iter().map(|log| write(log, pod("a"), "1"));
    futures::future::join_all(writes).await;
    drop(logs);
    store.shutdown().await;
    // Fewer are asked for; those that exist are kept.
    place.lanes = 1;
    let store = place.open().await;
    for name in 0..6 {
        let log = find(&store, &format!("t{name}")).await;
        assert_eq!(shown(&log, pods(), None).await, ["a=1"]);
        write(&log, pod("b"), "2").await;
    }
    let mut tail = store.tail("all lanes");
    let mut seen = 0;
    while seen < 12 {
        seen += tail.next().await.unwrap().events.len();
    }
}

#[tokio::test]
async fn rejected_transaction_leaves_the_engine_usable() {
    let place = Place::sqlite();
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    // A second connection with a lock makes the writer fail for once.
    let other = database(&place);
    other.execute_batch("PRAGMA busy_timeout = 0; DROP TABLE owner").unwrap();
    let mut writes = set(vec![put(pod("a"), Expect::Absent, "1")]);
    writes.owners_add.push(("uid".to_owned(), pod("a")));
    assert!(matches!(log.commit(writes).await, Err(StorageError::Unavailable(_))));
    assert!(shown(&log, pods(), None).await.is_empty());
    write(&log, pod("b"), "2").await;
    assert_eq!(shown(&log, pods(), None).await, ["b=2"]);
}

#[test]
fn futures_can_be_spawned() {
    fn sendable<T: Send>(_: impl FnOnce(&'static Store) -> T) {}
    sendable(|store| store.create_tenant(NewTenant::default()));
    sendable(|store| async {
        let row = store.find_tenant("x").await.unwrap().unwrap();
        let log = store.tenant(&row);
        let _ = log.get(&pod("a")).await;
        let _ = list(&log, pods(), None).await;
        let _ = log.commit(set(Vec::new())).await;
        let _ = log.current(&pod("a")).await;
        let _ = log.count(&pods()).await;
        let _ = log.watch(pods(), Default::default()).next().await;
        let _ = store.tail("x").next().await;
        store.delete_tenant(row.id).await
    });
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Store>();
    shared::<crate::TenantLog>();
    shared::<crate::Cursor>();
    shared::<SqliteEngine>();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_is_checkpointed_while_it_is_written() {
    let place = Place::sqlite();
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let value = "x".repeat(200_000);
    for round in 0..300 {
        write(&log, pod(&format!("p{}", round % 20)), &format!("{round}{value}")).await;
    }
    let size = std::fs::metadata(place.directory().join("kplex.db-wal")).unwrap().len();
    // 60 MB were written, and as much again of pages around them: a log that nobody checkpoints has more than 120 MB. How
    // far the checkpoints are behind is up to the machine.
    assert!(size < 100 << 20, "{size}");
    let connection = database(&place);
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(pragma("page_size"), 8192);
    drop(log);
    store.shutdown().await;
    assert!(!place.directory().join("kplex.db-wal").exists(), "a closed store is one file");
}

#[tokio::test]
async fn only_the_owner_reads_the_files() {
    // They were as readable as the umask let them be, with the key of every control plane in them.
    let place = Place::sqlite();
    let store = place.open().await;
    write(&tenant(&store, "one").await, pod("p"), "secret").await;
    for name in ["kplex.db", "kplex.db-wal", "kplex.db-shm"] {
        let metadata = std::fs::metadata(place.directory().join(name)).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600, "{name}");
    }
    store.shutdown().await;
}
