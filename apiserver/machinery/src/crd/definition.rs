//! Validation of CustomResourceDefinitions, as in apiextensions-apiserver's `validation` package.
//!
//! Upstream validates an internal form in which what all versions agree on (schema, subresources, columns, selectable
//! fields) has moved to the top level. Its paths (`spec.validation.openAPIV3Schema…` for a definition with one version) are
//! what clients see, so [`Moved`] says where each part went. `metadata` is validated by the caller, like that of every
//! object, with the name rule of [`validate_create`].

use super::internal_form::{self, Moved};
use super::paths::{child, index};
use super::read::{array, flag, present, text};
use super::version_rules::{columns, schema, selectable_fields, subresources};
use super::{approval, conditions};
use crate::field_error::{FieldError, FieldErrors};
use crate::metadata::names::{is_dns1035_label as dns1035_label, is_dns1123_subdomain as dns1123_subdomain};
use serde_json::Value;

/// Validates a new definition. The caller validates `metadata` as a cluster-scoped object whose name is a DNS subdomain.
#[must_use]
pub fn validate_create(definition: &Value) -> FieldErrors {
    let mut errors = name(definition);
    errors.extend(spec(definition));
    errors.extend(status(definition));
    errors.extend(stored_versions(definition));
    errors.extend(approval::validate(definition, None));
    errors.extend(preserve_unknown(definition));
    errors
}

/// Validates the replacement of a definition. The caller validates `metadata`.
#[must_use]
pub fn validate_update(new: &Value, old: &Value) -> FieldErrors {
    let mut errors = spec(new);
    let field = |definition: &Value, pointer: &str| definition.pointer(pointer).cloned().unwrap_or(Value::from(""));
    let established = conditions::is_true(old, "Established");
    let immutable = [
        ("/spec/scope", "spec.scope", established),
        ("/spec/names/kind", "spec.names.kind", established),
        ("/spec/group", "spec.group", true),
        ("/spec/names/plural", "spec.names.plural", true),
    ];
    for (pointer, path, applies) in immutable {
        let value = field(new, pointer);
        if applies && value != field(old, pointer) {
            errors.push(FieldError::invalid(path, value, "field is immutable"));
        }
    }
    errors.extend(status(new));
    errors.extend(stored_versions(new));
    errors.extend(approval::validate(new, Some(old)));
    errors.extend(preserve_unknown(new));
    errors
}

/// Validates a new status of a definition. The caller validates `metadata`.
#[must_use]
pub fn validate_status_update(new: &Value) -> FieldErrors {
    status(new)
}

fn name(definition: &Value) -> FieldErrors {
    let spec = definition.get("spec").unwrap_or(&Value::Null);
    let plural = spec.pointer("/names/plural").and_then(Value::as_str).unwrap_or_default();
    let wanted = format!("{plural}.{}", text(spec, "group"));
    let given = |field: &str| {
        let name = definition.pointer(&format!("/metadata/{field}")).and_then(Value::as_str).unwrap_or_default();
        Some(name).filter(|name| !name.is_empty() && *name != wanted).map(|name| {
            let path = format!("metadata.{field}");
            FieldError::invalid(path, name, "must be spec.names.plural+\".\"+spec.group")
        })
    };
    given("generateName").into_iter().chain(given("name")).collect()
}

fn spec(definition: &Value) -> FieldErrors {
    let spec = definition.get("spec").unwrap_or(&Value::Null);
    let versions = array(spec, "versions");
    let moved = Moved::of(&versions);
    let mut errors = Vec::new();
    group(spec, &mut errors);
    one_of("spec.scope", text(spec, "scope"), &["Cluster", "Namespaced"], &mut errors);
    let lacks_schema = |version: &Value| version.pointer("/schema/openAPIV3Schema").is_none_or(Value::is_null);
    if !moved.schema || versions.first().is_some_and(|version| lacks_schema(version)) {
        for (position, version) in versions.iter().enumerate() {
            if lacks_schema(version) {
                let path = format!("spec.versions[{position}].schema.openAPIV3Schema");
                errors.push(FieldError::required(path, ""));
            }
        }
    }
    for (position, version) in versions.iter().enumerate() {
        self::version(version, &index("spec.versions", position), moved, &mut errors);
    }
    version_set(&versions, moved, &mut errors);
    if let Some(first) = versions.first() {
        // Upstream's internal form repeats the first version's name at the top.
        let name = text(first, "name");
        let wrong = dns1035_label(name);
        if !name.is_empty() && !wrong.is_empty() {
            errors.push(FieldError::invalid("spec.version", name, wrong.join(",")));
        }
    }
    let names = spec.get("names").unwrap_or(&Value::Null);
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(names, field).is_empty() {
            errors.push(FieldError::required(child("spec.names", field), ""));
        }
    }
    self::names(names, "spec.names", &mut errors);
    if let Some(first) = versions.first() {
        let any_status = versions.iter().any(|version| has_status(version));
        if moved.schema {
            schema(present(first, "schema"), any_status, "spec.validation", &mut errors);
        }
        if moved.subresources {
            subresources(present(first, "subresources"), "spec.subresources", &mut errors);
        }
        if moved.columns {
            columns(first, "spec", &mut errors);
        }
        if moved.selectable {
            let found = first.pointer("/schema/openAPIV3Schema").filter(|_| moved.schema);
            let missing = "may only be set when validations.schema is included";
            selectable_fields(first, found, missing, "spec", &mut errors);
        }
    }
    conversion(spec, &mut errors);
    errors
}

