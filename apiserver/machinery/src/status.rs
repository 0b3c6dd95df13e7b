//! `metav1.Status`: the answer to every request that failed, as in k8s.io/apimachinery/pkg/api/errors.
//!
//! The constructors carry upstream's reasons, codes and texts. HTTP itself is not known here.

use crate::field_error::FieldError;
use crate::json;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// Group and plural resource, as in messages: `deployments.apps`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GroupResource {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural resource name.
    pub resource: String,
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.resource) } else { write!(f, "{}.{}", self.resource, self.group) }
    }
}

/// One cause in `Status.details.causes`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// Machine-readable reason, such as `FieldValueInvalid`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Explanation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Field path, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// A failed request, in the words clients will see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// `Status.reason`.
    pub reason: String,
    /// `Status.message`.
    pub message: String,
    /// `details.name`.
    pub name: String,
    /// `details.group`.
    pub group: String,
    /// `details.kind`: a kind or a plural resource, as upstream does for each error.
    pub kind: String,
    /// `details.uid`.
    pub uid: String,
    /// `details.causes`.
    pub causes: Vec<Cause>,
    /// `details.retryAfterSeconds`; 0 when absent. Also sent as `Retry-After`.
    pub retry_after_seconds: u32,
    /// `metadata.continue`, for expired lists that can go on inconsistently.
    pub continue_token: String,
    /// `details` are written even when they are empty, as for answers that upstream's routes give.
    pub bare_details: bool,
}

impl Status {
    /// Any error.
    #[must_use]
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.to_owned(), message: message.into(), ..Self::default() }
    }

    fn about(mut self, resource: &GroupResource, name: &str) -> Self {
        self.group.clone_from(&resource.group);
        self.kind.clone_from(&resource.resource);
        name.clone_into(&mut self.name);
        self
    }

    /// 404 `deployments.apps "web" not found`.
    #[must_use]
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} \"{name}\" not found")).about(resource, name)
    }

    /// 404 for a path that no resource serves.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// 405 for a method that a path does not have.
    #[must_use]
    pub fn no_such_method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self { bare_details: true, ..Self::new(405, "MethodNotAllowed", message) }
    }

    /// 406 of a route, with the media types that it can answer in.
    #[must_use]
    pub fn no_representation(available: &[&str]) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {}", available.join(", "));
        Self { bare_details: true, ..Self::new(406, "NotAcceptable", message) }
    }

    /// 500 with just these words, as upstream answers for errors that are none of its API's.
    #[must_use]
    pub fn plain(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// 409 `configmaps "a" already exists`.
    #[must_use]
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{resource} \"{name}\" already exists")).about(resource, name)
    }

    /// 409 `Operation cannot be fulfilled on …`.
    #[must_use]
    pub fn conflict(resource: &GroupResource, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}"))
            .about(resource, name)
    }

    /// The conflict of a stale resourceVersion.
    #[must_use]
    pub fn stale(resource: &GroupResource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// 403 `pods "a" is forbidden: why`; without a name `pods is forbidden: why`.
    #[must_use]
    pub fn forbidden(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = match (resource.resource.is_empty(), name.is_empty()) {
            (true, _) => format!("forbidden: {why}"),
            (false, true) => format!("{resource} is forbidden: {why}"),
            (false, false) => format!("{resource} \"{name}\" is forbidden: {why}"),
        };
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    /// 401 `Unauthorized`.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 400.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 422 `Deployment.apps "web" is invalid: …` with one cause per error.
    #[must_use]
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let mut unique: Vec<&String> = Vec::with_capacity(texts.len());
        for text in &texts {
            if !unique.contains(&text) {
                unique.push(text);
            }
        }
        let message = match unique.as_slice() {
            [] => format!("{qualified} \"{name}\" is invalid"),
            [one] => format!("{qualified} \"{name}\" is invalid: {one}"),
            many => {
                let joined: Vec<&str> = many.iter().map(|text| text.as_str()).collect();
                format!("{qualified} \"{name}\" is invalid: [{}]", joined.join(", "))
            }
        };
        let causes = errors
            .iter()
            .map(|error| Cause { reason: error.reason().to_owned(), message: error.body(), field: error.field.clone() })
            .collect();
        let mut status = Self::new(422, "Invalid", message);
        status.group = group.to_owned();
        status.kind = kind.to_owned();
        status.name = name.to_owned();
        status.causes = causes;
        status
    }

    /// 410 with reason `Expired`.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 405.
    #[must_use]
    pub fn method_not_allowed(resource: &GroupResource, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{resource}\"");
        Self::new(405, "MethodNotAllowed", message).about(resource, "")
    }

    /// 406 with the media types that are accepted.
    #[must_use]
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        let list = accepted.join(", ");
        Self::new(406, "NotAcceptable", format!("only the following media types are accepted: {list}"))
    }

    /// 415 with the media types that are accepted.
    #[must_use]
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let list = accepted.join(", ");
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {list}");
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 413.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// 429 with a time to wait.
    #[must_use]
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self { retry_after_seconds, ..Self::new(429, "TooManyRequests", message) }
    }

    /// 500 `Internal error occurred: why`.
    #[must_use]
    pub fn internal(why: impl fmt::Display) -> Self {
        let mut status = Self::new(500, "InternalError", format!("Internal error occurred: {why}"));
        status.causes = vec![Cause { reason: String::new(), message: why.to_string(), field: String::new() }];
        status
    }

    /// 503.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// 504.
    #[must_use]
    pub fn timeout(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self { retry_after_seconds, ..Self::new(504, "Timeout", message) }
    }

    /// 504 for a resourceVersion that lies in the future.
    #[must_use]
    pub fn revision_too_large(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut status = Self::timeout(message, 1);
        status.causes = vec![Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        }];
        status
    }

    /// Adds a cause.
    #[must_use]
    pub fn with_cause(mut self, reason: &str, message: impl Into<String>, field: &str) -> Self {
        self.causes.push(Cause { reason: reason.to_owned(), message: message.into(), field: field.to_owned() });
        self
    }

    /// Returns the `Status` object (kind `Status`, apiVersion `v1`).
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self.document()).expect("a document of strings and numbers")
    }

    /// Returns the `Status` object as JSON, with upstream's order of fields and a line feed at its end.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        json::write(&mut bytes, &self.document());
        bytes.push(b'\n');
        bytes
    }

    fn document(&self) -> Document<'_> {
        let details = Details {
            name: &self.name,
            group: &self.group,
            kind: &self.kind,
            uid: &self.uid,
            causes: &self.causes,
            retry_after_seconds: self.retry_after_seconds,
        };
        let keep_details = self.bare_details
            || details != Details::default()
            || matches!(self.reason.as_str(), "NotFound" | "AlreadyExists" | "Forbidden" | "Conflict" | "Invalid");
        Document {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata { continue_token: &self.continue_token },
            status: "Failure",
            message: &self.message,
            reason: &self.reason,
            details: keep_details.then_some(details),
            code: self.code,
        }
    }
}

