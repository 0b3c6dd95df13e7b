//! Cells of pods: the summary of what their containers are doing.

use super::Printer;
use super::age::{age, since, timestamp};
use super::column::{AGE, NAME, text as column, wide};
use super::fields::{at, condition, flag, int, is_set, list, text, text_or};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) const PODS: Printer = Printer {
    group: "",
    resource: "pods",
    kind: "Pod",
    columns: &[
        NAME,
        column("Ready", "How many of the containers are ready."),
        column("Status", "What the pod as a whole is doing."),
        column("Restarts", "How often containers were restarted, and when that last happened."),
        AGE,
        wide("IP", "Address of the pod."),
        wide("Node", "Node that the pod is bound to."),
        wide("Nominated Node", "Node on which other pods are preempted for this pod."),
        wide("Readiness Gates", "How many of the additional readiness conditions are true."),
    ],
    cells,
};

/// Returns the row conditions of a pod that has ended.
pub(super) fn row_conditions(pod: &Value) -> Option<Value> {
    let (reason, message) = match text(pod, "status.phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{ "type": "Completed", "status": "True", "reason": reason, "message": message }]))
}

/// What is counted while looking at containers.
#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count += int(container, "restartCount");
        self.last = self.last.max(timestamp(at(container, "lastState.terminated.finishedAt")));
    }
}

fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let mut reason = text_or(pod, "status.reason", text(pod, "status.phase")).to_owned();
    let conditions = list(pod, "status.conditions");
    let gated = |condition: &&Value| {
        text(condition, "type") == "PodScheduled" && text(condition, "reason") == "SchedulingGated"
    };
    if conditions.iter().find(gated).is_some() {
        reason = "SchedulingGated".to_owned();
    }
    let init = init_containers(pod);
    let mut ready = init.ready;
    let mut restarts = init.all;
    if let Some(init_reason) = &init.reason {
        reason.clone_from(init_reason);
    }
    if init.reason.is_none() || condition(conditions, "Initialized") == Some("True") {
        restarts = init.sidecars;
        ready += containers(pod, &mut reason, &mut restarts);
    }
    let deleted = is_set(pod, "metadata.deletionTimestamp");
    if deleted && text(pod, "status.reason") == "NodeLost" {
        reason = "Unknown".to_owned();
    } else if deleted && !matches!(text(pod, "status.phase"), "Succeeded" | "Failed") {
        reason = "Terminating".to_owned();
    }
    let restarts = match restarts.last {
        Some(last) if restarts.count != 0 => {
            format!("{} ({} ago)", restarts.count, since(&json!(last.to_string()), now))
        }
        Some(_) | None => restarts.count.to_string(),
    };
    let sidecars = list(pod, "spec.initContainers").iter().filter(|container| is_sidecar(container)).count();
    let total = list(pod, "spec.containers").len() + sidecars;
    let mut cells = vec![
        at(pod, "metadata.name").clone(),
        json!(format!("{ready}/{total}")),
        json!(reason),
        json!(restarts),
        age(pod, now),
    ];
    let ip = list(pod, "status.podIPs").first().map(|entry| text(entry, "ip")).filter(|ip| !ip.is_empty());
    cells.push(json!(ip.unwrap_or("<none>")));
    cells.push(json!(text_or(pod, "spec.nodeName", "<none>")));
    cells.push(json!(text_or(pod, "status.nominatedNodeName", "<none>")));
    cells.push(json!(readiness_gates(pod)));
    cells
}

/// What the init containers say.
struct Init {
    /// Why the pod is not initialised yet.
    reason: Option<String>,
    ready: usize,
    all: Restarts,
    sidecars: Restarts,
}

fn init_containers(pod: &Value) -> Init {
    let specs = list(pod, "spec.initContainers");
    let mut init = Init { reason: None, ready: 0, all: Restarts::default(), sidecars: Restarts::default() };
    for (index, container) in list(pod, "status.initContainerStatuses").iter().enumerate() {
        init.all.add(container);
        let name = text(container, "name");
        let sidecar = specs.iter().any(|spec| text(spec, "name") == name && is_sidecar(spec));
        if sidecar {
            init.sidecars.add(container);
        }
        let terminated = at(container, "state.terminated");
        let waiting = text(container, "state.waiting.reason");
        if !terminated.is_null() && int(terminated, "exitCode") == 0 {
            continue;
        }
        if sidecar && flag(container, "started") {
            init.ready += usize::from(flag(container, "ready"));
            continue;
        }
        init.reason = Some(if !terminated.is_null() {
            format!("Init:{}", end_of(terminated))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{}", specs.len())
        });
        break;
    }
    init
}

/// Looks at the main containers, the last first; returns how many are ready and sets the reason.
fn containers(pod: &Value, reason: &mut String, restarts: &mut Restarts) -> usize {
    let mut ready = 0;
    let mut error = None;
    for container in list(pod, "status.containerStatuses").iter().rev() {
        restarts.add(container);
        let terminated = at(container, "state.terminated");
        let waiting = text(container, "state.waiting.reason");
        if !waiting.is_empty() {
            waiting.clone_into(reason);
        } else if !terminated.is_null() {
            *reason = end_of(terminated);
            if int(terminated, "exitCode") != 0 {
                error = Some(reason.clone());
            }
        } else if flag(container, "ready") && is_set(container, "state.running") {
            ready += 1;
        }
    }
    if reason == "Completed" {
        let pod_is_ready = list(pod, "status.conditions")
            .iter()
            .any(|condition| text(condition, "type") == "Ready" && text(condition, "status") == "True");
        if ready > 0 && pod_is_ready {
            *reason = "Running".to_owned();
        } else if let Some(error) = error {
            *reason = error;
        } else if ready > 0 {
            *reason = "NotReady".to_owned();
        }
    }
    ready
}

/// Says how a container ended.
fn end_of(terminated: &Value) -> String {
    match (text(terminated, "reason"), int(terminated, "signal")) {
        ("", 0) => format!("ExitCode:{}", int(terminated, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "restartPolicy") == "Always"
}

fn readiness_gates(pod: &Value) -> String {
    let gates = list(pod, "spec.readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let conditions = list(pod, "status.conditions");
    let open = |gate: &&Value| condition(conditions, text(gate, "conditionType")) == Some("True");
    format!("{}/{}", gates.iter().filter(open).count(), gates.len())
}
