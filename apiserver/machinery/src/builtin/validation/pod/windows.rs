//! Pods for Windows, and fields that only make sense on one operating system.

use super::CONTAINER_LISTS;
use crate::builtin::at::At;
use crate::builtin::formats::dns_subdomain;
use crate::field_error::FieldErrors;

/// Windows options of a security context; absent is fine.
pub(super) fn options(at: &At, errors: &mut FieldErrors) {
    const SPEC_MAX: usize = 64 * 1024;
    let name = at.get("gmsaCredentialSpecName");
    if name.has() {
        name.check(errors, dns_subdomain);
    }
    let spec = at.get("gmsaCredentialSpec");
    if let Some(text) = spec.text() {
        if text.is_empty() {
            spec.invalid(errors, text, "gmsaCredentialSpec cannot be an empty string");
        } else if text.len() > SPEC_MAX {
            spec.invalid(errors, text, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    let user = at.get("runAsUserName");
    if let Some(text) = user.text() {
        user_name(text).into_iter().for_each(|message| user.invalid(errors, text, message));
    }
}

fn user_name(text: &str) -> Vec<&'static str> {
    if text.is_empty() {
        return vec!["runAsUserName cannot be an empty string"];
    }
    if text.chars().any(|c| c.is_ascii_control()) {
        return vec!["runAsUserName cannot contain control characters"];
    }
    let parts: Vec<&str> = text.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return vec!["runAsUserName cannot contain more than one backslash"],
    };
    let mut out = Vec::new();
    if let Some(domain) = domain {
        if domain.len() >= 256 {
            out.push("runAsUserName's Domain length must be under 256 characters");
        }
        if !is_netbios(domain) && !is_domain(domain) {
            out.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        }
    }
    if user.is_empty() {
        out.push("runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        out.push("runAsUserName's User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        out.push("runAsUserName's User cannot contain only periods or spaces");
    }
    if user.contains(|c| "\"/\\:;|=,+*?<>@[]".contains(c)) {
        out.push("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
    out
}

fn is_netbios(domain: &str) -> bool {
    let count = domain.chars().count();
    (1..=15).contains(&count) && !domain.starts_with('.') && !domain.contains(|c| "\\/:*?\"<>|".contains(c))
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let edges = [label.bytes().next(), label.bytes().last()];
        (1..=63).contains(&label.len())
            && edges.iter().flatten().all(u8::is_ascii_alphanumeric)
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Containers that run as the host itself: all of them or none, and on the host's network.
pub(super) fn host_process(spec: &At, errors: &mut FieldErrors) {
    let own = spec.get("securityContext").get("windowsOptions").get("hostProcess").flag_opt();
    let (mut all, mut hosted) = (0, 0);
    for list in CONTAINER_LISTS {
        for container in spec.get(list).items() {
            all += 1;
            let context = container.get("securityContext");
            let options = context.get("windowsOptions");
            let at = options.get("hostProcess");
            if let (Some(own), Some(value)) = (own, at.flag_opt())
                && own != value
            {
                let detail = format!("pod hostProcess value must be identical if both are specified, was {own}");
                at.invalid(errors, value, detail);
            }
            if at.flag_opt().or(own).unwrap_or(false) {
                hosted += 1;
            }
        }
    }
    if hosted == 0 {
        return;
    }
    if hosted != all {
        spec.invalid(
            errors,
            "",
            "If pod contains any hostProcess containers then all containers must be HostProcess containers",
        );
    }
    if !spec.get("hostNetwork").flag() {
        spec.get("hostNetwork").invalid(
            errors,
            false,
            "hostNetwork must be true if pod contains any hostProcess containers",
        );
    }
}

/// The operating system of a pod, and what it rules out.
pub(super) fn operating_system(spec: &At, errors: &mut FieldErrors) {
    let os = spec.get("os");
    if !os.has() {
        return;
    }
    let name = os.get("name");
    match name.str() {
        "" => name.required(errors, ""),
        "linux" => linux(spec, errors),
        "windows" => windows(spec, errors),
        other => os.unsupported_value(errors, other, &["linux", "windows"]),
    }
}

fn forbid(at: &At, names: &[&str], detail: &str, errors: &mut FieldErrors) {
    for name in names {
        let field = at.get(name);
        if field.has() && !(field.value().is_array() && field.is_empty()) {
            field.forbidden(errors, detail);
        }
    }
}

fn linux(spec: &At, errors: &mut FieldErrors) {
    const DETAIL: &str = "windows options cannot be set for a linux pod";
    forbid(&spec.get("securityContext"), &["windowsOptions"], DETAIL, errors);
    for list in CONTAINER_LISTS {
        for container in spec.get(list).items() {
            forbid(&container.get("securityContext"), &["windowsOptions"], DETAIL, errors);
        }
    }
}

fn windows(spec: &At, errors: &mut FieldErrors) {
    const DETAIL: &str = "cannot be set for a windows pod";
    let own = spec.get("securityContext");
    forbid(&own, &["appArmorProfile", "seLinuxOptions"], DETAIL, errors);
    forbid(spec, &["hostUsers"], DETAIL, errors);
    for name in ["hostPID", "hostIPC"] {
        if spec.get(name).flag() {
            spec.get(name).forbidden(errors, DETAIL);
        }
    }
    forbid(&own, &["seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls"], DETAIL, errors);
    forbid(spec, &["shareProcessNamespace"], DETAIL, errors);
    forbid(
        &own,
        &["runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"],
        DETAIL,
        errors,
    );
    for list in CONTAINER_LISTS {
        for container in spec.get(list).items() {
            forbid(
                &container.get("securityContext"),
                &[
                    "appArmorProfile",
                    "seLinuxOptions",
                    "seccompProfile",
                    "capabilities",
                    "readOnlyRootFilesystem",
                    "privileged",
                    "allowPrivilegeEscalation",
                    "procMount",
                    "runAsUser",
                    "runAsGroup",
                ],
                DETAIL,
                errors,
            );
        }
    }
}
