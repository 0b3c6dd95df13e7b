//! APIServices.

use crate::builtin::at::At;
use crate::builtin::formats::{dns_subdomain, dns1035_label, path_segment, port_number};
use crate::field_error::{FieldErrors, go_quote};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const GROUP_PRIORITY_MAX: i64 = 20_000;
const VERSION_PRIORITY_MAX: i64 = 1_000;

/// An APIService, new or changed.
pub(super) fn service(root: &At, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let (group, version) = (spec.get("group"), spec.get("version"));
    name(root, &format!("{}.{}", version.str(), group.str()), errors);
    if group.str().is_empty() && version.str() != "v1" {
        group.required(errors, "only v1 may have an empty group and it better be legacy kube");
    }
    group.check_set(errors, dns_subdomain);
    version.check(errors, dns1035_label);
    priority(&spec.get("groupPriorityMinimum"), GROUP_PRIORITY_MAX, errors);
    priority(&spec.get("versionPriority"), VERSION_PRIORITY_MAX, errors);
    let (service, insecure) = (spec.get("service"), spec.get("insecureSkipTLSVerify"));
    let bundle = STANDARD.decode(spec.get("caBundle").str()).map_or(0, |bytes| bytes.len());
    if !service.has() {
        if bundle > 0 {
            let shown = format!("{bundle} bytes");
            spec.get("caBundle").invalid(errors, shown, "local APIServices may not have a caBundle");
        }
        if insecure.flag() {
            insecure.invalid(errors, true, "local APIServices may not have insecureSkipTLSVerify");
        }
        return;
    }
    service.get("namespace").require(errors);
    service.get("name").require(errors);
    let port = service.get("port");
    let complaints = port_number(port.int());
    if !complaints.is_empty() {
        port.invalid(errors, port.int(), format!("port is not valid: {}", complaints.join(", ")));
    }
    if insecure.flag() && bundle > 0 {
        insecure.invalid(errors, true, "may not be true if caBundle is present");
    }
}

/// The name tells what is served; a prefix of a name can't.
fn name(root: &At, wanted: &str, errors: &mut FieldErrors) {
    let metadata = root.get("metadata");
    for field in ["generateName", "name"] {
        let name = metadata.get(field);
        // What is no path segment has been complained about already.
        if !name.str().is_empty() && path_segment(name.str()).is_empty() && name.str() != wanted {
            let why = format!("must be `spec.version+\".\"+spec.group`: {}", go_quote(wanted));
            name.invalid(errors, name.str(), why);
        }
    }
}

fn priority(at: &At, max: i64, errors: &mut FieldErrors) {
    if !(1..=max).contains(&at.int()) {
        at.invalid(errors, at.int(), format!("must be positive and less than {max}"));
    }
}

/// A write through `/status`.
pub(super) fn status_update(new: &At, errors: &mut FieldErrors) {
    for condition in new.get("status").get("conditions").items() {
        condition.get("status").one_of(errors, &["False", "True", "Unknown"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn complaints(name: &str, spec: Value) -> Vec<String> {
        let mut errors = FieldErrors::new();
        service(&At::root(&json!({"metadata": {"name": name}, "spec": spec})), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_api_service_is_named_after_what_it_serves() {
        let spec = json!({"group": "a.b", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1});
        assert!(complaints("v1.a.b", spec.clone()).is_empty());
        let why = "metadata.name: Invalid value: \"x\": must be `spec.version+\".\"+spec.group`: \"v1.a.b\"";
        assert_eq!(complaints("x", spec), [why]);
    }

    #[test]
    fn a_local_api_service_trusts_nobody() {
        let spec = json!({"version": "v1", "groupPriorityMinimum": 20_001, "versionPriority": 0,
            "caBundle": "YQ==", "insecureSkipTLSVerify": true});
        assert_eq!(
            complaints("v1.", spec),
            [
                "spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000",
                "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
                "spec.caBundle: Invalid value: \"1 bytes\": local APIServices may not have a caBundle",
                "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
            ]
        );
    }

    #[test]
    fn a_remote_api_service_names_its_service() {
        let spec = json!({"group": "a.b", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1,
            "caBundle": "YQ==", "insecureSkipTLSVerify": true, "service": {"port": 0}});
        assert_eq!(
            complaints("v1.a.b", spec),
            [
                "spec.service.namespace: Required value",
                "spec.service.name: Required value",
                "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
                "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
            ]
        );
    }
}
