//! The apps group.

use super::core::claim::{self, ClaimRules};
use super::meta::{
    self, Values, at_most, at_most_100_percent, collision_count, immutable_selector, int_or_percent,
    int_or_percent_value, non_negative_fields, selector_is_empty, selector_matches, selector_shown,
};
use super::pod::{self, PodRules};
use super::shape::{Part, Shape, shown};
use crate::builtin::TEMPLATE_GENERATION;
use crate::builtin::at::At;
use crate::builtin::formats::dns_label;
use crate::builtin::same::same;
use crate::field_error::FieldErrors;
use serde_json::{Map, Value, json};

const MISMATCH: &str = "`selector` does not match template `labels`";

fn rules_after(old: Option<&At>) -> PodRules {
    let spec = old.map(|old| old.get("spec"));
    spec.as_ref().map_or(PodRules::strict(false), |spec| PodRules::after(false, &spec.get("template")))
}

fn optional_non_negative(at: &At, names: &[&str], errors: &mut FieldErrors) {
    non_negative_fields(at, names, errors);
}

/// The selector of a workload and the template it must match; returns nothing when the selector is unreadable.
fn selector_and_template(spec: &At, kind: &str, errors: &mut FieldErrors) -> bool {
    let selector = spec.get("selector");
    if selector.has() {
        meta::selector(&selector, Values::Strict, errors);
        if selector_is_empty(&selector) {
            let detail = format!("empty selector is invalid for {kind}");
            selector.invalid_shown(errors, &selector_shown(selector.value()), &detail);
        }
    } else {
        selector.required(errors, "");
    }
    let template = spec.get("template");
    let metadata = template.get("metadata");
    let labels = metadata.get("labels");
    match selector_matches(&selector, &labels) {
        None => {
            let detail = if kind == "statefulset" { "" } else { "invalid label selector" };
            let mut shown = selector_shown(selector.value());
            if detail.is_empty() {
                let mut error = crate::field_error::FieldError::invalid(selector.path(), Value::Null, "");
                error.omit_value = true;
                error.detail = std::mem::take(&mut shown);
                errors.push(error);
            } else {
                selector.invalid_shown(errors, &shown, detail);
            }
            false
        }
        Some(matches) => {
            if !matches {
                labels.invalid_here(errors, MISMATCH);
            }
            true
        }
    }
}

/// Pods of a workload run until they are deleted.
fn runs_for_ever(spec: &At, kind: &str, errors: &mut FieldErrors) {
    let template = spec.get("template");
    let pod = template.get("spec");
    let policy = pod.get("restartPolicy");
    if policy.str() != "Always" {
        policy.unsupported(errors, &["Always"]);
    }
    let deadline = pod.get("activeDeadlineSeconds");
    if deadline.has() {
        deadline.forbidden(errors, format!("activeDeadlineSeconds in {kind} is not Supported"));
    }
}

fn replica_template(spec: &At, rules: &PodRules, errors: &mut FieldErrors) {
    if selector_and_template(spec, "deployment", errors) {
        pod::template(&spec.get("template"), rules, errors);
        runs_for_ever(spec, "ReplicaSet", errors);
    }
}

/// A Deployment, and what it replaces.
pub(super) fn deployment(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let rules = rules_after(old);
    spec.get("replicas").non_negative(errors);
    replica_template(&spec, &rules, errors);
    deployment_strategy(&spec.get("strategy"), errors);
    optional_non_negative(&spec, &["minReadySeconds", "revisionHistoryLimit"], errors);
    let deadline = spec.get("progressDeadlineSeconds");
    if deadline.has() {
        deadline.non_negative(errors);
        if deadline.int() <= spec.get("minReadySeconds").int() {
            deadline.invalid(errors, deadline.int(), "must be greater than minReadySeconds");
        }
    }
    if let Some(old) = old {
        immutable_selector(&spec.get("selector"), old.get("spec").get("selector").value(), errors);
    }
}

