//! Defaults of pods, pod templates and containers.
//!
//! Some fields (service links, requests from limits, host ports) are filled in pods only, so that templates stored by
//! older releases keep their hash.

use super::doc::{Doc, drop_annotations, each, fill, fill_blank, list, object, path_mut, set, struct_mut, text, with};
use super::{image, resources, volume};
use serde_json::{Value, json};

/// Annotations of init containers from before they were a field; servers drop them.
const DROPPED_ANNOTATIONS: &[&str] = &[
    "pod.alpha.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.beta.kubernetes.io/init-containers",
];

/// Fills a whole Pod.
pub(super) fn pod(pod: &mut Doc) {
    drop_annotations(pod, |name, _| DROPPED_ANNOTATIONS.contains(&name));
    if let Some(spec) = struct_mut(pod, "spec") {
        each(spec, "containers", resources::requests_from_limits);
        each(spec, "initContainers", resources::requests_from_limits);
        resources::pod_level(spec);
        fill(spec, "enableServiceLinks", true);
        if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
            each(spec, "containers", host_ports);
            each(spec, "initContainers", host_ports);
        }
        pod_spec(spec);
        if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds < 0) {
            set(spec, "terminationGracePeriodSeconds", 1);
        }
    }
    with(pod, "status", pod_status);
}

/// Fills a pod template (`metadata` and `spec`).
pub(super) fn template(template: &mut Doc) {
    drop_annotations(template, |name, _| DROPPED_ANNOTATIONS.contains(&name));
    if let Some(spec) = struct_mut(template, "spec") {
        pod_spec(spec);
    }
}

/// Fills the part of a pod spec that pods and templates share.
fn pod_spec(spec: &mut Doc) {
    fill_blank(spec, "dnsPolicy", "ClusterFirst");
    fill_blank(spec, "restartPolicy", "Always");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill_blank(spec, "schedulerName", "default-scheduler");
    each(spec, "volumes", volume::pod_volume);
    each(spec, "initContainers", container);
    each(spec, "containers", container);
    each(spec, "ephemeralContainers", container);
    resources::round(spec, "overhead");
    resources::round_requirements(spec, "resources");
    service_account(spec);
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are served.
fn service_account(spec: &mut Doc) {
    let new = text(spec, "serviceAccountName");
    let name = if new.is_empty() { text(spec, "serviceAccount") } else { new }.to_owned();
    if !name.is_empty() {
        set(spec, "serviceAccountName", name.clone());
        set(spec, "serviceAccount", name);
    }
}

fn container(container: &mut Doc) {
    let policy = image::pull_policy(text(container, "image"));
    fill_blank(container, "imagePullPolicy", policy);
    fill_blank(container, "terminationMessagePath", "/dev/termination-log");
    fill_blank(container, "terminationMessagePolicy", "File");
    each(container, "ports", |port| fill_blank(port, "protocol", "TCP"));
    each(container, "env", |env| {
        with(env, "valueFrom", |source| {
            with(source, "fieldRef", volume::field_ref);
            with(source, "fileKeyRef", |reference| fill(reference, "optional", false));
        });
    });
    resources::round_requirements(container, "resources");
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        with(container, name, probe);
    }
    for hook in ["postStart", "preStop"] {
        if let Some(handler) = path_mut(container, &["lifecycle", hook]) {
            with(handler, "httpGet", http_get);
        }
    }
}

fn probe(probe: &mut Doc) {
    fill_blank(probe, "timeoutSeconds", 1);
    fill_blank(probe, "periodSeconds", 10);
    fill_blank(probe, "successThreshold", 1);
    fill_blank(probe, "failureThreshold", 3);
    with(probe, "httpGet", http_get);
    with(probe, "grpc", |grpc| fill(grpc, "service", ""));
}

fn http_get(action: &mut Doc) {
    fill_blank(action, "path", "/");
    fill_blank(action, "scheme", "HTTP");
}

fn host_ports(container: &mut Doc) {
    each(container, "ports", |port| {
        if let Some(number) = port.get("containerPort").cloned().filter(|number| number.as_i64() != Some(0)) {
            fill_blank(port, "hostPort", number);
        }
    });
}

fn pod_status(status: &mut Doc) {
    for name in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
        each(status, name, |container| {
            resources::round(container, "allocatedResources");
            resources::round_requirements(container, "resources");
        });
    }
    resources::round(status, "allocatedResources");
    resources::round_requirements(status, "resources");
    let ip = text(status, "podIP").to_owned();
    let first = list(status, "podIPs").first().and_then(Value::as_object).map(|entry| text(entry, "ip").to_owned());
    match first {
        Some(first) if ip.is_empty() => set(status, "podIP", first),
        Some(first) if first == ip => {}
        Some(_) => set(status, "podIPs", json!([{ "ip": ip }])),
        None if ip.is_empty() => {}
        None => set(status, "podIPs", json!([{ "ip": ip }])),
    }
}

/// Returns the labels of a pod template, when it has any.
pub(super) fn template_labels(template: &Doc) -> Option<&Doc> {
    object(object(template, "metadata")?, "labels")
}
