//! Upstream's rules for every schema inside a definition, beside structurality: keywords that are forbidden altogether,
//! list and map types, defaults in forbidden places.

use super::paths::{child, index, key};
use super::props::{Additional, Items, Props};
use crate::field_error::{FieldError, FieldErrors};
use serde_json::{Value, json};

/// What validation remembers on its way down.
#[derive(Clone, Copy, Default)]
struct Place {
    is_root: bool,
    inside_resource_meta: bool,
    forbidden_default: Option<&'static str>,
}

/// Validates a schema and everything in it.
pub(crate) fn validate(path: &str, props: Props<'_>) -> FieldErrors {
    let mut errors = Vec::new();
    walk(path, props, Place { is_root: true, ..Place::default() }, &mut errors);
    errors
}

fn walk(path: &str, props: Props<'_>, place: Place, errors: &mut FieldErrors) {
    keywords(path, props, place, errors);
    if props.flag("uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(child(path, "uniqueItems"), detail));
    }
    let inner = Place { is_root: false, ..place };
    additional(path, props, inner, errors);
    properties(path, props, place, errors);
    nested(path, props, inner, errors);
    extension_values(path, props, errors);
    list_types(path, props, errors);
    map_keys(path, props, errors);
    set_and_map_items(path, props, errors);
    validation_rules(path, props, errors);
}

fn keywords(path: &str, props: Props<'_>, place: Place, errors: &mut FieldErrors) {
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    let type_name = props.type_name();
    if !type_name.is_empty() && !TYPES.contains(&type_name) {
        errors.push(FieldError::not_supported(child(path, "type"), type_name, &TYPES));
    }
    if props.default().is_some()
        && let Some(reason) = place.forbidden_default
    {
        errors.push(FieldError::forbidden(child(path, "default"), format!("must not be set {reason}")));
    }
    for field in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        let is_set = match props.get(field) {
            None => false,
            Some(Value::String(text)) => !text.is_empty() || field == "$ref",
            Some(Value::Object(map)) => !map.is_empty() || matches!(field, "additionalItems" | "dependencies"),
            Some(_) => true,
        };
        if is_set {
            errors.push(FieldError::forbidden(child(path, field), format!("{field} is not supported")));
        }
    }
    if type_name == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.push(FieldError::forbidden(child(path, "type"), detail));
    }
    if matches!(props.items(), Some(Items::Many(items)) if !items.is_empty()) {
        errors.push(FieldError::forbidden(child(path, "items"), "items must be a schema object and not an array"));
    }
    if place.inside_resource_meta && props.flag("x-kubernetes-embedded-resource") {
        let path = child(path, "x-kubernetes-embedded-resource");
        errors.push(FieldError::forbidden(path, "must not be used inside of resource meta"));
    }
}

fn additional(path: &str, props: Props<'_>, place: Place, errors: &mut FieldErrors) {
    let Some(additional) = props.additional() else { return };
    let path = child(path, "additionalProperties");
    if props.has_properties() && !matches!(additional, Additional::Bool(true)) {
        errors.push(FieldError::forbidden(&path, "additionalProperties and properties are mutual exclusive"));
    }
    if let Additional::Schema(schema) = additional {
        let mut place = place;
        if place.inside_resource_meta {
            place.forbidden_default = Some("inside additionalProperties applying to object metadata");
        }
        walk(&path, schema, place, errors);
    }
}

fn properties(path: &str, props: Props<'_>, place: Place, errors: &mut FieldErrors) {
    let path = child(path, "properties");
    for (name, property) in props.properties() {
        let mut inner = Place { is_root: false, ..place };
        let is_resource = place.is_root || props.flag("x-kubernetes-embedded-resource");
        if is_resource && matches!(name, "metadata" | "kind" | "apiVersion") {
            inner.inside_resource_meta = true;
            if place.is_root {
                inner.forbidden_default = Some(match name {
                    "metadata" => "in top-level metadata",
                    "kind" => "in top-level kind",
                    _ => "in top-level apiVersion",
                });
            }
        }
        walk(&key(&path, name), property, inner, errors);
    }
}

fn nested(path: &str, props: Props<'_>, place: Place, errors: &mut FieldErrors) {
    if let Some(schema) = props.schema("not") {
        walk(&child(path, "not"), schema, place, errors);
    }
    for junctor in ["allOf", "oneOf", "anyOf"] {
        for (position, schema) in props.schemas(junctor).into_iter().enumerate() {
            walk(&index(&child(path, junctor), position), schema, place, errors);
        }
    }
    for (name, schema) in props.named("definitions") {
        walk(&key(&child(path, "definitions"), name), schema, place, errors);
    }
    match props.items() {
        Some(Items::One(schema)) => walk(&child(path, "items"), schema, place, errors),
        Some(Items::Many(schemas)) => {
            for (position, schema) in schemas.into_iter().enumerate() {
                walk(&index(&child(path, "items"), position), schema, place, errors);
            }
        }
        None => {}
    }
    for (name, schema) in props.named("dependencies") {
        walk(&key(&child(path, "dependencies"), name), schema, place, errors);
    }
}

