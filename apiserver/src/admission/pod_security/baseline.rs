//! The baseline standard: what gives a pod power over its node.

use super::super::write::{items, text};
use super::checks::{Finding, Subject, bad_values, named_containers, plural, quoted, setters};
use kplex_machinery::field_error::go_quote;
use serde_json::Value;
use std::collections::BTreeSet;

const ALLOWED_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Safe sysctls and the version that allowed them.
const ALLOWED_SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

fn finding(reason: &'static str, detail: String) -> Option<Finding> {
    Some(Finding { reason, detail })
}

fn is_true(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer) == Some(&Value::Bool(true))
}

pub(super) fn app_armor(subject: &Subject<'_>, _: u32) -> Option<Finding> {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let (mut who, values) = bad_values(subject, "/securityContext/appArmorProfile/type", |kind| {
        !matches!(kind, "RuntimeDefault" | "Localhost")
    });
    let allowed =
        |profile: &str| profile.is_empty() || profile == "runtime/default" || profile.starts_with("localhost/");
    let annotations = subject.annotations.into_iter().flatten();
    let annotations = annotations.filter_map(|(key, value)| Some((key, value.as_str()?)));
    let mut bad: Vec<String> = annotations
        .filter(|(key, profile)| key.starts_with(PREFIX) && !allowed(profile))
        .map(|(key, profile)| format!("{key}={}", go_quote(profile)))
        .collect();
    bad.sort();
    if !bad.is_empty() {
        let word = plural("annotation", "annotations", bad.len());
        who = if who.is_empty() { word.to_owned() } else { format!("{who} and {word}") };
    }
    let all: Vec<&str> = values.into_iter().chain(bad.iter().map(String::as_str)).collect();
    if who.is_empty() {
        return None;
    }
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", all.len());
    finding(reason, format!("{who} must not set AppArmor profile type to {}", quoted(all)))
}

pub(super) fn capabilities(subject: &Subject<'_>, _: u32) -> Option<Finding> {
    let mut forbidden = BTreeSet::new();
    let bad = subject.names(|container| {
        let added = items(container, "/securityContext/capabilities/add").iter().filter_map(Value::as_str);
        let added: Vec<&str> = added.filter(|name| !ALLOWED_CAPABILITIES.contains(name)).collect();
        forbidden.extend(added.iter().copied());
        !added.is_empty()
    });
    if bad.is_empty() {
        return None;
    }
    let who = named_containers(&bad);
    finding(
        "non-default capabilities",
        format!("{who} must not include {} in securityContext.capabilities.add", quoted(forbidden)),
    )
}

pub(super) fn host_namespaces(subject: &Subject<'_>, _: u32) -> Option<Finding> {
    let fields = ["hostNetwork", "hostPID", "hostIPC"].into_iter();
    let set: Vec<String> = fields
        .filter(|field| subject.spec.get(*field) == Some(&Value::Bool(true)))
        .map(|field| format!("{field}=true"))
        .collect();
    if set.is_empty() { None } else { finding("host namespaces", set.join(", ")) }
}

pub(super) fn host_paths(subject: &Subject<'_>, _: u32) -> Option<Finding> {
    let volumes = items(subject.spec, "/volumes").iter();
    let bad: Vec<&str> = volumes
        .filter(|volume| volume.get("hostPath").is_some_and(|path| !path.is_null()))
        .map(|volume| text(volume, "/name"))
        .collect();
    if bad.is_empty() {
        return None;
    }
    finding("hostPath volumes", format!("{} {}", plural("volume", "volumes", bad.len()), quoted(bad)))
}

pub(super) fn host_ports(subject: &Subject<'_>, _: u32) -> Option<Finding> {
    let mut ports = BTreeSet::new();
    let bad = subject.names(|container| {
        let own = items(container, "/ports").iter().filter_map(|port| port.get("hostPort").and_then(Value::as_i64));
        let own: Vec<String> = own.filter(|port| *port != 0).map(|port| port.to_string()).collect();
        ports.extend(own.iter().cloned());
        !own.is_empty()
    });
    if bad.is_empty() {
        return None;
    }
    let list = ports.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (uses, word) = (plural("uses", "use", bad.len()), plural("hostPort", "hostPorts", ports.len()));
    finding("hostPort", format!("{} {uses} {word} {list}", named_containers(&bad)))
}

pub(super) fn probe_hosts(subject: &Subject<'_>, _: u32) -> Option<Finding> {
    const HANDLERS: [&str; 5] =
        ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];
    let mut hosts = BTreeSet::new();
    let bad: BTreeSet<&str> = subject
        .names(|container| {
            let handlers = HANDLERS.iter().filter_map(|handler| container.pointer(handler));
            let own = handlers.flat_map(|handler| [text(handler, "/httpGet/host"), text(handler, "/tcpSocket/host")]);
            let own: Vec<&str> = own.filter(|host| !host.is_empty()).collect();
            hosts.extend(own.iter().map(|host| (*host).to_owned()));
            !own.is_empty()
        })
        .into_iter()
        .collect();
    if bad.is_empty() {
        return None;
    }
    let bad: Vec<&str> = bad.into_iter().collect();
    let word = plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len());
    let uses = plural("uses", "use", bad.len());
    finding("probe or lifecycle host", format!("{} {uses} {word} {}", named_containers(&bad), quoted(hosts)))
}

