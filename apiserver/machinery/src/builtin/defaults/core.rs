//! Defaults of the core group's kinds other than pods and volumes.

use super::doc::{
    Doc, blank, each, fill, fill_blank, list, object, object_mut, path_mut, set, struct_mut, text, unset, with,
};
use super::{pod, resources};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Three hours: how long a client address sticks to an endpoint.
const CLIENT_IP_SECONDS: i64 = 10_800;

pub(super) fn service(service: &mut Doc) {
    let Some(spec) = struct_mut(service, "spec") else { return };
    fill_blank(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => drop(spec.remove("sessionAffinityConfig")),
        "ClientIP" => {
            let timeout = path_mut(spec, &["sessionAffinityConfig", "clientIP"]);
            if timeout.is_none_or(|client| unset(client, "timeoutSeconds")) {
                set(spec, "sessionAffinityConfig", json!({ "clientIP": { "timeoutSeconds": CLIENT_IP_SECONDS } }));
            }
        }
        _ => {}
    }
    fill_blank(spec, "type", "ClusterIP");
    each(spec, "ports", |port| {
        fill_blank(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or_else(|| json!(0));
        fill_blank(port, "targetPort", number);
    });
    let kind = text(spec, "type").to_owned();
    let balanced = kind == "LoadBalancer";
    let node_port = kind == "NodePort";
    let cluster = kind == "ClusterIP";
    if balanced || node_port || (cluster && !list(spec, "externalIPs").is_empty()) {
        fill_blank(spec, "externalTrafficPolicy", "Cluster");
    }
    if balanced || node_port || cluster {
        fill(spec, "internalTrafficPolicy", "Cluster");
    }
    if balanced {
        fill(spec, "allocateLoadBalancerNodePorts", true);
        if let Some(status) = path_mut(service, &["status", "loadBalancer"]) {
            each(status, "ingress", |ingress| {
                if !blank(ingress, "ip") {
                    fill(ingress, "ipMode", "VIP");
                }
            });
        }
    }
}

/// Fills a Secret, and moves the write-only `stringData` into `data`.
pub(super) fn secret(secret: &mut Doc) {
    fill_blank(secret, "type", "Opaque");
    let Some(plain) = secret.remove("stringData") else { return };
    let Some(plain) = plain.as_object().filter(|plain| !plain.is_empty()) else { return };
    if let Some(data) = struct_mut(secret, "data") {
        for (name, value) in plain {
            set(data, name, STANDARD.encode(value.as_str().unwrap_or_default()));
        }
    }
}

pub(super) fn endpoints(endpoints: &mut Doc) {
    each(endpoints, "subsets", |subset| each(subset, "ports", |port| fill_blank(port, "protocol", "TCP")));
}

/// Fills a Namespace, which carries its name as a label.
pub(super) fn namespace(namespace: &mut Doc) {
    if let Some(metadata) = object_mut(namespace, "metadata") {
        let name = text(metadata, "name").to_owned();
        if !name.is_empty()
            && let Some(labels) = struct_mut(metadata, "labels")
        {
            set(labels, "kubernetes.io/metadata.name", name);
        }
    }
    if let Some(status) = struct_mut(namespace, "status") {
        fill_blank(status, "phase", "Active");
    }
}

/// Fills a Node. `podCIDR` is the first of `podCIDRs`, and wins when they differ.
pub(super) fn node(node: &mut Doc) {
    with(node, "spec", |spec| {
        let one = text(spec, "podCIDR").to_owned();
        let first = list(spec, "podCIDRs").first().and_then(Value::as_str).map(str::to_owned);
        match first {
            Some(first) if one.is_empty() => set(spec, "podCIDR", first),
            Some(first) if first == one => {}
            None if one.is_empty() => {}
            Some(_) | None => set(spec, "podCIDRs", json!([one])),
        }
    });
    with(node, "status", |status| {
        if let Some(capacity) = object(status, "capacity").cloned() {
            fill(status, "allocatable", Value::Object(capacity));
        }
        resources::round(status, "capacity");
        resources::round(status, "allocatable");
    });
}

pub(super) fn limit_range(range: &mut Doc) {
    with(range, "spec", |spec| each(spec, "limits", limit_item));
}

/// Fills one limit; only limits of containers imply others: `max` → `default` → `defaultRequest` ← `min`.
fn limit_item(item: &mut Doc) {
    if text(item, "type") == "Container" {
        let take = |item: &Doc, name| object(item, name).cloned().unwrap_or_default();
        let mut default = take(item, "default");
        let mut request = take(item, "defaultRequest");
        resources::inherit(&mut default, &take(item, "max"));
        resources::inherit(&mut request, &default);
        resources::inherit(&mut request, &take(item, "min"));
        for (name, value) in [("default", default), ("defaultRequest", request)] {
            if !value.is_empty() {
                set(item, name, Value::Object(value));
            }
        }
    }
    for name in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        resources::round(item, name);
    }
}

pub(super) fn resource_quota(quota: &mut Doc) {
    with(quota, "spec", |spec| resources::round(spec, "hard"));
    with(quota, "status", |status| {
        resources::round(status, "hard");
        resources::round(status, "used");
    });
}

/// Fills a ReplicationController, whose selector and labels are those of its template unless given.
pub(super) fn replication_controller(controller: &mut Doc) {
    let Some(spec) = struct_mut(controller, "spec") else { return };
    let labels = object(spec, "template").and_then(pod::template_labels).cloned();
    if let Some(labels) = labels.clone() {
        fill_blank(spec, "selector", Value::Object(labels));
    }
    fill(spec, "replicas", 1);
    with(spec, "template", pod::template);
    if let Some(labels) = labels {
        label(controller, labels);
    }
}

/// Gives an object labels when it has none.
pub(super) fn label(object: &mut Doc, labels: Doc) {
    if let Some(metadata) = struct_mut(object, "metadata").filter(|_| !labels.is_empty()) {
        fill_blank(metadata, "labels", Value::Object(labels));
    }
}

pub(super) fn pod_template(template: &mut Doc) {
    if let Some(inner) = struct_mut(template, "template") {
        pod::template(inner);
    }
}
