//! Warnings about pods and pod templates.

use super::node::{deprecated_label, warn_about_term};
use super::{overlap, warn_about_claim_spec};
use crate::builtin::amount::Amount;
use crate::builtin::at::At;
use crate::builtin::same::same;
use crate::builtin::strategy::pod::apparmor_profile;
use crate::field_error::go_quote;
use crate::metadata::ip::warnings_for_ip;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const DEPRECATED_ANNOTATIONS: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

const DEPRECATED_VOLUMES: &[(&str, &str, &str)] = &[
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

const CONTAINER_LISTS: &[&str] = &["initContainers", "containers", "ephemeralContainers"];

/// Warns about a pod, or the pod template of a workload.
pub(super) fn warn(pod: &At, is_template: bool, out: &mut Vec<String>) {
    let metadata = pod.get("metadata");
    let annotations = metadata.get("annotations");
    let spec = pod.get("spec");
    warn_about_nodes(&spec, out);
    for (key, message) in DEPRECATED_ANNOTATIONS {
        if annotations.get(key).has() {
            out.push(format!("{}: {message}", annotations.key(key).path()));
        }
    }
    warn_about_volumes(&spec.get("volumes"), out);
    overlap::warn(&spec.get("volumes"), out);
    warn_about_duplicates(&spec, out);
    let overhead = spec.get("overhead");
    for name in ["memory", "ephemeral-storage"] {
        warn_about_fraction(&overhead, name, out);
    }
    let own_seccomp = spec.get("securityContext").get("seccompProfile").has();
    if !own_seccomp && annotations.get("seccomp.security.alpha.kubernetes.io/pod").has() {
        let place = annotations.key("seccomp.security.alpha.kubernetes.io/pod").path();
        out.push(format!("{place}: non-functional in v1.27+; use the \"seccompProfile\" field instead"));
    }
    for list in CONTAINER_LISTS {
        for container in spec.get(list).items() {
            warn_about_container(&container, &annotations, &spec, is_template, out);
        }
    }
    warn_about_ports(&spec, out);
    warn_about_port_names(&spec, out);
    let grace = spec.get("terminationGracePeriodSeconds");
    if grace.int() < 0 {
        out.push(format!("{}: must be >= 0; negative values are invalid and will be treated as 1", grace.path()));
    }
    warn_about_affinity(&spec.get("affinity"), out);
    let dns = spec.get("dnsConfig");
    dns.get("nameservers").items().for_each(|item| out.extend(warnings_for_ip(&item.path(), item.str())));
    for alias in spec.get("hostAliases").items() {
        let ip = alias.get("ip");
        out.extend(warnings_for_ip(&ip.path(), ip.str()));
    }
}

fn warn_about_nodes(spec: &At, out: &mut Vec<String>) {
    for (key, at) in spec.get("nodeSelector").entries() {
        if let Some(message) = deprecated_label(key) {
            out.push(format!("{}: {message}", at.path()));
        }
    }
    let affinity = spec.get("affinity");
    let node = affinity.get("nodeAffinity");
    let required = node.get("requiredDuringSchedulingIgnoredDuringExecution");
    required.get("nodeSelectorTerms").items().for_each(|term| warn_about_term(&term, false, out));
    for term in node.get("preferredDuringSchedulingIgnoredDuringExecution").items() {
        warn_about_term(&term.get("preference"), true, out);
    }
    for constraint in spec.get("topologySpreadConstraints").items() {
        let key = constraint.get("topologyKey");
        if let Some(message) = deprecated_label(key.str()) {
            out.push(format!("{}: {} is {message}", key.path(), key.str()));
        }
        warn_about_null_selector(&constraint, out);
    }
}

fn warn_about_null_selector(term: &At, out: &mut Vec<String>) {
    let selector = term.get("labelSelector");
    if !selector.has() {
        out.push(format!("{}: a null labelSelector results in matching no pod", selector.path()));
    }
}

fn warn_about_affinity(affinity: &At, out: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        let rules = affinity.get(kind);
        for term in rules.get("requiredDuringSchedulingIgnoredDuringExecution").items() {
            warn_about_null_selector(&term, out);
        }
        for term in rules.get("preferredDuringSchedulingIgnoredDuringExecution").items() {
            warn_about_null_selector(&term.get("podAffinityTerm"), out);
        }
    }
}

fn warn_about_volumes(volumes: &At, out: &mut Vec<String>) {
    for volume in volumes.items() {
        for (field, shown, message) in DEPRECATED_VOLUMES {
            if volume.get(field).has() {
                out.push(format!("{}: {message}", volume.get(shown).path()));
            }
        }
        let ephemeral = volume.get("ephemeral");
        let template = ephemeral.get("volumeClaimTemplate");
        if template.has() {
            let spec = template.get("spec");
            warn_about_claim_spec(&spec, &spec.path(), out);
        }
    }
}

