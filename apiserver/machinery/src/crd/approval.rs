//! Approval of definitions in the groups of the Kubernetes community, which an annotation states.

use super::formats;
use super::paths::key;
use crate::field_error::{FieldError, FieldErrors, go_quote};
use serde_json::{Map, Value};

/// Annotation by which groups of the Kubernetes community are approved.
const APPROVED: &str = "api-approved.kubernetes.io";
const APPROVAL_URL: &str = "https://github.com/kubernetes/enhancements/pull/1111";

/// How a definition in one of the community's groups is approved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Approval {
    Missing,
    Bypassed,
    Approved,
    Invalid,
}

/// Returns the approval of a definition and the words for it; nothing for groups that need none.
pub(super) fn approval_state(definition: &Value) -> Option<(Approval, String)> {
    let group = definition.pointer("/spec/group").and_then(Value::as_str).unwrap_or_default();
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.strip_suffix(domain).is_some_and(|prefix| prefix.ends_with('.')));
    if !protected {
        return None;
    }
    let empty = Map::new();
    let annotations = definition.pointer("/metadata/annotations").and_then(Value::as_object).unwrap_or(&empty);
    let annotation = annotations.get(APPROVED).and_then(Value::as_str).unwrap_or_default();
    let has_host = annotation.split_once("://").is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/'));
    Some(if annotation.is_empty() {
        let reason = format!("protected groups must have approval annotation \"{APPROVED}\", see {APPROVAL_URL}");
        (Approval::Missing, reason)
    } else if annotation.starts_with("unapproved") {
        (Approval::Bypassed, format!("not approved: {}", go_quote(annotation)))
    } else if has_host && formats::is_request_uri(annotation) {
        (Approval::Approved, format!("approved in {annotation}"))
    } else {
        let reason = format!(
            "protected groups must have approval annotation \"{APPROVED}\" with either a URL or a reason starting with \
             \"unapproved\", see {APPROVAL_URL}"
        );
        (Approval::Invalid, reason)
    })
}

/// Refuses definitions that need an approval and have none. A state that does not change is not judged again.
pub(super) fn validate(new: &Value, old: Option<&Value>) -> FieldErrors {
    let Some((state, reason)) = approval_state(new) else { return Vec::new() };
    if old.and_then(approval_state).is_some_and(|(old, _)| old == state) {
        return Vec::new();
    }
    let path = key("metadata.annotations", APPROVED);
    match state {
        Approval::Approved | Approval::Bypassed => Vec::new(),
        Approval::Missing => vec![FieldError::required(path, reason)],
        Approval::Invalid => {
            let shown = new.pointer("/metadata/annotations").and_then(|found| found.get(APPROVED)).cloned();
            vec![FieldError::invalid(path, shown.unwrap_or_default(), reason)]
        }
    }
}
