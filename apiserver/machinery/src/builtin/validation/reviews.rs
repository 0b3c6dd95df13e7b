//! Questions about access, and requests for tokens.

use super::shape::{METADATA, Part, Shape, shown};
use crate::builtin::at::At;
use crate::builtin::formats::qualified_name;
use crate::builtin::same::same;
use crate::field_error::FieldErrors;
use serde_json::{Value, json};

const URL: Shape = &[("path", "Path", Part::Text), ("verb", "Verb", Part::Text)];

/// A request for a token of a service account.
pub(super) fn token_request(root: &At, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let expiration = spec.get("expirationSeconds");
    if expiration.int() < 600 {
        expiration.invalid(errors, expiration.int(), "may not specify a duration less than 10 minutes");
    }
    if expiration.int() > 1 << 32 {
        expiration.invalid(errors, expiration.int(), "may not specify a duration larger than 2^32 seconds");
    }
}

/// A question about the access of anyone, or of the asker.
pub(super) fn access_review(root: &At, own: bool, local: bool, errors: &mut FieldErrors) {
    let (spec, metadata) = (root.get("spec"), root.get("metadata"));
    let (resource, url) = (spec.get("resourceAttributes"), spec.get("nonResourceAttributes"));
    if resource.has() && url.has() {
        url.invalid_shown(
            errors,
            &shown(url.value(), URL),
            "cannot be specified in combination with resourceAttributes",
        );
    }
    if !resource.has() && !url.has() {
        let message = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        resource.invalid(errors, Value::Null, message);
    }
    if !own && spec.get("user").is_empty() && spec.get("groups").is_empty() {
        spec.get("user").invalid(errors, "", "at least one of user or group must be specified");
    }
    if resource.has() {
        selectors(&resource, errors);
    }
    let mut rest = metadata.value().clone();
    if let Some(map) = rest.as_object_mut() {
        map.remove("managedFields");
        if local {
            map.remove("namespace");
        }
    }
    if !rest.is_null() && !same(&rest, &json!({})) {
        let message = if local { "must be empty except for namespace" } else { "must be empty" };
        metadata.invalid_shown(errors, &shown(metadata.value(), METADATA), message);
    }
    if local {
        let namespace = resource.get("namespace");
        if resource.has() && namespace.str() != metadata.get("namespace").str() {
            namespace.invalid(errors, namespace.str(), "must match metadata.namespace");
        }
        if url.has() {
            url.invalid_shown(errors, &shown(url.value(), URL), "disallowed on this kind of request");
        }
    }
}

fn selectors(resource: &At, errors: &mut FieldErrors) {
    for name in ["fieldSelector", "labelSelector"] {
        let selector = resource.get(name);
        if !selector.has() {
            continue;
        }
        let (raw, requirements) = (selector.get("rawSelector"), selector.get("requirements"));
        if !raw.is_empty() && !requirements.is_empty() {
            raw.invalid(errors, raw.str(), "may not specified at the same time as requirements");
        }
        if raw.is_empty() && requirements.is_empty() {
            let path = selector.path();
            let message = format!("when {path} is specified, requirements or rawSelector is required");
            requirements.required(errors, &message);
        }
        for item in requirements.items() {
            requirement(&item, name == "labelSelector", errors);
        }
    }
}

fn requirement(at: &At, label: bool, errors: &mut FieldErrors) {
    let (key, values) = (at.get("key"), at.get("values"));
    if !label && key.is_empty() {
        key.required(errors, "must be specified");
    }
    match at.get("operator").str() {
        "In" | "NotIn" if values.is_empty() => {
            values.required(errors, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            values.forbidden(errors, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        _ => {}
    }
    if label {
        key.check(errors, qualified_name);
        values.items().for_each(|value| value.check(errors, crate::builtin::formats::label_value));
    }
}
