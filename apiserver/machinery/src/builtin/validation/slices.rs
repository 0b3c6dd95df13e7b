//! What drivers tell about their devices, and taints of devices.

use super::devices::{binding_conditions, driver, pool, qualified, taint, unique};
use super::meta::{self, Values};
use super::pod::affinity::node_selector;
use super::shape::{Part, Shape, shown};
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain};
use crate::builtin::same::same;
use crate::field_error::FieldErrors;
use serde_json::Value;

const KEY_MAX: usize = 63 + 1 + 32;

/// A slice of the devices of a pool.
pub(super) fn slice(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let (maker, pool_at, node) = (spec.get("driver"), spec.get("pool"), spec.get("nodeName"));
    driver(&maker, errors);
    pool(&pool_at.get("name"), errors);
    pool_at.get("resourceSliceCount").positive(errors);
    let generation = pool_at.get("generation");
    if generation.int() < 0 {
        generation.invalid(errors, generation.int(), "must be greater than or equal to zero");
    }
    if let Some(old) = old {
        let before = old.get("spec");
        pool_at.get("name").immutable(errors, before.get("pool").get("name").value());
        maker.immutable(errors, before.get("driver").value());
        node.immutable(errors, before.get("nodeName").value());
    }
    let message = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let empty = "must be either unset or set to a non-empty string";
    let placements = placements(&spec, &["allNodes", "perDeviceNodeSelection"], empty, true, errors);
    match placements.len() {
        0 => spec.required(errors, message),
        1 => {}
        _ => {
            let message = format!("{message}, but multiple fields are set");
            spec.invalid(errors, format!("{{{}}}", placements.join(", ")), message);
        }
    }
    let (devices, counters) = (spec.get("devices"), spec.get("sharedCounters"));
    if counters.has() && devices.has() {
        spec.invalid(errors, "", "only one of `sharedCounters` or `devices` is allowed");
    }
    let heavy = |item: At| !item.get("taints").is_empty() || !item.get("consumesCounters").is_empty();
    let max = if devices.items().any(heavy) { 64 } else { 128 };
    if devices.len() > max {
        devices.too_many(errors, devices.len(), max);
    } else {
        let each = spec.get("perDeviceNodeSelection").flag();
        devices.items().for_each(|item| device(&item, old, each, errors));
        unique(&devices, max, name_of, errors);
    }
    if counters.len() > 8 {
        counters.too_many(errors, counters.len(), 8);
    } else {
        counters.items().for_each(|item| counter_set(&item, "name", errors));
        unique(&counters, 8, name_of, errors);
    }
}

fn name_of(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or("")
}

/// Where devices are: the fields that tell it.
fn placements(at: &At, flags: &[&str], empty: &str, single: bool, errors: &mut FieldErrors) -> Vec<String> {
    let mut set = Vec::new();
    let (node, nodes) = (at.get("nodeName"), at.get("nodeSelector"));
    if node.text() == Some("") {
        node.invalid(errors, "", empty);
    } else if node.has() {
        set.push("`nodeName`".to_owned());
        node.check(errors, dns_subdomain);
    }
    if nodes.has() {
        set.push("`nodeSelector`".to_owned());
        node_selector(&nodes, Values::Strict, errors);
        let terms = nodes.get("nodeSelectorTerms");
        if single && terms.len() != 1 {
            terms.invalid_here(errors, "must have exactly one node selector term");
        }
    }
    for name in flags {
        match at.get(name).flag_opt() {
            Some(true) => set.push(format!("`{name}`")),
            Some(false) => at.get(name).invalid(errors, false, "must be either unset or set to true"),
            None => {}
        }
    }
    set
}

fn shortened(key: &str, max: usize) -> String {
    let max = max.max(16);
    if key.len() <= max {
        return key.to_owned();
    }
    let rest = max - 3;
    let (head, tail) = (rest.div_ceil(2), key.len() - rest / 2);
    format!("{}...{}", key.get(..head).unwrap_or(""), key.get(tail..).unwrap_or(""))
}

fn counter_set(at: &At, name: &str, errors: &mut FieldErrors) {
    at.get(name).require_check(errors, dns_label);
    let counters = at.get("counters");
    if counters.require(errors) {
        return;
    }
    if counters.len() > 32 {
        counters.too_many(errors, counters.len(), 32);
        return;
    }
    for (key, _) in counters.entries() {
        let shown = shortened(key, 63);
        counters.key(&shown).check_text(errors, key, dns_label);
    }
}

