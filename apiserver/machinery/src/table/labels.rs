//! Label sets and selectors as text.

use super::fields::{at, list, text};
use serde_json::Value;

const NONE: &str = "<none>";

/// Returns a map of labels as `a=b,c=d`.
pub(super) fn labels(map: &Value) -> String {
    let text = pairs(map).map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",");
    if text.is_empty() { NONE.to_owned() } else { text }
}

/// Returns a label selector (`matchLabels`, `matchExpressions`), `<none>` when it is empty.
pub(super) fn selector(selector: &Value) -> String {
    match requirements(selector) {
        Some(text) if text.is_empty() => NONE.to_owned(),
        Some(text) => text,
        None => "<error>".to_owned(),
    }
}

/// Returns a label selector, empty when it is empty; `None` when it is malformed.
pub(super) fn requirements(selector: &Value) -> Option<String> {
    let mut parts: Vec<(&str, String)> =
        pairs(at(selector, "matchLabels")).map(|(name, value)| (name, format!("{name}={value}"))).collect();
    for expression in list(selector, "matchExpressions") {
        let key = text(expression, "key");
        let mut values: Vec<&str> = list(expression, "values").iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let set = values.join(",");
        let text = match (text(expression, "operator"), values.is_empty()) {
            ("In", false) => format!("{key} in ({set})"),
            ("NotIn", false) => format!("{key} notin ({set})"),
            ("Exists", true) => key.to_owned(),
            ("DoesNotExist", true) => format!("!{key}"),
            _ => return None,
        };
        parts.push((key, text));
    }
    parts.sort_by_key(|(key, _)| *key);
    Some(parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(","))
}

/// Returns a label selector in the notation of Go's generated `String` methods.
pub(super) fn go_string(selector: &Value) -> String {
    let labels: String = pairs(at(selector, "matchLabels")).map(|(name, value)| format!("{name}: {value},")).collect();
    let mut rules = String::new();
    for rule in list(selector, "matchExpressions") {
        let values: Vec<&str> = list(rule, "values").iter().filter_map(Value::as_str).collect();
        let (key, operator) = (text(rule, "key"), text(rule, "operator"));
        let values = values.join(" ");
        rules.push_str(&format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},"));
    }
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )
}

fn pairs(map: &Value) -> impl Iterator<Item = (&str, &str)> {
    map.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_are_sorted_by_key() {
        let rules = json!([
            { "key": "b", "operator": "In", "values": ["z", "y"] },
            { "key": "a", "operator": "DoesNotExist" },
            { "key": "d", "operator": "Exists" },
            { "key": "e", "operator": "NotIn", "values": ["x"] },
        ]);
        let given = json!({ "matchLabels": { "c": "1" }, "matchExpressions": rules });
        assert_eq!(selector(&given), "!a,b in (y,z),c=1,d,e notin (x)");
        assert_eq!(selector(&json!({})), "<none>");
        assert_eq!(selector(&json!({ "matchExpressions": [{ "key": "a", "operator": "In" }] })), "<error>");
        assert_eq!(labels(&json!({ "b": "2", "a": "1" })), "a=1,b=2");
        assert_eq!(
            go_string(&json!({ "matchLabels": { "a": "b" } })),
            "&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}"
        );
    }
}
