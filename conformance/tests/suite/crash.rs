//! kill -9 at bad moments: what was acknowledged is there, and what was begun goes on.

use kplex_conformance::{Options, Server, Store, Wire, eventually, postgres};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const PATH: &str = "/api/v1/namespaces/default/configmaps";
const WRITERS: usize = 8;

/// What a writer knows of one object: the last acknowledged state, and whether a later write is unsettled.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The number in the object, or `None` when it was deleted; with the revision that the server told.
    acknowledged: Option<(u64, u64)>,
    /// Numbers that were sent and not answered; `None` is a delete.
    unsettled: Vec<Option<u64>>,
}

fn number(object: &Value) -> Option<u64> {
    object["data"]["number"].as_str().and_then(|text| text.parse().ok())
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).expect("objects have revisions")
}

/// Writes until the connection breaks, and returns what it knows of each object.
async fn write(wire: Wire, writer: usize, acknowledged: Arc<AtomicU64>) -> BTreeMap<String, Known> {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    for count in 0.. {
        let name = format!("object-{writer}-{}", count % 5);
        let path = format!("{PATH}/{name}");
        let state = known.entry(name.clone()).or_default();
        let object = json!({"metadata": {"name": name}, "data": {"number": count.to_string()}});
        let (sent, answer) = match (state.acknowledged, count % 7) {
            (None, _) => (Some(count), wire.try_post(PATH, &object).await),
            (Some(_), 6) => (None, wire.try_send(http::Method::DELETE, &path, "", "").await),
            (Some(_), _) => {
                let patch = json!({"data": {"number": count.to_string()}}).to_string();
                (Some(count), wire.try_send(http::Method::PATCH, &path, "application/merge-patch+json", patch).await)
            }
        };
        let Some(answer) = answer.filter(|answer| answer.code < 500) else {
            state.unsettled.push(sent);
            return known;
        };
        assert!(answer.code < 300, "writer {writer} has its objects to itself: {}", answer.text());
        state.acknowledged = sent.map(|sent| (sent, revision(&answer.json())));
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    known
}

async fn check(wire: &Wire, known: &BTreeMap<String, Known>) {
    for (name, known) in known {
        let answer = wire.get(&format!("{PATH}/{name}")).await;
        let found = (answer.code == 200).then(|| number(&answer.json()).expect("the object has its number"));
        let acknowledged = known.acknowledged.map(|(number, _)| number);
        let fine = found == acknowledged || known.unsettled.contains(&found);
        assert!(fine, "{name}: found {found:?}, knew {known:?}");
        if let (Some((number, told)), Some(found)) = (known.acknowledged, found)
            && number == found
        {
            assert_eq!(revision(&answer.json()), told, "{name} has the revision that was told");
        }
    }
}

async fn survives(store: Store, rounds: u64) {
    let mut server = Server::start(Options { store, ..Options::default() });
    drop(server.create("crashed"));
    let mut head = 0;
    for round in 0..rounds {
        let plane = server.control_plane("crashed");
        let acknowledged = Arc::new(AtomicU64::new(0));
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            // A connection each: the server must not get a chance to order them.
            let wire = plane.wire().await;
            let writer = writer + WRITERS * usize::try_from(round).expect("few rounds");
            writers.push(tokio::spawn(write(wire, writer, acknowledged.clone())));
        }
        let enough = 150 + 37 * round;
        eventually("load", async || (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())).await;
        server.kill();
        let mut known = BTreeMap::new();
        for writer in writers {
            known.extend(writer.await.expect("a writer ends"));
        }
        server.restart();
        let wire = server.control_plane("crashed").wire().await;
        check(&wire, &known).await;
        let now = revision(&wire.get(PATH).await.json());
        let told =
            known.values().filter_map(|known| known.acknowledged).map(|(_, revision)| revision).max().unwrap_or(0);
        assert!(now >= told && now >= head, "revisions never go back: {now}, {told}, {head}");
        head = now;
    }
}

fn rounds() -> u64 {
    if std::env::var("KPLEX_TEST_SLOW").is_ok_and(|slow| !slow.is_empty()) { 20 } else { 3 }
}

#[tokio::test]
async fn acknowledged_writes_survive_kill_9_in_sqlite() {
    survives(Store::Sqlite, rounds()).await;
}

#[tokio::test]
async fn acknowledged_writes_survive_kill_9_over_postgres() {
    survives(Store::Postgres(postgres::database()), rounds()).await;
}

/// A request would wake the tenant, so the test looks into the database.
#[tokio::test]
async fn a_namespace_deletion_goes_on_after_kill_9_in_a_tenant_that_nobody_touches() {
    let url = postgres::database();
    let mut server = Server::start(Options { store: Store::Postgres(url.clone()), ..Options::default() });
    let plane = server.create("untouched");
    let wire = plane.wire().await;
    wire.create("/api/v1/namespaces", &json!({"metadata": {"name": "going"}})).await;
    for number in 0..100 {
        let object = json!({"metadata": {"name": format!("content-{number}")}});
        wire.create("/api/v1/namespaces/going/configmaps", &object).await;
    }
    assert!(rows(&url, "configmaps/going/") >= 100);
    let answer = wire.delete("/api/v1/namespaces/going").await;
    assert_eq!(answer.json()["status"]["phase"], "Terminating", "{}", answer.text());
    server.kill();
    assert_ne!(rows(&url, "namespaces/going"), 0, "the crash came before the end");
    server.restart();
    eventually("the namespace to go", async || (rows(&url, "namespaces/going") == 0).then_some(())).await;
    assert_eq!(rows(&url, "configmaps/going/"), 0, "its content went first");
    let wire = server.control_plane("untouched").wire().await;
    assert_eq!(wire.get("/api/v1/namespaces/going").await.code, 404);
    assert_eq!(wire.get("/api/v1/namespaces/going/configmaps").await.json()["items"], json!([]));
}

/// Counts the rows of the state table whose key contains a text.
fn rows(url: &str, text: &str) -> u64 {
    let query = format!("SELECT count(*) FROM kplex.object WHERE position('{text}'::bytea in key) > 0");
    postgres::ask(url, &query).parse().expect("a count is a number")
}

#[tokio::test]
async fn a_finalizer_removed_after_a_restart_lets_the_object_go() {
    let mut server = Server::start(Options::default());
    let wire = server.create("finalized").wire().await;
    wire.create(PATH, &json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})).await;
    assert_eq!(wire.delete(&format!("{PATH}/held")).await.code, 200);
    server.kill();
    server.restart();
    let wire = server.control_plane("finalized").wire().await;
    let held = wire.get(&format!("{PATH}/held")).await.json();
    assert!(held["metadata"]["deletionTimestamp"].is_string(), "it is on its way out: {held}");
    wire.merge(&format!("{PATH}/held"), &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(wire.get(&format!("{PATH}/held")).await.code, 404);
}
