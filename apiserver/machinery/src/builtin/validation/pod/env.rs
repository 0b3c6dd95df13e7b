//! Environment variables, and references to fields and resources of a pod.

use crate::builtin::amount::{self, Amount};
use crate::builtin::at::At;
use crate::builtin::formats::{config_key, dns_label, dns_subdomain, env_name, qualified_name};
use crate::field_error::FieldErrors;

const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Labels of fields that can be read at all.
const POD_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

const RESOURCE_FIELDS: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const SIZES: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// All variables of a container.
pub(super) fn variables(at: &At, errors: &mut FieldErrors) {
    for variable in at.items() {
        variable.get("name").require_check(errors, env_name);
        let from = variable.get("valueFrom");
        if from.has() {
            value_from(&from, variable.get("value").str(), errors);
        }
    }
}

fn value_from(at: &At, value: &str, errors: &mut FieldErrors) {
    let mut sources = 0;
    let field = at.get("fieldRef");
    if field.has() {
        sources += 1;
        field_ref(&field, ENV_FIELDS, errors);
    }
    let resource = at.get("resourceFieldRef");
    if resource.has() {
        sources += 1;
        resource_ref(&resource, false, errors);
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        let key = at.get(name);
        if key.has() {
            sources += 1;
            key.get("name").check(errors, dns_subdomain);
            key.get("key").require_check(errors, config_key);
        }
    }
    let file = at.get("fileKeyRef");
    if file.has() {
        sources += 1;
        file.get("key").require_check(errors, env_name);
        file.get("volumeName").require_check(errors, dns_label);
        let path = file.get("path");
        if !path.require(errors) {
            super::sources::no_backsteps(&path, path.str(), errors);
        }
    }
    if sources == 0 {
        at.invalid(
            errors,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        );
    } else if !value.is_empty() {
        at.invalid(errors, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        at.invalid(errors, "", "may not have more than one field specified at a time");
    }
}

/// Splits `metadata.labels['x']` into path and key.
fn split_subscript(path: &str) -> Option<(&str, &str)> {
    let (path, key) = path.strip_suffix("']")?.split_once("['")?;
    (!path.is_empty()).then_some((path, key))
}

/// A reference to a field of the pod.
pub(super) fn field_ref(at: &At, allowed: &[&str], errors: &mut FieldErrors) {
    let version = at.get("apiVersion");
    let field = at.get("fieldPath");
    if version.require(errors) || field.require(errors) {
        return;
    }
    let path = field.str();
    let subscript = split_subscript(path);
    let known = match subscript {
        Some((base, _)) => matches!(base, "metadata.annotations" | "metadata.labels"),
        None => POD_FIELDS.contains(&path) || path == "spec.host",
    };
    let complaint = if version.str() != "v1" {
        Some(format!("unsupported pod version: {}", version.str()))
    } else if known {
        None
    } else if subscript.is_some() {
        Some(format!("field label does not support subscript: {path}"))
    } else {
        Some(format!("field label not supported: {path}"))
    };
    if let Some(complaint) = complaint {
        field.invalid(errors, path, format!("error converting fieldPath: {complaint}"));
        return;
    }
    match subscript {
        Some(("metadata.annotations", key)) => at.check_text(errors, &key.to_lowercase(), qualified_name),
        Some((_, key)) => at.check_text(errors, key, qualified_name),
        None => {
            let path = if path == "spec.host" { "spec.nodeName" } else { path };
            if !allowed.contains(&path) {
                field.unsupported_value(errors, path, allowed);
            }
        }
    }
}

/// A reference to a resource of a container; volumes must name the container.
pub(super) fn resource_ref(at: &At, in_volume: bool, errors: &mut FieldErrors) {
    let resource = at.get("resource");
    let name = resource.str();
    let huge = name.starts_with("limits.hugepages-") || name.starts_with("requests.hugepages-");
    if in_volume && at.get("containerName").is_empty() {
        at.get("containerName").required(errors, "");
    } else if !resource.require(errors) && !RESOURCE_FIELDS.contains(&name) && !huge {
        resource.unsupported(errors, RESOURCE_FIELDS);
    }
    let divisor = at.get("divisor");
    let text = divisor.str();
    if Amount::of(text) == Amount::default() {
        return;
    }
    let is_one_of = |list: &[&str]| list.iter().any(|other| amount::equal(text, other));
    let sizes = format!("only divisor's values {} are supported with the", SIZES.join(", "));
    match name {
        "limits.cpu" | "requests.cpu" if !is_one_of(&["1m", "1"]) => {
            divisor.invalid(errors, name, "only divisor's values 1m and 1 are supported with the cpu resource");
        }
        "limits.memory" | "requests.memory" if !is_one_of(SIZES) => {
            divisor.invalid(errors, name, format!("{sizes} memory resource"));
        }
        "limits.ephemeral-storage" | "requests.ephemeral-storage" if !is_one_of(SIZES) => {
            divisor.invalid(errors, name, format!("{sizes} local ephemeral storage resource"));
        }
        _ if huge && !is_one_of(SIZES) => divisor.invalid(errors, name, format!("{sizes} hugepages resource")),
        _ => {}
    }
}

/// Sources of many variables.
pub(super) fn variables_from(at: &At, errors: &mut FieldErrors) {
    for source in at.items() {
        source.get("prefix").check_set(errors, env_name);
        let mut sources = 0;
        for name in ["configMapRef", "secretRef"] {
            let reference = source.get(name);
            if reference.has() {
                sources += 1;
                let name = reference.get("name");
                if !name.require(errors) {
                    check_prefix(&name, errors);
                }
            }
        }
        if sources == 0 {
            at.invalid(errors, "", "must specify one of: `configMapRef` or `secretRef`");
        } else if sources > 1 {
            at.invalid(errors, "", "may not have more than one field specified at a time");
        }
    }
}

/// A subdomain that may end in a dash.
fn check_prefix(at: &At, errors: &mut FieldErrors) {
    let name = at.str();
    let masked = match name.strip_suffix('-') {
        Some(head) if !head.is_empty() => {
            let cut = head.char_indices().next_back().map_or(0, |(index, _)| index);
            format!("{}a", &head[..cut])
        }
        _ => name.to_owned(),
    };
    for message in dns_subdomain(&masked) {
        at.invalid(errors, name, message);
    }
}

/// Files that variables come from must lie in an `emptyDir` of the pod.
pub(super) fn file_volumes(spec: &At, containers: &At, errors: &mut FieldErrors) {
    for container in containers.items() {
        for variable in container.get("env").items() {
            let from = variable.get("valueFrom");
            let file = from.get("fileKeyRef");
            if !file.has() {
                continue;
            }
            let name = file.get("volumeName");
            let volumes = spec.get("volumes");
            let found = volumes.items().filter(|volume| volume.get("name").str() == name.str()).last();
            match found.map(|volume| volume.get("emptyDir").has()) {
                None => name.not_found(errors, name.str()),
                Some(false) => name.invalid(errors, name.str(), "referenced volume must be of type emptyDir"),
                Some(true) => {}
            }
        }
    }
}
