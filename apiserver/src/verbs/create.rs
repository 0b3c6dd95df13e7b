//! POST of an object to a collection.

use super::reply::Reply;
use super::{input, write};
use crate::admission::{self, Operation, Verb};
use crate::call::Call;
use crate::http::query::{OptionsKind, WriteOptions};
use crate::resource::Served;
use crate::{codec, limits, respond};
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::metadata::generate::generate_name;
use kplex_machinery::status::Status;
use kplex_storage::StorageError;
use rand::RngExt;
use serde_json::Value;
use std::sync::Arc;

/// Creates an object.
///
/// # Errors
/// 400 for a body that does not fit, 403 from admission, 409 when it exists, 422 from validation.
pub async fn create(call: &Call, served: &Arc<Served>, body: &[u8]) -> Result<Reply, Status> {
    let options = WriteOptions::parse(&call.query, OptionsKind::Create)?;
    let object = input::object(call, served, body, options.field_validation)?;
    store(call, served, &options, object, None, false).await
}

/// Prepares, admits, validates and stores a decoded object. `name` is that of the path, for writes that make absent
/// objects; `managed` says that managed fields are already set (apply).
///
/// # Errors
/// As [`create`].
pub async fn store(
    call: &Call,
    served: &Arc<Served>,
    options: &WriteOptions,
    mut object: Value,
    name: Option<&str>,
    managed: bool,
) -> Result<Reply, Status> {
    let namespace = call.path()?.namespace.as_deref().filter(|_| served.namespaced);
    check_namespace(served, &mut object, namespace)?;
    if let Some(name) = name {
        check_name(&object, name)?;
        codec::metadata_mut(&mut object).insert("name".to_owned(), Value::from(name));
    }
    if name.is_some() {
        codec::metadata_mut(&mut object).remove("resourceVersion");
    }
    system_fields(call, &mut object);
    let now = call.timestamp();
    let shares_labels = served.shares_labels(&object);
    served.default(&mut object, &now);
    let operation = Operation { verb: Verb::Create, part: Subresource::Main, dry_run: options.dry_run };
    let base = codec::meta_str(&object, "generateName").to_owned();
    let generated = codec::meta_str(&object, "name").is_empty() && !base.is_empty();
    // Nobody manages what the server adds: fields are tracked first, as upstream.
    if !managed {
        write::track(call, served, options, None, &mut object, Subresource::Main);
    }
    admission::mutate(call, served, operation, None, &mut object).await?;
    if generated {
        set_name(served, &mut object, &base);
    }
    served.prepare_create(&mut object, &now).into_iter().for_each(|text| call.warn(text));
    if shares_labels {
        served.share_labels(&mut object);
    }
    for attempt in 1..=limits::NAME_RETRIES {
        match commit(call, served, operation, options, object.clone()).await {
            Err(status) if generated && status.reason == "AlreadyExists" && attempt < limits::NAME_RETRIES => {
                set_name(served, &mut object, &base)
            }
            outcome => return outcome,
        }
    }
    Err(Status::already_exists(&served.group_resource(), codec::meta_str(&object, "name")))
}

async fn commit(
    call: &Call,
    served: &Arc<Served>,
    operation: Operation,
    options: &WriteOptions,
    object: Value,
) -> Result<Reply, Status> {
    let name = codec::meta_str(&object, "name").to_owned();
    for _ in 0..limits::WRITE_RETRIES {
        if let Some(reply) = try_commit(call, served, operation, options, object.clone()).await? {
            return Ok(reply);
        }
    }
    Err(Status::stale(&served.group_resource(), &name))
}

