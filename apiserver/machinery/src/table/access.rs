//! Cells of kinds that govern the API: bindings, certificates, admission, flow control, aggregation.

use super::Printer;
use super::age::{age, human};
use super::column::{AGE, Column, NAME, integer, text as column, wide};
use super::fields::{at, condition, count, int, is_set, list, text, text_or};
use super::labels::go_string;
use jiff::Timestamp;
use serde_json::{Value, json};

const BINDING_COLUMNS: &[Column] = &[
    NAME,
    column("Role", "Role that is granted."),
    AGE,
    wide("Users", "Users that it is granted to."),
    wide("Groups", "Groups that it is granted to."),
    wide("ServiceAccounts", "Service accounts that it is granted to."),
];
const WEBHOOK_COLUMNS: &[Column] = &[NAME, integer("Webhooks", "How many webhooks are registered."), AGE];

pub(super) const PRINTERS: &[Printer] = &[
    Printer {
        group: "rbac.authorization.k8s.io",
        resource: "rolebindings",
        kind: "RoleBinding",
        columns: BINDING_COLUMNS,
        cells: binding,
    },
    Printer {
        group: "rbac.authorization.k8s.io",
        resource: "clusterrolebindings",
        kind: "ClusterRoleBinding",
        columns: BINDING_COLUMNS,
        cells: binding,
    },
    Printer {
        group: "certificates.k8s.io",
        resource: "certificatesigningrequests",
        kind: "CertificateSigningRequest",
        columns: &[
            NAME,
            AGE,
            column("SignerName", "Signer that is asked."),
            column("Requestor", "User who asks."),
            column("RequestedDuration", "How long the certificate should be valid."),
            column("Condition", "What became of the request."),
        ],
        cells: signing_request,
    },
    Printer {
        group: "admissionregistration.k8s.io",
        resource: "mutatingwebhookconfigurations",
        kind: "MutatingWebhookConfiguration",
        columns: WEBHOOK_COLUMNS,
        cells: webhooks,
    },
    Printer {
        group: "admissionregistration.k8s.io",
        resource: "validatingwebhookconfigurations",
        kind: "ValidatingWebhookConfiguration",
        columns: WEBHOOK_COLUMNS,
        cells: webhooks,
    },
    Printer {
        group: "admissionregistration.k8s.io",
        resource: "validatingadmissionpolicies",
        kind: "ValidatingAdmissionPolicy",
        columns: &[
            NAME,
            integer("Validations", "How many rules there are."),
            column("ParamKind", "Kind of the policy's parameters."),
            AGE,
        ],
        cells: policy,
    },
    Printer {
        group: "admissionregistration.k8s.io",
        resource: "validatingadmissionpolicybindings",
        kind: "ValidatingAdmissionPolicyBinding",
        columns: &[
            NAME,
            column("PolicyName", "Policy that is bound."),
            column("ParamRef", "Objects with the policy's parameters."),
            AGE,
        ],
        cells: policy_binding,
    },
    Printer {
        group: "flowcontrol.apiserver.k8s.io",
        resource: "flowschemas",
        kind: "FlowSchema",
        columns: &[
            NAME,
            column("PriorityLevel", "Priority level of matching requests."),
            column("MatchingPrecedence", "Order in which schemas are tried; lower comes first."),
            column("DistinguisherMethod", "What tells flows apart."),
            AGE,
            column("MissingPL", "Whether the priority level does not exist."),
        ],
        cells: flow_schema,
    },
    Printer {
        group: "flowcontrol.apiserver.k8s.io",
        resource: "prioritylevelconfigurations",
        kind: "PriorityLevelConfiguration",
        columns: &[
            NAME,
            column("Type", "Exempt or Limited."),
            column("NominalConcurrencyShares", "Share of the server's concurrency."),
            column("Queues", "How many queues there are."),
            column("HandSize", "How many queues a flow is dealt."),
            column("QueueLengthLimit", "How many requests may wait in one queue."),
            AGE,
        ],
        cells: priority_level,
    },
    Printer {
        group: "apiregistration.k8s.io",
        resource: "apiservices",
        kind: "APIService",
        columns: &[
            NAME,
            column("Service", "Service that serves the API, or Local."),
            column("Available", "Whether the API is served."),
            AGE,
        ],
        cells: api_service,
    },
];

