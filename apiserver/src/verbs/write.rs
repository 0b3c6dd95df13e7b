//! The one way objects change: compute against the pending state of a key, commit, and say what came of it.

use super::reply::Reply;
use crate::admission::{self, Claims, Operation, Verb};
use crate::call::Call;
use crate::http::query::WriteOptions;
use crate::resource::Served;
use crate::{codec, due, limits, respond};
use kplex_machinery::apply;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::status::Status;
use kplex_storage::{Change, Entry, Expect, Key, Op, Revision, StorageError, WriteSet};
use serde_json::Value;
use std::sync::Arc;

/// What an update comes to.
pub enum Outcome {
    /// Nothing changes, nothing is written.
    Unchanged,
    /// The object becomes this, and this is claimed with it.
    Replace(Value, Claims),
    /// The last finalizer is gone: the object goes, last seen like this.
    Delete(Value),
}

/// A change of one existing object.
pub struct Update<'a> {
    /// The resource.
    pub served: &'a Arc<Served>,
    /// Name of the object.
    pub name: &'a str,
    /// Which part of it changes.
    pub part: Subresource,
    /// Options of the request.
    pub options: &'a WriteOptions,
    /// An absent object may be made.
    pub may_create: bool,
    /// The new object has its managed fields already (apply).
    pub managed: bool,
    /// The client sent the whole object (PUT), so a missing resourceVersion means an unconditional update.
    pub whole: bool,
}

/// Runs an update: `compute` gets the current object in the served version and returns the new one.
///
/// # Errors
/// What `compute`, admission and validation say; 404 when the object is absent and may not be made; 409 for conflicts.
pub async fn update(
    call: &Call,
    update: &Update<'_>,
    mut compute: impl FnMut(Option<&Value>) -> Result<Value, Status>,
) -> Result<Reply, Status> {
    let served = update.served;
    let key = served.key(call.path()?.namespace.as_deref(), update.name);
    for _ in 0..limits::WRITE_RETRIES {
        let current = call.scope.log().current(&key).await.map_err(respond::storage)?;
        let Some(entry) = current else {
            let object = compute(None)?;
            if !update.may_create {
                return Err(Status::not_found(&served.group_resource(), update.name));
            }
            if update.whole {
                check_uid(served, update.name, codec::meta_str(&object, "uid"), "")?;
            }
            return super::create::store(call, served, update.options, object, Some(update.name), update.managed).await;
        };
        let old = codec::load(served, &entry)?;
        let new = compute(Some(&old))?;
        let outcome = plan(call, update, &old, new).await?;
        match settle(call, update, &key, &entry, &old, outcome).await {
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(respond::storage(error)),
            Ok(reply) => return Ok(reply),
        }
    }
    Err(Status::stale(&served.group_resource(), update.name))
}

async fn settle(
    call: &Call,
    update: &Update<'_>,
    key: &Key,
    entry: &Entry,
    old: &Value,
    outcome: Outcome,
) -> Result<Reply, StorageError> {
    let served = update.served.clone();
    match outcome {
        Outcome::Unchanged => Ok(Reply::Entry(200, served, entry.clone())),
        Outcome::Replace(mut new, _) | Outcome::Delete(mut new) if update.options.dry_run => {
            codec::set_revision(&mut new, entry.revision);
            Ok(Reply::Object(200, served, new))
        }
        Outcome::Replace(new, claims) => {
            let stored = replace(call, &served, key, entry.revision, old, &new, claims).await?;
            Ok(Reply::Entry(200, served, stored))
        }
        Outcome::Delete(mut last) => {
            let revision = remove(call, &served, key, entry.revision, old).await?;
            codec::set_revision(&mut last, revision);
            Ok(Reply::Object(200, served, last))
        }
    }
}

/// Changes an object as the server itself, past strategy, admission and validation: for subresources such as `binding`
/// whose rules are their own.
///
/// # Errors
/// What `change` says; 404 when the object is absent.
pub async fn rewrite(
    call: &Call,
    update: &Update<'_>,
    change: impl Fn(&mut Value) -> Result<(), Status>,
) -> Result<Reply, Status> {
    let served = update.served;
    let key = served.key(call.path()?.namespace.as_deref(), update.name);
    for _ in 0..limits::WRITE_RETRIES {
        let entry = call.scope.log().current(&key).await.map_err(respond::storage)?;
        let entry = entry.ok_or_else(|| Status::not_found(&served.group_resource(), update.name))?;
        let old = codec::load(served, &entry)?;
        let mut new = old.clone();
        change(&mut new)?;
        track(call, served, update.options, Some(&old), &mut new, update.part);
        match settle(call, update, &key, &entry, &old, Outcome::Replace(new, Claims::default())).await {
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(respond::storage(error)),
            Ok(reply) => return Ok(reply),
        }
    }
    Err(Status::stale(&served.group_resource(), update.name))
}