/// The `Status` object. The order of fields is upstream's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Metadata<'a>,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
    code: u16,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "continue", skip_serializing_if = "str::is_empty")]
    continue_token: &'a str,
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "<[Cause]>::is_empty")]
    causes: &'a [Cause],
    #[serde(skip_serializing_if = "is_zero")]
    retry_after_seconds: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_upstreams_order_of_fields() {
        let resource = GroupResource { group: "apps".to_owned(), resource: "deployments".to_owned() };
        let status = Status { retry_after_seconds: 1, ..Status::not_found(&resource, "a") };
        let expected = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps \"a\" not found","reason":"NotFound","details":{"name":"a","group":"apps","kind":"deployments","retryAfterSeconds":1},"code":404}
"#;
        assert_eq!(String::from_utf8(status.to_json()).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Value>(expected).unwrap(), status.to_value());
        let escaped = String::from_utf8(Status::not_found(&resource, "a<b>").to_json()).unwrap();
        assert!(escaped.contains(r#""name":"a\u003cb\u003e""#), "{escaped}");
    }

    #[test]
    fn details_are_told_where_upstream_tells_empty_ones() {
        let details = |status: &Status| status.to_value().get("details").cloned();
        assert_eq!(details(&Status::bad_request("x")), None);
        assert_eq!(details(&Status::no_such_path()), Some(serde_json::json!({})));
        assert_eq!(details(&Status::no_such_method()), Some(serde_json::json!({})));
    }
}
