//! What the server does to custom resources on their way in, as apiextensions-apiserver's `customresource` strategies do.
//!
//! The order for a write is: [`CompiledVersion::coerce`] and [`CompiledVersion::default`] while decoding, a `prepare_`
//! function, then a `validate_` function. The caller validates `metadata` as it does for every object and puts those errors
//! first.

use super::compile::CompiledVersion;
use super::values::{self, Formats};
use super::{defaulting, listtype, objectmeta, pruning, scale};
use crate::field_error::{FieldError, FieldErrors};
use serde_json::{Map, Value};

impl CompiledVersion {
    /// Does to a custom resource what decoding into a struct does to a built-in object: drops unknown fields and nulls that
    /// mean nothing, checks and cleans metadata. Returns the paths of unknown fields in upstream's order.
    ///
    /// # Errors
    /// What the client is told about metadata of a wrong type (400).
    pub fn coerce(&self, object: &mut Value) -> Result<Vec<String>, String> {
        let mut unknown = Vec::new();
        if let Some(metadata) = object.get_mut("metadata") {
            objectmeta::coerce_metadata(metadata, "metadata", &mut unknown)?;
        }
        unknown.extend(pruning::prune(&self.schema, self.root, object, true));
        pruning::prune_nulls(&self.schema, self.root, object);
        let mut embedded = Vec::new();
        objectmeta::coerce(&self.schema, self.root, object, "", false, &mut embedded)
            .map_err(|error| error.to_string())?;
        embedded.sort();
        unknown.extend(embedded);
        Ok(unknown)
    }

    /// Fills in defaults. Objects that come from the store are defaulted too, so that a new default shows at once.
    pub fn default(&self, object: &mut Value) {
        defaulting::apply(&self.schema, self.root, object);
    }

    /// Resets what a client cannot set when it creates an object.
    pub fn prepare_create(&self, object: &mut Value) {
        let Some(map) = object.as_object_mut() else { return };
        if self.status {
            map.remove("status");
        }
        set_generation(map, 1);
    }

    /// Resets what a client cannot set when it updates an object, and counts the generation up for all changes but those of
    /// metadata.
    pub fn prepare_update(&self, new: &mut Value, old: &Value) {
        let Some(map) = new.as_object_mut() else { return };
        if self.status {
            match old.get("status") {
                Some(status) => map.insert("status".to_owned(), status.clone()),
                None => map.remove("status"),
            };
        }
        let empty = Map::new();
        let old_map = old.as_object().unwrap_or(&empty);
        let without_metadata = |map: &'_ Map<String, Value>| map.len() - usize::from(map.contains_key("metadata"));
        let changed = without_metadata(map) != without_metadata(old_map)
            || map.iter().any(|(name, value)| name != "metadata" && old_map.get(name) != Some(value));
        let generation = old.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
        if changed {
            set_generation(map, generation + 1);
        } else {
            set_generation(map, generation);
        }
    }

    /// Keeps all but the status of the old object. Managed fields are the new object's.
    pub fn prepare_status_update(&self, new: &mut Value, old: &Value) {
        let status = new.get("status").cloned();
        let managed = new.pointer("/metadata/managedFields").cloned();
        let mut result = old.clone();
        if let Some(map) = result.as_object_mut() {
            match status {
                Some(status) => map.insert("status".to_owned(), status),
                None => map.remove("status"),
            };
            if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
                match managed {
                    Some(managed) => metadata.insert("managedFields".to_owned(), managed),
                    None => metadata.remove("managedFields"),
                };
            }
        }
        *new = result;
    }

    /// Validates a new object, but for its metadata.
    #[must_use]
    pub fn validate_create(&self, object: &Value) -> FieldErrors {
        let wrong = self.type_meta(object);
        if !wrong.is_empty() {
            return wrong;
        }
        let mut errors = values::validate(&self.schema, self.root, object, "", Formats::Supported);
        errors.extend(self.scale_errors(object));
        errors.extend(objectmeta::validate(&self.schema, self.root, object, "", false));
        errors.extend(listtype::validate(&self.schema, self.root, object, ""));
        errors
    }

    /// Validates the replacement of an object, but for its metadata. Unchanged fields may stay invalid (KEP-4008).
    #[must_use]
    pub fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        let wrong = self.type_meta(new);
        if !wrong.is_empty() {
            return wrong;
        }
        let mut errors = values::validate_update(&self.schema, self.root, new, Some(old), "");
        errors.extend(self.scale_errors(new));
        errors.extend(objectmeta::validate(&self.schema, self.root, new, "", false));
        errors.extend(self.list_errors(new, old));
        errors
    }

    /// Validates a new status, but for metadata.
    #[must_use]
    pub fn validate_status_update(&self, new: &Value, old: &Value) -> FieldErrors {
        let wrong = self.type_meta(new);
        if !wrong.is_empty() {
            return wrong;
        }
        let mut errors = Vec::new();
        if let (Some(status), Some(node)) = (new.get("status"), self.status_node) {
            errors.extend(values::validate_update(&self.schema, node, status, old.get("status"), "status"));
        }
        if let Some(scale) = &self.scale {
            errors.extend(scale::validate_status(scale, new));
        }
        errors.extend(self.list_errors(new, old));
        errors
    }

    fn type_meta(&self, object: &Value) -> FieldErrors {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let mut errors = Vec::new();
        if text("kind") != self.kind {
            errors.push(FieldError::invalid("kind", text("kind"), format!("must be {}", self.kind)));
        }
        let api_version = format!("{}/{}", self.group, self.name);
        if text("apiVersion") != api_version {
            errors.push(FieldError::invalid("apiVersion", text("apiVersion"), format!("must be {api_version}")));
        }
        errors
    }

    fn scale_errors(&self, object: &Value) -> FieldErrors {
        let Some(scale) = &self.scale else { return Vec::new() };
        let mut errors = scale::validate_spec(scale, object);
        errors.extend(scale::validate_status(scale, object));
        errors
    }

    fn list_errors(&self, new: &Value, old: &Value) -> FieldErrors {
        let errors = listtype::validate(&self.schema, self.root, new, "");
        if errors.is_empty() || !listtype::validate(&self.schema, self.root, old, "").is_empty() {
            return Vec::new();
        }
        errors
    }

    /// Returns the values that field selectors may name, beside metadata: field without its leading dot, and value.
    #[must_use]
    pub fn selectable_values(&self, object: &Value) -> Vec<(String, String)> {
        let value_at = |path: &str| {
            let found = path.split('.').skip(1).try_fold(object, |value, step| value.get(step));
            match found {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            }
        };
        let name = |path: &str| path.strip_prefix('.').unwrap_or(path).to_owned();
        self.selectable_fields.iter().map(|path| (name(path), value_at(path))).collect()
    }
}

/// Sets `metadata.generation`.
pub(crate) fn set_generation(object: &mut Map<String, Value>, generation: i64) {
    if let Value::Object(metadata) = object.entry("metadata").or_insert_with(|| Value::Object(Map::new())) {
        if generation == 0 {
            metadata.remove("generation");
        } else {
            metadata.insert("generation".to_owned(), Value::from(generation));
        }
    }
}
