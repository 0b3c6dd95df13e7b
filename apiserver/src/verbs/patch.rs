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
use kplex_machinery::apply;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::decode::{FieldValidation, Findings, Limits};
use kplex_machinery::field_error::FieldError;
use kplex_machinery::patch::{self, JsonPatch, PatchError};
use kplex_machinery::schema::{NodeId, Schema};
use kplex_machinery::status::Status;
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

/// Returns the kind of patch that the content type names.
///
/// # Errors
/// 415 for any other.
pub fn patch_type(call: &Call, served: &Served) -> Result<PatchType, Status> {
    let text = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = text.split(';').next().unwrap_or("").trim();
    match media_type {
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/strategic-merge-patch+json" if !served.is_custom() => Ok(PatchType::Strategic),
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        _ if served.is_custom() => Err(Status::unsupported_media_type(served.patch_types())),
        _ => Err(Status {
            bare_details: true,
            ..Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
        }),
    }
}

/// Patches an object, or its status.
///
/// # Errors
/// 400 for a malformed patch, 404, 409, 415, 422.
pub async fn patch(
    call: &Call,
    served: &Arc<Served>,
    name: &str,
    part: Subresource,
    body: &[u8],
) -> Result<Reply, Status> {
    let options = WriteOptions::parse(&call.query, OptionsKind::Patch)?;
    let kind = patch_type(call, served)?;
    if kind == PatchType::Apply {
        return apply_patch(call, served, name, part, &options, body).await;
    }
    if options.force.is_some() {
        let error = FieldError::forbidden("force", "may not be specified for non-apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    let document = Document::read(kind, body, options.field_validation).map_err(|error| error.to_status())?;
    let request = Update { served, name, part, options: &options, may_create: false, managed: false, whole: false };
    write::update(call, &request, |old| {
        let Some(old) = old else { return Err(Status::not_found(&served.group_resource(), name)) };
        let mut new = old.clone();
        document.apply(served.schema(), served.node, &mut new).map_err(|error| error.to_status())?;
        check_patched(call, served, &document, old, &mut new, options.field_validation)?;
        create::check_name(&new, name)?;
        Ok(new)
    })
    .await
}

/// A patch that was read.
pub enum Document {
    /// RFC 6902.
    Json(JsonPatch),
    /// RFC 7386, and its duplicate fields.
    Merge(Value, Vec<String>),
    /// Strategic merge patch, and its duplicate fields.
    Strategic(Value, Vec<String>),
}

impl Document {
    /// Reads a patch.
    ///
    /// # Errors
    /// When the body is no patch of this kind, or one with too many operations.
    ///
    /// # Panics
    /// For [`PatchType::Apply`], which is no patch of a document.
    pub fn read(kind: PatchType, body: &[u8], validation: FieldValidation) -> Result<Self, PatchError> {
        let limits = Limits { depth: limits::DEPTH_MAX, ..Limits::default() };
        Ok(match kind {
            PatchType::Json => Self::Json(JsonPatch::read(body, &limits, validation)?),
            PatchType::Merge => {
                let (value, duplicates) = patch::read_merge_patch(body, &limits, validation)?;
                Self::Merge(value, duplicates)
            }
            PatchType::Strategic => {
                let (value, duplicates) = patch::read_strategic_patch(body, &limits, validation)?;
                Self::Strategic(value, duplicates)
            }
            PatchType::Apply => panic!("an apply configuration is read by its own function"),
        })
    }

    /// Changes a document.
    ///
    /// # Errors
    /// When the patch does not apply to it.
    pub fn apply(&self, schema: &Schema, node: NodeId, document: &mut Value) -> Result<(), PatchError> {
        match self {
            Self::Json(patch) => patch.apply(document),
            Self::Merge(value, _) => {
                patch::merge_patch(document, value.clone());
                Ok(())
            }
            Self::Strategic(value, _) => patch::strategic_merge(schema, node, document, value.clone()),
        }
    }

    /// 422 for a patch after which `old` has not the shape of its type.
    #[must_use]
    pub fn refuse(&self, schema: &Schema, node: NodeId, old: &Value, why: String) -> Status {
        let shown = match self {
            Self::Strategic(patch, _) => go_map(patch),
            Self::Json(_) | Self::Merge(..) => {
                // Made anew for the message: patches that fit need no second copy.
                let mut patched = old.clone();
                self.apply(schema, node, &mut patched).map_or_else(|error| error.to_string(), |()| patched.to_string())
            }
        };
        Status::invalid("", "", "", &[FieldError::invalid("patch", shown, why)])
    }

    /// What strict decoding has to say about the patch itself.
    #[must_use]
    pub fn findings(&self) -> Findings {
        let fields = match self {
            Self::Json(patch) => patch.findings.clone(),
            Self::Merge(_, duplicates) | Self::Strategic(_, duplicates) => duplicates.clone(),
        };
        Findings { fields, ..Findings::default() }
    }
}

/// Brings a patched object into the shape of its type. A patch must not turn the object into another one.
fn check_patched(
    call: &Call,
    served: &Served,
    document: &Document,
    old: &Value,
    new: &mut Value,
    validation: FieldValidation,
) -> Result<(), Status> {
    let text = |object: &Value, field: &str| object.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let refuse = |why: String| document.refuse(served.schema(), served.node, old, why);
    keep_type(served, document, old, new);
    if !served.is_custom() && text(new, "apiVersion").is_empty() {
        // Upstream reads what has no version as its internal type, which has no field of this name.
        let fields = new.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let unknown = fields.filter(|name| !matches!(*name, "apiVersion" | "kind"));
        let findings = Findings {
            fields: unknown.map(|name| format!("unknown field \"{name}\"")).collect(),
            ..Findings::default()
        };
        findings.judge(validation).map_err(refuse)?.into_iter().for_each(|text| call.warn(text));
        return Err(create::no_name(codec::meta_str(old, "name")));
    }
    let (api_version, kind) = (text(new, "apiVersion"), text(new, "kind"));
    if (&api_version, &kind) != (&text(old, "apiVersion"), &text(old, "kind")) {
        if !served.is_custom() {
            return Err(refuse(served.type_error(&api_version, &kind)));
        }
        if kind.is_empty() {
            return Err(refuse(format!("Object 'Kind' is missing in '{new}'")));
        }
        input::warn_of_sibling(call, served, new, validation)?;
        return Err(other_custom_type(served, codec::meta_str(old, "name"), &api_version, &kind));
    }
    let mut findings = document.findings();
    findings.extend(
        match document {
            Document::Strategic(..) => served.restore(new),
            Document::Json(_) | Document::Merge(..) => served.reshape(new),
        }
        .map_err(refuse)?,
    );
    if codec::meta_str(new, "name").is_empty() {
        let name = codec::meta_str(old, "name");
        return Err(create::no_name(name));
    }
    let namespace = codec::meta_str(new, "namespace");
    if !namespace.is_empty() && namespace != codec::meta_str(old, "namespace") && served.namespaced {
        return Err(create::other_namespace());
    }
    findings.judge(validation).map_err(refuse)?.into_iter().for_each(|text| call.warn(text));
    Ok(())
}

/// The error of a custom resource that a patch has turned into another type.
fn other_custom_type(served: &Served, name: &str, api_version: &str, kind: &str) -> Status {
    if api_version.is_empty() {
        return Status::internal("Object 'apiVersion' is missing in 'object has no apiVersion field'");
    }
    let must = |field: &str, value: &str, own: &str| {
        (value != own).then(|| FieldError::invalid(field, value, format!("must be {own}")))
    };
    let errors: Vec<FieldError> = must("kind", kind, &served.kind)
        .into_iter()
        .chain(must("apiVersion", api_version, &served.api_version))
        .collect();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    Status::invalid(group, kind, name, &errors)
}

/// Keeps the type of a built-in object where upstream does: strategic patches change a Go struct, whatever its fields say,
/// and a kind that other patches leave out is that of the path.
fn keep_type(served: &Served, document: &Document, old: &Value, new: &mut Value) {
    let Some(map) = new.as_object_mut().filter(|_| !served.is_custom()) else { return };
    let strategic = matches!(document, Document::Strategic(..));
    let absent = map.get("kind").is_none_or(|value| value.is_null() || value == "");
    for (field, keep) in [("apiVersion", strategic), ("kind", strategic || absent)] {
        if keep {
            map.insert(field.to_owned(), old[field].clone());
        }
    }
}

/// Prints a document as Go prints a map, which is how upstream shows strategic patches.
fn go_map(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_map).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", go_map(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

async fn apply_patch(
    call: &Call,
    served: &Arc<Served>,
    name: &str,
    part: Subresource,
    options: &WriteOptions,
    body: &[u8],
) -> Result<Reply, Status> {
    let wanted = Wanted { api_version: &served.api_version, kind: &served.kind, one_version: served.is_custom() };
    let (config, duplicates) = configuration(&wanted, name, options, body)?;
    let request =
        Update { served, name, part, options, may_create: part == Subresource::Main, managed: true, whole: false };
    let now = call.timestamp();
    write::update(call, &request, |old| {
        if old.is_none() && !codec::meta_str(&config, "uid").is_empty() {
            let uid = codec::meta_str(&config, "uid");
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Status::conflict(&served.group_resource(), name, &why));
        }
        if old.is_none() && codec::meta_str(&config, "name").is_empty() {
            return Err(create::no_name(name));
        }
        let reset = served.reset_fields(part);
        let request = apply::ApplyRequest {
            tracking: write::tracking(served, part, &options.field_manager, &now, &reset),
            live: old,
            config: &config,
            force: options.force.unwrap_or(false),
        };
        let mut new = apply::apply_with(&request, &served.as_ref()).map_err(|error| error.to_status())?;
        // Upstream merges first and complains of what was written twice afterwards.
        judge_duplicates(call, &duplicates, options.field_validation)?;
        let namespace = codec::meta_str(&new, "namespace");
        if old.is_some() && served.namespaced && Some(namespace) != call.path()?.namespace.as_deref() {
            return Err(create::other_namespace());
        }
        if old != Some(&new) {
            input::conform(call, served, &mut new, Findings::default(), FieldValidation::Ignore)?;
        }
        Ok(new)
    })
    .await
}

/// The type that an apply configuration must have.
pub struct Wanted<'a> {
    /// Its version.
    pub api_version: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Upstream's one handler for custom resources takes another version for another type.
    pub one_version: bool,
}

