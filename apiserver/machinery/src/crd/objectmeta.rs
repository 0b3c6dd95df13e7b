//! apiVersion, kind and metadata of custom resources and of the objects embedded in them.
//!
//! Coercing does to metadata what decoding into Go's `ObjectMeta` does: wrong types are errors, unknown fields are dropped
//! and reported, zero values disappear.

use super::paths::{child, index, key};
use crate::field_error::{FieldError, FieldErrors};
use crate::metadata::names::{is_dns1035_label, name_is_path_segment};
use crate::metadata::object_meta::{Scope, validate_object_meta};
use crate::schema::{Kind, NodeId, Schema};
use serde_json::{Map, Value};

/// Go type of a metadata field.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Integer,
    Flag,
    Time,
    Texts,
    TextMap,
    Owners,
    Managers,
    Any,
}

const OBJECT_META: [(&str, Type); 15] = [
    ("annotations", Type::TextMap),
    ("creationTimestamp", Type::Time),
    ("deletionGracePeriodSeconds", Type::Integer),
    ("deletionTimestamp", Type::Time),
    ("finalizers", Type::Texts),
    ("generateName", Type::Text),
    ("generation", Type::Integer),
    ("labels", Type::TextMap),
    ("managedFields", Type::Managers),
    ("name", Type::Text),
    ("namespace", Type::Text),
    ("ownerReferences", Type::Owners),
    ("resourceVersion", Type::Text),
    ("selfLink", Type::Text),
    ("uid", Type::Text),
];

const OWNER_REFERENCE: [(&str, Type); 6] = [
    ("apiVersion", Type::Text),
    ("blockOwnerDeletion", Type::Flag),
    ("controller", Type::Flag),
    ("kind", Type::Text),
    ("name", Type::Text),
    ("uid", Type::Text),
];

const MANAGED_FIELDS: [(&str, Type); 7] = [
    ("apiVersion", Type::Text),
    ("fieldsType", Type::Text),
    ("fieldsV1", Type::Any),
    ("manager", Type::Text),
    ("operation", Type::Text),
    ("subresource", Type::Text),
    ("time", Type::Time),
];

/// Coerces the metadata of a resource in place. Paths of unknown fields are added to `unknown`.
///
/// # Errors
/// What Go's decoder says to a field of the wrong type.
pub(crate) fn coerce_metadata(metadata: &mut Value, path: &str, unknown: &mut Vec<String>) -> Result<(), String> {
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    let found = go_type(metadata);
    let Value::Object(map) = metadata else {
        return Err(format!("json: cannot unmarshal {found} into Go value of type v1.ObjectMeta"));
    };
    coerce_struct(map, &OBJECT_META, "ObjectMeta", "", path, unknown)
}

