//! Documents about the API: discovery, OpenAPI, and those of the token issuer.
//!
//! Documents of the built-in API are made once for the process; those that a tenant's definitions change are made when
//! they are asked for and kept nowhere.

use crate::authn;
use crate::call::Call;
use crate::catalog;
use crate::encode;
use crate::http::negotiate::{self, Media, Offer, ROUTE, Transforms};
use crate::openapi;
use crate::verbs::reply::{Headers, Reply};
use bytes::Bytes;
use http::Method;
use http::header::IF_NONE_MATCH;
use kplex_machinery::api::Api;
use kplex_machinery::discovery::{Custom, Discovery, Document};
use kplex_machinery::status::Status;

const JSON: &str = "application/json";
const KEYS: &str = "application/jwk-set+json";

/// Answers a path that names no resource; `None` for one that names nothing.
///
/// # Errors
/// 405 and 406 where upstream has a route for the path, 406 for a form that is not offered, 503 when the definitions can't
/// be read.
pub async fn answer(call: &mut Call, method: &Method) -> Result<Option<Reply>, Status> {
    let path = call.info.path.clone();
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
    if let Some(produces) = route(&segments) {
        if *method != Method::GET {
            return Err(Status::no_such_method());
        }
        negotiate::check_route(&call.wish, produces)?;
    }
    match segments.as_slice() {
        ["api" | "apis"] | ["api", _] | ["apis", _] | ["apis", _, _] => discover(call, &segments, &path).await,
        ["openapi", "v2"] if !path.ends_with('/') => openapi::v2(call).await.map(Some),
        ["openapi", "v3"] if !path.ends_with('/') => openapi::index(call).await.map(Some),
        ["openapi", "v3", ..] => openapi::v3(call, &path["/openapi/v3/".len()..]).await.map(Some),
        [""] | [] => Ok(Some(root(call).await?)),
        [".well-known", "openid-configuration"] => {
            let keys_url = format!("{}/openid/v1/jwks", call.scope.keys().issuer());
            let text = authn::openid_configuration(&call.scope, &keys_url);
            Ok(Some(Reply::Tagged(200, JSON, Bytes::from(text), cached())))
        }
        ["openid", "v1", "jwks"] => {
            let bytes = Bytes::from(call.scope.keys().jwks());
            Ok(Some(Reply::Tagged(200, KEYS, bytes, cached())))
        }
        _ => Ok(None),
    }
}

/// Returns what upstream's route for a path produces. Routes have just GET; whatever else answers, takes any method.
fn route(segments: &[&str]) -> Option<&'static [&'static str]> {
    let mut known = catalog::builtin().values();
    match segments {
        ["api"] | ["api", "v1"] => Some(ROUTE),
        ["apis", group, version] => {
            known.any(|served| served.group == *group && served.version == *version).then_some(ROUTE)
        }
        ["version"] | [".well-known", "openid-configuration"] => Some(&[JSON]),
        ["openid", "v1", "jwks"] => Some(&[KEYS]),
        _ => None,
    }
}

/// Keys of the issuer may be kept for an hour, as upstream has it.
fn cached() -> Vec<(&'static str, String)> {
    vec![("cache-control", "public, max-age=3600".to_owned())]
}

async fn discover(call: &mut Call, segments: &[&str], path: &str) -> Result<Option<Reply>, Status> {
    let custom = catalog::custom(&call.scope, &call.shared.interner).await?;
    let definitions =
        custom.definitions.iter().map(|found| Custom { definition: &found.compiled, terminating: found.terminating });
    let discovery = Discovery::new(Api::builtin(), definitions);
    let aggregated = Offer { protobuf: true, transforms: Transforms::Discovery };
    if segments.len() == 1
        && path != "/apis/"
        && let Ok(accepted) = negotiate::accept(&call.wish, aggregated)
    {
        call.accepted = accepted;
        let document = if segments[0] == "api" { discovery.aggregated_core() } else { discovery.aggregated_groups() };
        return tagged(call, document).map(Some);
    }
    // Legacy discovery has no tables and no metadata form, but the usual encodings.
    call.accepted = negotiate::accept(&call.wish, Offer::PLAIN)?;
    let (kind, bytes) = match segments {
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
    let definition = format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}");
    let bytes = encoded(call.accepted.media, &definition, bytes)?;
    Ok(Some(Reply::Encoded(call.accepted.media.as_str(), bytes, Headers::new())))
}

/// Discovery is written as JSON, in upstream's order; other encodings are made from that.
fn encoded(media: Media, definition: &str, json: Vec<u8>) -> Result<Vec<u8>, Status> {
    if media == Media::Json {
        return Ok(json);
    }
    let value = serde_json::from_slice(&json).map_err(|error| Status::internal(error.to_string()))?;
    encode::definition(media, definition, &value)
}

fn tagged(call: &Call, document: Document) -> Result<Reply, Status> {
    const DEFINITION: &str = "io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList";
    let known = call.headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == document.etag.as_bytes());
    let headers = vec![("etag", document.etag), ("vary", "Accept".to_owned()), ("cache-control", "public".to_owned())];
    if known {
        return Ok(Reply::Tagged(304, "", Bytes::new(), headers));
    }
    let media = call.accepted.media;
    let content_type = match media {
        Media::Json => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        Media::Yaml => "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        Media::Protobuf => "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    };
    Ok(Reply::Encoded(content_type, encoded(media, DEFINITION, document.bytes)?, headers))
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
    Ok(Reply::Tagged(200, JSON, Bytes::from(bytes), Headers::new()))
}
