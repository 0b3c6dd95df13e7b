//! Jobs and CronJobs.

use super::cron;
use super::indexes;
use super::meta::{self, Values, domain_path, immutable_selector, selector_matches, selector_shown};
use super::pod::{self, PodRules};
use super::shape::{Part, Shape, shown};
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, qualified_name};
use crate::builtin::same::same;
use crate::field_error::{FieldError, FieldErrors};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const SUCCESS: Shape = &[(
    "rules",
    "Rules",
    Part::List(&[
        ("succeededIndexes", "SucceededIndexes", Part::Plain),
        ("succeededCount", "SucceededCount", Part::Plain),
    ]),
)];

const INDEXED: &str = "Indexed";

fn is_indexed(spec: &At) -> bool {
    spec.get("completionMode").str() == INDEXED
}

fn invalid_omitted(at: &At, errors: &mut FieldErrors, detail: impl Into<String>) {
    let mut error = FieldError::invalid(at.path(), Value::Null, detail);
    error.omit_value = true;
    errors.push(error);
}

/// A Job that is created.
pub(super) fn job(root: &At, errors: &mut FieldErrors) {
    whole_job(root, &PodRules::strict(false), true, errors);
}

/// A Job that replaces another.
pub(super) fn job_update(new: &At, old: &At, errors: &mut FieldErrors) {
    let (spec, before) = (new.get("spec"), old.get("spec"));
    let old_template = before.get("template");
    let old_metadata = old_template.get("metadata");
    let old_labels = old_metadata.get("labels");
    let prefixed = ["batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid"]
        .iter()
        .all(|label| old_labels.get(label).has());
    let mut rules = PodRules::after(false, &old_template);
    if Values::unless_bad_values(&before.get("selector")) == Values::Any {
        rules.selector_values = Values::Any;
    }
    whole_job(new, &rules, prefixed, errors);
    completions(&spec, &before, errors);
    immutable_selector(&spec.get("selector"), before.get("selector").value(), errors);
    template_update(&spec, old, errors);
    for name in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        spec.get(name).immutable(errors, before.get(name).value());
    }
}

fn whole_job(root: &At, rules: &PodRules, prefixed: bool, errors: &mut FieldErrors) {
    generated_selector(root, prefixed, errors);
    let spec = root.get("spec");
    job_spec(&spec, rules, errors);
    let selector = spec.get("selector");
    if selector.has() {
        meta::selector(&selector, rules.selector_values, errors);
    } else {
        selector.required(errors, "");
    }
    let template = spec.get("template");
    let metadata = template.get("metadata");
    let labels = metadata.get("labels");
    if selector_matches(&selector, &labels) == Some(false) {
        labels.invalid_here(errors, "`selector` does not match template `labels`");
    }
    let count = spec.get("completions").int();
    if is_indexed(&spec) && count > 0 {
        let metadata = root.get("metadata");
        let name = metadata.get("name");
        let hostname = format!("{}-{}", name.str(), count - 1);
        if !dns_label(&hostname).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {hostname}");
            name.invalid(errors, name.str(), detail);
        }
    }
}

fn generated_selector(root: &At, prefixed: bool, errors: &mut FieldErrors) {
    let (spec, metadata) = (root.get("spec"), root.get("metadata"));
    let selector = spec.get("selector");
    if spec.get("manualSelector").flag() || !selector.has() {
        return;
    }
    metadata.get("uid").require(errors);
    let (uid, name) = (metadata.get("uid").str(), metadata.get("name").str());
    let template = spec.get("template");
    let template = template.get("metadata");
    let labels = template.get("labels");
    let mut expected = Map::new();
    let pairs = [
        ("controller-uid", uid, true),
        ("job-name", name, true),
        ("batch.kubernetes.io/controller-uid", uid, prefixed),
        ("batch.kubernetes.io/job-name", name, prefixed),
    ];
    for (key, value, wanted) in pairs {
        if !wanted {
            continue;
        }
        expected.insert(key.to_owned(), Value::from(value));
        let at = labels.key(key);
        match at.text() {
            None => at.required(errors, &format!("must be '{value}'")),
            Some(text) if text != value => {
                at.invalid(errors, labels.value().clone(), format!("must be '{value}'"));
            }
            Some(_) => {}
        }
    }
    let expected = Value::Object(expected);
    if selector_matches(&selector, &At::root(&expected)) == Some(false) {
        selector.invalid_shown(errors, &selector_shown(selector.value()), "`selector` not auto-generated");
    }
}

