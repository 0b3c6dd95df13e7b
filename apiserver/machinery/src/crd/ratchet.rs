//! Comparison of a value with the one it replaces, as far as a schema lets the two be compared (KEP-4008).

use crate::schema::{Kind, ListType, Node, NodeId, Schema};
use serde_json::Value;

/// Returns the schema of a field; values of `additionalProperties: true` have none.
pub(super) fn field_node(schema: &Schema, node: &Node, name: &str) -> Option<NodeId> {
    let is_known = |id: &NodeId| schema.node(*id).kind != Kind::Any || schema.node(*id).preserve_unknown;
    match (node.field(name), node.kind) {
        (Some(field), _) => Some(field.node),
        (None, Kind::Object | Kind::Map) => node.items.filter(is_known),
        (None, _) => None,
    }
}

pub(super) fn find_by_keys<'v>(list: &'v [Value], keys: &[String], item: &Value) -> Option<&'v Value> {
    let key = |value: &Value, name: &str| -> Option<Value> {
        value.get(name).filter(|found| !matches!(found, Value::Null | Value::Array(_) | Value::Object(_))).cloned()
    };
    let wanted: Option<Vec<Value>> = keys.iter().map(|name| key(item, name)).collect();
    let wanted = wanted?;
    list.iter().find(|old| keys.iter().zip(&wanted).all(|(name, wanted)| key(old, name).as_ref() == Some(wanted)))
}

/// Whether a value equals the one it replaces, as far as the schema lets the two be compared: the items of a map list are
/// found by their keys, and fields without a schema count as changed.
pub(super) fn unchanged(schema: &Schema, id: NodeId, new: &Value, old: &Value) -> bool {
    let node = schema.node(id);
    match (new, old) {
        (Value::Array(new), Value::Array(old)) => {
            if new.len() != old.len() {
                return false;
            }
            let (ListType::Map(keys), Some(items)) = (&node.list_type, node.items) else { return new == old };
            new.iter().all(|item| find_by_keys(old, keys, item).is_some_and(|old| unchanged(schema, items, item, old)))
        }
        (Value::Object(new), Value::Object(old)) => {
            new.len() == old.len()
                && new.iter().all(|(name, value)| match (old.get(name), field_node(schema, node, name)) {
                    (Some(old), Some(id)) => unchanged(schema, id, value, old),
                    _ => false,
                })
        }
        _ => new == old,
    }
}
