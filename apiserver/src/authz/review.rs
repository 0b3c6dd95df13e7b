//! Reviews of authorization.k8s.io: the questions that clients ask of the authorizer.
//!
//! Each function takes the object as it was sent (decoded and defaulted) and returns it answered. Nothing is stored.

use super::attributes::{Attributes, ResourceTarget, Target};
use super::join_errors;
use super::policy::Policy;
use super::rule::{Rule, words_value};
use crate::authn::user::User;
use kplex_machinery::field_error::{FieldError, FieldErrors};
use kplex_machinery::metadata::names::{is_qualified_name, is_valid_label_value};
use kplex_machinery::metadata::shown;
use kplex_machinery::selector::{FieldSelector, LabelSelector};
use kplex_machinery::status::Status;
use serde_json::{Map, Value, json};

/// API group of the reviews.
pub const GROUP: &str = "authorization.k8s.io";

/// Answers a `SubjectAccessReview`.
///
/// # Errors
/// 422 when the question makes no sense.
pub fn subject_access(policy: &Policy<'_>, review: Value) -> Result<Value, Status> {
    let mut errors = check_spec(&review["spec"], true);
    errors.extend(check_metadata(&review["metadata"], &["managedFields"], "must be empty"));
    refuse(&errors)?;
    let user = user_of(&review["spec"]);
    Ok(answer(policy, &user, review))
}

/// Answers a `LocalSubjectAccessReview` in the namespace of the request.
///
/// # Errors
/// 422 or 400 when the question makes no sense.
pub fn local_subject_access(policy: &Policy<'_>, namespace: &str, review: Value) -> Result<Value, Status> {
    let spec = &review["spec"];
    let own_namespace = text(&review["metadata"], "namespace");
    let mut errors = check_spec(spec, true);
    let allowed = ["managedFields", "namespace"];
    errors.extend(check_metadata(&review["metadata"], &allowed, "must be empty except for namespace"));
    let asked = spec.get("resourceAttributes").filter(|value| !value.is_null());
    if let Some(asked) = asked
        && text(asked, "namespace") != own_namespace
    {
        let bad = text(asked, "namespace");
        errors.push(FieldError::invalid("spec.resourceAttributes.namespace", bad, "must match metadata.namespace"));
    }
    if let Some(path) = non_resource(spec) {
        errors.push(FieldError::invalid("spec.nonResourceAttributes", path, "disallowed on this kind of request"));
    }
    refuse(&errors)?;
    if namespace != own_namespace {
        let message = format!("spec.resourceAttributes.namespace must match namespace: {namespace}");
        return Err(Status::bad_request(message));
    }
    let user = user_of(spec);
    Ok(answer(policy, &user, review))
}

/// Answers a `SelfSubjectAccessReview` of `user`.
///
/// # Errors
/// 422 when the question makes no sense.
pub fn self_subject_access(policy: &Policy<'_>, user: &User, review: Value) -> Result<Value, Status> {
    let mut errors = check_spec(&review["spec"], false);
    errors.extend(check_metadata(&review["metadata"], &["managedFields"], "must be empty"));
    refuse(&errors)?;
    Ok(answer(policy, user, review))
}

/// Answers a `SelfSubjectRulesReview` of `user`. Like upstream's answer, it repeats nothing of the question.
///
/// # Errors
/// 400 without a namespace.
pub fn self_subject_rules(policy: &Policy<'_>, user: &User, review: &Value) -> Result<Value, Status> {
    let namespace = text(&review["spec"], "namespace");
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (rules, errors) = policy.rules_for(user, namespace);
    let resource_rules: Vec<Value> =
        rules.iter().filter(|rule| !rule.resources.is_empty()).map(|rule| resource_rule(rule)).collect();
    let other_rules: Vec<Value> = rules
        .iter()
        .filter(|rule| !rule.non_resource_urls.is_empty())
        .map(|rule| json!({"verbs": words_value(&rule.verbs), "nonResourceURLs": words_value(&rule.non_resource_urls)}))
        .collect();
    let mut status = json!({"resourceRules": resource_rules, "nonResourceRules": other_rules, "incomplete": false});
    if !errors.is_empty() {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        status["evaluationError"] = Value::from(join_errors(&errors));
    }
    Ok(json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "SelfSubjectRulesReview",
        "metadata": {}, "spec": {}, "status": status,
    }))
}

