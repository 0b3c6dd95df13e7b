//! JSON patch, JSON merge patch and strategic merge patch.
//!
//! Each reads its body, reports what strict decoding would complain about, and changes a document. What the change made
//! of the document's types is found afterwards by [`crate::decode::conform`] or by a custom resource's schema.

mod json_patch;
mod merge;
mod order;
mod strategic;

use crate::field_error::FieldError;
use crate::status::Status;
use serde_json::Value;
use std::fmt;

pub use json_patch::{JsonPatch, OPERATIONS_MAX};
pub use merge::{merge_patch, read_merge_patch};
pub use strategic::{read_strategic_patch, strategic_merge};

/// Why a patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchError {
    /// The body is no patch.
    BadRequest(String),
    /// The patch has too many operations.
    TooLarge(String),
    /// The patch does not apply to this object; clients are not told why.
    Rejected(String),
    /// The patch contradicts the schema or itself; upstream answers 500.
    Broken(String),
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(text) | Self::TooLarge(text) | Self::Rejected(text) | Self::Broken(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for PatchError {}

impl PatchError {
    /// Returns the answer to the client.
    #[must_use]
    pub fn to_status(&self) -> Status {
        match self {
            Self::BadRequest(text) => Status::bad_request(text),
            Self::TooLarge(text) => Status::too_large(text),
            Self::Rejected(_) => {
                Status::new(422, "Invalid", "the server rejected our request due to an error in our request")
            }
            Self::Broken(text) => Status::new(500, "", text),
        }
    }
}

/// Returns the answer when a patched document is not a valid object: 422 with a cause for the field `patch`.
///
/// `shown` is the patched document, or for strategic merge patches the patch in Go's notation ([`go_map`]).
#[must_use]
pub fn invalid_result(shown: &str, why: &str) -> Status {
    Status::invalid("", "", "", &[FieldError::invalid("patch", shown, why)])
}

/// Shows a document as Go's `%v` shows maps: `map[data:map[a:1] list:[1 2]]`.
#[must_use]
pub fn go_map(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let shown: Vec<String> = items.iter().map(go_map).collect();
            format!("[{}]", shown.join(" "))
        }
        Value::Object(map) => {
            let shown: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", go_map(value))).collect();
            format!("map[{}]", shown.join(" "))
        }
    }
}

#[cfg(test)]
mod tests;
