//! `/openapi/v2` and `/openapi/v3`.
//!
//! Documents of built-in groups are the same for all control planes: each is made when it is first asked for and kept
//! compressed for the process. Documents about custom resources are made for the request.

use crate::call::Call;
use crate::catalog::{self, Custom};
use crate::codec;
use crate::http::negotiate;
use crate::http::respond::{accepts_gzip, gzip};
use crate::respond;
use crate::verbs::reply::{Headers, Reply};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::IF_NONE_MATCH;
use kplex_machinery::api::Api;
use kplex_machinery::crd::Compiled;
use kplex_machinery::openapi::{INDEX, JSON, OpenApi, V2_PROTOBUF, V2_PROTOBUF_OLD, V3_PROTOBUF, V3_PROTOBUF_OLD};
use kplex_machinery::status::Status;
use kplex_storage::Key;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::io::Read;

/// Compressed documents by address and content type, shared by all control planes.
// Held for a look or an insert only.
#[derive(Default)]
pub struct Kept(Mutex<HashMap<(String, &'static str), Bytes>>);

/// `GET /openapi/v3`: where the documents are.
///
/// # Errors
/// 503 when the definitions can't be read.
pub async fn index(call: &Call) -> Result<Reply, Status> {
    let custom = catalog::custom(&call.scope, &call.shared.interner).await?;
    let openapi = of(&custom);
    Ok(Reply::Tagged(200, INDEX, Bytes::from(openapi.index()), Headers::new()))
}

fn of(custom: &Custom) -> OpenApi<'_> {
    OpenApi::new(Api::builtin(), custom.definitions.iter().map(|found| &*found.compiled))
}

/// An answer without a body, and so without a type.
fn empty(code: u16, headers: Headers) -> Reply {
    Reply::Tagged(code, "", Bytes::new(), headers)
}

/// `GET /openapi/v3/<path>`: one document. With its hash it may be kept for ever; a stale hash is sent to the new one.
///
/// # Errors
/// 503 when the definitions can't be read.
pub async fn v3(call: &Call, path: &str) -> Result<Reply, Status> {
    let custom = catalog::custom(&call.scope, &call.shared.interner).await?;
    let openapi = of(&custom);
    let Some(hash) = openapi.paths().remove(path) else { return Ok(empty(404, Headers::new())) };
    let mut headers: Headers = vec![("vary", "Accept".to_owned())];
    let content_type = match negotiate::accept_type(&call.wish, &[JSON, V3_PROTOBUF, V3_PROTOBUF_OLD]) {
        Some(JSON) => JSON,
        Some(_) => V3_PROTOBUF,
        None => return Ok(empty(406, headers)),
    };
    let etag = format!("\"{hash}\"");
    headers.push(("etag", etag.clone()));
    let asked =
        crate::http::query::pairs(&call.query).find(|(key, _)| key == "hash").map(|(_, value)| value.into_owned());
    match asked {
        Some(asked) if asked != hash => {
            headers.push(("location", format!("/openapi/v3/{path}?hash={hash}")));
            return Ok(Reply::Tagged(301, content_type, Bytes::new(), headers));
        }
        Some(_) => {
            let expires = call.now + jiff::SignedDuration::from_hours(365 * 24);
            headers.push(("cache-control", "public, immutable".to_owned()));
            headers.push(("expires", expires.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        }
        None => {}
    }
    if is_known(call, &etag) {
        return Ok(empty(304, headers));
    }
    let protobuf = content_type == V3_PROTOBUF;
    let made = |objects: &[Value]| match protobuf {
        true => openapi.v3_protobuf(path, objects).unwrap_or_default(),
        false => openapi.v3(path, objects).unwrap_or_default(),
    };
    let needed = openapi.needed(path);
    if needed.is_empty() {
        return Ok(kept(call, path, content_type, headers, || made(&[])));
    }
    let objects = stored(call, &needed).await?;
    Ok(Reply::Tagged(200, content_type, Bytes::from(made(&objects)), headers))
}

/// `GET /openapi/v2` in JSON or protobuf.
///
/// # Errors
/// 503 when the definitions can't be read.
pub async fn v2(call: &Call) -> Result<Reply, Status> {
    let custom = catalog::custom(&call.scope, &call.shared.interner).await?;
    let openapi = of(&custom);
    let mut headers: Headers = vec![("vary", "Accept-Encoding".to_owned()), ("vary", "Accept".to_owned())];
    let content_type = match negotiate::accept_type(&call.wish, &[JSON, V2_PROTOBUF, V2_PROTOBUF_OLD]) {
        Some(JSON) => JSON,
        Some(_) => V2_PROTOBUF,
        None => return Ok(empty(406, headers)),
    };
    let etag = format!("\"{}\"", openapi.v2_hash());
    headers.push(("etag", etag.clone()));
    if is_known(call, &etag) {
        return Ok(empty(304, headers));
    }
    let all: Vec<&Compiled> = custom.definitions.iter().map(|found| &*found.compiled).collect();
    let objects = stored(call, &all).await?;
    let make = || match content_type == V2_PROTOBUF {
        true => openapi.v2_protobuf(&objects),
        false => openapi.v2_json(&objects),
    };
    if all.is_empty() {
        return Ok(kept(call, "v2", content_type, headers, make));
    }
    Ok(Reply::Tagged(200, content_type, Bytes::from(make()), headers))
}

/// Whether the client has the document with this entity tag already. Tags are compared weakly, as RFC 9110 has it.
fn is_known(call: &Call, etag: &str) -> bool {
    let tags = call.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or("");
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Reads the stored objects of definitions; those that went away meanwhile are left out.
async fn stored(call: &Call, definitions: &[&Compiled]) -> Result<Vec<Value>, Status> {
    let mut objects = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let name = format!("{}.{}", definition.names.plural, definition.group);
        let key = Key::new(catalog::GROUP, catalog::PLURAL, None, &name);
        if let (Some(entry), _) = call.scope.log().get(&key).await.map_err(respond::storage)? {
            objects.push(codec::parse(&entry)?);
        }
    }
    Ok(objects)
}

/// Answers with a document that all control planes share.
fn kept(
    call: &Call,
    address: &str,
    content_type: &'static str,
    mut headers: Headers,
    make: impl FnOnce() -> Vec<u8>,
) -> Reply {
    let key = (address.to_owned(), content_type);
    let found = call.shared.documents.0.lock().get(&key).cloned();
    let compressed = found.unwrap_or_else(|| {
        let bytes = Bytes::from(gzip(&make()));
        call.shared.documents.0.lock().insert(key, bytes.clone());
        bytes
    });
    if accepts_gzip(&call.headers) {
        headers.push(("content-encoding", "gzip".to_owned()));
        if !headers.iter().any(|(_, value)| value == "Accept-Encoding") {
            headers.push(("vary", "Accept-Encoding".to_owned()));
        }
        return Reply::Tagged(200, content_type, compressed, headers);
    }
    let mut plain = Vec::new();
    GzDecoder::new(&compressed[..]).read_to_end(&mut plain).expect("what was compressed here decompresses");
    Reply::Tagged(200, content_type, Bytes::from(plain), headers)
}
