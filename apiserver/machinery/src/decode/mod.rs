//! Bytes to documents: JSON and YAML with limits, duplicate and unknown fields, and Go-like normalisation of typed objects.
//!
//! [`json`] and [`yaml`] read bytes, [`json_typed`] also finds unknown fields in the order in which they were written,
//! and [`conform`] does to a document what decoding it into a Go struct and encoding it again would do.

mod base64;
mod conform;
mod duration;
mod json;
mod scalar;
mod time;
mod yaml;

use crate::field_error::go_quote;
use serde_json::Value;
use std::fmt;

pub use conform::{TypeError, conform, zero};
pub use duration::{format_duration, parse_duration};
pub use json::{json, json_typed};
pub use time::{format_micro_time, format_time, parse_time};
pub use yaml::yaml;

/// How large a document may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nesting of objects and arrays. It bounds the stack that recursive functions over documents need.
    pub depth: usize,
    /// Number of values, counting each use of a YAML alias. It bounds the memory of a document.
    pub nodes: usize,
}

impl Default for Limits {
    /// 200 levels is more than any API type needs and safe on a worker's stack; 3 MiB bodies have fewer than a million
    /// values unless they are made of nothing else.
    fn default() -> Self {
        Self { depth: 200, nodes: 1_000_000 }
    }
}

/// Why bytes are no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Malformed JSON or YAML, in the words of Go's parsers.
    Syntax(String),
    /// More nesting than [`Limits::depth`].
    TooDeep,
    /// More values than [`Limits::nodes`].
    TooManyNodes,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(text) => f.write_str(text),
            Self::TooDeep => f.write_str("exceeded max depth"),
            Self::TooManyNodes => f.write_str("document has too many values"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// The `fieldValidation` parameter: what to do about unknown and duplicate fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FieldValidation {
    /// Drop them.
    Ignore,
    /// Drop them and warn.
    #[default]
    Warn,
    /// Refuse the request.
    Strict,
}

impl FieldValidation {
    /// Reads the parameter; the default applies to an empty one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "Warn" => Some(Self::Warn),
            "Ignore" => Some(Self::Ignore),
            "Strict" => Some(Self::Strict),
            _ => None,
        }
    }
}

/// What strict decoding has to say about a document: texts such as `unknown field "spec.x"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Duplicate YAML keys, such as `line 3: key "a" already set in map`.
    pub yaml: Vec<String>,
    /// Unknown and duplicate fields in the order in which upstream finds them.
    pub fields: Vec<String>,
}

/// Upstream stops collecting after so many.
const FINDINGS_MAX: usize = 100;

impl Findings {
    /// Is there nothing to complain about?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.yaml.is_empty() && self.fields.is_empty()
    }

    /// Adds texts of fields that later steps found.
    pub fn extend(&mut self, fields: impl IntoIterator<Item = String>) {
        for text in fields {
            if self.fields.len() < FINDINGS_MAX && !self.fields.contains(&text) {
                self.fields.push(text);
            }
        }
    }

    /// Returns the error of strict decoding: `strict decoding error: unknown field "a", duplicate field "b"`.
    #[must_use]
    pub fn strict_error(&self) -> String {
        let mut parts = Vec::with_capacity(self.fields.len() + 1);
        if !self.yaml.is_empty() {
            parts.push(format!("yaml: unmarshal errors:\n  {}", self.yaml.join("\n  ")));
        }
        parts.extend(self.fields.iter().cloned());
        format!("strict decoding error: {}", parts.join(", "))
    }

    /// Returns one warning per finding.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.yaml.iter().chain(&self.fields).cloned().collect()
    }

    /// Applies `fieldValidation`: returns the warnings to send.
    ///
    /// # Errors
    /// Returns the text of the strict decoding error when findings are to be refused.
    pub fn judge(&self, validation: FieldValidation) -> Result<Vec<String>, String> {
        match validation {
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Warn => Ok(self.warnings()),
            FieldValidation::Strict if self.is_empty() => Ok(Vec::new()),
            FieldValidation::Strict => Err(self.strict_error()),
        }
    }
}

/// Wraps the error of decoding a typed object: `ConfigMap in version "v1" cannot be handled as a ConfigMap: why`.
#[must_use]
pub fn cannot_be_handled(kind: &str, version: &str, wanted: &str, why: &str) -> String {
    format!("{kind} in version {} cannot be handled as a {wanted}: {why}", go_quote(version))
}

/// Wraps the error of a body in which no type was found; `body` is shown from its start.
#[must_use]
pub fn unrecognized(wanted: &str, why: &str, body: &[u8]) -> String {
    let head = &body[..body.len().min(30)];
    let shown = match head.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(head).into_owned(),
        Some(_) => head.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let summary = if body.len() > 30 { format!("{shown} ...") } else { shown };
    format!("the object provided is unrecognized (must be of type {wanted}): {why} ({summary})")
}

/// Returns `apiVersion` and `kind` of a document; absent ones are empty.
///
/// # Errors
/// When one of them is not a string or the document is not an object.
pub fn type_meta(document: &Value) -> Result<(&str, &str), String> {
    let wrap = |why: String| format!("couldn't get version/kind; json parse error: json: cannot unmarshal {why}");
    let Some(map) = document.as_object() else {
        if document.is_null() {
            return Ok(("", ""));
        }
        let word = conform::json_word(document);
        return Err(wrap(format!(
            "{word} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
             \"json:\\\"kind,omitempty\\\"\" }}"
        )));
    };
    let text = |name: &str| match map.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => Err(wrap(format!("{} into Go struct field .{name} of type string", conform::json_word(other)))),
    };
    Ok((text("apiVersion")?, text("kind")?))
}

#[cfg(test)]
mod tests;