fn group(spec: &Value, errors: &mut FieldErrors) {
    let group = text(spec, "group");
    let wrong = dns1123_subdomain(group);
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if !wrong.is_empty() {
        errors.push(FieldError::invalid("spec.group", group, wrong.join(",")));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid("spec.group", group, "should be a domain with at least one dot"));
    }
}

fn one_of(path: &str, value: &str, accepted: &[&str], errors: &mut FieldErrors) {
    if value.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else if !accepted.contains(&value) {
        errors.push(FieldError::not_supported(path, value, accepted));
    }
}

fn has_status(version: &Value) -> bool {
    version.pointer("/subresources/status").is_some_and(|status| !status.is_null())
}

fn version(version: &Value, path: &str, moved: Moved, errors: &mut FieldErrors) {
    let name = text(version, "name");
    let wrong = dns1035_label(name);
    if !wrong.is_empty() {
        errors.push(FieldError::invalid(child(path, "name"), name, wrong.join(",")));
    }
    let warning = version.get("deprecationWarning").and_then(Value::as_str);
    for detail in deprecation_warning(flag(version, "deprecated"), warning) {
        errors.push(FieldError::invalid(child(path, "deprecationWarning"), warning.unwrap_or_default(), detail));
    }
    if !moved.schema {
        schema(present(version, "schema"), has_status(version), &child(path, "schema"), errors);
    }
    if !moved.subresources {
        subresources(present(version, "subresources"), &child(path, "subresources"), errors);
    }
    if !moved.columns {
        columns(version, path, errors);
    }
    if !moved.selectable {
        let found = version.pointer("/schema/openAPIV3Schema").filter(|_| !moved.schema);
        let missing = "may only be set when `version.schema.openAPIV3Schema` is not included";
        selectable_fields(version, found, missing, path, errors);
    }
}

fn deprecation_warning(deprecated: bool, warning: Option<&str>) -> Vec<String> {
    let Some(warning) = warning else { return Vec::new() };
    if !deprecated {
        return vec!["can only be set for deprecated versions".to_owned()];
    }
    let mut wrong = Vec::new();
    if warning.len() > 256 {
        wrong.push("must be <= 256 characters long".to_owned());
    }
    if warning.is_empty() {
        wrong.push("must not be an empty string".to_owned());
    }
    let is_printable = |c: char| !c.is_control() && (c == ' ' || !c.is_whitespace());
    if let Some((position, _)) = warning.char_indices().find(|&(_, c)| !is_printable(c)) {
        wrong.push(format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {position}"
        ));
    }
    wrong
}

fn version_set(versions: &[&Value], moved: Moved, errors: &mut FieldErrors) {
    let shown = || internal_form::versions(versions, moved);
    let names: Vec<&str> = versions.iter().map(|version| text(version, "name")).collect();
    if names.iter().enumerate().any(|(position, name)| names[..position].contains(name)) {
        errors.push(FieldError::invalid_shown("spec.versions", &shown(), "must contain unique version names"));
    }
    if versions.iter().filter(|version| flag(version, "storage")).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid_shown("spec.versions", &shown(), detail));
    }
}

