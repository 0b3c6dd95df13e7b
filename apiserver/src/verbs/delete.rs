//! DELETE of one object: now, later (finalizers, grace), or already going.
//!
//! Follows the API concepts page on graceful deletion and finalizers, and the garbage collection design (propagation).

use super::reply::Reply;
use super::{input, write};
use crate::admission::{self, Claims, Operation, Verb};
use crate::call::Call;
use crate::http::query;
use crate::resource::Served;
use crate::{codec, limits, respond};
use kplex_machinery::api::Api;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::field_error::FieldError;
use kplex_machinery::status::Status;
use kplex_storage::StorageError;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What happens to dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They lose the reference and stay.
    Orphan,
    /// They are deleted afterwards.
    Background,
    /// They are deleted first.
    Foreground,
}

/// `metav1.DeleteOptions`.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Seconds until the object goes, for kinds that die gracefully.
    pub grace_period_seconds: Option<i64>,
    /// What happens to dependents.
    pub propagation: Option<Propagation>,
    /// The object must have this uid.
    pub uid: Option<String>,
    /// The object must have this resourceVersion.
    pub resource_version: Option<String>,
    /// Nothing is written.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads options from the body, or from the query where there is none.
    ///
    /// # Errors
    /// 400 for a body that does not decode, 415 for its type, 422 for bad values.
    pub fn parse(call: &Call, body: &[u8]) -> Result<Self, Status> {
        let value = if body.is_empty() { from_query(&call.query)? } else { from_body(call, body)? };
        Self::from_value(&value)
    }

    /// Reads options from a decoded `DeleteOptions`.
    ///
    /// # Errors
    /// 422 for bad values.
    pub fn from_value(value: &Value) -> Result<Self, Status> {
        let mut errors = Vec::new();
        let orphan = value.get("orphanDependents").and_then(Value::as_bool);
        let policy = value.get("propagationPolicy").and_then(Value::as_str);
        if orphan.is_some() && policy.is_some() {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(FieldError::invalid("propagationPolicy", policy.unwrap_or(""), why));
        }
        let propagation = match (policy, orphan) {
            (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
            (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), _) => Some(Propagation::Foreground),
            (Some(other), _) => {
                errors.push(FieldError::not_supported_in_order(
                    "propagationPolicy",
                    other,
                    &["Foreground", "Background", "Orphan", "nil"],
                ));
                None
            }
            (None, None) => None,
        };
        let dry_run: Vec<&str> =
            value.get("dryRun").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if dry_run.iter().any(|entry| *entry != "All") {
            errors.push(FieldError::not_supported("dryRun", json!(dry_run), &["All"]));
        }
        if !errors.is_empty() {
            return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &errors));
        }
        let precondition =
            |field: &str| value.pointer(&format!("/preconditions/{field}")).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            grace_period_seconds: value.get("gracePeriodSeconds").and_then(Value::as_i64),
            propagation,
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
            dry_run: !dry_run.is_empty(),
        })
    }
}

fn from_body(call: &Call, body: &[u8]) -> Result<Value, Status> {
    input::definition(call, Api::builtin(), "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", "DeleteOptions", body)
}

fn from_query(text: &str) -> Result<Value, Status> {
    let mut map = Map::new();
    for (key, value) in query::pairs(text) {
        match key.as_str() {
            "gracePeriodSeconds" => {
                if let Some(seconds) = query::integer(&key, &value)? {
                    map.insert(key, Value::from(seconds));
                }
            }
            "propagationPolicy" => {
                map.insert(key, Value::from(value.into_owned()));
            }
            "orphanDependents" => {
                map.insert(key, Value::from(query::boolean(&value)));
            }
            "dryRun" => {
                map.insert(key, json!([value]));
            }
            _ => {}
        }
    }
    Ok(Value::Object(map))
}

/// Deletes an object.
///
/// # Errors
/// 404 when it is absent, 403 from admission, 409 for failed preconditions.
pub async fn delete(call: &Call, served: &Arc<Served>, name: &str, body: &[u8]) -> Result<Reply, Status> {
    let options = DeleteOptions::parse(call, body)?;
    warn(call, served, &options);
    delete_one(call, served, name, &options).await
}

/// Warns of what a deletion leaves behind.
pub fn warn(call: &Call, served: &Served, options: &DeleteOptions) {
    if options.propagation.is_none() && (served.group.as_str(), served.plural.as_str()) == ("batch", "jobs") {
        call.warn(
            "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
             them or set propagationPolicy=Orphan to suppress this warning",
        );
    }
}

/// Deletes an object with decoded options.
///
/// # Errors
/// As [`delete`].
pub async fn delete_one(
    call: &Call,
    served: &Arc<Served>,
    name: &str,
    options: &DeleteOptions,
) -> Result<Reply, Status> {
    let key = served.key(call.path()?.namespace.as_deref(), name);
    let resource = served.group_resource();
    for _ in 0..limits::WRITE_RETRIES {
        let entry = call.scope.log().current(&key).await.map_err(respond::storage)?;
        let Some(entry) = entry else { return Err(Status::not_found(&resource, name)) };
        let old = codec::load(served, &entry)?;
        preconditions(served, name, options, &old)?;
        let operation = Operation { verb: Verb::Delete, part: Subresource::Main, dry_run: options.dry_run };
        admission::validate(call, served, operation, Some(&old), &old, &mut Claims::default()).await?;
        let outcome = match plan(call, served, options, &old) {
            Deletion::AlreadyGoing => return Ok(Reply::Entry(200, served.clone(), entry)),
            Deletion::Now if options.dry_run => return Ok(deleted(call, served, name, old)),
            Deletion::MarkDeleting(new) if options.dry_run => return Ok(Reply::Object(200, served.clone(), new)),
            Deletion::Now => write::remove(call, served, &key, entry.revision, &old).await.map(|revision| {
                let mut last = old.clone();
                codec::set_revision(&mut last, revision);
                deleted(call, served, name, last)
            }),
            Deletion::MarkDeleting(new) => {
                write::replace(call, served, &key, entry.revision, &old, &new, Claims::default())
                    .await
                    .map(|entry| Reply::Entry(200, served.clone(), entry))
            }
        };
        match outcome {
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(respond::storage(error)),
            Ok(reply) => return Ok(reply),
        }
    }
    Err(Status::stale(&resource, name))
}