pub(super) fn privileged(subject: &Subject<'_>, _: u32) -> Option<Finding> {
    let bad = subject.names(|container| is_true(container, "/securityContext/privileged"));
    if bad.is_empty() {
        return None;
    }
    finding("privileged", format!("{} must not set securityContext.privileged=true", named_containers(&bad)))
}

pub(super) fn proc_mount(subject: &Subject<'_>, minor: u32) -> Option<Finding> {
    if minor >= 35 && subject.has_own_users() { None } else { masked_proc(subject) }
}

/// No container sees all of `/proc`, whosever users it has.
pub(super) fn masked_proc(subject: &Subject<'_>) -> Option<Finding> {
    let mut kinds = BTreeSet::new();
    let bad = subject.names(|container| {
        let kind =
            container.pointer("/securityContext/procMount").and_then(Value::as_str).filter(|kind| *kind != "Default");
        kinds.extend(kind);
        kind.is_some()
    });
    if bad.is_empty() {
        return None;
    }
    finding(
        "procMount",
        format!("{} must not set securityContext.procMount to {}", named_containers(&bad), quoted(kinds)),
    )
}

pub(super) fn se_linux(subject: &Subject<'_>, minor: u32) -> Option<Finding> {
    let allowed = |kind: &str| {
        matches!(kind, "" | "container_t" | "container_init_t" | "container_kvm_t")
            || (kind == "container_engine_t" && minor >= 31)
    };
    let (mut kinds, mut user, mut role) = (BTreeSet::new(), false, false);
    let mut judge = |holder| {
        let options = |field: &str| text(holder, &format!("/securityContext/seLinuxOptions/{field}"));
        let (kind, has_user, has_role) = (options("type"), !options("user").is_empty(), !options("role").is_empty());
        if !allowed(kind) {
            kinds.insert(kind.to_owned());
        }
        user |= has_user;
        role |= has_role;
        !allowed(kind) || has_user || has_role
    };
    let pod = judge(subject.spec);
    let who = setters(pod, &subject.names(&mut judge));
    if who.is_empty() {
        return None;
    }
    let mut what = Vec::new();
    if !kinds.is_empty() {
        what.push(format!("{} {}", plural("type", "types", kinds.len()), quoted(&kinds)));
    }
    what.extend(user.then(|| "user may not be set".to_owned()));
    what.extend(role.then(|| "role may not be set".to_owned()));
    finding("seLinuxOptions", format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; ")))
}

/// Whether a seccomp profile is one of those that confine.
pub(super) fn confines(kind: &str) -> bool {
    matches!(kind, "Localhost" | "RuntimeDefault")
}

pub(super) fn seccomp(subject: &Subject<'_>, minor: u32) -> Option<Finding> {
    if minor < 19 {
        return seccomp_annotations(subject);
    }
    let (who, values) = bad_values(subject, "/securityContext/seccompProfile/type", |kind| !confines(kind));
    if who.is_empty() {
        return None;
    }
    finding("seccompProfile", format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(values)))
}

/// Before there was a field, seccomp profiles were annotations.
fn seccomp_annotations(subject: &Subject<'_>) -> Option<Finding> {
    let pod = "seccomp.security.alpha.kubernetes.io/pod".to_owned();
    let containers = subject
        .containers()
        .map(|container| format!("container.seccomp.security.alpha.kubernetes.io/{}", text(container, "/name")));
    let allowed =
        |profile: &str| matches!(profile, "runtime/default" | "docker/default") || profile.starts_with("localhost/");
    let bad: BTreeSet<String> = std::iter::once(pod)
        .chain(containers)
        .filter_map(|key| {
            let profile = subject.annotations?.get(&key)?.as_str()?;
            (!allowed(profile)).then(|| format!("{key}={}", go_quote(profile)))
        })
        .collect();
    if bad.is_empty() {
        return None;
    }
    let list = bad.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    finding("seccompProfile", format!("forbidden {} {list}", plural("annotation", "annotations", bad.len())))
}

pub(super) fn sysctls(subject: &Subject<'_>, minor: u32) -> Option<Finding> {
    let allowed = |name: &str| ALLOWED_SYSCTLS.iter().any(|(known, since)| *known == name && *since <= minor);
    let names = items(subject.spec, "/securityContext/sysctls").iter().map(|sysctl| text(sysctl, "/name"));
    let bad: Vec<&str> = names.filter(|name| !allowed(name)).collect();
    if bad.is_empty() { None } else { finding("forbidden sysctls", bad.join(", ")) }
}

pub(super) fn host_process(subject: &Subject<'_>, _: u32) -> Option<Finding> {
    const FIELD: &str = "/securityContext/windowsOptions/hostProcess";
    let who = setters(is_true(subject.spec, FIELD), &subject.names(|container| is_true(container, FIELD)));
    if who.is_empty() {
        return None;
    }
    finding("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}
