//! Validation of `metadata`, as upstream's ValidateObjectMeta and ValidateObjectMetaUpdate.
//!
//! Documents are conformed already: every field that is present has its declared JSON type.

use super::names::{IS_NEGATIVE, NameRule, NameUse, is_qualified_name, is_valid_label_value, name_is_dns_label};
use super::shown;
use crate::field_error::{FieldError, FieldErrors, go_quote};
use serde_json::Value;

/// Message for fields that cannot change.
pub const FIELD_IS_IMMUTABLE: &str = "field is immutable";
/// Most bytes of all annotations of an object.
pub const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
/// Longest name of a field manager.
pub const FIELD_MANAGER_LENGTH_MAX: usize = 128;

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `metadata.namespace` is required.
    Namespaced,
    /// `metadata.namespace` is forbidden.
    Cluster,
}

fn text<'a>(meta: &'a Value, name: &str) -> &'a str {
    meta.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(meta: &'a Value, name: &str) -> &'a [Value] {
    meta.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn entries<'a>(meta: &'a Value, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let map = meta.get(name).and_then(Value::as_object).into_iter().flatten();
    map.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

fn invalid_each(field: &str, value: &str, texts: Vec<String>) -> impl Iterator<Item = FieldError> {
    texts.into_iter().map(move |text| FieldError::invalid(field, value, text))
}

/// Checks the metadata of a new object. `path` is usually `metadata`.
#[must_use]
pub fn validate_object_meta(meta: &Value, scope: Scope, rule: NameRule, path: &str) -> FieldErrors {
    let mut errors = Vec::new();
    let prefix = text(meta, "generateName");
    if !prefix.is_empty() {
        errors.extend(invalid_each(&format!("{path}.generateName"), prefix, rule(prefix, NameUse::Prefix)));
    }
    let (name, name_path) = (text(meta, "name"), format!("{path}.name"));
    if name.is_empty() {
        errors.push(FieldError::required(name_path, "name or generateName is required"));
    } else {
        errors.extend(invalid_each(&name_path, name, rule(name, NameUse::Name)));
    }
    let (namespace, namespace_path) = (text(meta, "namespace"), format!("{path}.namespace"));
    match scope {
        Scope::Namespaced if namespace.is_empty() => errors.push(FieldError::required(namespace_path, "")),
        Scope::Namespaced => {
            errors.extend(invalid_each(&namespace_path, namespace, name_is_dns_label(namespace, NameUse::Name)));
        }
        Scope::Cluster if !namespace.is_empty() => {
            errors.push(FieldError::forbidden(namespace_path, "not allowed on this type"));
        }
        Scope::Cluster => {}
    }
    let generation = meta.get("generation").and_then(Value::as_i64).unwrap_or(0);
    if generation < 0 {
        errors.push(FieldError::invalid(format!("{path}.generation"), generation, IS_NEGATIVE));
    }
    errors.extend(validate_labels(meta.get("labels"), &format!("{path}.labels")));
    errors.extend(validate_annotations(meta.get("annotations"), &format!("{path}.annotations")));
    errors.extend(validate_owner_references(items(meta, "ownerReferences"), &format!("{path}.ownerReferences")));
    errors.extend(validate_finalizers(items(meta, "finalizers"), &format!("{path}.finalizers")));
    errors.extend(validate_managed_fields(items(meta, "managedFields"), &format!("{path}.managedFields")));
    errors
}

/// Checks the metadata of a changed object against what it was.
#[must_use]
pub fn validate_object_meta_update(new: &Value, old: &Value, path: &str) -> FieldErrors {
    let mut errors = Vec::new();
    if old.get("deletionTimestamp").is_some_and(|time| !time.is_null()) {
        errors.extend(no_new_finalizers(new, old, &format!("{path}.finalizers")));
    }
    if text(new, "resourceVersion").is_empty() {
        let field = format!("{path}.resourceVersion");
        errors.push(FieldError::invalid(field, "", "must be specified for an update"));
    }
    let generation = |meta: &Value| meta.get("generation").and_then(Value::as_i64).unwrap_or(0);
    if generation(new) < generation(old) {
        errors.push(FieldError::invalid(format!("{path}.generation"), generation(new), "must not be decremented"));
    }
    for name in ["name", "namespace", "uid"] {
        if text(new, name) != text(old, name) {
            errors.push(FieldError::invalid(format!("{path}.{name}"), text(new, name), FIELD_IS_IMMUTABLE));
        }
    }
    for name in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let value = |meta: &Value| meta.get(name).cloned().unwrap_or(Value::Null);
        errors.extend(validate_immutable(&value(new), &value(old), &format!("{path}.{name}")));
    }
    errors.extend(validate_labels(new.get("labels"), &format!("{path}.labels")));
    errors.extend(validate_annotations(new.get("annotations"), &format!("{path}.annotations")));
    errors.extend(validate_owner_references(items(new, "ownerReferences"), &format!("{path}.ownerReferences")));
    errors.extend(validate_managed_fields(items(new, "managedFields"), &format!("{path}.managedFields")));
    errors
}

/// Refuses a changed value: `Invalid value: …: field is immutable`.
#[must_use]
pub fn validate_immutable(new: &Value, old: &Value, path: &str) -> FieldErrors {
    if new == old { Vec::new() } else { vec![FieldError::invalid(path, new.clone(), FIELD_IS_IMMUTABLE)] }
}

/// Checks the key of a label.
#[must_use]
pub fn validate_label_name(name: &str, path: &str) -> FieldErrors {
    invalid_each(path, name, is_qualified_name(name)).collect()
}

/// Checks a map of labels; absent is fine.
#[must_use]
pub fn validate_labels(labels: Option<&Value>, path: &str) -> FieldErrors {
    let mut errors = Vec::new();
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        errors.extend(validate_label_name(key, path));
        errors.extend(invalid_each(path, value, is_valid_label_value(value)));
    }
    errors
}

