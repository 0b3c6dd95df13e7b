//! Services.

use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain, port_number, qualified_name};
use crate::builtin::ip::{is_dual_stack, legacy_cidr, legacy_ip, parse};
use crate::builtin::strategy::service::{externally_accessible, needs_health_check_port};
use crate::builtin::validation::meta;
use crate::builtin::validation::pod::{PROTOCOLS, port};
use crate::field_error::FieldErrors;
use serde_json::Value;
use std::collections::BTreeSet;

const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";
const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const ONCE: &str = "may not change once set";

fn is_headless(spec: &At) -> bool {
    let addresses = spec.get("clusterIPs");
    addresses.len() == 1 && addresses.item(0).str() == "None"
}

fn is_balancer(spec: &At) -> bool {
    spec.get("type").str() == "LoadBalancer"
}

/// A service, and what it replaces.
pub(in super::super) fn service(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let annotations = root.get("metadata");
    let annotations = annotations.get("annotations");
    if let (Some(hints), Some(mode)) = (annotations.get(HINTS).text(), annotations.get(MODE).text())
        && hints != mode
    {
        let detail = format!("must match annotations[{HINTS}] when both are specified");
        annotations.key(MODE).invalid(errors, mode, detail);
    }
    let spec = root.get("spec");
    let headless = is_headless(&spec);
    let kind = spec.get("type").str();
    let ports = spec.get("ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        ports.required(errors, "");
    }
    by_type(&spec, headless, errors);
    let mut names = BTreeSet::new();
    for item in ports.items() {
        service_port(&item, ports.len() > 1, &mut names, errors);
    }
    meta::labels(&spec.get("selector"), errors);
    session_affinity(&spec, errors);
    cluster_ips(&spec, old, errors);
    external_ips(&spec, old, errors);
    spec.get("type").require_one_of(errors, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    port_conflicts(&spec, errors);
    source_ranges(root, old, errors);
    let allocate = spec.get("allocateLoadBalancerNodePorts");
    if allocate.has() && kind != "LoadBalancer" {
        allocate.forbidden(errors, "may only be used when `type` is 'LoadBalancer'");
    }
    if kind == "LoadBalancer" && !allocate.has() {
        root.get("allocateLoadBalancerNodePorts").required(errors, "");
    }
    balancer_class(&spec, None, errors);
    traffic_policies(root, errors);
}

fn by_type(spec: &At, headless: bool, errors: &mut FieldErrors) {
    let addresses = spec.get("clusterIPs");
    match spec.get("type").str() {
        kind @ ("LoadBalancer" | "NodePort") if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            addresses.item(0).invalid(errors, "None", detail);
        }
        "ExternalName" => {
            const DETAIL: &str = "may not be set for ExternalName services";
            for name in ["clusterIPs", "ipFamilies"] {
                if !spec.get(name).is_empty() {
                    spec.get(name).forbidden(errors, DETAIL);
                }
            }
            if spec.get("ipFamilyPolicy").has() {
                spec.get("ipFamilyPolicy").forbidden(errors, DETAIL);
            }
            let name = spec.get("externalName");
            let trimmed = name.str().strip_suffix('.').unwrap_or(name.str());
            if trimmed.is_empty() {
                name.required(errors, "");
            } else {
                name.check_text(errors, trimmed, dns_subdomain);
            }
        }
        _ => {}
    }
}

fn service_port<'v>(at: &At<'_, 'v>, named: bool, names: &mut BTreeSet<&'v str>, errors: &mut FieldErrors) {
    let name = at.get("name");
    if named && name.is_empty() {
        name.required(errors, "");
    } else if !name.is_empty() {
        name.check(errors, dns_label);
        if !names.insert(name.str()) {
            name.duplicate(errors, name.str());
        }
    }
    at.get("port").check_int(errors, port_number);
    at.get("protocol").require_one_of(errors, PROTOCOLS);
    port(&at.get("targetPort"), errors);
    let application = at.get("appProtocol");
    if application.has() {
        application.check(errors, qualified_name);
    }
}

