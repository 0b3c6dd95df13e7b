//! JSON merge patch (RFC 7386).

use super::PatchError;
use crate::decode::{self, FieldValidation, Limits};
use serde_json::{Map, Value};

/// Reads the body of a merge patch and returns its duplicate fields too.
///
/// # Errors
/// When the body is not a JSON object or array.
pub fn read_merge_patch(
    body: &[u8],
    limits: &Limits,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), PatchError> {
    let lenient = validation == FieldValidation::Ignore;
    let (patch, duplicates) = decode::json(body, limits).map_err(|error| match error {
        decode::DecodeError::Syntax(_) if lenient => PatchError::BadRequest("Invalid JSON Patch".to_owned()),
        error => PatchError::BadRequest(format!("error decoding patch: {error}")),
    })?;
    let word = match &patch {
        Value::Object(_) => return Ok((patch, duplicates)),
        Value::Array(_) if lenient => return Ok((patch, duplicates)),
        Value::Array(_) => "array",
        Value::Bool(_) if !lenient => "bool",
        Value::Number(_) if !lenient => "number",
        Value::String(_) if !lenient => "string",
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(PatchError::BadRequest("Invalid JSON Patch".to_owned()));
        }
    };
    let text =
        format!("error decoding patch: json: cannot unmarshal {word} into Go value of type map[string]interface {{}}");
    Err(PatchError::BadRequest(text))
}

/// Applies a merge patch to a document.
pub fn merge_patch(target: &mut Value, patch: Value) {
    let Value::Object(changes) = patch else {
        *target = patch;
        prune_nulls(target);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let map = target.as_object_mut().expect("it was made one");
    for (key, change) in changes {
        if change.is_null() {
            map.remove(&key);
            continue;
        }
        match map.get_mut(&key) {
            Some(current) if current.is_object() && change.is_object() => merge_patch(current, change),
            _ => {
                let mut value = change;
                prune_nulls(&mut value);
                map.insert(key, value);
            }
        }
    }
}

/// Removes null fields, also of objects within arrays; null items of arrays stay.
fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