/// The spec of a job or of the template of one.
fn job_spec(spec: &At, rules: &PodRules, errors: &mut FieldErrors) {
    for name in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        spec.get(name).non_negative(errors);
    }
    let per_index = spec.get("backoffLimitPerIndex");
    if spec.get("maxFailedIndexes").has() && !per_index.has() {
        per_index.required(errors, "when maxFailedIndexes is specified");
    }
    let manager = spec.get("managedBy");
    if manager.has() {
        domain_path(&manager, errors);
        if manager.len() > 63 {
            manager.too_long(errors, 63);
        }
    }
    completion_mode(spec, errors);
    let failure = spec.get("podFailurePolicy");
    if failure.has() {
        failure_policy(spec, &failure, errors);
    }
    let success = spec.get("successPolicy");
    if success.has() {
        if is_indexed(spec) {
            success_policy(spec, &success, errors);
        } else {
            success.invalid_shown(errors, &shown(success.value(), SUCCESS), "requires indexed completion mode");
        }
    }
    replacement_policy(spec, errors);
    let template = spec.get("template");
    pod::template(&template, rules, errors);
    restart_policy(spec, &template, errors);
}

fn restart_policy(spec: &At, template: &At, errors: &mut FieldErrors) {
    let pod = template.get("spec");
    let policy = pod.get("restartPolicy");
    match policy.str() {
        "Always" | "" => policy.required(errors, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.get("podFailurePolicy").has() => {
            policy.invalid(errors, "OnFailure", "only \"Never\" is supported when podFailurePolicy is specified");
        }
        "OnFailure" | "Never" => {}
        _ => policy.unsupported(errors, &["OnFailure", "Never"]),
    }
}

fn completion_mode(spec: &At, errors: &mut FieldErrors) {
    const MANY: i64 = 100_000;
    const MOST: i64 = 10_000;
    let mode = spec.get("completionMode");
    let (count, parallel) = (spec.get("completions"), spec.get("parallelism"));
    let (failed, per_index) = (spec.get("maxFailedIndexes"), spec.get("backoffLimitPerIndex"));
    if mode.has() && !matches!(mode.str(), "NonIndexed" | INDEXED) {
        mode.unsupported(errors, &["NonIndexed", INDEXED]);
    }
    if !mode.has() || mode.str() == "NonIndexed" {
        for at in [per_index, failed] {
            if at.has() {
                at.invalid(errors, at.int(), "requires indexed completion mode");
            }
        }
    }
    if mode.str() != INDEXED {
        return;
    }
    if !count.has() {
        count.required(errors, "when completion mode is Indexed");
    }
    if parallel.int() > MANY {
        let detail = format!("must be less than or equal to {MANY} when completion mode is Indexed");
        parallel.invalid(errors, parallel.int(), detail);
    }
    if count.has() && failed.int() > count.int() {
        failed.invalid(errors, failed.int(), "must be less than or equal to completions");
    }
    if failed.int() > MANY {
        failed.invalid(errors, failed.int(), format!("must be less than or equal to {MANY}"));
    }
    if count.int() > MANY && per_index.has() {
        if !failed.has() {
            failed.required(errors, &format!("must be specified when completions is above {MANY}"));
        }
        for at in [parallel, failed] {
            if at.int() > MOST {
                let detail = format!(
                    "must be less than or equal to {MOST} when completions are above {MANY} and used with backoff \
                     limit per index"
                );
                at.invalid(errors, at.int(), detail);
            }
        }
    }
}

fn replacement_policy(spec: &At, errors: &mut FieldErrors) {
    let policy = spec.get("podReplacementPolicy");
    if !policy.has() {
        return;
    }
    let with_failure = spec.get("podFailurePolicy").has();
    policy.one_of(errors, if with_failure { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] });
}

fn require_known(at: &At, known: &[&str], errors: &mut FieldErrors) {
    if at.is_empty() {
        let quoted: Vec<String> = known.iter().map(|value| format!("\"{value}\"")).collect();
        at.required(errors, &format!("valid values: [{}]", quoted.join(" ")));
    } else {
        at.one_of(errors, known);
    }
}