fn session_affinity(spec: &At, errors: &mut FieldErrors) {
    const WHEN: &str = "when session affinity type is ClientIP";
    let (at, config) = (spec.get("sessionAffinity"), spec.get("sessionAffinityConfig"));
    at.require_one_of(errors, &["ClientIP", "None"]);
    match at.str() {
        "ClientIP" => {
            let client = config.get("clientIP");
            let timeout = client.get("timeoutSeconds");
            if let Some(missing) = [config, client, timeout].iter().find(|part| !part.has()) {
                missing.required(errors, WHEN);
            } else if !(1..=86400).contains(&timeout.int()) {
                timeout.invalid(errors, timeout.int(), "must be greater than 0 and less than 86400");
            }
        }
        "None" if config.has() => config.forbidden(errors, "must not be set when session affinity is None"),
        _ => {}
    }
}

/// What must hold before addresses are allocated.
pub(in super::super) fn addresses(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    cluster_ips(&root.get("spec"), old, errors);
}

fn cluster_ips(spec: &At, old: Option<&At>, errors: &mut FieldErrors) {
    if spec.get("type").str() == "ExternalName" {
        return;
    }
    let (single, at) = (spec.get("clusterIP").str(), spec.get("clusterIPs"));
    if single.is_empty() {
        if !at.is_empty() {
            at.invalid_here(errors, "must be empty when `clusterIP` is not specified");
        }
    } else if at.is_empty() {
        at.required(errors, "");
    } else if at.item(0).str() != single {
        at.invalid_here(errors, "first value must match `clusterIP`");
    }
    let families = spec.get("ipFamilies");
    let mut seen = BTreeSet::new();
    for family in families.items() {
        family.one_of(errors, &["IPv4", "IPv6"]);
        if !seen.insert(family.str()) {
            family.duplicate(errors, family.str());
        }
    }
    let policy = spec.get("ipFamilyPolicy");
    if policy.has() {
        policy.one_of(errors, &["PreferDualStack", "RequireDualStack", "SingleStack"]);
    }
    let before = old.map(|old| old.get("spec"));
    let known: Vec<&str> = before.as_ref().map(|spec| spec.get("clusterIPs").strings().collect()).unwrap_or_default();
    let mut bad = false;
    for (index, address) in at.items().enumerate() {
        if index == 0 && address.str() == "None" {
            if at.len() > 1 {
                bad = true;
                at.invalid_here(errors, "'None' must be the first and only value");
            }
            continue;
        }
        bad |= !legacy_ip(&address, address.str(), &known, errors);
    }
    if at.len() > 2 {
        at.invalid_here(errors, "may only hold up to 2 values");
    }
    if bad {
        return;
    }
    if at.len() > 1 && is_dual_stack(at.strings().map(|ip| parse(ip).map(|ip| ip.is_ipv6()))) != Some(true) {
        at.invalid_here(errors, "may specify no more than one IP for each IP family");
    }
    if is_headless(spec) {
        return;
    }
    for (index, (address, family)) in at.items().zip(families.strings()).enumerate() {
        let six = parse(address.str()).is_some_and(|ip| ip.is_ipv6());
        if (family == "IPv4" && six) || (family == "IPv6" && !six) {
            let detail = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            address.invalid(errors, address.str(), detail);
        }
    }
}

