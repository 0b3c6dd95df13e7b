//! The rules that make a schema structural, as in apiextensions-apiserver's `schema.ValidateStructural`.
//!
//! The part of a schema outside `allOf`, `anyOf`, `oneOf` and `not` says what there is; the part inside them may only
//! restrict it, and only where the outer part has something.

use super::goregex;
use super::paths::{child, index, key};
use super::props::{Additional, Items, Props, is_zero};
use crate::field_error::{FieldError, FieldErrors};
use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Returns why a schema cannot be made structural at all, in upstream's words.
pub(crate) fn unsupported(props: Props<'_>) -> Option<String> {
    let mut found = None;
    props.any(&mut |schema| {
        found = unsupported_here(schema);
        found.is_some()
    });
    found
}

fn unsupported_here(props: Props<'_>) -> Option<String> {
    let present = |field: &str| match props.get(field) {
        None => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(map)) => !map.is_empty() || field == "additionalItems",
        Some(_) => true,
    };
    let names = [
        ("id", "id"),
        ("$schema", "schema"),
        ("$ref", "$ref"),
        ("patternProperties", "patternProperties"),
        ("dependencies", "dependencies"),
        ("additionalItems", "additionalItems"),
        ("definitions", "definitions"),
    ];
    if let Some((_, shown)) = names.into_iter().find(|(field, _)| present(field)) {
        return Some(format!("OpenAPIV3Schema '{shown}' is not supported"));
    }
    if props.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        return Some("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined".to_owned());
    }
    if matches!(props.items(), Some(Items::Many(items)) if !items.is_empty()) {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    None
}

/// Validates that a schema is structural. The errors are sorted by their text.
pub(crate) fn validate(path: &str, props: Props<'_>) -> FieldErrors {
    let mut errors = Vec::new();
    invariants(props, Level::Root, path, &mut errors);
    completeness(props, Some(props), path, path, &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

fn invariants(props: Props<'_>, level: Level, path: &str, errors: &mut FieldErrors) {
    match props.item() {
        Some(item) => invariants(item, Level::Item, &child(path, "items"), errors),
        None if props.type_name() == "array" => {
            errors.push(FieldError::required(child(path, "items"), "must be specified"));
        }
        None => {}
    }
    for (name, property) in props.properties() {
        invariants(property, Level::Field, &key(&child(path, "properties"), name), errors);
    }
    if let Some(additional) = props.additional() {
        let path = child(path, "additionalProperties");
        if level == Level::Root {
            errors.push(FieldError::forbidden(&path, "must not be used at the root"));
        }
        if let Additional::Schema(schema) = additional {
            invariants(schema, Level::Field, &path, errors);
        }
    }
    extensions(props, path, errors);
    value_validation(props, is_int_or_string(&props.schemas("anyOf")), starts_with_int_or_string(props), path, errors);
    types(props, level, path, errors);
    meta(props, level, path, errors);
}

fn extensions(props: Props<'_>, path: &str, errors: &mut FieldErrors) {
    if !props.flag("x-kubernetes-int-or-string") {
        return;
    }
    for field in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if props.flag(field) {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.push(FieldError::invalid(child(path, field), true, detail));
        }
    }
}

fn types(props: Props<'_>, level: Level, path: &str, errors: &mut FieldErrors) {
    let type_name = props.type_name();
    let embedded = props.flag("x-kubernetes-embedded-resource");
    let path_type = child(path, "type");
    if embedded && type_name != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(match type_name {
            "" => FieldError::required(path_type, detail),
            _ => FieldError::invalid(path_type, type_name, detail),
        });
    } else if type_name.is_empty() && !props.flag("x-kubernetes-int-or-string") && !props.preserves_unknown() {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(FieldError::required(path_type, detail));
    }
    if embedded && props.additional().is_some() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(FieldError::forbidden(child(path, "additionalProperties"), detail));
    }
    if level == Level::Root && !type_name.is_empty() && type_name != "object" {
        errors.push(FieldError::invalid(child(path, "type"), type_name, "must be object at the root"));
    }
    if embedded && !props.preserves_unknown() && !props.has_properties() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                      x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(child(path, "properties"), detail));
    }
}

fn meta(props: Props<'_>, level: Level, path: &str, errors: &mut FieldErrors) {
    let is_resource = level == Level::Root || props.flag("x-kubernetes-embedded-resource");
    let path = child(path, "properties");
    for field in ["kind", "apiVersion"] {
        if let Some(property) = props.property(field)
            && is_resource
            && property.type_name() != "string"
        {
            let path = child(&key(&path, field), "type");
            errors.push(FieldError::invalid(path, property.type_name(), "must be string"));
        }
    }
    let Some(metadata) = props.property("metadata") else { return };
    let path = key(&path, "metadata");
    if is_resource && metadata.type_name() != "object" {
        errors.push(FieldError::invalid(child(&path, "type"), metadata.type_name(), "must be object"));
    }
    if level == Level::Root && !restricts_names_only(metadata) {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(path, detail));
    }
}

fn restricts_names_only(metadata: Props<'_>) -> bool {
    metadata.0.iter().all(|(field, value)| match field.as_str() {
        "type" | "default" | "externalDocs" | "example" => true,
        "properties" => metadata.properties().all(|(name, _)| matches!(name, "name" | "generateName")),
        _ => is_zero(field, value),
    })
}

