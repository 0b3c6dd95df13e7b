//! Horizontal pod autoscalers.

use super::meta;
use super::resources::{container_name, non_negative_quantity};
use crate::builtin::amount::Amount;
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, path_segment};
use crate::field_error::{FieldError, FieldErrors};

/// Which API versions a reference may name.
#[derive(Clone, Copy)]
struct ReferenceRules {
    any_version: bool,
    any_group: bool,
}

fn version_complaint(text: &str, rules: ReferenceRules) -> Option<String> {
    if rules.any_version {
        return None;
    }
    match text.matches('/').count() {
        _ if text == "/" => Some(String::new()),
        0 => Some(String::new()),
        1 if text.starts_with('/') => Some(String::new()),
        1 => return None,
        _ => return Some(format!("unexpected GroupVersion string: {text}")),
    }
    .filter(|_| !rules.any_group)
    .map(|_| "apiVersion must specify API group".to_owned())
}

/// An autoscaler.
pub(super) fn autoscaler(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let (target, metrics) = (spec.get("scaleTargetRef"), spec.get("metrics"));
    let (least, most) = (spec.get("minReplicas"), spec.get("maxReplicas"));
    let mut target_rules = ReferenceRules { any_version: false, any_group: false };
    let mut object_rules = ReferenceRules { any_version: false, any_group: true };
    let mut bound = 1;
    target_rules.any_group = target.get("kind").str() == "ReplicationController";
    if let Some(old) = old {
        let before = old.get("spec");
        let reference = before.get("scaleTargetRef");
        target_rules.any_version = ["apiVersion", "kind"].iter().all(|n| reference.get(n).str() == target.get(n).str());
        object_rules.any_version = before.get("metrics").items().any(|metric| {
            let object = metric.get("object");
            let version = object.get("describedObject").get("apiVersion").str();
            metric.get("type").str() == "Object" && object.has() && version_complaint(version, object_rules).is_some()
        });
        if before.get("minReplicas").number() == Some(0) {
            bound = 0;
        }
    }
    if least.has() && least.int() < bound {
        least.invalid(errors, least.int(), format!("must be greater than or equal to {bound}"));
    }
    if most.int() < 1 {
        most.invalid(errors, most.int(), "must be greater than 0");
    }
    if least.has() && most.int() < least.int() {
        most.invalid(errors, most.int(), "must be greater than or equal to `minReplicas`");
    }
    reference(&target, target_rules, errors);
    let processor = spec.get("targetCPUUtilizationPercentage");
    if processor.has() && processor.int() < 1 {
        let path = "spec.metrics[0].resource.target.averageUtilization";
        errors.push(FieldError::invalid(path, processor.int(), "must be greater than 0"));
    }
    metrics.items().for_each(|item| metric(&item, object_rules, errors));
    let zero = least.number() == Some(0);
    if zero && !metrics.items().any(|item| matches!(item.get("type").str(), "Object" | "External")) {
        let message = "must specify at least one Object or External metric to support scaling to zero replicas";
        metrics.forbidden(errors, message);
    }
    let behavior = spec.get("behavior");
    for name in ["scaleUp", "scaleDown"] {
        let rules = behavior.get(name);
        if rules.has() {
            scaling_rules(&rules, errors);
        }
    }
}

fn reference(at: &At, rules: ReferenceRules, errors: &mut FieldErrors) {
    at.get("kind").require_check(errors, path_segment);
    at.get("name").require_check(errors, path_segment);
    let version = at.get("apiVersion");
    if let Some(complaint) = version_complaint(version.str(), rules) {
        version.invalid(errors, version.str(), complaint);
    }
}

fn scaling_rules(at: &At, errors: &mut FieldErrors) {
    let window = at.get("stabilizationWindowSeconds");
    if window.int() < 0 {
        window.invalid(errors, window.int(), "must be greater than or equal to zero");
    }
    if window.int() > 3600 {
        window.invalid(errors, window.int(), "must be less than or equal to 3600");
    }
    let (select, policies, tolerance) = (at.get("selectPolicy"), at.get("policies"), at.get("tolerance"));
    if select.has() {
        select.one_of(errors, &["Disabled", "Max", "Min"]);
    }
    if policies.is_empty() {
        policies.required(errors, "must specify at least one Policy");
    }
    for policy in policies.items() {
        policy.get("type").one_of(errors, &["Percent", "Pods"]);
        policy.get("value").positive(errors);
        let period = policy.get("periodSeconds");
        period.positive(errors);
        if period.int() > 1800 {
            period.invalid(errors, period.int(), "must be less than or equal to 1800");
        }
    }
    if tolerance.has() {
        non_negative_quantity(&tolerance, errors);
    }
}

type Source = fn(&At, ReferenceRules, &mut FieldErrors);