fn resource_rule(rule: &Rule) -> Value {
    let all = Rule { non_resource_urls: Box::default(), ..rule.clone() };
    all.to_value()
}

fn answer(policy: &Policy<'_>, user: &User, mut review: Value) -> Value {
    let spec = &review["spec"];
    let decision = policy.authorize(&attributes(user, spec));
    let mut status = Map::new();
    status.insert("allowed".to_owned(), Value::from(decision.allowed()));
    let reason = decision.reason();
    if !reason.is_empty() {
        status.insert("reason".to_owned(), Value::from(reason));
    }
    let selectors = selector_errors(&spec["resourceAttributes"]);
    if !selectors.is_empty() {
        status.insert("evaluationError".to_owned(), Value::from(selectors.join("; ")));
    }
    review["status"] = Value::Object(status);
    review
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn attributes<'a>(user: &'a User, spec: &'a Value) -> Attributes<'a> {
    let asked = &spec["resourceAttributes"];
    if asked.is_null() {
        let path = &spec["nonResourceAttributes"];
        return Attributes { user, verb: text(path, "verb"), target: Target::Path(text(path, "path")) };
    }
    let target = ResourceTarget {
        namespace: text(asked, "namespace"),
        group: text(asked, "group"),
        resource: text(asked, "resource"),
        subresource: text(asked, "subresource"),
        name: text(asked, "name"),
    };
    Attributes { user, verb: text(asked, "verb"), target: Target::Resource(target) }
}

fn user_of(spec: &Value) -> User {
    let words = |list: &Value| -> Vec<Box<str>> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(Box::from).collect()
    };
    let extra = spec["extra"].as_object().into_iter().flatten();
    User {
        name: text(spec, "user").into(),
        uid: text(spec, "uid").into(),
        groups: words(&spec["groups"]).into(),
        extra: extra.map(|(key, list)| (key.as_str().into(), words(list))).collect(),
    }
}

/// Upstream reports the errors of its internal type, which has no kind here; so does the message.
fn refuse(errors: &[FieldError]) -> Result<(), Status> {
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(GROUP, "", "", errors)) }
}

/// Returns the non-resource attributes as upstream shows them in errors.
fn non_resource(spec: &Value) -> Option<Value> {
    let path = spec.get("nonResourceAttributes").filter(|value| !value.is_null())?;
    Some(json!({"Path": text(path, "path"), "Verb": text(path, "verb")}))
}

fn check_spec(spec: &Value, names_subject: bool) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = non_resource(spec);
    let asked = spec.get("resourceAttributes").filter(|value| !value.is_null());
    if asked.is_some()
        && let Some(path) = &path
    {
        let why = "cannot be specified in combination with resourceAttributes";
        errors.push(FieldError::invalid("spec.nonResourceAttributes", path.clone(), why));
    }
    if asked.is_none() && path.is_none() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.push(FieldError::invalid("spec.resourceAttributes", Value::Null, why));
    }
    let has_groups = spec["groups"].as_array().is_some_and(|groups| !groups.is_empty());
    if names_subject && text(spec, "user").is_empty() && !has_groups {
        errors.push(FieldError::invalid("spec.user", "", "at least one of user or group must be specified"));
    }
    if let Some(asked) = asked {
        check_selector(&asked["fieldSelector"], "spec.resourceAttributes.fieldSelector", &mut errors);
        check_selector(&asked["labelSelector"], "spec.resourceAttributes.labelSelector", &mut errors);
    }
    errors
}

