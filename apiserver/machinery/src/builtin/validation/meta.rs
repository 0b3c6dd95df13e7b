//! Rules that many kinds share: labels, selectors, annotations, conditions, and numbers that may be percentages.

use crate::builtin::at::At;
use crate::builtin::formats::{
    condition_reason, dns_label, dns_subdomain, is_label_value, label_value, percent, qualified_name,
};
use crate::field_error::FieldErrors;
use serde_json::Value;
use std::collections::BTreeMap;

/// Labels of anything.
pub(super) fn labels(at: &At, errors: &mut FieldErrors) {
    for (key, value) in at.entries() {
        at.check_text(errors, key, qualified_name);
        at.check_text(errors, value.str(), label_value);
    }
}

/// Annotations of anything.
pub(super) fn annotations(at: &At, errors: &mut FieldErrors) {
    const SIZE_MAX: usize = 256 * 1024;
    let mut size = 0;
    for (key, value) in at.entries() {
        for message in qualified_name(&key.to_lowercase()) {
            at.invalid(errors, key, message);
        }
        size += key.len() + value.str().len();
    }
    if size > SIZE_MAX {
        at.too_long(errors, SIZE_MAX);
    }
}

/// Which label values a selector may name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Well-formed ones.
    Strict,
    /// Any, because the object had malformed ones before.
    Any,
}

impl Values {
    /// `Any` when the old selector already had a malformed value.
    pub(super) fn unless_bad(old: &At) -> Self {
        let mut errors = FieldErrors::new();
        selector(old, Self::Strict, &mut errors);
        if errors.is_empty() { Self::Strict } else { Self::Any }
    }

    /// `Any` when the old selector has requirements with malformed values.
    pub(super) fn unless_bad_values(old: &At) -> Self {
        let bad = old
            .get("matchExpressions")
            .items()
            .any(|expression| expression.get("values").strings().any(|value| !is_label_value(value)));
        if bad { Self::Any } else { Self::Strict }
    }
}

/// A label selector; absent is fine.
pub(super) fn selector(at: &At, values: Values, errors: &mut FieldErrors) {
    labels(&at.get("matchLabels"), errors);
    for expression in at.get("matchExpressions").items() {
        requirement(&expression, values, errors);
    }
}

