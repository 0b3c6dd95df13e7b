//! Endpoint slices.

use super::core::service::endpoint_ip;
use super::meta;
use super::pod::PROTOCOLS;
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain, label_value, qualified_name};
use crate::builtin::ip::{legacy_ip, parse, strict_ip};
use crate::builtin::same::same;
use crate::field_error::FieldErrors;

/// An endpoint slice; endpoints that did not change are not checked again.
pub(super) fn endpoint_slice(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let (kind, list) = (root.get("addressType"), root.get("endpoints"));
    kind.require_one_of(errors, &["FQDN", "IPv4", "IPv6"]);
    ports(&root.get("ports"), errors);
    if !old.is_some_and(|old| same(old.get("endpoints").value(), list.value())) {
        if list.len() > 1000 {
            list.too_many(errors, list.len(), 1000);
        } else {
            list.items().for_each(|item| endpoint(&item, kind.str(), errors));
        }
    }
    if let Some(old) = old {
        kind.immutable(errors, old.get("addressType").value());
    }
}

fn ports(at: &At, errors: &mut FieldErrors) {
    if at.len() > 20000 {
        at.too_many(errors, at.len(), 20000);
        return;
    }
    let mut names = Vec::new();
    for port in at.items() {
        let (name, protocol, application) = (port.get("name"), port.get("protocol"), port.get("appProtocol"));
        name.check_set(errors, dns_label);
        if names.contains(&name.str()) {
            name.duplicate(errors, name.str());
        } else {
            names.push(name.str());
        }
        if protocol.has() {
            protocol.one_of(errors, PROTOCOLS);
        } else {
            protocol.required(errors, "");
        }
        if application.has() {
            application.check(errors, qualified_name);
        }
    }
}

fn endpoint(at: &At, kind: &str, errors: &mut FieldErrors) {
    let addresses = at.get("addresses");
    if addresses.is_empty() {
        addresses.required(errors, "must contain at least 1 address");
    } else if addresses.len() > 100 {
        addresses.too_many(errors, addresses.len(), 100);
    }
    for item in addresses.items() {
        address(&addresses, &item, kind, errors);
    }
    let (node, hostname, topology) = (at.get("nodeName"), at.get("hostname"), at.get("deprecatedTopology"));
    if node.has() {
        node.check(errors, dns_subdomain);
    }
    if topology.len() > 16 {
        topology.too_many(errors, topology.len(), 16);
    }
    meta::labels(&topology, errors);
    if topology.get("topology.kubernetes.io/zone").has() {
        let key = topology.key("topology.kubernetes.io/zone");
        key.internal(errors, "reserved key was not removed in conversion");
    }
    if hostname.has() {
        hostname.check(errors, dns_label);
    }
    let all_hints = at.get("hints");
    for (list, format) in [("forZones", label_value as fn(&str) -> Vec<String>), ("forNodes", dns_subdomain)] {
        if !hints(&all_hints.get(list), format, errors) {
            return;
        }
    }
}

fn address(list: &At, at: &At, kind: &str, errors: &mut FieldErrors) {
    let text = at.str();
    match kind {
        "IPv4" if legacy_ip(at, text, &[], errors) => {
            if !parse(text).is_some_and(|ip| ip.is_ipv4()) {
                list.invalid(errors, text, "must be an IPv4 address");
            }
            endpoint_ip(at, text, errors);
        }
        "IPv6" => {
            let before = errors.len();
            strict_ip(at, text, errors);
            if errors.len() == before {
                if !parse(text).is_some_and(|ip| ip.is_ipv6()) {
                    list.invalid(errors, text, "must be an IPv6 address");
                }
                endpoint_ip(at, text, errors);
            }
        }
        "FQDN" => full_name(at, errors),
        _ => {}
    }
}

fn full_name(at: &At, errors: &mut FieldErrors) {
    if at.require(errors) {
        return;
    }
    let name = at.str().strip_suffix('.').unwrap_or(at.str());
    let complaints = dns_subdomain(name);
    if !complaints.is_empty() {
        at.invalid(errors, name, complaints.join(","));
    } else if !name.contains('.') {
        at.invalid(errors, name, "should be a domain with at least two segments separated by dots");
    } else if let Some(label) = name.split('.').find(|label| !dns_label(label).is_empty()) {
        at.invalid(errors, label, dns_label(label).join(","));
    }
}

/// Hints of one kind; returns whether to go on.
fn hints(at: &At, format: fn(&str) -> Vec<String>, errors: &mut FieldErrors) -> bool {
    if at.len() > 8 {
        at.too_many(errors, at.len(), 8);
        return false;
    }
    let mut names = Vec::new();
    for item in at.items() {
        let name = item.get("name");
        if names.contains(&name.str()) {
            name.duplicate(errors, name.str());
        } else {
            names.push(name.str());
        }
        name.check(errors, format);
    }
    true
}
