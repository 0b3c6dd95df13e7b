//! Containers of all three sorts.

use super::env;
use super::probes::{self, Grace};
use super::security;
use super::sources::{descending_path, no_backsteps};
use super::{Pod, volumes::Volumes};
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, port_name, port_number};
use crate::builtin::validation::resources::{self, Rules};
use crate::field_error::FieldErrors;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// When an image is pulled.
pub(super) fn pull_policy(at: &At, errors: &mut FieldErrors) {
    at.require_one_of(errors, &["Always", "IfNotPresent", "Never"]);
}

/// The containers that make the pod.
pub(super) fn regular(pod: &Pod, at: &At, errors: &mut FieldErrors) {
    if at.require(errors) {
        return;
    }
    let mut names = BTreeSet::new();
    for container in at.items() {
        shared(pod, &container, errors);
        let name = container.get("name");
        if !names.insert(name.str()) {
            name.duplicate(errors, name.str());
        }
        probes::lifecycle(pod, &container.get("lifecycle"), errors);
        probes::all(pod, &container, errors);
        restart_policy(&container, errors);
    }
    host_port_conflicts(at.items(), errors);
}

/// The containers that run first, or beside the others.
pub(super) fn init(pod: &Pod, at: &At, errors: &mut FieldErrors) {
    let mut names: BTreeSet<&str> = pod.spec.get("containers").items().map(|c| c.get("name").str()).collect();
    for container in at.items() {
        shared(pod, &container, errors);
        let policy = container.get("restartPolicy");
        if policy.str() == "Always" {
            if !container.get("restartPolicyRules").is_empty() {
                container.get("restartPolicyRules").forbidden(
                    errors,
                    "restartPolicyRules are not allowed for init containers with restart policy Always",
                );
            }
        } else {
            restart_policy(&container, errors);
        }
        let name = container.get("name");
        if !name.is_empty() && !names.insert(name.str()) {
            name.duplicate(errors, name.str());
        }
        init_host_ports(at, &container, errors);
        if policy.str() == "Always" {
            probes::lifecycle(pod, &container.get("lifecycle"), errors);
            probes::all(pod, &container, errors);
            continue;
        }
        for name in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            let hook = container.get(name);
            if hook.has() {
                hook.forbidden(errors, "may not be set for init containers without restartPolicy=Always");
            }
        }
    }
}