/// Whether a list of alternatives is exactly "integer or string".
fn is_int_or_string(alternatives: &[Props<'_>]) -> bool {
    let is = |props: &Props<'_>, type_name: &str| {
        props.0.iter().all(|(key, value)| if key == "type" { *value == json!(type_name) } else { is_zero(key, value) })
            && props.type_name() == type_name
    };
    matches!(alternatives, [first, second] if is(first, "integer") && is(second, "string"))
}

fn starts_with_int_or_string(props: Props<'_>) -> bool {
    props.schemas("allOf").first().is_some_and(|first| is_int_or_string(&first.schemas("anyOf")))
}

fn value_validation(
    props: Props<'_>,
    skip_any_of: bool,
    skip_first_all_of: bool,
    path: &str,
    errors: &mut FieldErrors,
) {
    if !skip_any_of {
        for (position, nested) in props.schemas("anyOf").into_iter().enumerate() {
            nested_validation(nested, false, &index(&child(path, "anyOf"), position), errors);
        }
    }
    for (position, nested) in props.schemas("allOf").into_iter().enumerate() {
        let skip = skip_first_all_of && position == 0;
        nested_validation(nested, skip, &index(&child(path, "allOf"), position), errors);
    }
    for (position, nested) in props.schemas("oneOf").into_iter().enumerate() {
        nested_validation(nested, false, &index(&child(path, "oneOf"), position), errors);
    }
    if let Some(nested) = props.schema("not") {
        nested_validation(nested, false, &child(path, "not"), errors);
    }
    let pattern = props.text("pattern");
    if !pattern.is_empty()
        && let Err(error) = goregex::compile(pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {error}");
        errors.push(FieldError::invalid(child(path, "pattern"), pattern, detail));
    }
}

fn nested_validation(props: Props<'_>, skip_any_of: bool, path: &str, errors: &mut FieldErrors) {
    value_validation(props, skip_any_of, false, path, errors);
    if let Some(item) = props.item() {
        nested_validation(item, false, &child(path, "items"), errors);
    }
    for (name, property) in props.properties() {
        nested_validation(property, false, &key(&child(path, "properties"), name), errors);
    }
    let allows = matches!(props.additional(), Some(Additional::Schema(_) | Additional::Bool(true)));
    let present = |field: &str| props.get(field).is_some_and(|value| !is_zero(field, value));
    let forbidden = [
        ("type", present("type"), "must be empty to be structural"),
        ("additionalProperties", allows, "must be undefined to be structural"),
        ("default", present("default"), "must be undefined to be structural"),
        ("title", present("title"), "must be empty to be structural"),
        ("description", present("description"), "must be empty to be structural"),
        ("nullable", props.flag("nullable"), "must be false to be structural"),
        ("x-kubernetes-preserve-unknown-fields", props.preserves_unknown(), "must be false to be structural"),
        (
            "x-kubernetes-embedded-resource",
            props.flag("x-kubernetes-embedded-resource"),
            "must be false to be structural",
        ),
        ("x-kubernetes-int-or-string", props.flag("x-kubernetes-int-or-string"), "must be false to be structural"),
        ("x-kubernetes-list-map-keys", present("x-kubernetes-list-map-keys"), "must be empty to be structural"),
        ("x-kubernetes-list-type", present("x-kubernetes-list-type"), "must be undefined to be structural"),
        ("x-kubernetes-map-type", present("x-kubernetes-map-type"), "must be undefined to be structural"),
        ("x-kubernetes-validations", present("x-kubernetes-validations"), "must be empty to be structural"),
    ];
    for (field, is_set, detail) in forbidden {
        if is_set {
            errors.push(FieldError::forbidden(child(path, field), detail));
        }
    }
    if props.property("metadata").is_some() {
        let path = key(&child(path, "properties"), "metadata");
        errors.push(FieldError::forbidden(path, "must not be specified in a nested context"));
    }
}

/// Checks that what the junctors of `validation` restrict exists in `structure`.
fn completeness(
    validation: Props<'_>,
    structure: Option<Props<'_>>,
    structure_path: &str,
    validation_path: &str,
    errors: &mut FieldErrors,
) {
    let mut nested = |schema: Props<'_>, path: String| {
        nested_completeness(schema, structure, structure_path, &path, errors);
    };
    if let Some(schema) = validation.schema("not") {
        nested(schema, child(validation_path, "not"));
    }
    for junctor in ["allOf", "anyOf", "oneOf"] {
        for (position, schema) in validation.schemas(junctor).into_iter().enumerate() {
            nested(schema, index(&child(validation_path, junctor), position));
        }
    }
}

fn nested_completeness(
    validation: Props<'_>,
    structure: Option<Props<'_>>,
    structure_path: &str,
    validation_path: &str,
    errors: &mut FieldErrors,
) {
    let Some(found) = structure else {
        errors.push(FieldError::required(structure_path, format!("because it is defined in {validation_path}")));
        return;
    };
    completeness(validation, structure, structure_path, validation_path, errors);
    if let Some(item) = validation.item() {
        let (structure_path, path) = (child(structure_path, "items"), child(validation_path, "items"));
        nested_completeness(item, found.item(), &structure_path, &path, errors);
    }
    for (name, property) in validation.properties() {
        let structure_path = key(&child(structure_path, "properties"), name);
        let path = key(&child(validation_path, "properties"), name);
        nested_completeness(property, found.property(name), &structure_path, &path, errors);
    }
}
