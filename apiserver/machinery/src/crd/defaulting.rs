//! Defaults: applying them to custom resources, and checking them where a definition states them.

use super::objectmeta;
use super::paths::{child, key};
use super::pruning;
use super::values::{self, Formats};
use crate::field_error::{FieldError, FieldErrors};
use crate::schema::{Kind, NodeId, Schema};
use serde_json::{Map, Value};

/// Fills in defaults. A `null` that is not nullable counts as absent.
pub(crate) fn apply(schema: &Schema, id: NodeId, value: &mut Value) {
    let node = schema.node(id);
    match value {
        Value::Object(map) => {
            for field in &node.fields {
                let Some(default) = &field.default else { continue };
                let is_absent = match map.get(&field.name) {
                    None => true,
                    Some(found) => found.is_null() && !schema.node(field.node).nullable,
                };
                if is_absent {
                    map.insert(field.name.clone(), default.clone());
                }
            }
            for (name, value) in map {
                match (node.field(name), node.kind, node.items) {
                    (Some(field), _, _) => apply(schema, field.node, value),
                    (None, Kind::Object | Kind::Map, Some(items)) => apply_element(schema, items, value),
                    _ => {}
                }
            }
        }
        Value::Array(list) => {
            if let (Kind::List | Kind::Any, Some(items)) = (node.kind, node.items) {
                for item in list {
                    apply_element(schema, items, item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn apply_element(schema: &Schema, id: NodeId, value: &mut Value) {
    let node = schema.node(id);
    if value.is_null() && !node.nullable {
        *value = node.default.clone().unwrap_or_default();
    }
    apply(schema, id, value);
}

/// Checks that each default of a schema is pruned and valid.
pub(crate) fn validate(path: &str, schema: &Schema, root: NodeId) -> FieldErrors {
    let mut check = Check { schema, errors: Vec::new() };
    let start = Surrounding { resource: root, steps: Vec::new() };
    check.node(path, root, true, &start, false);
    check.errors
}

/// The object that a default inside apiVersion, kind or metadata is checked in.
#[derive(Clone)]
struct Surrounding {
    resource: NodeId,
    steps: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Field(String),
    Item,
}

impl Surrounding {
    fn with(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { resource: self.resource, steps }
    }

    fn object(&self, value: &Value) -> Value {
        let mut object = value.clone();
        for step in self.steps.iter().rev() {
            object = match step {
                Step::Item => Value::Array(vec![object]),
                Step::Field(name) => Value::Object(Map::from_iter([(name.clone(), object)])),
            };
        }
        if let Value::Object(map) = &mut object {
            map.entry("kind").or_insert_with(|| Value::from("Validation"));
            map.entry("apiVersion").or_insert_with(|| Value::from("validation/v1"));
        }
        object
    }
}

struct Check<'a> {
    schema: &'a Schema,
    errors: FieldErrors,
}

impl Check<'_> {
    fn node(&mut self, path: &str, id: NodeId, is_root: bool, around: &Surrounding, inside_meta: bool) {
        let node = self.schema.node(id);
        let is_resource = is_root || node.embedded_resource;
        let fresh = Surrounding { resource: id, steps: Vec::new() };
        let (around, inside_meta) = if is_resource { (&fresh, false) } else { (around, inside_meta) };
        if let Some(default) = &node.default {
            let path = child(path, "default");
            let found = if inside_meta {
                self.default_in_meta(&path, id, default, around)
            } else {
                self.default(&path, id, default, is_resource)
            };
            self.errors.extend(found);
        }
        if matches!(node.kind, Kind::List | Kind::Any)
            && let Some(items) = node.items
        {
            self.node(&child(path, "items"), items, false, &around.with(Step::Item), inside_meta);
        }
        let path = child(path, "properties");
        for field in &node.fields {
            let is_meta = is_resource && matches!(field.name.as_str(), "metadata" | "apiVersion" | "kind");
            let around = around.with(Step::Field(field.name.clone()));
            self.node(&key(&path, &field.name), field.node, false, &around, inside_meta || is_meta);
        }
    }

    fn default(&self, path: &str, id: NodeId, default: &Value, is_resource: bool) -> FieldErrors {
        let mut errors = Vec::new();
        let mut pruned = default.clone();
        pruning::prune(self.schema, id, &mut pruned, is_resource);
        if pruned != *default {
            errors.push(FieldError::invalid(path, default.clone(), "must not have unknown fields"));
        }
        let mut coerced = default.clone();
        if let Err(error) = objectmeta::coerce(self.schema, id, &mut coerced, path, is_resource, &mut Vec::new()) {
            errors.push(error);
            return errors;
        }
        let found = objectmeta::validate(self.schema, id, &coerced, path, is_resource);
        if found.is_empty() {
            errors.extend(values::validate(self.schema, id, default, path, Formats::All));
        } else {
            errors.extend(found);
        }
        errors
    }

    fn default_in_meta(&self, path: &str, id: NodeId, default: &Value, around: &Surrounding) -> FieldErrors {
        let mut object = around.object(default);
        let refuse = |reason: String| {
            vec![FieldError::invalid(path, default.clone(), format!("must result in valid metadata: {reason}"))]
        };
        if let Err(error) = objectmeta::coerce(self.schema, around.resource, &mut object, "", true, &mut Vec::new()) {
            return refuse(error.to_string());
        }
        let found = objectmeta::validate(self.schema, around.resource, &object, "", true);
        if found.is_empty() {
            values::validate(self.schema, id, default, path, Formats::All)
        } else {
            let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
            refuse(if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) })
        }
    }
}
