//! The status of Jobs: what may be written, and what may be written after something else was.

use super::indexes;
use crate::builtin::at::At;
use crate::builtin::same::same;
use crate::field_error::{FieldError, FieldErrors};
use serde_json::Value;
use std::collections::BTreeSet;

fn is_set(root: &At, kind: &str, value: &str) -> bool {
    let status = root.get("status");
    let conditions = status.get("conditions");
    conditions.items().any(|condition| condition.get("type").str() == kind && condition.get("status").str() == value)
}

fn is_true(root: &At, kind: &str) -> bool {
    is_set(root, kind, "True")
}

fn is_finished(root: &At) -> bool {
    is_true(root, "Complete") || is_true(root, "Failed")
}

/// What a write changes.
struct Changes<'s, 'p, 'v> {
    new: &'s At<'p, 'v>,
    old: &'s At<'p, 'v>,
}

impl Changes<'_, '_, '_> {
    fn condition(&self, kind: &str) -> bool {
        is_true(self.new, kind) != is_true(self.old, kind)
    }

    fn finished(&self) -> bool {
        is_finished(self.new) != is_finished(self.old)
    }

    fn field(&self, name: &str) -> bool {
        !same(self.new.get("status").get(name).value(), self.old.get("status").get(name).value())
    }
}

fn complain(at: &At, detail: impl Into<String>, errors: &mut FieldErrors) {
    let mut error = FieldError::invalid(at.path(), Value::Null, detail);
    error.omit_value = true;
    errors.push(error);
}

/// A Job whose status is written.
pub(super) fn status_update(new: &At, old: &At, errors: &mut FieldErrors) {
    let changes = Changes { new, old };
    let status = new.get("status");
    counts(&status, errors);
    conditions(&changes, &status, errors);
    times(&changes, &status, errors);
    finished(&changes, &status, errors);
    index_lists(&changes, &status, errors);
    let ready = status.get("ready");
    if (changes.field("ready") || changes.field("active")) && ready.int() > status.get("active").int() {
        ready.invalid(errors, ready.int(), "cannot set more ready pods than active");
    }
    success_criteria(new, &status, errors);
    transitions(&changes, &status, errors);
}

fn counts(status: &At, errors: &mut FieldErrors) {
    for name in ["active", "succeeded", "failed", "ready", "terminating"] {
        status.get(name).non_negative(errors);
    }
    let pods = status.get("uncountedTerminatedPods");
    let mut seen = BTreeSet::new();
    for list in ["succeeded", "failed"] {
        for uid in pods.get(list).items() {
            if uid.is_empty() {
                uid.invalid(errors, "", "must not be empty");
            } else if !seen.insert(uid.str()) {
                uid.duplicate(errors, uid.str());
            }
        }
    }
}

fn conditions(changes: &Changes, status: &At, errors: &mut FieldErrors) {
    let at = status.get("conditions");
    let is = |kind: &str| is_true(changes.new, kind);
    let (complete, failed) = (changes.condition("Complete"), changes.condition("Failed"));
    if (complete || failed) && is("Complete") && is("Failed") {
        complain(&at, "cannot set Complete=True and Failed=true conditions", errors);
    }
    if (complete || changes.condition("FailureTarget")) && is("Complete") && is("FailureTarget") {
        complain(&at, "cannot set Complete=True and FailureTarget=true conditions", errors);
    }
}

fn times(changes: &Changes, status: &At, errors: &mut FieldErrors) {
    let (start, end) = (status.get("startTime"), status.get("completionTime"));
    let complete = is_true(changes.new, "Complete");
    if changes.condition("Complete") || changes.field("completionTime") {
        if end.has() && !complete {
            end.invalid_here(errors, "cannot set completionTime when there is no Complete=True condition");
        }
        if !end.has() && complete {
            end.required(errors, "completionTime is required for Complete jobs");
        }
    }
    // Times are UTC with seconds, so texts compare as times do.
    let backwards = start.has() && end.has() && end.str() < start.str();
    if (changes.field("startTime") || changes.field("completionTime")) && backwards {
        end.invalid_here(errors, "must be equal to or after `startTime`");
    }
}

