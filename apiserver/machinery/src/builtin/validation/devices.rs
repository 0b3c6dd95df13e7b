//! Claims of devices and classes of them.

use super::meta::{self, Values};
use super::pod::affinity::node_selector;
use crate::builtin::at::At;
use crate::builtin::formats::{c_identifier, dns_label, dns_subdomain, label_value, qualified_name};
use crate::builtin::ip::interface_address;
use crate::builtin::same::same;
use crate::field_error::FieldErrors;
use serde_json::Value;
use std::collections::BTreeSet;

const REQUESTS_MAX: usize = 32;
const CONFIGS_MAX: usize = 32;
const SELECTORS_MAX: usize = 32;
const OPAQUE_MAX: usize = 10 * 1024;
const EXPRESSION_MAX: usize = 10 * 1024;

/// The items of a list that may not be too long; none when it is.
fn bounded<'s, 'v>(
    at: &'s At<'_, 'v>,
    max: usize,
    errors: &mut FieldErrors,
) -> impl Iterator<Item = At<'s, 'v>> + use<'s, 'v> {
    let fits = at.len() <= max;
    if !fits {
        at.too_many(errors, at.len(), max);
    }
    let items: Vec<_> = if fits { at.items().collect() } else { Vec::new() };
    items.into_iter()
}

/// `Duplicate value` for items whose key was there before.
pub(super) fn unique<'a>(at: &At, max: usize, key: impl Fn(&Value) -> &str + 'a, errors: &mut FieldErrors) {
    if at.len() > max {
        return;
    }
    let mut seen = BTreeSet::new();
    for item in at.items() {
        let key = key(item.value());
        if !seen.insert(key) {
            item.duplicate(errors, key);
        }
    }
}

