//! From replies and `Status` to HTTP responses: the only place that writes status lines and headers.

use super::negotiate::{self, Accepted, Form, Media, Wish};
use super::pretty;
use crate::call::Call;
use crate::encode;
use crate::limits;
use crate::verbs::reply::Reply;
use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::Status;
use std::io::Write;

/// Text of probes and of upstream's mux.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// Turns the outcome of a verb into a response.
#[must_use]
pub fn respond(call: &Call, outcome: Result<Reply, Status>) -> Response<Body> {
    let mut response = match outcome.and_then(|reply| encode_reply(call, reply)) {
        Ok(response) => response,
        Err(status) => early_failure(&call.wish, &status),
    };
    add_warnings(response.headers_mut(), &call.take_warnings());
    response
}

fn encode_reply(call: &Call, reply: Reply) -> Result<Response<Body>, Status> {
    let (accepted, now, query) = (call.accepted, call.now, call.query.as_str());
    let (code, bytes) = match reply {
        Reply::Entry(code, served, entry) => (code, encode::entry(accepted, &served, &entry, now, query)?),
        Reply::Object(code, served, value) => (code, encode::object(accepted, &served, value, now, query)?),
        Reply::Document(code, definition, value) => {
            (code, encode::formed_definition(accepted, definition, &value, now, query)?)
        }
        Reply::List(served, page) => (200, encode::list(accepted, &served, &page, now, query)?),
        Reply::Objects(served, items) => {
            (200, encode::items(accepted, &served, serde_json::Map::new(), items.into_iter().map(Ok), now, query)?)
        }
        Reply::Stream(content_type, stream) => {
            let mut response = Response::new(stream);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            no_cache(response.headers_mut());
            return Ok(response);
        }
        Reply::Text(code, bytes) => return Ok(text(code, Bytes::from_static(bytes))),
        Reply::Tagged(code, content_type, bytes, headers) => {
            let mut response = plain(code, content_type, bytes);
            add_headers(response.headers_mut(), headers);
            return Ok(response);
        }
        Reply::Encoded(content_type, bytes, headers) => {
            let mut response = body(call, 200, content_type, laid_out(accepted, bytes));
            add_headers(response.headers_mut(), headers);
            return Ok(response);
        }
    };
    Ok(body(call, code, accepted.media.as_str(), laid_out(accepted, bytes)))
}

/// Indents JSON for people.
fn laid_out(accepted: Accepted, bytes: Vec<u8>) -> Bytes {
    let indented = accepted.pretty && accepted.media == Media::Json;
    Bytes::from(if indented { pretty::indent(&bytes) } else { bytes })
}

fn body(call: &Call, code: u16, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    if bytes.len() <= limits::GZIP_BYTES_OVER || !accepts_gzip(&call.headers) {
        return plain(code, content_type, bytes);
    }
    let mut response = plain(code, content_type, Bytes::from(gzip(&bytes)));
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// Adds headers; one of the same name is kept where both count, as with `Vary`.
fn add_headers(headers: &mut HeaderMap, own: Vec<(&'static str, String)>) {
    for (name, value) in own {
        let name = HeaderName::from_static(name);
        let Ok(value) = HeaderValue::from_str(&value) else { continue };
        if name == VARY {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
}

/// Whether the client takes gzip. As upstream: the first header, and only the bare word.
#[must_use]
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let text = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    text.split(',').any(|token| token.trim() == "gzip")
}

/// Compresses with the fastest level, as upstream does.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

/// Returns a response with bytes; without a content type when that is empty.
#[must_use]
pub fn plain(code: u16, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !content_type.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    no_cache(headers);
    response
}

/// Returns a response with text that no browser shall take for anything else.
#[must_use]
pub fn text(code: u16, bytes: Bytes) -> Response<Body> {
    let mut response = plain(code, TEXT, bytes);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn no_cache(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
}

/// Returns the response for a `Status`.
#[must_use]
pub fn failure(accepted: Accepted, status: &Status) -> Response<Body> {
    let accepted = Accepted { form: Form::Object, ..accepted };
    let bytes = encode::status(accepted.media, status);
    let mut response = plain(status.code, accepted.media.as_str(), laid_out(accepted, bytes));
    if status.retry_after_seconds > 0 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(status.retry_after_seconds));
    }
    response
}

/// Returns the response for a `Status`, negotiated for it alone: a table of an error is asked for by nobody.
#[must_use]
pub fn early_failure(wish: &Wish, status: &Status) -> Response<Body> {
    failure(negotiate::accept_error(wish), status)
}

/// Returns the response for a request that is turned away before it is routed, 400, 401 or 403: the same for a control plane
/// that exists and one that does not.
#[must_use]
pub fn refusal(wish: &Wish, status: &Status) -> Response<Body> {
    let mut response = early_failure(wish, status);
    if matches!(status.code, 400 | 403) {
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bare_word_asks_for_gzip() {
        for (value, expected) in [("gzip", true), ("deflate, gzip", true), ("gzip;q=1.0", false), ("identity", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
    }
}
