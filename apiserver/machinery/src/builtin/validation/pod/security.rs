//! Security contexts of pods and containers.

use super::rules::PodRules;
use super::sources::descending_path;
use super::windows;
use crate::builtin::at::At;
use crate::builtin::formats::{is_sysctl, user_id};
use crate::builtin::validation::shape::{Part, Shape, shown};
use crate::field_error::FieldErrors;
use std::collections::BTreeSet;

const PROFILES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn optional_id(at: &At, errors: &mut FieldErrors) {
    if at.has() {
        at.check_int(errors, user_id);
    }
}

/// The security context of a pod; absent is fine. Host namespaces are fields of the spec in v1.
pub(super) fn pod(spec: &At, at: &At, rules: &PodRules, errors: &mut FieldErrors) {
    for name in ["fsGroup", "runAsUser", "runAsGroup"] {
        optional_id(&at.get(name), errors);
    }
    at.get("supplementalGroups").items().for_each(|group| group.check_int(errors, user_id));
    if spec.get("shareProcessNamespace").flag() && spec.get("hostPID").flag() {
        at.get("shareProcessNamespace").invalid(
            errors,
            true,
            "ShareProcessNamespace and HostPID cannot both be enabled",
        );
    }
    sysctls(spec, &at.get("sysctls"), rules, errors);
    let policy = at.get("fsGroupChangePolicy");
    if policy.has() {
        policy.one_of(errors, &["Always", "OnRootMismatch"]);
    }
    seccomp(&at.get("seccompProfile"), errors);
    windows::options(&at.get("windowsOptions"), errors);
    apparmor(&at.get("appArmorProfile"), errors);
    let groups = at.get("supplementalGroupsPolicy");
    if groups.has() {
        groups.one_of(errors, &["Merge", "Strict"]);
    }
    let change = at.get("seLinuxChangePolicy");
    if change.has() {
        change.one_of(errors, &["Recursive"]);
    }
}

/// The namespace that a sysctl belongs to, when it is one of those that hosts share.
fn host_namespace(name: &str) -> Option<&'static str> {
    let dotted = match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'/' => name.replace('.', "\u{0}").replace('/', ".").replace('\u{0}', "/"),
        _ => name.to_owned(),
    };
    match dotted.as_str() {
        "kernel.sem"
        | "kernel.shmall"
        | "kernel.shmmax"
        | "kernel.shmmni"
        | "kernel.shm_rmid_forced"
        | "kernel.shm"
        | "kernel.msgmax"
        | "kernel.msgmnb"
        | "kernel.msgmni"
        | "kernel.msg" => Some("hostIPC"),
        name if name.starts_with("fs.mqueue.") => Some("hostIPC"),
        name if name.starts_with("net.") => Some("hostNetwork"),
        _ => None,
    }
}

/// The reason why a sysctl may not be set in a pod that shares the host's namespaces.
pub(super) fn host_sysctl(spec: &At, name: &str) -> Option<String> {
    let namespace = host_namespace(name)?;
    spec.get(namespace).flag().then(|| format!("may not be specified when '{namespace}' is true"))
}

