//! PATCH: JSON patch, JSON merge patch, strategic merge patch and server-side apply.

use super::reply::Reply;
use super::write::{self, Update};
use super::{create, input};
use crate::call::Call;
use crate::codec;
use crate::http::negotiate::Media;
use crate::http::query::{OptionsKind, WriteOptions};
use crate::limits;
use crate::resource::Served;
use http::header::CONTENT_TYPE;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::field_error::FieldError;
use kplex_machinery::status::Status;
use kplex_machinery::{apply, patch};
use serde_json::Value;
use std::sync::Arc;

/// The four kinds of patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes strategic merge patch.
    Strategic,
    /// Server-side apply.
    Apply,
}

fn patch_type(call: &Call, served: &Served) -> Result<PatchType, Status> {
    let text = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = text.split(';').next().unwrap_or("").trim();
    match media_type {
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/strategic-merge-patch+json" if !served.is_custom() => Ok(PatchType::Strategic),
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        _ => Err(Status::unsupported_media_type(served.patch_types())),
    }
}

/// Patches an object, or its status.
///
/// # Errors
/// 400 for a malformed patch, 404, 409, 415, 422.
pub async fn patch(call: &Call, served: &Arc<Served>, name: &str, part: Subresource, body: &[u8]) -> Result<Reply, Status> {
    let options = WriteOptions::parse(&call.query, OptionsKind::Patch)?;
    let kind = patch_type(call, served)?;
    if kind == PatchType::Apply {
        return apply_patch(call, served, name, part, &options, body).await;
    }
    if options.force.is_some() {
        let error = FieldError::forbidden("force", "may not be specified for non-apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    let (document, duplicates) = input::text(Media::Json, body).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    let request = Update { served, name, part, options: &options, may_create: false, managed: false, whole: false };
    write::update(call, &request, |old| {
        let Some(old) = old else { return Err(Status::not_found(&served.group_resource(), name)) };
        let mut new = patched(served, kind, old, &document)?;
        check_patched(served, name, old, &new)?;
        input::conform(call, served, &mut new, duplicates.clone(), options.field_validation)?;
        Ok(new)
    })
    .await
}

/// Applies a patch to a document of `served`.
///
/// # Errors
/// 400 for a malformed patch, 422 for one that does not fit the object.
pub fn patched(served: &Served, kind: PatchType, old: &Value, document: &Value) -> Result<Value, Status> {
    match kind {
        PatchType::Json => {
            let operations = document.as_array().map_or(0, Vec::len);
            if operations > limits::JSON_PATCH_OPERATIONS_MAX {
                return Err(Status::too_large(format!(
                    "The allowed maximum operations in a JSON patch is {}, got {operations}",
                    limits::JSON_PATCH_OPERATIONS_MAX
                )));
            }
            let mut new = old.clone();
            patch::json_patch(&mut new, document).map_err(|error| error.into_status())?;
            Ok(new)
        }
        PatchType::Merge => {
            if !document.is_object() {
                return Err(Status::bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}"));
            }
            let mut new = old.clone();
            patch::merge_patch(&mut new, document);
            Ok(new)
        }
        PatchType::Strategic => {
            patch::strategic(served.schema(), served.node, old, document).map_err(|error| error.into_status())
        }
        PatchType::Apply => unreachable!("apply does not patch a document"),
    }
}

/// A patch must not turn the object into another one.
fn check_patched(served: &Served, name: &str, old: &Value, new: &Value) -> Result<(), Status> {
    let text = |object: &Value, field: &str| object.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    if text(new, "apiVersion") != text(old, "apiVersion") {
        let given = text(new, "apiVersion");
        let why = format!("the API version in the data ({given}) does not match the expected API version ({})", served.api_version);
        return Err(Status::bad_request(why));
    }
    if text(new, "kind") != text(old, "kind") {
        return Err(served.wrong_kind(&text(new, "kind")));
    }
    if !new.get("metadata").is_some_and(Value::is_object) {
        return Err(Status::bad_request("the patched object has no metadata"));
    }
    create::check_name(new, name)
}

async fn apply_patch(call: &Call, served: &Arc<Served>, name: &str, part: Subresource, options: &WriteOptions, body: &[u8]) -> Result<Reply, Status> {
    if options.field_manager.is_empty() {
        let error = FieldError::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    let config = configuration(call, served, name, options, body)?;
    let request = Update {
        served,
        name,
        part,
        options,
        may_create: part == Subresource::Main,
        managed: true,
        whole: false,
    };
    let now = call.timestamp();
    write::update(call, &request, |old| {
        if old.is_none() && !codec::meta_str(&config, "uid").is_empty() {
            let why = "uid mismatch: the provided object specified uid, and no existing object was found";
            return Err(Status::conflict(&served.group_resource(), name, why));
        }
        let reset = served.reset_fields(part);
        let result = apply::apply(&apply::ApplyRequest {
            schema: served.schema(),
            node: served.node,
            live: old,
            config: &config,
            manager: &options.field_manager,
            force: options.force.unwrap_or(false),
            api_version: &served.api_version,
            subresource: write::subresource_name(part),
            now: &now,
            reset: &reset,
        });
        result.map_err(|error| error.into_status(&served.group_resource(), name))
    })
    .await
}

/// Decodes an apply configuration.
fn configuration(call: &Call, served: &Served, name: &str, options: &WriteOptions, body: &[u8]) -> Result<Value, Status> {
    let decoding = |error: String| Status::bad_request(format!("error decoding YAML: {error}"));
    let (config, duplicates) = input::text(Media::Yaml, body).map_err(decoding)?;
    if !config.is_object() {
        return Err(decoding("json: cannot unmarshal into Go value of type map[string]interface {}".to_owned()));
    }
    let text = |field: &str| config.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version != served.api_version || kind != served.kind {
        let why = format!("unexpected apply configuration of {api_version}, Kind={kind}; the path serves {}, Kind={}", served.api_version, served.kind);
        return Err(Status::bad_request(why));
    }
    if codec::metadata(&config).is_some_and(|metadata| metadata.get("managedFields").is_some_and(|list| !list.is_null())) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    create::check_name(&config, name)?;
    let mut checked = config.clone();
    input::conform(call, served, &mut checked, duplicates, options.field_validation)?;
    Ok(config)
}
