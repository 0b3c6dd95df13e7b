//! The garbage collector: objects go with their owners, in the background, before them (foreground), or stay (orphan).
//!
//! Who depends on whom is the store's durable index by owner uid; what is decided is pure, in [`plan`]. Owners are looked
//! up when a decision needs them, so nothing is kept for an object that has one.

mod plan;

use super::process::{Failure, Settled, Tenant};
use super::resources;
use super::work::Controller;
use crate::client::ClientError;
use kplex_apiserver::resource::Served;
use kplex_storage::Key;
use plan::{Dependent, Owner, Reference, Step};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const ACCOUNT: &str = "generic-garbage-collector";

/// An object that the collector looks at.
struct Item {
    key: Key,
    served: Arc<Served>,
    object: Value,
}

impl Item {
    fn path(&self) -> String {
        resources::object(&self.served, self.key.namespace(), self.key.name())
    }

    fn uid(&self) -> &str {
        self.object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Decides what becomes of an object: by its owners, or by its dependents when it waits for them.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant, key: &str) -> Result<Settled, Failure> {
    let Some(key) = Key::parse(key.as_bytes()) else { return Ok(Settled) };
    let Some(item) = find(tenant, &key).await? else { return Ok(Settled) };
    look(tenant, &item, None).await?;
    Ok(Settled)
}

/// Looks at the dependents of an owner that is gone.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn owner_gone(tenant: &Tenant, work: &str) -> Result<Settled, Failure> {
    let Some((uid, _)) = work.split_once('/') else { return Ok(Settled) };
    for key in tenant.scope.log().dependents(uid).await? {
        if let Some(item) = find(tenant, &key).await? {
            look(tenant, &item, Some(uid)).await?;
        }
    }
    Ok(Settled)
}

async fn find(tenant: &Tenant, key: &Key) -> Result<Option<Item>, Failure> {
    let Some(object) = tenant.read(key).await? else { return Ok(None) };
    let Some(served) = tenant.resource(key.group(), key.resource()).await? else { return Ok(None) };
    Ok(Some(Item { key: key.clone(), served, object }))
}

/// Looks at an object; `gone` is the uid of an owner that is known to be gone.
async fn look(tenant: &Tenant, item: &Item, gone: Option<&str>) -> Result<(), Failure> {
    let references = plan::references(&item.object);
    let waits = plan::waits(&item.object);
    let dependents = match waits {
        plan::Waits::No if references.is_empty() => return Ok(()),
        plan::Waits::No if plan::is_deleting(&item.object) => return Ok(()),
        _ => dependents(tenant, item).await?,
    };
    let owners = match waits {
        plan::Waits::No => owners(tenant, item, &references, gone).await?,
        _ => Vec::new(),
    };
    for step in plan::plan(&item.object, &owners, &dependents) {
        take(tenant, item, step).await?;
    }
    Ok(())
}

/// Returns the dependents of an object with what a decision needs of them.
async fn dependents(tenant: &Tenant, item: &Item) -> Result<Vec<Dependent>, Failure> {
    let mut dependents = Vec::new();
    for key in tenant.scope.log().dependents(item.uid()).await? {
        if let Some(object) = tenant.read(&key).await? {
            dependents.extend(Dependent::of(key.as_str(), &object, item.uid()));
        }
    }
    Ok(dependents)
}

/// Finds the owners that an object names.
async fn owners(
    tenant: &Tenant,
    item: &Item,
    references: &[Reference],
    gone: Option<&str>,
) -> Result<Vec<Owner>, Failure> {
    let mut owners = Vec::new();
    for reference in references {
        owners.push(owner(tenant, item, reference, gone).await?);
    }
    Ok(owners)
}

async fn owner(tenant: &Tenant, item: &Item, reference: &Reference, gone: Option<&str>) -> Result<Owner, Failure> {
    let Some(served) = resources::of_kind(tenant, &reference.api_version, &reference.kind).await? else {
        let gone = gone == Some(reference.uid.as_str());
        return Ok(if gone { Owner::Absent } else { Owner::Unknown });
    };
    if served.namespaced && item.key.namespace().is_none() {
        return Ok(Owner::Unknown);
    }
    let namespace = item.key.namespace().filter(|_| served.namespaced);
    let found = tenant.read(&served.key(namespace, &reference.name)).await?;
    Ok(match found.filter(|owner| owner.pointer("/metadata/uid").and_then(Value::as_str) == Some(&reference.uid)) {
        None => Owner::Absent,
        Some(owner) if plan::waits(&owner) == plan::Waits::ForDependents => Owner::Waiting,
        Some(_) => Owner::Solid,
    })
}

async fn take(tenant: &Tenant, item: &Item, step: Step) -> Result<(), Failure> {
    let client = tenant.client(ACCOUNT);
    match step {
        Step::Visit(keys) => {
            for key in keys {
                tenant.add(Controller::Collect, &key);
            }
            Ok(())
        }
        Step::Write(metadata) => absent_is_done(client.merge(&item.path(), &precise(item, metadata)).await),
        Step::Orphan(keys) => {
            for key in keys {
                orphan(tenant, &key, item.uid()).await?;
            }
            Ok(())
        }
        Step::Delete(policy) => {
            // Owner references may change between the look and the request; then the look is out of date.
            let metadata = &item.object["metadata"];
            let preconditions = json!({"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]});
            let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions, "propagationPolicy": policy});
            absent_is_done(client.delete(&item.path(), &options).await)
        }
    }
}

/// A change of metadata that fails when the object changed since it was read.
fn precise(item: &Item, changes: BTreeMap<&'static str, Value>) -> Value {
    let mut metadata =
        json!({"uid": item.object["metadata"]["uid"], "resourceVersion": item.object["metadata"]["resourceVersion"]});
    for (field, value) in changes {
        metadata[field] = value;
    }
    json!({"metadata": metadata})
}

/// Takes an owner off a dependent.
async fn orphan(tenant: &Tenant, key: &str, owner: &str) -> Result<(), Failure> {
    let Some(key) = Key::parse(key.as_bytes()) else { return Ok(()) };
    let Some(dependent) = find(tenant, &key).await? else { return Ok(()) };
    let Some(references) = plan::without(&dependent.object, &[owner]) else { return Ok(()) };
    let patch = precise(&dependent, BTreeMap::from([("ownerReferences", references)]));
    absent_is_done(tenant.client(ACCOUNT).merge(&dependent.path(), &patch).await)
}

fn absent_is_done(outcome: Result<Option<Value>, ClientError>) -> Result<(), Failure> {
    Ok(outcome.map(|_| ())?)
}
