//! Rules for the parts of one version of a definition: schema, subresources, columns and selectable fields.
//!
//! Each is given the path where upstream's internal form has the part.

use super::paths::{child, index};
use super::props::{Props, is_zero};
use super::read::{array, present, text};
use super::schema_compiler::compile_schema;
use super::{defaulting, internal_form, openapi_rules, selectable, structural};
use crate::field_error::{FieldError, FieldErrors};
use serde_json::Value;

/// Validates a version's `schema` at its place in upstream's form.
pub(super) fn schema(validation: Option<&Value>, has_status: bool, path: &str, errors: &mut FieldErrors) {
    let Some(props) = validation.and_then(|validation| validation.get("openAPIV3Schema")).and_then(Props::of) else {
        return;
    };
    let path = child(path, "openAPIV3Schema");
    let before = errors.len();
    if has_status {
        root_keywords(props, &path, errors);
    }
    if props.flag("nullable") {
        errors.push(FieldError::forbidden(child(&path, "nullable"), "nullable cannot be true at the root"));
    }
    let unsupported = structural::unsupported(props);
    if unsupported.is_none() {
        let found = structural::validate(&path, props);
        if found.is_empty() {
            let compiled = compile_schema(Some(props));
            errors.extend(defaulting::validate(&path, &compiled.schema, compiled.root));
        } else {
            errors.extend(found);
        }
    }
    errors.extend(openapi_rules::validate(&path, props));
    if let (true, Some(reason)) = (errors.len() == before, unsupported) {
        errors.push(FieldError::invalid(path, "", reason));
    }
}

/// With a status subresource the schema of `status` is used alone, so that only some keywords make sense at the root.
fn root_keywords(props: Props<'_>, path: &str, errors: &mut FieldErrors) {
    const ALLOWED: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength \
                           MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties \
                           ExternalDocs Example XPreserveUnknownFields XValidations]";
    const FORBIDDEN: [&str; 22] = [
        "id",
        "$schema",
        "$ref",
        "nullable",
        "default",
        "enum",
        "maxProperties",
        "minProperties",
        "allOf",
        "oneOf",
        "anyOf",
        "not",
        "additionalProperties",
        "patternProperties",
        "dependencies",
        "additionalItems",
        "definitions",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
    ];
    let type_name = props.type_name();
    if !type_name.is_empty() && type_name != "object" {
        let detail =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(FieldError::invalid(child(path, "type"), type_name, detail));
        return;
    }
    // Empty lists and maps are set here: upstream compares with nil ones.
    let is_set = |field: &str| {
        props.get(field).is_some_and(|value| value.is_array() || value.is_object() || !is_zero(field, value))
    };
    if FORBIDDEN.iter().any(|field| is_set(field)) {
        let detail =
            format!("only {ALLOWED} fields are allowed at the root of the schema if the status subresource is enabled");
        errors.push(FieldError::invalid_shown(path, &internal_form::schema(props), &detail));
    }
}

/// Validates the subresources of a version.
pub(super) fn subresources(subresources: Option<&Value>, path: &str, errors: &mut FieldErrors) {
    let Some(scale) = subresources.and_then(|found| present(found, "scale")) else { return };
    for (field, prefix, detail) in [
        ("specReplicasPath", ".spec.", "should be a json path under .spec"),
        ("statusReplicasPath", ".status.", "should be a json path under .status"),
    ] {
        let value = text(scale, field);
        let path = child(path, &format!("scale.{field}"));
        if value.is_empty() {
            errors.push(FieldError::required(path, ""));
        } else if !simple_json_path(value, &path, errors) {
        } else if !value.starts_with(prefix) {
            errors.push(FieldError::invalid(path, value, detail));
        }
    }
    let selector = text(scale, "labelSelectorPath");
    let path = child(path, "scale.labelSelectorPath");
    if !selector.is_empty()
        && simple_json_path(selector, &path, errors)
        && !selector.starts_with(".spec.")
        && !selector.starts_with(".status.")
    {
        errors.push(FieldError::invalid(path, selector, "should be a json path under either .spec or .status"));
    }
}

/// Reports a path that does not start with a dot; returns whether it does.
fn simple_json_path(value: &str, path: &str, errors: &mut FieldErrors) -> bool {
    if value.starts_with('.') {
        return true;
    }
    errors.push(FieldError::invalid(path, value, "must be a simple json path starting with ."));
    false
}

/// Validates printer columns.
pub(super) fn columns(owner: &Value, path: &str, errors: &mut FieldErrors) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
    for (position, column) in array(owner, "additionalPrinterColumns").into_iter().enumerate() {
        let path = index(&child(path, "additionalPrinterColumns"), position);
        if text(column, "name").is_empty() {
            errors.push(FieldError::required(child(&path, "name"), ""));
        }
        let type_name = text(column, "type");
        let detail = format!("must be one of {}", TYPES.join(","));
        if type_name.is_empty() {
            errors.push(FieldError::required(child(&path, "type"), detail));
        } else if !TYPES.contains(&type_name) {
            errors.push(FieldError::invalid(child(&path, "type"), type_name, detail));
        }
        let format = text(column, "format");
        if !format.is_empty() && !FORMATS.contains(&format) {
            let detail = format!("must be one of {}", FORMATS.join(","));
            errors.push(FieldError::invalid(child(&path, "format"), format, detail));
        }
        let json_path = text(column, "jsonPath");
        let path = child(&path, "JSONPath");
        if json_path.is_empty() {
            errors.push(FieldError::required(path, ""));
        } else {
            simple_json_path(json_path, &path, errors);
        }
    }
}

/// Validates selectable fields.
pub(super) fn selectable_fields(
    owner: &Value,
    schema: Option<&Value>,
    missing: &str,
    path: &str,
    errors: &mut FieldErrors,
) {
    let fields = array(owner, "selectableFields");
    if fields.is_empty() {
        return;
    }
    let path = child(path, "selectableFields");
    match schema.and_then(Props::of) {
        None => errors.push(FieldError::invalid(path, "", missing)),
        Some(props) => errors.extend(selectable::validate(&path, &fields, props)),
    }
}
