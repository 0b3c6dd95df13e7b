//! Where a pod may run: affinity, tolerations, topology spread and node selectors.

use super::rules::PodRules;
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain, label_value, qualified_name};
use crate::builtin::validation::meta::{self, Values};
use crate::field_error::FieldErrors;
use std::collections::{BTreeMap, BTreeSet};

/// Affinity of a pod; absent is fine.
pub(super) fn affinity(at: &At, rules: &PodRules, errors: &mut FieldErrors) {
    let node = at.get("nodeAffinity");
    let required = node.get("requiredDuringSchedulingIgnoredDuringExecution");
    if required.has() {
        node_selector(&required, rules.node_affinity_values, errors);
    }
    for term in node.get("preferredDuringSchedulingIgnoredDuringExecution").items() {
        weight(&term, errors);
        node_selector_term(&term.get("preference"), Values::Any, errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = at.get(kind);
        for term in pods.get("requiredDuringSchedulingIgnoredDuringExecution").items() {
            pod_term(&term, rules.selector_values, errors);
        }
        for term in pods.get("preferredDuringSchedulingIgnoredDuringExecution").items() {
            weight(&term, errors);
            pod_term(&term.get("podAffinityTerm"), rules.selector_values, errors);
        }
    }
}

fn weight(term: &At, errors: &mut FieldErrors) {
    let weight = term.get("weight");
    if !(1..=100).contains(&weight.int()) {
        weight.invalid(errors, weight.int(), "must be in the range 1-100");
    }
}

/// A selector over nodes.
pub(crate) fn node_selector(at: &At, values: Values, errors: &mut FieldErrors) {
    let terms = at.get("nodeSelectorTerms");
    if terms.is_empty() {
        terms.required(errors, "must have at least one node selector term");
    }
    terms.items().for_each(|term| node_selector_term(&term, values, errors));
}

fn node_selector_term(at: &At, values: Values, errors: &mut FieldErrors) {
    for requirement in at.get("matchExpressions").items() {
        node_requirement(&requirement, values, errors);
    }
    for requirement in at.get("matchFields").items() {
        field_requirement(&requirement, errors);
    }
}

fn node_requirement(at: &At, check: Values, errors: &mut FieldErrors) {
    let (operator, values) = (at.get("operator"), at.get("values"));
    match operator.str() {
        "In" | "NotIn" => {
            if values.is_empty() {
                values.required(errors, "must be specified when `operator` is 'In' or 'NotIn'");
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                values.forbidden(errors, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
        }
        "Gt" | "Lt" => {
            if values.len() != 1 {
                values.required(errors, "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
        }
        other => operator.invalid(errors, other, "not a valid selector operator"),
    }
    at.get("key").check(errors, qualified_name);
    if check == Values::Strict {
        values.items().for_each(|value| value.check(errors, label_value));
    }
}

fn field_requirement(at: &At, errors: &mut FieldErrors) {
    let (operator, values, key) = (at.get("operator"), at.get("values"), at.get("key"));
    match operator.str() {
        "In" | "NotIn" => {
            if values.len() != 1 {
                values.required(
                    errors,
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
                );
            }
        }
        other => operator.invalid(errors, other, "not a valid selector operator"),
    }
    if key.str() == "metadata.name" {
        values.items().for_each(|value| value.check(errors, dns_subdomain));
    } else {
        key.invalid(errors, key.str(), "not a valid field selector key");
    }
}

fn pod_term(at: &At, values: Values, errors: &mut FieldErrors) {
    meta::selector(&at.get("labelSelector"), values, errors);
    meta::selector(&at.get("namespaceSelector"), values, errors);
    for name in at.get("namespaces").strings() {
        at.get("namespace").check_text(errors, name, dns_label);
    }
    label_keys(at, true, errors);
    let key = at.get("topologyKey");
    if key.is_empty() {
        key.required(errors, "can not be empty");
    }
    key.check(errors, qualified_name);
}

/// Keys whose values are taken from the pod's own labels.
fn label_keys(at: &At, with_mismatch: bool, errors: &mut FieldErrors) {
    let selector = at.get("labelSelector");
    let (matching, mismatching) = (at.get("matchLabelKeys"), at.get("mismatchLabelKeys"));
    let lists = [matching, mismatching];
    for list in &lists[..if with_mismatch { 2 } else { 1 }] {
        if list.is_empty() {
            continue;
        }
        if !selector.has() {
            list.forbidden(errors, "must not be specified when labelSelector is not set");
            continue;
        }
        list.items().for_each(|key| key.check(errors, qualified_name));
    }
    if selector.has() {
        let positions: BTreeMap<&str, usize> = matching.strings().enumerate().map(|(at, key)| (key, at)).collect();
        let mut keys: BTreeSet<&str> = selector.get("matchLabels").entries().map(|(key, _)| key).collect();
        for expression in selector.get("matchExpressions").items() {
            let key = expression.get("key").str();
            if let Some(position) = positions.get(key)
                && keys.contains(key)
            {
                at.item(*position).invalid(errors, key, "exists in both matchLabelKeys and labelSelector");
            }
            keys.insert(key);
        }
    }
    if with_mismatch {
        for key in matching.items().filter(|key| mismatching.contains(key.str())) {
            key.invalid(errors, key.str(), "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
}

/// The rule for keys before they were merged into selectors; returns whether they keep it.
pub(super) fn plain_label_keys(at: &At, errors: &mut FieldErrors) {
    let (keys, selector) = (at.get("matchLabelKeys"), at.get("labelSelector"));
    if keys.is_empty() {
        return;
    }
    if !selector.has() {
        keys.forbidden(errors, "must not be specified when labelSelector is not set");
    }
    let labels = selector.get("matchLabels");
    let expressions = selector.get("matchExpressions");
    for key in keys.items() {
        key.check(errors, qualified_name);
        let named = labels.get(key.str()).has() || expressions.items().any(|e| e.get("key").str() == key.str());
        if named {
            key.invalid(errors, key.str(), "exists in both matchLabelKeys and labelSelector");
        }
    }
}

/// Topology spread constraints.
pub(super) fn spread(at: &At, rules: &PodRules, errors: &mut FieldErrors) {
    for (index, constraint) in at.items().enumerate() {
        constraint.get("maxSkew").positive(errors);
        let key = constraint.get("topologyKey");
        if key.is_empty() {
            key.required(errors, "can not be empty");
        }
        let action = constraint.get("whenUnsatisfiable");
        action.one_of(errors, &["DoNotSchedule", "ScheduleAnyway"]);
        let repeats = at.items().skip(index + 1).any(|other| {
            other.get("topologyKey").str() == key.str() && other.get("whenUnsatisfiable").str() == action.str()
        });
        if repeats {
            let pair = format!("{{{}, {}}}", key.str(), action.str());
            constraint.get("{topologyKey, whenUnsatisfiable}").duplicate(errors, pair);
        }
        let domains = constraint.get("minDomains");
        if domains.has() {
            domains.positive(errors);
            if action.str() != "DoNotSchedule" {
                let detail =
                    format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", action.str());
                domains.invalid(errors, domains.int(), detail);
            }
        }
        for name in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            let policy = constraint.get(name);
            if policy.has() {
                policy.one_of(errors, &["Honor", "Ignore"]);
            }
        }
        if rules.plain_spread_keys {
            plain_label_keys(&constraint, errors);
        } else {
            label_keys(&constraint, false, errors);
        }
        if !rules.any_spread_selector {
            meta::selector(&constraint.get("labelSelector"), Values::Strict, errors);
        }
    }
}

/// Whether the keys of a constraint break the rule that holds now.
pub(super) fn breaks_label_keys(constraint: &At) -> bool {
    let mut errors = FieldErrors::new();
    label_keys(constraint, false, &mut errors);
    !errors.is_empty()
}

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Tolerations of a pod or of a runtime class.
pub(crate) fn tolerations(at: &At, errors: &mut FieldErrors) {
    for toleration in at.items() {
        let (key, operator) = (toleration.get("key"), toleration.get("operator"));
        let (value, effect) = (toleration.get("value"), toleration.get("effect"));
        key.check_set(errors, qualified_name);
        if key.is_empty() && operator.str() != "Exists" {
            operator.invalid(
                errors,
                operator.str(),
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        if toleration.get("tolerationSeconds").has() && effect.str() != "NoExecute" {
            effect.invalid(errors, effect.str(), "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        match operator.str() {
            "Equal" | "" => {
                let complaints = label_value(value.str());
                if !complaints.is_empty() {
                    operator.invalid(errors, value.str(), complaints.join(";"));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    operator.invalid(errors, value.str(), "value must be empty when `operator` is 'Exists'");
                }
            }
            "Lt" | "Gt" => operator.unsupported(errors, &["Equal", "Exists", "Gt", "Lt"]),
            _ => operator.unsupported(errors, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            effect.one_of(errors, EFFECTS);
        }
    }
}

/// The effect of a taint.
pub(crate) fn taint_effect(at: &At, errors: &mut FieldErrors) {
    at.require_one_of(errors, EFFECTS);
}
