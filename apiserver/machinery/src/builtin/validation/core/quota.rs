//! ResourceQuotas.

use crate::builtin::at::At;
use crate::builtin::validation::resources;
use crate::field_error::FieldErrors;
use std::collections::BTreeSet;

const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
];
const COMPUTE: &[&str] = &["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
const CONFLICTS: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["NotTerminating", "Terminating"]];

fn amounts(at: &At, errors: &mut FieldErrors) {
    for (name, amount) in at.entries() {
        resources::quota_name(&amount, name, errors);
        resources::quantity(&amount, name, errors);
    }
}

fn applies(scope: &str, resource: &str) -> bool {
    match scope {
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            resource == "pods" || COMPUTE.contains(&resource)
        }
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

fn misapplied<'v>(scope: &'v str, hard: &'v At<'_, 'v>) -> usize {
    hard.entries().filter(|(name, _)| resources::is_standard_quota(name) && !applies(scope, name)).count()
}

fn spec(at: &At, errors: &mut FieldErrors) {
    let hard = at.get("hard");
    amounts(&hard, errors);
    let scopes = at.get("scopes");
    let mut seen = BTreeSet::new();
    for scope in scopes.strings() {
        if !SCOPES.contains(&scope) {
            scopes.invalid_here(errors, "unsupported scope");
        }
        for _ in 0..misapplied(scope, &hard) {
            scopes.invalid_here(errors, "unsupported scope applied to resource");
        }
        seen.insert(scope);
    }
    if !scopes.is_empty() {
        conflicts(&scopes, &scopes, &seen, errors);
    }
    let selector = at.get("scopeSelector");
    if selector.has() {
        scope_selector(at, &selector, &hard, errors);
    }
}

fn conflicts(at: &At, scopes: &At, seen: &BTreeSet<&str>, errors: &mut FieldErrors) {
    for pair in CONFLICTS {
        if pair.iter().all(|scope| seen.contains(scope)) {
            at.invalid(errors, scopes.value().clone(), "conflicting scopes");
        }
    }
}

fn scope_selector(spec: &At, selector: &At, hard: &At, errors: &mut FieldErrors) {
    let at = selector.get("matchExpressions");
    let mut seen = BTreeSet::new();
    for requirement in at.items() {
        let scope = requirement.get("scopeName").str();
        let (operator, values) = (requirement.get("operator").str(), requirement.get("values"));
        if !SCOPES.contains(&scope) {
            at.get("scopeName").invalid(errors, scope, "unsupported scope");
        }
        for _ in 0..misapplied(scope, hard) {
            at.invalid(errors, selector.value().clone(), "unsupported scope applied to resource");
        }
        let exists_only = !matches!(scope, "PriorityClass" | "VolumeAttributesClass") && SCOPES.contains(&scope);
        if exists_only && operator != "Exists" {
            at.get("operator").invalid(
                errors,
                operator,
                "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                 ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
                 ResourceQuotaScopeCrossNamespacePodAffinity",
            );
        }
        match operator {
            "In" | "NotIn" => {
                if values.is_empty() {
                    at.get("values").required(
                        errors,
                        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
                    );
                }
            }
            "Exists" | "DoesNotExist" => {
                if !values.is_empty() {
                    at.get("values").invalid(
                        errors,
                        values.value().clone(),
                        "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
                    );
                }
            }
            _ => at.get("operator").invalid(errors, operator, "not a valid selector operator"),
        }
        seen.insert(scope);
    }
    conflicts(&at, &spec.get("scopes"), &seen, errors);
}

fn status(root: &At, errors: &mut FieldErrors) {
    let at = root.get("status");
    amounts(&at.get("hard"), errors);
    amounts(&at.get("used"), errors);
}

/// A quota that is created.
pub(in super::super) fn create(root: &At, errors: &mut FieldErrors) {
    spec(&root.get("spec"), errors);
    status(root, errors);
}

/// A quota that replaces another.
pub(in super::super) fn update(new: &At, old: &At, errors: &mut FieldErrors) {
    let (at, before) = (new.get("spec"), old.get("spec"));
    spec(&at, errors);
    let scopes = at.get("scopes");
    let set = |spec: &At| spec.get("scopes").strings().map(str::to_owned).collect::<BTreeSet<_>>();
    if set(&at) != set(&before) {
        scopes.invalid_here(errors, "field is immutable");
    }
}

/// A quota whose status is written.
pub(in super::super) fn status_update(new: &At, errors: &mut FieldErrors) {
    if new.get("metadata").get("resourceVersion").is_empty() {
        new.get("resourceVersion").required(errors, "");
    }
    status(new, errors);
}
