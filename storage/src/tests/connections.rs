//! What PostgreSQL connections that break do to writes: nothing that was acknowledged is lost, nothing is written twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::harness::*;
use crate::{Expect, Prefix, StorageError, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_lose_nothing() {
    let place = Place::postgres();
    let store = place.open().await;
    let log = tenant(&store, "one").await;
    let start = log.head().await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn(kill_connections(place.url().to_owned(), done.clone()));
    let writers = (0..4u32).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut acked = Vec::new();
            for round in 0..60 {
                let key = pod(&format!("w{writer}-{round}"));
                let written = log.commit(set(vec![put(key.clone(), Expect::Absent, "x")])).await;
                match written {
                    Ok(revisions) => acked.push((key, revisions[0])),
                    Err(StorageError::Unavailable(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            acked
        })
    });
    let mut acked = Vec::new();
    for writer in futures::future::join_all(writers).await {
        acked.extend(writer.unwrap());
    }
    done.store(true, Ordering::Relaxed);
    let kills = killer.await.unwrap();
    assert!(kills > 2, "{kills} connections were killed");
    let mut revisions: Vec<u64> = acked.iter().map(|(_, revision)| revision.get()).collect();
    revisions.sort_unstable();
    let expected: Vec<u64> = (start.get() + 1..=start.get() + acked.len() as u64).collect();
    assert_eq!(revisions, expected, "what failed was not written, what was acknowledged has no gaps");
    drop(log);
    store.shutdown().await;
    let store = place.open().await;
    let log = find(&store, "one").await;
    let there = list(&log, Prefix::all(), None).await.unwrap().entries;
    let mut listed: Vec<_> = there.into_iter().map(|entry| (entry.key, entry.revision)).collect();
    listed.sort();
    acked.sort();
    assert_eq!(listed, acked);
}

async fn kill_connections(url: String, done: Arc<AtomicBool>) -> usize {
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'kplex' AND datname = current_database()";
    let mut kills = 0;
    while !done.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(60)).await;
        kills += client.query(kill, &[]).await.unwrap().len();
    }
    kills
}

#[tokio::test]
async fn second_process_on_the_database_fences_the_first() {
    let place = Place::postgres();
    let first = place.open().await;
    let log = tenant(&first, "one").await;
    write(&log, pod("a"), "1").await;
    let second = place.open().await;
    let theirs = find(&second, "one").await;
    write(&theirs, pod("a"), "2").await;
    assert!(matches!(try_write(&log, pod("a"), "3").await, Err(StorageError::Unavailable(_))));
    assert!(matches!(log.get(&pod("a")).await, Err(StorageError::Unavailable(_))));
    assert_eq!(shown(&theirs, pods(), None).await, ["a=2"]);
}

#[tokio::test]
async fn wrong_url_is_refused_without_its_password() {
    let mut options = Place::memory().options();
    options.engine = crate::Engine::Postgres("postgres://me:secret@127.0.0.1:1/db?connect_timeout=1".to_owned());
    assert!(!format!("{options:?}").contains("secret"));
    let refused = Store::open(options).await.err().expect("refused").to_string();
    assert!(refused.contains("connect to the database"), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
}

#[tokio::test]
async fn connection_is_encrypted_and_checked_when_the_url_says_so() {
    let (url, roots) = super::cluster::encrypted_database();
    let open = async |settings: &str| {
        let mut place = Place::postgres();
        place.set_url(format!("{url}{settings}"));
        let store = Store::open(place.options()).await?;
        let log = tenant(&store, "one").await;
        write(&log, pod("a"), "1").await;
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'kplex' AND datname = current_database() AND NOT ssl";
        let plain: i64 = client.query_one(plain, &[]).await.unwrap().get(0);
        store.shutdown().await;
        Ok::<i64, StorageError>(plain)
    };
    assert_eq!(open(&format!("?sslmode=verify-full&sslrootcert={roots}")).await.unwrap(), 0, "no connection is plain");
    let refused = open("?sslmode=require").await.expect_err("the system does not know this certificate").to_string();
    assert!(refused.contains("certificate"), "{refused}");
}