/// Returns nothing when something else took what the object claims; then it has to claim anew.
async fn try_commit(
    call: &Call,
    served: &Arc<Served>,
    operation: Operation,
    options: &WriteOptions,
    mut object: Value,
) -> Result<Option<Reply>, Status> {
    let mut claims = admission::allocate(call, served, operation, None, &mut object).await?;
    served.complete(&mut object);
    let name = codec::meta_str(&object, "name").to_owned();
    let errors = served.validate_create(&object);
    if !errors.is_empty() {
        return Err(served.invalid(&name, &errors));
    }
    served.warnings(&object, None).into_iter().for_each(|text| call.warn(text));
    admission::validate(call, served, operation, None, &object, &mut claims).await?;
    served.read_back(&mut object, &call.timestamp());
    let namespace = codec::meta_str(&object, "namespace").to_owned();
    let key = served.key(Some(namespace.as_str()).filter(|_| served.namespaced), &name);
    if options.dry_run {
        let (existing, _) = call.scope.log().get(&key).await.map_err(respond::storage)?;
        return match existing {
            Some(existing) => Err(exists(served, &name, Some(&existing))),
            None => Ok(Some(Reply::Object(201, served.clone(), object))),
        };
    }
    if !matches!(codec::meta_str(&object, "resourceVersion"), "" | "0") {
        return Err(Status::plain("resourceVersion should not be set on objects to be created"));
    }
    match write::insert(call, served, &key, &object, claims).await {
        Ok(entry) => Ok(Some(Reply::Entry(201, served.clone(), entry))),
        Err(StorageError::Conflict { key: taken, current }) if taken == key => {
            Err(exists(served, &name, current.as_ref()))
        }
        Err(StorageError::Conflict { .. }) => Ok(None),
        Err(error) => Err(respond::storage(error)),
    }
}

/// 409; an object that is on its way out says so, as upstream does.
fn exists(served: &Served, name: &str, current: Option<&kplex_storage::Entry>) -> Status {
    let mut status = Status::already_exists(&served.group_resource(), name);
    let deleting = current
        .and_then(|entry| codec::parse(entry).ok())
        .is_some_and(|object| !codec::meta_str(&object, "deletionTimestamp").is_empty());
    if deleting {
        status.message = format!("object is being deleted: {}", status.message);
    }
    status
}

fn check_namespace(served: &Served, object: &mut Value, namespace: Option<&str>) -> Result<(), Status> {
    let given = codec::meta_str(object, "namespace");
    match namespace {
        Some(namespace) if !given.is_empty() && given != namespace => Err(other_namespace()),
        Some(namespace) => {
            codec::metadata_mut(object).insert("namespace".to_owned(), Value::from(namespace));
            Ok(())
        }
        None if served.namespaced => Err(Status::method_not_allowed(&served.group_resource(), "create")),
        // Upstream forgets a namespace where there is none.
        None => {
            codec::metadata_mut(object).remove("namespace");
            Ok(())
        }
    }
}

/// The name in the body, if any, must be that of the path.
///
/// # Errors
/// 400 with upstream's words.
pub fn check_name(object: &Value, name: &str) -> Result<(), Status> {
    let given = codec::meta_str(object, "name");
    if !given.is_empty() && given != name {
        let text = format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Status::bad_request(text));
    }
    Ok(())
}

/// 400 for an object of another namespace than that of the path.
pub fn other_namespace() -> Status {
    Status::bad_request("the namespace of the provided object does not match the namespace sent on the request")
}

/// 400 for an object without a name where the path has one.
pub fn no_name(name: &str) -> Status {
    Status::bad_request(format!(
        "the name of the object ({name} based on URL) was undeterminable: name must be provided"
    ))
}

/// Fields that only the server sets.
fn system_fields(call: &Call, object: &mut Value) {
    let metadata = codec::metadata_mut(object);
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
        metadata.remove(field);
    }
    metadata.insert("uid".to_owned(), Value::from(uuid::Uuid::new_v4().to_string()));
    metadata.insert("creationTimestamp".to_owned(), Value::from(call.timestamp()));
}

fn set_name(served: &Served, object: &mut Value, base: &str) {
    let name = generate_name(base, || rand::rng().random());
    if served.is_namespace() {
        let labels =
            codec::metadata_mut(object).entry("labels").or_insert_with(|| Value::Object(serde_json::Map::new()));
        labels["kubernetes.io/metadata.name"] = Value::from(name.as_str());
    }
    codec::metadata_mut(object).insert("name".to_owned(), Value::from(name));
}
