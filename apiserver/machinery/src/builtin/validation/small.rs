//! Kinds with few rules: budgets, leases, roles and bindings, priority classes, runtime classes.

use super::meta::{self, Values, selector, selector_matches};
use super::pod;
use super::shape::{Part, SELECTOR, Shape, shown};
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain, path_segment, qualified_name};
use crate::builtin::same::same;
use crate::field_error::FieldErrors;
use serde_json::Value;

const BUDGET: Shape = &[
    ("minAvailable", "MinAvailable", Part::Plain),
    ("selector", "Selector", Part::Inner(SELECTOR)),
    ("maxUnavailable", "MaxUnavailable", Part::Plain),
    ("unhealthyPodEvictionPolicy", "UnhealthyPodEvictionPolicy", Part::Plain),
];
const ROLE: Shape = &[("apiGroup", "APIGroup", Part::Text), ("kind", "Kind", Part::Text), ("name", "Name", Part::Text)];
const TOLERATION: Shape = &[
    ("key", "Key", Part::Text),
    ("operator", "Operator", Part::Text),
    ("value", "Value", Part::Text),
    ("effect", "Effect", Part::Text),
    ("tolerationSeconds", "TolerationSeconds", Part::Plain),
];
const RBAC: &str = "rbac.authorization.k8s.io";

/// A disruption budget for pods.
pub(super) fn budget(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let (least, most) = (spec.get("minAvailable"), spec.get("maxUnavailable"));
    if least.has() && most.has() {
        let shown = shown(spec.value(), BUDGET);
        spec.invalid_shown(errors, &shown, "minAvailable and maxUnavailable cannot be both set");
    }
    for bound in [&least, &most].into_iter().filter(|bound| bound.has()) {
        meta::int_or_percent(bound, errors);
        meta::at_most_100_percent(bound, errors);
    }
    let values = old.map_or(Values::Strict, |old| Values::unless_bad(&old.get("spec").get("selector")));
    selector(&spec.get("selector"), values, errors);
    let policy = spec.get("unhealthyPodEvictionPolicy");
    if policy.has() {
        policy.one_of(errors, &["AlwaysAllow", "IfHealthyBudget"]);
    }
}

/// A write to the status of a disruption budget.
pub(super) fn budget_status(root: &At, errors: &mut FieldErrors) {
    let status = root.get("status");
    meta::conditions(&status.get("conditions"), errors);
    let counts = &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
    meta::non_negative_fields(&status, counts, errors);
}

/// A lease.
pub(super) fn lease(root: &At, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let (duration, transitions) = (spec.get("leaseDurationSeconds"), spec.get("leaseTransitions"));
    if duration.has() && duration.int() <= 0 {
        duration.invalid(errors, duration.int(), "must be greater than 0");
    }
    transitions.non_negative(errors);
    let (strategy, holder) = (spec.get("strategy"), spec.get("preferredHolder"));
    if strategy.has() {
        lease_strategy(&strategy, errors);
    }
    if !holder.is_empty() && strategy.is_empty() {
        holder.forbidden(errors, "may only be specified if `strategy` is defined");
    }
}

fn lease_strategy(at: &At, errors: &mut FieldErrors) {
    let place = at.named("strategy", at.value());
    if at.str().contains('/') {
        place.check(errors, qualified_name);
    } else {
        place.one_of(errors, &["OldestEmulationVersion"]);
    }
}

fn version(text: &str) -> Option<[u64; 3]> {
    let core = text.split(['-', '+']).next().unwrap_or("");
    let mut parts = core.split('.').map(|part| {
        let plain = part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
        part.parse().ok().filter(|_| plain)
    });
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}

/// A candidate for a lease.
pub(super) fn lease_candidate(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    spec.get("leaseName").require(errors);
    let (emulation, binary) = (spec.get("emulationVersion"), spec.get("binaryVersion"));
    let parsed = |at: &At, errors: &mut FieldErrors| {
        let version = version(at.str());
        if !at.is_empty() && version.is_none() {
            at.invalid(errors, at.str(), "must be a valid semantic version");
        }
        version.unwrap_or_default()
    };
    let emulated = parsed(&emulation, errors);
    binary.require(errors);
    let built = parsed(&binary, errors);
    if !binary.is_empty() && !emulation.is_empty() && built < emulated {
        binary.invalid(errors, binary.str(), "must be greater than or equal to `emulationVersion`");
    }
    let strategy = spec.get("strategy");
    if !strategy.require(errors) {
        if strategy.str() == "OldestEmulationVersion" && emulated == [0; 3] {
            emulation.required(errors, "must be specified when `strategy` is 'OldestEmulationVersion'");
        }
        lease_strategy(&strategy, errors);
    }
    if let Some(old) = old {
        spec.get("leaseName").immutable(errors, old.get("spec").get("leaseName").value());
    }
}

/// A role in a namespace.
pub(super) fn role(root: &At, errors: &mut FieldErrors) {
    root.get("rules").items().for_each(|rule| policy_rule(&rule, true, errors));
}

