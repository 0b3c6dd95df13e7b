//! Fields that field selectors may name, for each built-in resource.

use super::at::At;
use serde_json::Value;

const NAMESPACED: &[&str] = &["metadata.name", "metadata.namespace"];
const PODS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
];
const CORE_EVENTS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];
const EVENTS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "regarding.apiVersion",
    "regarding.resourceVersion",
    "regarding.fieldPath",
    "reason",
    "reportingController",
    "type",
];

/// Resources with a list of their own: those whose selectors do not take the default two names.
const OWN: &[(&str, &str, &[&str])] = &[
    ("", "pods", PODS),
    ("", "nodes", &["metadata.name", "spec.unschedulable"]),
    ("", "replicationcontrollers", &["metadata.name", "metadata.namespace", "status.replicas"]),
    ("", "events", CORE_EVENTS),
    ("", "namespaces", &["metadata.name", "status.phase"]),
    ("", "secrets", &["metadata.name", "metadata.namespace", "type"]),
    ("", "services", &["metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type"]),
    ("batch", "jobs", &["metadata.name", "metadata.namespace", "status.successful"]),
    ("certificates.k8s.io", "certificatesigningrequests", &["metadata.name", "spec.signerName"]),
    ("certificates.k8s.io", "clustertrustbundles", &["metadata.name", "spec.signerName"]),
    ("events.k8s.io", "events", EVENTS),
    ("resource.k8s.io", "resourceslices", &["metadata.name", "spec.nodeName", "spec.driver"]),
];

fn own(group: &str, resource: &str) -> Option<&'static [&'static str]> {
    OWN.iter().find(|(own_group, own_resource, _)| *own_group == group && *own_resource == resource).map(|row| row.2)
}

/// Returns the fields that selectors may name.
#[must_use]
pub fn selectable(group: &str, resource: &str) -> &'static [&'static str] {
    own(group, resource).unwrap_or(NAMESPACED)
}

/// Returns the canonical name of a field that a selector names.
///
/// # Errors
/// When the resource has no such field; the text is what clients see.
pub fn canonical<'l>(group: &str, resource: &str, version: &str, label: &'l str) -> Result<&'l str, String> {
    let Some(fields) = own(group, resource) else {
        if NAMESPACED.contains(&label) {
            return Ok(label);
        }
        let label = crate::field_error::go_quote(label);
        return Err(format!("{label} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""));
    };
    if fields.contains(&label) {
        return Ok(label);
    }
    Err(match (group, resource) {
        ("", "pods") if label == "spec.host" => return Ok("spec.nodeName"),
        ("batch", "jobs") => format!("field label {} not supported for Job", crate::field_error::go_quote(label)),
        ("resource.k8s.io", "resourceslices") => {
            format!("field label not supported for resource.k8s.io/{version}, Kind=ResourceSlice: {label}")
        }
        _ => format!("field label not supported: {label}"),
    })
}

/// Returns the value of a field as selectors compare it, or `None` when the resource has no such field.
#[must_use]
pub fn field_value(group: &str, resource: &str, object: &Value, field: &str) -> Option<String> {
    if !selectable(group, resource).contains(&field) {
        return None;
    }
    let root = At::root(object);
    let (section, name) = field.split_once('.').unwrap_or(("", field));
    let section_at = root.get(section);
    let plain = || if section.is_empty() { root.get(name).str() } else { section_at.get(name).str() };
    Some(match (resource, field) {
        ("pods", "spec.hostNetwork") | ("nodes", "spec.unschedulable") => section_at.get(name).flag().to_string(),
        ("pods", "status.podIP") => {
            let first = section_at.get("podIPs").item(0).get("ip").str();
            (if first.is_empty() { section_at.get("podIP").str() } else { first }).to_owned()
        }
        ("pods", "status.podIPs") => String::new(),
        ("replicationcontrollers", "status.replicas") => section_at.get("replicas").int().to_string(),
        ("jobs", "status.successful") => section_at.get("succeeded").int().to_string(),
        ("events", "source") => {
            let component = root.get("source").get("component").str();
            let component =
                if component.is_empty() { root.get("deprecatedSource").get("component").str() } else { component };
            (if component.is_empty() { reporter(&root) } else { component }).to_owned()
        }
        ("events", "reportingComponent" | "reportingController") => reporter(&root).to_owned(),
        ("events", _) if matches!(section, "involvedObject" | "regarding") => {
            let about = root.get("involvedObject");
            (if about.has() { about.get(name).str() } else { root.get("regarding").get(name).str() }).to_owned()
        }
        _ => plain().to_owned(),
    })
}

fn reporter<'v>(root: &At<'_, 'v>) -> &'v str {
    let component = root.get("reportingComponent").str();
    if component.is_empty() { root.get("reportingController").str() } else { component }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_see_what_upstream_shows_them() {
        let pod =
            json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n"}, "status": {"podIPs": [{"ip": "1.2.3.4"}]}});
        let job = json!({"status": {"succeeded": 2}});
        let event = json!({"involvedObject": {"name": "x"}, "reportingComponent": "k"});
        let table = [
            ("", "pods", &pod, "spec.nodeName", Some("n")),
            ("", "pods", &pod, "spec.hostNetwork", Some("false")),
            ("", "pods", &pod, "status.podIP", Some("1.2.3.4")),
            ("", "pods", &pod, "status.phase", Some("")),
            ("", "pods", &pod, "spec.x", None),
            ("batch", "jobs", &job, "status.successful", Some("2")),
            ("", "events", &event, "source", Some("k")),
            ("", "events", &event, "involvedObject.name", Some("x")),
            ("events.k8s.io", "events", &event, "regarding.name", Some("x")),
        ];
        for (group, resource, object, field, value) in table {
            assert_eq!(field_value(group, resource, object, field).as_deref(), value, "{resource} {field}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_in_upstream_words() {
        assert_eq!(canonical("", "pods", "v1", "spec.host"), Ok("spec.nodeName"));
        assert_eq!(canonical("", "pods", "v1", "a.b"), Err("field label not supported: a.b".to_owned()));
        assert_eq!(
            canonical("apps", "replicasets", "v1", "status.replicas"),
            Err("\"status.replicas\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                .to_owned())
        );
    }
}