fn finished(changes: &Changes, status: &At, errors: &mut FieldErrors) {
    let root = changes.new;
    let (at, done) = (status.get("conditions"), is_finished(root));
    let changed = changes.finished();
    if (changes.condition("Failed") || changes.field("failedIndexes"))
        && is_true(root, "Failed")
        && !is_true(root, "FailureTarget")
    {
        complain(&at, "cannot set Failed=True condition without the FailureTarget=true condition", errors);
    }
    if (changes.condition("Complete") || changes.condition("SuccessCriteriaMet"))
        && is_true(root, "Complete")
        && !is_true(root, "SuccessCriteriaMet")
    {
        complain(&at, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition", errors);
    }
    if !done {
        return;
    }
    let active = status.get("active");
    if (changed || changes.field("active")) && active.int() > 0 {
        active.invalid(errors, active.int(), "active>0 is invalid for finished job");
    }
    let spec = root.get("spec");
    let empty = spec.get("suspend").flag() && spec.get("completions").number() == Some(0);
    let start = status.get("startTime");
    if (changed || changes.field("startTime")) && !empty && !start.has() {
        start.required(errors, "startTime is required for finished job");
    }
    let pods = status.get("uncountedTerminatedPods");
    let uncounted = !pods.get("failed").is_empty() || !pods.get("succeeded").is_empty();
    if (changed || changes.field("uncountedTerminatedPods")) && uncounted {
        pods.invalid_here(errors, "must be empty for finished job");
    }
    let terminating = status.get("terminating");
    if (changed || changes.field("terminating")) && terminating.int() > 0 {
        terminating.invalid(errors, terminating.int(), "terminating>0 is invalid for finished job");
    }
}

fn index_lists(changes: &Changes, status: &At, errors: &mut FieldErrors) {
    let spec = changes.new.get("spec");
    let (completed, failed) = (status.get("completedIndexes"), status.get("failedIndexes"));
    let completions = spec.get("completions").number();
    let per_index = spec.get("backoffLimitPerIndex").has();
    let (completed_changed, failed_changed) = (changes.field("completedIndexes"), changes.field("failedIndexes"));
    let malformed = |at: &At, name: &str, errors: &mut FieldErrors| {
        if let Some(Err(reason)) = completions.map(|number| indexes::count(at.str(), number)) {
            at.invalid(errors, at.str(), format!("error parsing {name}: {reason}"));
        }
    };
    if completed_changed {
        malformed(&completed, "completedIndexes", errors);
    }
    if failed_changed && per_index && failed.has() {
        malformed(&failed, "failedIndexes", errors);
    }
    if completed_changed && !completed.is_empty() && spec.get("completionMode").str() != "Indexed" {
        completed.invalid(
            errors,
            completed.str(),
            "cannot set non-empty completedIndexes when non-indexed completion mode",
        );
    }
    if failed_changed && !per_index && failed.has() {
        failed.invalid(errors, failed.str(), "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
    }
    if (failed_changed || completed_changed)
        && failed.has()
        && let Some(number) = completions
        && let Some(index) = indexes::overlap(completed.str(), failed.str(), number)
    {
        failed.invalid(errors, failed.str(), format!("failedIndexes and completedIndexes overlap at index: {index}"));
    }
}

fn success_criteria(root: &At, status: &At, errors: &mut FieldErrors) {
    let at = status.get("conditions");
    let met = is_true(root, "SuccessCriteriaMet");
    if met && is_true(root, "Failed") {
        complain(&at, "cannot set SuccessCriteriaMet=True and Failed=true conditions", errors);
    }
    if met && is_true(root, "FailureTarget") {
        complain(&at, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions", errors);
    }
    if root.get("spec").get("successPolicy").has() && !met && is_true(root, "Complete") {
        complain(&at, "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True", errors);
    }
}

fn transitions(changes: &Changes, status: &At, errors: &mut FieldErrors) {
    let (new, old) = (changes.new, changes.old);
    let (at, before) = (status.get("conditions"), old.get("status"));
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if is_true(old, kind) && !is_true(new, kind) {
            complain(&at, format!("cannot disable the terminal {kind}=True condition"), errors);
        }
    }
    let failed = status.get("failed");
    if failed.int() < before.get("failed").int() {
        failed.invalid(errors, failed.int(), "cannot decrease the failed counter");
    }
    let spec = new.get("spec");
    let elastic = spec.get("completionMode").str() == "Indexed"
        && spec.get("completions").value() == spec.get("parallelism").value();
    let succeeded = status.get("succeeded");
    if !elastic && succeeded.int() < before.get("succeeded").int() {
        succeeded.invalid(errors, succeeded.int(), "cannot decrease the succeeded counter");
    }
    let end = status.get("completionTime");
    if end.has() && before.get("completionTime").has() && end.value() != before.get("completionTime").value() {
        end.invalid_here(errors, "field is immutable");
    }
    let resuming = is_true(old, "Suspended") && is_set(new, "Suspended", "False");
    let start = status.get("startTime");
    if changes.field("startTime") && !resuming && before.get("startTime").has() && !spec.get("suspend").flag() {
        start.required(errors, "startTime cannot be removed for unsuspended job");
    }
    let (met, was_met) = (is_true(new, "SuccessCriteriaMet"), is_true(old, "SuccessCriteriaMet"));
    if was_met && !met {
        complain(&at, "cannot disable the SuccessCriteriaMet=True condition", errors);
    }
    if is_true(old, "Complete") && !was_met && met {
        complain(&at, "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions", errors);
    }
}