fn name_of(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or("")
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The name of a driver.
pub(super) fn driver(at: &At, errors: &mut FieldErrors) {
    super::pod::sources::csi_driver(at, errors);
}

/// The name of a pool of devices.
pub(super) fn pool(at: &At, errors: &mut FieldErrors) {
    if at.require(errors) {
        return;
    }
    if at.len() > 253 {
        at.too_long(errors, 253);
    }
    at.str().split('/').for_each(|part| at.check_text(errors, part, dns_subdomain));
}

/// A name with or without a domain.
pub(super) fn qualified(at: &At, text: &str, errors: &mut FieldErrors) {
    let id = |text: &str, errors: &mut FieldErrors| {
        if text.len() > 32 {
            at.too_long(errors, 32);
        }
        at.check_text(errors, text, c_identifier);
    };
    let parts: Vec<&str> = text.split('/').collect();
    match parts[..] {
        [name] => id(name, errors),
        [domain, name] => {
            if domain.is_empty() {
                at.invalid(errors, "", "the domain must not be empty");
            } else {
                let text = Value::from(domain);
                let path = at.path();
                let mut inner = FieldErrors::new();
                driver(&At::root(&text).named(&path, &text), &mut inner);
                errors.append(&mut inner);
            }
            if name.is_empty() {
                at.invalid(errors, "", "the name must not be empty");
            } else {
                id(name, errors);
            }
        }
        _ => {}
    }
}

/// The names of requests and of their alternatives.
struct Names<'v>(Vec<(&'v str, Option<Vec<&'v str>>)>);

impl<'v> Names<'v> {
    fn of(devices: &At<'_, 'v>) -> Self {
        let requests = devices.get("requests");
        let entry = |request: At<'_, 'v>| {
            let alternatives = request.get("firstAvailable");
            let names = alternatives.items().map(|item| item.get("name").str()).collect();
            (request.get("name").str(), (!alternatives.is_empty()).then_some(names))
        };
        Self(requests.items().map(entry).collect())
    }

    fn check(&self, at: &At, errors: &mut FieldErrors) {
        let message = "must be the name of a request in the claim or the name of a request and a subrequest \
                       separated by '/'";
        let parts: Vec<&str> = at.str().split('/').collect();
        if parts.len() > 2 {
            at.invalid(errors, at.str(), message);
            return;
        }
        parts.iter().for_each(|part| at.check_text(errors, part, dns_label));
        let known = self.0.iter().rev().find(|(name, _)| *name == parts[0]).is_some_and(|(_, alternatives)| {
            let alternatives = alternatives.as_deref().unwrap_or_default();
            parts.get(1).is_none_or(|part| alternatives.contains(part))
        });
        if !known {
            at.invalid(errors, at.str(), message);
        }
    }

    fn check_all(&self, at: &At, errors: &mut FieldErrors) {
        bounded(at, REQUESTS_MAX, errors).for_each(|item| self.check(&item, errors));
        unique(at, REQUESTS_MAX, text_of, errors);
    }
}

/// The spec of a claim.
fn claim_spec(spec: &At, errors: &mut FieldErrors) {
    let devices = spec.get("devices");
    let names = Names::of(&devices);
    let (requests, constraints, configs) = (devices.get("requests"), devices.get("constraints"), devices.get("config"));
    bounded(&requests, REQUESTS_MAX, errors).for_each(|item| request(&item, errors));
    unique(&requests, REQUESTS_MAX, name_of, errors);
    for constraint in bounded(&constraints, 32, errors) {
        names.check_all(&constraint.get("requests"), errors);
        let (shared, distinct) = (constraint.get("matchAttribute"), constraint.get("distinctAttribute"));
        match [&shared, &distinct].into_iter().find(|attribute| attribute.has()) {
            Some(attribute) => {
                qualified(attribute, attribute.str(), errors);
                if !attribute.str().contains('/') {
                    let message = "a fully qualified name must be a domain and a name separated by a slash";
                    attribute.invalid(errors, attribute.str(), message);
                }
            }
            None => shared.required(errors, ""),
        }
    }
    for item in bounded(&configs, CONFIGS_MAX, errors) {
        names.check_all(&item.get("requests"), errors);
        configuration(&item, false, errors);
    }
}

fn request(at: &At, errors: &mut FieldErrors) {
    at.get("name").check(errors, dns_label);
    let (exactly, alternatives) = (at.get("exactly"), at.get("firstAvailable"));
    match (exactly.has(), alternatives.is_empty()) {
        (false, true) => at.required(errors, "exactly one of `exactly` or `firstAvailable` is required"),
        (true, false) => {
            let message = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
            at.invalid(errors, Value::Null, message);
        }
        (false, false) => {
            for item in bounded(&alternatives, 8, errors) {
                item.get("name").check(errors, dns_label);
                exact(&item, errors);
            }
            unique(&alternatives, 8, name_of, errors);
        }
        (true, true) => exact(&exactly, errors),
    }
}

fn exact(at: &At, errors: &mut FieldErrors) {
    at.get("deviceClassName").require_check(errors, dns_subdomain);
    selectors(&at.get("selectors"), false, errors);
    let (mode, count) = (at.get("allocationMode"), at.get("count"));
    match mode.str() {
        "All" => {
            if count.int() != 0 {
                count.invalid(errors, count.int(), "must not be specified when allocationMode is 'All'");
            }
        }
        "ExactCount" => count.positive(errors),
        _ => mode.unsupported(errors, &["All", "ExactCount"]),
    }
    at.get("tolerations").items().for_each(|item| toleration(&item, errors));
}

fn selectors(at: &At, stored: bool, errors: &mut FieldErrors) {
    for selector in bounded(at, SELECTORS_MAX, errors) {
        let cel = selector.get("cel");
        if !cel.has() {
            cel.required(errors, "");
        } else if !stored && cel.get("expression").len() > EXPRESSION_MAX {
            cel.get("expression").too_long(errors, EXPRESSION_MAX);
        }
    }
}

const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "None"];

fn toleration(at: &At, errors: &mut FieldErrors) {
    let (operator, value, effect) = (at.get("operator"), at.get("value"), at.get("effect"));
    at.get("key").check_set(errors, qualified_name);
    match operator.str() {
        "Exists" => {
            if !value.is_empty() {
                value.invalid(errors, value.str(), "must be empty for operator `Exists`");
            }
        }
        "Equal" => value.check(errors, label_value),
        _ => operator.require_one_of(errors, &["Equal", "Exists"]),
    }
    if !effect.is_empty() {
        effect.one_of(errors, EFFECTS);
    }
}