fn go_type(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if number.is_f64() => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

fn coerce_struct(
    map: &mut Map<String, Value>,
    fields: &[(&str, Type)],
    struct_name: &str,
    go_path: &str,
    path: &str,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    let mut failure = None;
    map.retain(|name, value| {
        let Some((_, kind)) = fields.iter().find(|(field, _)| field == name) else {
            unknown.push(child(path, name));
            return false;
        };
        if failure.is_some() {
            return true;
        }
        let go_path = child(go_path, name);
        if let Err(error) = coerce_field(value, *kind, struct_name, &go_path, &child(path, name), unknown) {
            failure = Some(error);
            return true;
        }
        keeps(struct_name, name, *kind, value)
    });
    failure.map_or(Ok(()), Err)
}

/// Whether Go writes a field with this value: owner references have four fields without `omitempty`, and pointers keep
/// their zero values.
fn keeps(struct_name: &str, name: &str, kind: Type, value: &Value) -> bool {
    match (kind, value) {
        (Type::Text, Value::String(text)) => !text.is_empty() || struct_name == "OwnerReference",
        (Type::Integer, Value::Number(number)) => name != "generation" || number.as_i64() != Some(0),
        (Type::Texts | Type::Owners | Type::Managers, Value::Array(list)) => !list.is_empty(),
        (Type::TextMap, Value::Object(map)) => !map.is_empty(),
        (_, Value::Null) => false,
        _ => true,
    }
}

fn coerce_field(
    value: &mut Value,
    kind: Type,
    struct_name: &str,
    go_path: &str,
    path: &str,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let wrong = |value: &Value, go_name: &str| {
        let found = go_type(value);
        Err(format!("json: cannot unmarshal {found} into Go struct field {struct_name}.{go_path} of type {go_name}"))
    };
    match (kind, &mut *value) {
        (Type::Text, Value::String(_)) | (Type::Flag, Value::Bool(_)) | (Type::Any, _) => Ok(()),
        (Type::Integer, Value::Number(number)) if number.is_i64() => Ok(()),
        (Type::Time, Value::String(text)) => check_time(text),
        (Type::Texts, Value::Array(list)) => match list.iter().find(|item| !item.is_string() && !item.is_null()) {
            Some(item) => wrong(item, "string"),
            None => Ok(()),
        },
        (Type::TextMap, Value::Object(map)) => {
            if let Some(item) = map.values().find(|item| !item.is_string() && !item.is_null()) {
                return wrong(item, "string");
            }
            for item in map.values_mut().filter(|item| item.is_null()) {
                *item = Value::from("");
            }
            Ok(())
        }
        (Type::Owners | Type::Managers, Value::Array(list)) => {
            let (struct_name, fields): (&str, &[(&str, Type)]) = match kind {
                Type::Owners => ("OwnerReference", &OWNER_REFERENCE),
                _ => ("ManagedFieldsEntry", &MANAGED_FIELDS),
            };
            for (position, item) in list.iter_mut().enumerate() {
                let found = go_type(item);
                let Value::Object(map) = item else {
                    return Err(format!(
                        "json: cannot unmarshal {found} into Go struct field ObjectMeta.{go_path} of type v1.{struct_name}"
                    ));
                };
                coerce_struct(map, fields, struct_name, go_path, &index(path, position), unknown)?;
            }
            Ok(())
        }
        (Type::Time, _) => Err("json: cannot unmarshal the time: a string is expected".to_owned()),
        (kind, value) => {
            let go_name = match kind {
                Type::Text => "string",
                Type::Integer => "int64",
                Type::Flag => "bool",
                Type::Texts => "[]string",
                Type::TextMap => "map[string]string",
                Type::Owners => "[]v1.OwnerReference",
                Type::Managers => "[]v1.ManagedFieldsEntry",
                Type::Time | Type::Any => "v1.Time",
            };
            wrong(value, go_name)
        }
    }
}

fn check_time(text: &str) -> Result<(), String> {
    if super::formats::matches("date-time", text) {
        return Ok(());
    }
    let layout = "2006-01-02T15:04:05Z07:00";
    Err(format!("parsing time \"{text}\" as \"{layout}\": cannot parse \"{text}\" as \"2006\""))
}

/// Coerces the apiVersion, kind and metadata of embedded resources, and of the value itself if it is a resource root.
///
/// # Errors
/// The first field of a wrong type.
pub(crate) fn coerce(
    schema: &Schema,
    id: NodeId,
    value: &mut Value,
    path: &str,
    is_resource_root: bool,
    unknown: &mut Vec<String>,
) -> Result<(), FieldError> {
    let node = schema.node(id);
    match value {
        Value::Object(map) => {
            let is_resource = is_resource_root || node.embedded_resource;
            for (name, value) in map.iter_mut() {
                if is_resource {
                    coerce_meta_field(name, value, path, unknown)?;
                    if name == "metadata" {
                        continue;
                    }
                }
                match (node.field(name), node.kind, node.items) {
                    (Some(field), _, _) => coerce(schema, field.node, value, &child(path, name), false, unknown)?,
                    (None, Kind::Object | Kind::Map, Some(items)) => {
                        coerce(schema, items, value, &key(path, name), false, unknown)?;
                    }
                    _ => {}
                }
            }
            Ok(())
        }
        Value::Array(list) => {
            if let (Kind::List | Kind::Any, Some(items)) = (node.kind, node.items) {
                for (position, item) in list.iter_mut().enumerate() {
                    coerce(schema, items, item, &index(path, position), false, unknown)?;
                }
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn coerce_meta_field(name: &str, value: &mut Value, path: &str, unknown: &mut Vec<String>) -> Result<(), FieldError> {
    match name {
        "apiVersion" | "kind" if !value.is_string() => {
            Err(FieldError::invalid(child(path, name), value.clone(), "must be a string"))
        }
        "metadata" => {
            let path = child(path, "metadata");
            let original = value.clone();
            coerce_metadata(value, &path, unknown).map_err(|error| FieldError::invalid(path, original, error))
        }
        _ => Ok(()),
    }
}

/// Validates the apiVersion, kind and metadata of embedded resources, and of the value itself if it is a resource root.
pub(crate) fn validate(schema: &Schema, id: NodeId, value: &Value, path: &str, is_resource_root: bool) -> FieldErrors {
    let mut errors = Vec::new();
    walk(schema, id, value, path, is_resource_root, &mut errors);
    errors
}

fn walk(schema: &Schema, id: NodeId, value: &Value, path: &str, is_root: bool, errors: &mut FieldErrors) {
    let node = schema.node(id);
    match value {
        Value::Object(map) => {
            if is_root || node.embedded_resource {
                embedded(map, path, errors);
            }
            for (name, value) in map {
                if !matches!(value, Value::Array(_) | Value::Object(_)) {
                    continue;
                }
                match (node.field(name), node.kind, node.items) {
                    (Some(field), _, _) => walk(schema, field.node, value, &child(path, name), false, errors),
                    (None, Kind::Object | Kind::Map, Some(items)) => {
                        walk(schema, items, value, &key(path, name), false, errors);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(list) => {
            if let (Kind::List | Kind::Any, Some(items)) = (node.kind, node.items) {
                for (position, item) in list.iter().enumerate() {
                    walk(schema, items, item, &index(path, position), false, errors);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn embedded(map: &Map<String, Value>, path: &str, errors: &mut FieldErrors) {
    for field in ["apiVersion", "kind"] {
        let path = child(path, field);
        match map.get(field) {
            None => errors.push(FieldError::required(path, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(FieldError::invalid(path, "", "must not be empty"));
            }
            Some(Value::String(text)) if field == "apiVersion" && text.matches('/').count() > 1 => {
                errors.push(FieldError::invalid(
                    path,
                    text.as_str(),
                    format!("unexpected GroupVersion string: {text}"),
                ));
            }
            Some(Value::String(text)) if field == "kind" => {
                let wrong = is_dns1035_label(&text.to_lowercase());
                if !wrong.is_empty() {
                    let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                    errors.push(FieldError::invalid(path, text.as_str(), detail));
                }
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.push(FieldError::invalid(path, other.clone(), "must be a string")),
        }
    }
    if let Some(metadata) = map.get("metadata").filter(|metadata| metadata.is_object()) {
        embedded_metadata(metadata, &child(path, "metadata"), errors);
    }
}

fn embedded_metadata(metadata: &Value, path: &str, errors: &mut FieldErrors) {
    let text = |field: &str| metadata.get(field).and_then(Value::as_str).unwrap_or_default();
    let scope = if text("namespace").is_empty() { Scope::Cluster } else { Scope::Namespaced };
    if !text("name").is_empty() {
        errors.extend(validate_object_meta(metadata, scope, name_is_path_segment, path));
        return;
    }
    // An embedded object needs no name.
    let mut named = metadata.clone();
    named["name"] = Value::from("fakename");
    errors.extend(validate_object_meta(&named, scope, name_is_path_segment, path));
}
