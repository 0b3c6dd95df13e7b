//! Validation errors with a field path, as in k8s.io/apimachinery/pkg/util/validation/field.
//!
//! The texts and reasons are what clients see in `Status.message` and `Status.details.causes`.

use serde_json::Value;
use std::fmt;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// A referenced value does not exist.
    NotFound,
    /// A required value is absent.
    Required,
    /// A value that must be unique occurs twice.
    Duplicate,
    /// A malformed value.
    Invalid,
    /// A value outside an enumeration.
    NotSupported,
    /// A value that is well formed but may not be used here.
    Forbidden,
    /// A string or serialised value that is too long.
    TooLong,
    /// A list or map with too many entries.
    TooMany,
    /// Something went wrong inside the server.
    InternalError,
    /// A value of the wrong JSON type.
    TypeInvalid,
}

/// One validation error.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// What is wrong.
    pub kind: ErrorType,
    /// Path of the field, such as `spec.containers[0].name`.
    pub field: String,
    /// The offending value; `Value::Null` where upstream shows none.
    pub bad_value: Value,
    /// Explanation, without the path.
    pub detail: String,
    /// Upstream omits the value from the message (`OmitValueType`) although the type shows one.
    pub omit_value: bool,
}

/// A list of validation errors.
pub type FieldErrors = Vec<FieldError>;

impl FieldError {
    fn new(kind: ErrorType, field: impl Into<String>, bad_value: Value, detail: impl Into<String>) -> Self {
        Self { kind, field: field.into(), bad_value, detail: detail.into(), omit_value: false }
    }

    /// `Required value: detail`.
    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Required, field, Value::Null, detail)
    }

    /// `Invalid value: "x": detail`.
    pub fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Invalid, field, value.into(), detail)
    }

    /// `Invalid value: shown: detail`, with the value as a text, for those that a [`Value`] would show in another order.
    pub fn invalid_shown(field: impl Into<String>, shown: &str, detail: &str) -> Self {
        let error = Self::new(ErrorType::Invalid, field, Value::Null, format!("{shown}: {detail}"));
        Self { omit_value: true, ..error }
    }

    /// `Invalid value: "object": detail`: a wrong JSON type.
    pub fn type_invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::TypeInvalid, field, value.into(), detail)
    }

    /// `Duplicate value: "x"`.
    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(ErrorType::Duplicate, field, value.into(), "")
    }

    /// `Forbidden: detail`.
    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Forbidden, field, Value::Null, detail)
    }

    /// `Not found: "x"`.
    pub fn not_found(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(ErrorType::NotFound, field, value.into(), "")
    }

    /// `Unsupported value: "x": supported values: "a", "b"`. The values are shown sorted, as upstream does.
    pub fn not_supported(field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) -> Self {
        let mut sorted: Vec<&str> = supported.to_vec();
        sorted.sort_unstable();
        let quoted: Vec<String> = sorted.iter().map(|value| go_quote(value)).collect();
        let detail = if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) };
        Self::new(ErrorType::NotSupported, field, value.into(), detail)
    }

    /// As [`FieldError::not_supported`], with the values in the order given.
    pub fn not_supported_in_order(field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|value| go_quote(value)).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        Self::new(ErrorType::NotSupported, field, value.into(), detail)
    }

    /// `Too long: may not be more than N bytes`.
    pub fn too_long(field: impl Into<String>, max_bytes: usize) -> Self {
        let noun = if max_bytes == 1 { "byte" } else { "bytes" };
        Self::new(ErrorType::TooLong, field, Value::Null, format!("may not be more than {max_bytes} {noun}"))
    }

    /// `Too many: N: must have at most M items`.
    pub fn too_many(field: impl Into<String>, actual: usize, max: usize) -> Self {
        let noun = if max == 1 { "item" } else { "items" };
        Self::new(ErrorType::TooMany, field, Value::from(actual), format!("must have at most {max} {noun}"))
    }

    /// `Internal error: detail`.
    pub fn internal(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::InternalError, field, Value::Null, detail)
    }

    /// Returns the cause reason that clients see, such as `FieldValueInvalid`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.kind {
            ErrorType::NotFound => "FieldValueNotFound",
            ErrorType::Required => "FieldValueRequired",
            ErrorType::Duplicate => "FieldValueDuplicate",
            ErrorType::Invalid => "FieldValueInvalid",
            ErrorType::NotSupported => "FieldValueNotSupported",
            ErrorType::Forbidden => "FieldValueForbidden",
            ErrorType::TooLong => "FieldValueTooLong",
            ErrorType::TooMany => "FieldValueTooMany",
            ErrorType::InternalError => "InternalError",
            ErrorType::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    /// Returns the message without the field path, as in `Status.details.causes[].message`.
    #[must_use]
    pub fn body(&self) -> String {
        let word = match self.kind {
            ErrorType::NotFound => "Not found",
            ErrorType::Required => "Required value",
            ErrorType::Duplicate => "Duplicate value",
            ErrorType::Invalid | ErrorType::TypeInvalid => "Invalid value",
            ErrorType::NotSupported => "Unsupported value",
            ErrorType::Forbidden => "Forbidden",
            ErrorType::TooLong => "Too long",
            ErrorType::TooMany => "Too many",
            ErrorType::InternalError => "Internal error",
        };
        let silent = matches!(
            self.kind,
            ErrorType::Required | ErrorType::Forbidden | ErrorType::TooLong | ErrorType::InternalError
        ) || self.omit_value;
        let mut text = word.to_owned();
        if !silent {
            text.push_str(": ");
            text.push_str(&show(&self.bad_value));
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// Shows a value as upstream does: strings quoted as Go quotes them, scalars bare, the rest as JSON.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => go_quote(text),
        Value::Number(number) if number.is_f64() => go_float(number.as_f64().unwrap_or_default()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Prints a floating-point number as Go's `%v` does: `1.5`, `100000`, `1e+06`.
#[must_use]
pub fn go_float(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return if number.is_nan() {
            "NaN".to_owned()
        } else if number == 0.0 {
            (if number.is_sign_negative() { "-0" } else { "0" }).to_owned()
        } else {
            (if number > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
        };
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Quotes a string as Go's `%q` does.
#[must_use]
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_as_upstream_writes_them() {
        let cases = [
            (FieldError::required("spec.selector", ""), "spec.selector: Required value"),
            (
                FieldError::invalid("spec.replicas", -1, "must be greater than or equal to 0"),
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            ),
            (
                FieldError::not_supported("spec.type", "x", &["b", "a"]),
                r#"spec.type: Unsupported value: "x": supported values: "a", "b""#,
            ),
            (FieldError::duplicate("spec.ports[1]", "http"), r#"spec.ports[1]: Duplicate value: "http""#),
            (FieldError::too_long("metadata.name", 253), "metadata.name: Too long: may not be more than 253 bytes"),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }
}