/// Decides what an update comes to: system fields, managed fields, strategy, admission, validation.
///
/// # Errors
/// 409 for failed preconditions, 403 from admission, 422 from validation.
pub async fn plan(call: &Call, update: &Update<'_>, old: &Value, mut new: Value) -> Result<Outcome, Status> {
    let served = update.served;
    check_identity(served, update, old, &new)?;
    inherit(old, &mut new);
    let now = call.timestamp();
    served.default(&mut new, &now);
    let operation = Operation { verb: Verb::Update, part: update.part, dry_run: update.options.dry_run };
    // Nobody manages what the server adds: fields are tracked first, as upstream.
    if !update.managed {
        track(call, served, update.options, Some(old), &mut new, update.part);
    }
    admission::mutate(call, served, operation, Some(old), &mut new).await?;
    let mut claims = admission::allocate(call, served, operation, Some(old), &mut new).await?;
    served.prepare_update(&mut new, old, update.part, &now);
    served.complete(&mut new);
    let errors = served.validate_update(&new, old, update.part);
    if !errors.is_empty() {
        return Err(served.invalid(update.name, &errors));
    }
    if update.part == Subresource::Main {
        served.warnings(&new, Some(old)).into_iter().for_each(|text| call.warn(text));
    }
    admission::validate(call, served, operation, Some(old), &new, &mut claims).await?;
    apply::ignore_timestamps(old, &mut new);
    if served.is_finished(&new) {
        return Ok(Outcome::Delete(new));
    }
    Ok(if new == *old { Outcome::Unchanged } else { Outcome::Replace(new, claims) })
}

/// Checks uid and resourceVersion of a new object against the current one.
fn check_identity(served: &Served, update: &Update<'_>, old: &Value, new: &Value) -> Result<(), Status> {
    let resource = served.group_resource();
    if update.whole {
        check_uid(served, update.name, codec::meta_str(new, "uid"), codec::meta_str(old, "uid"))?;
    }
    let wanted = codec::meta_str(new, "resourceVersion");
    if wanted.is_empty() || wanted == "0" {
        return if update.whole && !served.allows_unconditional_update() {
            Err(Status::invalid(&served.group, &served.plural, update.name, &[served.missing_revision()]))
        } else {
            Ok(())
        };
    }
    if wanted != codec::meta_str(old, "resourceVersion") {
        if wanted.parse::<u64>().is_err() {
            let quoted = kplex_machinery::field_error::go_quote(wanted);
            return Err(Status::plain(format!("strconv.ParseUint: parsing {quoted}: invalid syntax")));
        }
        return Err(Status::stale(&resource, update.name));
    }
    Ok(())
}

/// A uid in a whole object is a precondition.
fn check_uid(served: &Served, name: &str, wanted: &str, uid: &str) -> Result<(), Status> {
    if wanted.is_empty() || wanted == uid {
        return Ok(());
    }
    let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}");
    Err(Status::conflict(&served.group_resource(), name, &why))
}

/// System metadata comes from the current object, whatever the client sent.
fn inherit(old: &Value, new: &mut Value) {
    let Some(from) = codec::metadata(old) else { return };
    let from = from.clone();
    let to = codec::metadata_mut(new);
    let going = from.contains_key("deletionTimestamp");
    for field in ["creationTimestamp", "generation", "name", "namespace", "resourceVersion"] {
        match from.get(field) {
            Some(value) => to.insert(field.to_owned(), value.clone()),
            None => to.remove(field),
        };
    }
    // What is left out stays; what is set otherwise is for validation to refuse.
    for field in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let given = to.get(field).is_some_and(|value| !value.is_null() && value != "");
        if let Some(value) = from.get(field).filter(|_| !given || (going && field == "deletionTimestamp")) {
            to.insert(field.to_owned(), value.clone());
        } else if !given {
            to.remove(field);
        }
    }
    if !to.contains_key("generateName")
        && let Some(value) = from.get("generateName")
    {
        to.insert("generateName".to_owned(), value.clone());
    }
    to.remove("selfLink");
}