fn name(object: &Value) -> Value {
    json!(text(object, "metadata.name"))
}

fn binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let subjects = |kind: &str, show: fn(&Value) -> String| {
        let named = list(object, "subjects").iter().filter(|subject| text(subject, "kind") == kind);
        json!(named.map(show).collect::<Vec<_>>().join(", "))
    };
    let bare = |subject: &Value| text(subject, "name").to_owned();
    let qualified = |subject: &Value| format!("{}/{}", text(subject, "namespace"), text(subject, "name"));
    vec![
        name(object),
        json!(format!("{}/{}", text(object, "roleRef.kind"), text(object, "roleRef.name"))),
        age(object, now),
        subjects("User", bare),
        subjects("Group", bare),
        subjects("ServiceAccount", qualified),
    ]
}

fn signing_request(object: &Value, now: Timestamp) -> Vec<Value> {
    let duration = match at(object, "spec.expirationSeconds").as_i64() {
        Some(seconds) => human(i128::from(seconds) * 1_000_000_000),
        None => "<none>".to_owned(),
    };
    let conditions = list(object, "status.conditions");
    let has = |kind| condition(conditions, kind).is_some();
    let mut status = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }
    .to_owned();
    if has("Failed") {
        status.push_str(",Failed");
    }
    if !text(object, "status.certificate").is_empty() {
        status.push_str(",Issued");
    }
    vec![
        name(object),
        age(object, now),
        json!(text_or(object, "spec.signerName", "<none>")),
        json!(text(object, "spec.username")),
        json!(duration),
        json!(status),
    ]
}

fn webhooks(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(count(object, "webhooks")), age(object, now)]
}

fn policy(object: &Value, now: Timestamp) -> Vec<Value> {
    let kind = match at(object, "spec.paramKind") {
        Value::Null => "<unset>".to_owned(),
        kind => format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind")),
    };
    vec![name(object), json!(count(object, "spec.validations")), json!(kind), age(object, now)]
}

fn policy_binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let reference = at(object, "spec.paramRef");
    let shown = match (text(reference, "name"), text(reference, "namespace")) {
        ("", _) if is_set(reference, "selector") => go_string(at(reference, "selector")),
        ("", _) => "<unset>".to_owned(),
        (name, "") => format!("*/{name}"),
        (name, namespace) => format!("{namespace}/{name}"),
    };
    vec![name(object), json!(text(object, "spec.policyName")), json!(shown), age(object, now)]
}

fn flow_schema(object: &Value, now: Timestamp) -> Vec<Value> {
    let method = at(object, "spec.distinguisherMethod");
    vec![
        name(object),
        json!(text(object, "spec.priorityLevelConfiguration.name")),
        json!(int(object, "spec.matchingPrecedence")),
        json!(if method.is_null() { "<none>" } else { text(method, "type") }),
        age(object, now),
        json!(condition(list(object, "status.conditions"), "Dangling").unwrap_or("?")),
    ]
}

fn priority_level(object: &Value, now: Timestamp) -> Vec<Value> {
    let number = |path| match at(object, path).as_i64() {
        Some(number) => json!(number),
        None => json!("<none>"),
    };
    vec![
        name(object),
        json!(text(object, "spec.type")),
        number("spec.limited.nominalConcurrencyShares"),
        number("spec.limited.limitResponse.queuing.queues"),
        number("spec.limited.limitResponse.queuing.handSize"),
        number("spec.limited.limitResponse.queuing.queueLengthLimit"),
        age(object, now),
    ]
}

fn api_service(object: &Value, now: Timestamp) -> Vec<Value> {
    let service = match at(object, "spec.service") {
        Value::Null => "Local".to_owned(),
        service => format!("{}/{}", text(service, "namespace"), text(service, "name")),
    };
    let available = list(object, "status.conditions").iter().find(|condition| text(condition, "type") == "Available");
    let available = match available.map(|condition| (text(condition, "status"), text(condition, "reason"))) {
        None => "Unknown".to_owned(),
        Some((status @ "True", _) | (status, "")) => status.to_owned(),
        Some((status, reason)) => format!("{status} ({reason})"),
    };
    vec![name(object), json!(service), json!(available), age(object, now)]
}
