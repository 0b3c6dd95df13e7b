//! What is wrong gets upstream's Status, or a closed connection, and changes nothing.
//!
//! Codes, reasons and texts of the table were taken from a kube-apiserver 1.35.4.

use http::Method;
use kplex_conformance::{ControlPlane, Options, Server, Wire, eventually};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

/// A wrong request and what it gets.
struct Row {
    method: Method,
    path: &'static str,
    content_type: &'static str,
    body: String,
    code: u16,
    reason: &'static str,
    message: &'static str,
}

impl Row {
    fn new(
        method: Method,
        path: &'static str,
        content_type: &'static str,
        body: &str,
        code: u16,
        reason: &'static str,
        message: &'static str,
    ) -> Self {
        Self { method, path, content_type, body: body.to_owned(), code, reason, message }
    }
}

fn create(content_type: &'static str, body: &str, code: u16, reason: &'static str, message: &'static str) -> Row {
    Row::new(Method::POST, CONFIG_MAPS, content_type, body, code, reason, message)
}

fn get(path: &'static str, code: u16, reason: &'static str, message: &'static str) -> Row {
    Row::new(Method::GET, path, "", "", code, reason, message)
}

fn patch(content_type: &'static str, body: &str, code: u16, reason: &'static str, message: &'static str) -> Row {
    Row::new(Method::PATCH, "/api/v1/namespaces/default/configmaps/there", content_type, body, code, reason, message)
}