fn deployment_strategy(at: &At, errors: &mut FieldErrors) {
    let rolling = at.get("rollingUpdate");
    match at.get("type").str() {
        "Recreate" => {
            if rolling.has() {
                rolling.forbidden(errors, "may not be specified when strategy `type` is 'Recreate'");
            }
        }
        "RollingUpdate" if !rolling.has() => {
            rolling.required(errors, "this should be defaulted and never be nil");
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            int_or_percent(&unavailable, errors);
            int_or_percent(&surge, errors);
            if int_or_percent_value(&unavailable) == 0 && int_or_percent_value(&surge) == 0 {
                unavailable.invalid_here(errors, "may not be 0 when `maxSurge` is 0");
            }
            at_most_100_percent(&unavailable, errors);
        }
        _ => strategy_unsupported(at, &["Recreate", "RollingUpdate"], errors),
    }
}

const STRATEGY: Shape = &[
    ("type", "Type", Part::Text),
    (
        "rollingUpdate",
        "RollingUpdate",
        Part::Inner(&[("maxUnavailable", "MaxUnavailable", Part::Number), ("maxSurge", "MaxSurge", Part::Number)]),
    ),
];

/// Upstream shows the whole strategy where only its type is wrong.
fn strategy_unsupported(at: &At, supported: &[&str], errors: &mut FieldErrors) {
    at.unsupported_shown(errors, &shown(at.value(), STRATEGY), supported);
}

/// The status of a Deployment.
pub(super) fn deployment_status(new: &At, old: &At, errors: &mut FieldErrors) {
    let (status, before) = (new.get("status"), old.get("status"));
    non_negative_fields(
        &status,
        &[
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        ],
        errors,
    );
    let counts = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    at_most(&status, &counts, "replicas", "cannot be greater than status.replicas", errors);
    at_most(&status, &["availableReplicas"], "readyReplicas", "cannot be greater than readyReplicas", errors);
    collision_count(&status, &before, errors);
}

/// A ReplicaSet, and what it replaces.
pub(super) fn replica_set(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let rules = rules_after(old);
    non_negative_fields(&spec, &["replicas", "minReadySeconds"], errors);
    replica_template(&spec, &rules, errors);
    if let Some(old) = old {
        immutable_selector(&spec.get("selector"), old.get("spec").get("selector").value(), errors);
    }
}

/// The status of a ReplicaSet.
pub(super) fn replica_set_status(new: &At, errors: &mut FieldErrors) {
    let status = new.get("status");
    non_negative_fields(
        &status,
        &[
            "replicas",
            "fullyLabeledReplicas",
            "readyReplicas",
            "availableReplicas",
            "observedGeneration",
            "terminatingReplicas",
        ],
        errors,
    );
    let counts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    at_most(&status, &counts, "replicas", "cannot be greater than status.replicas", errors);
    at_most(&status, &["availableReplicas"], "readyReplicas", "cannot be greater than readyReplicas", errors);
}

/// What an update does not check again in a stateful set.
#[derive(Clone, Copy, PartialEq)]
enum SetChecks {
    All,
    Update,
    UpdateOfBadTemplate,
}

/// A StatefulSet that is created.
pub(super) fn stateful_set(root: &At, errors: &mut FieldErrors) {
    stateful_spec(&root.get("spec"), &PodRules::strict(false), SetChecks::All, errors);
}