fn device(at: &At, old: Option<&At>, each: bool, errors: &mut FieldErrors) {
    const SIZE_MAX: usize = 32;
    let name = at.get("name");
    name.check(errors, dns_label);
    let (attributes, capacity) = (at.get("attributes"), at.get("capacity"));
    let size = attributes.len() + capacity.len();
    if size > SIZE_MAX {
        at.invalid(errors, size, format!("the total number of attributes and capacities must not exceed {SIZE_MAX}"));
    }
    for (key, value) in attributes.entries() {
        let short = shortened(key, KEY_MAX);
        let place = attributes.keyed(&short, value.value());
        qualified(&place, key, errors);
        attribute(&place, errors);
    }
    let many = at.get("allowMultipleAllocations").flag();
    for (key, value) in capacity.entries() {
        let shown = shortened(key, KEY_MAX);
        let place = capacity.key(&shown);
        qualified(&place, key, errors);
        let policy = value.get("requestPolicy");
        if policy.has() && !many {
            place.get("requestPolicy").forbidden(errors, "allowMultipleAllocations must be true");
        }
    }
    let taints = at.get("taints");
    let unchanged = old.is_some_and(|old| {
        let (spec, mut found) = (old.get("spec"), false);
        for item in spec.get("devices").items().filter(|item| item.get("name").str() == name.str()).take(1) {
            found = same(item.get("taints").value(), taints.value());
        }
        found
    });
    if !unchanged {
        if taints.len() > 16 {
            taints.too_many(errors, taints.len(), 16);
        } else {
            taints.items().for_each(|item| taint(&item, None, errors));
        }
    }
    let consumed = at.get("consumesCounters");
    if consumed.len() > 2 {
        consumed.too_many(errors, consumed.len(), 2);
    } else {
        consumed.items().for_each(|item| counter_set(&item, "counterSet", errors));
        unique(&consumed, 2, |value| value.get("counterSet").and_then(Value::as_str).unwrap_or(""), errors);
    }
    device_placement(at, each, errors);
    binding_conditions(at, errors);
}

fn device_placement(at: &At, each: bool, errors: &mut FieldErrors) {
    if each {
        let message = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when \
                       `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
        let set = placements(at, &["allNodes"], "must not be empty", false, errors);
        match set.len() {
            0 => at.required(errors, message),
            1 => {}
            _ => at.invalid(errors, format!("{{{}}}", set.join(", ")), message),
        }
    } else if ["nodeName", "nodeSelector", "allNodes"].iter().any(|name| at.get(name).has()) {
        let message = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set \
                       to true in the ResourceSlice spec";
        at.invalid(errors, Value::Null, message);
    }
}

const ATTRIBUTE: Shape = &[
    ("int", "IntValue", Part::Plain),
    ("bool", "BoolValue", Part::Plain),
    ("string", "StringValue", Part::Plain),
    ("version", "VersionValue", Part::Plain),
];

fn attribute(at: &At, errors: &mut FieldErrors) {
    const MAX: usize = 64;
    let (text, version) = (at.get("string"), at.get("version"));
    if text.len() > MAX {
        text.too_long(errors, MAX);
    }
    if version.has() && !is_semantic_version(version.str()) {
        version.invalid(errors, version.str(), "must be a string compatible with semver.org spec 2.0.0");
    }
    if version.len() > MAX {
        version.too_long(errors, MAX);
    }
    let set = ["bool", "int", "string", "version"].iter().filter(|name| at.get(name).has()).count();
    match set {
        0 => at.invalid(errors, "", "exactly one value must be specified"),
        1 => {}
        _ => at.invalid_shown(errors, &shown(at.value(), ATTRIBUTE), "exactly one value must be specified"),
    }
}

fn is_semantic_version(text: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let parts: Vec<&str> = core.split('.').collect();
    parts.len() == 3
        && parts.into_iter().all(number)
        && pre.is_none_or(|pre| pre.split('.').all(|part| word(part) && (!digits(part) || number(part))))
        && build.is_none_or(|build| build.split('.').all(word))
}

/// A rule that taints devices.
pub(super) fn taint_rule(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let selector = spec.get("deviceSelector");
    if selector.get("driver").has() {
        driver(&selector.get("driver"), errors);
    }
    if selector.get("pool").has() {
        pool(&selector.get("pool"), errors);
    }
    if selector.get("device").has() {
        selector.get("device").check(errors, dns_label);
    }
    let before = old.map(|old| old.get("spec"));
    let before = before.as_ref().map(|spec| spec.get("taint"));
    taint(&spec.get("taint"), before.as_ref(), errors);
}

/// A write to the status of such a rule.
pub(super) fn taint_rule_status(root: &At, errors: &mut FieldErrors) {
    let status = root.get("status");
    let conditions = status.get("conditions");
    meta::conditions(&conditions, errors);
    if conditions.len() > 8 {
        conditions.too_many(errors, conditions.len(), 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_are_shortened_in_the_middle() {
        assert_eq!(shortened("short", 63), "short");
        assert_eq!(shortened("abcdefghijklmnopqrstuvwxyz", 16), "abcdefg...uvwxyz");
    }

    #[test]
    fn versions_follow_semver() {
        for good in ["1.2.3", "0.0.0-alpha.1+build.5", "1.0.0--"] {
            assert!(is_semantic_version(good), "{good}");
        }
        for bad in ["1.2", "01.2.3", "1.2.3-01", "1.2.3+", "v1.2.3"] {
            assert!(!is_semantic_version(bad), "{bad}");
        }
    }
}
