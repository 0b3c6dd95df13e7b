//! From replies and `Status` to HTTP responses: the only place that writes status lines and headers.

use super::negotiate::Media;
use crate::call::Call;
use crate::encode;
use crate::limits;
use crate::verbs::reply::Reply;
use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::Status;
use std::io::Write;

/// Turns the outcome of a verb into a response.
#[must_use]
pub fn respond(call: &Call, outcome: Result<Reply, Status>) -> Response<Body> {
    let mut response = match outcome.and_then(|reply| encode_reply(call, reply)) {
        Ok(response) => response,
        Err(status) => early_failure(&call.headers, &status),
    };
    add_warnings(response.headers_mut(), &call.take_warnings());
    response
}

fn encode_reply(call: &Call, reply: Reply) -> Result<Response<Body>, Status> {
    let (accepted, now, query) = (call.accepted, call.now, call.query.as_str());
    let media = accepted.media.as_str();
    Ok(match reply {
        Reply::Entry(code, served, entry) => {
            let bytes = encode::entry(accepted, &served, &entry, now, query)?;
            body(call, code, media, Bytes::from(bytes))
        }
        Reply::Object(code, served, value) => {
            let bytes = encode::object(accepted, &served, value, now, query)?;
            body(call, code, media, Bytes::from(bytes))
        }
        Reply::Document(code, definition, value) => {
            body(call, code, media, Bytes::from(encode::definition(accepted.media, definition, &value)?))
        }
        Reply::List(served, page) => {
            body(call, 200, media, Bytes::from(encode::list(accepted, &served, &page, now, query)?))
        }
        Reply::Stream(content_type, stream) => {
            let mut response = Response::new(stream);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            no_cache(response.headers_mut());
            response
        }
        Reply::Bytes(code, content_type, bytes) => body(call, code, content_type, bytes),
        Reply::Tagged(code, content_type, bytes, headers) => {
            let compressed = headers.iter().any(|(name, _)| *name == "content-encoding");
            let mut response =
                if compressed { plain(code, content_type, bytes) } else { body(call, code, content_type, bytes) };
            for (name, value) in headers {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
    })
}

fn body(call: &Call, code: u16, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = plain(code, content_type, Bytes::new());
    if bytes.len() >= limits::GZIP_BYTES_MIN && accepts_gzip(&call.headers) {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        *response.body_mut() = Body::from(gzip(&bytes));
    } else {
        *response.body_mut() = Body::from(bytes);
    }
    response
}

/// Whether the client takes gzip.
#[must_use]
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|clause| clause.trim().split(';').next() == Some("gzip"))
}

/// Compresses with the fastest level, as upstream does.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

/// Returns a response with bytes.
#[must_use]
pub fn plain(code: u16, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    no_cache(response.headers_mut());
    response
}

fn no_cache(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
}

/// Returns the response for a `Status`.
#[must_use]
pub fn failure(media: Media, status: &Status) -> Response<Body> {
    let bytes = encode::definition(media, encode::STATUS, &status.to_value());
    let bytes = bytes.unwrap_or_else(|_| status.to_value().to_string().into_bytes());
    let mut response = plain(status.code, media.as_str(), Bytes::from(bytes));
    if status.retry_after_seconds > 0 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(status.retry_after_seconds));
    }
    response
}

/// Returns the response for a `Status` before anything was negotiated.
#[must_use]
pub fn early_failure(headers: &HeaderMap, status: &Status) -> Response<Body> {
    let offer = super::negotiate::Offer { protobuf: true, transforms: true };
    let accepted = super::negotiate::accept(headers, offer).unwrap_or_default();
    failure(accepted.media, status)
}

/// Returns the response for a request that is turned away before it is routed, 401 or 403: the same for a control plane
/// that exists and one that does not.
#[must_use]
pub fn refusal(headers: &HeaderMap, status: &Status) -> Response<Body> {
    let mut response = early_failure(headers, status);
    if status.code == 403 {
        response.headers_mut().insert("X-Content-Type-Options", HeaderValue::from_static("nosniff"));
    }
    response
}

fn add_warnings(headers: &mut HeaderMap, warnings: &[String]) {
    for text in warnings {
        if let Ok(value) = HeaderValue::from_str(&format!("299 - {}", go_quote(text))) {
            headers.append("Warning", value);
        }
    }
}