/// Checks a map of annotations and its total size; absent is fine.
#[must_use]
pub fn validate_annotations(annotations: Option<&Value>, path: &str) -> FieldErrors {
    let (mut errors, mut size) = (Vec::new(), 0);
    for (key, value) in annotations.and_then(Value::as_object).into_iter().flatten() {
        let lower = key.to_lowercase();
        errors.extend(invalid_each(path, key, is_qualified_name(&lower)));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_BYTES_MAX {
        errors.push(FieldError::too_long(path, ANNOTATIONS_BYTES_MAX));
    }
    errors
}

/// Checks owner references.
#[must_use]
pub fn validate_owner_references(references: &[Value], path: &str) -> FieldErrors {
    let mut errors = Vec::new();
    let mut controller: Option<String> = None;
    for reference in references {
        let (api_version, kind) = (text(reference, "apiVersion"), text(reference, "kind"));
        let version = api_version.rsplit('/').next().unwrap_or_default();
        // More than one slash is no group and version at all.
        if version.is_empty() || api_version.matches('/').count() > 1 {
            errors.push(FieldError::invalid(format!("{path}.apiVersion"), api_version, "version must not be empty"));
        }
        for name in ["kind", "name", "uid"] {
            if text(reference, name).is_empty() {
                errors.push(FieldError::invalid(format!("{path}.{name}"), "", "must not be empty"));
            }
        }
        if api_version == "v1" && kind == "Event" {
            let why = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(FieldError::invalid(path, reference.clone(), why));
        }
        if reference.get("controller") == Some(&Value::Bool(true)) {
            let shown = format!("{kind}/{}", text(reference, "name"));
            match &controller {
                Some(first) => {
                    let why = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {shown}"
                    );
                    errors.push(FieldError::invalid_shown(path, &shown::owner_references(references), &why));
                }
                None => controller = Some(shown),
            }
        }
    }
    errors
}

/// Checks the names of finalizers.
#[must_use]
pub fn validate_finalizers(finalizers: &[Value], path: &str) -> FieldErrors {
    let names: Vec<&str> = finalizers.iter().filter_map(Value::as_str).collect();
    let mut errors: FieldErrors =
        names.iter().flat_map(|name| invalid_each(path, name, is_qualified_name(name))).collect();
    if names.contains(&"orphan") && names.contains(&"foregroundDeletion") {
        let why = "finalizer foregroundDeletion and orphan cannot be both set";
        errors.push(FieldError::invalid(path, Value::from(finalizers.to_vec()), why));
    }
    errors
}