fn warn_about_duplicates(spec: &At, out: &mut Vec<String>) {
    for (list, field) in [("hostAliases", "ip"), ("imagePullSecrets", "name")] {
        let mut seen = BTreeSet::new();
        for item in spec.get(list).items() {
            let at = item.get(field);
            if !seen.insert(at.str()) {
                out.push(format!("{}: duplicate {field} {}", at.path(), go_quote(at.str())));
            }
        }
    }
    for item in spec.get("imagePullSecrets").items() {
        let name = item.get("name");
        if name.is_empty() {
            out.push(format!("{}: invalid empty name \"\"", name.path()));
        }
    }
}

fn warn_about_fraction(list: &At, name: &str, out: &mut Vec<String>) {
    let at = list.key(name);
    if !Amount::of(at.str()).is_whole() {
        out.push(format!("{}: fractional byte value {} is invalid, must be an integer", at.path(), go_quote(at.str())));
    }
}

fn warn_about_container(container: &At, annotations: &At, spec: &At, is_template: bool, out: &mut Vec<String>) {
    let name = container.get("name").str();
    let context = container.get("securityContext");
    let key = format!("container.seccomp.security.alpha.kubernetes.io/{name}");
    if !context.get("seccompProfile").has() && annotations.get(&key).has() {
        let place = annotations.key(&key).path();
        out.push(format!("{place}: non-functional in v1.27+; use the \"seccompProfile\" field instead"));
    }
    let key = format!("container.apparmor.security.beta.kubernetes.io/{name}");
    if is_template
        && !context.get("appArmorProfile").has()
        && let Some(annotation) = annotations.get(&key).text()
    {
        let own = spec.get("securityContext");
        let own = own.get("appArmorProfile");
        let meant = apparmor_profile(annotation).unwrap_or(Value::Null);
        if !own.has() || !same(own.value(), &meant) {
            let place = annotations.key(&key).path();
            out.push(format!("{place}: deprecated since v1.30; use the \"appArmorProfile\" field instead"));
        }
    }
    let resources = container.get("resources");
    for resource in ["memory", "ephemeral-storage"] {
        for list in ["limits", "requests"] {
            warn_about_fraction(&resources.get(list), resource, out);
        }
    }
    warn_about_env(&container.get("env"), out);
}

fn warn_about_env(env: &At, out: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for variable in env.items() {
        let name = variable.get("name").str();
        if seen.insert(name) {
            continue;
        }
        let value = variable.get("value").str();
        let reference = format!("$({name})");
        if variable.get("valueFrom").has() || value == reference || !value.contains(&reference) {
            out.push(format!(
                "{}: hides previous definition of {}, which may be dropped when using apply",
                variable.path(),
                go_quote(name)
            ));
        }
    }
}

struct Port<'v> {
    path: String,
    host_ip: &'v str,
    host_port: i64,
}

fn warn_about_ports(spec: &At, out: &mut Vec<String>) {
    let mut all: BTreeMap<(i64, &str), Vec<Port>> = BTreeMap::new();
    for list in CONTAINER_LISTS {
        for container in spec.get(list).items() {
            for at in container.get("ports").items() {
                let (host_ip, host_port) = (at.get("hostIP").str(), at.get("hostPort").int());
                let (number, protocol) = (at.get("containerPort").int(), at.get("protocol").str());
                let port = Port { path: at.path(), host_ip, host_port };
                if !host_ip.is_empty() && host_port == 0 {
                    let name = at.get("name").str();
                    out.push(format!(
                        "{}: hostIP set without hostPort: {{Name:{name} HostPort:{host_port} \
                         ContainerPort:{number} Protocol:{protocol} HostIP:{host_ip}}}",
                        port.path
                    ));
                }
                let others = all.entry((number, protocol)).or_default();
                others.iter().for_each(|other| warn_about_pair(&port, other, out));
                others.push(port);
            }
        }
    }
}

fn warn_about_pair(port: &Port, other: &Port, out: &mut Vec<String>) {
    let word = if port.host_ip == other.host_ip && port.host_port == other.host_port {
        "duplicate"
    } else if port.host_port == 0 || other.host_port == 0 {
        "overlapping"
    } else if port.host_port == other.host_port && (port.host_ip.is_empty() != other.host_ip.is_empty()) {
        "dangerously ambiguous"
    } else {
        return;
    };
    out.push(format!("{}: {word} port definition with {}", port.path, other.path));
}

fn warn_about_port_names(spec: &At, out: &mut Vec<String>) {
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    for list in CONTAINER_LISTS {
        for container in spec.get(list).items() {
            for port in container.get("ports").items() {
                let name = port.get("name").str();
                if name.is_empty() {
                    continue;
                }
                if let Some(other) = first.get(name) {
                    out.push(format!(
                        "{}: duplicate port name {} with {other}, services and probes that select ports by name will \
                         use {other}",
                        port.path(),
                        go_quote(name)
                    ));
                } else {
                    first.insert(name, port.path());
                }
            }
        }
    }
}
