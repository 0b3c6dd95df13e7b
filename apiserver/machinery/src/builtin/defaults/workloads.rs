//! Defaults of the `apps` and `batch` kinds.

use super::doc::{Doc, drop_annotations, each, fill, fill_blank, object, set, struct_mut, text, unset, with};
use super::{core, pod, volume};
use crate::builtin::TEMPLATE_GENERATION;
use serde_json::{Value, json};

/// Older API versions had a rollback field; `apps/v1` carries it here, and an empty value means none.
const ROLLBACK: &str = "deprecated.deployment.rollback.to";

pub(super) fn deployment(deployment: &mut Doc) {
    drop_annotations(deployment, |name, value| name == ROLLBACK && value == "");
    let Some(spec) = struct_mut(deployment, "spec") else { return };
    fill(spec, "replicas", 1);
    if let Some(strategy) = struct_mut(spec, "strategy") {
        rolling(strategy, &[("maxUnavailable", json!("25%")), ("maxSurge", json!("25%"))]);
    }
    fill(spec, "revisionHistoryLimit", 10);
    fill(spec, "progressDeadlineSeconds", 600);
    template(spec);
}

pub(super) fn daemon_set(daemon_set: &mut Doc) {
    if let Some(annotations) = struct_mut(daemon_set, "metadata").and_then(|meta| struct_mut(meta, "annotations")) {
        let number = text(annotations, TEMPLATE_GENERATION).parse().unwrap_or(0_i64);
        set(annotations, TEMPLATE_GENERATION, number.to_string());
    }
    let Some(spec) = struct_mut(daemon_set, "spec") else { return };
    if let Some(strategy) = struct_mut(spec, "updateStrategy") {
        rolling(strategy, &[("maxUnavailable", json!(1)), ("maxSurge", json!(0))]);
    }
    fill(spec, "revisionHistoryLimit", 10);
    template(spec);
}

/// Fills a strategy whose default is a rolling update with these parameters.
fn rolling(strategy: &mut Doc, parameters: &[(&str, Value)]) {
    fill_blank(strategy, "type", "RollingUpdate");
    if text(strategy, "type") != "RollingUpdate" {
        return;
    }
    if let Some(update) = struct_mut(strategy, "rollingUpdate") {
        for (name, value) in parameters {
            fill(update, name, value.clone());
        }
    }
}

pub(super) fn stateful_set(set: &mut Doc) {
    let Some(spec) = struct_mut(set, "spec") else { return };
    fill_blank(spec, "podManagementPolicy", "OrderedReady");
    if let Some(strategy) = struct_mut(spec, "updateStrategy") {
        if text(strategy, "type").is_empty() {
            strategy.insert("type".to_owned(), json!("RollingUpdate"));
            fill(strategy, "rollingUpdate", json!({}));
        }
        if text(strategy, "type") == "RollingUpdate" {
            with(strategy, "rollingUpdate", |update| fill(update, "partition", 0));
        }
    }
    if let Some(policy) = struct_mut(spec, "persistentVolumeClaimRetentionPolicy") {
        fill_blank(policy, "whenDeleted", "Retain");
        fill_blank(policy, "whenScaled", "Retain");
    }
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", 10);
    template(spec);
    each(spec, "volumeClaimTemplates", claim_template);
}

fn claim_template(claim: &mut Doc) {
    set(claim, "apiVersion", "v1");
    set(claim, "kind", "PersistentVolumeClaim");
    volume::claim(claim);
}

pub(super) fn replica_set(set: &mut Doc) {
    let Some(spec) = struct_mut(set, "spec") else { return };
    fill(spec, "replicas", 1);
    template(spec);
}

fn template(spec: &mut Doc) {
    if let Some(template) = struct_mut(spec, "template") {
        pod::template(template);
    }
}

pub(super) fn job(job: &mut Doc) {
    let Some(spec) = struct_mut(job, "spec") else { return };
    if unset(spec, "completions") && unset(spec, "parallelism") {
        set(spec, "completions", 1);
    }
    fill(spec, "parallelism", 1);
    let retries = if unset(spec, "backoffLimitPerIndex") { 6 } else { i32::MAX };
    fill(spec, "backoffLimit", retries);
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    let replacement = if unset(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
    fill(spec, "podReplacementPolicy", replacement);
    fill(spec, "manualSelector", false);
    failure_policy(spec);
    template(spec);
    let labels = object(spec, "template").and_then(pod::template_labels).cloned();
    if let Some(labels) = labels {
        core::label(job, labels);
    }
}

/// Fills a CronJob. Of the job it makes, only the pod template and the failure policy are filled.
pub(super) fn cron_job(job: &mut Doc) {
    let Some(spec) = struct_mut(job, "spec") else { return };
    fill_blank(spec, "concurrencyPolicy", "Allow");
    fill(spec, "suspend", false);
    fill(spec, "successfulJobsHistoryLimit", 3);
    fill(spec, "failedJobsHistoryLimit", 1);
    if let Some(job) = struct_mut(spec, "jobTemplate").and_then(|template| struct_mut(template, "spec")) {
        failure_policy(job);
        template(job);
    }
}

fn failure_policy(job: &mut Doc) {
    with(job, "podFailurePolicy", |policy| {
        each(policy, "rules", |rule| each(rule, "onPodConditions", |pattern| fill_blank(pattern, "status", "True")));
    });
}
