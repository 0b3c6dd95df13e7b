//! Cells of namespaces, nodes, events and the kinds that hold data.

use super::Printer;
use super::age::{age, since};
use super::column::{AGE, Column, NAME, text as column, wide};
use super::fields::{at, count, flag, int, list, quantity, text, text_or};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const EVENT_COLUMNS: &[Column] = &[
    column("Last Seen", "Time since the event last happened."),
    column("Type", "Normal or Warning."),
    column("Reason", "Why it happened, for programs."),
    column("Object", "What the event is about."),
    wide("Subobject", "Part of the object that the event is about."),
    wide("Source", "Who reported the event."),
    column("Message", "What happened, for people."),
    wide("First Seen", "Time since the event first happened."),
    wide("Count", "How often the event happened."),
    Column { priority: 1, ..NAME },
];

pub(super) const PRINTERS: &[Printer] = &[
    Printer {
        group: "",
        resource: "namespaces",
        kind: "Namespace",
        columns: &[NAME, column("Status", "Whether the namespace is in use or going away."), AGE],
        cells: |object, now| vec![name(object), json!(text(object, "status.phase")), age(object, now)],
    },
    Printer {
        group: "",
        resource: "nodes",
        kind: "Node",
        columns: &[
            NAME,
            column("Status", "Whether the node is ready and takes pods."),
            column("Roles", "Roles that the node's labels name."),
            AGE,
            column("Version", "Version of the kubelet."),
            wide("Internal-IP", "Address inside the cluster."),
            wide("External-IP", "Address outside the cluster."),
            wide("OS-Image", "Operating system."),
            wide("Kernel-Version", "Version of the kernel."),
            wide("Container-Runtime", "Name and version of the container runtime."),
        ],
        cells: node,
    },
    Printer {
        group: "",
        resource: "configmaps",
        kind: "ConfigMap",
        columns: &[NAME, column("Data", "How many entries there are."), AGE],
        cells: |object, now| {
            vec![name(object), json!(count(object, "data") + count(object, "binaryData")), age(object, now)]
        },
    },
    Printer {
        group: "",
        resource: "secrets",
        kind: "Secret",
        columns: &[
            NAME,
            column("Type", "What the secret is used for."),
            column("Data", "How many entries there are."),
            AGE,
        ],
        cells: |object, now| {
            vec![name(object), json!(text(object, "type")), json!(count(object, "data")), age(object, now)]
        },
    },
    Printer {
        group: "",
        resource: "serviceaccounts",
        kind: "ServiceAccount",
        columns: &[NAME, AGE],
        cells: super::name_and_age,
    },
    Printer {
        group: "",
        resource: "resourcequotas",
        kind: "ResourceQuota",
        columns: &[
            NAME,
            column("Request", "What is used of what may be requested."),
            column("Limit", "What is used of what limits may add up to."),
            AGE,
        ],
        cells: resource_quota,
    },
    Printer { group: "", resource: "events", kind: "Event", columns: EVENT_COLUMNS, cells: event },
    Printer { group: "events.k8s.io", resource: "events", kind: "Event", columns: EVENT_COLUMNS, cells: new_event },
    Printer {
        group: "",
        resource: "componentstatuses",
        kind: "ComponentStatus",
        columns: &[
            NAME,
            column("Status", "Whether the component is healthy."),
            column("Message", "What the component says of itself."),
            column("Error", "Why the component could not be asked."),
        ],
        cells: component_status,
    },
];

fn name(object: &Value) -> Value {
    json!(text(object, "metadata.name"))
}

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let info = at(object, "status.nodeInfo");
    let known = |field| json!(text_or(info, field, "<unknown>"));
    vec![
        name(object),
        json!(node_status(object)),
        json!(node_roles(object)),
        age(object, now),
        json!(text(info, "kubeletVersion")),
        json!(node_address(object, "InternalIP")),
        json!(node_address(object, "ExternalIP")),
        known("osImage"),
        known("kernelVersion"),
        known("containerRuntimeVersion"),
    ]
}

fn node_status(object: &Value) -> String {
    // The last condition of a type counts.
    let ready = list(object, "status.conditions").iter().rfind(|condition| text(condition, "type") == "Ready");
    let ready = match ready.map(|condition| text(condition, "status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    if flag(object, "spec.unschedulable") { format!("{ready},SchedulingDisabled") } else { ready.to_owned() }
}

fn node_roles(object: &Value) -> String {
    let mut roles = BTreeSet::new();
    for (label, value) in at(object, "metadata.labels").as_object().into_iter().flatten() {
        let role = match label.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => role,
            None if label == "kubernetes.io/role" => value.as_str().unwrap_or_default(),
            None => "",
        };
        if !role.is_empty() {
            roles.insert(role);
        }
    }
    if roles.is_empty() { "<none>".to_owned() } else { roles.into_iter().collect::<Vec<_>>().join(",") }
}

fn node_address<'a>(object: &'a Value, kind: &str) -> &'a str {
    let address = list(object, "status.addresses").iter().find(|address| text(address, "type") == kind);
    address.map_or("<none>", |address| text(address, "address"))
}

fn resource_quota(object: &Value, now: Timestamp) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let used = at(object, "status.used");
    for (resource, hard) in at(object, "status.hard").as_object().into_iter().flatten() {
        let used = quantity(used.get(resource).unwrap_or(&Value::Null), "0");
        let text = format!("{resource}: {used}/{}", quantity(hard, "0"));
        if resource.starts_with("limits.") { &mut limits } else { &mut requests }.push(text);
    }
    vec![name(object), json!(requests.join(", ")), json!(limits.join(", ")), age(object, now)]
}

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let first = match at(object, "firstTimestamp") {
        Value::Null => since(at(object, "eventTime"), now),
        first => since(first, now),
    };
    let series = at(object, "series");
    let (last, count) = if series.is_null() {
        let last = match at(object, "lastTimestamp") {
            Value::Null => first.clone(),
            last => since(last, now),
        };
        (last, int(object, "count").max(1))
    } else {
        (since(at(series, "lastObservedTime"), now), int(series, "count"))
    };
    let involved = at(object, "involvedObject");
    let kind = text(involved, "kind").to_lowercase();
    let target = match text(involved, "name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    vec![
        json!(last),
        json!(text(object, "type")),
        json!(text(object, "reason")),
        json!(target),
        json!(text(involved, "fieldPath")),
        json!(event_source(object)),
        json!(text(object, "message").trim()),
        json!(first),
        json!(count),
        name(object),
    ]
}

fn event_source(object: &Value) -> String {
    let component = text_or(object, "source.component", text(object, "reportingComponent"));
    match text_or(object, "source.host", text(object, "reportingInstance")) {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    }
}

/// Prints an `events.k8s.io` event as the core event that is stored for it.
fn new_event(object: &Value, now: Timestamp) -> Vec<Value> {
    event(&crate::convert::events::to_core(object.clone()), now)
}

fn component_status(object: &Value, _: Timestamp) -> Vec<Value> {
    let healthy = list(object, "conditions").iter().find(|condition| text(condition, "type") == "Healthy");
    let (status, message, error) = match healthy {
        Some(condition) if text(condition, "status") == "True" => {
            ("Healthy", text(condition, "message"), text(condition, "error"))
        }
        Some(condition) => ("Unhealthy", text(condition, "message"), text(condition, "error")),
        None => ("Unknown", "", ""),
    };
    vec![name(object), json!(status), json!(message), json!(error)]
}
