//! Equality of documents as Kubernetes means it: empty and absent are one, and quantities compare by value.

use super::amount;
use serde_json::{Map, Value};

/// Whether two documents say the same.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    same_as(a, b, false)
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn same_as(a: &Value, b: &Value, quantities: bool) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => same_maps(a, b, quantities),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_as(a, b, quantities))
        }
        (Value::String(a), Value::String(b)) => a == b || (quantities && amount::equal(a, b)),
        _ => a == b || (is_blank(a) && is_blank(b)),
    }
}

fn same_maps(a: &Map<String, Value>, b: &Map<String, Value>, quantities: bool) -> bool {
    let covered = a.iter().all(|(key, value)| {
        let other = b.get(key).unwrap_or(&Value::Null);
        same_as(value, other, quantities || holds_quantities(key))
    });
    covered && b.iter().all(|(key, value)| a.contains_key(key) || is_blank(value))
}

/// Names of fields whose strings are quantities in every kind.
fn holds_quantities(key: &str) -> bool {
    matches!(
        key,
        "limits" | "requests" | "capacity" | "overhead" | "hard" | "sizeLimit" | "divisor" | "podFixed" | "max" | "min"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn empty_is_absent_and_quantities_compare_by_value() {
        assert!(same(&json!({"a": []}), &json!({})));
        assert!(same(&json!({"limits": {"cpu": "1"}}), &json!({"limits": {"cpu": "1000m"}})));
        assert!(!same(&json!({"labels": {"cpu": "1"}}), &json!({"labels": {"cpu": "1000m"}})));
        assert!(!same(&json!({"a": false}), &json!({})));
    }
}
