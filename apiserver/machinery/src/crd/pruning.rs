//! Removal of what a schema doesn't know: unknown fields, and `null` where it is no value.

use crate::schema::{Kind, NodeId, Schema};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Removes unknown fields of a resource and returns their paths, sorted. The apiVersion, kind and metadata of the
/// resource and of embedded ones stay.
pub(crate) fn prune(schema: &Schema, root: NodeId, value: &mut Value, is_resource_root: bool) -> Vec<String> {
    let mut pruner = Pruner { schema, path: String::new(), unknown: Vec::new() };
    pruner.value(Some(root), value, is_resource_root, false);
    pruner.unknown.sort();
    pruner.unknown
}

struct Pruner<'a> {
    schema: &'a Schema,
    path: String,
    unknown: Vec<String>,
}

impl Pruner<'_> {
    /// `keeps_unknown`: an array around this value keeps what it doesn't know, and so do its items.
    fn value(&mut self, id: Option<NodeId>, value: &mut Value, as_resource: bool, keeps_unknown: bool) {
        let node = id.map(|id| self.schema.node(id));
        let keeps_meta = as_resource || node.is_some_and(|node| node.embedded_resource);
        let keeps_unknown = keeps_unknown || node.is_some_and(|node| node.preserve_unknown);
        match value {
            Value::Object(map) => self.object(id, map, keeps_meta, keeps_unknown),
            Value::Array(list) => {
                let items = node.filter(|node| matches!(node.kind, Kind::List | Kind::Any)).and_then(|node| node.items);
                if keeps_unknown && items.is_none() {
                    return;
                }
                for (index, item) in list.iter_mut().enumerate() {
                    let length = self.path.len();
                    let _ = write!(self.path, "[{index}]");
                    self.value(items, item, false, keeps_unknown);
                    self.path.truncate(length);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn object(&mut self, id: Option<NodeId>, map: &mut Map<String, Value>, keeps_meta: bool, keeps_unknown: bool) {
        let node = id.map(|id| self.schema.node(id));
        map.retain(|name, value| {
            let is_meta = matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
            if keeps_meta && is_meta {
                return true;
            }
            let length = self.path.len();
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(name);
            let field = node.and_then(|node| node.field(name));
            let is_map = node.is_some_and(|node| {
                matches!(node.kind, Kind::Map) || node.kind == Kind::Object && node.items.is_some()
            });
            let keep = match field {
                Some(field) => {
                    self.value(Some(field.node), value, false, false);
                    true
                }
                None if is_map => {
                    self.value(node.and_then(|node| node.items), value, false, false);
                    true
                }
                None if keeps_unknown => true,
                None => {
                    if !(is_meta && length == 0) {
                        self.unknown.push(self.path.clone());
                    }
                    false
                }
            };
            self.path.truncate(length);
            keep
        });
    }
}

/// Removes `null` fields that are neither nullable nor have a default.
pub(crate) fn prune_nulls(schema: &Schema, id: NodeId, value: &mut Value) {
    let node = schema.node(id);
    match value {
        Value::Object(map) => map.retain(|name, value| {
            let (id, has_default) = match node.field(name) {
                Some(field) => (field.node, field.default.is_some()),
                None => match (node.kind, node.items) {
                    (Kind::Object | Kind::Map, Some(items)) => (items, schema.node(items).default.is_some()),
                    _ => return true,
                },
            };
            if value.is_null() && !schema.node(id).nullable && !has_default {
                return false;
            }
            prune_nulls(schema, id, value);
            true
        }),
        Value::Array(list) => {
            if let (Kind::List | Kind::Any, Some(items)) = (node.kind, node.items) {
                for item in list {
                    prune_nulls(schema, items, item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