fn failure_policy(spec: &At, at: &At, errors: &mut FieldErrors) {
    let rules = at.get("rules");
    if rules.len() > 20 {
        rules.too_many(errors, rules.len(), 20);
    }
    let template = spec.get("template");
    let pod = template.get("spec");
    let lists = [pod.get("containers"), pod.get("initContainers")];
    let names: BTreeSet<&str> = lists.iter().flat_map(|list| list.items().map(|c| c.get("name").str())).collect();
    for rule in rules.items() {
        let action = rule.get("action");
        if action.str() == "FailIndex" {
            if !spec.get("backoffLimitPerIndex").has() {
                action.invalid(errors, action.str(), "requires the backoffLimitPerIndex to be set");
            }
        } else {
            require_known(&action, &["Count", "FailIndex", "FailJob", "Ignore"], errors);
        }
        let (codes, conditions) = (rule.get("onExitCodes"), rule.get("onPodConditions"));
        if codes.has() {
            exit_codes(&codes, &names, errors);
        }
        if !conditions.is_empty() {
            pod_conditions(&conditions, errors);
        }
        match (codes.has(), conditions.is_empty()) {
            (true, false) => {
                invalid_omitted(&rule, errors, "specifying both OnExitCodes and OnPodConditions is not supported")
            }
            (false, true) => {
                invalid_omitted(&rule, errors, "specifying one of OnExitCodes and OnPodConditions is required");
            }
            (true, true) | (false, false) => {}
        }
    }
}

fn pod_conditions(at: &At, errors: &mut FieldErrors) {
    if at.len() > 20 {
        at.too_many(errors, at.len(), 20);
    }
    for pattern in at.items() {
        pattern.get("type").check(errors, qualified_name);
        require_known(&pattern.get("status"), &["False", "True", "Unknown"], errors);
    }
}

fn exit_codes(at: &At, names: &BTreeSet<&str>, errors: &mut FieldErrors) {
    let operator = at.get("operator");
    require_known(&operator, &["In", "NotIn"], errors);
    let name = at.get("containerName");
    if name.has() && !names.contains(name.str()) {
        name.invalid(errors, name.str(), "must be one of the container or initContainer names in the pod template");
    }
    let values = at.get("values");
    if values.is_empty() {
        values.invalid_here(errors, "at least one value is required");
    } else if values.len() > 255 {
        values.too_many(errors, values.len(), 255);
    }
    let mut seen = BTreeSet::new();
    let mut last = i64::MIN;
    let mut ordered = true;
    for value in values.items() {
        let code = value.int();
        if operator.str() == "In" && code == 0 {
            value.invalid(errors, 0, "must not be 0 for the In operator");
        }
        if !seen.insert(code) {
            value.duplicate(errors, code);
        }
        ordered &= last <= code;
        last = code;
    }
    if !ordered {
        values.invalid_here(errors, "must be ordered");
    }
}

fn success_policy(spec: &At, at: &At, errors: &mut FieldErrors) {
    const INDEXES_MAX: usize = 64 * 1024;
    let rules = at.get("rules");
    if rules.is_empty() {
        rules.required(errors, "at least one rules must be specified when the successPolicy is specified");
    }
    if rules.len() > 20 {
        rules.too_many(errors, rules.len(), 20);
    }
    let completions = spec.get("completions").int();
    for rule in rules.items() {
        let (count, listed) = (rule.get("succeededCount"), rule.get("succeededIndexes"));
        if !count.has() && !listed.has() {
            rule.required(errors, "at least one of succeededCount or succeededIndexes must be specified");
        }
        let mut total = 0;
        if listed.has() {
            if listed.len() > INDEXES_MAX {
                listed.too_long(errors, INDEXES_MAX);
            }
            match indexes::count(listed.str(), completions) {
                Ok(number) => total = number,
                Err(reason) => {
                    listed.invalid(errors, listed.str(), format!("error parsing succeededIndexes: {reason}"));
                }
            }
        }
        if count.has() {
            count.non_negative(errors);
            if count.int() > completions {
                let detail =
                    format!("must be less than or equal to {completions} (the number of specified completions)");
                count.invalid(errors, count.int(), detail);
            }
            if listed.has() && count.int() > total {
                let detail = format!(
                    "must be less than or equal to {total} (the number of indexes in the specified \
                     succeededIndexes field)"
                );
                count.invalid(errors, count.int(), detail);
            }
        }
    }
}

fn completions(spec: &At, old: &At, errors: &mut FieldErrors) {
    let at = spec.get("completions");
    if !is_indexed(spec) {
        at.immutable(errors, old.get("completions").value());
    } else if at.has() && !same(at.value(), old.get("completions").value()) && at.int() != spec.get("parallelism").int()
    {
        at.invalid(errors, at.int(), "can only be modified in tandem with spec.parallelism");
    }
}

