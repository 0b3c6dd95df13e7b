//! From a request body to a document of the served version: decoding, type checks and field validation.

use crate::call::Call;
use crate::codec;
use crate::http::negotiate::{self, Media};
use crate::limits;
use crate::resource::{self, Served};
use kplex_machinery::api::Api;
use kplex_machinery::decode::{self, FieldValidation, Findings, Limits};
use kplex_machinery::field_error::FieldError;
use kplex_machinery::proto;
use kplex_machinery::schema::{NodeId, Schema};
use kplex_machinery::status::Status;
use serde_json::Value;

/// Decodes a body as an object of `served`.
///
/// # Errors
/// 415 for an unknown content type, 400 for what does not decode, another type, or unknown fields under `Strict`.
pub fn object(call: &Call, served: &Served, bytes: &[u8], validation: FieldValidation) -> Result<Value, Status> {
    let media = negotiate::content(&call.headers, served.offer())?;
    let (mut value, findings) = match media {
        // Unknown and duplicate fields of built-in types are told in the order of the document.
        Media::Json if !served.is_custom() => {
            // The type is looked for first; what is no JSON at all has none.
            typed(served, bytes).map_err(|error| match decode::json(bytes, &depth()) {
                Err(syntax) => unrecognized(served, &no_type(&syntax.to_string()), bytes),
                Ok(_) => not_decoded(served, &error),
            })?
        }
        Media::Json => text(media, bytes).map_err(|error| unrecognized(served, &no_type(&error), bytes))?,
        Media::Yaml => text(media, bytes).map_err(|error| unrecognized(served, &error, bytes))?,
        Media::Protobuf => {
            let value =
                protobuf(served.schema(), served.node, bytes).map_err(|error| unrecognized(served, &error, bytes))?;
            (value, Findings::default())
        }
    };
    if value.is_null() {
        value = Value::Object(serde_json::Map::new());
    }
    warn_of_sibling(call, served, &value, validation)?;
    check_type(served, &mut value, bytes)?;
    conform(call, served, &mut value, findings, validation)?;
    Ok(value)
}

/// Applies `fieldValidation` to a custom resource of another version than that of the path, which is refused afterwards.
///
/// # Errors
/// 400 for unknown fields under `Strict`.
pub fn warn_of_sibling(call: &Call, served: &Served, value: &Value, validation: FieldValidation) -> Result<(), Status> {
    let unknown = Findings { fields: served.unknown_to_sibling(value), ..Findings::default() };
    served.judge(&unknown, validation)?.into_iter().for_each(|text| call.warn(text));
    Ok(())
}

/// Parses JSON or YAML; also returns what strict decoding has to say about duplicate fields.
///
/// # Errors
/// What the parser says.
pub fn text(media: Media, bytes: &[u8]) -> Result<(Value, Findings), String> {
    let limits = Limits { depth: limits::DEPTH_MAX, ..Limits::default() };
    let mut findings = Findings::default();
    let value = if media == Media::Yaml {
        let (value, duplicates) = decode::yaml(bytes, &limits).map_err(|error| error.to_string())?;
        findings.yaml = duplicates;
        value
    } else {
        let (value, duplicates) = decode::json(bytes, &limits).map_err(|error| error.to_string())?;
        findings.fields = duplicates;
        value
    };
    Ok((value, findings))
}

fn typed(served: &Served, bytes: &[u8]) -> Result<(Value, Findings), String> {
    let limits = Limits { depth: limits::DEPTH_MAX, ..Limits::default() };
    let (value, fields) =
        decode::json_typed(bytes, &limits, served.schema(), served.node).map_err(|error| error.to_string())?;
    Ok((value, Findings { fields, ..Findings::default() }))
}

fn depth() -> Limits {
    Limits { depth: limits::DEPTH_MAX, ..Limits::default() }
}

fn unrecognized(served: &Served, why: &str, body: &[u8]) -> Status {
    Status::bad_request(decode::unrecognized(&served.kind, why, body))
}

fn not_decoded(served: &Served, error: &str) -> Status {
    Status::bad_request(decode::cannot_be_handled(&served.kind, &served.version, &served.kind, error))
}

