//! Nodes.

use crate::builtin::at::At;
use crate::builtin::formats::{config_key, dns_label, dns_subdomain, label_value, qualified_name};
use crate::builtin::ip::{is_dual_stack, legacy_cidr, parse_net};
use crate::builtin::validation::pod::affinity::{taint_effect, tolerations};
use crate::builtin::validation::resources;
use crate::field_error::{FieldError, FieldErrors};
use serde_json::Value;
use std::collections::BTreeSet;

fn taints(root: &At, errors: &mut FieldErrors) {
    let (metadata, spec) = (root.get("metadata"), root.get("spec"));
    let at = metadata.named("taints", spec.get("taints").value());
    let mut seen = BTreeSet::new();
    for taint in at.items() {
        taint.get("key").check(errors, qualified_name);
        let value = taint.get("value");
        let complaints = label_value(value.str());
        if !complaints.is_empty() {
            value.invalid(errors, value.str(), complaints.join(";"));
        }
        taint_effect(&taint.get("effect"), errors);
        if !seen.insert((taint.get("effect").str(), taint.get("key").str())) {
            let quote = crate::field_error::go_quote;
            let shown = format!(
                "{{\"Key\":{},\"Value\":{},\"Effect\":{},\"TimeAdded\":{}}}",
                quote(taint.get("key").str()),
                quote(value.str()),
                quote(taint.get("effect").str()),
                taint.get("timeAdded").value()
            );
            let mut error = FieldError::duplicate(taint.path(), Value::Null);
            error.omit_value = true;
            error.detail = format!("{shown}: taints must be unique by key and effect pair");
            errors.push(error);
        }
    }
}

fn annotations(root: &At, errors: &mut FieldErrors) {
    let metadata = root.get("metadata");
    let at = metadata.get("annotations");
    let text = at.get("scheduler.alpha.kubernetes.io/taints").str();
    if !text.is_empty()
        && let Err(error) = serde_json::from_str::<Vec<Value>>(text)
    {
        at.invalid(errors, "scheduler.alpha.kubernetes.io/taints", error.to_string());
    }
    // Taints in annotations have not been read for years; malformed ones are still refused.
    let _ = tolerations;
}

fn amounts(root: &At, errors: &mut FieldErrors) {
    let status = root.get("status");
    for list in ["capacity", "allocatable"] {
        let at = status.get(list);
        for (name, amount) in at.entries() {
            // Upstream writes these paths with a dot instead of brackets.
            resources::quantity(&at.named(name, amount.value()), name, errors);
        }
    }
}

fn pod_cidrs(root: &At, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let at = spec.get("podCIDRs");
    at.items().for_each(|cidr| {
        legacy_cidr(&cidr, cidr.str(), &[], errors);
    });
    if at.len() > 1 {
        let families = at.strings().map(|cidr| parse_net(cidr).map(|net| net.address.is_ipv6()));
        if is_dual_stack(families) != Some(true) || at.len() > 2 {
            at.invalid_here(errors, "may specify no more than one CIDR for each IP family");
        }
    }
}

/// A node.
pub(in super::super) fn node(root: &At, errors: &mut FieldErrors) {
    annotations(root, errors);
    taints(root, errors);
    amounts(root, errors);
    let capacity = root.get("status");
    let capacity = capacity.get("nodeInfo");
    let capacity = capacity.get("swap").get("capacity").number();
    if let Some(number) = capacity
        && number <= 0
    {
        let metadata = root.get("metadata");
        let swap = metadata.get("nodeSwapStatus");
        swap.get("capacity").invalid(errors, number, "must be greater than zero");
    }
    declared_features(root, errors);
    pod_cidrs(root, errors);
}

fn declared_features(root: &At, errors: &mut FieldErrors) {
    let status = root.get("status");
    let at = status.get("declaredFeatures");
    let mut last: Option<&str> = None;
    for feature in at.items() {
        let name = feature.str();
        let mut segments = name.split('/');
        let good = segments.next().is_some_and(|first| first.starts_with(|c: char| c.is_ascii_uppercase()))
            && name.split('/').all(|segment| {
                segment.starts_with(|c: char| c.is_ascii_alphabetic())
                    && segment.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if !good {
            let quoted = crate::field_error::go_quote(name);
            feature.invalid(
                errors,
                name,
                format!(
                    "invalid feature name {quoted}: must start with an UpperCamelCase segment, with subsequent \
                     segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only \
                     alphanumeric characters and slashes"
                ),
            );
        }
        match last {
            Some(last) if last == name => feature.duplicate(errors, name),
            Some(last) if last > name => feature.invalid(errors, name, "list must be sorted alphabetically"),
            _ => {}
        }
        last = Some(name);
    }
}

/// A node that replaces another, or whose status is written.
pub(in super::super) fn update(new: &At, old: &At, errors: &mut FieldErrors) {
    annotations(new, errors);
    amounts(new, errors);
    declared_features(new, errors);
    let (spec, before, status) = (new.get("spec"), old.get("spec"), new.get("status"));
    let mut seen: Vec<&Value> = Vec::new();
    for address in status.get("addresses").items() {
        if seen.contains(&address.value()) {
            let quote = crate::field_error::go_quote;
            let (kind, text) = (quote(address.get("type").str()), quote(address.get("address").str()));
            address.duplicate_shown(errors, &format!("{{\"Type\":{kind},\"Address\":{text}}}"));
        }
        seen.push(address.value());
    }
    let (cidrs, old_cidrs) = (spec.get("podCIDRs"), before.get("podCIDRs"));
    if !old_cidrs.is_empty() {
        const DETAIL: &str = "node updates may not change podCIDR except from \"\" to valid";
        if cidrs.len() != old_cidrs.len() {
            cidrs.forbidden(errors, DETAIL);
        } else {
            let changed = cidrs.strings().zip(old_cidrs.strings()).filter(|(now, then)| now != then).count();
            (0..changed).for_each(|_| cidrs.forbidden(errors, DETAIL));
        }
    }
    let provider = before.get("providerID");
    if !provider.is_empty() && provider.str() != spec.get("providerID").str() {
        spec.get("providerID").forbidden(errors, "node updates may not change providerID except from \"\" to valid");
    }
    if spec.get("configSource").has() {
        config_source(&spec.get("configSource"), false, errors);
    }
    let config = status.get("config");
    for name in ["assigned", "active", "lastKnownGood"] {
        if config.get(name).has() {
            config_source(&config.get(name), true, errors);
        }
    }
    taints(new, errors);
    if spec.get("externalID").str() != before.get("externalID").str() {
        spec.get("externalID").forbidden(errors, "may not be updated");
    }
}

fn config_source(at: &At, in_status: bool, errors: &mut FieldErrors) {
    let map = at.get("configMap");
    if !map.has() {
        at.invalid_shown(errors, "{\"ConfigMap\":null}", "exactly one reference subfield must be non-nil");
        return;
    }
    for name in ["uid", "resourceVersion"] {
        let field = map.get(name);
        if in_status {
            field.require(errors);
        } else if !field.is_empty() {
            field.forbidden(errors, format!("{name} must not be set in spec"));
        }
    }
    map.get("namespace").require_check(errors, dns_label);
    map.get("name").require_check(errors, dns_subdomain);
    map.get("kubeletConfigKey").require_check(errors, config_key);
}
