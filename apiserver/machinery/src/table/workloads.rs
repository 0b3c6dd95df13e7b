//! Cells of workloads: what was asked for beside what there is.

use super::Printer;
use super::age::{age, duration_between, since, timestamp};
use super::column::{AGE, CONTAINERS, Column, IMAGES, NAME, SELECTOR, boolean, integer, text as column};
use super::fields::{at, condition, containers, count, flag, int, int_or_string, is_set, list, pointer_or, text};
use super::labels::{labels, requirements, selector};
use jiff::Timestamp;
use serde_json::{Value, json};

const DESIRED: Column = integer("Desired", "How many pods are asked for.");
const CURRENT: Column = integer("Current", "How many pods there are.");
const READY: Column = integer("Ready", "How many pods are ready.");
const READY_OF: Column = column("Ready", "How many of the pods are ready.");

pub(super) const PRINTERS: &[Printer] = &[
    Printer {
        group: "",
        resource: "podtemplates",
        kind: "PodTemplate",
        columns: &[
            NAME,
            column("Containers", "Names of the containers in the template."),
            column("Images", "Images of the containers in the template."),
            column("Pod Labels", "Labels of the template."),
        ],
        cells: pod_template,
    },
    Printer {
        group: "",
        resource: "replicationcontrollers",
        kind: "ReplicationController",
        columns: &[NAME, DESIRED, CURRENT, READY, AGE, CONTAINERS, IMAGES, SELECTOR],
        cells: replication_controller,
    },
    Printer {
        group: "apps",
        resource: "replicasets",
        kind: "ReplicaSet",
        columns: &[NAME, DESIRED, CURRENT, READY, AGE, CONTAINERS, IMAGES, SELECTOR],
        cells: replica_set,
    },
    Printer {
        group: "apps",
        resource: "deployments",
        kind: "Deployment",
        columns: &[
            NAME,
            READY_OF,
            column("Up-to-date", "How many pods have the current template."),
            column("Available", "How many pods have been ready for long enough."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        cells: deployment,
    },
    Printer {
        group: "apps",
        resource: "statefulsets",
        kind: "StatefulSet",
        columns: &[NAME, READY_OF, AGE, CONTAINERS, IMAGES],
        cells: stateful_set,
    },
    Printer {
        group: "apps",
        resource: "daemonsets",
        kind: "DaemonSet",
        columns: &[
            NAME,
            integer("Desired", "How many nodes should run the pod."),
            integer("Current", "How many nodes that should run the pod do."),
            integer("Ready", "How many nodes have a ready pod."),
            integer("Up-to-date", "How many nodes run a pod with the current template."),
            integer("Available", "How many nodes have a pod that has been ready for long enough."),
            column("Node Selector", "Labels of the nodes that should run the pod."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        cells: daemon_set,
    },
    Printer {
        group: "apps",
        resource: "controllerrevisions",
        kind: "ControllerRevision",
        columns: &[
            NAME,
            column("Controller", "Owner that keeps this revision."),
            column("Revision", "Number of the revision."),
            AGE,
        ],
        cells: controller_revision,
    },
    Printer {
        group: "batch",
        resource: "jobs",
        kind: "Job",
        columns: &[
            NAME,
            column("Status", "What the job is doing."),
            column("Completions", "How many of the pods have succeeded."),
            column("Duration", "How long the job has run, or ran."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        cells: job,
    },
    Printer {
        group: "batch",
        resource: "cronjobs",
        kind: "CronJob",
        columns: &[
            NAME,
            column("Schedule", "When jobs are started, in Cron notation."),
            column("Timezone", "Time zone of the schedule."),
            boolean("Suspend", "Whether no more jobs are started."),
            integer("Active", "How many jobs are running."),
            column("Last Schedule", "Time since a job was last started."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        cells: cron_job,
    },
    Printer {
        group: "policy",
        resource: "poddisruptionbudgets",
        kind: "PodDisruptionBudget",
        columns: &[
            NAME,
            column("Min Available", "How many pods must stay available."),
            column("Max Unavailable", "How many pods may be unavailable."),
            integer("Allowed Disruptions", "How many pods may be evicted now."),
            AGE,
        ],
        cells: disruption_budget,
    },
    Printer {
        group: "autoscaling",
        resource: "scale",
        kind: "Scale",
        columns: &[
            column("Name", "Name of the object."),
            integer("Desired", "How many replicas are asked for."),
            integer("Available", "How many replicas there are."),
            AGE,
        ],
        cells: scale,
    },
];

fn name(object: &Value) -> Value {
    json!(text(object, "metadata.name"))
}

fn pod_template(object: &Value, _: Timestamp) -> Vec<Value> {
    let [names, images] = containers(at(object, "template.spec"));
    vec![name(object), names, images, json!(labels(at(object, "template.metadata.labels")))]
}

fn replicas(object: &Value, now: Timestamp, selector: String) -> Vec<Value> {
    let [names, images] = containers(at(object, "spec.template.spec"));
    vec![
        name(object),
        json!(int(object, "spec.replicas")),
        json!(int(object, "status.replicas")),
        json!(int(object, "status.readyReplicas")),
        age(object, now),
        names,
        images,
        json!(selector),
    ]
}

fn replication_controller(object: &Value, now: Timestamp) -> Vec<Value> {
    replicas(object, now, labels(at(object, "spec.selector")))
}

fn replica_set(object: &Value, now: Timestamp) -> Vec<Value> {
    replicas(object, now, selector(at(object, "spec.selector")))
}

fn ready_of(object: &Value) -> Value {
    json!(format!("{}/{}", int(object, "status.readyReplicas"), int(object, "spec.replicas")))
}

fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(at(object, "spec.template.spec"));
    let selector = requirements(at(object, "spec.selector")).unwrap_or_else(|| "<invalid>".to_owned());
    vec![
        name(object),
        ready_of(object),
        json!(int(object, "status.updatedReplicas")),
        json!(int(object, "status.availableReplicas")),
        age(object, now),
        names,
        images,
        json!(selector),
    ]
}

fn stateful_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(at(object, "spec.template.spec"));
    vec![name(object), ready_of(object), age(object, now), names, images]
}

fn daemon_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(at(object, "spec.template.spec"));
    let status = at(object, "status");
    vec![
        name(object),
        json!(int(status, "desiredNumberScheduled")),
        json!(int(status, "currentNumberScheduled")),
        json!(int(status, "numberReady")),
        json!(int(status, "updatedNumberScheduled")),
        json!(int(status, "numberAvailable")),
        json!(labels(at(object, "spec.template.spec.nodeSelector"))),
        age(object, now),
        names,
        images,
        json!(selector(at(object, "spec.selector"))),
    ]
}

fn controller_revision(object: &Value, now: Timestamp) -> Vec<Value> {
    let owner = list(object, "metadata.ownerReferences").iter().find(|owner| flag(owner, "controller"));
    let controller = owner.map_or_else(|| "<none>".to_owned(), owner_name);
    vec![name(object), json!(controller), json!(int(object, "revision")), age(object, now)]
}

/// Returns an owner as `kind.group/name`, in lower case but for the name.
fn owner_name(owner: &Value) -> String {
    let (kind, name) = (text(owner, "kind").to_lowercase(), text(owner, "name"));
    match text(owner, "apiVersion").split_once('/') {
        Some((group, _)) => format!("{kind}.{}/{name}", group.to_lowercase()),
        None => format!("{kind}/{name}"),
    }
}

fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(at(object, "spec.template.spec"));
    let succeeded = int(object, "status.succeeded");
    let parallelism = int(object, "spec.parallelism");
    let completions = match at(object, "spec.completions").as_i64() {
        Some(completions) => format!("{succeeded}/{completions}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    };
    let start = timestamp(at(object, "status.startTime"));
    let end = timestamp(at(object, "status.completionTime")).unwrap_or(now);
    let duration = start.map_or_else(String::new, |start| duration_between(start, end));
    vec![
        name(object),
        json!(job_status(object)),
        json!(completions),
        json!(duration),
        age(object, now),
        names,
        images,
        json!(selector(at(object, "spec.selector"))),
    ]
}

fn job_status(object: &Value) -> &'static str {
    let has = |kind| condition(list(object, "status.conditions"), kind) == Some("True");
    if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if is_set(object, "metadata.deletionTimestamp") {
        "Terminating"
    } else {
        ["Suspended", "FailureTarget", "SuccessCriteriaMet"].into_iter().find(|kind| has(kind)).unwrap_or("Running")
    }
}

fn cron_job(object: &Value, now: Timestamp) -> Vec<Value> {
    let job = at(object, "spec.jobTemplate.spec");
    let [names, images] = containers(at(job, "template.spec"));
    let suspend = match at(object, "spec.suspend").as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = at(object, "status.lastScheduleTime");
    let last = if last.is_null() { "<none>".to_owned() } else { since(last, now) };
    vec![
        name(object),
        json!(text(object, "spec.schedule")),
        json!(pointer_or(object, "spec.timeZone", "<none>")),
        json!(suspend),
        json!(count(object, "status.active")),
        json!(last),
        age(object, now),
        names,
        images,
        json!(if is_set(job, "selector") { selector(at(job, "selector")) } else { "<none>".to_owned() }),
    ]
}

fn disruption_budget(object: &Value, now: Timestamp) -> Vec<Value> {
    let limit = |path| match at(object, path) {
        Value::Null => json!("N/A"),
        limit => json!(int_or_string(limit)),
    };
    vec![
        name(object),
        limit("spec.minAvailable"),
        limit("spec.maxUnavailable"),
        json!(int(object, "status.disruptionsAllowed")),
        age(object, now),
    ]
}

fn scale(object: &Value, now: Timestamp) -> Vec<Value> {
    let replicas = |path| json!(int(object, path));
    vec![name(object), replicas("spec.replicas"), replicas("status.replicas"), age(object, now)]
}
