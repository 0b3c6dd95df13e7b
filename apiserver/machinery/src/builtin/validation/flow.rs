//! Priority and fairness of requests.

use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain};
use crate::builtin::same::same;
use crate::field_error::FieldErrors;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

/// The specs that may not differ from what upstream fixed.
fn mandatory_schema(name: &str) -> Option<Value> {
    let (level, precedence, method, groups): (_, _, _, &[&str]) = match name {
        "exempt" => ("exempt", 1, Value::Null, &["system:masters"]),
        "catch-all" => {
            let groups = &["system:unauthenticated", "system:authenticated"];
            ("catch-all", 10000, json!({"type": "ByUser"}), groups)
        }
        _ => return None,
    };
    let subjects: Vec<Value> = groups.iter().map(|group| json!({"kind": "Group", "group": {"name": group}})).collect();
    let resources = json!({
        "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true,
    });
    Some(json!({
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "distinguisherMethod": method,
        "rules": [{
            "subjects": subjects,
            "resourceRules": [resources],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }],
    }))
}

/// A flow schema.
pub(super) fn schema(root: &At, errors: &mut FieldErrors) {
    let (metadata, spec) = (root.get("metadata"), root.get("spec"));
    let name = metadata.get("name").str();
    let (precedence, method) = (spec.get("matchingPrecedence"), spec.get("distinguisherMethod"));
    let value = precedence.int();
    if value <= 0 {
        precedence.invalid(errors, value, "must be a positive value");
    }
    if value > 10000 {
        precedence.invalid(errors, value, "must not be greater than 10000");
    }
    if value == 1 && name != "exempt" {
        precedence.invalid(errors, value, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    let kind = method.get("type");
    if method.has() && !matches!(kind.str(), "ByNamespace" | "ByUser") {
        kind.unsupported_value(errors, json!({"Type": kind.str()}), &["ByNamespace", "ByUser"]);
    }
    let level = spec.get("priorityLevelConfiguration");
    let level = level.get("name");
    if level.is_empty() {
        level.required(errors, "must reference a priority level");
    } else {
        level.check(errors, dns_subdomain);
    }
    spec.get("rules").items().for_each(|item| rule(&item, errors));
    if mandatory_schema(name).is_some_and(|fixed| !same(&fixed, spec.value())) {
        spec.invalid_here(errors, format!("spec of '{name}' must equal the fixed value"));
    }
    conditions(root, errors);
}

/// Conditions of either kind.
pub(super) fn conditions(root: &At, errors: &mut FieldErrors) {
    let status = root.get("status");
    let mut seen = BTreeSet::new();
    for condition in status.get("conditions").items() {
        let kind = condition.get("type");
        if !seen.insert(kind.str()) {
            kind.duplicate(errors, kind.str());
        }
        kind.require(errors);
    }
}

fn rule(at: &At, errors: &mut FieldErrors) {
    let (subjects, resources, urls) = (at.get("subjects"), at.get("resourceRules"), at.get("nonResourceRules"));
    if subjects.is_empty() {
        subjects.required(errors, "subjects must contain at least one value");
    }
    subjects.items().for_each(|item| subject(&item, errors));
    if resources.is_empty() && urls.is_empty() {
        at.required(errors, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    resources.items().for_each(|item| resource_rule(&item, errors));
    urls.items().for_each(|item| url_rule(&item, errors));
}

/// Kinds of subjects, and the fields that belong to them.
const SUBJECTS: &[(&str, &str)] = &[("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];

fn subject(at: &At, errors: &mut FieldErrors) {
    let kind = at.get("kind");
    let Some((_, own)) = SUBJECTS.iter().find(|(name, _)| *name == kind.str()) else {
        kind.unsupported(errors, &["Group", "ServiceAccount", "User"]);
        return;
    };
    let place = at.get(own);
    if place.has() {
        let (name, namespace) = (place.get("name"), place.get("namespace"));
        name.require(errors);
        if kind.str() == "ServiceAccount" {
            if !name.is_empty() && name.str() != "*" {
                name.check(errors, dns_subdomain);
            }
            if namespace.is_empty() {
                namespace.required(errors, "must specify namespace for service account");
            } else {
                namespace.check(errors, dns_label);
            }
        }
    } else {
        place.required(errors, &format!("{own} is required when subject kind is '{}'", kind.str()));
    }
    for (other, field) in SUBJECTS.iter().filter(|(_, field)| field != own && at.get(field).has()) {
        at.get(field).forbidden(errors, format!("{field} is forbidden when subject kind is not '{other}'"));
    }
}

fn wildcard(at: &At, others: &str, errors: &mut FieldErrors) {
    if at.len() > 1 && at.contains("*") {
        at.invalid_here(errors, format!("if '*' is present, must not specify other {others}"));
    }
}

fn verbs(at: &At, errors: &mut FieldErrors) {
    if at.is_empty() {
        at.required(errors, "verbs must contain at least one value");
    } else if at.contains("*") {
        wildcard(at, "verbs", errors);
    } else if !at.strings().all(|verb| VERBS.contains(&verb)) {
        at.unsupported_value(errors, at.value().clone(), VERBS);
    }
}

fn resource_rule(at: &At, errors: &mut FieldErrors) {
    verbs(&at.get("verbs"), errors);
    let (groups, resources, namespaces) = (at.get("apiGroups"), at.get("resources"), at.get("namespaces"));
    if groups.is_empty() {
        groups.required(errors, "resource rules must supply at least one api group");
    }
    wildcard(&groups, "api groups", errors);
    if resources.is_empty() {
        resources.required(errors, "resource rules must supply at least one resource");
    }
    wildcard(&resources, "resources", errors);
    if namespaces.is_empty() && !at.get("clusterScope").flag() {
        let message = "resource rules that are not cluster scoped must supply at least one namespace";
        namespaces.required(errors, message);
    } else if namespaces.contains("*") {
        wildcard(&namespaces, "namespaces", errors);
    } else {
        for item in namespaces.items() {
            for message in dns_label(item.str()) {
                let message = format!("each member of this list must be '*' or a DNS-1123 label; {message}");
                item.invalid(errors, item.str(), message);
            }
        }
    }
}

fn url_rule(at: &At, errors: &mut FieldErrors) {
    verbs(&at.get("verbs"), errors);
    let urls = at.get("nonResourceURLs");
    if urls.is_empty() {
        urls.required(errors, "nonResourceURLs must contain at least one value");
    } else if urls.contains("*") {
        wildcard(&urls, "non-resource URLs", errors);
    } else {
        urls.items().for_each(|item| url(&item, errors));
    }
}

fn url(at: &At, errors: &mut FieldErrors) {
    let path = at.str();
    let stars = path.matches('*').count();
    let complaint = if path.is_empty() {
        "must not be empty"
    } else if path == "/" {
        return;
    } else if !path.starts_with('/') {
        "must start with slash"
    } else if path.contains(' ') {
        "must not contain white-space"
    } else if path.contains("//") {
        "must not contain double slash"
    } else if stars > 1 || stars == 1 && !path.ends_with("/*") {
        "wildcard can only do suffix matching"
    } else {
        return;
    };
    at.invalid(errors, path, complaint);
}

/// A priority level.
pub(super) fn level(root: &At, errors: &mut FieldErrors) {
    const PRESERVE: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";
    let (metadata, spec) = (root.get("metadata"), root.get("spec"));
    let annotations = metadata.get("annotations");
    if annotations.get(PRESERVE).has() {
        annotations.forbidden(errors, format!("annotation '{PRESERVE}' is forbidden"));
    }
    let name = metadata.get("name").str();
    let (kind, limited, exempt) = (spec.get("type"), spec.get("limited"), spec.get("exempt"));
    if (name == "exempt") != (kind.str() == "Exempt") {
        kind.invalid(errors, kind.str(), "must be 'Exempt' if and only if `name` is 'exempt'");
    }
    match kind.str() {
        "Exempt" => {
            if limited.has() {
                limited.forbidden(errors, "must be nil if the type is not Limited");
            }
            shares(&exempt, errors);
        }
        "Limited" => {
            if exempt.has() {
                exempt.forbidden(errors, "must be nil if the type is Limited");
            }
            if limited.has() {
                limits(&limited, errors);
            } else {
                limited.required(errors, "must not be empty when type is Limited");
            }
        }
        _ => kind.unsupported(errors, &["Exempt", "Limited"]),
    }
    mandatory_level(name, &spec, errors);
    conditions(root, errors);
}

fn mandatory_level(name: &str, spec: &At, errors: &mut FieldErrors) {
    if name == "exempt" {
        let fixed = json!({"type": "Exempt", "exempt": spec.get("exempt").value()});
        if !same(&fixed, spec.value()) {
            let message = "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value";
            spec.invalid_here(errors, message);
        }
    }
    if name == "catch-all" {
        let limited = json!({
            "nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"},
        });
        if !same(&json!({"type": "Limited", "limited": limited}), spec.value()) {
            spec.invalid_here(errors, "spec of 'catch-all' must equal the fixed value");
        }
    }
}

fn non_negative_shares(at: &At, errors: &mut FieldErrors) {
    let shares = at.get("nominalConcurrencyShares");
    if shares.int() < 0 {
        shares.invalid(errors, shares.int(), "must be a non-negative integer");
    }
}

fn lendable(at: &At, errors: &mut FieldErrors) {
    let percent = at.get("lendablePercent");
    if !(0..=100).contains(&percent.int()) {
        percent.invalid(errors, percent.int(), "must be between 0 and 100, inclusive");
    }
}

fn shares(at: &At, errors: &mut FieldErrors) {
    non_negative_shares(at, errors);
    lendable(at, errors);
}

fn limits(at: &At, errors: &mut FieldErrors) {
    non_negative_shares(at, errors);
    let response = at.get("limitResponse");
    let (kind, queuing) = (response.get("type"), response.get("queuing"));
    match (kind.str(), queuing.has()) {
        ("Reject", true) => queuing.forbidden(errors, "must be nil if limited.limitResponse.type is not Limited"),
        ("Queue", false) => {
            queuing.required(errors, "must not be empty if limited.limitResponse.type is Limited");
        }
        ("Queue", true) => queues(&queuing, errors),
        ("Reject", false) => {}
        _ => kind.unsupported(errors, &["Queue", "Reject"]),
    }
    lendable(at, errors);
    let borrowing = at.get("borrowingLimitPercent");
    if borrowing.int() < 0 {
        borrowing.invalid(errors, borrowing.int(), "if specified, must be a non-negative integer");
    }
}

fn queues(at: &At, errors: &mut FieldErrors) {
    const QUEUES_MAX: i64 = 10_000_000;
    const ENTROPY_MAX: i64 = 60;
    let (length, count, hand) = (at.get("queueLengthLimit"), at.get("queues"), at.get("handSize"));
    for field in [&length, &count] {
        if field.int() <= 0 {
            field.invalid(errors, field.int(), "must be positive");
        }
    }
    if count.int() > QUEUES_MAX {
        count.invalid(errors, count.int(), format!("must not be greater than {QUEUES_MAX}"));
    }
    let (deck, size) = (count.int(), hand.int());
    if size <= 0 {
        hand.invalid(errors, size, "must be positive");
    } else if size > deck {
        hand.invalid(errors, size, format!("should not be greater than queues ({deck})"));
    } else if entropy_bits(deck, size) > ENTROPY_MAX {
        let message = format!(
            "required entropy bits of deckSize {deck} and handSize {size} should not be greater than {ENTROPY_MAX}"
        );
        hand.invalid(errors, size, message);
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "as upstream computes it")]
fn entropy_bits(deck: i64, hand: i64) -> i64 {
    ((deck as f64).log2() * hand as f64).ceil() as i64
}
