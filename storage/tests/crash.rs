//! Kill -9 under load: every write that was acknowledged before the kill is there after it, and a deletion that was begun
//! is finished by the next start, with nobody touching the tenant.
//!
//! The child is this same test binary, running the test `child` with a directory in its environment; what it has had
//! acknowledged it says on its standard output.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kplex_storage::{
    Base, Engine, Expect, Key, ListQuery, NewTenant, Op, Prefix, Revision, Stamp, Store, StoreOptions, TenantLog,
    WriteSet,
};

const DIRECTORY: &str = "KPLEX_CRASH_DIRECTORY";
const WRITERS: usize = 8;

async fn open(directory: &Path) -> Store {
    let engine = Engine::Sqlite(directory.to_owned());
    Store::open(StoreOptions::new(engine, Arc::new(Base::new(Vec::new())))).await.expect("open the store")
}

async fn tenant(store: &Store, name: &str) -> TenantLog {
    if let Some(row) = store.find_tenant(name).await.expect("look for the tenant") {
        return store.tenant(&row);
    }
    let new = NewTenant { name: name.to_owned(), ..NewTenant::default() };
    store.tenant(&store.create_tenant(new).await.expect("create the tenant"))
}

fn counter(writer: usize) -> Key {
    Key::new("", "counters", Some("default"), &format!("w{writer}"))
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent is about to kill us anyway.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Counts up in one key for ever, saying each number once it is acknowledged.
async fn count_up(log: TenantLog, writer: usize) {
    let key = counter(writer);
    loop {
        let current = log.current(&key).await.expect("read");
        let number = current.as_ref().map_or(0, |entry| number(&entry.value)) + 1;
        let expect = current.map_or(Expect::Absent, |entry| Expect::At(entry.revision));
        let value = Bytes::from(format!("{number} {}", "x".repeat(writer * 200)));
        let set = WriteSet::one(key.clone(), expect, Op::Put { stamp: Stamp::default(), value });
        let revision = log.commit(set).await.expect("write")[0];
        say(&format!("ack {writer} {number} {revision}"));
    }
}

fn number(value: &[u8]) -> u64 {
    let text = std::str::from_utf8(value).expect("text");
    text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Creates tenants with some objects and deletes them, for ever.
async fn come_and_go(store: Store) {
    for round in 0u64.. {
        let name = format!("temporary-{}-{round}", std::process::id());
        let log = tenant(&store, &name).await;
        for object in 0..20 {
            let value = Bytes::from(vec![b'x'; 500]);
            let key = Key::new("", "pods", Some("default"), &format!("p{object}"));
            let set = WriteSet::one(key, Expect::Absent, Op::Put { stamp: Stamp::default(), value });
            log.commit(set).await.expect("write");
        }
        say(&format!("deleting {name} {}", log.head().await.expect("head")));
        store.delete_tenant(log.id()).await.expect("delete");
    }
}

#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(async {
        let store = open(Path::new(&directory)).await;
        let log = tenant(&store, "counting").await;
        tokio::spawn(come_and_go(store.clone()));
        let writers = (0..WRITERS).map(|writer| tokio::spawn(count_up(log.clone(), writer)));
        futures::future::join_all(writers).await;
    });
}

/// What a child said before it was killed.
#[derive(Default)]
struct Said {
    /// Highest acknowledged number and its revision, by writer.
    acked: BTreeMap<usize, (u64, u64)>,
    /// Highest revision of any tenant whose deletion was begun.
    mark: u64,
}

fn run_and_kill(directory: &Path, time: Duration) -> Said {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "child", "--nocapture"]).env(DIRECTORY, directory);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("start the child");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let mut said = Said::default();
        for line in out.lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                // The last line may be cut.
                ["ack", writer, number, revision] if !revision.is_empty() => {
                    let (Ok(writer), Ok(number)) = (writer.parse(), number.parse()) else { continue };
                    said.acked.insert(writer, (number, revision.parse().unwrap_or(0)));
                }
                ["deleting", _, head] => said.mark = said.mark.max(head.parse().unwrap_or(0)),
                _ => {}
            }
        }
        said
    });
    std::thread::sleep(time);
    child.kill().expect("kill the child");
    child.wait().expect("wait for the child");
    reader.join().expect("read what it said")
}

async fn verify(directory: &Path, said: &Said) {
    let store = open(directory).await;
    let log = tenant(&store, "counting").await;
    let head = log.head().await.expect("head");
    for (writer, (acked, revision)) in &said.acked {
        let entry = log.get(&counter(*writer)).await.expect("read").0.expect("an acknowledged write");
        assert!(*acked <= number(&entry.value), "writer {writer}: {acked} was acknowledged");
        assert!(Revision::new(*revision) <= entry.revision);
    }
    // The log is whole: every revision from the floor to the head, and each number once in its key.
    let mut cursor = log.watch(Prefix::all(), log.floor().await.expect("floor"));
    let mut expected = log.floor().await.expect("floor");
    while cursor.position() < head {
        for event in cursor.next().await.expect("watch") {
            expected = Revision::new(expected.get() + 1);
            assert_eq!(event.revision, expected);
            let after = event.after.as_ref().map(|entry| number(&entry.value));
            let before = event.before.as_ref().map_or(0, |entry| number(&entry.value));
            assert_eq!(after, Some(before + 1), "{event:?}");
        }
    }
    let query = ListQuery { prefix: Prefix::all(), after: None, limit: 0, at: None };
    let listed = log.list(query).await.expect("list").entries.len();
    assert!(said.acked.len() <= listed, "{listed}");
    assert!(listed <= WRITERS, "{listed}");
    // Whoever was being deleted goes without being asked for; whoever was not is whole or was never there.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let rows = store.list_tenants(None, 1_000).await.expect("list tenants");
        let mut left = 0;
        for row in rows.iter().filter(|row| row.name.starts_with("temporary-")) {
            store.tenant(row).head().await.expect("a tenant that is listed can be read");
            store.delete_tenant(row.id).await.expect("delete");
            left += 1;
        }
        if left == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "tenants stay");
    }
    let again = tenant(&store, "again").await;
    let start = again.head().await.expect("head");
    assert!(Revision::new(said.mark) < start, "a new tenant starts above deleted ones: {} {start}", said.mark);
    store.delete_tenant(again.id()).await.expect("delete");
    store.shutdown().await;
}

#[test]
fn acknowledged_writes_survive_kill() {
    let directory = tempfile::tempdir().expect("make a directory");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let mut acked = 0;
    for round in 0..8u64 {
        // Different moments: during the opening, during the first writes, between checkpoints.
        let said = run_and_kill(directory.path(), Duration::from_millis(40 + round * round * 25));
        acked += said.acked.len();
        runtime.block_on(verify(directory.path(), &said));
    }
    assert!(acked > 0, "the child never had a write acknowledged");
}