/// A taint of a device.
pub(super) fn taint(at: &At, old: Option<&At>, errors: &mut FieldErrors) {
    at.get("key").check(errors, qualified_name);
    at.get("value").check_set(errors, label_value);
    let effect = at.get("effect");
    if old.is_none_or(|old| old.get("effect").str() != effect.str()) {
        effect.require_one_of(errors, EFFECTS);
    }
}

fn configuration(at: &At, stored: bool, errors: &mut FieldErrors) {
    let opaque = at.get("opaque");
    if opaque.has() {
        driver(&opaque.get("driver"), errors);
        document(&opaque.get("parameters"), if stored { usize::MAX } else { OPAQUE_MAX }, errors);
    } else {
        opaque.required(errors, "");
    }
}

/// A document of any kind.
fn document(at: &At, max: usize, errors: &mut FieldErrors) {
    if !at.has() {
        at.required(errors, "");
    } else if max < usize::MAX && at.value().to_string().len() > max {
        at.too_long(errors, max);
    } else if !at.value().is_object() {
        at.invalid(errors, "<value omitted>", "must be a valid JSON object");
    }
}

/// A claim.
pub(super) fn claim(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    match old {
        None => claim_spec(&root.get("spec"), errors),
        Some(old) => root.get("spec").immutable(errors, old.get("spec").value()),
    }
}

/// A template of claims.
pub(super) fn template(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    match old {
        None => {
            meta::template_metadata(&spec.get("metadata"), errors);
            claim_spec(&spec.get("spec"), errors);
        }
        Some(old) => spec.immutable(errors, old.get("spec").value()),
    }
}

/// A class of devices.
pub(super) fn class(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let stored = |name: &str| old.is_some_and(|old| same(old.get("spec").get(name).value(), spec.get(name).value()));
    selectors(&spec.get("selectors"), stored("selectors"), errors);
    let configs = spec.get("config");
    bounded(&configs, CONFIGS_MAX, errors).for_each(|item| configuration(&item, stored("config"), errors));
    let resource = spec.get("extendedResourceName");
    if resource.has() && !super::resources::is_extended(resource.str()) {
        resource.invalid(errors, resource.str(), "must be a valid extended resource name");
    }
}

fn uid(at: &At, errors: &mut FieldErrors) {
    let text = at.str();
    let shape = |good: fn(u8) -> bool| {
        text.len() == 36
            && text.bytes().enumerate().all(|(i, b)| if [8, 13, 18, 23].contains(&i) { b == b'-' } else { good(b) })
    };
    if !shape(|b| b.is_ascii_hexdigit()) {
        let why = if text.len() == 36 {
            "invalid UUID format".to_owned()
        } else {
            format!("invalid UUID length: {}", text.len())
        };
        at.invalid(errors, text, format!("error validating uid: {why}"));
    } else if text.bytes().any(|b| b.is_ascii_uppercase()) {
        let message = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with \
                       lowercase hexadecimal characters";
        at.invalid(errors, text, message);
    }
}

/// What tells devices of a claim apart.
fn device_id(at: &At) -> String {
    let parts = ["driver", "pool", "device"].map(|name| at.get(name).str());
    let share = at.get("shareID");
    let share = share.text().map(|id| format!("/{id}")).unwrap_or_default();
    format!("{}{share}", parts.join("/"))
}

