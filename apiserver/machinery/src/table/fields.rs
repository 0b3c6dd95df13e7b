//! Reading fields of an object for its cells: absent fields read as Go's zero values.

use serde_json::Value;

static NULL: Value = Value::Null;

/// Returns the field at a dotted path; `null` when a step is missing.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(value, |value, name| value.get(name)).unwrap_or(&NULL)
}

/// Returns a string; empty when it is missing.
pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// Returns a string, or `otherwise` when it is missing or empty.
pub(super) fn text_or<'a>(value: &'a Value, path: &str, otherwise: &'a str) -> &'a str {
    Some(text(value, path)).filter(|text| !text.is_empty()).unwrap_or(otherwise)
}

/// Returns a string, or `otherwise` when it is missing. An empty string is a value.
pub(super) fn pointer_or<'a>(value: &'a Value, path: &str, otherwise: &'a str) -> &'a str {
    at(value, path).as_str().unwrap_or(otherwise)
}

/// Returns an integer; 0 when it is missing.
pub(super) fn int(value: &Value, path: &str) -> i64 {
    at(value, path).as_i64().unwrap_or_default()
}

/// Returns a boolean; false when it is missing.
pub(super) fn flag(value: &Value, path: &str) -> bool {
    at(value, path).as_bool().unwrap_or_default()
}

/// Returns a list; empty when it is missing.
pub(super) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// Returns the number of entries of a list or map.
pub(super) fn count(value: &Value, path: &str) -> usize {
    match at(value, path) {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Returns whether a field is set.
pub(super) fn is_set(value: &Value, path: &str) -> bool {
    !at(value, path).is_null()
}

/// Returns a string or an integer as text (`IntOrString`).
pub(super) fn int_or_string(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns a quantity as text, or what is shown for one that is missing.
pub(super) fn quantity<'a>(value: &'a Value, otherwise: &'a str) -> std::borrow::Cow<'a, str> {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Null => otherwise.into(),
        other => other.to_string().into(),
    }
}

/// Returns the strings of a list, joined.
pub(super) fn joined(value: &Value, path: &str, separator: &str) -> String {
    list(value, path).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(separator)
}

/// Returns the status (`True`, `False`, `Unknown`) of the first condition of a type.
pub(super) fn condition<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a str> {
    conditions.iter().find(|condition| text(condition, "type") == kind).map(|condition| text(condition, "status"))
}

/// Returns the names and the images of containers, each joined with commas.
pub(super) fn containers(spec: &Value) -> [Value; 2] {
    ["name", "image"].map(|field| {
        let values: Vec<&str> = list(spec, "containers").iter().map(|container| text(container, field)).collect();
        Value::from(values.join(","))
    })
}

/// Returns the first entries of a list, and how many more there are.
pub(super) fn shortened(shown: &[String], total: usize, max: usize, separator: &str) -> String {
    let text = shown[..shown.len().min(max)].join(separator);
    if total > max { format!("{text} + {} more...", total - max) } else { text }
}
