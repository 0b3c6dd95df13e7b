//! `selectableFields`: which fields of a custom resource field selectors may name.

use super::paths::{child, index};
use super::props::{Additional, Props};
use crate::field_error::{FieldError, FieldErrors};
use serde_json::Value;

const FIELDS_MAX: usize = 8;

/// Validates a list of selectable fields against the schema they point into.
pub(crate) fn validate(path: &str, fields: &[&Value], schema: Props<'_>) -> FieldErrors {
    let mut errors = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (position, field) in fields.iter().enumerate() {
        let path = child(&index(path, position), "jsonPath");
        let json_path = field.get("jsonPath").and_then(Value::as_str).unwrap_or_default();
        if json_path.is_empty() {
            errors.push(FieldError::required(path, ""));
            continue;
        }
        let (steps, found) = match resolve(json_path, schema) {
            Ok(found) => found,
            Err(reason) => {
                errors.push(FieldError::invalid(path, json_path, format!("is an invalid path: {reason}")));
                continue;
            }
        };
        if steps.first().is_some_and(|step| step == "metadata") {
            errors.push(FieldError::invalid(&path, json_path, "must not point to fields in metadata"));
        }
        if !found.is_some_and(|found| matches!(found.type_name(), "string" | "boolean" | "integer")) {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                          formats are allowed.";
            errors.push(FieldError::invalid(&path, json_path, detail));
        }
        let name = steps.join(".");
        if seen.contains(&name) {
            errors.push(FieldError::duplicate(path, json_path));
        } else {
            seen.push(name);
        }
    }
    if seen.len() > FIELDS_MAX {
        errors.push(FieldError::too_many(path, seen.len(), FIELDS_MAX));
    }
    errors
}

/// Follows `.a.b` through a schema. Values of `additionalProperties: true` exist and have no schema.
fn resolve<'a>(json_path: &str, schema: Props<'a>) -> Result<(Vec<String>, Option<Props<'a>>), String> {
    let mut steps = Vec::new();
    let mut schema = Some(schema);
    let mut rest = json_path;
    while !rest.is_empty() {
        if rest.starts_with('[') {
            return Err("array notation is not allowed".to_owned());
        }
        let Some(after) = rest.strip_prefix('.') else {
            let end = rest.find(['.', '[', ']']).unwrap_or(rest.len()).max(1);
            return Err(format!("expected [ or . but got: {}", &rest[..end]));
        };
        if after.is_empty() {
            return Err("unexpected end of JSON path".to_owned());
        }
        let end = after.find(['.', '[', ']']).unwrap_or(after.len()).max(1);
        let name = &after[..end];
        let Some(parent) = schema else { return Err("does not refer to a valid field".to_owned()) };
        schema = match (parent.property(name), parent.additional()) {
            (Some(found), _) => Some(found),
            (None, Some(Additional::Schema(found))) if !parent.has_properties() => Some(found),
            (None, Some(Additional::Bool(_))) if !parent.has_properties() => None,
            _ => return Err("does not refer to a valid field".to_owned()),
        };
        steps.push(name.to_owned());
        rest = &after[end..];
    }
    Ok((steps, schema))
}