/// Records who manages which fields (KEP-555). A write that changes nothing else keeps the times too.
pub fn track(
    call: &Call,
    served: &Served,
    options: &WriteOptions,
    old: Option<&Value>,
    new: &mut Value,
    part: Subresource,
) {
    let manager = call.field_manager(&options.field_manager);
    let now = call.timestamp();
    let reset = served.reset_fields(part);
    apply::track_update_with(&tracking(served, part, &manager, &now, &reset), old, new, &served);
}

/// Describes a write to the managed-fields machinery.
#[must_use]
pub fn tracking<'a>(
    served: &'a Served,
    part: Subresource,
    manager: &'a str,
    now: &'a str,
    reset: &'a apply::Set,
) -> apply::Tracking<'a> {
    apply::Tracking {
        schema: served.schema(),
        node: served.node,
        api_version: &served.api_version,
        kind: &served.kind,
        subresource: subresource_name(part),
        manager,
        now,
        reset,
    }
}

/// Returns the name of a subresource in paths and managed fields.
#[must_use]
pub fn subresource_name(part: Subresource) -> &'static str {
    match part {
        Subresource::Main => "",
        Subresource::Status => "status",
        Subresource::EphemeralContainers => "ephemeralcontainers",
        Subresource::Resize => "resize",
        Subresource::Approval => "approval",
        Subresource::Finalize => "finalize",
    }
}

/// Commits a new object.
///
/// # Errors
/// `Conflict` when the key exists already, and storage errors.
pub async fn insert(
    call: &Call,
    served: &Served,
    key: &Key,
    new: &Value,
    claims: Claims,
) -> Result<Entry, StorageError> {
    put(call, served, key, Expect::Absent, None, new, claims).await
}

/// Commits a changed object.
///
/// # Errors
/// `Conflict` when the key changed meanwhile, and storage errors.
pub async fn replace(
    call: &Call,
    served: &Served,
    key: &Key,
    revision: Revision,
    old: &Value,
    new: &Value,
    claims: Claims,
) -> Result<Entry, StorageError> {
    put(call, served, key, Expect::At(revision), Some(old), new, claims).await
}

async fn put(
    call: &Call,
    served: &Served,
    key: &Key,
    expect: Expect,
    old: Option<&Value>,
    new: &Value,
    claims: Claims,
) -> Result<Entry, StorageError> {
    let (value, stamp) = served.pack(new)?;
    if value.len() > limits::OBJECT_BYTES_MAX {
        return Err(StorageError::TooLarge);
    }
    let mut set = WriteSet { within: Some(call.scope.limits().usage()), ..WriteSet::default() };
    set.changes.push(Change { key: key.clone(), expect, op: Op::Put { stamp, value: value.clone() } });
    index_owners(&mut set, key, old, Some(new));
    due::add(&mut set, served, old, Some(new));
    set.changes.extend(claims.changes);
    let revisions = call.scope.log().commit(set).await?;
    let revision = *revisions.first().expect("a commit returns one revision for each change");
    Ok(Entry { key: key.clone(), revision, stamp, value })
}

/// Commits a deletion and returns its revision.
///
/// # Errors
/// `Conflict` when the key changed meanwhile, and storage errors.
pub async fn remove(
    call: &Call,
    served: &Served,
    key: &Key,
    revision: Revision,
    old: &Value,
) -> Result<Revision, StorageError> {
    let mut set = WriteSet::default();
    set.changes.push(Change { key: key.clone(), expect: Expect::At(revision), op: Op::Delete });
    index_owners(&mut set, key, Some(old), None);
    due::add(&mut set, served, Some(old), None);
    admission::release(call, served, old, &mut set).await?;
    let revisions = call.scope.log().commit(set).await?;
    Ok(*revisions.first().expect("a commit returns one revision for each change"))
}

/// Keeps the index (owner uid → dependents) in the same commit as the references (D8).
fn index_owners(set: &mut WriteSet, key: &Key, old: Option<&Value>, new: Option<&Value>) {
    let (before, after) = (owners(old), owners(new));
    for uid in after.iter().filter(|uid| !before.contains(uid)) {
        set.owners_add.push(((*uid).to_owned(), key.clone()));
    }
    for uid in before.iter().filter(|uid| !after.contains(uid)) {
        set.owners_remove.push(((*uid).to_owned(), key.clone()));
    }
}

fn owners(object: Option<&Value>) -> Vec<&str> {
    object
        .and_then(|object| object.pointer("/metadata/ownerReferences"))
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(|owner| owner.get("uid")?.as_str()).collect())
        .unwrap_or_default()
}
