//! Nobody grants what they don't hold: the checks on writes of roles and bindings.

use super::attributes::{Attributes, ResourceTarget, Target};
use super::coverage::{compact, uncovered};
use super::layer::{Kind, RoleRef};
use super::policy::{Policy, RoleError};
use super::rule::Rule;
use super::{PRIVILEGED_GROUP, RBAC_GROUP, join_errors};
use crate::authn::user::User;
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::{GroupResource, Status};
use serde::Deserialize;
use serde_json::Value;

/// A create, update, patch or apply of an RBAC object, after defaulting and before it is stored.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    /// Who writes.
    pub user: &'a User,
    /// What kind of object.
    pub kind: Kind,
    /// Namespace of the request; empty for cluster kinds.
    pub namespace: &'a str,
    /// Name in the request's path; empty for a create by POST.
    pub request_name: &'a str,
    /// The object that is there, if any.
    pub old: Option<&'a Value>,
    /// The object to be.
    pub new: &'a Value,
}

/// Refuses a write that would give somebody more than the writer has.
///
/// # Errors
/// 403 with upstream's list of what is missing; 404 when a binding's role does not exist.
pub fn check(policy: &Policy<'_>, write: &Write<'_>) -> Result<(), Status> {
    if write.user.is_in(PRIVILEGED_GROUP) {
        return Ok(());
    }
    match write.kind {
        Kind::ClusterRole | Kind::Role => check_role(policy, write),
        Kind::ClusterRoleBinding | Kind::RoleBinding => check_binding(policy, write),
    }
}

fn check_role(policy: &Policy<'_>, write: &Write<'_>) -> Result<(), Status> {
    if may(policy, write, "escalate", write.kind.resource(), write.request_name) || changes_only_gc_fields(write) {
        return Ok(());
    }
    let rules = rules_of(write.new)?;
    confirm(policy, write, &rules)?;
    let aggregates = |object: &Value| {
        object
            .pointer("/aggregationRule/clusterRoleSelectors")
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    if write.kind == Kind::ClusterRole && (aggregates(write.new) || write.old.is_some_and(aggregates)) {
        confirm(policy, write, &full_authority())
            .map_err(|_| forbidden(write, "must have cluster-admin privileges to use the aggregationRule"))?;
    }
    Ok(())
}

fn check_binding(policy: &Policy<'_>, write: &Write<'_>) -> Result<(), Status> {
    if changes_only_gc_fields(write) {
        return Ok(());
    }
    let role = RoleRef::deserialize(&write.new["roleRef"])
        .map_err(|error| Status::bad_request(format!("roleRef: {error}")))?;
    let resource = match &*role.kind {
        "ClusterRole" => Some("clusterroles"),
        "Role" => Some("roles"),
        _ => None,
    };
    if resource.is_some_and(|resource| may(policy, write, "bind", resource, &role.name)) {
        return Ok(());
    }
    let rules = policy.role_rules(&role, write.namespace).map_err(|error| role_error(write, &error))?;
    confirm(policy, write, rules)
}

/// A user may be allowed to escalate or bind explicitly.
fn may(policy: &Policy<'_>, write: &Write<'_>, verb: &str, resource: &str, name: &str) -> bool {
    let target = ResourceTarget { namespace: write.namespace, group: RBAC_GROUP, resource, subresource: "", name };
    policy.authorize(&Attributes { user: write.user, verb, target: Target::Resource(target) }).allowed()
}

fn confirm(policy: &Policy<'_>, write: &Write<'_>, wanted: &[Rule]) -> Result<(), Status> {
    let (held, errors) = policy.rules_for(write.user, write.namespace);
    let missing = uncovered(&held, wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = compact(missing).iter().map(Rule::compact_string).collect();
    lines.sort();
    lines.dedup();
    let mut why = format!(
        "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        go_quote(&write.user.name),
        write.user.quoted_groups(),
        lines.join("\n")
    );
    if !errors.is_empty() {
        let errors: Vec<String> = errors.iter().map(|error| in_words_of(write, error)).collect();
        why = format!("{why}; resolution errors: [{}]", join_errors(&errors));
    }
    Err(forbidden(write, &why))
}

fn forbidden(write: &Write<'_>, why: &str) -> Status {
    Status::forbidden(
        &written(write),
        write.new.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default(),
        why,
    )
}

fn role_error(write: &Write<'_>, error: &RoleError) -> Status {
    match error {
        RoleError::NotFound { name, .. } => Status::not_found(&written(write), name),
        RoleError::UnsupportedKind(_) => Status::internal(error),
    }
}

/// Here upstream looks roles up within the request, and a missing one bears the name of the request's resource.
fn in_words_of(write: &Write<'_>, error: &RoleError) -> String {
    match error {
        RoleError::NotFound { name, .. } => format!("{} {} not found", written(write), go_quote(name)),
        RoleError::UnsupportedKind(_) => error.to_string(),
    }
}

fn written(write: &Write<'_>) -> GroupResource {
    GroupResource { group: RBAC_GROUP.to_owned(), resource: write.kind.resource().to_owned() }
}

fn rules_of(role: &Value) -> Result<Vec<Rule>, Status> {
    match &role["rules"] {
        Value::Null => Ok(Vec::new()),
        rules => Vec::deserialize(rules).map_err(|error| Status::bad_request(format!("rules: {error}"))),
    }
}

fn full_authority() -> [Rule; 2] {
    let star = || -> super::rule::Words { Box::new(["*".into()]) };
    [
        Rule { api_groups: star(), resources: star(), verbs: star(), ..Rule::default() },
        Rule { non_resource_urls: star(), verbs: star(), ..Rule::default() },
    ]
}

/// Lets the garbage collector work on objects that its own rights would not cover.
fn changes_only_gc_fields(write: &Write<'_>) -> bool {
    let Some(old) = write.old else { return false };
    essence(old) == essence(write.new)
}

/// Returns the object without what garbage collection changes, and without empty parts.
fn essence(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in ["ownerReferences", "finalizers", "managedFields", "selfLink", "resourceVersion"] {
            metadata.remove(key);
        }
    }
    drop_empty(&mut object);
    object
}

fn drop_empty(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(drop_empty);
            map.retain(|_, value| !is_empty(value));
        }
        Value::Array(list) => list.iter_mut().for_each(drop_empty),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
