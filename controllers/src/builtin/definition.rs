//! CustomResourceDefinitions: accepts their names and establishes them, and deletes their objects when they go.
//!
//! What a status should say is computed by [`conditions`]; here it is read, written and acted on. These controllers run in
//! upstream's apiserver with its own identity, and so they do here.

use super::process::{Failure, Settled, Tenant};
use super::resources;
use super::work::{Controller, Work};
use kplex_apiserver::catalog::{GROUP, PLURAL};
use kplex_machinery::crd::conditions::{self, Termination};
use kplex_storage::{Key, Prefix};
use serde_json::{Value, json};

fn path(name: &str) -> String {
    format!("/apis/{GROUP}/v1/{PLURAL}/{}", resources::escape(name))
}

/// Brings a definition to what it should be.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant, name: &str) -> Result<Settled, Failure> {
    let Some(definition) = tenant.read(&Key::new(GROUP, PLURAL, None, name)).await? else {
        // Names that it had may be what others wait for.
        revisit_conflicting(tenant, name).await?;
        return Ok(Settled);
    };
    if conditions::needs_cleanup(&definition) {
        tenant.process.waiting.add(&Work::new(tenant.scope.id(), Controller::Definition, name));
        return finalize(tenant, name, definition).await;
    }
    if definition.pointer("/metadata/deletionTimestamp").is_some() {
        return Ok(Settled);
    }
    let others = siblings(tenant, name).await?;
    let others: Vec<&Value> = others.iter().collect();
    let Some(status) = conditions::update(&definition, &others, &tenant.timestamp()) else { return Ok(Settled) };
    let renamed = status.get("acceptedNames") != definition.pointer("/status/acceptedNames");
    write_status(tenant, name, definition, status).await?;
    if renamed {
        revisit_conflicting(tenant, name).await?;
    }
    Ok(Settled)
}

/// Returns the other definitions of a definition's group.
async fn siblings(tenant: &Tenant, name: &str) -> Result<Vec<Value>, Failure> {
    let group = group_of(name);
    let mut all = tenant.list(&Prefix::resource(GROUP, PLURAL)).await?;
    all.retain(|other| {
        let other = other.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        other != name && group_of(other) == group
    });
    Ok(all)
}

/// A definition's name is its plural name, a dot, and its group.
fn group_of(name: &str) -> &str {
    name.split_once('.').map_or("", |(_, group)| group)
}

async fn revisit_conflicting(tenant: &Tenant, name: &str) -> Result<(), Failure> {
    for other in siblings(tenant, name).await? {
        if !conditions::is_true(&other, "NamesAccepted") {
            let other = other.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            // Ends: each name that is accepted leaves fewer that are not.
            Box::pin(reconcile(tenant, other)).await?;
        }
    }
    Ok(())
}

/// Writes a status at the revision that it was computed on, and returns the definition as it then is.
async fn write_status(tenant: &Tenant, name: &str, mut definition: Value, status: Value) -> Result<Value, Failure> {
    definition["status"] = status;
    Ok(tenant.server_client().update(&format!("{}/status", path(name)), &definition).await?)
}

/// Deletes the objects of a terminating definition, and lets it go when there are none.
async fn finalize(tenant: &Tenant, name: &str, definition: Value) -> Result<Settled, Failure> {
    let say = |definition: &Value, termination: &Termination| {
        conditions::terminating(definition, termination, &tenant.timestamp())
    };
    if !conditions::is_true(&definition, "Established") {
        let status = say(&definition, &Termination::NeverEstablished);
        let definition = write_status(tenant, name, definition, status).await?;
        return release(tenant, name, definition).await;
    }
    let status = say(&definition, &Termination::InProgress);
    let definition = if definition.get("status") == Some(&status) {
        definition
    } else {
        write_status(tenant, name, definition, status).await?
    };
    match delete_objects(tenant, &definition).await {
        Ok(0) => {
            let status = say(&definition, &Termination::Completed);
            let definition = write_status(tenant, name, definition, status).await?;
            release(tenant, name, definition).await
        }
        // Each departure of an object brings us back.
        Ok(_) => Ok(Settled),
        Err(error) => {
            let status = say(&definition, &Termination::Failed(format!("could not issue all deletes: {error}")));
            write_status(tenant, name, definition, status).await?;
            Err(error)
        }
    }
}

/// Removes the finalizer; with the last one the definition goes.
async fn release(tenant: &Tenant, name: &str, mut definition: Value) -> Result<Settled, Failure> {
    conditions::remove_cleanup_finalizer(&mut definition);
    let metadata = &definition["metadata"];
    let finalizers = metadata.get("finalizers").cloned().unwrap_or(Value::Null);
    let patch = json!({"metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}});
    tenant.server_client().merge(&path(name), &patch).await?;
    Ok(Settled)
}

/// Deletes all objects of a definition and returns how many remain.
async fn delete_objects(tenant: &Tenant, definition: &Value) -> Result<u64, Failure> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    let prefix = Prefix::resource(group, plural);
    if tenant.scope.log().count(&prefix).await? == 0 {
        return Ok(0);
    }
    let Some(served) = tenant.resource(group, plural).await? else {
        return Err(Failure::Other(format!("no version of {plural}.{group} is served")));
    };
    let client = tenant.server_client();
    for namespace in namespaces(tenant, &prefix, served.namespaced).await? {
        client.delete(&resources::collection(&served, namespace.as_deref()), &json!({})).await?;
    }
    Ok(tenant.scope.log().count(&prefix).await?)
}

/// Returns the namespaces in which objects are; `None` stands for cluster-scoped objects.
async fn namespaces(tenant: &Tenant, prefix: &Prefix, namespaced: bool) -> Result<Vec<Option<String>>, Failure> {
    if !namespaced {
        return Ok(vec![None]);
    }
    let objects = tenant.list(prefix).await?;
    let mut names: Vec<Option<String>> = objects
        .iter()
        .map(|object| object.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}