fn no_new_finalizers(new: &Value, old: &Value, path: &str) -> Option<FieldError> {
    let known = items(old, "finalizers");
    let mut extra: Vec<&str> =
        items(new, "finalizers").iter().filter(|name| !known.contains(name)).filter_map(Value::as_str).collect();
    if extra.is_empty() {
        return None;
    }
    extra.sort_unstable();
    extra.dedup();
    let shown: Vec<String> = extra.iter().map(|name| go_quote(name)).collect();
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        shown.join(", ")
    );
    Some(FieldError::forbidden(path, why))
}

/// Checks the entries of `metadata.managedFields`.
#[must_use]
pub fn validate_managed_fields(managed: &[Value], path: &str) -> FieldErrors {
    let mut errors = Vec::new();
    for (index, entry) in managed.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let operation = text(entry, "operation");
        if operation != "Apply" && operation != "Update" {
            let field = format!("{path}.operation");
            errors.push(FieldError::invalid(field, operation, "must be `Apply` or `Update`"));
        }
        let fields_type = text(entry, "fieldsType");
        if !fields_type.is_empty() && fields_type != "FieldsV1" {
            errors.push(FieldError::invalid(format!("{path}.fieldsType"), fields_type, "must be `FieldsV1`"));
        }
        errors.extend(validate_field_manager(text(entry, "manager"), &format!("{path}.manager")));
        if text(entry, "subresource").len() > 256 {
            errors.push(FieldError::too_long(format!("{path}.subresource"), 256));
        }
    }
    errors
}

fn is_printable(c: char) -> bool {
    matches!(c, ' ' | '"' | '\'' | '\\') || c.escape_debug().count() == 1
}

/// Checks the `fieldManager` parameter: at most 128 bytes, all printable.
#[must_use]
pub fn validate_field_manager(manager: &str, path: &str) -> FieldErrors {
    let mut errors = Vec::new();
    if manager.len() > FIELD_MANAGER_LENGTH_MAX {
        errors.push(FieldError::too_long(path, FIELD_MANAGER_LENGTH_MAX));
    }
    for (index, c) in manager.char_indices().filter(|(_, c)| !is_printable(*c)) {
        let why = format!("invalid character U+{:04X} (at position {index})", u32::from(c));
        errors.push(FieldError::invalid(path, manager, why));
    }
    errors
}

/// Checks a `metav1.LabelSelector` in an object.
#[must_use]
pub fn validate_label_selector(selector: Option<&Value>, path: &str) -> FieldErrors {
    let Some(selector) = selector.filter(|selector| !selector.is_null()) else { return Vec::new() };
    let mut errors = validate_labels(selector.get("matchLabels"), &format!("{path}.matchLabels"));
    for (index, expression) in items(selector, "matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = items(expression, "values");
        match text(expression, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(format!("{path}.values"), why));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(format!("{path}.values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                let field = format!("{path}.operator");
                errors.push(FieldError::invalid(field, other, "not a valid selector operator"));
            }
        }
        errors.extend(validate_label_name(text(expression, "key"), &format!("{path}.key")));
        for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
            errors.extend(invalid_each(&format!("{path}.values[{index}]"), value, is_valid_label_value(value)));
        }
    }
    errors
}

