//! Values as upstream shows them where it prints its internal types: Go's field names and order, nothing left out.

use serde_json::Value;
use std::fmt::Write as _;

/// How a field is shown.
pub(super) enum Part {
    /// As it is; `null` when absent.
    Plain,
    /// As it is; `""` when absent.
    Text,
    /// As it is; 0 when absent.
    Number,
    /// An object of another shape; `null` when absent.
    Inner(Shape),
    /// A list of objects of another shape; `null` when absent.
    List(Shape),
    /// Left out when absent or empty.
    Omitted,
    /// A list of objects, left out when absent or empty.
    OptionalList(Shape),
}

/// Fields: name in documents, name in Go, and how it is shown.
pub(super) type Shape = &'static [(&'static str, &'static str, Part)];

/// A label selector, which has one form everywhere.
pub(super) const SELECTOR: Shape = &[
    ("matchLabels", "matchLabels", Part::Omitted),
    (
        "matchExpressions",
        "matchExpressions",
        Part::OptionalList(&[
            ("key", "key", Part::Text),
            ("operator", "operator", Part::Text),
            ("values", "values", Part::Omitted),
        ]),
    ),
];

/// Metadata of an object.
pub(super) const METADATA: Shape = &[
    ("name", "name", Part::Omitted),
    ("generateName", "generateName", Part::Omitted),
    ("namespace", "namespace", Part::Omitted),
    ("selfLink", "selfLink", Part::Omitted),
    ("uid", "uid", Part::Omitted),
    ("resourceVersion", "resourceVersion", Part::Omitted),
    ("generation", "generation", Part::Omitted),
    ("creationTimestamp", "creationTimestamp", Part::Omitted),
    ("deletionTimestamp", "deletionTimestamp", Part::Omitted),
    ("deletionGracePeriodSeconds", "deletionGracePeriodSeconds", Part::Omitted),
    ("labels", "labels", Part::Omitted),
    ("annotations", "annotations", Part::Omitted),
    ("ownerReferences", "ownerReferences", Part::Omitted),
    ("finalizers", "finalizers", Part::Omitted),
    ("managedFields", "managedFields", Part::Omitted),
];

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn list(value: &Value, shape: Shape) -> String {
    let Some(items) = value.as_array() else { return "null".to_owned() };
    let items: Vec<String> = items.iter().map(|item| shown(item, shape)).collect();
    format!("[{}]", items.join(","))
}

fn part(value: &Value, part: &Part) -> Option<String> {
    let absent = value.is_null();
    Some(match part {
        Part::Text if absent => "\"\"".to_owned(),
        Part::Number if absent => "0".to_owned(),
        Part::Omitted | Part::OptionalList(_) if is_empty(value) => return None,
        Part::Plain | Part::Text | Part::Number | Part::Omitted => value.to_string(),
        Part::Inner(shape) => shown(value, shape),
        Part::List(shape) | Part::OptionalList(shape) => list(value, shape),
    })
}

/// Shows a value in a shape.
pub(super) fn shown(value: &Value, shape: Shape) -> String {
    if value.is_null() {
        return "null".to_owned();
    }
    let mut out = String::from("{");
    for (name, go, how) in shape {
        if let Some(text) = part(value.get(*name).unwrap_or(&Value::Null), how) {
            let comma = if out.len() > 1 { "," } else { "" };
            write!(out, "{comma}\"{go}\":{text}").expect("a String takes any text");
        }
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_have_their_names_and_order_in_go() {
        const SHAPE: Shape = &[
            ("type", "Type", Part::Text),
            ("rolling", "Rolling", Part::Inner(&[("surge", "Surge", Part::Number)])),
            ("selector", "Selector", Part::Inner(SELECTOR)),
        ];
        let selector = json!({"matchExpressions": [{"values": ["a"], "operator": "In", "key": "k"}]});
        let text = shown(&json!({"selector": selector, "rolling": {}}), SHAPE);
        let selector = r#"{"matchExpressions":[{"key":"k","operator":"In","values":["a"]}]}"#;
        assert_eq!(text, format!(r#"{{"Type":"","Rolling":{{"Surge":0}},"Selector":{selector}}}"#));
        assert_eq!(shown(&json!({}), SHAPE), r#"{"Type":"","Rolling":null,"Selector":null}"#);
    }
}