const EPHEMERAL_FORBIDDEN: &[&str] = &[
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

/// The containers that are added to a running pod.
pub(super) fn ephemeral(pod: &Pod, at: &At, errors: &mut FieldErrors) {
    if at.is_empty() {
        return;
    }
    let lists = [pod.spec.get("containers"), pod.spec.get("initContainers")];
    let others: BTreeSet<&str> = lists.iter().flat_map(|list| list.items().map(|c| c.get("name").str())).collect();
    let mut names = others.clone();
    for container in at.items() {
        shared(pod, &container, errors);
        trimmed_image(&container, errors);
        let name = container.get("name");
        if !names.insert(name.str()) {
            name.duplicate(errors, name.str());
        }
        let target = container.get("targetContainerName");
        if !target.is_empty() && !others.contains(target.str()) {
            target.not_found(errors, target.str());
        }
        for name in EPHEMERAL_FORBIDDEN {
            let field = container.get(name);
            let blank = match field.value() {
                Value::Null => true,
                Value::Array(list) => list.is_empty(),
                Value::Object(map) => map.is_empty() && *name == "resources",
                Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
            };
            if !blank {
                field.forbidden(errors, "cannot be set for an Ephemeral Container");
            }
        }
        for mount in container.get("volumeMounts").items() {
            for name in ["subPath", "subPathExpr"] {
                if !mount.get(name).is_empty() {
                    mount.get(name).forbidden(errors, "cannot be set for an Ephemeral Container");
                }
            }
        }
    }
}

/// `must not have leading or trailing whitespace`.
pub(super) fn trimmed_image(container: &At, errors: &mut FieldErrors) {
    let image = container.get("image");
    if image.str().trim().len() != image.len() {
        image.invalid(errors, image.str(), "must not have leading or trailing whitespace");
    }
}

fn shared(pod: &Pod, at: &At, errors: &mut FieldErrors) {
    at.get("name").require_check(errors, dns_label);
    at.get("image").require(errors);
    at.get("terminationMessagePolicy").require_one_of(errors, &["File", "FallbackToLogsOnError"]);
    ports(&at.get("ports"), errors);
    env::variables(&at.get("env"), errors);
    env::variables_from(&at.get("envFrom"), errors);
    let (mounts, devices) = (at.get("volumeMounts"), at.get("volumeDevices"));
    volume_mounts(&pod.volumes, at, &mounts, &named(&devices, "devicePath"), errors);
    volume_devices(&pod.volumes, &devices, &named(&mounts, "mountPath"), errors);
    pull_policy(&at.get("imagePullPolicy"), errors);
    let rules =
        Rules { name: resources::container_name, claims: &pod.claims, any_huge_pages: pod.rules.any_huge_pages };
    resources::requirements(&at.get("resources"), &rules, errors);
    resize_policy(pod, &at.get("resizePolicy"), errors);
    security::container(&at.get("securityContext"), pod.host_users(), errors);
}

fn ports(at: &At, errors: &mut FieldErrors) {
    let mut names = BTreeSet::new();
    for port in at.items() {
        let name = port.get("name");
        if !name.is_empty() {
            let complaints = port_name(name.str());
            if complaints.is_empty() {
                if !names.insert(name.str()) {
                    name.duplicate(errors, name.str());
                }
            } else {
                complaints.into_iter().for_each(|message| name.invalid(errors, name.str(), message));
            }
        }
        let number = port.get("containerPort");
        if number.int() == 0 {
            number.required(errors, "");
        } else {
            number.check_int(errors, port_number);
        }
        let host = port.get("hostPort");
        if host.int() != 0 {
            host.check_int(errors, port_number);
        }
        port.get("protocol").require_one_of(errors, PROTOCOLS);
    }
}

fn port_key(port: &At) -> Option<String> {
    let number = port.get("hostPort").int();
    (number != 0).then(|| format!("{}/{}/{number}", port.get("protocol").str(), port.get("hostIP").str()))
}

fn host_port_conflicts<'s, 'v: 's>(containers: impl Iterator<Item = At<'s, 'v>>, errors: &mut FieldErrors) {
    let mut taken = BTreeSet::new();
    for container in containers {
        for port in container.get("ports").items() {
            let Some(key) = port_key(&port) else { continue };
            if !taken.insert(key.clone()) {
                port.get("hostPort").duplicate(errors, key);
            }
        }
    }
}

/// Upstream checks each init container alone, and calls it the first.
fn init_host_ports(list: &At, container: &At, errors: &mut FieldErrors) {
    let mut taken = BTreeSet::new();
    let first = list.item(0);
    for (index, port) in container.get("ports").items().enumerate() {
        let Some(key) = port_key(&port) else { continue };
        if !taken.insert(key.clone()) {
            first.get("ports").item(index).get("hostPort").duplicate(errors, key);
        }
    }
}

fn named<'v>(list: &At<'_, 'v>, path: &str) -> BTreeMap<&'v str, &'v str> {
    list.items().map(|item| (item.get("name").str(), item.get(path).str())).collect()
}

fn volume_mounts(volumes: &Volumes, container: &At, at: &At, devices: &BTreeMap<&str, &str>, errors: &mut FieldErrors) {
    let mut taken = BTreeSet::new();
    for mount in at.items() {
        let (name, path) = (mount.get("name"), mount.get("mountPath"));
        name.require(errors);
        if !volumes.contains_key(name.str()) {
            name.not_found(errors, name.str());
        }
        path.require(errors);
        if !taken.insert(path.str()) {
            path.invalid(errors, path.str(), "must be unique");
        }
        if devices.contains_key(name.str()) {
            name.invalid(errors, name.str(), "must not already exist in volumeDevices");
        }
        if devices.values().any(|device| *device == path.str()) {
            path.invalid(errors, path.str(), "must not already exist as a path in volumeDevices");
        }
        let (sub, expression) = (mount.get("subPath").str(), mount.get("subPathExpr"));
        if !sub.is_empty() {
            descending_path(&at.get("subPath"), sub, errors);
        }
        if !expression.is_empty() {
            if !sub.is_empty() {
                expression.invalid(errors, expression.str(), "subPathExpr and subPath are mutually exclusive");
            }
            descending_path(&at.get("subPathExpr"), expression.str(), errors);
        }
        mount_propagation(&at.named("mountPropagation", mount.get("mountPropagation").value()), container, errors);
        recursive_read_only(at, &mount, errors);
    }
}