/// Decodes an apply configuration; also returns its duplicate fields.
///
/// # Errors
/// 400 for what does not decode and for another type, 422 without a field manager.
pub fn configuration(
    wanted: &Wanted<'_>,
    name: &str,
    options: &WriteOptions,
    body: &[u8],
) -> Result<(Value, Findings), Status> {
    if options.field_manager.is_empty() {
        let error = FieldError::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    let decoding = |error: String| Status::bad_request(format!("error decoding YAML: {error}"));
    let (config, duplicates) =
        input::text(Media::Yaml, body).map_err(|error| decoding(format!("error converting YAML to JSON: {error}")))?;
    let config = if config.is_null() { Value::Object(serde_json::Map::new()) } else { config };
    if !config.is_object() {
        let word = match &config {
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            _ => "number",
        };
        return Err(decoding(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {word} into Go value of type map[string]interface {{}}"
        )));
    }
    let text = |field: &str| config.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let group = |api_version: &str| api_version.split_once('/').map_or(String::new(), |(group, _)| group.to_owned());
    let other_version = api_version != wanted.api_version;
    if kind != wanted.kind || group(&api_version) != group(wanted.api_version) || (wanted.one_version && other_version)
    {
        let why = match api_version.split_once('/') {
            Some((group, version)) => format!("invalid object type: {group}/{version}, Kind={kind}"),
            None => format!("invalid object type: /{api_version}, Kind={kind}"),
        };
        return Err(Status::bad_request(why));
    }
    if other_version {
        let why = format!(
            "Incorrect version specified in apply patch. Specified patch version: {api_version}, expected: {}",
            wanted.api_version
        );
        return Err(Status::bad_request(why));
    }
    if codec::metadata(&config)
        .is_some_and(|metadata| metadata.get("managedFields").is_some_and(|list| !list.is_null()))
    {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    create::check_name(&config, name)?;
    Ok((config, duplicates))
}

/// Applies `fieldValidation` to the duplicate fields of an apply configuration.
///
/// # Errors
/// 400 under `Strict`.
pub fn judge_duplicates(call: &Call, duplicates: &Findings, validation: FieldValidation) -> Result<(), Status> {
    if duplicates.yaml.is_empty() {
        return Ok(());
    }
    match validation {
        FieldValidation::Strict => Err(Status::bad_request(format!(
            "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  {}",
            duplicates.yaml.join("\n  ")
        ))),
        FieldValidation::Warn => {
            duplicates.yaml.iter().for_each(|text| call.warn(text));
            Ok(())
        }
        FieldValidation::Ignore => Ok(()),
    }
}
