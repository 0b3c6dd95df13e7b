//! Fields behind feature gates that are off by default in Kubernetes 1.35: they are dropped unless already in use.

use super::normalize::template_path;
use super::prepare::{field, set};
use crate::builtin::Gvk;
use crate::builtin::same::same;
use crate::metadata::names::is_dns1123_subdomain;
use serde_json::Value;

/// Drops fields that are not enabled and that the old object does not use.
pub(super) fn drop_disabled(gvk: Gvk<'_>, object: &mut Value, old: Option<&Value>) {
    if let Some(path) = template_path(gvk) {
        let before = old.and_then(|old| old.pointer(path)).map(|template| field(template, "spec"));
        if let Some(spec) = object.pointer_mut(path).and_then(|template| template.get_mut("spec")) {
            drop_from_pod_spec(spec, before);
        }
    }
    match (gvk.group, gvk.kind) {
        ("", "Pod") => {
            let before = old.map(|old| field(old, "spec"));
            if let Some(spec) = object.get_mut("spec") {
                drop_from_pod_spec(spec, before);
            }
        }
        ("", "Node") => {
            drop_unless_used(object, old, "/spec", "configSource");
            drop_unless_used(object, old, "/status", "declaredFeatures");
            if old.is_none() {
                drop_unless_used(object, old, "/status", "config");
            }
        }
        ("", "PersistentVolumeClaim") => drop_foreign_reference(object, old),
        ("apps", "StatefulSet") => {
            drop_unless_used(object, old, "/spec/updateStrategy/rollingUpdate", "maxUnavailable");
        }
        ("coordination.k8s.io", "Lease") => {
            drop_unless_used(object, old, "/spec", "strategy");
            drop_unless_used(object, old, "/spec", "preferredHolder");
        }
        ("discovery.k8s.io", "EndpointSlice") => drop_topology(object, old),
        ("resource.k8s.io", "DeviceClass") => drop_unless_used(object, old, "/spec", "extendedResourceName"),
        ("resource.k8s.io", "ResourceSlice") => drop_from_slice(object, old),
        _ => {}
    }
}

/// Drops the topology of endpoints that change; a node that was named only there keeps its name.
fn drop_topology(object: &mut Value, old: Option<&Value>) {
    const HOSTNAME: &str = "kubernetes.io/hostname";
    if old.is_some_and(|old| same(field(old, "endpoints"), field(object, "endpoints"))) {
        return;
    }
    let host = |endpoint: &Value| field(field(endpoint, "deprecatedTopology"), HOSTNAME).as_str().map(str::to_owned);
    let known: Vec<String> =
        old.map(|old| list(old, "endpoints").iter().filter_map(host).collect()).unwrap_or_default();
    for endpoint in object.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = host(endpoint).filter(|name| known.contains(name) && is_dns1123_subdomain(name).is_empty());
        if let Some(name) = name.filter(|_| field(endpoint, "nodeName").is_null()) {
            set(endpoint, "nodeName", Value::from(name));
        }
        set(endpoint, "deprecatedTopology", Value::Null);
    }
}

fn drop_unless_used(object: &mut Value, old: Option<&Value>, parent: &str, name: &str) {
    let used = old.and_then(|old| old.pointer(parent)).is_some_and(|parent| !field(parent, name).is_null());
    if !used && let Some(parent) = object.pointer_mut(parent) {
        set(parent, name, Value::Null);
    }
}

/// Drops `status.config` of a node that never had one.
pub(super) fn drop_node_config_status(object: &mut Value, old: &Value) {
    drop_unless_used(object, Some(old), "/status", "config");
}

const CONTAINER_LISTS: &[&str] = &["initContainers", "containers", "ephemeralContainers"];

fn list<'v>(object: &'v Value, name: &str) -> &'v [Value] {
    field(object, name).as_array().map_or(&[], Vec::as_slice)
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    CONTAINER_LISTS.iter().flat_map(|name| list(spec, name))
}

fn uses_projection(spec: &Value, name: &str) -> bool {
    list(spec, "volumes")
        .iter()
        .flat_map(|volume| list(field(volume, "projected"), "sources"))
        .any(|source| !field(source, name).is_null())
}

fn drop_from_pod_spec(spec: &mut Value, old: Option<&Value>) {
    for name in ["clusterTrustBundle", "podCertificate"] {
        if !old.is_some_and(|old| uses_projection(old, name)) {
            let volumes = spec.get_mut("volumes").and_then(Value::as_array_mut);
            for volume in volumes.into_iter().flatten() {
                let sources = volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut);
                sources.into_iter().flatten().for_each(|source| set(source, name, Value::Null));
            }
        }
    }
    if old.is_none_or(|old| field(old, "workloadRef").is_null()) {
        set(spec, "workloadRef", Value::Null);
    }
    let stop_signal = |spec: &Value| containers(spec).any(|c| c.pointer("/lifecycle/stopSignal").is_some());
    if !old.is_some_and(stop_signal) {
        drop_stop_signals(spec);
    }
}

fn drop_stop_signals(spec: &mut Value) {
    for name in CONTAINER_LISTS {
        let containers = spec.get_mut(*name).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let Some(lifecycle) = container.get_mut("lifecycle") else { continue };
            if field(lifecycle, "stopSignal").is_null() {
                continue;
            }
            set(lifecycle, "stopSignal", Value::Null);
            if lifecycle.as_object().is_some_and(serde_json::Map::is_empty) {
                set(container, "lifecycle", Value::Null);
            }
        }
    }
}

/// A data source in another namespace.
fn drop_foreign_reference(object: &mut Value, old: Option<&Value>) {
    let foreign =
        object.pointer("/spec/dataSourceRef/namespace").and_then(Value::as_str).is_some_and(|n| !n.is_empty());
    if foreign {
        drop_unless_used(object, old, "/spec", "dataSourceRef");
    }
}

fn drop_from_slice(object: &mut Value, old: Option<&Value>) {
    let old_devices = old.map(|old| list(field(old, "spec"), "devices")).unwrap_or_default();
    let used = |names: &[&str]| old_devices.iter().any(|d| names.iter().any(|name| !field(d, name).is_null()));
    let partitions = ["consumesCounters", "nodeName", "nodeSelector", "allNodes"];
    let spec_used = |name: &str| old.is_some_and(|old| !field(field(old, "spec"), name).is_null());
    let keep_partitions = used(&partitions) || spec_used("sharedCounters") || spec_used("perDeviceNodeSelection");
    let bindings = ["bindingConditions", "bindingFailureConditions", "bindsToNode"];
    let mut unwanted: Vec<&str> = Vec::new();
    if !keep_partitions {
        unwanted.extend(partitions);
        drop_unless_used(object, None, "/spec", "sharedCounters");
        drop_unless_used(object, None, "/spec", "perDeviceNodeSelection");
    }
    if !used(&bindings) {
        unwanted.extend(bindings);
    }
    for name in ["taints", "allowMultipleAllocations"] {
        if !used(&[name]) {
            unwanted.push(name);
        }
    }
    let drop_policies = unwanted.contains(&"allowMultipleAllocations");
    let devices = object.pointer_mut("/spec/devices").and_then(Value::as_array_mut);
    for device in devices.into_iter().flatten() {
        unwanted.iter().for_each(|name| set(device, name, Value::Null));
        if drop_policies && let Some(capacity) = device.get_mut("capacity").and_then(Value::as_object_mut) {
            capacity.values_mut().for_each(|entry| set(entry, "requestPolicy", Value::Null));
        }
    }
}
