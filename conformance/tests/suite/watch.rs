//! What a watch promises: everything after its start, once, in order, across restarts; or 410.

use kplex_conformance::{Options, Server, Wire, eventually};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/namespaces/default/configmaps";

fn object(name: &str, label: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"colour": label}}})
}

fn revision(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().expect("objects have revisions").to_owned()
}

async fn start(name: &str) -> Wire {
    Server::shared().create(name).wire().await
}

#[tokio::test]
async fn a_watch_resumes_after_its_revision_without_gap_or_repeat() {
    let wire = start("watch-resume").await;
    let first = revision(&wire.create(PATH, &object("one", "red")).await);
    wire.create(PATH, &object("two", "red")).await;
    wire.merge(&format!("{PATH}/one"), &json!({"data": {"a": "b"}})).await;
    wire.delete(&format!("{PATH}/two")).await;
    let mut watch = wire.watch(&format!("{PATH}?watch=1&resourceVersion={first}")).await;
    let mut last = first.parse::<u64>().unwrap();
    for (kind, name) in [("ADDED", "two"), ("MODIFIED", "one"), ("DELETED", "two")] {
        let (seen, of, object) = watch.event().await;
        assert_eq!((seen.as_str(), of.as_str()), (kind, name));
        let revision: u64 = revision(&object).parse().unwrap();
        assert!(revision > last, "revisions grow, also that of a deleted object: {object}");
        last = revision;
    }
}

#[tokio::test]
async fn a_watch_resumes_after_a_restart() {
    let mut server = Server::start(Options::default());
    let wire = server.create("watched").wire().await;
    let first = revision(&wire.create(PATH, &object("one", "red")).await);
    wire.merge(&format!("{PATH}/one"), &json!({"metadata": {"labels": {"colour": "blue"}}})).await;
    wire.delete(&format!("{PATH}/one")).await;
    server.kill();
    server.restart();
    let wire = server.control_plane("watched").wire().await;
    let mut watch = wire.watch(&format!("{PATH}?watch=1&resourceVersion={first}")).await;
    assert_eq!(watch.event().await.0, "MODIFIED");
    let (kind, _, last) = watch.event().await;
    assert_eq!(kind, "DELETED");
    assert_eq!(last["metadata"]["labels"]["colour"], "blue", "a deleted object is told as it last was");
    wire.create(PATH, &object("two", "red")).await;
    assert_eq!(watch.event().await.1, "two", "it goes on with what is new");
    // With a selector the old state decides: the object left the selection by becoming blue.
    let mut red = wire.watch(&format!("{PATH}?watch=1&resourceVersion={first}&labelSelector=colour%3Dred")).await;
    let (kind, name, _) = red.event().await;
    assert_eq!((kind.as_str(), name.as_str()), ("DELETED", "one"));
    assert_eq!(red.event().await.1, "two");
}

#[tokio::test]
async fn objects_enter_and_leave_a_selection() {
    let wire = start("watch-select").await;
    let mut watch = wire.watch(&format!("{PATH}?watch=1&labelSelector=colour%3Dred")).await;
    wire.create(PATH, &object("one", "blue")).await;
    let path = format!("{PATH}/one");
    let paint = |colour: &str| json!({"metadata": {"labels": {"colour": colour}}});
    wire.merge(&path, &paint("red")).await;
    wire.merge(&path, &json!({"data": {"a": "b"}})).await;
    let left = wire.merge(&path, &paint("blue")).await.json();
    wire.merge(&path, &paint("green")).await;
    wire.merge(&path, &paint("red")).await;
    for kind in ["ADDED", "MODIFIED", "DELETED", "ADDED"] {
        let (seen, _, object) = watch.event().await;
        assert_eq!(seen, kind, "{object}");
        if kind == "DELETED" {
            assert_eq!(object["metadata"]["labels"]["colour"], "red", "as it was in the selection");
            assert_eq!(revision(&object), revision(&left), "with the revision at which it left");
        }
    }
}

#[tokio::test]
async fn a_watch_without_revision_begins_with_what_is_there() {
    let wire = start("watch-begin").await;
    wire.create(PATH, &object("one", "red")).await;
    for query in ["watch=1", "watch=1&resourceVersion=0"] {
        let mut watch = wire.watch(&format!("{PATH}?{query}&labelSelector=colour")).await;
        let (kind, name, _) = watch.event().await;
        assert_eq!((kind.as_str(), name.as_str()), ("ADDED", "one"), "{query}");
    }
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let wire = start("watch-initial").await;
    for name in ["one", "two"] {
        wire.create(PATH, &object(name, "red")).await;
    }
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = wire.watch(&format!("{PATH}?{query}&labelSelector=colour")).await;
    let mut names = vec![watch.event().await.1, watch.event().await.1];
    names.sort();
    assert_eq!(names, ["one", "two"]);
    let (kind, _, bookmark) = watch.event().await;
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let from = revision(&bookmark);
    wire.create(PATH, &object("three", "red")).await;
    assert_eq!(watch.event().await.1, "three");
    let mut resumed = wire.watch(&format!("{PATH}?watch=1&resourceVersion={from}")).await;
    assert_eq!(resumed.event().await.1, "three", "a bookmark is a place to resume from");
}

