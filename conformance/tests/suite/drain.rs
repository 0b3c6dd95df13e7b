//! How a server ends, and that only one runs on a data directory.

use futures::future::join_all;
use kplex_conformance::server::kplex;
use kplex_conformance::{Options, Server};
use serde_json::json;

#[tokio::test]
async fn sigterm_ends_watches_cleanly_and_the_process_with_zero() {
    let mut server = Server::start(Options::default());
    let plane = server.create("drained");
    let wire = plane.wire().await;
    let mut watch = wire.watch("/api/v1/namespaces?watch=1").await;
    assert_eq!(watch.event().await.0, "ADDED");
    server.signal_terminate();
    // Every event that is left, then the end; a broken connection would panic.
    while watch.next().await.is_some() {}
    let status = server.wait();
    assert!(status.success(), "{status}\n{}", server.log());
}

#[tokio::test]
async fn writes_in_flight_at_sigterm_are_answered_or_not_accepted() {
    let mut server = Server::start(Options::default());
    let plane = server.create("drained");
    let wire = plane.wire().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let names: Vec<String> = (0..50).map(|number| format!("write-{number}")).collect();
    let writes = names.iter().map(|name| {
        let wire = wire.clone();
        async move {
            wire.try_post(path, &json!({"metadata": {"name": name}})).await.map(|answer| (name.clone(), answer.code))
        }
    });
    let (answers, ()) = futures::join!(join_all(writes), async { server.signal_terminate() });
    assert!(server.wait().success(), "{}", server.log());
    server.restart();
    let wire = server.control_plane("drained").wire().await;
    for (name, code) in answers.into_iter().flatten() {
        let there = wire.get(&format!("{path}/{name}")).await.code == 200;
        assert!(code != 201 || there, "{name} was acknowledged");
    }
}

#[test]
fn a_second_server_on_the_same_directory_is_refused_with_a_reason() {
    let server = Server::start(Options::default());
    let mut second = kplex();
    second.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(server.data_dir());
    let out = second.output().unwrap();
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("another") && said.contains(server.data_dir().to_str().unwrap()), "{said}");
    let still_there = server.hub();
    still_there.kubectl(&["get", "namespaces"]);
}