/// Kinds of metrics in the order in which upstream looks at them.
const SOURCES: &[(&str, &str, Source)] = &[
    ("Object", "object", object_source),
    ("External", "external", external_source),
    ("Pods", "pods", pods_source),
    ("Resource", "resource", resource_source),
    ("ContainerResource", "containerResource", container_source),
];
const KINDS: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];

fn metric(at: &At, rules: ReferenceRules, errors: &mut FieldErrors) {
    let kind = at.get("type");
    if kind.is_empty() {
        kind.required(errors, "must specify a metric source type");
    }
    kind.one_of(errors, KINDS);
    let present = || SOURCES.iter().filter(|(_, field, _)| at.get(field).has());
    if let Some((_, field, check)) = present().next() {
        check(&at.get(field), rules, errors);
    }
    let expected = SOURCES.iter().find(|(name, ..)| *name == kind.str());
    match expected {
        Some((_, field, _)) => {
            if !at.get(field).has() {
                at.get(field).required(errors, "must populate information for the given metric source");
            }
        }
        None => kind.unsupported(errors, KINDS),
    }
    if present().count() != 1 {
        let wanted = expected.map(|(_, field, _)| *field);
        for (_, field, _) in present().filter(|(_, field, _)| Some(*field) != wanted) {
            at.get(field).forbidden(errors, "must populate the given metric source only");
        }
    }
}

fn identifier(at: &At, errors: &mut FieldErrors) {
    let name = at.get("name");
    if name.is_empty() {
        name.required(errors, "must specify a metric name");
    } else {
        name.check(errors, path_segment);
    }
}

fn target(at: &At, errors: &mut FieldErrors) {
    let kind = at.get("type");
    if kind.is_empty() {
        kind.required(errors, "must specify a metric target type");
    }
    if !matches!(kind.str(), "Utilization" | "Value" | "AverageValue") {
        kind.invalid(errors, kind.str(), "must be either Utilization, Value, or AverageValue");
    }
    for name in ["value", "averageValue"] {
        let amount = at.get(name);
        if amount.has() && !Amount::of(amount.str()).is_positive() {
            amount.invalid_here(errors, "must be positive");
        }
    }
    let utilization = at.get("averageUtilization");
    if utilization.has() && utilization.int() < 1 {
        utilization.invalid(errors, utilization.int(), "must be greater than 0");
    }
}

fn object_source(at: &At, rules: ReferenceRules, errors: &mut FieldErrors) {
    let goal = at.get("target");
    reference(&at.get("describedObject"), rules, errors);
    identifier(&at.get("metric"), errors);
    target(&goal, errors);
    if !goal.get("value").has() && !goal.get("averageValue").has() {
        goal.get("averageValue").required(errors, "must set either a target value or averageValue");
    }
}

fn external_source(at: &At, _: ReferenceRules, errors: &mut FieldErrors) {
    let goal = at.get("target");
    identifier(&at.get("metric"), errors);
    target(&goal, errors);
    let (value, average) = (goal.get("value"), goal.get("averageValue"));
    if !value.has() && !average.has() {
        average.required(errors, "must set either a target value for metric or a per-pod target");
    }
    if value.has() && average.has() {
        value.forbidden(errors, "may not set both a target value for metric and a per-pod target");
    }
}

fn pods_source(at: &At, _: ReferenceRules, errors: &mut FieldErrors) {
    let goal = at.get("target");
    identifier(&at.get("metric"), errors);
    target(&goal, errors);
    if !goal.get("averageValue").has() {
        goal.get("averageValue").required(errors, "must specify a positive target averageValue");
    }
}

fn resource_target(goal: &At, errors: &mut FieldErrors) {
    target(goal, errors);
    let (utilization, average) = (goal.get("averageUtilization"), goal.get("averageValue"));
    if !utilization.has() && !average.has() {
        utilization.required(errors, "must set either a target raw value or a target utilization");
    }
    if utilization.has() && average.has() {
        average.forbidden(errors, "may not set both a target raw value and a target utilization");
    }
}

fn resource_source(at: &At, _: ReferenceRules, errors: &mut FieldErrors) {
    if at.get("name").is_empty() {
        at.get("name").required(errors, "must specify a resource name");
    }
    resource_target(&at.get("target"), errors);
}

fn container_source(at: &At, _: ReferenceRules, errors: &mut FieldErrors) {
    let (name, container) = (at.get("name"), at.get("container"));
    if name.is_empty() {
        name.required(errors, "must specify a resource name");
    } else {
        container_name(&name, name.str(), errors);
    }
    if container.is_empty() {
        container.required(errors, "must specify a container");
    } else {
        container.check(errors, dns_label);
    }
    resource_target(&at.get("target"), errors);
}

/// A write to the status of an autoscaler.
pub(super) fn status_update(root: &At, errors: &mut FieldErrors) {
    meta::non_negative_fields(&root.get("status"), &["currentReplicas", "desiredReplicas"], errors);
}
