//! No request takes for ever: 60 seconds, or less by `?timeout=`, except for watches, which have their own end.

use crate::http::negotiate::Wish;
use crate::http::{query, respond};
use crate::limits;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::Status;
use std::time::Duration;

/// Bounds the time until the response begins.
pub(super) async fn limit(request: Request, next: Next) -> Response {
    let wish = Wish::of(&request);
    let query = request.uri().query().unwrap_or("");
    let limit = match timeout(query) {
        Ok(limit) => limit,
        Err(status) => return respond::early_failure(&wish, &status),
    };
    if may_watch(request.uri().path(), query) {
        return next.run(request).await;
    }
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = "the server was unable to return a response in the time allotted, but may still be processing the request";
            respond::early_failure(
                &wish,
                &Status::timeout(format!("Timeout: request did not complete within the allotted timeout ({text})"), 0),
            )
        }
    }
}

/// Whether a request may be a watch. The path is parsed once, further in, where the tenant's part of it is known; here it is
/// enough to let every watch through.
fn may_watch(path: &str, query: &str) -> bool {
    path.contains("/watch/") || query.contains("watch=") || query::pairs(query).any(|(key, _)| key == "watch")
}

/// Reads `timeout`: a Go duration; 0 and anything above the default mean the default.
fn timeout(text: &str) -> Result<Duration, Status> {
    let Some((_, value)) = query::pairs(text).find(|(key, _)| key == "timeout") else {
        return Ok(limits::REQUEST_TIMEOUT);
    };
    if value.is_empty() {
        return Ok(limits::REQUEST_TIMEOUT);
    }
    let invalid = || {
        let quoted = go_quote(&value);
        Status::bad_request(format!("invalid timeout specified in the request URL - time: invalid duration {quoted}"))
    };
    let seconds = go_duration(&value).ok_or_else(invalid)?;
    let wanted = Duration::try_from_secs_f64(seconds).map_err(|_| invalid())?;
    Ok(if wanted.is_zero() { limits::REQUEST_TIMEOUT } else { wanted.min(limits::REQUEST_TIMEOUT) })
}

/// Parses `1m30s`, `500ms`, `0`.
fn go_duration(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let scale = match &rest[..unit] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number * scale;
        rest = &rest[unit..];
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_watch_is_let_through() {
        for (path, query) in [
            ("/api/v1/watch/pods", ""),
            ("/clusters/a/api/v1/pods", "limit=1&watch=1"),
            ("/api/v1/pods", "w%61tch=true"),
        ] {
            assert!(may_watch(path, query), "{path} {query}");
        }
        assert!(!may_watch("/api/v1/pods", "allowWatchBookmarks=true"));
    }

    #[test]
    fn timeouts_are_go_durations() {
        assert_eq!(timeout("timeout=1m30s").unwrap(), limits::REQUEST_TIMEOUT);
        assert_eq!(timeout("timeout=1500ms").unwrap(), Duration::from_millis(1500));
        assert_eq!(timeout("timeout=0s").unwrap(), limits::REQUEST_TIMEOUT);
        for bad in ["timeout=invalid", "timeout=-1s", "timeout=5", "timeout=1x"] {
            assert_eq!(timeout(bad).unwrap_err().code, 400, "{bad}");
        }
    }
}
