//! ValidatingAdmissionPolicies (KEP-3488): which of them a request meets, and what an evaluation that fails means.

use super::super::write::{items, text};
use super::GROUP;
use super::matching::Subject;
use crate::codec;
use kplex_machinery::status::{Cause, Status};
use serde_json::Value;

const WHY: &str = "CEL expressions are not evaluated by this server yet";

/// Meets every policy that is bound to requests like this.
pub(super) async fn validate(subject: &Subject<'_>) -> Result<(), Status> {
    for binding in subject.write.list(GROUP, "validatingadmissionpolicybindings", None).await? {
        let policy = text(&binding, "/spec/policyName");
        let Some(policy) = subject.write.find(GROUP, "validatingadmissionpolicies", None, policy).await? else {
            continue;
        };
        if !is_about(subject, &policy, &binding).await? {
            continue;
        }
        if let Some(message) = evaluate(&policy) {
            decide(subject, &policy, &binding, &message)?;
        }
    }
    Ok(())
}

async fn is_about(subject: &Subject<'_>, policy: &Value, binding: &Value) -> Result<bool, Status> {
    let constraints = &policy["spec"]["matchConstraints"];
    if !subject.is_matched_by(constraints, "/resourceRules").await? {
        return Ok(false);
    }
    match &binding["spec"]["matchResources"] {
        Value::Null => Ok(true),
        // Without rules of its own a binding is about all that its policy is about.
        resources if items(resources, "/resourceRules").is_empty() => {
            let mut resources = resources.clone();
            resources["resourceRules"] = constraints["resourceRules"].clone();
            subject.is_matched_by(&resources, "/resourceRules").await
        }
        resources => subject.is_matched_by(resources, "/resourceRules").await,
    }
}

/// Returns why the policy is not met; nothing when errors are to be ignored.
fn evaluate(policy: &Value) -> Option<String> {
    if text(policy, "/spec/failurePolicy") == "Ignore" {
        return None;
    }
    let conditions = items(policy, "/spec/matchConditions").iter().map(|condition| text(condition, "/expression"));
    let validations = items(policy, "/spec/validations").iter().map(|validation| text(validation, "/expression"));
    let audits = items(policy, "/spec/auditAnnotations").iter().map(|audit| text(audit, "/valueExpression"));
    let expression = conditions.chain(validations).chain(audits).next()?;
    Some(format!("expression '{expression}' resulted in error: {WHY}"))
}

/// Does what the binding says about a request that fails its policy.
fn decide(subject: &Subject<'_>, policy: &Value, binding: &Value, message: &str) -> Result<(), Status> {
    let (policy, name) = (codec::meta_str(policy, "name"), codec::meta_str(binding, "name"));
    let acts = |action: &str| items(binding, "/spec/validationActions").iter().any(|known| known == action);
    if acts("Warn") {
        let text =
            format!("Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{name}': {message}");
        subject.write.call.warn(text);
    }
    if !acts("Deny") {
        return Ok(());
    }
    let message = format!("ValidatingAdmissionPolicy '{policy}' with binding '{name}' denied request: {message}");
    let mut status = subject.write.forbidden(subject.new, &message);
    (status.code, status.reason) = (422, "Invalid".to_owned());
    status.causes.push(Cause { reason: String::new(), message, field: String::new() });
    Err(status)
}