/// A StatefulSet that replaces another.
pub(super) fn stateful_set_update(new: &At, old: &At, errors: &mut FieldErrors) {
    const MUTABLE: &[&str] = &[
        "replicas",
        "template",
        "updateStrategy",
        "minReadySeconds",
        "ordinals",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
    ];
    let (spec, before) = (new.get("spec"), old.get("spec"));
    let rules = rules_after(Some(old));
    let mut found = FieldErrors::new();
    stateful_spec(&before, &rules, SetChecks::Update, &mut found);
    let checks = if found.is_empty() { SetChecks::Update } else { SetChecks::UpdateOfBadTemplate };
    stateful_spec(&spec, &rules, checks, errors);
    let fixed = |spec: &At| {
        let mut map: Map<String, Value> = spec.value().as_object().cloned().unwrap_or_default();
        MUTABLE.iter().for_each(|name| drop(map.remove(*name)));
        Value::Object(map)
    };
    if !same(&fixed(&spec), &fixed(&before)) {
        spec.forbidden(
            errors,
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
             'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        );
    }
}

fn stateful_spec(spec: &At, rules: &PodRules, checks: SetChecks, errors: &mut FieldErrors) {
    let policy = spec.get("podManagementPolicy");
    if !policy.require(errors) && !matches!(policy.str(), "OrderedReady" | "Parallel") {
        policy.invalid(errors, policy.str(), "must be 'OrderedReady' or 'Parallel'");
    }
    stateful_strategy(&spec.get("updateStrategy"), errors);
    let retention = spec.get("persistentVolumeClaimRetentionPolicy");
    if retention.has() {
        retention.get("whenDeleted").one_of(errors, &["Retain", "Delete"]);
        retention.get("whenScaled").one_of(errors, &["Retain", "Delete"]);
    }
    if checks == SetChecks::All {
        for template in spec.get("volumeClaimTemplates").items() {
            claim::spec(&template.get("spec"), &ClaimRules::default(), errors);
        }
    }
    non_negative_fields(spec, &["replicas", "minReadySeconds"], errors);
    spec.get("ordinals").get("start").non_negative(errors);
    if checks == SetChecks::All {
        spec.get("serviceName").check_set(errors, dns_label);
    }
    if selector_and_template(spec, "statefulset", errors) {
        let merged = with_claims(spec);
        let template = spec.named("template", &merged);
        // The merged template lives shorter than the set, so it is checked through a cursor of its own.
        let mut found = FieldErrors::new();
        if checks != SetChecks::UpdateOfBadTemplate {
            pod::template(&template, rules, &mut found);
        }
        pod::template_metadata(&template, rules, &mut found);
        errors.extend(found);
    }
    runs_for_ever(spec, "StatefulSet", errors);
}

/// The template as its pods will be: with volumes for the claims, and without names that each pod gets by itself.
fn with_claims(spec: &At) -> Value {
    let mut template = spec.get("template").value().clone();
    let claims = spec.get("volumeClaimTemplates");
    let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut) else { return template };
    pod.remove("subdomain");
    pod.remove("hostname");
    if claims.is_empty() {
        return template;
    }
    let names: Vec<&str> = claims.items().map(|claim| claim.get("metadata").get("name").str()).collect();
    let mut volumes: Vec<Value> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if !names[..index].contains(name) {
            volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
        }
    }
    let own = pod.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    volumes.extend(own.into_iter().filter(|volume| {
        let name = volume.get("name").and_then(Value::as_str).unwrap_or("");
        !names.contains(&name)
    }));
    pod.insert("volumes".to_owned(), Value::Array(volumes));
    template
}

