//! From a request body to a document of the served version: decoding, type checks and field validation.

use crate::call::Call;
use crate::http::negotiate::{self, Media};
use crate::http::query::FieldValidation;
use crate::limits;
use crate::resource::Served;
use kplex_machinery::decode::{self, Limits};
use kplex_machinery::proto;
use kplex_machinery::status::Status;
use serde_json::Value;

/// Decodes a body as an object of `served`.
///
/// # Errors
/// 415 for an unknown content type, 400 for what does not decode, another type, or unknown fields under `Strict`.
pub fn object(call: &Call, served: &Served, bytes: &[u8], validation: FieldValidation) -> Result<Value, Status> {
    let media = negotiate::content(&call.headers, served.offer())?;
    let (mut value, problems) = match media {
        Media::Json | Media::Yaml => text(media, bytes).map_err(|error| not_decoded(served, &error))?,
        Media::Protobuf => (from_protobuf(served, bytes)?, Vec::new()),
    };
    check_type(served, &mut value)?;
    conform(call, served, &mut value, problems, validation)?;
    Ok(value)
}

/// Parses JSON or YAML; also returns the texts of duplicate fields.
///
/// # Errors
/// What the parser says.
pub fn text(media: Media, bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let limits = Limits { depth_max: limits::DEPTH_MAX, ..Limits::default() };
    let outcome = if media == Media::Yaml { decode::yaml(bytes, &limits) } else { decode::json(bytes, &limits) };
    outcome.map_err(|error| error.to_string())
}

fn not_decoded(served: &Served, error: &str) -> Status {
    let _ = served;
    Status::bad_request(format!("the object provided is unrecognized (must be of type {}): {error}", served.kind))
}

fn from_protobuf(served: &Served, bytes: &[u8]) -> Result<Value, Status> {
    let bad = |error: &dyn std::fmt::Display| Status::bad_request(format!("unable to decode protobuf: {error}"));
    let unknown = proto::unwrap(bytes).map_err(|error| bad(&error))?;
    let mut value = proto::decode(&served.schema, served.node, unknown.raw).map_err(|error| bad(&error))?;
    let map = value.as_object_mut().expect("a decoded message is an object");
    map.insert("apiVersion".to_owned(), Value::from(unknown.api_version));
    map.insert("kind".to_owned(), Value::from(unknown.kind));
    Ok(value)
}

/// Checks apiVersion and kind against what the path serves; fills them in where they are missing.
fn check_type(served: &Served, value: &mut Value) -> Result<(), Status> {
    let Some(map) = value.as_object_mut() else {
        return Err(Status::bad_request(format!("json: cannot unmarshal {} into Go value of type {}", json_type(value), served.kind)));
    };
    let text = |field: &str| map.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if !api_version.is_empty() && api_version != served.api_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            served.api_version
        )));
    }
    if !kind.is_empty() && kind != served.kind {
        return Err(served.wrong_kind(&kind));
    }
    if served.is_custom() && (api_version.is_empty() || kind.is_empty()) {
        let shown = Value::Object(map.clone());
        let field = if kind.is_empty() { "Kind" } else { "apiVersion" };
        return Err(Status::bad_request(format!("Object '{field}' is missing in '{shown}'")));
    }
    map.insert("apiVersion".to_owned(), Value::from(served.api_version.as_str()));
    map.insert("kind".to_owned(), Value::from(served.kind.as_str()));
    Ok(())
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Brings a document into the shape of its type and applies `fieldValidation` to what was dropped (KEP-2885).
///
/// # Errors
/// 400 for wrong types, and for dropped fields under `Strict`.
pub fn conform(call: &Call, served: &Served, value: &mut Value, mut problems: Vec<String>, validation: FieldValidation) -> Result<(), Status> {
    let mut unknown = served.conform(value)?;
    unknown.append(&mut problems);
    let problems = unknown;
    if problems.is_empty() {
        return Ok(());
    }
    match validation {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            problems.into_iter().for_each(|text| call.warn(text));
            Ok(())
        }
        FieldValidation::Strict => Err(served.strict_error(&problems)),
    }
}
