//! Services: fields that follow from others when a service changes its type.

use super::prepare::{copy, field, set};
use serde_json::{Value, json};

fn spec(service: &Value) -> &Value {
    field(service, "spec")
}

fn kind(service: &Value) -> &str {
    field(spec(service), "type").as_str().unwrap_or("")
}

fn text<'v>(service: &'v Value, name: &str) -> &'v str {
    field(spec(service), name).as_str().unwrap_or("")
}

fn needs_cluster_ip(service: &Value) -> bool {
    kind(service) != "ExternalName"
}

fn needs_node_port(service: &Value) -> bool {
    matches!(kind(service), "NodePort" | "LoadBalancer")
}

/// Whether the service needs a port for health checks of its load balancer.
#[must_use]
pub fn needs_health_check_port(service: &Value) -> bool {
    kind(service) == "LoadBalancer" && text(service, "externalTrafficPolicy") == "Local"
}

/// Whether the service can be reached from outside the cluster.
#[must_use]
pub fn externally_accessible(service: &Value) -> bool {
    let external_ips = field(spec(service), "externalIPs").as_array().is_some_and(|list| !list.is_empty());
    needs_node_port(service) || (kind(service) == "ClusterIP" && external_ips)
}

fn node_ports(service: &Value) -> Vec<i64> {
    let ports = field(spec(service), "ports").as_array().map_or(&[][..], Vec::as_slice);
    ports.iter().filter_map(|port| field(port, "nodePort").as_i64()).filter(|port| *port != 0).collect()
}

fn same_field(a: &Value, b: &Value, name: &str) -> bool {
    crate::builtin::same::same(field(spec(a), name), field(spec(b), name))
}

/// Clears what the new type has no use for, when the client left it as it was.
pub(super) fn drop_type_dependent(new: &mut Value, old: &Value) {
    let mut unwanted: Vec<&str> = Vec::new();
    if needs_cluster_ip(old) && !needs_cluster_ip(new) {
        if same_field(old, new, "clusterIP") && same_field(old, new, "clusterIPs") {
            unwanted.extend(["clusterIP", "clusterIPs"]);
        }
        unwanted.extend(["ipFamilies", "ipFamilyPolicy"].iter().filter(|name| same_field(old, new, name)));
    }
    let old_ports = node_ports(old);
    let drop_ports =
        needs_node_port(old) && !needs_node_port(new) && node_ports(new).iter().all(|port| old_ports.contains(port));
    if needs_health_check_port(old) && !needs_health_check_port(new) && same_field(old, new, "healthCheckNodePort") {
        unwanted.push("healthCheckNodePort");
    }
    if kind(old) == "LoadBalancer" && kind(new) != "LoadBalancer" {
        let names = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];
        unwanted.extend(names.iter().filter(|name| same_field(old, new, name)));
    }
    if externally_accessible(old) && !externally_accessible(new) && same_field(old, new, "externalTrafficPolicy") {
        unwanted.push("externalTrafficPolicy");
    }
    if kind(new) != "LoadBalancer" && new.get("status").is_some() {
        set(&mut new["status"], "loadBalancer", json!({}));
    }
    let Some(spec) = new.get_mut("spec") else { return };
    unwanted.iter().for_each(|name| set(spec, name, Value::Null));
    if drop_ports {
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        ports.into_iter().flatten().for_each(|port| set(port, "nodePort", Value::Null));
    }
}

/// Takes over addresses and ports that were allocated before, where the client left them out.
///
/// Upstream does this before [`super::prepare_for_update`]; so must the caller, followed by
/// [`normalize_cluster_ips`] and the allocation of what is still missing.
pub fn patch_allocated(new: &mut Value, old: &Value) {
    if needs_cluster_ip(old) && needs_cluster_ip(new) {
        let old_spec = spec(old).clone();
        let no_address = text(new, "clusterIP").is_empty();
        let no_addresses = field(spec(new), "clusterIPs").as_array().is_none_or(Vec::is_empty);
        if let Some(spec) = new.get_mut("spec") {
            if no_address {
                copy(spec, "clusterIP", &old_spec);
            }
            if no_addresses {
                copy(spec, "clusterIPs", &old_spec);
            }
        }
    }
    if needs_node_port(old) && needs_node_port(new) {
        patch_node_ports(new, old);
    }
    if needs_health_check_port(old)
        && needs_health_check_port(new)
        && field(spec(new), "healthCheckNodePort").as_i64().unwrap_or(0) == 0
    {
        let old_spec = spec(old).clone();
        if let Some(spec) = new.get_mut("spec") {
            copy(spec, "healthCheckNodePort", &old_spec);
        }
    }
}

fn patch_node_ports(new: &mut Value, old: &Value) {
    let before = node_ports(old);
    let used: Vec<i64> = node_ports(new).into_iter().filter(|port| before.contains(port)).collect();
    let old_ports = field(spec(old), "ports").as_array().cloned().unwrap_or_default();
    let ports = new.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        if field(port, "nodePort").as_i64().unwrap_or(0) != 0 {
            continue;
        }
        let name = field(port, "name").as_str().unwrap_or("");
        let matching = old_ports.iter().rfind(|old| field(old, "name").as_str().unwrap_or("") == name);
        let number = matching.and_then(|old| field(old, "nodePort").as_i64()).unwrap_or(0);
        if number != 0 && !used.contains(&number) {
            set(port, "nodePort", Value::from(number));
        }
    }
}

/// Makes `clusterIP` and `clusterIPs` agree, as clients that know only one of them expect.
pub fn normalize_cluster_ips(new: &mut Value, old: Option<&Value>) {
    let address = text(new, "clusterIP").to_owned();
    let addresses = field(spec(new), "clusterIPs").as_array().cloned().unwrap_or_default();
    let Some(old) = old else {
        if !address.is_empty()
            && addresses.is_empty()
            && let Some(spec) = new.get_mut("spec")
        {
            set(spec, "clusterIPs", json!([address]));
        }
        return;
    };
    let old_address = text(old, "clusterIP");
    let unchanged = same_field(old, new, "clusterIPs");
    let old_addresses = field(spec(old), "clusterIPs").clone();
    let Some(spec) = new.get_mut("spec") else { return };
    if addresses.is_empty() && old_address == address {
        set(spec, "clusterIPs", old_addresses);
    }
    if old_address != address && unchanged {
        let cleared = !old_address.is_empty() && address.is_empty();
        set(spec, "clusterIPs", if cleared { Value::Null } else { json!([address]) });
    }
}