/// Checks apiVersion and kind against what the path serves; fills them in where they are missing.
fn check_type(served: &Served, value: &mut Value, body: &[u8]) -> Result<(), Status> {
    let (api_version, kind) = decode::type_meta(value).map_err(|error| unrecognized(served, &error, body))?;
    if served.is_custom() {
        check_custom_type(served, value, (api_version, kind), body)?;
    } else {
        let api_version = if api_version.is_empty() { &*served.api_version } else { api_version };
        let kind = if kind.is_empty() { &*served.kind } else { kind };
        if (api_version, kind) != (&*served.api_version, &*served.kind) {
            return Err(served.wrong_type(api_version, kind));
        }
    }
    let map = value.as_object_mut().expect("type_meta has seen an object");
    map.insert("apiVersion".to_owned(), Value::from(served.api_version.as_str()));
    map.insert("kind".to_owned(), Value::from(served.kind.as_str()));
    Ok(())
}

/// Custom resources tell what they are, and are told otherwise in words of their own.
fn check_custom_type(served: &Served, value: &Value, given: (&str, &str), body: &[u8]) -> Result<(), Status> {
    let (api_version, kind) = given;
    if kind.is_empty() {
        let shown = String::from_utf8_lossy(body);
        return Err(unrecognized(served, &format!("Object 'Kind' is missing in '{}'", shown.trim_end()), body));
    }
    if api_version != served.api_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            served.api_version
        )));
    }
    if kind != served.kind {
        let error = FieldError::invalid("kind", kind, format!("must be {}", served.kind));
        return Err(Status::invalid(&served.group, kind, codec::meta_str(value, "name"), &[error]));
    }
    Ok(())
}

/// Brings a document into the shape of its type and applies `fieldValidation` to what was dropped (KEP-2885).
///
/// # Errors
/// 400 for wrong types, and for dropped fields under `Strict`.
pub fn conform(
    call: &Call,
    served: &Served,
    value: &mut Value,
    mut findings: Findings,
    validation: FieldValidation,
) -> Result<(), Status> {
    findings.extend(served.conform(value)?);
    for text in served.judge(&findings, validation)? {
        call.warn(text);
    }
    Ok(())
}

/// Decodes a body as a definition of the built-in API that is no resource by itself, such as `Scale` or `Eviction`.
///
/// # Errors
/// 415 for an unknown content type, 400 for what does not decode.
pub fn definition(call: &Call, api: &Api, definition: &str, kind: &str, bytes: &[u8]) -> Result<Value, Status> {
    let node = api
        .definition(definition)
        .map(|definition| definition.node)
        .ok_or_else(|| Status::internal(format!("no definition {definition}")))?;
    // Upstream wraps the errors of every kind but this one.
    let bare = kind == "DeleteOptions";
    let unread =
        |error: String| Status::bad_request(if bare { error } else { decode::unrecognized(kind, &error, bytes) });
    let mut value = match negotiate::content(&call.headers, negotiate::Offer::PLAIN)? {
        Media::Protobuf => protobuf(&api.schema, node, bytes).map_err(unread)?,
        Media::Yaml => text(Media::Yaml, bytes).map_err(unread)?.0,
        Media::Json => text(Media::Json, bytes).map_err(|error| unread(no_type(&error)))?.0,
    };
    let (api_version, given) = decode::type_meta(&value).map_err(unread)?;
    let wrap = |error: String, given: &str| {
        Status::bad_request(if bare { error } else { decode::cannot_be_handled(given, "v1", kind, &error) })
    };
    if !given.is_empty() && given != kind {
        let api_version = if api_version.is_empty() { "v1" } else { api_version };
        let group =
            definition.strip_prefix("io.k8s.api.").and_then(|rest| rest.split('.').next()).unwrap_or("meta.k8s.io");
        return Err(wrap(resource::type_error(group, kind, api_version, given), given));
    }
    decode::conform(&api.schema, node, &mut value).map_err(|error| wrap(error.to_string(), kind))?;
    Ok(value)
}

/// What upstream says of a body in which it looked for a type.
fn no_type(error: &str) -> String {
    format!("couldn't get version/kind; json parse error: {error}")
}

/// Decodes an enveloped protobuf message, with apiVersion and kind of the envelope.
fn protobuf(schema: &Schema, node: NodeId, bytes: &[u8]) -> Result<Value, String> {
    let unknown = proto::unwrap(bytes).map_err(|error| error.to_string())?;
    let mut value =
        proto::decode(schema, node, unknown.raw, proto::Limits::default()).map_err(|error| error.to_string())?;
    let map = value.as_object_mut().expect("a decoded message is an object");
    map.insert("apiVersion".to_owned(), Value::from(unknown.api_version));
    map.insert("kind".to_owned(), Value::from(unknown.kind));
    Ok(value)
}
