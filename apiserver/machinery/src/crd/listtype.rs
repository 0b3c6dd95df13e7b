//! Uniqueness of the items of lists with `x-kubernetes-list-type` `set` and `map`.

use super::paths::{child, index, key};
use crate::field_error::{FieldError, FieldErrors};
use crate::schema::{Kind, ListType, NodeId, Schema};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Validates all lists in a value.
pub(crate) fn validate(schema: &Schema, id: NodeId, value: &Value, path: &str) -> FieldErrors {
    let mut errors = Vec::new();
    walk(schema, id, value, path, &mut errors);
    errors
}

fn walk(schema: &Schema, id: NodeId, value: &Value, path: &str, errors: &mut FieldErrors) {
    let node = schema.node(id);
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if !matches!(value, Value::Array(_) | Value::Object(_)) {
                    continue;
                }
                match (node.field(name), node.kind, node.items) {
                    (Some(field), _, _) => walk(schema, field.node, value, &child(path, name), errors),
                    (None, Kind::Object | Kind::Map, Some(items)) => {
                        walk(schema, items, value, &key(path, name), errors);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(list) => {
            match &node.list_type {
                ListType::Atomic => {}
                ListType::Set => {
                    for position in repeated(list) {
                        errors.push(FieldError::duplicate(index(path, position), list[position].clone()));
                    }
                }
                ListType::Map(keys) => map_items(keys, list, path, errors),
            }
            if let (Kind::List | Kind::Any, Some(items)) = (node.kind, node.items) {
                for (position, item) in list.iter().enumerate() {
                    walk(schema, items, item, &index(path, position), errors);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn map_items(keys: &[String], list: &[Value], path: &str, errors: &mut FieldErrors) {
    if let Some(position) = list.iter().position(|item| !item.is_object() && !item.is_null()) {
        let detail = "must be an object for an array of list-type map";
        errors.push(FieldError::invalid(index(path, position), list[position].clone(), detail));
        return;
    }
    let key_of = |item: &Value| {
        let fields = keys.iter().filter_map(|name| item.get(name).map(|value| (name.clone(), value.clone())));
        Value::Object(fields.collect::<Map<String, Value>>())
    };
    let found: Vec<Value> = list.iter().map(key_of).collect();
    for position in repeated(&found) {
        errors.push(FieldError::duplicate(index(path, position), found[position].clone()));
    }
}

/// Positions of second appearances; third ones are not reported again.
fn repeated(list: &[Value]) -> Vec<usize> {
    if list.len() <= 1 {
        return Vec::new();
    }
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(list.len());
    let mut positions = Vec::new();
    for (position, item) in list.iter().enumerate() {
        let times = seen.entry(item.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            positions.push(position);
        }
    }
    positions
}