/// A role of the cluster.
pub(super) fn cluster_role(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    root.get("rules").items().for_each(|rule| policy_rule(&rule, false, errors));
    let aggregation = root.get("aggregationRule");
    if !aggregation.has() {
        return;
    }
    let lax = old.is_some_and(|old| {
        let rule = old.get("aggregationRule");
        rule.get("clusterRoleSelectors").items().any(|item| Values::unless_bad(&item) == Values::Any)
    });
    let list = aggregation.get("clusterRoleSelectors");
    if list.is_empty() {
        list.required(errors, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for item in list.items() {
        selector(&item, if lax { Values::Any } else { Values::Strict }, errors);
        if selector_matches(&item, &root.get("none")).is_none() {
            item.invalid(errors, Value::Null, "invalid label selector.");
        }
    }
}

fn policy_rule(at: &At, namespaced: bool, errors: &mut FieldErrors) {
    let (verbs, urls) = (at.get("verbs"), at.get("nonResourceURLs"));
    let (groups, resources) = (at.get("apiGroups"), at.get("resources"));
    if verbs.is_empty() {
        verbs.required(errors, "verbs must contain at least one value");
    }
    if !urls.is_empty() {
        if namespaced {
            urls.invalid_here(errors, "namespaced rules cannot apply to non-resource URLs");
        }
        if !groups.is_empty() || !resources.is_empty() || !at.get("resourceNames").is_empty() {
            urls.invalid_here(errors, "rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if groups.is_empty() {
        groups.required(errors, "resource rules must supply at least one api group");
    }
    if resources.is_empty() {
        resources.required(errors, "resource rules must supply at least one resource");
    }
}

/// A binding of a role, in a namespace or of the cluster.
pub(super) fn role_binding(root: &At, old: Option<&At>, namespaced: bool, errors: &mut FieldErrors) {
    let reference = root.get("roleRef");
    reference.get("apiGroup").one_of(errors, &[RBAC]);
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    reference.get("kind").one_of(errors, kinds);
    reference.get("name").require_check(errors, path_segment);
    root.get("subjects").items().for_each(|item| subject(&item, namespaced, errors));
    if let Some(old) = old
        && !same(reference.value(), old.get("roleRef").value())
    {
        reference.invalid_shown(errors, &shown(reference.value(), ROLE), "cannot change roleRef");
    }
}

fn subject(at: &At, namespaced: bool, errors: &mut FieldErrors) {
    let (kind, name, group) = (at.get("kind"), at.get("name"), at.get("apiGroup"));
    name.require(errors);
    match kind.str() {
        "ServiceAccount" => {
            name.check_set(errors, dns_subdomain);
            if !group.is_empty() {
                group.unsupported(errors, &[""]);
            }
            if !namespaced {
                at.get("namespace").require(errors);
            }
        }
        "User" | "Group" => group.one_of(errors, &[RBAC]),
        _ => kind.unsupported(errors, &["ServiceAccount", "User", "Group"]),
    }
}

/// A class of priorities.
pub(super) fn priority_class(root: &At, errors: &mut FieldErrors) {
    let metadata = root.get("metadata");
    let (name, value) = (metadata.get("name"), root.get("value"));
    let system = match name.str() {
        "system-node-critical" => Some(2_000_001_000),
        "system-cluster-critical" => Some(2_000_000_000),
        _ => None,
    };
    if name.str().starts_with("system-") {
        let complaint = match system {
            None => format!("{} is not a known system priority class", name.str()),
            Some(known) if value.int() != known => {
                format!("value of {} PriorityClass must be {known}", name.str())
            }
            Some(_) if root.get("globalDefault").flag() => {
                format!("globalDefault of {} PriorityClass must be false", name.str())
            }
            Some(_) => String::new(),
        };
        if !complaint.is_empty() {
            let message = "priority class names with 'system-' prefix are reserved for system use only. error: ";
            name.forbidden(errors, format!("{message}{complaint}"));
        }
    } else if value.int() > 1_000_000_000 {
        value.forbidden(errors, "maximum allowed value of a user defined priority is 1000000000");
    }
    let policy = root.get("preemptionPolicy");
    if policy.has() {
        policy.require_one_of(errors, &["PreemptLowerPriority", "Never"]);
    }
}

/// A change of a class of priorities.
pub(super) fn priority_class_update(new: &At, old: &At, errors: &mut FieldErrors) {
    let value = new.get("value");
    if value.int() != old.get("value").int() {
        value.forbidden(errors, "may not be changed in an update.");
    }
    new.get("preemptionPolicy").immutable(errors, old.get("preemptionPolicy").value());
}

/// A runtime class.
pub(super) fn runtime_class(root: &At, errors: &mut FieldErrors) {
    root.get("handler").check(errors, dns_label);
    let overhead = root.get("overhead");
    if overhead.has() {
        pod::overhead_list(&overhead, overhead.get("podFixed").value(), false, errors);
    }
    let scheduling = root.get("scheduling");
    meta::labels(&scheduling.get("nodeSelector"), errors);
    let tolerations = scheduling.get("tolerations");
    pod::affinity::tolerations(&tolerations, errors);
    let mut seen = Vec::new();
    for item in tolerations.items() {
        let key = ["key", "operator", "value", "effect"].map(|name| item.get(name).str());
        if seen.contains(&key) {
            item.duplicate_shown(errors, &shown(item.value(), TOLERATION));
        } else {
            seen.push(key);
        }
    }
}

/// A change of a runtime class.
pub(super) fn runtime_class_update(new: &At, old: &At, errors: &mut FieldErrors) {
    new.get("handler").immutable(errors, old.get("handler").value());
}