fn conversion(spec: &Value, errors: &mut FieldErrors) {
    let Some(conversion) = present(spec, "conversion") else { return };
    let strategy = text(conversion, "strategy");
    one_of("spec.conversion.strategy", strategy, &["None", "Webhook"], errors);
    let webhook = present(conversion, "webhook");
    let client = webhook.and_then(|webhook| present(webhook, "clientConfig"));
    let versions = webhook.map(|webhook| array(webhook, "conversionReviewVersions")).unwrap_or_default();
    if strategy != "Webhook" {
        let detail = "should not be set when strategy is not set to Webhook";
        if client.is_some() {
            errors.push(FieldError::forbidden("spec.conversion.webhookClientConfig", detail));
        }
        if !versions.is_empty() {
            errors.push(FieldError::forbidden("spec.conversion.conversionReviewVersions", detail));
        }
        return;
    }
    let path = "spec.conversion.webhookClientConfig";
    match client {
        None => errors.push(FieldError::required(path, "required when strategy is set to Webhook")),
        Some(client) if present(client, "url").is_some() == present(client, "service").is_some() => {
            errors.push(FieldError::required(path, "exactly one of url or service is required"));
        }
        Some(_) => {}
    }
    review_versions(&versions, errors);
    // A webhook that is stored and not called would serve objects in the wrong version.
    let detail = "conversion webhooks are not supported by this server yet; use strategy None";
    errors.push(FieldError::forbidden("spec.conversion.strategy", detail));
}

fn review_versions(versions: &[&Value], errors: &mut FieldErrors) {
    let path = "spec.conversion.conversionReviewVersions";
    if versions.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    for (position, version) in versions.iter().enumerate() {
        let name = version.as_str().unwrap_or_default();
        if versions[..position].contains(version) {
            errors.push(FieldError::invalid(index(path, position), name, "duplicate version"));
            continue;
        }
        for wrong in dns1035_label(name) {
            errors.push(FieldError::invalid(index(path, position), name, wrong));
        }
    }
    if !versions.iter().any(|version| *version == "v1" || *version == "v1beta1") {
        let shown = Value::Array(versions.iter().map(|version| (*version).clone()).collect());
        errors.push(FieldError::invalid(path, shown, "must include at least one of v1, v1beta1"));
    }
}

fn status(definition: &Value) -> FieldErrors {
    let mut errors = Vec::new();
    if let Some(accepted) = definition.pointer("/status/acceptedNames") {
        names(accepted, "status.acceptedNames", &mut errors);
    }
    errors
}

fn stored_versions(definition: &Value) -> FieldErrors {
    let path = "status.storedVersions";
    let stored = definition.get("status").map(|status| array(status, "storedVersions")).unwrap_or_default();
    if stored.is_empty() {
        return vec![FieldError::invalid(path, Value::Null, "must have at least one stored version")];
    }
    let shown = || Value::Array(stored.iter().map(|version| (*version).clone()).collect());
    let versions = definition.get("spec").map(|spec| array(spec, "versions")).unwrap_or_default();
    let mut errors = Vec::new();
    for version in &versions {
        let name = text(version, "name");
        if flag(version, "storage") && !stored.iter().any(|stored| *stored == name) {
            errors.push(FieldError::invalid(path, shown(), format!("must have the storage version {name}")));
        }
    }
    for (position, name) in stored.iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        if !versions.iter().any(|version| text(version, "name") == name) {
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {name} and removes {name} from \
                 status.storedVersions"
            );
            errors.push(FieldError::invalid(index(path, position), name, detail));
        }
    }
    errors
}

fn names(names: &Value, path: &str, errors: &mut FieldErrors) {
    for field in ["plural", "singular"] {
        let name = text(names, field);
        let wrong = dns1035_label(name);
        if !name.is_empty() && !wrong.is_empty() {
            errors.push(FieldError::invalid(child(path, field), name, wrong.join(",")));
        }
    }
    for field in ["kind", "listKind"] {
        let name = text(names, field);
        let wrong = dns1035_label(&name.to_lowercase());
        if !name.is_empty() && !wrong.is_empty() {
            let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
            errors.push(FieldError::invalid(child(path, field), name, detail));
        }
    }
    let list = |field: &str, errors: &mut FieldErrors| {
        for (position, name) in array(names, field).into_iter().enumerate() {
            let name = name.as_str().unwrap_or_default();
            let wrong = dns1035_label(name);
            if !wrong.is_empty() {
                errors.push(FieldError::invalid(index(&child(path, field), position), name, wrong.join(",")));
            }
        }
    };
    list("shortNames", errors);
    let kind = text(names, "kind");
    if !kind.is_empty() && kind == text(names, "listKind") {
        errors.push(FieldError::invalid(child(path, "listKind"), kind, "kind and listKind may not be the same"));
    }
    list("categories", errors);
}

fn preserve_unknown(definition: &Value) -> FieldErrors {
    if definition.pointer("/spec/preserveUnknownFields") != Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let detail =
        "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
    vec![FieldError::invalid("spec.preserveUnknownFields", true, detail)]
}
