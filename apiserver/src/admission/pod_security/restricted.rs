//! The restricted standard: what a pod must give up of its own accord.

use super::super::write::{items, text};
use super::baseline::confines;
use super::checks::{Finding, Subject, bad_values, named_containers, plural, quoted, setters};
use serde_json::Value;
use std::collections::BTreeSet;

/// Volumes that hold only what the cluster gives.
const ALLOWED_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

const OTHER_VOLUMES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

fn finding(reason: &'static str, detail: String) -> Option<Finding> {
    Some(Finding { reason, detail })
}

pub(super) fn privilege_escalation(subject: &Subject<'_>, minor: u32) -> Option<Finding> {
    const FIELD: &str = "/securityContext/allowPrivilegeEscalation";
    if minor >= 25 && subject.is_windows() {
        return None;
    }
    let bad = subject.names(|container| container.pointer(FIELD) != Some(&Value::Bool(false)));
    if bad.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", named_containers(&bad));
    finding("allowPrivilegeEscalation != false", detail)
}

pub(super) fn capabilities(subject: &Subject<'_>, minor: u32) -> Option<Finding> {
    if minor >= 25 && subject.is_windows() {
        return None;
    }
    let keeping = subject
        .names(|container| !items(container, "/securityContext/capabilities/drop").contains(&Value::from("ALL")));
    let mut forbidden = BTreeSet::new();
    let adding = subject.names(|container| {
        let added = items(container, "/securityContext/capabilities/add").iter().filter_map(Value::as_str);
        let added: Vec<&str> = added.filter(|name| *name != "NET_BIND_SERVICE").collect();
        forbidden.extend(added.iter().copied());
        !added.is_empty()
    });
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!(r#"{} must set securityContext.capabilities.drop=["ALL"]"#, named_containers(&keeping)));
    }
    if !adding.is_empty() {
        let who = named_containers(&adding);
        details.push(format!("{who} must not include {} in securityContext.capabilities.add", quoted(forbidden)));
    }
    if details.is_empty() { None } else { finding("unrestricted capabilities", details.join("; ")) }
}

pub(super) fn volumes(subject: &Subject<'_>, _: u32) -> Option<Finding> {
    let has = |volume: &Value, kind: &str| volume.get(kind).is_some_and(|source| !source.is_null());
    let bad: Vec<&Value> = items(subject.spec, "/volumes")
        .iter()
        .filter(|volume| !ALLOWED_VOLUMES.iter().any(|kind| has(volume, kind)))
        .collect();
    if bad.is_empty() {
        return None;
    }
    let kind = |volume: &&Value| OTHER_VOLUMES.into_iter().find(|kind| has(volume, kind)).unwrap_or("unknown");
    let kinds: BTreeSet<&str> = bad.iter().map(kind).collect();
    let names = quoted(bad.iter().map(|volume| text(volume, "/name")));
    let (volume, uses) = (plural("volume", "volumes", bad.len()), plural("uses", "use", bad.len()));
    let word = plural("restricted volume type", "restricted volume types", kinds.len());
    finding("restricted volume types", format!("{volume} {names} {uses} {word} {}", quoted(kinds)))
}

pub(super) fn run_as_non_root(subject: &Subject<'_>, minor: u32) -> Option<Finding> {
    const REASON: &str = "runAsNonRoot != true";
    if minor >= 35 && subject.has_own_users() {
        return None;
    }
    let wish = |holder: &Value| holder.pointer("/securityContext/runAsNonRoot").and_then(Value::as_bool);
    let pod = wish(subject.spec);
    let who = setters(pod == Some(false), &subject.names(|container| wish(container) == Some(false)));
    if !who.is_empty() {
        return finding(REASON, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let silent = subject.names(|container| pod.is_none() && wish(container).is_none());
    if silent.is_empty() {
        return None;
    }
    finding(REASON, format!("pod or {} must set securityContext.runAsNonRoot=true", named_containers(&silent)))
}

pub(super) fn run_as_user(subject: &Subject<'_>, minor: u32) -> Option<Finding> {
    if minor >= 35 && subject.has_own_users() {
        return None;
    }
    let is_root = |holder: &Value| holder.pointer("/securityContext/runAsUser").and_then(Value::as_i64) == Some(0);
    let who = setters(is_root(subject.spec), &subject.names(is_root));
    if who.is_empty() { None } else { finding("runAsUser=0", format!("{who} must not set runAsUser=0")) }
}

pub(super) fn seccomp(subject: &Subject<'_>, minor: u32) -> Option<Finding> {
    const PROFILE: &str = "/securityContext/seccompProfile";
    if minor >= 25 && subject.is_windows() {
        return None;
    }
    let (who, values) = bad_values(subject, "/securityContext/seccompProfile/type", |kind| !confines(kind));
    if !who.is_empty() {
        return finding(
            "seccompProfile",
            format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(values)),
        );
    }
    let has = |holder: &Value| holder.pointer(PROFILE).is_some_and(|profile| !profile.is_null());
    let silent = subject.names(|container| !has(subject.spec) && !has(container));
    if silent.is_empty() {
        return None;
    }
    let who = named_containers(&silent);
    finding(
        "seccompProfile",
        format!(r#"pod or {who} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost""#),
    )
}