/// Returns labels or annotations as pairs of text.
pub fn string_map<'a>(meta: &'a Value, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    entries(meta, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::names::name_is_dns_subdomain;
    use serde_json::json;

    fn texts(errors: &FieldErrors) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    /// Checks that the metadata of a new namespaced object has exactly one error, whose text starts as given.
    fn check(meta: Value, wanted: &str) {
        let mut full = json!({"name": "a", "namespace": "n"});
        let map = full.as_object_mut().unwrap();
        map.extend(meta.as_object().unwrap().clone());
        let errors = texts(&validate_object_meta(&full, Scope::Namespaced, name_is_dns_subdomain, "metadata"));
        match wanted {
            "" => assert_eq!(errors, Vec::<String>::new(), "{meta}"),
            wanted => {
                assert_eq!(errors.len(), 1, "{meta}: {errors:?}");
                assert!(errors[0].starts_with(wanted), "{meta}: {errors:?}");
            }
        }
    }

    #[test]
    fn new_objects() {
        let owner = |extra: Value| {
            let mut reference = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"});
            reference.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            reference
        };
        for (meta, wanted) in [
            (json!({}), ""),
            (json!({"generateName": "a-"}), ""),
            (json!({"generateName": "A"}), r#"metadata.generateName: Invalid value: "A": a lowercase"#),
            (json!({"name": ""}), "metadata.name: Required value: name or generateName is required"),
            (json!({"name": "A"}), r#"metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain"#),
            (json!({"namespace": ""}), "metadata.namespace: Required value"),
            (json!({"namespace": "a.b"}), r#"metadata.namespace: Invalid value: "a.b": must not contain dots"#),
            (json!({"generation": -1}), "metadata.generation: Invalid value: -1: must be greater than or equal to 0"),
            (json!({"labels": {"-": ""}}), r#"metadata.labels: Invalid value: "-": name part must consist"#),
            (json!({"labels": {"a": "-"}}), r#"metadata.labels: Invalid value: "-": a valid label must"#),
            (json!({"annotations": {"A.b/c": "-"}}), ""),
            (json!({"annotations": {"a b": ""}}), r#"metadata.annotations: Invalid value: "a b": name part"#),
            (
                json!({"annotations": {"a": "x".repeat(256 * 1024)}}),
                "metadata.annotations: Too long: may not be more than 262144 bytes",
            ),
            (json!({"ownerReferences": [owner(json!({}))]}), ""),
            (
                json!({"ownerReferences": [owner(json!({"apiVersion": ""}))]}),
                r#"metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty"#,
            ),
            (
                json!({"ownerReferences": [owner(json!({"kind": "Event"}))]}),
                r#"metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"p","uid":"u"}: /v1, Kind=Event is disallowed"#,
            ),
            (json!({"finalizers": ["a.b/c"]}), ""),
            (json!({"finalizers": ["orphan", "foregroundDeletion"]}), "metadata.finalizers: Invalid value: "),
            (
                json!({"managedFields": [{"manager": "a", "operation": "Create"}]}),
                r#"metadata.managedFields[0].operation: Invalid value: "Create": must be `Apply` or `Update`"#,
            ),
        ] {
            check(meta, wanted);
        }
        let cluster = validate_object_meta(
            &json!({"name": "a", "namespace": "n"}),
            Scope::Cluster,
            name_is_dns_subdomain,
            "metadata",
        );
        assert_eq!(texts(&cluster), ["metadata.namespace: Forbidden: not allowed on this type"]);
    }

    #[test]
    fn changed_objects() {
        let old = json!({"name": "a", "uid": "1", "generation": 2, "creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": "2020-01-01T00:00:00Z", "finalizers": ["x"]});
        let new = json!({"name": "b", "uid": "1", "generation": 1, "creationTimestamp": "2020-01-01T00:00:00Z", "finalizers": ["x", "z", "y"]});
        assert_eq!(
            texts(&validate_object_meta_update(&new, &old, "metadata")),
            [
                r#"metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"y", "z"}"#,
                r#"metadata.resourceVersion: Invalid value: "": must be specified for an update"#,
                "metadata.generation: Invalid value: 1: must not be decremented",
                r#"metadata.name: Invalid value: "b": field is immutable"#,
                "metadata.deletionTimestamp: Invalid value: null: field is immutable",
            ]
        );
    }

    #[test]
    fn field_managers() {
        assert!(validate_field_manager("kubectl", "fieldManager").is_empty());
        assert_eq!(
            texts(&validate_field_manager("a\nb", "fieldManager")),
            [r#"fieldManager: Invalid value: "a\nb": invalid character U+000A (at position 1)"#]
        );
        let long = validate_field_manager(&"a".repeat(129), "fieldManager");
        assert_eq!(texts(&long), ["fieldManager: Too long: may not be more than 128 bytes"]);
    }

    #[test]
    fn label_selectors() {
        let selector = json!({"matchExpressions": [{"key": "a", "operator": "In"}, {"key": "a", "operator": "Exists", "values": ["b"]}, {"key": "a", "operator": "Is"}]});
        assert_eq!(
            texts(&validate_label_selector(Some(&selector), "spec.selector")),
            [
                "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
                "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                r#"spec.selector.matchExpressions[2].operator: Invalid value: "Is": not a valid selector operator"#,
            ]
        );
    }
}