fn requirements(selector: &Value) -> &[Value] {
    selector["requirements"].as_array().map_or(&[], Vec::as_slice)
}

fn check_selector(selector: &Value, path: &str, errors: &mut FieldErrors) {
    if selector.is_null() {
        return;
    }
    let (raw, list) = (text(selector, "rawSelector"), requirements(selector));
    if !raw.is_empty() && !list.is_empty() {
        let why = "may not specified at the same time as requirements";
        errors.push(FieldError::invalid(format!("{path}.rawSelector"), raw, why));
    }
    if raw.is_empty() && list.is_empty() {
        let why = format!("when {path} is specified, requirements or rawSelector is required");
        errors.push(FieldError::required(format!("{path}.requirements"), why));
    }
    let of_labels = path.ends_with("labelSelector");
    for (index, requirement) in list.iter().enumerate() {
        check_requirement(requirement, &format!("{path}.requirements[{index}]"), of_labels, errors);
    }
}

/// Operators that this server does not know are let through: the check only becomes broader.
fn check_requirement(requirement: &Value, path: &str, of_labels: bool, errors: &mut FieldErrors) {
    let key = text(requirement, "key");
    if !of_labels && key.is_empty() {
        errors.push(FieldError::required(format!("{path}.key"), "must be specified"));
    }
    let values = requirement["values"].as_array().map_or(&[][..], Vec::as_slice);
    match text(requirement, "operator") {
        "In" | "NotIn" if values.is_empty() => {
            let why = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(FieldError::required(format!("{path}.values"), why));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(format!("{path}.values"), why));
        }
        _ => {}
    }
    if of_labels {
        for why in is_qualified_name(key) {
            errors.push(FieldError::invalid(format!("{path}.key"), key, why));
        }
        for (index, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            for why in is_valid_label_value(value) {
                errors.push(FieldError::invalid(format!("{path}.values[{index}]"), value, why));
            }
        }
    }
}

fn check_metadata(metadata: &Value, may_have: &[&str], why: &str) -> Option<FieldError> {
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    };
    let full = metadata.as_object()?.iter().any(|(key, value)| !may_have.contains(&key.as_str()) && is_set(value));
    full.then(|| FieldError::invalid_shown("metadata", &shown::metadata(metadata), why))
}

/// Says which selectors could not be evaluated as they were meant.
fn selector_errors(asked: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    let fields = &asked["fieldSelector"];
    let good_field = |requirement: &Value| {
        let one_value = requirement["values"].as_array().is_some_and(|values| values.len() == 1);
        matches!(text(requirement, "operator"), "In" | "NotIn") && one_value
    };
    let raw_is_bad = FieldSelector::parse(text(fields, "rawSelector")).is_err();
    errors.extend(unusable("fieldSelector", requirements(fields), good_field, raw_is_bad));
    let labels = &asked["labelSelector"];
    let good_label =
        |requirement: &Value| matches!(text(requirement, "operator"), "In" | "NotIn" | "Exists" | "DoesNotExist");
    let raw_is_bad = LabelSelector::parse(text(labels, "rawSelector")).is_err();
    errors.extend(unusable("labelSelector", requirements(labels), good_label, raw_is_bad));
    errors
}

fn unusable(field: &str, list: &[Value], good: impl Fn(&Value) -> bool, raw_is_bad: bool) -> Option<String> {
    let usable = list.iter().filter(|requirement| good(requirement)).count();
    let how = match (list.is_empty(), usable) {
        (true, _) if raw_is_bad => "ignored",
        (true, _) => return None,
        (false, 0) => "ignored",
        (false, count) if count < list.len() => "partially ignored",
        (false, _) => return None,
    };
    Some(format!("spec.resourceAttributes.{field} {how} due to parse error"))
}

#[cfg(test)]
mod tests;