fn mount_propagation(at: &At, container: &At, errors: &mut FieldErrors) {
    if !at.has() {
        return;
    }
    at.one_of(errors, &["Bidirectional", "HostToContainer", "None"]);
    if at.str() == "Bidirectional" && !container.get("securityContext").get("privileged").flag() {
        at.forbidden(errors, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive_read_only(list: &At, mount: &At, errors: &mut FieldErrors) {
    let at = list.named("recursiveReadOnly", mount.get("recursiveReadOnly").value());
    match at.text() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if !mount.get("readOnly").flag() {
                at.forbidden(errors, "may only be specified when readOnly is true");
            }
            if mount.get("mountPropagation").text().is_some_and(|mode| mode != "None") {
                at.forbidden(errors, "may only be specified when mountPropagation is None or not specified");
            }
        }
        Some(_) => at.unsupported(errors, &["Disabled", "Enabled", "IfPossible"]),
    }
}

fn volume_devices(volumes: &Volumes, at: &At, mounts: &BTreeMap<&str, &str>, errors: &mut FieldErrors) {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for device in at.items() {
        let (name, path) = (device.get("name"), device.get("devicePath"));
        name.require(errors);
        if names.contains(name.str()) {
            name.invalid(errors, name.str(), "must be unique");
        }
        match volumes.get(name.str()) {
            None => name.not_found(errors, name.str()),
            Some(volume) => {
                if volume.get("persistentVolumeClaim").is_none() && volume.get("ephemeral").is_none() {
                    name.invalid(
                        errors,
                        name.str(),
                        "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                    );
                }
            }
        }
        path.require(errors);
        if paths.contains(path.str()) {
            path.invalid(errors, path.str(), "must be unique");
        }
        if !path.is_empty() && !no_backsteps(&path, path.str(), &mut FieldErrors::new()) {
            path.invalid(errors, path.str(), "can not contain backsteps ('..')");
        } else {
            paths.insert(path.str());
        }
        if mounts.contains_key(name.str()) {
            name.invalid(errors, name.str(), "must not already exist in volumeMounts");
        }
        if mounts.values().any(|mount| *mount == path.str()) {
            path.invalid(errors, path.str(), "must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            names.insert(name.str());
        }
    }
}

fn resize_policy(pod: &Pod, at: &At, errors: &mut FieldErrors) {
    const POLICIES: &[&str] = &["NotRequired", "RestartContainer"];
    let mut seen = BTreeSet::new();
    let never = pod.spec.get("restartPolicy").str() == "Never";
    for item in at.items() {
        let (resource, policy) = (item.get("resourceName").str(), item.get("restartPolicy").str());
        if !seen.insert(resource) {
            item.duplicate(errors, resource);
        }
        match resource {
            "cpu" | "memory" => {}
            "" => at.required(errors, ""),
            _ => at.unsupported_value(errors, resource, &["cpu", "memory"]),
        }
        match policy {
            "NotRequired" | "RestartContainer" => {}
            "" => at.required(errors, ""),
            _ => at.unsupported_value(errors, policy, POLICIES),
        }
        if never && policy != "NotRequired" {
            at.invalid(errors, policy, "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

fn restart_policy(container: &At, errors: &mut FieldErrors) {
    let (policy, rules) = (container.get("restartPolicy"), container.get("restartPolicyRules"));
    if policy.has() {
        policy.one_of(errors, &["Always", "Never", "OnFailure"]);
    } else if rules.is_empty() {
        return;
    } else {
        policy.required(errors, "must specify restartPolicy when restart rules are used");
    }
    if rules.len() > 20 {
        rules.too_long(errors, 20);
    }
    for rule in rules.items() {
        rule.get("action").one_of(errors, &["Restart"]);
        let codes = rule.get("exitCodes");
        if !codes.has() {
            codes.required(errors, "must be specified");
            continue;
        }
        codes.get("operator").one_of(errors, &["In", "NotIn"]);
        if codes.get("values").len() > 255 {
            codes.get("values").too_long(errors, 255);
        }
    }
}

impl Pod<'_, '_, '_> {
    /// What hooks may use of the time that is left.
    pub(super) fn grace(&self) -> Grace {
        self.spec.get("terminationGracePeriodSeconds").number()
    }
}
