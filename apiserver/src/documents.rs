//! Documents about the API: discovery, OpenAPI, and those of the token issuer.
//!
//! Documents of the built-in API are made once for the process; those that a tenant's definitions change are made when
//! they are asked for and kept nowhere.

use crate::authn;
use crate::call::Call;
use crate::catalog;
use crate::http::info::Verb;
use crate::http::negotiate::{self, Offer};
use crate::openapi;
use crate::verbs::reply::Reply;
use bytes::Bytes;
use http::header::{ACCEPT, IF_NONE_MATCH};
use kplex_machinery::api::Api;
use kplex_machinery::discovery::{self, Custom, Discovery, Document};
use kplex_machinery::status::Status;

const JSON: &str = "application/json";

/// Answers a path that names no resource; `None` for one that names nothing.
///
/// # Errors
/// 406 for a form that is not offered, 503 when the definitions can't be read.
pub async fn answer(call: &Call) -> Result<Option<Reply>, Status> {
    let path = call.info.path.trim_end_matches('/');
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if !matches!(call.info.verb, Verb::Get | Verb::Head) {
        let mut known = catalog::builtin().values();
        let served = match segments.as_slice() {
            ["api", version] => *version == "v1",
            ["apis", group, version] => known.any(|served| served.group == *group && served.version == *version),
            _ => false,
        };
        return if served { Err(Status::no_such_method()) } else { Ok(None) };
    }
    match segments.as_slice() {
        ["api" | "apis"] | ["api", _] | ["apis", _] | ["apis", _, _] => discover(call, &segments).await,
        ["openapi", "v2"] => openapi::v2(call).await.map(Some),
        ["openapi", "v3"] => openapi::index(call).await.map(Some),
        ["openapi", "v3", ..] => openapi::v3(call, &path["/openapi/v3/".len()..]).await,
        [""] | [] => Ok(Some(root(call).await?)),
        [".well-known", "openid-configuration"] => {
            let keys_url = format!("{}/openid/v1/jwks", call.scope.keys().issuer());
            let text = authn::openid_configuration(&call.scope, &keys_url);
            Ok(Some(Reply::Tagged(200, JSON, Bytes::from(text), cached())))
        }
        ["openid", "v1", "jwks"] => {
            let bytes = Bytes::from(call.scope.keys().jwks());
            Ok(Some(Reply::Tagged(200, "application/jwk-set+json", bytes, cached())))
        }
        _ => Ok(None),
    }
}

/// Keys of the issuer may be kept for an hour, as upstream has it.
fn cached() -> Vec<(&'static str, String)> {
    vec![("cache-control", "public, max-age=3600".to_owned())]
}

async fn discover(call: &Call, segments: &[&str]) -> Result<Option<Reply>, Status> {
    let custom = catalog::custom(&call.scope, &call.shared.interner).await?;
    let definitions =
        custom.definitions.iter().map(|found| Custom { definition: &found.compiled, terminating: found.terminating });
    let discovery = Discovery::new(Api::builtin(), definitions);
    if segments.len() == 1 && wants_aggregated(call) {
        let document = if segments[0] == "api" { discovery.aggregated_core() } else { discovery.aggregated_groups() };
        return Ok(Some(tagged(call, document)));
    }
    // Discovery has no tables and no metadata form, but the usual encodings.
    let accepted = negotiate::accept(&call.headers, Offer { protobuf: true, transforms: false })?;
    let (definition, bytes) = match segments {
        ["api"] => ("APIVersions", Some(discovery.core_versions(&address(call)))),
        ["apis"] => ("APIGroupList", Some(discovery.groups())),
        ["api", version] => ("APIResourceList", discovery.resources("", version)),
        ["apis", group] => ("APIGroup", discovery.group(group)),
        ["apis", group, version] => ("APIResourceList", discovery.resources(group, version)),
        _ => ("", None),
    };
    let Some(bytes) = bytes else {
        let known = match segments {
            ["apis", group, ..] => catalog::has_group(group),
            _ => true,
        };
        return if known { Err(Status::no_such_path()) } else { Ok(None) };
    };
    if accepted.media == negotiate::Media::Json {
        return Ok(Some(Reply::Bytes(200, JSON, Bytes::from(bytes))));
    }
    let value = serde_json::from_slice(&bytes).map_err(|error| Status::internal(error.to_string()))?;
    Ok(Some(Reply::Document(200, meta(definition), value)))
}

fn meta(definition: &str) -> &'static str {
    match definition {
        "APIVersions" => "io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions",
        "APIGroupList" => "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList",
        "APIGroup" => "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup",
        _ => "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList",
    }
}

/// Clients list the aggregated form with its exact parameters; a bare wildcard gets the legacy one.
fn wants_aggregated(call: &Call) -> bool {
    let clauses =
        call.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    for clause in clauses {
        let mut parts: Vec<&str> = clause.split(';').map(str::trim).collect();
        let media = parts.remove(0);
        let has = |text: &str| parts.contains(&text);
        if media == JSON && has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=APIGroupDiscoveryList") {
            return true;
        }
        if media == JSON && parts.iter().all(|part| part.starts_with("q=")) || media == "*/*" {
            return false;
        }
    }
    false
}

fn tagged(call: &Call, document: Document) -> Reply {
    let headers = vec![("etag", document.etag), ("vary", "Accept".to_owned()), ("cache-control", "public".to_owned())];
    if is_known(call, &headers[0].1) {
        return Reply::Tagged(304, discovery::AGGREGATED, Bytes::new(), headers);
    }
    Reply::Tagged(200, discovery::AGGREGATED, Bytes::from(document.bytes), headers)
}

/// Whether the client has a document with this entity tag already.
#[must_use]
pub fn is_known(call: &Call, etag: &str) -> bool {
    let tags = call.headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|tags| tags.split(',')).any(|tag| tag.trim() == etag)
}

/// Address that clients use, as `/api` tells it.
fn address(call: &Call) -> String {
    call.headers.get(http::header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("127.0.0.1:443").to_owned()
}

/// `/`: the paths that are served.
async fn root(call: &Call) -> Result<Reply, Status> {
    let custom = catalog::custom(&call.scope, &call.shared.interner).await?;
    let mut paths: Vec<String> = [
        "/.well-known/openid-configuration",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/healthz",
        "/livez",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/openid/v1/jwks",
        "/readyz",
        "/version",
    ]
    .map(str::to_owned)
    .to_vec();
    let served = catalog::builtin().values().chain(custom.served());
    for served in served.filter(|served| !served.group.is_empty()) {
        paths.push(format!("/apis/{}", served.group));
        paths.push(format!("/apis/{}", served.api_version));
    }
    paths.sort();
    paths.dedup();
    let bytes = serde_json::to_vec_pretty(&serde_json::json!({"paths": paths}))
        .map_err(|error| Status::internal(error.to_string()))?;
    Ok(Reply::Bytes(200, JSON, Bytes::from(bytes)))
}