#[tokio::test]
async fn a_watch_from_the_future_waits_for_its_revision() {
    let wire = start("watch-future").await;
    let now: u64 = revision(&wire.create(PATH, &object("past", "red")).await).parse().unwrap();
    let start = now + 3;
    let mut watch = wire.watch(&format!("{PATH}?watch=1&resourceVersion={start}&labelSelector=colour")).await;
    // Others may write too, so the first object after the start is whichever it is.
    let mut first = None;
    for number in 0..5 {
        let made = wire.create(PATH, &object(&format!("object-{number}"), "red")).await;
        if first.is_none() && revision(&made).parse::<u64>().unwrap() > start {
            first = Some(made);
        }
    }
    let (kind, _, seen) = watch.event().await;
    assert_eq!(
        (kind.as_str(), seen["metadata"]["name"].clone()),
        ("ADDED", first.unwrap()["metadata"]["name"].clone())
    );
}

#[tokio::test]
async fn the_state_of_the_future_is_refused_in_the_stream() {
    let wire = start("watch-future-state").await;
    let query = "watch=1&resourceVersion=999999999&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let mut watch = wire.watch(&format!("{PATH}?{query}")).await;
    let (kind, _, status) = watch.event().await;
    assert_eq!((kind.as_str(), status["code"].as_u64()), ("ERROR", Some(504)), "{status}");
    assert_eq!(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_watch_ends_at_its_timeout() {
    let wire = start("watch-timeout").await;
    let mut watch = wire.watch(&format!("{PATH}?watch=1&timeoutSeconds=1&labelSelector=none")).await;
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_list_of_the_future_is_refused() {
    let wire = start("list-future").await;
    for matching in ["", "&resourceVersionMatch=Exact", "&resourceVersionMatch=NotOlderThan"] {
        let answer = wire.get(&format!("{PATH}?resourceVersion=999999999{matching}")).await;
        assert_eq!(answer.code, 504, "{}", answer.text());
        assert!(answer.message().contains("Too large resource version: 999999999"), "{}", answer.message());
    }
}

#[tokio::test]
async fn a_definition_is_seen_behind_a_history_that_has_forgotten_it() {
    const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const THINGS: &str = "/apis/late.example.com/v1/things";
    let wire = start("watch-late-definition").await;
    assert_eq!(wire.get(THINGS).await.code, 404, "from here on the server follows definitions");
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.late.example.com"},
        "spec": {
            "group": "late.example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    wire.create(DEFINITIONS, &definition).await;
    eventually("the definition to be established", async || {
        let found = wire.get(&format!("{DEFINITIONS}/things.late.example.com")).await.text();
        found.contains("\"Established\"").then_some(())
    })
    .await;
    // More than the megabyte that the history of a control plane holds in memory.
    let text = "x".repeat(200_000);
    for number in 0..8 {
        let name = format!("large-{number}");
        let large = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": text}});
        wire.create("/api/v1/namespaces/default/configmaps", &large).await;
    }
    assert_eq!(wire.get(THINGS).await.code, 200);
}

#[tokio::test]
async fn a_list_in_pages_is_of_one_revision() {
    let wire = start("list-pages").await;
    for number in 0..7 {
        wire.create(PATH, &object(&format!("page-{number}"), "red")).await;
    }
    let first = wire.get(&format!("{PATH}?limit=3&labelSelector=colour")).await.json();
    let at = revision(&first);
    // What comes later is not in this list.
    wire.create(PATH, &object("page-3-later", "red")).await;
    wire.delete(&format!("{PATH}/page-5")).await;
    let mut names: Vec<String> = Vec::new();
    let mut page = first;
    loop {
        let items = page["items"].as_array().expect("items");
        names.extend(items.iter().filter_map(|item| item["metadata"]["name"].as_str()).map(str::to_owned));
        assert_eq!(revision(&page), at);
        let Some(token) = page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) else { break };
        let path = format!("{PATH}?limit=3&labelSelector=colour&continue={token}");
        page = wire.get(&path).await.json();
    }
    let expected: Vec<String> = (0..7).map(|number| format!("page-{number}")).collect();
    assert_eq!(names, expected);
    let exact =
        wire.get(&format!("{PATH}?resourceVersion={at}&resourceVersionMatch=Exact&labelSelector=colour")).await.json();
    assert_eq!(exact["items"].as_array().expect("items").len(), 7, "the past can be listed");
}

#[tokio::test]
async fn kube_runtime_follows_through_a_restart() {
    use futures::StreamExt;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::{WatchStreamExt, watcher};
    let mut server = Server::start(Options::default());
    let plane = server.create("followed");
    let api: kube::Api<ConfigMap> = kube::Api::namespaced(plane.client().await, "default");
    let config = watcher::Config::default().labels("colour=red");
    let mut stream = watcher(api, config).default_backoff().applied_objects().boxed();
    let wire = plane.wire().await;
    wire.create(PATH, &object("before", "red")).await;
    let mut next = async || {
        eventually("an object", async || match stream.next().await {
            Some(Ok(object)) => object.metadata.name,
            // A broken connection, while the server is away.
            _ => None,
        })
        .await
    };
    assert_eq!(next().await, "before");
    server.kill();
    server.restart();
    let wire = server.control_plane("followed").wire().await;
    wire.create(PATH, &object("after", "red")).await;
    while next().await != "after" {}
}
