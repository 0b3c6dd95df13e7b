//! Checks an applied configuration against its type, with the messages of structured-merge-diff.

use super::element::Element;
use super::typed::{Shape, Type};
use crate::field_error::go_quote;
use crate::patch::go_map;
use crate::schema::{Kind, Node};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A path and what is wrong there.
type Complaint = (String, String);

/// Returns what is wrong with a configuration, in one text.
pub(super) fn validate(at: Type<'_>, value: &Value) -> Result<(), String> {
    let mut complaints = Vec::new();
    walk(at, value, "", &mut complaints);
    let texts: Vec<String> = complaints
        .into_iter()
        .map(|(path, text)| if path.is_empty() { text } else { format!("{path}: {text}") })
        .collect();
    match texts.as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

/// Shows a value as Go's `%#v` does.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => go_quote(text),
        Value::Array(items) => {
            let shown: Vec<String> = items.iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", shown.join(", "))
        }
        Value::Object(map) => {
            let shown: Vec<String> =
                map.iter().map(|(name, value)| format!("{}:{}", go_quote(name), go_syntax(value))).collect();
            format!("map[string]interface {{}}{{{}}}", shown.join(", "))
        }
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn scalar_complaint(node: &Node, value: &Value) -> Option<String> {
    let shown = || format!("&{{{}}}", go_map(value));
    match (node.kind, value) {
        (_, Value::Null) | (Kind::Any, _) => None,
        (Kind::Int32 | Kind::Int64 | Kind::Number, Value::Number(_)) => None,
        (Kind::Int32 | Kind::Int64 | Kind::Number, _) => {
            Some(format!("expected numeric (int or float), got {}", go_type(value)))
        }
        (Kind::Boolean, Value::Bool(_)) => None,
        (Kind::Boolean, _) => Some(format!("expected boolean, got {}", shown())),
        (_, Value::String(_)) => None,
        (Kind::String | Kind::Bytes | Kind::Duration, _) if node.format.is_empty() || node.format == "byte" => {
            Some(format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)))
        }
        (_, Value::Object(_) | Value::Array(_)) => Some(format!("expected any scalar, got {}", shown())),
        _ => None,
    }
}

fn walk(at: Type<'_>, value: &Value, path: &str, out: &mut Vec<Complaint>) {
    let shape = at.shape(Some(value));
    let shown = || format!("&{{{}}}", go_map(value));
    match (shape, value) {
        (_, Value::Null) => {}
        (Shape::Scalar, _) => {
            if let Type::Node(_, node) = at
                && let Some(text) = scalar_complaint(node, value)
            {
                out.push((path.to_owned(), text));
            }
        }
        (Shape::Map | Shape::AtomicMap, Value::Object(map)) => fields(at, map, path, out),
        (Shape::Map | Shape::AtomicMap, _) => out.push((path.to_owned(), format!("expected map, got {}", shown()))),
        (Shape::AtomicList | Shape::Keyed(_) | Shape::SetList, Value::Array(items)) => {
            list(at, shape, items, path, out)
        }
        (Shape::AtomicList | Shape::Keyed(_) | Shape::SetList, _) => {
            out.push((path.to_owned(), format!("expected list, got {}", shown())));
        }
    }
}

fn fields(at: Type<'_>, map: &Map<String, Value>, path: &str, out: &mut Vec<Complaint>) {
    for (name, value) in map {
        let path = format!("{path}.{name}");
        match at.field(name) {
            Type::Undeclared => {
                out.push((path, "field not declared in schema".to_owned()));
                return;
            }
            below => walk(below, value, &path, out),
        }
    }
}

fn list(at: Type<'_>, shape: Shape<'_>, items: &[Value], path: &str, out: &mut Vec<Complaint>) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let element = if shape == Shape::AtomicList {
            Element::Index(i64::try_from(index).unwrap_or(i64::MAX))
        } else {
            match at.item_element(shape, item) {
                Ok(element) => element,
                Err(error) => {
                    out.push((path.to_owned(), format!("element {index}: {error}")));
                    return;
                }
            }
        };
        let below = format!("{path}{element}");
        if !seen.insert(element.clone()) {
            out.push((path.to_owned(), format!("duplicate entries for key {element}")));
        }
        walk(at.item(), item, &below, out);
    }
}
