//! Reading of parts of a definition: `null` and values of the wrong type are absences.

use serde_json::Value;

/// Returns a field that is not `null`.
pub(super) fn present<'v>(value: &'v Value, field: &str) -> Option<&'v Value> {
    value.get(field).filter(|found| !found.is_null())
}

/// Returns a string; empty when absent.
pub(super) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Returns a boolean; false when absent.
pub(super) fn flag(value: &Value, field: &str) -> bool {
    value.get(field).and_then(Value::as_bool).unwrap_or_default()
}

/// Returns the items of a list.
pub(super) fn array<'v>(value: &'v Value, field: &str) -> Vec<&'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten().collect()
}
