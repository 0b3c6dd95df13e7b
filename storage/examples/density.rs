//! Measures what a warm tenant costs the process in resident memory, and that it comes back.
//!
//! `cargo run --release -p kplex-storage --example density -- 10000`

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kplex_storage::{
    Base, BaseItem, Change, Engine, Expect, Key, NewTenant, Op, Part, Stamp, Store, StoreOptions, WriteSet,
};

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("read /proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

fn base() -> Base {
    let items = (0..100).map(|at| BaseItem {
        key: Key::new("rbac.authorization.k8s.io", "clusterroles", None, &format!("role-{at}")),
        schema: 1,
        parts: vec![Part::Literal(Bytes::from(vec![b'x'; 600])), Part::Splice, Part::Uid],
    });
    Base::new(items.collect())
}

const RESOURCES: [&str; 6] = ["namespaces", "configmaps", "secrets", "serviceaccounts", "deployments", "pods"];

fn first_writes() -> WriteSet {
    let changes = RESOURCES.iter().map(|resource| Change {
        key: Key::new("", resource, Some("default"), "object"),
        expect: Expect::Absent,
        op: Op::Put { stamp: Stamp::default(), value: Bytes::from(vec![b'x'; 400]) },
    });
    WriteSet { changes: changes.collect(), ..WriteSet::default() }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let count: u64 = std::env::args().nth(1).map_or(10_000, |count| count.parse().expect("a number of tenants"));
    let directory = tempfile::tempdir().expect("make a directory");
    let store = Store::open(StoreOptions::new(Engine::Sqlite(directory.path().to_owned()), Arc::new(base()))).await;
    let store = store.expect("open");
    println!("open: {} KiB", resident_kib());
    let start = Instant::now();
    let before = resident_kib();
    for number in 0..count {
        let new = NewTenant { name: format!("cp{number}"), first_writes: first_writes(), ..NewTenant::default() };
        let row = store.create_tenant(new).await.expect("create");
        let log = store.tenant(&row);
        for resource in &RESOURCES[..5] {
            let key = Key::new("", resource, Some("default"), "object");
            assert!(log.get(&key).await.expect("get").0.is_some());
        }
    }
    let took = start.elapsed();
    let per = |after: u64| (after as f64 - before as f64) * 1024.0 / count as f64;
    println!("{count} created and read in {took:?}, {:?} each", took / count as u32);
    println!("warm after creation: {} KiB, {:.0} B each", resident_kib(), per(resident_kib()));
    store.trim(Duration::ZERO);
    println!("cold: {} KiB, {:.0} B each", resident_kib(), per(resident_kib()));
    for number in 0..count {
        let row = store.find_tenant(&format!("cp{number}")).await.expect("find").expect("there");
        let log = store.tenant(&row);
        for resource in &RESOURCES[..5] {
            let key = Key::new("", resource, Some("default"), "object");
            assert!(log.get(&key).await.expect("get").0.is_some());
        }
    }
    println!("warm again: {} KiB, {:.0} B each", resident_kib(), per(resident_kib()));
    let start = Instant::now();
    for row in store.list_tenants(None, 1_000_000).await.expect("list") {
        store.delete_tenant(row.id).await.expect("delete");
    }
    println!("deleted in {:?}: {} KiB", start.elapsed(), resident_kib());
    store.shutdown().await;
}
