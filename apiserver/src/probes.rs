//! `/healthz`, `/livez`, `/readyz`, `/version` for everybody, and `/metrics` for who can reach the process itself.

use crate::http::negotiate::{self, Wish};
use crate::http::respond;
use crate::shared::Shared;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use kplex_machinery::api::Api;
use serde_json::json;

/// Answers the probe paths, without a tenant.
#[must_use]
pub fn answer(shared: &Shared, request: &Request, path: &str) -> Option<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let query = request.uri().query().unwrap_or("");
    match path {
        "/version" | "/version/" if *request.method() == Method::HEAD => None,
        "/version" | "/version/" => {
            let wish = Wish::of(request);
            Some(match negotiate::check_route(&wish, &["application/json"]) {
                Ok(()) => respond::plain(200, "application/json", version()),
                Err(status) => respond::early_failure(&wish, &status),
            })
        }
        "/healthz" | "/livez" | "/readyz" => Some(health(shared, &path[1..], query)),
        _ => {
            let (probe, check) = path[1..].split_once('/')?;
            matches!(probe, "healthz" | "livez" | "readyz").then(|| single(shared, probe, check))?
        }
    }
}

/// Answers what only the process itself offers, never inside a control plane.
#[must_use]
pub fn process_only(shared: &Shared, path: &str) -> Option<Response> {
    (path == "/metrics")
        .then(|| respond::plain(200, "text/plain; version=1.0.0; charset=utf-8", Bytes::from(shared.metrics.text())))
}

/// `version.Info` of the Kubernetes that is served.
fn version() -> Bytes {
    let kubernetes = &Api::builtin().kubernetes;
    let mut parts = kubernetes.split('.');
    let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
    let info = json!({
        "major": major, "minor": minor, "emulationMajor": major, "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": minor.parse::<u32>().map_or_else(|_| minor.to_owned(), |n| n.saturating_sub(1).to_string()),
        "gitVersion": format!("v{kubernetes}+kplex-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none", "compiler": "rustc", "platform": format!("{}/{}", std::env::consts::OS, arch()),
    });
    Bytes::from(serde_json::to_vec_pretty(&info).expect("a document of strings serialises"))
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The checks of a probe: name and outcome.
fn checks(shared: &Shared, probe: &str) -> Vec<(&'static str, bool)> {
    let mut checks = vec![("ping", true), ("log", true)];
    if probe == "readyz" {
        checks.push(("storage", shared.is_ready()));
        checks.push(("shutdown", !shared.drain.is_cancelled()));
    }
    checks
}

fn health(shared: &Shared, probe: &str, query: &str) -> Response {
    let excluded: Vec<String> = crate::http::query::pairs(query)
        .filter(|(key, _)| key == "exclude")
        .map(|(_, value)| value.into_owned())
        .collect();
    let checks = checks(shared, probe);
    let failed = checks.iter().any(|(name, good)| !good && !excluded.iter().any(|excluded| excluded == name));
    let verbose = crate::http::query::pairs(query).any(|(key, _)| key == "verbose");
    if !failed && !verbose {
        return respond::text(200, Bytes::from_static(b"ok"));
    }
    let mut text = String::new();
    for (name, good) in &checks {
        text.push_str(&match (good, excluded.iter().any(|excluded| excluded == name)) {
            (_, true) => format!("[+]{name} excluded: ok\n"),
            (true, false) => format!("[+]{name} ok\n"),
            (false, false) => format!("[-]{name} failed: reason withheld\n"),
        });
    }
    text.push_str(&format!("{probe} check {}\n", if failed { "failed" } else { "passed" }));
    respond::text(if failed { 500 } else { 200 }, Bytes::from(text))
}

fn single(shared: &Shared, probe: &str, check: &str) -> Option<Response> {
    let (_, good) = checks(shared, probe).into_iter().find(|(name, _)| *name == check)?;
    Some(if good {
        respond::plain(200, respond::TEXT, Bytes::from_static(b"ok"))
    } else {
        respond::text(500, Bytes::from(format!("internal server error: {check} failed\n")))
    })
}