/// A write to the status of a claim.
pub(super) fn claim_status(new: &At, old: &At, errors: &mut FieldErrors) {
    let (spec, metadata) = (new.get("spec"), new.get("metadata"));
    let devices = spec.get("devices");
    let names = Names::of(&devices);
    let (status, before) = (new.get("status"), old.get("status"));
    let (reserved, allocation) = (status.get("reservedFor"), status.get("allocation"));
    for user in bounded(&reserved, 256, errors) {
        ["resource", "name", "uid"].iter().for_each(|name| {
            user.get(name).require(errors);
        });
    }
    unique(&reserved, 256, |value| value.get("uid").and_then(Value::as_str).unwrap_or(""), errors);
    let allocated = allocation.get("devices");
    let allocated = allocated.get("results");
    let allocated: BTreeSet<String> = allocated.items().map(|item| device_id(&item)).collect();
    let mut seen = BTreeSet::new();
    let list = status.get("devices");
    for device in list.items() {
        device_status(&device, &allocated, errors);
    }
    for device in list.items() {
        let id = device_id(&device);
        if !seen.insert(id.clone()) {
            device.duplicate_shown(errors, &id);
        }
    }
    if !reserved.is_empty() && !allocation.has() {
        reserved.forbidden(errors, "may not be specified when `allocated` is not set");
    } else if !reserved.is_empty() && metadata.get("deletionTimestamp").has() {
        let earlier = before.get("reservedFor");
        if reserved.items().any(|user| !earlier.items().any(|item| same(item.value(), user.value()))) {
            let message = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
            reserved.forbidden(errors, message);
        }
    }
    let earlier = before.get("allocation");
    if allocation.has() && earlier.has() {
        allocation.immutable(errors, earlier.value());
    } else if allocation.has() {
        allocation_result(&allocation, &names, errors);
    }
}

fn device_status(at: &At, allocated: &BTreeSet<String>, errors: &mut FieldErrors) {
    driver(&at.get("driver"), errors);
    pool(&at.get("pool"), errors);
    at.get("device").check(errors, dns_label);
    if at.get("shareID").has() {
        uid(&at.get("shareID"), errors);
    }
    let id = device_id(at);
    if !allocated.contains(&id) {
        at.invalid_shown(errors, &id, "must be an allocated device in the claim");
    }
    let conditions = at.get("conditions");
    if conditions.len() > 8 {
        conditions.too_many(errors, conditions.len(), 8);
    }
    meta::conditions(&conditions, errors);
    if at.get("data").has() {
        document(&at.get("data"), OPAQUE_MAX, errors);
    }
    let network = at.get("networkData");
    for (name, max) in [("interfaceName", 256), ("hardwareAddress", 128)] {
        if network.get(name).len() > max {
            network.get(name).too_long(errors, max);
        }
    }
    let addresses = network.get("ips");
    bounded(&addresses, 16, errors).for_each(|item| interface_address(&item, item.str(), errors));
    unique(&addresses, 16, text_of, errors);
}

fn allocation_result(at: &At, names: &Names, errors: &mut FieldErrors) {
    let devices = at.get("devices");
    let (results, configs) = (devices.get("results"), devices.get("config"));
    for result in bounded(&results, REQUESTS_MAX, errors) {
        names.check(&result.get("request"), errors);
        driver(&result.get("driver"), errors);
        pool(&result.get("pool"), errors);
        result.get("device").check(errors, dns_label);
        binding_conditions(&result, errors);
        if result.get("shareID").has() {
            uid(&result.get("shareID"), errors);
        }
    }
    for config in bounded(&configs, 2 * CONFIGS_MAX, errors) {
        config.get("source").require_one_of(errors, &["FromClaim", "FromClass"]);
        names.check_all(&config.get("requests"), errors);
        configuration(&config, false, errors);
    }
    let nodes = at.get("nodeSelector");
    if nodes.has() {
        node_selector(&nodes, Values::Strict, errors);
    }
}

/// Conditions that a device waits for, and those that end the waiting.
pub(super) fn binding_conditions(at: &At, errors: &mut FieldErrors) {
    let (good, bad) = (at.get("bindingConditions"), at.get("bindingFailureConditions"));
    for list in [&good, &bad] {
        bounded(list, 4, errors).for_each(|item| item.check(errors, qualified_name));
    }
    for list in [&good, &bad] {
        let mut seen = BTreeSet::new();
        for item in list.items() {
            if !seen.insert(item.str()) {
                item.duplicate(errors, item.str());
            }
            if list.path() == bad.path() && good.contains(item.str()) {
                let message = "bindingFailureConditions must not overlap with bindingConditions";
                item.invalid(errors, item.str(), message);
            }
        }
    }
    if good.is_empty() && !bad.is_empty() {
        good.invalid_here(errors, "bindingConditions are required to use bindingFailureConditions");
    }
    if bad.is_empty() && !good.is_empty() {
        bad.invalid_here(errors, "bindingFailureConditions are required to use bindingConditions");
    }
}
