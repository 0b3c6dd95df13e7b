//! ServiceAccount: every pod runs as an account that exists, with its token mounted and its pull secrets.

use super::Verb;
use super::write::{Write, items, list_mut, text};
use crate::codec;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::metadata::generate::generate_name;
use kplex_machinery::status::Status;
use rand::RngExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const DEFAULT: &str = "default";
const VOLUME_PREFIX: &str = "kube-api-access-";
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const MIRROR: &str = "kubernetes.io/config.mirror";
const ENFORCE_MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";
/// How often a default account is looked for that a controller is about to make; as upstream.
const DEFAULT_TRIES: u32 = 10;
const DEFAULT_WAIT: Duration = Duration::from_millis(100);

pub(super) async fn admit(write: &Write<'_>, pod: &mut Value) -> Result<(), Status> {
    if !write.creates("", "pods") {
        return Ok(());
    }
    if is_mirror(pod) {
        return validate(write, pod).await;
    }
    if text(pod, "/spec/serviceAccountName").is_empty() {
        pod["spec"]["serviceAccountName"] = Value::from(DEFAULT);
        pod["spec"]["serviceAccount"] = Value::from(DEFAULT);
    }
    let account = account_of(write, pod).await?;
    if automounts(pod, &account) {
        mount_token(pod, || rand::rng().random());
    }
    if items(pod, "/spec/imagePullSecrets").is_empty() {
        let secrets: Vec<Value> =
            items(&account, "/imagePullSecrets").iter().map(|secret| json!({"name": text(secret, "/name")})).collect();
        if !secrets.is_empty() {
            pod["spec"]["imagePullSecrets"] = Value::Array(secrets);
        }
    }
    check_references(write, pod, &account)
}

pub(super) async fn validate(write: &Write<'_>, pod: &Value) -> Result<(), Status> {
    let ephemeral = write.operation.verb == Verb::Update && write.operation.part == Subresource::EphemeralContainers;
    if !write.is_of("", "pods") || !(write.operation.verb == Verb::Create || ephemeral) {
        return Ok(());
    }
    if is_mirror(pod) && !ephemeral {
        return check_mirror(pod).map_err(|why| write.forbidden(pod, why));
    }
    if text(pod, "/spec/serviceAccountName").is_empty() {
        let (namespace, name) = (codec::meta_str(pod, "namespace"), codec::meta_str(pod, "name"));
        return Err(write.forbidden(pod, &format!("no service account specified for pod {namespace}/{name}")));
    }
    let account = account_of(write, pod).await?;
    check_references(write, pod, &account)
}

/// Whether a pod shows what a node runs on its own.
pub(super) fn is_mirror(pod: &Value) -> bool {
    pod.pointer("/metadata/annotations").and_then(|annotations| annotations.get(MIRROR)).is_some()
}

/// Mirror pods show what a node runs on its own: nothing of this control plane may be in them.
fn check_mirror(pod: &Value) -> Result<(), &'static str> {
    if !text(pod, "/spec/serviceAccountName").is_empty() {
        return Err("a mirror pod may not reference service accounts");
    }
    if !secret_names(pod).is_empty() {
        return Err("a mirror pod may not reference secrets");
    }
    let projects_token = items(pod, "/spec/volumes")
        .iter()
        .flat_map(|volume| items(volume, "/projected/sources"))
        .any(|source| source.get("serviceAccountToken").is_some_and(|token| !token.is_null()));
    if projects_token { Err("a mirror pod may not use ServiceAccountToken volume projections") } else { Ok(()) }
}

/// Returns the names of all secrets that a pod refers to.
pub(super) fn secret_names(pod: &Value) -> BTreeSet<&str> {
    let pull = items(pod, "/spec/imagePullSecrets").iter().map(|secret| text(secret, "/name"));
    let containers = ["containers", "initContainers", "ephemeralContainers"].into_iter().flat_map(|list| {
        pod.get("spec").and_then(|spec| spec.get(list)).and_then(Value::as_array).into_iter().flatten()
    });
    let env = containers.flat_map(|container| {
        let one = items(container, "/env").iter().map(|env| text(env, "/valueFrom/secretKeyRef/name"));
        one.chain(items(container, "/envFrom").iter().map(|env| text(env, "/secretRef/name")))
    });
    let volumes = items(pod, "/spec/volumes").iter().flat_map(volume_secrets);
    pull.chain(env).chain(volumes).filter(|name| !name.is_empty()).collect()
}

