//! GETs of one object of 1 kB over HTTP/2 and TLS with a bearer token, by `h2load`; side by side with another server.

use crate::{Options, row};
use anyhow::{Context, Result, ensure};
use kplex_conformance::{Options as ServerOptions, Server};
use serde_json::{Value, json};
use std::process::Command;

const OBJECT: &str = "/api/v1/namespaces/default/configmaps/one";
const SECONDS: u32 = 8;

/// Measures ours, then the other one, then ours again: a machine that is shared drifts.
///
/// # Errors
/// When `h2load` (package `nghttp2-client`) is missing or a request fails.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let server = Server::start(ServerOptions::default());
    let plane = server.create("measured");
    let wire = plane.wire().await;
    wire.create("/api/v1/namespaces/default/configmaps", &object()).await;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    });
    wire.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await;
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"});
    let token = wire.create("/api/v1/namespaces/default/serviceaccounts/default/token", &request).await;
    let token = token["status"]["token"].as_str().context("a token")?;
    let ours = [plane.url(), token.to_owned(), server.pid().to_string()];
    measure("kplex", &ours)?;
    if let Some(oracle) = &options.oracle {
        let mut parts = oracle.splitn(3, ',').map(str::to_owned);
        let mut part = || parts.next().context("--oracle URL,TOKEN,PID");
        let theirs = [part()?, part()?, part()?];
        put_object(&theirs)?;
        measure("kube-apiserver", &theirs)?;
        measure("kplex again", &ours)?;
    }
    Ok(())
}

fn object() -> Value {
    // 700 characters that are no repetition of each other.
    let text: String = (0..140_u64).map(|number| format!("{:05x}", number * 7_919_987 % 1_048_573)).collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"k": text}})
}

fn put_object([url, token, _]: &[String; 3]) -> Result<()> {
    let collection = format!("{url}/api/v1/namespaces/default/configmaps");
    let mut curl = Command::new("curl");
    curl.args([
        "-sk",
        "-o",
        "/dev/null",
        "-H",
        &format!("Authorization: Bearer {token}"),
        "-H",
        "Content-Type: application/json",
    ]);
    let status = curl.args(["-d", &object().to_string(), &collection]).status().context("run curl")?;
    ensure!(status.success(), "make the object");
    Ok(())
}

/// Processor time of processes so far, in milliseconds.
fn processor_ms(pids: &str) -> u64 {
    let of = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = after.split_whitespace().collect();
        // utime and stime, in ticks of 10 ms.
        [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum::<u64>() * 10
    };
    pids.split(',').map(of).sum()
}

fn measure(what: &str, [url, token, pids]: &[String; 3]) -> Result<()> {
    let before = processor_ms(pids);
    let mut h2load = Command::new("h2load");
    h2load.args(["-t1", "-c8", "-m8", "-D", &SECONDS.to_string(), "--warm-up-time=2"]);
    let out = h2load.args(["-H", &format!("Authorization: Bearer {token}"), &format!("{url}{OBJECT}")]).output();
    let text = String::from_utf8(out.context("run h2load")?.stdout)?;
    let spent = processor_ms(pids) - before;
    let finished = text.lines().find(|line| line.starts_with("finished in")).context("h2load finished")?;
    let rate: f64 = finished.split(", ").nth(1).and_then(|part| part.split(' ').next()).unwrap_or("").parse()?;
    let codes = text.lines().find(|line| line.starts_with("status codes:")).unwrap_or("");
    ensure!(codes.contains(" 0 4xx, 0 5xx"), "requests fail: {codes}");
    // The warm-up is in the processor time and not in the rate.
    let requests = rate * f64::from(SECONDS + 2);
    let each = spent as f64 * 1e3 / requests;
    row(
        &format!("GET of one 1 kB object, HTTP/2 + TLS, bearer token: {what}"),
        &format!("{rate:.0}/s, {each:.0} µs CPU each"),
    );
    Ok(())
}
