//! Network policies, addresses and service CIDRs.

use super::meta::{Values, selector};
use super::pod::PROTOCOLS;
use super::shape::{Part, Shape, shown};
use crate::builtin::at::At;
use crate::builtin::formats::{dns_subdomain, path_segment, port_name, port_number};
use crate::builtin::ip::{legacy_cidr, parse_net, strict_cidr};
use crate::field_error::FieldErrors;
use serde_json::Value;

const RANGES: Shape = &[("cidrs", "CIDRs", Part::Plain)];

struct PolicyRules<'v> {
    values: Values,
    known_cidrs: Vec<&'v str>,
}

/// A network policy.
pub(super) fn network_policy(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let mut rules = PolicyRules { values: Values::Strict, known_cidrs: Vec::new() };
    if let Some(old) = old {
        let spec = old.get("spec");
        rules.values = Values::unless_bad(&spec.get("podSelector"));
        for (list, peers) in [("ingress", "from"), ("egress", "to")] {
            for rule in spec.get(list).items() {
                for peer in rule.get(peers).items() {
                    let block = peer.get("ipBlock");
                    rules.known_cidrs.extend(block.get("cidr").text());
                    rules.known_cidrs.extend(block.get("except").strings());
                }
            }
        }
    }
    let spec = root.get("spec");
    selector(&spec.get("podSelector"), rules.values, errors);
    for (list, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.get(list).items() {
            rule.get("ports").items().for_each(|item| policy_port(&item, errors));
            rule.get(peers).items().for_each(|item| peer(&item, &rules, errors));
        }
    }
    let types = spec.get("policyTypes");
    if types.len() > 2 {
        types.invalid_here(errors, "may not specify more than two policyTypes");
        return;
    }
    types.items().for_each(|item| item.one_of(errors, &["Ingress", "Egress"]));
}

fn policy_port(at: &At, errors: &mut FieldErrors) {
    let (protocol, port, end) = (at.get("protocol"), at.get("port"), at.get("endPort"));
    if protocol.has() && !PROTOCOLS.contains(&protocol.str()) {
        protocol.unsupported(errors, &["TCP", "UDP", "SCTP"]);
    }
    match port.value() {
        Value::Null if end.has() => {
            end.invalid(errors, end.int(), "may not be specified when `port` is not specified");
        }
        Value::Null => {}
        Value::String(_) => {
            if end.has() {
                end.invalid(errors, end.int(), "may not be specified when `port` is non-numeric");
            }
            port.check(errors, port_name);
        }
        _ => {
            port.check_int(errors, port_number);
            if end.has() {
                if end.int() < port.int() {
                    end.invalid(errors, port.int(), "must be greater than or equal to `port`");
                }
                end.check_int(errors, port_number);
            }
        }
    }
}

fn peer(at: &At, rules: &PolicyRules, errors: &mut FieldErrors) {
    let (pods, namespaces, block) = (at.get("podSelector"), at.get("namespaceSelector"), at.get("ipBlock"));
    selector(&pods, rules.values, errors);
    selector(&namespaces, rules.values, errors);
    if block.has() {
        ip_block(&block, &rules.known_cidrs, errors);
    }
    let peers = [pods.has(), namespaces.has(), block.has()].into_iter().filter(|has| *has).count();
    if peers == 0 {
        at.required(errors, "must specify a peer");
    } else if peers > 1 && block.has() {
        at.forbidden(errors, "may not specify both ipBlock and another peer");
    }
}

fn ip_block(at: &At, known: &[&str], errors: &mut FieldErrors) {
    let cidr = at.get("cidr");
    if cidr.require(errors) {
        return;
    }
    legacy_cidr(&cidr, cidr.str(), known, errors);
    let Some(net) = parse_net(cidr.str()) else { return };
    for except in at.get("except").items() {
        legacy_cidr(&except, except.str(), known, errors);
        let Some(inner) = parse_net(except.str()) else { continue };
        if !net.contains(inner.network()) || net.prefix_len >= inner.prefix_len {
            except.invalid(errors, except.str(), "must be a strict subset of `cidr`");
        }
    }
}

/// An address that a service uses.
pub(super) fn ip_address(root: &At, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let parent = spec.get("parentRef");
    if !parent.has() {
        parent.required(errors, "");
        return;
    }
    parent.get("group").check_set(errors, dns_subdomain);
    parent.get("resource").require_check(errors, path_segment);
    parent.get("name").require_check(errors, path_segment);
    parent.get("namespace").check_set(errors, path_segment);
}

/// A change of such an address.
pub(super) fn ip_address_update(new: &At, old: &At, errors: &mut FieldErrors) {
    new.get("spec").get("parentRef").immutable(errors, old.get("spec").get("parentRef").value());
}

/// A range of service addresses.
pub(super) fn service_cidr(root: &At, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let cidrs = spec.get("cidrs");
    if cidrs.is_empty() {
        cidrs.required(errors, "at least one CIDR required");
        return;
    }
    if cidrs.len() > 2 {
        cidrs.invalid_shown(errors, &shown(spec.value(), RANGES), "may only hold up to 2 values");
        return;
    }
    cidrs.items().for_each(|item| strict_cidr(&item, item.str(), errors));
    let families: Vec<Option<bool>> =
        cidrs.strings().map(|text| parse_net(text).map(|net| net.address.is_ipv4())).collect();
    if let [Some(first), Some(second)] = families[..]
        && first == second
    {
        let message = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        cidrs.invalid_here(errors, message);
    }
}

/// A change of such a range: a second family may be added.
pub(super) fn service_cidr_update(new: &At, old: &At, errors: &mut FieldErrors) {
    let (spec, before) = (new.get("spec"), old.get("spec"));
    let (cidrs, before) = (spec.get("cidrs"), before.get("cidrs"));
    let grows = before.len() == 1 && cidrs.len() == 2;
    if cidrs.len() != before.len() && !grows {
        cidrs.invalid_here(errors, "field is immutable");
        return;
    }
    for (item, text) in cidrs.items().zip(before.strings()) {
        if item.str() != text {
            item.invalid(errors, item.str(), "field is immutable");
        }
    }
    if grows {
        service_cidr(new, errors);
    }
}