fn volume_secrets(volume: &Value) -> Vec<&str> {
    const REFERENCES: [&str; 10] = [
        "/azureFile/secretName",
        "/cephfs/secretRef/name",
        "/cinder/secretRef/name",
        "/csi/nodePublishSecretRef/name",
        "/flexVolume/secretRef/name",
        "/iscsi/secretRef/name",
        "/rbd/secretRef/name",
        "/scaleIO/secretRef/name",
        "/secret/secretName",
        "/storageos/secretRef/name",
    ];
    let projected = items(volume, "/projected/sources").iter().map(|source| text(source, "/secret/name"));
    REFERENCES.into_iter().map(|pointer| text(volume, pointer)).chain(projected).collect()
}

async fn account_of(write: &Write<'_>, pod: &Value) -> Result<Value, Status> {
    let (namespace, name) = (codec::meta_str(pod, "namespace"), text(pod, "/spec/serviceAccountName"));
    let tries = if name == DEFAULT { DEFAULT_TRIES } else { 1 };
    for attempt in 0..tries {
        if attempt > 0 {
            tokio::time::sleep(DEFAULT_WAIT).await;
        }
        if let Some(account) = write.find("", "serviceaccounts", Some(namespace), name).await? {
            return Ok(account);
        }
    }
    let why = format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found");
    Err(write.forbidden(pod, &why))
}

/// The pod's own wish wins, then the account's.
fn automounts(pod: &Value, account: &Value) -> bool {
    let wish = |value: Option<&Value>| value.and_then(Value::as_bool);
    wish(pod.pointer("/spec/automountServiceAccountToken"))
        .or_else(|| wish(account.get("automountServiceAccountToken")))
        .unwrap_or(true)
}

fn mount_token(pod: &mut Value, random: impl FnMut() -> u32) {
    let existing = items(pod, "/spec/volumes")
        .iter()
        .map(|volume| text(volume, "/name"))
        .find(|name| name.starts_with(VOLUME_PREFIX));
    let existing = existing.map(str::to_owned);
    let is_new = existing.is_none();
    let name = existing.unwrap_or_else(|| generate_name(VOLUME_PREFIX, random));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = pod.get_mut("spec").and_then(|spec| spec.get_mut(list)).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            // What is mounted there already is what the author wants instead.
            if items(container, "/volumeMounts").iter().any(|mount| text(mount, "/mountPath") == MOUNT_PATH) {
                continue;
            }
            list_mut(container, "volumeMounts").push(json!({"name": name, "readOnly": true, "mountPath": MOUNT_PATH}));
            mounted = true;
        }
    }
    if is_new && mounted {
        list_mut(&mut pod["spec"], "volumes").push(token_volume(&name));
    }
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