/// What a DELETE comes to.
enum Deletion {
    /// The object goes.
    Now,
    /// The object stays with a deletionTimestamp until its finalizers are gone.
    MarkDeleting(Value),
    /// It is on its way already, and the request changes nothing.
    AlreadyGoing,
}

fn preconditions(served: &Served, name: &str, options: &DeleteOptions, old: &Value) -> Result<(), Status> {
    let checks = [
        ("UID", "uid", &options.uid, "The object might have been deleted and then recreated"),
        ("ResourceVersion", "resourceVersion", &options.resource_version, "The object might have been modified"),
    ];
    for (word, field, wanted, hint) in checks {
        let Some(wanted) = wanted else { continue };
        let is = codec::meta_str(old, field);
        if wanted != is {
            if served.has_own_deletion() {
                let why = format!("Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {is}");
                return Err(Status::conflict(&served.group_resource(), name, &why));
            }
            let why =
                format!("the {word} in the precondition ({wanted}) does not match the {word} in record ({is}). {hint}");
            return Err(Status::conflict(&served.group_kind(), name, &why));
        }
    }
    Ok(())
}

fn plan(call: &Call, served: &Served, options: &DeleteOptions, old: &Value) -> Deletion {
    let finalizers = finalizers(served, options.propagation, old);
    let going = !codec::meta_str(old, "deletionTimestamp").is_empty();
    let grace = served.grace_period(old, options.grace_period_seconds);
    let earlier =
        codec::metadata(old).and_then(|metadata| metadata.get("deletionGracePeriodSeconds")).and_then(Value::as_i64);
    // Grace can only be shortened, and an object that may go at once goes.
    let shortens = going && earlier.is_some_and(|earlier| grace < earlier);
    let holds = !finalizers.is_empty() || served.holds(old);
    if !holds && grace == 0 {
        return Deletion::Now;
    }
    if going && !shortens && same_finalizers(old, &finalizers) {
        return Deletion::AlreadyGoing;
    }
    let mut new = old.clone();
    let at = call.now + jiff::SignedDuration::from_secs(grace);
    let metadata = codec::metadata_mut(&mut new);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(finalizers));
    }
    if !going || shortens {
        metadata.insert("deletionTimestamp".to_owned(), Value::from(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        if served.tells_grace_period() {
            metadata.insert("deletionGracePeriodSeconds".to_owned(), Value::from(grace));
        }
    }
    if let Some(generation) = metadata
        .get("generation")
        .and_then(Value::as_i64)
        .filter(|generation| *generation > 0 && !going && (served.tells_grace_period() || served.is_namespace()))
    {
        metadata.insert("generation".to_owned(), Value::from(generation + 1));
    }
    served.mark_deleting(&mut new, &call.timestamp());
    Deletion::MarkDeleting(new)
}

fn same_finalizers(old: &Value, finalizers: &[String]) -> bool {
    current_finalizers(old).eq(finalizers.iter().map(String::as_str))
}

fn current_finalizers(old: &Value) -> impl Iterator<Item = &str> {
    old.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The finalizers after a deletion with a propagation policy; without one the object's own finalizers decide.
fn finalizers(served: &Served, propagation: Option<Propagation>, old: &Value) -> Vec<String> {
    const ORPHAN: &str = "orphan";
    const FOREGROUND: &str = "foregroundDeletion";
    let own = current_finalizers(old);
    let own_policy = || {
        old.pointer("/metadata/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|list| list.iter().any(|name| name == ORPHAN || name == FOREGROUND))
    };
    let propagation =
        propagation.or_else(|| (served.orphans_by_default() && !own_policy()).then_some(Propagation::Orphan));
    let Some(propagation) = propagation else { return own.map(str::to_owned).collect() };
    let mut list: Vec<String> = own.filter(|name| *name != ORPHAN && *name != FOREGROUND).map(str::to_owned).collect();
    if !served.is_collectable() {
        return list;
    }
    match propagation {
        Propagation::Orphan => list.push(ORPHAN.to_owned()),
        Propagation::Foreground => list.push(FOREGROUND.to_owned()),
        Propagation::Background => {}
    }
    list
}

/// The answer to a deletion that took place: a Status, or the last object for the kinds where upstream returns it.
fn deleted(call: &Call, served: &Arc<Served>, name: &str, mut last: Value) -> Reply {
    if served.returns_deleted() {
        if served.dies_gracefully() {
            let metadata = codec::metadata_mut(&mut last);
            if !metadata.contains_key("deletionTimestamp") {
                metadata.insert("deletionTimestamp".to_owned(), Value::from(call.timestamp()));
                if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
                    metadata.insert("generation".to_owned(), Value::from(generation + 1));
                }
            }
            metadata.insert("deletionGracePeriodSeconds".to_owned(), Value::from(0));
        }
        return Reply::Object(200, served.clone(), last);
    }
    let mut details = json!({"name": name, "kind": served.plural, "uid": codec::meta_str(&last, "uid")});
    if !served.group.is_empty() {
        details["group"] = Value::from(served.group.as_str());
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    Reply::Document(200, crate::encode::STATUS, status)
}
