//! Events of both groups.

use crate::builtin::Gvk;
use crate::builtin::at::At;
use crate::builtin::formats::{dns_subdomain, qualified_name};
use crate::builtin::same::same;
use crate::field_error::FieldErrors;

/// Reads a field under the name it has in either group.
fn either<'s, 'v>(root: &'s At<'_, 'v>, names: [&'s str; 2], path: &'s str) -> At<'s, 'v> {
    let [first, second] = names.map(|name| root.get(name).value());
    root.named(path, if first.is_null() { second } else { first })
}

fn subject<'s, 'v>(root: &'s At<'_, 'v>) -> At<'s, 'v> {
    either(root, ["involvedObject", "regarding"], "involvedObject")
}

fn is_strict(gvk: Gvk<'_>) -> bool {
    gvk.group == "events.k8s.io" && gvk.version != "v1beta1"
}

fn length(at: &At, max: usize, errors: &mut FieldErrors) {
    if at.len() > max {
        at.invalid(errors, "", format!("can have at most {max} characters"));
    }
}

/// The rules that hold in every version.
fn legacy(gvk: Gvk<'_>, root: &At, errors: &mut FieldErrors) {
    let namespace = root.get("metadata").get("namespace").str().to_owned();
    let about = subject(root);
    let place = about.get("namespace");
    let mismatch = if root.get("eventTime").has() {
        place.is_empty() && namespace != "default" && namespace != "kube-system"
    } else if place.is_empty() {
        !namespace.is_empty() && namespace != "default"
    } else {
        place.str() != namespace
    };
    if mismatch {
        place.invalid(errors, place.str(), "does not match event.namespace");
    }
    if root.get("eventTime").has() {
        let path = if gvk.group.is_empty() { "reportingComponent" } else { "reportingController" };
        let controller = either(root, ["reportingComponent", "reportingController"], path);
        controller.require(errors);
        controller.check(errors, qualified_name);
        for (name, max) in [("reportingInstance", 128), ("action", 128), ("reason", 128)] {
            let at = root.get(name);
            at.require(errors);
            length(&at, max, errors);
        }
        length(&either(root, ["message", "note"], "message"), 1024, errors);
    }
    for message in dns_subdomain(&namespace) {
        root.get("namespace").invalid(errors, namespace.as_str(), message);
    }
}

fn series(root: &At, errors: &mut FieldErrors) {
    let at = root.get("series");
    if !at.has() {
        return;
    }
    if at.get("count").int() < 2 {
        at.get("count").invalid(errors, "", "should be at least 2");
    }
    if !at.get("lastObservedTime").has() {
        at.get("lastObservedTime").required(errors, "");
    }
}

/// An event that is created.
pub(in super::super) fn create(gvk: Gvk<'_>, root: &At, errors: &mut FieldErrors) {
    legacy(gvk, root, errors);
    if !is_strict(gvk) {
        return;
    }
    series(root, errors);
    if !root.get("eventTime").has() {
        root.get("eventTime").required(errors, "");
    }
    let kind = root.get("type");
    if !matches!(kind.str(), "Normal" | "Warning") {
        kind.invalid(errors, "", format!("has invalid value: {}", kind.str()));
    }
    for (names, path) in [
        (["firstTimestamp", "deprecatedFirstTimestamp"], "firstTimestamp"),
        (["lastTimestamp", "deprecatedLastTimestamp"], "lastTimestamp"),
    ] {
        if either(root, names, path).has() {
            root.get(path).invalid(errors, "", "needs to be unset");
        }
    }
    if either(root, ["count", "deprecatedCount"], "count").int() != 0 {
        root.get("count").invalid(errors, "", "needs to be unset");
    }
    let source = either(root, ["source", "deprecatedSource"], "source");
    if !source.get("component").is_empty() || !source.get("host").is_empty() {
        root.get("source").invalid(errors, "", "needs to be unset");
    }
}

/// An event that replaces another.
pub(in super::super) fn update(gvk: Gvk<'_>, new: &At, old: &At, errors: &mut FieldErrors) {
    legacy(gvk, new, errors);
    if !is_strict(gvk) {
        return;
    }
    if !same(new.get("series").value(), old.get("series").value()) {
        series(new, errors);
    }
    const FIXED: &[([&str; 2], &str)] = &[
        (["involvedObject", "regarding"], "involvedObject"),
        (["reason", "reason"], "reason"),
        (["message", "note"], "message"),
        (["source", "deprecatedSource"], "source"),
        (["firstTimestamp", "deprecatedFirstTimestamp"], "firstTimestamp"),
        (["lastTimestamp", "deprecatedLastTimestamp"], "lastTimestamp"),
        (["count", "deprecatedCount"], "count"),
        (["reason", "reason"], "reason"),
        (["type", "type"], "type"),
        (["eventTime", "eventTime"], "eventTime"),
        (["action", "action"], "action"),
        (["related", "related"], "related"),
        (["reportingComponent", "reportingController"], "reportingController"),
        (["reportingInstance", "reportingInstance"], "reportingInstance"),
    ];
    for (names, path) in FIXED {
        let before = either(old, *names, path);
        either(new, *names, path).immutable(errors, before.value());
    }
}
