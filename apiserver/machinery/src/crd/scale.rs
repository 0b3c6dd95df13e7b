//! The scale subresource of custom resources: reading and writing through the paths of the definition.

use super::compile::Scale;
use crate::field_error::{FieldError, FieldErrors};
use serde_json::{Map, Value, json};

/// Why a scale could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScaleError {
    /// The object has no value at the spec path; upstream answers 500 to a read.
    MissingSpecReplicas(String),
    /// A value on the way is of the wrong type.
    WrongType(String),
}

impl std::fmt::Display for ScaleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ScaleError::MissingSpecReplicas(path) => {
                write!(f, "the spec replicas field {} does not exist", crate::field_error::go_quote(path))
            }
            ScaleError::WrongType(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ScaleError {}

fn steps(path: &str) -> Vec<&str> {
    path.strip_prefix('.').unwrap_or(path).split('.').collect()
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

/// Follows a path; `Ok(None)` when it ends early.
fn find<'v>(object: &'v Value, path: &str) -> Result<Option<&'v Value>, String> {
    let steps = steps(path);
    let mut value = object;
    for (position, step) in steps.iter().enumerate() {
        match value {
            Value::Object(map) => match map.get(*step) {
                Some(found) => value = found,
                None => return Ok(None),
            },
            Value::Null => return Ok(None),
            other => {
                let parents = steps[..position].join(".");
                let shown = match other {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                return Err(format!(
                    ".{parents}.{step} accessor error: {shown} is of the type {}, expected map[string]interface{{}}",
                    go_type(other)
                ));
            }
        }
    }
    Ok(Some(value))
}

fn wrong_type(path: &str, value: &Value, expected: &str) -> String {
    let shown = match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let path = steps(path).join(".");
    format!(".{path} accessor error: {shown} is of the type {}, expected {expected}", go_type(value))
}

fn integer(object: &Value, path: &str) -> Result<Option<i64>, String> {
    match find(object, path)? {
        None => Ok(None),
        Some(Value::Number(number)) if number.is_i64() => Ok(number.as_i64()),
        Some(other) => Err(wrong_type(path, other, "int64")),
    }
}

fn string(object: &Value, path: &str) -> Result<String, String> {
    match find(object, path)? {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(wrong_type(path, other, "string")),
    }
}

/// Returns the `autoscaling/v1` Scale of an object, and whether it has spec replicas.
///
/// # Errors
/// When a path leads through values of the wrong type.
pub fn scale_from_object(scale: &Scale, object: &Value) -> Result<(Value, bool), ScaleError> {
    let wanted = integer(object, &scale.spec_replicas_path).map_err(ScaleError::WrongType)?;
    let actual = integer(object, &scale.status_replicas_path).map_err(ScaleError::WrongType)?;
    let selector = match &scale.label_selector_path {
        Some(path) => string(object, path).map_err(ScaleError::WrongType)?,
        None => String::new(),
    };
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.pointer("/metadata").and_then(|metadata| metadata.get(field)) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut spec = Map::new();
    if let Some(replicas) = wanted.filter(|&replicas| replicas != 0) {
        spec.insert("replicas".to_owned(), Value::from(replicas));
    }
    let mut status = Map::from_iter([("replicas".to_owned(), Value::from(actual.unwrap_or_default()))]);
    if !selector.is_empty() {
        status.insert("selector".to_owned(), Value::from(selector));
    }
    let document = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": spec, "status": status,
    });
    Ok((document, wanted.is_some()))
}

/// Writes the wanted number into an object.
///
/// # Errors
/// When the path leads through a value that is not an object.
pub fn set_scale_replicas(scale: &Scale, object: &mut Value, replicas: i64) -> Result<(), ScaleError> {
    let steps = steps(&scale.spec_replicas_path);
    let (last, parents) = steps.split_last().expect("split gives at least one part");
    let mut value = object;
    for (position, step) in parents.iter().enumerate() {
        let Value::Object(map) = value else {
            let path = steps[..position].join(".");
            return Err(ScaleError::WrongType(format!(
                "value cannot be set because .{path} is not a map[string]interface{{}}"
            )));
        };
        value = map.entry((*step).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    let Value::Object(map) = value else {
        let path = parents.join(".");
        return Err(ScaleError::WrongType(format!(
            "value cannot be set because .{path} is not a map[string]interface{{}}"
        )));
    };
    map.insert((*last).to_owned(), Value::from(replicas));
    Ok(())
}

fn replicas(path: &str, object: &Value) -> FieldErrors {
    let refuse = |value: i64, detail: String| vec![FieldError::invalid(path, value, detail)];
    match integer(object, path) {
        Err(error) => refuse(0, error),
        Ok(Some(value)) if value < 0 => refuse(value, "should be a non-negative integer".to_owned()),
        Ok(Some(value)) if value > i64::from(i32::MAX) => {
            refuse(value, format!("should be less than or equal to {}", i32::MAX))
        }
        Ok(_) => Vec::new(),
    }
}

/// Validates the wanted number.
pub(crate) fn validate_spec(scale: &Scale, object: &Value) -> FieldErrors {
    replicas(&scale.spec_replicas_path, object)
}

/// Validates the actual number and the selector.
pub(crate) fn validate_status(scale: &Scale, object: &Value) -> FieldErrors {
    let mut errors = replicas(&scale.status_replicas_path, object);
    if let Some(path) = &scale.label_selector_path
        && let Err(error) = string(object, path)
    {
        errors.push(FieldError::invalid(path, "", error));
    }
    errors
}
