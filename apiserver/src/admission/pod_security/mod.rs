//! PodSecurity: the Pod Security Standards that a namespace asks for by its labels.
//!
//! Pods that break the enforced level are refused; pods and workloads that break the level of `warn` get a warning.
//! [`policy`] reads the labels, [`checks`] runs the standards of a version, [`baseline`] and [`restricted`] hold them.

mod policy;
mod checks;
mod baseline;
mod restricted;

use super::Verb;
use super::write::{Write, items, text};
use crate::codec;
use checks::{Subject, evaluate};
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::Status;
use policy::{Level, LevelVersion, Policy};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// Pods of a namespace that a new policy is tried on; upstream's limit.
const PODS_MAX: usize = 3000;

pub(super) async fn validate(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    if write.operation.verb == Verb::Delete {
        return Ok(());
    }
    let part = write.operation.part;
    match (write.served.group.as_str(), write.served.plural.as_str()) {
        ("", "namespaces") if part == Subresource::Main => namespace(write, new).await,
        ("", "pods") if part != Subresource::Status => pod(write, new).await,
        (group, plural) if part == Subresource::Main => match template_pointer(group, plural) {
            Some(pointer) => workload(write, new, pointer).await,
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Where the pods of a workload are described.
fn template_pointer(group: &str, plural: &str) -> Option<&'static str> {
    match (group, plural) {
        ("", "podtemplates") => Some("/template"),
        ("", "replicationcontrollers")
        | ("apps", "replicasets" | "deployments" | "statefulsets" | "daemonsets")
        | ("batch", "jobs") => Some("/spec/template"),
        ("batch", "cronjobs") => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

async fn policy_of(write: &Write<'_>, object: &Value) -> Result<Policy, Status> {
    let name = codec::meta_str(object, "namespace");
    let namespace = write.find("", "namespaces", None, name).await?;
    let namespace =
        namespace.ok_or_else(|| Status::internal(format!("failed to lookup namespace {}", go_quote(name))))?;
    Ok(Policy::read(&namespace).0)
}

async fn pod(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    if write.old.is_some_and(|old| write.operation.verb == Verb::Update && !is_significant(new, old)) {
        return Ok(());
    }
    let policy = policy_of(write, new).await?;
    if policy.is_privileged() {
        return Ok(());
    }
    let subject = Subject::of(new);
    let findings = evaluate(&policy.enforce, &subject);
    if !findings.is_empty() {
        let why = format!("violates PodSecurity {}: {}", go_quote(&policy.enforce.to_string()), findings.details());
        return Err(write.forbidden(new, &why));
    }
    warn(write, &policy.warn, &subject);
    Ok(())
}

async fn workload(write: &Write<'_>, new: &Value, pointer: &str) -> Result<(), Status> {
    let Some(template) = new.pointer(pointer).filter(|template| template.is_object()) else { return Ok(()) };
    let policy = policy_of(write, new).await?;
    warn(write, &policy.warn, &Subject::of(template));
    Ok(())
}

fn warn(write: &Write<'_>, standard: &LevelVersion, subject: &Subject<'_>) {
    let findings = evaluate(standard, subject);
    if !findings.is_empty() {
        write.call.warn(format!(
            "would violate PodSecurity {}: {}",
            go_quote(&standard.to_string()),
            findings.details()
        ));
    }
}

/// An update matters when it brings another image or container.
fn is_significant(new: &Value, old: &Value) -> bool {
    let image = |container: &Value| text(container, "/image").to_owned();
    let differs = |field: &str| {
        let (new, old) = (items(new, field), items(old, field));
        new.len() != old.len() || new.iter().zip(old).any(|(new, old)| image(new) != image(old))
    };
    let ephemeral = "/spec/ephemeralContainers";
    let changed = |container: &Value| {
        let before = items(old, ephemeral).iter().find(|before| text(before, "/name") == text(container, "/name"));
        before.is_none_or(|before| image(before) != image(container))
    };
    differs("/spec/containers") || differs("/spec/initContainers") || items(new, ephemeral).iter().any(changed)
}

/// Labels must make sense, and a stricter policy says which pods of the namespace break it.
async fn namespace(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    let name = codec::meta_str(new, "name");
    let (policy, errors) = Policy::read(new);
    let (before, errors_before) = write.old.map_or_else(Default::default, Policy::read);
    let is_update = write.operation.verb == Verb::Update;
    let known_before = is_update && errors == errors_before;
    if !errors.is_empty() && !known_before {
        return Err(write.served.invalid(name, &errors));
    }
    let (enforce, enforced) = (policy.enforce, before.enforce);
    let relaxed = enforce.version == enforced.version && enforce.level <= enforced.level;
    if !is_update || enforce == enforced || enforce.level == Level::Privileged || relaxed {
        return Ok(());
    }
    let pods = write.list("", "pods", Some(name)).await?;
    warnings(name, &enforce, &pods).into_iter().for_each(|warning| write.call.warn(warning));
    Ok(())
}

/// Returns what to say about pods that break a new policy: one of each controller first.
fn warnings(namespace: &str, standard: &LevelVersion, pods: &[Value]) -> Vec<String> {
    let mut seen = HashSet::new();
    let (mut first, mut rest): (Vec<&Value>, Vec<&Value>) = (Vec::new(), Vec::new());
    for pod in pods {
        let controller = items(pod, "/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true);
        match controller.map(|owner| text(owner, "/uid")) {
            Some(uid) if !seen.insert(uid) => rest.push(pod),
            _ => first.push(pod),
        }
    }
    let mut by_reason: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for pod in first.into_iter().chain(rest).take(PODS_MAX) {
        let findings = evaluate(standard, &Subject::of(pod));
        if !findings.is_empty() {
            let name = codec::meta_str(pod, "name");
            let entry = by_reason.entry(findings.reasons()).or_insert((name, 0));
            *entry = (entry.0.min(name), entry.1 + 1);
        }
    }
    let mut texts = Vec::new();
    if pods.len() > PODS_MAX {
        texts.push(format!(
            "new PodSecurity enforce level only checked against the first {PODS_MAX} of {} existing pods",
            pods.len()
        ));
    }
    if !by_reason.is_empty() {
        let (namespace, standard) = (go_quote(namespace), go_quote(&standard.to_string()));
        texts.push(format!(
            "existing pods in namespace {namespace} violate the new PodSecurity enforce level {standard}"
        ));
    }
    let mut lines: Vec<String> = by_reason
        .into_iter()
        .map(|(reason, (name, count))| match count {
            1 => format!("{name}: {reason}"),
            2 => format!("{name} (and 1 other pod): {reason}"),
            count => format!("{name} (and {} other pods): {reason}", count - 1),
        })
        .collect();
    lines.sort();
    texts.extend(lines);
    texts
}

#[cfg(test)]
mod tests;
