//! What upstream's controllers write into the status of a CustomResourceDefinition: accepted names, conditions, stored
//! versions, and the finalizer that keeps a definition until its objects are gone.
//!
//! All of it is pure: the caller passes the other definitions of the group and the time.

use super::approval::{Approval, approval_state};
use super::props::Props;
use super::structural;
use crate::field_error::go_quote;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Keeps a definition until its custom resources are deleted.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Where the deletion of a definition's objects is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Termination {
    /// The definition was asked to go.
    Pending,
    /// Objects are being deleted.
    InProgress,
    /// It went wrong; it will be tried again.
    Failed(String),
    /// All objects are gone.
    Completed,
    /// There never were any.
    NeverEstablished,
}

/// Returns the status of a definition nobody has looked at yet.
#[must_use]
pub(crate) fn empty_status(stored: &[String]) -> Value {
    let stored = if stored.is_empty() { Value::Null } else { json!(stored) };
    json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": stored})
}

/// Whether a condition has the status `True`.
#[must_use]
pub fn is_true(definition: &Value, condition: &str) -> bool {
    find(definition, condition).is_some_and(|found| found.get("status").and_then(Value::as_str) == Some("True"))
}

fn find<'v>(definition: &'v Value, condition: &str) -> Option<&'v Value> {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array)?;
    conditions.iter().find(|found| found.get("type").and_then(Value::as_str) == Some(condition))
}

/// Sets a condition; its transition time changes only when its status does.
fn set(status: &mut Map<String, Value>, condition: &str, value: &str, reason: &str, message: &str, now: &str) {
    let list = status.entry("conditions").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    let list = list.as_array_mut().expect("made an array above");
    let fresh = json!({
        "type": condition, "status": value, "reason": reason, "message": message, "lastTransitionTime": now,
    });
    match list.iter_mut().find(|found| found.get("type").and_then(Value::as_str) == Some(condition)) {
        None => list.push(fresh),
        Some(found) => {
            let same = found.get("status").and_then(Value::as_str) == Some(value);
            let since = found.get("lastTransitionTime").filter(|time| same && !time.is_null()).cloned();
            let Some(map) = found.as_object_mut() else { return };
            for (field, value) in [("status", value), ("reason", reason), ("message", message)] {
                map.insert(field.to_owned(), Value::from(value));
            }
            map.insert("lastTransitionTime".to_owned(), since.unwrap_or_else(|| Value::from(now)));
        }
    }
}

/// Returns the status a definition should have, or nothing when it has it. `others` are the other definitions of its group,
/// `now` is an RFC 3339 time. Names that a definition cannot have are reported in NamesAccepted, and it is established as
/// soon as it has all of them.
#[must_use]
pub fn update(definition: &Value, others: &[&Value], now: &str) -> Option<Value> {
    let before = definition.get("status").cloned().unwrap_or_else(|| empty_status(&[]));
    let mut after = match &before {
        Value::Object(map) => map.clone(),
        _ => Map::new(),
    };
    names(definition, others, now, &mut after);
    structural_condition(definition, now, &mut after);
    approval_condition(definition, now, &mut after);
    let after = Value::Object(after);
    (after != before).then_some(after)
}

fn names(definition: &Value, others: &[&Value], now: &str, status: &mut Map<String, Value>) {
    let asked = definition.pointer("/spec/names").cloned().unwrap_or_else(|| json!({}));
    let accepted = definition.pointer("/status/acceptedNames").cloned().unwrap_or_else(|| json!({}));
    let conflict = if asked == accepted && is_true(definition, "NamesAccepted") {
        None
    } else {
        let (names, conflict) = accept(&asked, &accepted, others);
        status.insert("acceptedNames".to_owned(), names);
        conflict
    };
    match &conflict {
        Some((reason, message)) => set(status, "NamesAccepted", "False", reason, message, now),
        None => set(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now),
    }
    if is_true(definition, "Established") {
        return;
    }
    match conflict {
        Some(_) => set(status, "Established", "False", "NotAccepted", "not all names are accepted", now),
        None => {
            let message = "the initial names have been accepted";
            set(status, "Established", "True", "InitialNamesAccepted", message, now);
        }
    }
}