fn requirement(at: &At, values: Values, errors: &mut FieldErrors) {
    let list = at.get("values");
    let operator = at.get("operator");
    match operator.str() {
        "In" | "NotIn" if list.is_empty() => {
            list.required(errors, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "In" | "NotIn" => {}
        "Exists" | "DoesNotExist" => {
            if !list.is_empty() {
                list.forbidden(errors, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
        }
        other => operator.invalid(errors, other, "not a valid selector operator"),
    }
    at.get("key").check(errors, qualified_name);
    if values == Values::Strict {
        list.items().for_each(|value| value.check(errors, label_value));
    }
}

/// Whether a selector has no requirements.
pub(super) fn selector_is_empty(at: &At) -> bool {
    at.get("matchLabels").is_empty() && at.get("matchExpressions").is_empty()
}

/// Whether a selector matches labels; `None` when it is malformed. An absent selector matches nothing.
pub(super) fn selector_matches(at: &At, labels: &At) -> Option<bool> {
    if !at.has() {
        return Some(false);
    }
    let mut matches = true;
    for (key, value) in at.get("matchLabels").entries() {
        if !qualified_name(key).is_empty() || !is_label_value(value.str()) {
            return None;
        }
        matches &= labels.get(key).text() == Some(value.str());
    }
    for expression in at.get("matchExpressions").items() {
        let key = expression.get("key").str();
        let values = expression.get("values");
        if !qualified_name(key).is_empty() || !values.strings().all(is_label_value) {
            return None;
        }
        let present = labels.get(key).text();
        let listed = present.is_some_and(|text| values.contains(text));
        matches &= match (expression.get("operator").str(), values.is_empty()) {
            ("In", false) => listed,
            ("NotIn", false) => !listed,
            ("Exists", true) => present.is_some(),
            ("DoesNotExist", true) => present.is_none(),
            _ => return None,
        };
    }
    Some(matches)
}

/// Shows a selector with its fields in upstream's order.
pub(super) fn selector_shown(selector: &Value) -> String {
    super::shape::shown(selector, super::shape::SELECTOR)
}

/// A selector that may not change.
pub(super) fn immutable_selector(at: &At, old: &Value, errors: &mut FieldErrors) {
    if !crate::builtin::same::same(at.value(), old) {
        at.invalid_shown(errors, &selector_shown(at.value()), "field is immutable");
    }
}

/// Conditions of the shared type.
pub(super) fn conditions(at: &At, errors: &mut FieldErrors) {
    let mut seen = BTreeMap::new();
    for condition in at.items() {
        let kind = condition.get("type");
        if seen.insert(kind.str(), ()).is_some() {
            kind.duplicate(errors, kind.str());
        }
        kind.check(errors, qualified_name);
        condition.get("status").one_of(errors, &["True", "False", "Unknown"]);
        let generation = condition.get("observedGeneration");
        if generation.int() < 0 {
            generation.invalid(errors, generation.int(), "must be greater than or equal to zero");
        }
        if !condition.get("lastTransitionTime").has() {
            condition.get("lastTransitionTime").required(errors, "");
        }
        let reason = condition.get("reason");
        if !reason.require(errors) {
            reason.check(errors, condition_reason);
            if reason.len() > 1024 {
                reason.too_long(errors, 1024);
            }
        }
        if condition.get("message").len() > 32 * 1024 {
            condition.get("message").too_long(errors, 32 * 1024);
        }
    }
}

/// A non-negative integer or a percentage.
pub(super) fn int_or_percent(at: &At, errors: &mut FieldErrors) {
    match at.value() {
        Value::String(text) => {
            for message in percent(text) {
                at.invalid(errors, text.as_str(), message);
            }
        }
        _ => at.non_negative(errors),
    }
}

fn percent_value(at: &At) -> Option<i64> {
    let text = at.text()?;
    if !percent(text).is_empty() {
        return None;
    }
    Some(text.trim_end_matches('%').parse().unwrap_or(i64::MAX))
}

/// The number, with or without a percent sign; 0 when malformed.
pub(super) fn int_or_percent_value(at: &At) -> i64 {
    percent_value(at).unwrap_or_else(|| at.text().map_or_else(|| at.int(), |text| text.parse().unwrap_or(0)))
}

/// `must not be greater than 100%`.
pub(super) fn at_most_100_percent(at: &At, errors: &mut FieldErrors) {
    if percent_value(at).is_some_and(|value| value > 100) {
        at.invalid_here(errors, "must not be greater than 100%");
    }
}

/// Status counts may not be negative.
pub(super) fn non_negative_fields(at: &At, names: &[&str], errors: &mut FieldErrors) {
    names.iter().for_each(|name| at.get(name).non_negative(errors));
}

/// `cannot be greater than …` for each count that exceeds another.
pub(super) fn at_most(at: &At, names: &[&str], most: &str, detail: &str, errors: &mut FieldErrors) {
    for name in names {
        let count = at.get(name);
        if count.int() > at.get(most).int() {
            count.invalid(errors, count.int(), detail);
        }
    }
}

/// `cannot be decremented` for the collision count of a workload.
pub(super) fn collision_count(status: &At, old: &At, errors: &mut FieldErrors) {
    let (now, before) = (status.get("collisionCount"), old.get("collisionCount"));
    if before.has() && now.int() < before.int() || (before.has() && !now.has()) {
        now.invalid(errors, now.int(), "cannot be decremented");
    }
}

/// A path that starts with a domain, as `acme.io/foo`.
pub(super) fn domain_path(at: &At, errors: &mut FieldErrors) {
    let text = at.str();
    if at.require(errors) {
        return;
    }
    let Some((host, path)) = text.split_once('/').filter(|(host, path)| !host.is_empty() && !path.is_empty()) else {
        at.invalid(errors, text, "must be a domain-prefixed path (such as \"acme.io/foo\")");
        return;
    };
    at.check_text(errors, host, dns_subdomain);
    let good = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c);
    if !path.chars().all(good) {
        at.invalid(errors, path, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
    }
}

/// A domain name of at least three segments.
pub(super) fn qualified_domain(at: &At, errors: &mut FieldErrors) {
    if at.require(errors) {
        return;
    }
    let complaints = dns_subdomain(at.str());
    if !complaints.is_empty() {
        at.invalid(errors, at.str(), complaints.join(","));
    } else if at.str().split('.').count() < 3 {
        at.invalid(errors, at.str(), "should be a domain with at least three segments separated by dots");
    }
}

/// A signer's name: a domain, a slash and a path of labels.
pub(super) fn signer_name(at: &At, errors: &mut FieldErrors) {
    const MAX: usize = 253 + 1 + 253 + 63 + 1;
    let text = at.str();
    if at.require(errors) {
        return;
    }
    let Some((domain, path)) = text.split_once('/').filter(|(_, path)| !path.contains('/')) else {
        at.invalid(errors, text, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
        return;
    };
    if domain.len() > 253 {
        at.too_long(errors, 253);
    }
    complain_about_labels(at, domain, dns_label, errors);
    if !domain.contains('.') {
        at.invalid(errors, domain, "should be a domain with at least two segments separated by dots");
    }
    complain_about_labels(at, path, dns_subdomain, errors);
    if text.len() > MAX {
        at.too_long(errors, MAX);
    }
}

fn complain_about_labels(at: &At, text: &str, format: fn(&str) -> Vec<String>, errors: &mut FieldErrors) {
    for label in text.split('.') {
        let complaints = format(label);
        for message in &complaints {
            let label = crate::field_error::go_quote(label);
            at.invalid(errors, text, format!("validating label {label}: {message}"));
        }
        if !complaints.is_empty() {
            break;
        }
    }
}

/// Finalizers outside a domain must be ones that Kubernetes knows.
pub(super) fn kube_finalizer(at: &At, errors: &mut FieldErrors) {
    let name = at.str();
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        at.invalid(errors, name, "name is neither a standard finalizer name nor is it fully qualified");
    }
}

/// Metadata of a template for objects that are not pods: labels and annotations only.
pub(super) fn template_metadata(at: &At, errors: &mut FieldErrors) {
    annotations(&at.get("annotations"), errors);
    labels(&at.get("labels"), errors);
    for name in [
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ] {
        let field = at.get(name);
        if field.has() && !matches!(field.value(), Value::String(text) if text.is_empty()) {
            let shown = if name == "uid" { "uID" } else { name };
            at.get(shown).forbidden(errors, "cannot be set");
        }
    }
}