/// An account may be annotated so that its pods use no secrets but its own.
fn check_references(write: &Write<'_>, pod: &Value, account: &Value) -> Result<(), Status> {
    let enforced = account.pointer("/metadata/annotations").and_then(|annotations| annotations.get(ENFORCE_MOUNTABLE));
    // What Go's strconv.ParseBool takes for true.
    if !enforced.and_then(Value::as_str).is_some_and(|text| matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True"))
    {
        return Ok(());
    }
    let ephemeral_only = write.operation.verb == Verb::Update;
    foreign_reference(pod, account, ephemeral_only).map_or(Ok(()), |why| Err(write.forbidden(pod, &why)))
}

fn foreign_reference(pod: &Value, account: &Value, ephemeral_only: bool) -> Option<String> {
    let own =
        |field: &str| -> BTreeSet<&str> { items(account, field).iter().map(|secret| text(secret, "/name")).collect() };
    let (mountable, pull) = (own("/secrets"), own("/imagePullSecrets"));
    let account = codec::meta_str(account, "name");
    let in_containers = |list: &str, word: &str| {
        items(pod, list).iter().find_map(|container| {
            let container_name = text(container, "/name");
            let keyed = items(container, "/env").iter().filter_map(|env| {
                let name = env.pointer("/valueFrom/secretKeyRef")?.get("name").and_then(Value::as_str).unwrap_or("");
                Some((format!("envVar {}", text(env, "/name")), name))
            });
            let whole = items(container, "/envFrom").iter().filter_map(|env| {
                let name = env.get("secretRef")?.get("name").and_then(Value::as_str).unwrap_or("");
                Some(("envFrom".to_owned(), name))
            });
            let (place, secret) = keyed.chain(whole).find(|(_, name)| !mountable.contains(name))?;
            Some(format!("{word} {container_name} with {place} referencing secret.secretName=\"{secret}\" is not allowed because service account {account} does not reference that secret"))
        })
    };
    if ephemeral_only {
        return in_containers("/spec/ephemeralContainers", "ephemeral container");
    }
    let volumes = items(pod, "/spec/volumes")
        .iter()
        .filter_map(|volume| volume.get("secret"))
        .map(|secret| text(secret, "/secretName"));
    if let Some(secret) = volumes.into_iter().find(|name| !mountable.contains(name)) {
        return Some(format!(
            "volume with secret.secretName=\"{secret}\" is not allowed because service account {account} does not reference that secret"
        ));
    }
    in_containers("/spec/initContainers", "init container").or_else(|| in_containers("/spec/containers", "container")).or_else(|| {
        let secrets = items(pod, "/spec/imagePullSecrets").iter().map(|secret| text(secret, "/name")).enumerate();
        let (index, name) = secrets.into_iter().find(|(_, name)| !pull.contains(name))?;
        Some(format!("imagePullSecrets[{index}].name=\"{name}\" is not allowed because service account {account} does not reference that imagePullSecret"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_mounted_where_nothing_else_is() {
        let mut pod = json!({"spec": {
            "initContainers": [{"name": "i", "volumeMounts": [{"name": "mine", "mountPath": MOUNT_PATH}]}],
            "containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"name": "x", "mountPath": "/x"}]}]}});
        mount_token(&mut pod, || 0);
        let mount = json!({"name": "kube-api-access-bbbbb", "readOnly": true, "mountPath": MOUNT_PATH});
        assert_eq!(pod.pointer("/spec/initContainers/0/volumeMounts").and_then(Value::as_array).map(Vec::len), Some(1));
        assert_eq!(pod.pointer("/spec/containers/0/volumeMounts/0"), Some(&mount));
        assert_eq!(pod.pointer("/spec/containers/1/volumeMounts/1"), Some(&mount));
        assert_eq!(pod.pointer("/spec/volumes/0/name"), Some(&json!("kube-api-access-bbbbb")));
    }

    #[test]
    fn a_token_volume_that_is_there_is_used() {
        let mut pod = json!({"spec": {"containers": [{"name": "a"}], "volumes": [{"name": "kube-api-access-mine"}]}});
        mount_token(&mut pod, || 0);
        assert_eq!(items(&pod, "/spec/volumes").len(), 1);
        assert_eq!(pod.pointer("/spec/containers/0/volumeMounts/0/name"), Some(&json!("kube-api-access-mine")));
    }

    #[test]
    fn the_pod_decides_before_the_account() {
        let account = json!({"automountServiceAccountToken": false});
        assert!(!automounts(&json!({"spec": {}}), &account));
        assert!(automounts(&json!({"spec": {"automountServiceAccountToken": true}}), &account));
        assert!(automounts(&json!({"spec": {}}), &json!({})));
    }

    #[test]
    fn mirror_pods_refer_to_nothing() {
        assert_eq!(check_mirror(&json!({"spec": {"containers": [{"name": "a"}]}})), Ok(()));
        let secret = json!({"spec": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}});
        assert_eq!(check_mirror(&secret), Err("a mirror pod may not reference secrets"));
        let token = json!({"spec": {"volumes": [token_volume("v")]}});
        assert_eq!(check_mirror(&token), Err("a mirror pod may not use ServiceAccountToken volume projections"));
    }

    #[test]
    fn foreign_secrets_are_named() {
        let account = json!({"metadata": {"name": "sa"}, "secrets": [{"name": "mine"}]});
        let pod = json!({"spec": {"containers": [{"name": "a", "env": [
            {"name": "E", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "k"}}}]}]}});
        let why = "container a with envVar E referencing secret.secretName=\"theirs\" is not allowed because service account sa does not reference that secret";
        assert_eq!(foreign_reference(&pod, &account, false).as_deref(), Some(why));
        assert_eq!(
            foreign_reference(&json!({"spec": {"volumes": [{"secret": {"secretName": "mine"}}]}}), &account, false),
            None
        );
    }
}