/// Gives a definition the names that are free, and says which one was not. The last conflict is reported, as upstream does.
fn accept(asked: &Value, accepted: &Value, others: &[&Value]) -> (Value, Option<(&'static str, String)>) {
    let text = |names: &Value, field: &str| names.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |names: &Value, field: &str| -> Vec<String> {
        let items = names.get(field).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    // Upstream counts a definition's own accepted names as used; they are never compared with themselves.
    let mut resources = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    let taken = others.iter().filter_map(|other| other.pointer("/status/acceptedNames"));
    for names in taken.chain([accepted]) {
        resources.extend([text(names, "plural"), text(names, "singular")]);
        resources.extend(list(names, "shortNames"));
        kinds.extend([text(names, "kind"), text(names, "listKind")]);
    }
    let in_use = |name: &str, own: &str, used: &BTreeSet<String>| {
        (name != own && used.contains(name)).then(|| format!("{} is already in use", go_quote(name)))
    };
    let mut result = accepted.as_object().cloned().unwrap_or_default();
    let mut conflict = None;
    let scalars: [(&str, &'static str, &BTreeSet<String>); 4] = [
        ("plural", "PluralConflict", &resources),
        ("singular", "SingularConflict", &resources),
        ("kind", "KindConflict", &kinds),
        ("listKind", "ListKindConflict", &kinds),
    ];
    for (position, (field, reason, used)) in scalars.into_iter().enumerate() {
        let wanted = text(asked, field);
        match in_use(&wanted, &text(accepted, field), used) {
            Some(message) => conflict = Some((reason, message)),
            None if wanted.is_empty() && !matches!(field, "plural" | "kind") => {
                result.remove(field);
            }
            None => {
                result.insert(field.to_owned(), Value::from(wanted));
            }
        }
        if position == 1 {
            let own = list(accepted, "shortNames");
            let wanted = list(asked, "shortNames");
            let messages: Vec<String> = wanted
                .iter()
                .filter(|name| !own.contains(name))
                .filter_map(|name| in_use(name, "", &resources))
                .collect();
            match messages.as_slice() {
                [] if wanted.is_empty() => {
                    result.remove("shortNames");
                }
                [] => {
                    result.insert("shortNames".to_owned(), json!(wanted));
                }
                [one] => conflict = Some(("ShortNamesConflict", one.clone())),
                many => conflict = Some(("ShortNamesConflict", format!("[{}]", many.join(", ")))),
            }
        }
    }
    let categories = list(asked, "categories");
    if categories.is_empty() {
        result.remove("categories");
    } else {
        result.insert("categories".to_owned(), json!(categories));
    }
    for field in ["plural", "kind"] {
        result.entry(field).or_insert_with(|| Value::from(""));
    }
    (Value::Object(result), conflict)
}

fn structural_condition(definition: &Value, now: &str, status: &mut Map<String, Value>) {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    let mut violations = Vec::new();
    if definition.pointer("/spec/preserveUnknownFields") == Some(&Value::Bool(true)) {
        violations.push("spec.preserveUnknownFields: Invalid value: true: must be false".to_owned());
    }
    for (position, version) in versions.enumerate() {
        let Some(props) = version.pointer("/schema/openAPIV3Schema").and_then(Props::of) else { continue };
        let path = format!("spec.versions[{position}].schema.openAPIV3Schema");
        violations.extend(structural::validate(&path, props).iter().map(ToString::to_string));
    }
    if violations.is_empty() {
        if let Some(Value::Array(list)) = status.get_mut("conditions") {
            list.retain(|found| found.get("type").and_then(Value::as_str) != Some("NonStructuralSchema"));
        }
        return;
    }
    let message = if violations.len() == 1 { violations.remove(0) } else { format!("[{}]", violations.join(", ")) };
    set(status, "NonStructuralSchema", "True", "Violations", &message, now);
}

fn approval_condition(definition: &Value, now: &str, status: &mut Map<String, Value>) {
    let Some((state, message)) = approval_state(definition) else { return };
    let (value, reason) = match state {
        Approval::Approved => ("True", "ApprovedAnnotation"),
        Approval::Bypassed => ("False", "UnapprovedAnnotation"),
        Approval::Missing => ("False", "MissingAnnotation"),
        Approval::Invalid => ("False", "InvalidAnnotation"),
    };
    set(status, "KubernetesAPIApprovalPolicyConformant", value, reason, &message, now);
}

/// Whether a definition is being deleted and waits for its objects to go.
#[must_use]
pub fn needs_cleanup(definition: &Value) -> bool {
    let deleted = definition.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    deleted && has_cleanup_finalizer(definition)
}

/// Whether a definition has [`CLEANUP_FINALIZER`].
#[must_use]
pub fn has_cleanup_finalizer(definition: &Value) -> bool {
    let finalizers = definition.pointer("/metadata/finalizers").and_then(Value::as_array);
    finalizers.is_some_and(|list| list.iter().any(|finalizer| *finalizer == CLEANUP_FINALIZER))
}

/// Does what the first delete request does to a definition instead of removing it: deletion timestamp, finalizer and
/// condition.
pub fn begin_deletion(definition: &mut Value, now: &str) {
    let status = terminating(definition, &Termination::Pending, now);
    let has_finalizer = has_cleanup_finalizer(definition);
    let Some(object) = definition.as_object_mut() else { return };
    object.insert("status".to_owned(), status);
    let Value::Object(metadata) = object.entry("metadata").or_insert_with(|| json!({})) else { return };
    if metadata.get("deletionTimestamp").is_none_or(Value::is_null) {
        metadata.insert("deletionTimestamp".to_owned(), Value::from(now));
    }
    let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if let (Value::Array(list), false) = (finalizers, has_finalizer) {
        list.push(Value::from(CLEANUP_FINALIZER));
    }
}

/// Removes [`CLEANUP_FINALIZER`]; the last step of a deletion.
pub fn remove_cleanup_finalizer(definition: &mut Value) {
    let Some(Value::Object(metadata)) = definition.get_mut("metadata") else { return };
    let Some(Value::Array(list)) = metadata.get_mut("finalizers") else { return };
    list.retain(|finalizer| *finalizer != CLEANUP_FINALIZER);
    if list.is_empty() {
        metadata.remove("finalizers");
    }
}

/// Returns the status of a definition whose objects are being deleted.
#[must_use]
pub fn terminating(definition: &Value, termination: &Termination, now: &str) -> Value {
    let mut status = definition.get("status").and_then(Value::as_object).cloned().unwrap_or_default();
    let (value, reason, message) = match termination {
        Termination::Pending => (
            "True",
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        ),
        Termination::InProgress => ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"),
        Termination::Failed(message) => ("True", "InstanceDeletionFailed", message.as_str()),
        Termination::Completed => ("False", "InstanceDeletionCompleted", "removed all instances"),
        Termination::NeverEstablished => ("False", "NeverEstablished", "resource was never established"),
    };
    set(&mut status, "Terminating", value, reason, message, now);
    Value::Object(status)
}
