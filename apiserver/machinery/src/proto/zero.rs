//! Go's zero values: which fields its JSON encoder writes although nothing was set, and which it leaves out.

use crate::schema::{Emit, Field, Kind, Node, Schema};
use serde_json::{Map, Value};

/// Completes an object as Go would print it.
pub(super) fn finish(schema: &Schema, node: &Node, object: &mut Map<String, Value>) {
    for field in &node.fields {
        match field.emit {
            Emit::Always => {
                if !object.contains_key(&field.name) {
                    object.insert(field.name.clone(), zero_field(schema, field));
                }
            }
            Emit::OmitEmpty if field.pointer => {}
            Emit::OmitEmpty => {
                if object.get(&field.name).is_some_and(is_empty) {
                    object.remove(&field.name);
                }
            }
        }
    }
}

fn zero_field(schema: &Schema, field: &Field) -> Value {
    if field.pointer { Value::Null } else { zero(schema, schema.node(field.node)) }
}

/// Returns what Go prints for the zero value of a type.
pub(super) fn zero(schema: &Schema, node: &Node) -> Value {
    match node.kind {
        Kind::Object => {
            let mut object = Map::new();
            finish(schema, node, &mut object);
            Value::Object(object)
        }
        Kind::String => Value::from(""),
        Kind::Int32 | Kind::Int64 | Kind::Number | Kind::IntOrString => Value::from(0),
        Kind::Boolean => Value::from(false),
        Kind::Quantity => Value::from("0"),
        Kind::Duration => Value::from("0s"),
        Kind::Any if node.name.ends_with(".JSONSchemaPropsOrBool") => Value::from(false),
        Kind::Map | Kind::List | Kind::Bytes | Kind::Time | Kind::MicroTime | Kind::Any => Value::Null,
    }
}

/// What `omitempty` leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}
