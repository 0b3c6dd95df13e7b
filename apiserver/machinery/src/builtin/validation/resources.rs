//! Names and amounts of resources: containers, quotas, limits and nodes.

use crate::builtin::amount::{self, Amount};
use crate::builtin::at::At;
use crate::builtin::formats::qualified_name;
use crate::builtin::quota;
use crate::field_error::FieldErrors;
use std::cmp::Ordering;

pub(super) fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether a resource belongs to Kubernetes itself.
pub(super) fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

pub(super) fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && qualified_name(&format!("requests.{name}")).is_empty()
}

pub(super) fn is_overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

fn is_standard(name: &str) -> bool {
    [&quota::COMPUTE[..], &quota::COUNTS, &quota::STORAGE].iter().any(|names| names.contains(&name))
        || quota::is_huge_page(name)
}

pub(super) fn is_standard_quota(name: &str) -> bool {
    is_standard(name) && name != "storage"
}

/// The name of any resource; `at` is where it stands. Returns whether it is good.
pub(super) fn any_name(at: &At, name: &str, errors: &mut FieldErrors) -> bool {
    let before = errors.len();
    at.check_text(errors, name, qualified_name);
    if errors.len() == before && !name.contains('/') && !is_standard(name) {
        at.invalid(errors, name, "must be a standard resource type or fully qualified");
    }
    errors.len() == before
}

/// The name of a resource of a container.
pub(super) fn container_name(at: &At, name: &str, errors: &mut FieldErrors) {
    any_name(at, name, errors);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge_page(name) {
            at.invalid(errors, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        at.invalid(errors, name, "doesn't follow extended resource name standard");
    }
}

/// The name of a resource of a whole pod.
pub(super) fn pod_name(at: &At, name: &str, errors: &mut FieldErrors) {
    if any_name(at, name, errors) && !matches!(name, "cpu" | "memory") && !is_huge_page(name) {
        at.unsupported_value(errors, name, &["cpu", "hugepages-", "memory"]);
    }
}

/// The name of a resource in a quota.
pub(super) fn quota_name(at: &At, name: &str, errors: &mut FieldErrors) {
    any_name(at, name, errors);
    if !name.contains('/') && !is_standard_quota(name) {
        at.invalid(errors, name, "must be a standard resource for quota");
    }
}

/// An amount of a resource: not negative, and whole where only whole ones make sense.
pub(super) fn quantity(at: &At, name: &str, errors: &mut FieldErrors) {
    let amount = Amount::of(at.str());
    if amount.is_negative() {
        at.invalid(errors, at.str(), "must be greater than or equal to 0");
    }
    if (quota::COUNTS.contains(&name) || is_extended(name)) && !amount.is_whole() {
        at.invalid(errors, at.str(), "must be an integer");
    }
}

/// `must be greater than or equal to 0`, about an amount.
pub(super) fn non_negative_quantity(at: &At, errors: &mut FieldErrors) {
    if Amount::of(at.str()).is_negative() {
        at.invalid(errors, at.str(), "must be greater than or equal to 0");
    }
}

/// `must be greater than zero`, about an amount; returns whether it is good.
pub(super) fn positive_quantity(at: &At, errors: &mut FieldErrors) -> bool {
    let good = Amount::of(at.str()).is_positive();
    if !good {
        at.invalid(errors, at.str(), "must be greater than zero");
    }
    good
}

/// `must be a valid resource quantity`; returns whether it is.
pub(super) fn basic_quantity(at: &At, errors: &mut FieldErrors) -> bool {
    let units = Amount::of(at.str()).units();
    if units < 0 {
        at.invalid(errors, i64::try_from(units).unwrap_or(i64::MIN), "must be a valid resource quantity");
    }
    units >= 0
}

fn huge_page_is_divisible(name: &str, text: &str) -> bool {
    let size = name.strip_prefix("hugepages-").and_then(Amount::parse).unwrap_or_default();
    size.is_positive() && size.is_whole() && Amount::of(text).units() % size.units() == 0
}

/// How resource requirements are judged.
pub(super) struct Rules<'a> {
    /// Rule for names.
    pub(super) name: fn(&At, &str, &mut FieldErrors),
    /// Names of the pod's claims.
    pub(super) claims: &'a [&'a str],
    /// Huge pages need not be whole.
    pub(super) any_huge_pages: bool,
}

/// Limits, requests and claims.
pub(super) fn requirements(at: &At, rules: &Rules, errors: &mut FieldErrors) {
    let (limits, requests) = (at.get("limits"), at.get("requests"));
    let mut compute = false;
    let mut huge = false;
    for (list, is_request) in [(&limits, false), (&requests, true)] {
        for (name, value) in list.entries() {
            (rules.name)(&value, name, errors);
            quantity(&value, name, errors);
            if is_request {
                compare_with_limit(list, &limits, name, errors);
            }
            if is_huge_page(name) {
                huge = true;
                if !rules.any_huge_pages && !huge_page_is_divisible(name, value.str()) {
                    let detail = format!("{} is not positive integer multiple of {name}", value.str());
                    value.invalid(errors, value.str(), detail);
                }
            }
            compute |= matches!(name, "cpu" | "memory");
        }
    }
    if huge && !compute {
        at.forbidden(errors, "HugePages require cpu or memory");
    }
    claim_names(&at.get("claims"), rules.claims, errors);
}

fn compare_with_limit(requests: &At, limits: &At, name: &str, errors: &mut FieldErrors) {
    let request = requests.get(name).str();
    let limit = limits.get(name);
    let Some(limit) = limit.text() else {
        if !is_overcommit_allowed(name) {
            limits.required(errors, "Limit must be set for non overcommitable resources");
        }
        return;
    };
    let order = amount::compare(request, limit);
    if order != Ordering::Equal && !is_overcommit_allowed(name) {
        requests.invalid(errors, request, format!("must be equal to {name} limit of {limit}"));
    } else if order == Ordering::Greater {
        requests.invalid(errors, request, format!("must be less than or equal to {name} limit of {limit}"));
    }
}

fn claim_names(claims: &At, known: &[&str], errors: &mut FieldErrors) {
    let mut names: Vec<String> = Vec::new();
    for claim in claims.items() {
        let name = claim.get("name").str();
        if name.is_empty() {
            claim.required(errors, "");
            continue;
        }
        claim_key(&claim, name, &mut names, errors);
        if !known.contains(&name) {
            let mut sorted = known.to_vec();
            sorted.sort_unstable();
            let rest = if known.is_empty() { " which is empty".to_owned() } else { format!(": {}", sorted.join(", ")) };
            let mut error = crate::field_error::FieldError::not_found(claim.path(), name);
            error.detail = format!("must be one of the names in pod.spec.resourceClaims{rest}");
            errors.push(error);
        }
    }
}

fn claim_key(claim: &At, name: &str, names: &mut Vec<String>, errors: &mut FieldErrors) {
    if names.iter().any(|seen| seen == name) {
        claim.duplicate(errors, name);
        return;
    }
    let request = claim.get("request");
    let mut key = name.to_owned();
    if !request.is_empty() {
        request.check(errors, crate::builtin::formats::dns_label);
        key = format!("{name}/{}", request.str());
    }
    if names.contains(&key) {
        claim.duplicate(errors, key.as_str());
    } else if request.is_empty() {
        for other in names.iter() {
            if other.split_once('/').is_some_and(|(prefix, _)| prefix == name) {
                claim.duplicate(errors, name);
            }
        }
    }
    names.push(key);
}