fn bodies() -> Vec<Row> {
    let deep = format!(r#"{{"metadata":{{"name":"x"}},"data":{{"a":{}{}}}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let large = format!(r#"{{"metadata":{{"name":"x"}},"data":{{"a":"{}"}}}}"#, "x".repeat(3 * 1024 * 1024));
    let over = format!(r#"{{"metadata":{{"name":"x"}},"data":{{"a":"{}"}}}}"#, "x".repeat(2 * 1024 * 1024));
    let number = "json: cannot unmarshal number into Go struct field ConfigMap.data of type string";
    vec![
        create(JSON, r#"{"metadata":"#, 400, "BadRequest", "unexpected end of JSON input"),
        create(JSON, "nonsense", 400, "BadRequest", "invalid character 'o' in literal null (expecting 'u')"),
        create(JSON, "", 400, "BadRequest", "unexpected end of JSON input"),
        create(JSON, "[]", 400, "BadRequest", "json: cannot unmarshal array into Go value"),
        create(JSON, r#"{"metadata":{"name":"x"},"data":{"a":1}}"#, 400, "BadRequest", number),
        create(
            JSON,
            r#"{"metadata":{"name":"x"},"data":["a"]}"#,
            400,
            "BadRequest",
            "cannot unmarshal array into Go struct field ConfigMap.data",
        ),
        create(
            JSON,
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}"#,
            400,
            "BadRequest",
            r#"Pod in version "v1" cannot be handled as a ConfigMap"#,
        ),
        create(JSON, r#"{"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"x"}}"#, 400, "BadRequest", ""),
        create("application/yaml", "a: [b", 400, "BadRequest", "yaml: line 1: "),
        create("application/yaml", "metadata:\n\tname: x", 400, "BadRequest", "yaml: line 2: "),
        create(
            "text/plain",
            "{}",
            415,
            "UnsupportedMediaType",
            "accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
        ),
        create("application/vnd.kubernetes.protobuf", "garbage", 400, "BadRequest", "expected prefix [107 56 115 0]"),
        create("application/vnd.kubernetes.protobuf", "k8s\0\u{7f}\u{7f}\u{7f}", 400, "BadRequest", ""),
        create(JSON, &deep, 400, "BadRequest", "exceeded max depth"),
        create(JSON, &large, 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"),
        create(JSON, &over, 422, "Invalid", "Too long: may not be more than 1048576 bytes"),
        create(
            JSON,
            r#"{"metadata":{"name":"x","namespace":"other"}}"#,
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        create(
            JSON,
            r#"{"metadata":{"name":"X_"}}"#,
            422,
            "Invalid",
            r#"ConfigMap "X_" is invalid: metadata.name: Invalid value: "X_""#,
        ),
        create(
            JSON,
            r#"{"metadata":{}}"#,
            422,
            "Invalid",
            "metadata.name: Required value: name or generateName is required",
        ),
    ]
}

fn queries() -> Vec<Row> {
    vec![
        get(
            "/api/v1/configmaps?labelSelector=a%20b%20c",
            400,
            "BadRequest",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        get("/api/v1/configmaps?labelSelector=a%20in%20(b", 400, "BadRequest", "found '', expected: ',' or ')'"),
        get("/api/v1/configmaps?fieldSelector=a", 400, "BadRequest", "invalid selector: 'a'; can't understand 'a'"),
        get(
            "/api/v1/namespaces/default/configmaps?fieldSelector=spec.x%3Dy",
            400,
            "BadRequest",
            r#""spec.x" is not a known field selector: only "metadata.name", "metadata.namespace""#,
        ),
        get("/api/v1/configmaps?continue=abc", 400, "BadRequest", "continue key is not valid"),
        get("/api/v1/configmaps?resourceVersion=abc", 400, "BadRequest", r#"Invalid value: "abc""#),
        get(
            "/api/v1/configmaps?resourceVersion=1&resourceVersionMatch=Foo",
            422,
            "Invalid",
            r#"resourceVersionMatch: Unsupported value: "Foo""#,
        ),
        get(
            "/api/v1/configmaps?resourceVersionMatch=Exact",
            422,
            "Invalid",
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        get("/api/v1/configmaps?limit=x", 400, "BadRequest", r#"strconv.ParseInt: parsing "x": invalid syntax"#),
        get(
            "/api/v1/configmaps?watch=1&resourceVersion=1&sendInitialEvents=true",
            422,
            "Invalid",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        get("/api/v1/configmaps?timeout=x", 400, "BadRequest", "invalid timeout specified in the request URL"),
        Row::new(
            Method::POST,
            "/api/v1/namespaces/default/configmaps?fieldValidation=Foo",
            JSON,
            r#"{"metadata":{"name":"x"}}"#,
            422,
            "Invalid",
            r#"fieldValidation: Unsupported value: "Foo": supported values: "", "Ignore", "Strict", "Warn""#,
        ),
        Row::new(
            Method::POST,
            "/api/v1/namespaces/default/configmaps?dryRun=Foo",
            JSON,
            r#"{"metadata":{"name":"x"}}"#,
            422,
            "Invalid",
            r#"dryRun: Unsupported value: ["Foo"]: supported values: "All""#,
        ),
    ]
}

fn paths() -> Vec<Row> {
    let options = r#"{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"x"}}"#;
    vec![
        get("/api/v1/namespaces/default/configmaps/nope", 404, "NotFound", r#"configmaps "nope" not found"#),
        get("/api/v1/nope", 404, "NotFound", "the server could not find the requested resource"),
        get("/api/v1/namespaces/default/nodes", 404, "NotFound", "the server could not find the requested resource"),
        get("/api/v1/namespaces/default/pods/nope/log", 404, "NotFound", r#"pods "nope" not found"#),
        Row::new(
            Method::PUT,
            "/api/v1/namespaces/default/configmaps/there",
            JSON,
            r#"{"metadata":{"name":"other"}}"#,
            400,
            "BadRequest",
            "the name of the object (other) does not match the name on the URL (there)",
        ),
        Row::new(
            Method::PUT,
            "/api/v1/namespaces/default/configmaps/nope",
            JSON,
            r#"{"metadata":{"name":"nope"}}"#,
            404,
            "NotFound",
            r#"configmaps "nope" not found"#,
        ),
        Row::new(
            Method::PUT,
            "/api/v1/namespaces/default/configmaps/there",
            JSON,
            r#"{"metadata":{"name":"there","resourceVersion":"1"}}"#,
            409,
            "Conflict",
            r#"Operation cannot be fulfilled on configmaps "there": the object has been modified"#,
        ),
        Row::new(
            Method::POST,
            "/api/v1/namespaces/default/configmaps/there",
            JSON,
            "{}",
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
        Row::new(
            Method::TRACE,
            "/api/v1/namespaces/default/configmaps",
            "",
            "",
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
        Row::new(
            Method::POST,
            "/api/v1/namespaces/nope/configmaps",
            JSON,
            r#"{"metadata":{"name":"x"}}"#,
            404,
            "NotFound",
            r#"namespaces "nope" not found"#,
        ),
        Row::new(
            Method::POST,
            "/api/v1/namespaces/default/configmaps",
            JSON,
            r#"{"metadata":{"name":"there"}}"#,
            409,
            "AlreadyExists",
            r#"configmaps "there" already exists"#,
        ),
        Row::new(
            Method::DELETE,
            "/api/v1/namespaces/default/configmaps/there",
            JSON,
            options,
            409,
            "Conflict",
            "Operation cannot be fulfilled on",
        ),
        Row::new(
            Method::DELETE,
            "/api/v1/namespaces/default/configmaps/there",
            JSON,
            r#"{"propagationPolicy":"Foo"}"#,
            422,
            "Invalid",
            r#"propagationPolicy: Unsupported value: "Foo""#,
        ),
        Row::new(
            Method::DELETE,
            "/api/v1/namespaces/kube-system",
            "",
            "",
            403,
            "Forbidden",
            "this namespace may not be deleted",
        ),
    ]
}

fn patches() -> Vec<Row> {
    vec![
        patch(JSON, "{}", 415, "UnsupportedMediaType", ""),
        patch(
            "application/json-patch+json",
            "{}",
            400,
            "BadRequest",
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        patch(
            "application/json-patch+json",
            r#"[{"op":"replace","path":"/nope/x","value":1}]"#,
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        ),
        patch(
            MERGE,
            "[]",
            400,
            "BadRequest",
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        patch(
            "application/strategic-merge-patch+json",
            "x",
            400,
            "BadRequest",
            "invalid character 'x' looking for beginning of value",
        ),
        patch(
            "application/apply-patch+yaml",
            "{}",
            422,
            "Invalid",
            "fieldManager: Required value: is required for apply patch",
        ),
        Row::new(
            Method::PATCH,
            "/api/v1/namespaces/default/configmaps/there?fieldManager=m",
            "application/apply-patch+yaml",
            "{}",
            400,
            "BadRequest",
            "",
        ),
        patch(
            MERGE,
            r#"{"metadata":{"name":"other"}}"#,
            400,
            "BadRequest",
            "the name of the object (other) does not match the name on the URL (there)",
        ),
        patch(
            MERGE,
            r#"{"data":{"a":1}}"#,
            422,
            "Invalid",
            "cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
        patch(
            MERGE,
            r#"{"metadata":{"uid":"00000000-0000-0000-0000-000000000000"}}"#,
            422,
            "Invalid",
            "field is immutable",
        ),
    ]
}

/// Returns everything that could have changed.
async fn snapshot(wire: &Wire) -> Vec<(String, String)> {
    let list = wire.get("/api/v1/configmaps").await.json();
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let items = list["items"].as_array().expect("items").iter();
    items.map(|item| (text(&item["metadata"]["name"]), text(&item["metadata"]["resourceVersion"]))).collect()
}

async fn refuses(name: &str, rows: Vec<Row>) {
    let wire = Server::shared().create(name).wire().await;
    wire.create(CONFIG_MAPS, &json!({"metadata": {"name": "there"}, "data": {"a": "1"}})).await;
    eventually("the namespaces' own objects", async || (snapshot(&wire).await.len() >= 5).then_some(())).await;
    let before = snapshot(&wire).await;
    let mut faults = Vec::new();
    for row in rows {
        let answer = wire.send(row.method.clone(), row.path, row.content_type, row.body.as_str()).await;
        let start: String = row.body.chars().take(80).collect();
        let (reason, message) = (answer.reason(), answer.message());
        if answer.code != row.code || reason != row.reason || !message.contains(row.message) {
            faults.push(format!(
                "{} {} {} {start}\n  wants {} {} {}\n  has   {} {reason} {message}",
                row.method, row.path, row.content_type, row.code, row.reason, row.message, answer.code
            ));
        }
        let status = answer.json();
        if status["kind"] != "Status" || status["status"] != "Failure" || status["code"] != answer.code {
            faults.push(format!("{} {}: not a Status: {status}", row.method, row.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(snapshot(&wire).await, before, "nothing has changed");
}

#[tokio::test]
async fn bad_bodies_get_upstreams_status() {
    refuses("bad-bodies", bodies()).await;
}

#[tokio::test]
async fn bad_queries_get_upstreams_status() {
    refuses("bad-queries", queries()).await;
}

#[tokio::test]
async fn bad_paths_and_methods_get_upstreams_status() {
    refuses("bad-paths", paths()).await;
}

#[tokio::test]
async fn bad_patches_get_upstreams_status() {
    refuses("bad-patches", patches()).await;
}

/// A Deployment with an unknown field, a deeper one in a list, and a duplicate one.
const SLOPPY: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"sloppy","nam":"x"},
    "spec":{"replicas":1,"replicas":2,"selector":{"matchLabels":{"a":"b"}},
    "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i","imag":"x"}]}}}}"#;
const SLOPPY_FAULTS: [&str; 3] = [
    r#"unknown field "metadata.nam""#,
    r#"duplicate field "spec.replicas""#,
    r#"unknown field "spec.template.spec.containers[0].imag""#,
];

#[tokio::test]
async fn unknown_and_duplicate_fields_are_refused_warned_about_or_dropped() {
    let wire = Server::shared().create("bad-fields").wire().await;
    let path = |mode: &str| format!("/apis/apps/v1/namespaces/default/deployments?fieldValidation={mode}");
    let strict = wire.send(Method::POST, &path("Strict"), JSON, SLOPPY).await;
    assert_eq!((strict.code, strict.reason().as_str()), (400, "BadRequest"));
    assert!(
        strict
            .message()
            .starts_with(r#"Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: "#)
    );
    let warned = wire.send(Method::POST, &format!("{}&dryRun=All", path("Warn")), JSON, SLOPPY).await;
    assert_eq!(warned.code, 201);
    assert_eq!(warned.warnings().len(), 3, "{:?}", warned.warnings());
    for fault in SLOPPY_FAULTS {
        assert!(strict.message().contains(fault), "{fault}: {}", strict.message());
        let quoted = format!("299 - {}", serde_json::to_string(fault).expect("a string"));
        assert!(warned.warnings().contains(&quoted), "{quoted}: {:?}", warned.warnings());
    }
    let ignored = wire.send(Method::POST, &path("Ignore"), JSON, SLOPPY).await;
    assert_eq!(ignored.code, 201);
    assert_eq!(ignored.warnings(), Vec::<String>::new());
    let stored = ignored.json();
    assert_eq!(stored["spec"]["replicas"], 2, "the last of two wins");
    assert_eq!(stored["metadata"]["nam"], Value::Null);
}

/// Waits until the server closes a connection, and returns what it sent before.
fn read_to_close(mut connection: TcpStream) -> usize {
    connection.set_read_timeout(Some(Duration::from_secs(30))).expect("set a timeout");
    let mut out = Vec::new();
    match connection.read_to_end(&mut out) {
        Ok(read) => read,
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the server closes the connection");
            out.len()
        }
    }
}

#[test]
fn tls_garbage_closes_the_connection_and_nothing_else() {
    let server = Server::shared();
    for garbage in
        [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(), &[0; 512], &[0x16, 3, 1, 0xff, 0xff, 1, 2, 3], &[0xff; 2048]]
    {
        let mut connection = TcpStream::connect(server.address()).expect("connect");
        // It may close while we write.
        let _ = connection.write_all(garbage);
        let _ = connection.shutdown(std::net::Shutdown::Write);
        read_to_close(connection);
    }
    server.hub().kubectl(&["get", "--raw", "/readyz"]);
}

#[tokio::test]
async fn half_open_connections_shut_nobody_out() {
    let server = Server::start(Options::default());
    let plane = server.create("shut-out");
    // They say nothing at all; the oldest ones have to give way.
    let silent: Vec<TcpStream> = (0..1_500).map_while(|_| TcpStream::connect(server.address()).ok()).collect();
    assert!(silent.len() > 500, "the test can open connections: {}", silent.len());
    let wire = plane.wire().await;
    assert_eq!(wire.get("/api/v1/namespaces/default").await.code, 200);
    drop(silent);
}

fn curl(plane: &ControlPlane, args: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new("curl");
    command.args(["-sk", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30"]).args(args);
    command.arg(format!("{}/version", plane.url())).output().expect("run curl")
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let plane = Server::shared().create("bad-heads");
    let header = format!("X-Large: {}", "x".repeat(300 * 1024));
    let file = plane.path().with_file_name("header");
    std::fs::write(&file, header).unwrap();
    for version in ["--http1.1", "--http2"] {
        let out = curl(&plane, &[version, "-H", &format!("@{}", file.display())]);
        assert_ne!(String::from_utf8_lossy(&out.stdout), "200", "{version}");
        let fine = curl(&plane, &[version]);
        assert_eq!(String::from_utf8_lossy(&fine.stdout), "200", "{version}: the server goes on");
    }
}