/// An address that others can reach.
pub(crate) fn endpoint_ip(at: &At, text: &str, errors: &mut FieldErrors) {
    let Some(ip) = parse(text) else {
        at.invalid(errors, text, "must be a valid IP address");
        return;
    };
    if ip.is_unspecified() {
        at.invalid(errors, text, format!("may not be unspecified ({text})"));
    }
    if ip.is_loopback() {
        at.invalid(errors, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (local, multicast) = match ip {
        std::net::IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        std::net::IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0 == 0xfe80, v6.segments()[0] & 0xff0f == 0xff02),
    };
    if local {
        at.invalid(errors, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        at.invalid(errors, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

fn external_ips(spec: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let before = old.map(|old| old.get("spec"));
    let known: Vec<&str> = before.as_ref().map(|spec| spec.get("externalIPs").strings().collect()).unwrap_or_default();
    for address in spec.get("externalIPs").items() {
        if legacy_ip(&address, address.str(), &known, errors) {
            endpoint_ip(&address, address.str(), errors);
        }
    }
}

fn port_conflicts(spec: &At, errors: &mut FieldErrors) {
    let ports = spec.get("ports");
    if spec.get("type").str() == "ClusterIP" {
        for item in ports.items().filter(|item| item.get("nodePort").int() != 0) {
            item.get("nodePort").forbidden(errors, "may not be used when `type` is 'ClusterIP'");
        }
    }
    let mut taken = BTreeSet::new();
    for item in ports.items() {
        let number = item.get("nodePort");
        if number.int() != 0 && !taken.insert((item.get("protocol").str(), number.int())) {
            number.duplicate(errors, number.int());
        }
    }
    let mut taken = BTreeSet::new();
    for item in ports.items() {
        let (protocol, number) = (item.get("protocol").str(), item.get("port").int());
        if !taken.insert((protocol, number)) {
            item.duplicate_shown(
                errors,
                &format!(
                    "{{\"Name\":\"\",\"Protocol\":\"{protocol}\",\"AppProtocol\":null,\"Port\":{number},\
                     \"TargetPort\":0,\"NodePort\":0}}"
                ),
            );
        }
    }
}

fn source_ranges(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    const ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
    let spec = root.get("spec");
    let ranges = spec.get("loadBalancerSourceRanges");
    if !ranges.is_empty() {
        let at = spec.named("LoadBalancerSourceRanges", ranges.value());
        if !is_balancer(&spec) {
            at.forbidden(errors, ONLY);
        }
        let before = old.map(|old| old.get("spec"));
        let known: Vec<&str> = before
            .as_ref()
            .map(|spec| spec.get("loadBalancerSourceRanges").strings().map(str::trim).collect())
            .unwrap_or_default();
        at.items().for_each(|range| {
            legacy_cidr(&range, range.str().trim(), &known, errors);
        });
        return;
    }
    let metadata = root.get("metadata");
    let annotations = metadata.get("annotations");
    let Some(text) = annotations.get(RANGES).text() else { return };
    let at = annotations.key(RANGES);
    if !is_balancer(&spec) {
        at.forbidden(errors, ONLY);
    }
    let unchanged = old.is_some_and(|old| old.get("metadata").get("annotations").get(RANGES).text() == Some(text));
    if unchanged || text.trim().is_empty() {
        return;
    }
    for range in text.trim().split(',') {
        legacy_cidr(&at, range.trim(), &[], errors);
    }
}

fn balancer_class(spec: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let class = spec.get("loadBalancerClass");
    if let Some(old) = old
        && is_balancer(old)
        && is_balancer(spec)
        && class.value() != old.get("loadBalancerClass").value()
    {
        class.invalid_here(errors, ONCE);
    }
    if !class.has() {
        return;
    }
    if is_balancer(spec) {
        class.check(errors, qualified_name);
    } else {
        class.forbidden(errors, "may only be used when `type` is 'LoadBalancer'");
    }
}

fn traffic_policies(root: &At, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let external = spec.get("externalTrafficPolicy");
    if externally_accessible(root.value()) {
        external.require_one_of(errors, &["Cluster", "Local"]);
    } else if !external.is_empty() {
        external.invalid(errors, external.str(), "may only be set for externally-accessible services");
    }
    let health = spec.get("healthCheckNodePort");
    if needs_health_check_port(root.value()) {
        if health.int() == 0 {
            health.required(errors, "");
        } else {
            health.check_int(errors, port_number);
        }
    } else if health.int() != 0 {
        health.invalid(
            errors,
            health.int(),
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        );
    }
    let internal = spec.get("internalTrafficPolicy");
    if internal.has() {
        internal.one_of(errors, &["Cluster", "Local"]);
    } else if matches!(spec.get("type").str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        internal.required(errors, "");
    }
    let distribution = spec.get("trafficDistribution");
    if distribution.has() {
        distribution.one_of(errors, &["PreferClose", "PreferSameNode", "PreferSameZone"]);
    }
}

/// A service that replaces another.
pub(in super::super) fn update(new: &At, old: &At, errors: &mut FieldErrors) {
    let (spec, before) = (new.get("spec"), old.get("spec"));
    let external = |spec: &At| spec.get("type").str() == "ExternalName";
    if !external(&spec) && !external(&before) {
        changed_addresses(&spec, &before, errors);
        changed_families(&spec, &before, errors);
    }
    balancer_class(&spec, Some(&before), errors);
    if needs_health_check_port(old.value())
        && needs_health_check_port(new.value())
        && spec.get("healthCheckNodePort").int() != before.get("healthCheckNodePort").int()
    {
        spec.get("healthCheckNodePort").forbidden(errors, "field is immutable");
    }
    service(new, Some(old), errors);
}

/// What a list shows when it is absent.
fn list_shown(at: &At) -> Value {
    at.value().clone()
}

fn released(spec: &At, what: &str, errors: &mut FieldErrors) {
    let policy = spec.get("ipFamilyPolicy");
    if policy.str() != "SingleStack" {
        policy.invalid_here(errors, format!("must be set to 'SingleStack' when releasing the secondary {what}"));
    }
}

fn changed_addresses(spec: &At, old: &At, errors: &mut FieldErrors) {
    if is_headless(spec) && is_headless(old) {
        return;
    }
    let (at, before) = (spec.get("clusterIPs"), old.get("clusterIPs"));
    let first = at.item(0);
    if at.len() == before.len() {
        for (now, then) in at.items().zip(before.items()) {
            if now.str() != then.str() {
                now.invalid(errors, list_shown(&at), ONCE);
            }
        }
        return;
    }
    if at.len() < before.len() && at.is_empty() {
        first.invalid(errors, list_shown(&at), "primary clusterIP can not be unset");
    }
    if !at.is_empty() && !before.is_empty() && first.str() != before.item(0).str() {
        first.invalid(errors, list_shown(&at), ONCE);
    }
    if at.len() < before.len() && at.len() == 1 {
        released(spec, "clusterIP", errors);
    }
}

fn changed_families(spec: &At, old: &At, errors: &mut FieldErrors) {
    if is_headless(spec) || is_headless(old) {
        return;
    }
    let (at, before, addresses) = (spec.get("ipFamilies"), old.get("ipFamilies"), spec.get("clusterIPs"));
    let first = at.item(0);
    if at.len() == before.len() {
        for (now, then) in at.strings().zip(before.strings()) {
            if now != then {
                first.invalid(errors, list_shown(&at), ONCE);
            }
        }
        return;
    }
    if at.len() < before.len() && addresses.is_empty() {
        first.invalid(errors, list_shown(&at), "primary ipFamily can not be unset");
    }
    if !at.is_empty() && !before.is_empty() && first.str() != before.item(0).str() {
        first.invalid(errors, list_shown(&addresses), ONCE);
    }
    if at.len() < before.len() && at.len() == 1 {
        released(spec, "ipFamily", errors);
    }
}

/// A service whose status is written.
pub(in super::super) fn status_update(new: &At, old: &At, errors: &mut FieldErrors) {
    let spec = new.get("spec");
    let (status, before) = (new.get("status"), old.get("status"));
    let balancer = status.get("loadBalancer");
    let at = balancer.get("ingress");
    if !is_balancer(&spec) && !at.is_empty() {
        at.forbidden(errors, "may only be used when `spec.type` is 'LoadBalancer'");
        return;
    }
    let old_balancer = before.get("loadBalancer");
    let known: Vec<&str> = old_balancer.get("ingress").items().map(|item| item.get("ip").str()).collect();
    for item in at.items() {
        let (ip, mode) = (item.get("ip"), item.get("ipMode"));
        if !ip.is_empty() {
            legacy_ip(&ip, ip.str(), &known, errors);
        }
        match (mode.has(), ip.is_empty()) {
            (false, false) => mode.required(errors, "must be specified when `ip` is set"),
            (false, true) => {}
            (true, true) => mode.forbidden(errors, "may not be specified when `ip` is not set"),
            (true, false) => mode.one_of(errors, &["Proxy", "VIP"]),
        }
        balancer_hostname(&item, errors);
    }
}

/// The hostname of a load balancer; absent is fine.
pub(crate) fn balancer_hostname(item: &At, errors: &mut FieldErrors) {
    let hostname = item.get("hostname");
    if hostname.is_empty() {
        return;
    }
    hostname.check(errors, dns_subdomain);
    if parse(hostname.str()).is_some() {
        hostname.invalid(errors, hostname.str(), "must be a DNS name, not an IP address");
    }
}