/// The template may not change, except for where pods may run while a job has not started.
fn template_update(spec: &At, old: &At, errors: &mut FieldErrors) {
    let before = old.get("spec");
    let template = spec.get("template");
    let mut allowed = before.get("template").value().clone();
    let waiting = before.get("suspend").flag() && !old.get("status").get("startTime").has();
    if waiting {
        forgive(&mut allowed, template.value());
    }
    template.immutable(errors, &allowed);
}

fn put(object: &mut Value, name: &str, value: Option<&Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) if !value.is_null() => map.insert(name.to_owned(), value.clone()),
        _ => map.remove(name),
    };
}

fn forgive(old: &mut Value, new: &Value) {
    let node = new.pointer("/spec/affinity/nodeAffinity").cloned();
    let new_has_affinity = new.pointer("/spec/affinity").is_some_and(|affinity| !affinity.is_null());
    if let Some(spec) = old.get_mut("spec") {
        if spec.get("affinity").is_none_or(Value::is_null) && new_has_affinity {
            put(spec, "affinity", Some(&Value::Object(Map::new())));
        }
        if let Some(affinity) = spec.get_mut("affinity") {
            put(affinity, "nodeAffinity", node.as_ref());
            if !new_has_affinity && affinity.as_object().is_some_and(Map::is_empty) {
                put(spec, "affinity", None);
            }
        }
        for name in ["nodeSelector", "tolerations", "schedulingGates"] {
            put(spec, name, new.get("spec").and_then(|spec| spec.get(name)));
        }
    }
    if old.get("metadata").is_none_or(Value::is_null) {
        put(old, "metadata", Some(&Value::Object(Map::new())));
    }
    if let Some(metadata) = old.get_mut("metadata") {
        for name in ["annotations", "labels"] {
            put(metadata, name, new.get("metadata").and_then(|metadata| metadata.get(name)));
        }
    }
}

/// A CronJob, and what it replaces.
pub(super) fn cron_job(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let before = old.map(|old| old.get("spec"));
    let schedule = spec.get("schedule");
    if !schedule.require(errors) {
        let had_zone = before.as_ref().is_some_and(|spec| spec.get("schedule").str().contains("TZ"));
        schedule_format(&schedule, had_zone, spec.get("timeZone").has(), errors);
    }
    spec.get("startingDeadlineSeconds").non_negative(errors);
    let zone = spec.get("timeZone");
    if !before.as_ref().is_some_and(|spec| spec.get("timeZone").value() == zone.value()) {
        time_zone(&zone, errors);
    }
    spec.get("concurrencyPolicy").require_one_of(errors, &["Allow", "Forbid", "Replace"]);
    let template = spec.get("jobTemplate");
    let job = template.get("spec");
    let old_template = before.as_ref().map(|spec| spec.get("jobTemplate"));
    let rules = old_template
        .as_ref()
        .map_or(PodRules::strict(false), |template| PodRules::after(false, &template.get("spec").get("template")));
    job_spec(&job, &rules, errors);
    let selector = job.get("selector");
    if selector.has() {
        selector.invalid_shown(errors, &selector_shown(selector.value()), "`selector` will be auto-generated");
    }
    if job.get("manualSelector").flag() {
        job.get("manualSelector").unsupported_value(errors, true, &["nil", "false"]);
    }
    spec.get("successfulJobsHistoryLimit").non_negative(errors);
    spec.get("failedJobsHistoryLimit").non_negative(errors);
    let metadata = root.get("metadata");
    let name = metadata.get("name");
    if old.is_none() && name.len() > 52 {
        name.invalid(errors, name.str(), "must be no more than 52 characters");
    }
}

fn schedule_format(at: &At, had_zone: bool, has_zone: bool, errors: &mut FieldErrors) {
    let text = at.str();
    if let Some(complaint) = cron::complaint(text) {
        at.invalid(errors, text, complaint);
    }
    if !text.contains("TZ") {
        return;
    }
    if !had_zone {
        at.invalid(errors, text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    } else if has_zone {
        at.invalid(errors, text, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
    }
}

fn time_zone(at: &At, errors: &mut FieldErrors) {
    let Some(name) = at.text() else { return };
    if name.is_empty() {
        at.invalid(errors, name, "timeZone must be nil or non-empty string");
        return;
    }
    let good = |part: &str| {
        !matches!(part, "." | "..")
            && !part.starts_with('-')
            && (1..=14).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+'))
    };
    if !name.split('/').all(good) {
        at.invalid(errors, name, format!("unknown time zone {name}"));
        return;
    }
    if name.eq_ignore_ascii_case("local") {
        at.invalid(
            errors,
            name,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        );
    }
    if let Some(complaint) = cron::zone_complaint(name) {
        at.invalid(errors, name, complaint);
    }
}