fn extension_values(path: &str, props: Props<'_>, errors: &mut FieldErrors) {
    if props.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let path = child(path, "x-kubernetes-preserve-unknown-fields");
        errors.push(FieldError::invalid(path, false, "must be true or undefined"));
    }
    let Some(map_type) = props.optional_text("x-kubernetes-map-type") else { return };
    wrong_type(path, props, "object", "x-kubernetes-map-type", errors);
    if !matches!(map_type, "atomic" | "granular") {
        let path = child(path, "x-kubernetes-map-type");
        errors.push(FieldError::not_supported(path, map_type, &["atomic", "granular"]));
    }
}

/// Reports a `type` that does not go with an extension; returns whether it did.
fn wrong_type(path: &str, props: Props<'_>, expected: &str, extension: &str, errors: &mut FieldErrors) -> bool {
    let type_name = props.type_name();
    if type_name == expected {
        return false;
    }
    let detail = format!("must be {expected} if {extension} is specified");
    let path = child(path, "type");
    errors.push(match type_name {
        "" => FieldError::required(path, detail),
        _ => FieldError::invalid(path, type_name, detail),
    });
    true
}

fn list_types(path: &str, props: Props<'_>, errors: &mut FieldErrors) {
    let Some(list_type) = props.optional_text("x-kubernetes-list-type") else { return };
    if !wrong_type(path, props, "array", "x-kubernetes-list-type", errors)
        && list_type == "set"
        && let Some(item) = props.item()
    {
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let item_list_type = item.optional_text("x-kubernetes-list-type");
        let shown = item_list_type.map_or(Value::Null, Value::from);
        let path = child(path, "items");
        match item.type_name() {
            "array" if item_list_type.is_some_and(|found| found != "atomic") => {
                errors.push(FieldError::invalid(child(&path, "x-kubernetes-list-type"), shown, detail));
            }
            "object" if item.optional_text("x-kubernetes-map-type") != Some("atomic") => {
                errors.push(FieldError::invalid(child(&path, "x-kubernetes-map-type"), shown, detail));
            }
            _ => {}
        }
    }
    if !matches!(list_type, "atomic" | "set" | "map") {
        let path = child(path, "x-kubernetes-list-type");
        let mut error = FieldError::not_supported(path, list_type, &[]);
        error.detail = "supported values: \"atomic\", \"set\", \"map\"".to_owned();
        errors.push(error);
    }
}

fn map_keys(path: &str, props: Props<'_>, errors: &mut FieldErrors) {
    let keys = props.strings("x-kubernetes-list-map-keys");
    let list_type = props.optional_text("x-kubernetes-list-type");
    let path_type = child(path, "x-kubernetes-list-type");
    let path_keys = child(path, "x-kubernetes-list-map-keys");
    if !keys.is_empty() {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        match list_type {
            None => errors.push(FieldError::required(path_type, detail)),
            Some("map") => {}
            Some(other) => errors.push(FieldError::invalid(path_type, other, detail)),
        }
    }
    if list_type != Some("map") {
        return;
    }
    if keys.is_empty() {
        errors.push(FieldError::required(&path_keys, "must not be empty if x-kubernetes-list-type is map"));
    }
    let path_items = child(path, "items");
    let item = match props.items() {
        None => {
            errors.push(FieldError::required(path_items, "must have a schema if x-kubernetes-list-type is map"));
            return;
        }
        Some(Items::Many(_)) => {
            let shown = props.get("items").cloned().unwrap_or_default();
            let detail = "must only have a single schema if x-kubernetes-list-type is map";
            errors.push(FieldError::invalid(path_items, shown, detail));
            return;
        }
        Some(Items::One(item)) => item,
    };
    if item.type_name() != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(child(&path_items, "type"), item.type_name(), detail));
        return;
    }
    for (position, name) in keys.iter().enumerate() {
        match item.property(name) {
            Some(property) if matches!(property.type_name(), "array" | "object") => {
                let path = child(&key(&child(&path_items, "properties"), name), "type");
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                errors.push(FieldError::invalid(path, item.type_name(), detail));
            }
            Some(_) => {}
            None => {
                let detail = "entries must all be names of item properties";
                errors.push(FieldError::invalid(&path_keys, json!(keys), detail));
            }
        }
        if keys[..position].contains(name) {
            errors.push(FieldError::invalid(&path_keys, json!(keys), "must not contain duplicate entries"));
        }
    }
}

fn set_and_map_items(path: &str, props: Props<'_>, errors: &mut FieldErrors) {
    let (Some(item), Some(list_type @ ("set" | "map"))) = (props.item(), props.optional_text("x-kubernetes-list-type"))
    else {
        return;
    };
    let path = child(path, "items");
    if item.flag("nullable") {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(FieldError::forbidden(child(&path, "nullable"), detail));
    }
    if list_type == "set" {
        return;
    }
    let required = item.strings("required");
    for name in props.strings("x-kubernetes-list-map-keys") {
        let Some(property) = item.property(name) else { continue };
        let path = key(&child(&path, "properties"), name);
        if !required.contains(&name) && property.default().is_none() {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required \
                          property";
            errors.push(FieldError::required(child(&path, "default"), detail));
        }
        if property.flag("nullable") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(FieldError::forbidden(child(&path, "nullable"), detail));
        }
    }
}

/// Rules in CEL are refused, because a rule that is stored and not enforced would be worse.
fn validation_rules(path: &str, props: Props<'_>, errors: &mut FieldErrors) {
    let is_set = props.get("x-kubernetes-validations").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    if is_set {
        let path = child(path, "x-kubernetes-validations");
        errors.push(FieldError::forbidden(path, "CEL validation rules are not supported by this server yet"));
    }
}