fn stateful_strategy(at: &At, errors: &mut FieldErrors) {
    let rolling = at.get("rollingUpdate");
    match at.get("type").str() {
        "" => at.required(errors, ""),
        "OnDelete" => {
            if rolling.has() {
                let shown = format!(
                    "{{\"Partition\":{},\"MaxUnavailable\":{}}}",
                    rolling.get("partition").int(),
                    rolling.get("maxUnavailable").value()
                );
                rolling.invalid_shown(errors, &shown, "only allowed for updateStrategy 'RollingUpdate'");
            }
        }
        "RollingUpdate" => {
            rolling.get("partition").non_negative(errors);
            let unavailable = rolling.get("maxUnavailable");
            if unavailable.has() {
                int_or_percent(&unavailable, errors);
                if int_or_percent_value(&unavailable) == 0 {
                    unavailable.invalid_here(errors, "cannot be 0");
                }
                at_most_100_percent(&unavailable, errors);
            }
        }
        kind => {
            let kind = crate::field_error::go_quote(kind);
            let rolling = if rolling.has() {
                format!(
                    "{{\"Partition\":{},\"MaxUnavailable\":{}}}",
                    rolling.get("partition").int(),
                    rolling.get("maxUnavailable").value()
                )
            } else {
                "null".to_owned()
            };
            let shown = format!("{{\"Type\":{kind},\"RollingUpdate\":{rolling}}}");
            at.invalid_shown(errors, &shown, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}

/// The status of a StatefulSet.
pub(super) fn stateful_set_status(new: &At, old: &At, errors: &mut FieldErrors) {
    let (status, before) = (new.get("status"), old.get("status"));
    let counts = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
    status.get("replicas").non_negative(errors);
    non_negative_fields(&status, &counts, errors);
    non_negative_fields(&status, &["observedGeneration", "collisionCount"], errors);
    at_most(&status, &counts, "replicas", "cannot be greater than status.replicas", errors);
    at_most(&status, &["availableReplicas"], "readyReplicas", "cannot be greater than status.readyReplicas", errors);
    collision_count(&status, &before, errors);
}

/// A DaemonSet, and what it replaces.
pub(super) fn daemon_set(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let selector = spec.get("selector");
    let mut rules = rules_after(old);
    if let Some(old) = old {
        immutable_selector(&selector, old.get("spec").get("selector").value(), errors);
        if Values::unless_bad_values(&old.get("spec").get("selector")) == Values::Any {
            rules.selector_values = Values::Any;
        }
    }
    meta::selector(&selector, rules.selector_values, errors);
    let template = spec.get("template");
    let metadata = template.get("metadata");
    let labels = metadata.get("labels");
    if selector_matches(&selector, &labels) == Some(false) {
        labels.invalid_here(errors, MISMATCH);
    }
    if selector.has() && selector_is_empty(&selector) {
        selector.invalid_shown(errors, &selector_shown(selector.value()), "empty selector is invalid for daemonset");
    }
    pod::template(&template, &rules, errors);
    runs_for_ever(&spec, "DaemonSet", errors);
    spec.get("minReadySeconds").non_negative(errors);
    template_generation(root, errors);
    daemon_strategy(&spec.get("updateStrategy"), errors);
    spec.get("revisionHistoryLimit").non_negative(errors);
}

fn template_generation(root: &At, errors: &mut FieldErrors) {
    let annotations = root.get("metadata");
    let annotations = annotations.get("annotations");
    let number = annotations.get(TEMPLATE_GENERATION).str().parse::<i64>().unwrap_or(0);
    if number < 0 {
        let spec = root.get("spec");
        spec.get("templateGeneration").invalid(errors, number, "must be greater than or equal to 0");
    }
}

fn daemon_strategy(at: &At, errors: &mut FieldErrors) {
    let rolling = at.get("rollingUpdate");
    match at.get("type").str() {
        "OnDelete" => {}
        "RollingUpdate" if !rolling.has() => rolling.required(errors, ""),
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            for check in [int_or_percent, at_most_100_percent] {
                check(&unavailable, errors);
                check(&surge, errors);
            }
            match (int_or_percent_value(&unavailable) != 0, int_or_percent_value(&surge) != 0) {
                (true, true) => surge.invalid_here(errors, "may not be set when maxUnavailable is non-zero"),
                (false, false) => unavailable.required(errors, "cannot be 0 when maxSurge is 0"),
                (true, false) | (false, true) => {}
            }
        }
        _ => strategy_unsupported(at, &["RollingUpdate", "OnDelete"], errors),
    }
}

/// The status of a DaemonSet.
pub(super) fn daemon_set_status(new: &At, old: &At, errors: &mut FieldErrors) {
    let (status, before) = (new.get("status"), old.get("status"));
    non_negative_fields(
        &status,
        &[
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ],
        errors,
    );
    collision_count(&status, &before, errors);
}

/// A ControllerRevision, and what it replaces.
pub(super) fn controller_revision(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    root.get("revision").non_negative(errors);
    let data = root.get("data");
    if let Some(old) = old {
        data.immutable(errors, old.get("data").value());
    } else if !data.has() {
        data.required(errors, "data is mandatory");
    } else if !data.value().is_object() {
        data.required(errors, "data must be a valid JSON object");
    }
}