fn sysctls(spec: &At, at: &At, rules: &PodRules, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for sysctl in at.items() {
        let name = sysctl.get("name");
        if name.is_empty() {
            name.required(errors, "");
        } else if !is_sysctl(name.str()) {
            name.invalid(
                errors,
                name.str(),
                "must have at most 253 characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            );
        } else if seen.contains(name.str()) {
            name.duplicate(errors, name.str());
        }
        if !rules.host_sysctls
            && let Some(reason) = host_sysctl(spec, name.str())
        {
            name.invalid(errors, name.str(), reason);
        }
        seen.insert(name.str());
    }
}

/// The security context of a container; absent is fine.
pub(super) fn container(at: &At, host_users: bool, errors: &mut FieldErrors) {
    if !at.has() {
        return;
    }
    optional_id(&at.get("runAsUser"), errors);
    optional_id(&at.get("runAsGroup"), errors);
    let mount = at.get("procMount");
    if mount.has() {
        mount.one_of(errors, &["Default", "Unmasked"]);
        if host_users && mount.str() == "Unmasked" {
            mount.invalid(errors, mount.str(), "`hostUsers` must be false to use `Unmasked`");
        }
    }
    seccomp(&at.get("seccompProfile"), errors);
    if at.get("allowPrivilegeEscalation").flag_opt() == Some(false) {
        if at.get("privileged").flag() {
            at.invalid_shown(
                errors,
                &shown(at.value(), CONTEXT),
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            );
        }
        for capability in at.get("capabilities").get("add").strings() {
            if capability == "CAP_SYS_ADMIN" {
                at.invalid_shown(
                    errors,
                    &shown(at.value(), CONTEXT),
                    "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
                );
            }
        }
    }
    windows::options(&at.get("windowsOptions"), errors);
    apparmor(&at.get("appArmorProfile"), errors);
}

const PROFILE: Shape = &[("type", "Type", Part::Text), ("localhostProfile", "LocalhostProfile", Part::Plain)];
const CONTEXT: Shape = &[
    ("capabilities", "Capabilities", Part::Inner(&[("add", "Add", Part::Plain), ("drop", "Drop", Part::Plain)])),
    ("privileged", "Privileged", Part::Plain),
    (
        "seLinuxOptions",
        "SELinuxOptions",
        Part::Inner(&[
            ("user", "User", Part::Text),
            ("role", "Role", Part::Text),
            ("type", "Type", Part::Text),
            ("level", "Level", Part::Text),
        ]),
    ),
    (
        "windowsOptions",
        "WindowsOptions",
        Part::Inner(&[
            ("gmsaCredentialSpecName", "GMSACredentialSpecName", Part::Plain),
            ("gmsaCredentialSpec", "GMSACredentialSpec", Part::Plain),
            ("runAsUserName", "RunAsUserName", Part::Plain),
            ("hostProcess", "HostProcess", Part::Plain),
        ]),
    ),
    ("runAsUser", "RunAsUser", Part::Plain),
    ("runAsGroup", "RunAsGroup", Part::Plain),
    ("runAsNonRoot", "RunAsNonRoot", Part::Plain),
    ("readOnlyRootFilesystem", "ReadOnlyRootFilesystem", Part::Plain),
    ("allowPrivilegeEscalation", "AllowPrivilegeEscalation", Part::Plain),
    ("procMount", "ProcMount", Part::Plain),
    ("seccompProfile", "SeccompProfile", Part::Inner(PROFILE)),
    ("appArmorProfile", "AppArmorProfile", Part::Inner(PROFILE)),
];

/// A seccomp profile; absent is fine.
fn seccomp(at: &At, errors: &mut FieldErrors) {
    if !at.has() {
        return;
    }
    let kind = at.get("type");
    if kind.is_empty() {
        kind.required(errors, "type is required when seccompProfile is set");
    } else {
        kind.one_of(errors, PROFILES);
    }
    let profile = at.get("localhostProfile");
    if kind.str() == "Localhost" {
        match profile.text() {
            None => profile.required(errors, "must be set when seccomp type is Localhost"),
            Some(path) => descending_path(&profile, path, errors),
        }
    } else if profile.has() {
        profile.invalid_shown(errors, &shown(at.value(), PROFILE), "can only be set when seccomp type is Localhost");
    }
}

/// An AppArmor profile; absent is fine.
pub(super) fn apparmor(at: &At, errors: &mut FieldErrors) {
    const LENGTH_MAX: usize = 4095;
    const NEEDED: &str = "must be set when AppArmor type is Localhost";
    if !at.has() {
        return;
    }
    let (kind, profile) = (at.get("type"), at.get("localhostProfile"));
    match kind.str() {
        "Localhost" => {
            let Some(text) = profile.text() else {
                profile.required(errors, NEEDED);
                return;
            };
            if text.trim() != text {
                profile.invalid(errors, text, "must not be padded with whitespace");
            } else if text.is_empty() {
                profile.required(errors, NEEDED);
            }
            if text.len() > LENGTH_MAX {
                profile.too_long(errors, LENGTH_MAX);
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if profile.has() {
                profile.invalid_here(errors, "can only be set when AppArmor type is Localhost");
            }
        }
        "" => kind.required(errors, "type is required when appArmorProfile is set"),
        _ => kind.unsupported(errors, PROFILES),
    }
}

/// Annotations that came before the fields for seccomp and AppArmor must say the same as the fields.
pub(super) fn annotations_match(metadata: &At, spec: &At, errors: &mut FieldErrors) {
    let annotations = metadata.get("annotations");
    let own = spec.get("securityContext");
    if let Some(annotation) = annotations.get("seccomp.security.alpha.kubernetes.io/pod").text() {
        seccomp_matches(annotation, &own.get("seccompProfile"), errors);
    }
    for list in super::CONTAINER_LISTS {
        for container in spec.get(list).items() {
            let key = format!("container.seccomp.security.alpha.kubernetes.io/{}", container.get("name").str());
            if let Some(annotation) = annotations.get(&key).text() {
                seccomp_matches(annotation, &container.get("securityContext").get("seccompProfile"), errors);
            }
        }
    }
    if spec.get("os").get("name").str() == "windows" {
        return;
    }
    for list in super::CONTAINER_LISTS {
        for container in spec.get(list).items() {
            let key = format!("container.apparmor.security.beta.kubernetes.io/{}", container.get("name").str());
            let Some(annotation) = annotations.get(&key).text() else { continue };
            let context = container.get("securityContext");
            let at = context.get("appArmorProfile");
            let own = own.get("appArmorProfile");
            apparmor_matches(annotation, if at.has() { &at } else { &own }, &at, errors);
        }
    }
}

fn seccomp_matches(annotation: &str, at: &At, errors: &mut FieldErrors) {
    let good = match at.get("type").str() {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => matches!(annotation, "runtime/default" | "docker/default"),
        "Localhost" => match annotation.strip_prefix("localhost/") {
            Some(path) if at.get("localhostProfile").text() != Some(path) => {
                at.get("localhostProfile").forbidden(errors, "seccomp profile in annotation and field must match");
                return;
            }
            other => other.is_some(),
        },
        _ => true,
    };
    if !good {
        at.get("type").forbidden(errors, "seccomp type in annotation and field must match");
    }
}

fn apparmor_matches(annotation: &str, profile: &At, at: &At, errors: &mut FieldErrors) {
    let good = match profile.get("type").str() {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => annotation == "runtime/default",
        "Localhost" => match annotation.strip_prefix("localhost/") {
            Some(path) if profile.get("localhostProfile").text() != Some(path) => {
                at.get("localhostProfile").forbidden(errors, "apparmor profile in annotation and field must match");
                return;
            }
            other => other.is_some(),
        },
        _ => true,
    };
    if !good {
        at.get("type").forbidden(errors, "apparmor type in annotation and field must match");
    }
}
