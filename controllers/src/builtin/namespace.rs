//! Terminating namespaces: empties them, says how far it came, and lets them go.

mod conditions;

use super::process::{Failure, Settled, Tenant};
use super::resources;
use super::work::{Controller, Work};
use crate::client::ClientError;
use conditions::{Progress, Remaining};
use kplex_apiserver::resource::Served;
use kplex_storage::Key;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

const ACCOUNT: &str = "namespace-controller";
const FINALIZER: &str = "kubernetes";

fn key(name: &str) -> Key {
    Key::new("", "namespaces", None, name)
}

fn path(name: &str) -> String {
    format!("/api/v1/namespaces/{}", resources::escape(name))
}

/// Whether things may be made in a namespace.
///
/// # Errors
/// When the store fails.
pub(super) async fn is_active(tenant: &Tenant, name: &str) -> Result<bool, Failure> {
    let object = tenant.read(&key(name)).await?;
    Ok(object.is_some_and(|object| {
        object.pointer("/metadata/deletionTimestamp").is_none()
            && object.pointer("/status/phase") != Some(&Value::from("Terminating"))
    }))
}

/// Whoever made the thing meanwhile, or terminated the namespace, spared us the work.
pub(super) fn ignore_terminating(outcome: Result<Value, ClientError>) -> Result<(), ClientError> {
    match outcome {
        Err(error) if error.code() == 409 || error.code() == 404 || error.has_cause("NamespaceTerminating") => Ok(()),
        outcome => outcome.map(|_| ()),
    }
}

/// Empties a terminating namespace and lets it go.
///
/// # Errors
/// When something could not be deleted, a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant, name: &str) -> Result<Settled, Failure> {
    let Some(namespace) = tenant.read(&key(name)).await? else { return Ok(Settled) };
    if namespace.pointer("/metadata/deletionTimestamp").is_none() {
        return Ok(Settled);
    }
    tenant.process.waiting.add(&Work::new(tenant.scope.id(), Controller::Namespace, name));
    let finalizers = namespace.pointer("/spec/finalizers").and_then(Value::as_array);
    if finalizers.is_none_or(Vec::is_empty) {
        return Ok(Settled);
    }
    let progress = delete_content(tenant, name).await?;
    write_conditions(tenant, name, &namespace, &progress).await?;
    match progress.failure() {
        Some(failure) => Err(Failure::Other(failure)),
        // Each departure of an object brings us back.
        None if progress.remains() => Ok(Settled),
        None => finalize(tenant, name).await,
    }
}

/// Deletes all content, pods first: what they use stays until they are gone.
async fn delete_content(tenant: &Tenant, name: &str) -> Result<Progress, Failure> {
    let mut progress = Progress::default();
    let (pods, others): (Vec<_>, Vec<_>) = deletable(tenant, &mut progress)
        .await
        .into_iter()
        .partition(|served| served.group.is_empty() && served.plural == "pods");
    for served in pods {
        delete_kind(tenant, name, &served, &mut progress).await?;
    }
    if progress.has_remaining_pods() {
        return Ok(progress);
    }
    for served in others {
        delete_kind(tenant, name, &served, &mut progress).await?;
    }
    progress.finish();
    Ok(progress)
}

/// Returns all namespaced resources, each place in the store once.
async fn deletable(tenant: &Tenant, progress: &mut Progress) -> Vec<Arc<Served>> {
    let mut all: Vec<Arc<Served>> = resources::all_builtin().cloned().collect();
    match resources::custom(tenant).await {
        Ok(custom) => all.extend(custom),
        Err(error) => progress.discovery_failed(error.to_string()),
    }
    all.retain(|served| served.namespaced && served.has_verb("delete"));
    all.sort_by(|left, right| (&left.group, &left.plural).cmp(&(&right.group, &right.plural)));
    all
}

async fn delete_kind(
    tenant: &Tenant,
    name: &str,
    served: &Arc<Served>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let prefix = served.prefix(Some(name));
    if tenant.scope.log().count(&prefix).await? == 0 {
        return Ok(());
    }
    if let Err(error) = delete_collection(tenant, name, served).await {
        progress.deletion_failed(error.to_string());
    }
    let left = tenant.list(&prefix).await?;
    progress.add(Remaining::of(&served.group, &served.plural, &left));
    Ok(())
}

async fn delete_collection(tenant: &Tenant, name: &str, served: &Arc<Served>) -> Result<(), Failure> {
    let client = tenant.client(ACCOUNT);
    let path = resources::collection(served, Some(name));
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
    if served.has_verb("deletecollection") {
        client.delete(&path, &options).await?;
        return Ok(());
    }
    for object in tenant.list(&served.prefix(Some(name))).await? {
        let object = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        client.delete(&format!("{path}/{}", resources::escape(object)), &options).await?;
    }
    Ok(())
}

async fn write_conditions(tenant: &Tenant, name: &str, namespace: &Value, progress: &Progress) -> Result<(), Failure> {
    let mut status = namespace.get("status").cloned().unwrap_or_else(|| json!({}));
    status["phase"] = Value::from("Terminating");
    progress.write(&mut status, &tenant.timestamp());
    if namespace.get("status") == Some(&status) {
        return Ok(());
    }
    let mut object = namespace.clone();
    object["status"] = status;
    match tenant.client(ACCOUNT).update(&format!("{}/status", path(name)), &object).await {
        Err(error) if error.code() == 404 => Ok(()),
        outcome => Ok(outcome.map(|_| ())?),
    }
}

async fn finalize(tenant: &Tenant, name: &str) -> Result<Settled, Failure> {
    let Some(mut object) = tenant.read(&key(name)).await? else { return Ok(Settled) };
    let finalizers = object.pointer("/spec/finalizers").and_then(Value::as_array).into_iter().flatten();
    let kept: HashSet<&str> =
        finalizers.filter_map(Value::as_str).filter(|finalizer| *finalizer != FINALIZER).collect();
    let mut kept: Vec<&str> = kept.into_iter().collect();
    kept.sort_unstable();
    let kept = json!(kept);
    object["spec"]["finalizers"] = kept;
    match tenant.client(ACCOUNT).update(&format!("{}/finalize", path(name)), &object).await {
        Err(error) if error.code() == 404 => Ok(Settled),
        outcome => Ok(outcome.map(|_| Settled)?),
    }
}
