//! Defaults of kinds that configure the cluster: access, storage classes, networking, priorities, devices.

use super::doc::{Doc, each, fill, fill_blank, list, object, path_mut, set, struct_mut, text, with};
use super::volume;
use serde_json::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn role_binding(binding: &mut Doc) {
    if let Some(role) = struct_mut(binding, "roleRef") {
        fill_blank(role, "apiGroup", RBAC);
    }
    each(binding, "subjects", |subject| {
        if matches!(text(subject, "kind"), "User" | "Group") {
            fill_blank(subject, "apiGroup", RBAC);
        }
    });
}

pub(super) fn storage_class(class: &mut Doc) {
    fill(class, "reclaimPolicy", "Delete");
    fill(class, "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(driver: &mut Doc) {
    let Some(spec) = struct_mut(driver, "spec") else { return };
    fill(spec, "attachRequired", true);
    fill(spec, "podInfoOnMount", false);
    fill(spec, "storageCapacity", false);
    fill(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    fill_blank(spec, "volumeLifecycleModes", json!(["Persistent"]));
    fill(spec, "requiresRepublish", false);
    fill(spec, "seLinuxMount", false);
}

pub(super) fn volume_attachment(attachment: &mut Doc) {
    if let Some(inline) = path_mut(attachment, &["spec", "source", "inlineVolumeSpec"]) {
        volume::persistent_volume_source(inline);
    }
}

pub(super) fn priority_class(class: &mut Doc) {
    fill(class, "preemptionPolicy", "PreemptLowerPriority");
}

pub(super) fn network_policy(policy: &mut Doc) {
    let Some(spec) = struct_mut(policy, "spec") else { return };
    let types = if list(spec, "egress").is_empty() { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) };
    fill_blank(spec, "policyTypes", types);
    for direction in ["ingress", "egress"] {
        each(spec, direction, |rule| each(rule, "ports", |port| fill(port, "protocol", "TCP")));
    }
}

pub(super) fn ingress_class(class: &mut Doc) {
    if let Some(parameters) = path_mut(class, &["spec", "parameters"]) {
        fill(parameters, "scope", "Cluster");
    }
}

pub(super) fn endpoint_slice(slice: &mut Doc) {
    each(slice, "ports", |port| {
        fill(port, "name", "");
        fill(port, "protocol", "TCP");
    });
}

pub(super) fn flow_schema(schema: &mut Doc) {
    if let Some(spec) = struct_mut(schema, "spec") {
        fill_blank(spec, "matchingPrecedence", 1000);
    }
}

pub(super) fn priority_level(level: &mut Doc) {
    let Some(spec) = struct_mut(level, "spec") else { return };
    with(spec, "limited", |limited| {
        fill(limited, "nominalConcurrencyShares", 30);
        fill(limited, "lendablePercent", 0);
        if let Some(queuing) = path_mut(limited, &["limitResponse", "queuing"]) {
            fill_blank(queuing, "handSize", 8);
            fill_blank(queuing, "queues", 64);
            fill_blank(queuing, "queueLengthLimit", 50);
        }
    });
    with(spec, "exempt", |exempt| {
        fill(exempt, "nominalConcurrencyShares", 0);
        fill(exempt, "lendablePercent", 0);
    });
}

pub(super) fn resource_claim(claim: &mut Doc) {
    with(claim, "spec", device_claim);
    if let Some(devices) = path_mut(claim, &["status", "allocation", "devices"]) {
        each(devices, "results", tolerations);
    }
}

pub(super) fn resource_claim_template(template: &mut Doc) {
    if let Some(spec) = path_mut(template, &["spec", "spec"]) {
        device_claim(spec);
    }
}

fn device_claim(spec: &mut Doc) {
    with(spec, "devices", |devices| {
        each(devices, "requests", |request| {
            with(request, "exactly", device_request);
            each(request, "firstAvailable", device_request);
        });
    });
}

fn device_request(request: &mut Doc) {
    fill_blank(request, "allocationMode", "ExactCount");
    if text(request, "allocationMode") == "ExactCount" {
        fill_blank(request, "count", 1);
    }
    tolerations(request);
}

fn tolerations(holder: &mut Doc) {
    each(holder, "tolerations", |toleration| fill_blank(toleration, "operator", "Equal"));
}

/// Fills a ResourceSlice; a device taint without a time was added `now` (RFC 3339, whole seconds).
pub(super) fn resource_slice(slice: &mut Doc, now: &str) {
    with(slice, "spec", |spec| {
        each(spec, "devices", |device| each(device, "taints", |taint| fill(taint, "timeAdded", now)));
    });
}

pub(super) fn token_request(request: &mut Doc) {
    if let Some(spec) = struct_mut(request, "spec") {
        fill(spec, "expirationSeconds", 3600);
    }
}

/// Removes the expression by which `policy/v1beta1` said that an empty selector matches nothing, unless the selector is
/// nothing but that.
pub(super) fn disruption_budget(budget: &mut Doc) {
    const KEY: &str = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";
    let Some(selector) = path_mut(budget, &["spec", "selector"]) else { return };
    let rules = list(selector, "matchExpressions");
    if rules.iter().all(|rule| rule["key"] != KEY) {
        return;
    }
    let alone = rules.len() == 1 && object(selector, "matchLabels").is_none_or(Doc::is_empty);
    let operator = rules[0]["operator"].as_str().unwrap_or_default();
    if alone && operator == "Exists" && list_is_empty(&rules[0]["values"]) {
        return;
    }
    let kept: Vec<Value> = rules.iter().filter(|rule| rule["key"] != KEY).cloned().collect();
    if kept.is_empty() {
        selector.remove("matchExpressions");
    } else {
        set(selector, "matchExpressions", kept);
    }
}

fn list_is_empty(value: &Value) -> bool {
    value.as_array().is_none_or(Vec::is_empty)
}
