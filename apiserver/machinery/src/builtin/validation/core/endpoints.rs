//! Endpoints.

use super::service::endpoint_ip;
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain, port_number, qualified_name};
use crate::builtin::ip::legacy_ip;
use crate::builtin::same::same;
use crate::builtin::validation::pod::PROTOCOLS;
use crate::field_error::FieldErrors;

/// Endpoints; subsets that did not change are not checked again.
pub(in super::super) fn endpoints(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let at = root.get("subsets");
    if old.is_some_and(|old| same(old.get("subsets").value(), at.value())) {
        return;
    }
    for subset in at.items() {
        let (ready, others) = (subset.get("addresses"), subset.get("notReadyAddresses"));
        if ready.is_empty() && others.is_empty() {
            subset.required(errors, "must specify `addresses` or `notReadyAddresses`");
        }
        ready.items().chain(others.items()).for_each(|item| address(&item, errors));
        let ports = subset.get("ports");
        ports.items().for_each(|item| port(&item, ports.len() > 1, errors));
    }
}

fn address(at: &At, errors: &mut FieldErrors) {
    let (ip, node) = (at.get("ip"), at.get("nodeName"));
    legacy_ip(&ip, ip.str(), &[], errors);
    at.get("hostname").check_set(errors, dns_label);
    if node.has() {
        node.check(errors, dns_subdomain);
    }
    endpoint_ip(&ip, ip.str(), errors);
}

fn port(at: &At, named: bool, errors: &mut FieldErrors) {
    let name = at.get("name");
    if named && name.is_empty() {
        name.required(errors, "");
    } else {
        name.check_set(errors, dns_label);
    }
    at.get("port").check_int(errors, port_number);
    at.get("protocol").require_one_of(errors, PROTOCOLS);
    let application = at.get("appProtocol");
    if application.has() {
        application.check(errors, qualified_name);
    }
}
