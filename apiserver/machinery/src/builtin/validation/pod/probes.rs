//! Probes and lifecycle hooks.

use super::Pod;
use crate::builtin::at::At;
use crate::builtin::formats::{http_header_name, port_name, port_number};
use crate::field_error::FieldErrors;
use serde_json::Value;

/// Termination grace period of the pod, when it has one.
pub(super) type Grace = Option<i64>;

const SIGNALS: &[&str] = &[
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGRTMAX",
    "SIGRTMAX-1",
    "SIGRTMAX-10",
    "SIGRTMAX-11",
    "SIGRTMAX-12",
    "SIGRTMAX-13",
    "SIGRTMAX-14",
    "SIGRTMAX-2",
    "SIGRTMAX-3",
    "SIGRTMAX-4",
    "SIGRTMAX-5",
    "SIGRTMAX-6",
    "SIGRTMAX-7",
    "SIGRTMAX-8",
    "SIGRTMAX-9",
    "SIGRTMIN",
    "SIGRTMIN+1",
    "SIGRTMIN+10",
    "SIGRTMIN+11",
    "SIGRTMIN+12",
    "SIGRTMIN+13",
    "SIGRTMIN+14",
    "SIGRTMIN+15",
    "SIGRTMIN+2",
    "SIGRTMIN+3",
    "SIGRTMIN+4",
    "SIGRTMIN+5",
    "SIGRTMIN+6",
    "SIGRTMIN+7",
    "SIGRTMIN+8",
    "SIGRTMIN+9",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

/// A port given as number or name.
pub(crate) fn port(at: &At, errors: &mut FieldErrors) {
    match at.value() {
        Value::String(name) => at.check_text(errors, name, port_name),
        _ => at.check_int(errors, port_number),
    }
}

/// All probes of a container.
pub(super) fn all(pod: &Pod, container: &At, errors: &mut FieldErrors) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let at = container.get(name);
        if !at.has() {
            continue;
        }
        probe(pod, &at, errors);
        if name == "readinessProbe" {
            let period = at.get("terminationGracePeriodSeconds");
            if period.has() {
                period.invalid(errors, period.int(), "must not be set for readinessProbes");
            }
        } else {
            let threshold = at.get("successThreshold");
            if threshold.int() != 1 {
                threshold.invalid(errors, threshold.int(), "must be 1");
            }
        }
    }
}

fn probe(pod: &Pod, at: &At, errors: &mut FieldErrors) {
    handler(at, pod.grace(), &["exec", "httpGet", "tcpSocket", "grpc"], errors);
    for name in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        at.get(name).non_negative(errors);
    }
    let period = at.get("terminationGracePeriodSeconds");
    if period.number().is_some_and(|seconds| seconds <= 0) {
        period.invalid(errors, period.int(), "must be greater than 0");
    }
}

fn handler(at: &At, grace: Grace, kinds: &[&str], errors: &mut FieldErrors) {
    let mut count = 0;
    for kind in kinds {
        let action = at.get(kind);
        if !action.has() {
            continue;
        }
        if count > 0 {
            action.forbidden(errors, "may not specify more than 1 handler type");
            continue;
        }
        count += 1;
        match *kind {
            "exec" => {
                action.get("command").require(errors);
            }
            "httpGet" => http_get(&action, errors),
            "tcpSocket" => port(&action.get("port"), errors),
            "grpc" => action.get("port").check_int(errors, port_number),
            _ => sleep(&action, grace, errors),
        }
    }
    if count == 0 {
        at.required(errors, "must specify a handler type");
    }
}

fn http_get(at: &At, errors: &mut FieldErrors) {
    at.get("path").require(errors);
    port(&at.get("port"), errors);
    at.get("scheme").one_of(errors, &["HTTP", "HTTPS"]);
    let headers = at.get("httpHeaders");
    for header in headers.items() {
        headers.check_text(errors, header.get("name").str(), http_header_name);
    }
}

fn sleep(at: &At, grace: Grace, errors: &mut FieldErrors) {
    let seconds = at.get("seconds").int();
    if let Some(grace) = grace
        && !(0..=grace).contains(&seconds)
    {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        at.invalid(errors, seconds, detail);
    }
}

/// Hooks of a container; absent is fine.
pub(super) fn lifecycle(pod: &Pod, at: &At, errors: &mut FieldErrors) {
    for name in ["postStart", "preStop"] {
        let hook = at.get(name);
        if hook.has() {
            handler(&hook, pod.grace(), &["exec", "httpGet", "tcpSocket", "sleep"], errors);
        }
    }
    let signal = at.get("stopSignal");
    if !signal.has() {
        return;
    }
    match pod.spec.get("os").get("name").text() {
        None => signal.forbidden(errors, "may not be set for containers with empty `spec.os.name`"),
        Some("windows") => signal.one_of(errors, &["SIGKILL", "SIGTERM"]),
        Some("linux") => signal.one_of(errors, SIGNALS),
        Some(_) => {}
    }
}
