//! What the server does to definitions on their way in: defaults, resets, and warnings.

use super::props::Props;
use super::read::{array, flag, text};
use super::strategy::set_generation;
use super::{conditions, formats};
use serde_json::{Value, json};

/// Fills in what upstream defaults in a definition: singular and list kind, conversion, stored versions, webhook port.
pub fn default_definition(definition: &mut Value) {
    let Some(object) = definition.as_object_mut() else { return };
    if let Some(Value::Object(spec)) = object.get_mut("spec") {
        let names = spec.entry("names").or_insert_with(|| json!({}));
        let kind = text(names, "kind").to_owned();
        if let Value::Object(names) = names {
            let is_empty = |field: &str| names.get(field).and_then(Value::as_str).unwrap_or_default().is_empty();
            let (no_singular, no_list) = (is_empty("singular"), is_empty("listKind"));
            if no_singular && !kind.is_empty() {
                names.insert("singular".to_owned(), Value::from(kind.to_lowercase()));
            }
            if no_list && !kind.is_empty() {
                names.insert("listKind".to_owned(), Value::from(format!("{kind}List")));
            }
        }
        if spec.get("conversion").is_none_or(Value::is_null) {
            spec.insert("conversion".to_owned(), json!({"strategy": "None"}));
        }
        if let Some(Value::Object(service)) =
            spec.get_mut("conversion").and_then(|conversion| conversion.pointer_mut("/webhook/clientConfig/service"))
        {
            service.entry("port").or_insert_with(|| json!(443));
        }
    }
    let stored = storage_version(object.get("spec").unwrap_or(&Value::Null)).map(str::to_owned);
    let status = object.entry("status").or_insert_with(|| json!({}));
    if let (Value::Object(status), Some(stored)) = (status, stored)
        && status.get("storedVersions").and_then(Value::as_array).is_none_or(Vec::is_empty)
    {
        status.insert("storedVersions".to_owned(), json!([stored]));
    }
}

fn storage_version(spec: &Value) -> Option<&str> {
    array(spec, "versions").into_iter().find(|version| flag(version, "storage")).map(|version| text(version, "name"))
}

/// Resets what a client cannot set when it creates a definition: status and generation.
pub fn prepare_definition_create(definition: &mut Value) {
    let stored = storage_version(definition.get("spec").unwrap_or(&Value::Null)).map(str::to_owned);
    let Some(object) = definition.as_object_mut() else { return };
    let stored: Vec<String> = stored.into_iter().collect();
    object.insert("status".to_owned(), conditions::empty_status(&stored));
    set_generation(object, 1);
}

/// Keeps the status of the old definition, counts the generation up when the spec changed, and records a new storage
/// version.
pub fn prepare_definition_update(new: &mut Value, old: &Value) {
    let changed = new.get("spec") != old.get("spec");
    let stored = storage_version(new.get("spec").unwrap_or(&Value::Null)).map(str::to_owned);
    let Some(object) = new.as_object_mut() else { return };
    let mut status = old.get("status").cloned().unwrap_or_else(|| conditions::empty_status(&[]));
    if let (Value::Object(status), Some(stored)) = (&mut status, stored) {
        let list = status.entry("storedVersions").or_insert(Value::Null);
        if list.is_null() {
            *list = json!([]);
        }
        if let Value::Array(list) = list
            && !list.iter().any(|version| *version == stored.as_str())
        {
            list.push(Value::from(stored));
        }
    }
    object.insert("status".to_owned(), status);
    if changed {
        let generation = old.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
        set_generation(object, generation + 1);
    }
}

/// Keeps all but the status of the old definition.
pub fn prepare_definition_status_update(new: &mut Value, old: &Value) {
    let Some(object) = new.as_object_mut() else { return };
    match old.get("spec") {
        Some(spec) => object.insert("spec".to_owned(), spec.clone()),
        None => object.remove("spec"),
    };
}

/// Returns the formats in a definition that nobody checks; each is worth a warning `unrecognized format "x"`.
#[must_use]
pub fn unrecognized_formats(definition: &Value) -> Vec<String> {
    let versions = definition.get("spec").map(|spec| array(spec, "versions")).unwrap_or_default();
    let schemas: Vec<&Value> =
        versions.iter().filter_map(|version| version.pointer("/schema/openAPIV3Schema")).collect();
    let same = schemas.len() == versions.len() && schemas.windows(2).all(|pair| pair[0] == pair[1]);
    let mut found = Vec::new();
    for schema in schemas.into_iter().take(if same { 1 } else { usize::MAX }) {
        let Some(props) = Props::of(schema) else { continue };
        props.any(&mut |schema| {
            let format = schema.text("format");
            if schema.type_name() == "string" && !format.is_empty() && !formats::is_supported(format) {
                found.push(format.to_owned());
            }
            false
        });
    }
    found
}
