//! Cells of autoscalers, leases, classes and devices.

use super::age::age;
use super::column::{AGE, NAME, boolean, integer, text as column};
use super::fields::{at, flag, int, is_set, list, quantity, shortened, text};
use super::{Printer, name_and_age};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) const PRINTERS: &[Printer] = &[
    Printer {
        group: "autoscaling",
        resource: "horizontalpodautoscalers",
        kind: "HorizontalPodAutoscaler",
        columns: &[
            NAME,
            column("Reference", "What is scaled."),
            column("Targets", "Current and wanted value of each metric."),
            column("MinPods", "Fewest replicas."),
            column("MaxPods", "Most replicas."),
            column("Replicas", "How many replicas there are."),
            AGE,
        ],
        cells: autoscaler,
    },
    Printer {
        group: "coordination.k8s.io",
        resource: "leases",
        kind: "Lease",
        columns: &[NAME, column("Holder", "Who holds the lease."), AGE],
        cells: |object, now| vec![name(object), json!(text(object, "spec.holderIdentity")), age(object, now)],
    },
    Printer {
        group: "node.k8s.io",
        resource: "runtimeclasses",
        kind: "RuntimeClass",
        columns: &[NAME, column("Handler", "Configuration of the container runtime."), AGE],
        cells: |object, now| vec![name(object), json!(text(object, "handler")), age(object, now)],
    },
    Printer {
        group: "scheduling.k8s.io",
        resource: "priorityclasses",
        kind: "PriorityClass",
        columns: &[
            NAME,
            integer("Value", "Priority of pods of this class."),
            boolean("Global-Default", "Whether pods without a class get this one."),
            AGE,
            column("PreemptionPolicy", "Whether pods of this class push out others."),
        ],
        cells: |object, now| {
            let default = json!(flag(object, "globalDefault"));
            let policy = json!(text(object, "preemptionPolicy"));
            vec![name(object), json!(int(object, "value")), default, age(object, now), policy]
        },
    },
    Printer {
        group: "resource.k8s.io",
        resource: "deviceclasses",
        kind: "DeviceClass",
        columns: &[NAME, AGE],
        cells: name_and_age,
    },
    Printer {
        group: "resource.k8s.io",
        resource: "resourceclaims",
        kind: "ResourceClaim",
        columns: &[NAME, column("State", "What became of the claim."), AGE],
        cells: |object, now| vec![name(object), json!(claim_state(object)), age(object, now)],
    },
    Printer {
        group: "resource.k8s.io",
        resource: "resourceclaimtemplates",
        kind: "ResourceClaimTemplate",
        columns: &[NAME, AGE],
        cells: name_and_age,
    },
    Printer {
        group: "resource.k8s.io",
        resource: "resourceslices",
        kind: "ResourceSlice",
        columns: &[
            NAME,
            column("Node", "Node that the devices are on."),
            column("Driver", "Driver of the devices."),
            column("Pool", "Pool that the slice is part of."),
            AGE,
        ],
        cells: |object, now| {
            let field = |path| json!(text(object, path));
            vec![name(object), field("spec.nodeName"), field("spec.driver"), field("spec.pool.name"), age(object, now)]
        },
    },
];

fn name(object: &Value) -> Value {
    json!(text(object, "metadata.name"))
}

fn claim_state(object: &Value) -> String {
    let deleted = is_set(object, "metadata.deletionTimestamp");
    let allocated = is_set(object, "status.allocation");
    let mut states = Vec::new();
    if deleted {
        states.push("deleted");
    }
    if allocated {
        states.push("allocated");
    } else if !deleted {
        states.push("pending");
    }
    if allocated && !list(object, "status.reservedFor").is_empty() {
        states.push("reserved");
    }
    states.join(",")
}

fn autoscaler(object: &Value, now: Timestamp) -> Vec<Value> {
    let converted;
    let object = if text(object, "apiVersion") == "autoscaling/v1" {
        converted = crate::convert::autoscaling::v1_to_v2(object.clone());
        &converted
    } else {
        object
    };
    let target = at(object, "spec.scaleTargetRef");
    let min = match at(object, "spec.minReplicas").as_i64() {
        Some(min) => min.to_string(),
        None => "<unset>".to_owned(),
    };
    vec![
        name(object),
        json!(format!("{}/{}", text(target, "kind"), text(target, "name"))),
        json!(metrics(list(object, "spec.metrics"), list(object, "status.currentMetrics"))),
        json!(min),
        json!(int(object, "spec.maxReplicas")),
        json!(int(object, "status.currentReplicas")),
        age(object, now),
    ]
}

fn metrics(specs: &[Value], statuses: &[Value]) -> String {
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let shown: Vec<String> = specs
        .iter()
        .enumerate()
        .map(|(index, spec)| metric(spec, statuses.get(index).unwrap_or(&Value::Null)))
        .collect();
    shortened(&shown, shown.len(), 2, ", ")
}

/// Shows one metric as `current/wanted`.
fn metric(spec: &Value, status: &Value) -> String {
    const UNKNOWN: &str = "<unknown>";
    let source = match text(spec, "type") {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let (spec, status) = (at(spec, source), at(status, source));
    let (target, current) = (at(spec, "target"), at(status, "current"));
    let value = |from, field| quantity(at(from, field), "<nil>").into_owned();
    let known = |field| if status.is_null() { UNKNOWN.to_owned() } else { value(current, field) };
    let average = is_set(target, "averageValue");
    match source {
        "pods" => format!("{}/{}", known("averageValue"), value(target, "averageValue")),
        "external" | "object" if average => {
            let current = quantity(at(current, "averageValue"), UNKNOWN);
            format!("{current}/{} (avg)", value(target, "averageValue"))
        }
        "external" | "object" => format!("{}/{}", known("value"), value(target, "value")),
        _ if average => format!("{}: {}/{}", text(spec, "name"), known("averageValue"), value(target, "averageValue")),
        _ => {
            let percent = |from, otherwise: &str| match at(from, "averageUtilization").as_i64() {
                Some(percent) => format!("{percent}%"),
                None => otherwise.to_owned(),
            };
            format!("{}: {}/{}", text(spec, "name"), percent(current, UNKNOWN), percent(target, "<auto>"))
        }
    }
}
