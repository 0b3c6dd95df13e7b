//! From a CustomResourceDefinition that is applied to the discovery and OpenAPI documents that show it.

use crate::{Options, percentiles, row};
use anyhow::{Result, ensure};
use kplex_conformance::{Options as ServerOptions, Server, Wire};
use serde_json::{Value, json};
use std::time::Instant;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Measures both, with a client that asks again and again.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let server = Server::start(ServerOptions::default());
    let wire = server.create("cp").wire().await;
    let (mut discovery, mut openapi) = (Vec::new(), Vec::new());
    for number in 0..options.samples {
        let group = format!("g{number}.example.com");
        let start = Instant::now();
        let answer = wire.post(DEFINITIONS, &definition(&group)).await;
        ensure!(answer.code == 201, "{}", answer.text());
        discovery.push(shown(&wire, &format!("/apis/{group}/v1"), start).await);
        openapi.push(shown(&wire, &format!("/openapi/v3/apis/{group}/v1"), start).await);
    }
    row("CustomResourceDefinition applied → discovery", &percentiles(&mut discovery));
    row("CustomResourceDefinition applied → OpenAPI", &percentiles(&mut openapi));
    Ok(())
}

/// Waits until a document is there; returns milliseconds.
async fn shown(wire: &Wire, path: &str, start: Instant) -> f64 {
    while wire.get(path).await.code != 200 {}
    start.elapsed().as_secs_f64() * 1e3
}

fn definition(group: &str) -> Value {
    let text = json!({"type": "string", "maxLength": 63});
    let properties = json!({
        "spec": {"type": "object", "required": ["name"], "properties": {
            "name": text, "replicas": {"type": "integer", "minimum": 0, "default": 1},
            "labels": {"type": "object", "additionalProperties": text},
            "items": {"type": "array", "items": {"type": "object", "properties": {"key": text, "value": text}}},
        }},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
            }],
        },
    })
}
