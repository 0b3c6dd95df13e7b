//! What may change in a pod once it exists.

use super::rules::PodRules;
use super::{MIRROR, affinity, annotations, metadata_and_spec};
use crate::builtin::at::At;
use crate::builtin::formats::range_error;
use crate::builtin::same::same;
use crate::builtin::validation::diff::unified;
use crate::field_error::FieldErrors;
use serde_json::{Value, json};

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                         `spec.tolerations` (only additions to existing tolerations),\
                         `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// A pod that replaces another.
pub(in super::super) fn update(new: &At, old: &At, errors: &mut FieldErrors) {
    let rules = PodRules::after(true, old);
    metadata_and_spec(new, &rules, errors);
    annotation_changes(new, old, &rules, errors);
    let (spec, before) = (new.get("spec"), old.get("spec"));
    for list in ["containers", "initContainers"] {
        if !images(&spec.get(list), &before.get(list), errors) {
            return;
        }
    }
    if !deadline(&spec, &before, errors) {
        return;
    }
    tolerations(&spec.get("tolerations"), &before.get("tolerations"), errors);
    gates(&spec.get("schedulingGates"), &before.get("schedulingGates"), errors);
    if same(spec.value(), before.value()) {
        return;
    }
    let mut munged = spec.value().clone();
    forgive(&mut munged, before.value());
    if !before.get("schedulingGates").is_empty() {
        forgive_while_gated(&mut munged, &spec, &before, errors);
    }
    if !same(&munged, before.value()) {
        let diff = unified(before.value(), &munged);
        spec.forbidden(errors, format!("pod updates may not change fields other than {UPDATABLE}\n{diff}"));
    }
}

/// Annotations that may not come, go or change.
pub(super) fn annotation_changes(new: &At, old: &At, rules: &PodRules, errors: &mut FieldErrors) {
    let (metadata, before) = (new.get("metadata"), old.get("metadata"));
    let (at, before) = (metadata.get("annotations"), before.get("annotations"));
    for (key, value) in before.entries() {
        if at.get(key).text() == Some(value.str()) {
            continue;
        }
        if key.starts_with(APPARMOR) {
            at.key(key).forbidden(errors, "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            at.key(key).forbidden(errors, "may not remove or update mirror pod annotation");
        }
    }
    for (key, _) in at.entries().filter(|(key, _)| !before.get(key).has()) {
        if key.starts_with(APPARMOR) {
            at.key(key).forbidden(errors, "may not add AppArmor annotations");
        }
        if key == MIRROR {
            at.key(key).forbidden(errors, "may not add mirror pod annotation");
        }
    }
    annotations(&at, &new.get("spec"), rules, errors);
}

/// Images may change; the number of containers may not. Returns whether to go on.
fn images(at: &At, old: &At, errors: &mut FieldErrors) -> bool {
    if at.len() != old.len() {
        at.forbidden(errors, "pod updates may not add or remove containers");
        return false;
    }
    for container in at.items() {
        container.get("image").require(errors);
        super::containers::trimmed_image(&container, errors);
    }
    true
}

fn deadline(spec: &At, old: &At, errors: &mut FieldErrors) -> bool {
    let (at, before) = (spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds").number());
    let most = i64::from(i32::MAX);
    match (at.number(), before) {
        (Some(now), _) if !(0..=most).contains(&now) => {
            at.invalid(errors, now, range_error(0, most));
            return false;
        }
        (Some(now), Some(before)) if before < now => {
            at.invalid(errors, now, "must be less than or equal to previous value");
            return false;
        }
        (None, Some(_)) => {
            at.invalid(errors, Value::Null, "must not update from a positive integer to nil value");
        }
        _ => {}
    }
    true
}

fn tolerations(at: &At, old: &At, errors: &mut FieldErrors) {
    let without_seconds = |value: &Value| {
        let mut map = value.as_object().cloned().unwrap_or_default();
        map.remove("tolerationSeconds");
        Value::Object(map)
    };
    for before in old.items() {
        let kept = at.items().any(|now| same(&without_seconds(now.value()), &without_seconds(before.value())));
        if !kept {
            at.forbidden(errors, "existing toleration can not be modified except its tolerationSeconds");
            return;
        }
    }
    affinity::tolerations(at, errors);
}

fn gates(at: &At, old: &At, errors: &mut FieldErrors) {
    for gate in at.items() {
        let name = gate.get("name");
        if !old.items().any(|before| before.get("name").str() == name.str()) {
            name.forbidden(errors, format!("only deletion is allowed, but found new scheduling gate '{}'", name.str()));
        }
    }
}

fn put(object: &mut Value, name: &str, from: &Value) {
    let Some(map) = object.as_object_mut() else { return };
    match from.get(name) {
        Some(value) if !value.is_null() => map.insert(name.to_owned(), value.clone()),
        _ => map.remove(name),
    };
}

/// Undoes the changes that are allowed.
fn forgive(spec: &mut Value, old: &Value) {
    for list in ["containers", "initContainers"] {
        let before = old.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for (container, before) in containers.into_iter().flatten().zip(&before) {
            put(container, "image", before);
        }
    }
    for name in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        put(spec, name, old);
    }
    let seconds = |spec: &Value| spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
    if seconds(old).is_some_and(|seconds| seconds < 0) && seconds(spec) == Some(1) {
        put(spec, "terminationGracePeriodSeconds", old);
    }
}

/// Undoes changes that only narrow where a pod may run, while nothing has scheduled it yet.
fn forgive_while_gated(munged: &mut Value, spec: &At, old: &At, errors: &mut FieldErrors) {
    let selector = spec.get("nodeSelector");
    let before = old.get("nodeSelector");
    if !same(selector.value(), before.value()) {
        let kept = before.entries().all(|(key, value)| selector.get(key).text() == Some(value.str()));
        if !kept {
            selector
                .invalid_here(errors, "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
        }
        put(munged, "nodeSelector", old.value());
    }
    let (affinity, before) = (spec.get("affinity"), old.get("affinity"));
    let (node, old_node) = (affinity.get("nodeAffinity"), before.get("nodeAffinity"));
    if same(node.value(), old_node.value()) {
        return;
    }
    node_affinity(&node, &old_node, errors);
    let has = |at: &At, name: &str| at.get(name).has();
    if !affinity.has() {
        if old_node.has()
            && let Some(map) = munged.as_object_mut()
        {
            map.insert("affinity".to_owned(), json!({"nodeAffinity": old_node.value()}));
        }
    } else if !before.has() && !has(&affinity, "podAntiAffinity") && !has(&affinity, "podAffinity") {
        put(munged, "affinity", &Value::Null);
    } else if let Some(affinity) = munged.get_mut("affinity") {
        put(affinity, "nodeAffinity", before.value());
    }
}

fn node_affinity(at: &At, old: &At, errors: &mut FieldErrors) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let required = at.get(REQUIRED);
    let before = old.get(REQUIRED);
    let (terms, old_terms) = (required.get("nodeSelectorTerms"), before.get("nodeSelectorTerms"));
    if !before.has() {
        return;
    }
    if !old_terms.is_empty() && old_terms.len() != terms.len() {
        terms.invalid_here(errors, "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
        return;
    }
    for (term, old_term) in terms.items().zip(old_terms.items()) {
        if !only_added(&term, &old_term) {
            term.invalid_here(errors, "only additions are allowed (no mutations or deletions)");
        }
    }
}

fn only_added(term: &At, old: &At) -> bool {
    const LISTS: [&str; 2] = ["matchExpressions", "matchFields"];
    if LISTS.iter().all(|list| old.get(list).is_empty()) {
        return LISTS.iter().all(|list| term.get(list).is_empty());
    }
    LISTS.iter().all(|list| {
        let (now, before) = (term.get(list), old.get(list));
        now.len() >= before.len() && now.items().zip(before.items()).all(|(a, b)| same(a.value(), b.value()))
    })
}

/// Containers for debugging may be added, but not changed or removed.
pub(in super::super) fn ephemeral_containers(new: &At, old: &At, errors: &mut FieldErrors) {
    let rules = PodRules::after(true, old);
    metadata_and_spec(new, &rules, errors);
    annotation_changes(new, old, &rules, errors);
    if old.get("metadata").get("annotations").get(MIRROR).has() {
        errors.clear();
        At::root(&Value::Null).forbidden(errors, "static pods do not support ephemeral containers");
        return;
    }
    let (spec, before) = (new.get("spec"), old.get("spec"));
    let at = spec.get("ephemeralContainers");
    for container in before.get("ephemeralContainers").items() {
        let name = container.get("name").str();
        let quoted = crate::field_error::go_quote(name);
        match at.items().filter(|now| now.get("name").str() == name).last() {
            None => at.forbidden(errors, format!("existing ephemeral containers {quoted} may not be removed\n")),
            Some(now) if !same(now.value(), container.value()) => {
                let diff = unified(container.value(), now.value());
                at.forbidden(errors, format!("existing ephemeral containers {quoted} may not be changed\n{diff}"));
            }
            Some(_) => {}
        }
    }
}
