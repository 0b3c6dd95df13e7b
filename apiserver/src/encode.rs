//! Objects, lists and watch frames in the encoding and form a client asked for.
//!
//! JSON in the stored version is copied; everything else goes over a document. YAML is JSON rendered again.

use crate::codec;
use crate::http::negotiate::{Accepted, Form, Media};
use crate::resource::{Served, go_type};
use crate::verbs::reply::ListReply;
use bytes::Bytes;
use jiff::Timestamp;
use kplex_machinery::api::Api;
use kplex_machinery::field_error::go_quote;
use kplex_machinery::schema::{NodeId, Schema};
use kplex_machinery::status::Status;
use kplex_machinery::{proto, table};
use kplex_storage::{Entry, Revision};
use serde_json::{Map, Value, json};

/// Type of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// An object came into view.
    Added,
    /// An object changed.
    Modified,
    /// An object went out of view.
    Deleted,
    /// Progress without an object.
    Bookmark,
    /// The stream can't go on.
    Error,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

/// Identifies an encoding of an event, for [`kplex_storage::Event::derived`].
#[must_use]
pub fn frame_id(accepted: Accepted, kind: EventType, served: &Served) -> u32 {
    let media = accepted.media as u32;
    let version = (served.stamp as u32) & 0xffff_ff00;
    version | (media << 4) | kind as u32
}

/// A type that is on the wire by itself: its schema node and its names.
pub struct Typed<'a> {
    /// Types.
    pub schema: &'a Schema,
    /// Root type.
    pub node: NodeId,
    /// `apiVersion` in the envelope.
    pub api_version: &'a str,
    /// `kind` in the envelope.
    pub kind: &'a str,
}

/// Encodes a document.
///
/// # Errors
/// 500 when the document does not fit its type.
pub fn document(media: Media, typed: &Typed<'_>, value: &Value) -> Result<Vec<u8>, Status> {
    match media {
        Media::Json => {
            let mut out = Vec::with_capacity(1024);
            codec::write_json(&mut out, value);
            out.push(b'\n');
            Ok(out)
        }
        Media::Yaml => yaml(value),
        Media::Protobuf => {
            let mut raw = Vec::with_capacity(512);
            proto::encode(typed.schema, typed.node, value, &mut raw)
                .map_err(|error| Status::internal(format!("encode {}: {error}", typed.kind)))?;
            Ok(proto::wrap(typed.api_version, typed.kind, &raw))
        }
    }
}

fn yaml(value: &Value) -> Result<Vec<u8>, Status> {
    serde_saphyr::to_string(value)
        .map(String::into_bytes)
        .map_err(|error| Status::internal(format!("encode yaml: {error}")))
}

/// Encodes a document of a definition of the built-in API, such as `Status`.
///
/// # Errors
/// 500 when the document does not fit its type.
pub fn definition(media: Media, definition: &str, value: &Value) -> Result<Vec<u8>, Status> {
    let api = Api::builtin();
    let node = match media {
        Media::Protobuf => api
            .definition(definition)
            .map(|definition| definition.node)
            .ok_or_else(|| Status::internal(format!("no definition {definition}")))?,
        Media::Json | Media::Yaml => NodeId(0),
    };
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or("");
    document(media, &Typed { schema: &api.schema, node, api_version: text("apiVersion"), kind: text("kind") }, value)
}

/// Encodes a failure.
#[must_use]
pub fn status(media: Media, status: &Status) -> Vec<u8> {
    match media {
        Media::Json => status.to_json(),
        Media::Yaml | Media::Protobuf => definition(media, STATUS, &status.to_value()).expect("a Status fits its type"),
    }
}

/// Definition of `metav1.Status`.
pub const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
/// Definition of `autoscaling/v1` Scale, the one document besides objects that has a table.
pub const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";
const PARTIAL: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata";
const PARTIAL_LIST: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadataList";
const TABLE: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Table";

/// Encodes one object.
///
/// # Errors
/// 500 when the stored object can't be read.
pub fn entry(
    accepted: Accepted,
    served: &Served,
    entry: &Entry,
    now: Timestamp,
    query: &str,
) -> Result<Vec<u8>, Status> {
    if accepted.form == Form::Object && accepted.media == Media::Json {
        let mut out = Vec::with_capacity(entry.value.len() + 64);
        codec::json_into(&mut out, served, entry, entry.revision)?;
        out.push(b'\n');
        return Ok(out);
    }
    object(accepted, served, codec::load(served, entry)?, now, query)
}

/// Encodes one document of a resource.
///
/// # Errors
/// 500 when the document does not fit its type.
pub fn object(
    accepted: Accepted,
    served: &Served,
    object: Value,
    now: Timestamp,
    query: &str,
) -> Result<Vec<u8>, Status> {
    match accepted.form {
        Form::Object => document(accepted.media, &served.typed(), &object),
        Form::Metadata => definition(accepted.media, PARTIAL, &partial(accepted, &object)),
        // Upstream's custom resources take themselves for lists, and notice late.
        Form::MetadataList if served.is_custom() => Err(Status::plain("content is not a list")),
        Form::MetadataList => Err(no_list(&served.go_type(&served.kind))),
        Form::Table => {
            let meta = revision_of(&object);
            definition(accepted.media, TABLE, &table_of(accepted, served, [Ok(object)], meta, true, now, query)?)
        }
    }
}

/// Encodes a document of a definition in the form that a client asked for.
///
/// # Errors
/// 406 for a form that it does not have, 500 when the document does not fit its type.
pub fn formed_definition(
    accepted: Accepted,
    name: &str,
    value: &Value,
    now: Timestamp,
    query: &str,
) -> Result<Vec<u8>, Status> {
    match accepted.form {
        // What tells the outcome has no other form.
        _ if name == STATUS => definition(accepted.media, name, value),
        Form::Object => definition(accepted.media, name, value),
        Form::Metadata => definition(accepted.media, PARTIAL, &partial(accepted, value)),
        Form::MetadataList => {
            let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or("");
            let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
            Err(no_list(&go_type(group, text("kind"))))
        }
        Form::Table => {
            let row = table::row("autoscaling", "v1", "Scale", value, now);
            let row = table::table_row(row, None, value, include_object(query)?);
            let columns = table::definitions(table::columns("autoscaling", "v1", "scale"));
            let table = table::table(columns, vec![row], Value::Object(revision_of(value)));
            definition(accepted.media, TABLE, &versioned(accepted, table))
        }
    }
}

/// The `metadata` of a table of one object.
fn revision_of(object: &Value) -> Map<String, Value> {
    let revision = codec::metadata(object).and_then(|metadata| metadata.get_key_value("resourceVersion"));
    revision.map(|(key, value)| (key.clone(), value.clone())).into_iter().collect()
}

fn no_list(go_type: &str) -> Status {
    let why = "you requested PartialObjectMetadataList, but the requested object is not a list";
    Status::new(406, "NotAcceptable", format!("{why} ({go_type})"))
}

/// Returns the metadata of an object as `PartialObjectMetadata`.
#[must_use]
pub fn partial(accepted: Accepted, object: &Value) -> Value {
    let metadata = match table::shown_metadata(object) {
        Value::Null => json!({}),
        metadata => metadata,
    };
    json!({"kind": "PartialObjectMetadata", "apiVersion": accepted.meta_version(), "metadata": metadata})
}

fn table_of(
    accepted: Accepted,
    served: &Served,
    objects: impl IntoIterator<Item = Result<Value, Status>>,
    list_meta: Map<String, Value>,
    columns: bool,
    now: Timestamp,
    query: &str,
) -> Result<Value, Status> {
    Ok(versioned(accepted, served.table(objects, list_meta, columns, include_object(query)?, now)?))
}

/// Puts a table and the metadata in it into the version that was asked for.
fn versioned(accepted: Accepted, mut table: Value) -> Value {
    if accepted.beta {
        table["apiVersion"] = Value::from(accepted.meta_version());
        for row in table["rows"].as_array_mut().into_iter().flatten() {
            if row["object"]["kind"] == "PartialObjectMetadata" {
                row["object"]["apiVersion"] = Value::from(accepted.meta_version());
            }
        }
    }
    table
}

fn include_object(query: &str) -> Result<table::IncludeObject, Status> {
    let given =
        crate::http::query::pairs(query).find(|(key, _)| key == "includeObject").map(|(_, value)| value.into_owned());
    match given.as_deref().unwrap_or("") {
        "" | "Metadata" => Ok(table::IncludeObject::Metadata),
        "None" => Ok(table::IncludeObject::None),
        "Object" => Ok(table::IncludeObject::Object),
        other => Err(Status::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: {}: must be 'Metadata', 'Object', \
             'None', or empty",
            go_quote(other)
        ))),
    }
}

/// Encodes a page of a collection into chunks.
///
/// # Errors
/// 500 when a stored object can't be read.
pub fn list(
    accepted: Accepted,
    served: &Served,
    page: &ListReply,
    now: Timestamp,
    query: &str,
) -> Result<Vec<u8>, Status> {
    let mut meta = Map::new();
    meta.insert("resourceVersion".to_owned(), Value::from(page.revision.get().to_string()));
    if !page.continue_token.is_empty() {
        meta.insert("continue".to_owned(), Value::from(page.continue_token.as_str()));
    }
    if served.is_custom() && accepted.form == Form::Object {
        meta.entry("continue").or_insert_with(|| Value::from(""));
    }
    if let Some(remaining) = page.remaining.filter(|remaining| *remaining > 0) {
        meta.insert("remainingItemCount".to_owned(), Value::from(remaining));
    }
    if accepted.form == Form::Object && accepted.media == Media::Json {
        return json_list(served, page, &meta);
    }
    let objects = page.entries.iter().map(|entry| codec::load(served, entry));
    items(accepted, served, meta, objects, now, query)
}

/// Encodes a collection of documents. Forms that show little of an object take it and drop it before the next.
///
/// # Errors
/// The first of `objects`, 406 for a form that a collection does not have, 500 when a document does not fit its type.
pub fn items(
    accepted: Accepted,
    served: &Served,
    meta: Map<String, Value>,
    objects: impl Iterator<Item = Result<Value, Status>>,
    now: Timestamp,
    query: &str,
) -> Result<Vec<u8>, Status> {
    match (accepted.form, accepted.media) {
        (Form::Object, media) => {
            let list = json!({"apiVersion": served.api_version, "kind": served.list_kind, "metadata": meta});
            whole_list(media, served, list, objects.collect::<Result<_, _>>()?)
        }
        (Form::Metadata, _) => {
            let why = "you requested PartialObjectMetadata, but the requested object is a list";
            let go_type = served.go_type(&served.list_kind);
            Err(Status::new(406, "NotAcceptable", format!("{why} ({go_type})")))
        }
        (Form::MetadataList, media) => {
            let items = objects.map(|object| Ok(partial(accepted, &object?)));
            let items = items.collect::<Result<Vec<Value>, Status>>()?;
            // Upstream's list begins as none.
            let items = if items.is_empty() { Value::Null } else { Value::Array(items) };
            let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": accepted.meta_version(), "metadata": meta, "items": items});
            definition(media, PARTIAL_LIST, &list)
        }
        (Form::Table, media) => {
            let table = table_of(accepted, served, objects, meta, true, now, query)?;
            definition(media, TABLE, &table)
        }
    }
}

fn whole_list(media: Media, served: &Served, mut list: Value, items: Vec<Value>) -> Result<Vec<u8>, Status> {
    let items = if served.is_custom() { items } else { items.into_iter().map(without_type).collect() };
    if media == Media::Protobuf {
        let raw = items.iter().map(|item| {
            let mut out = Vec::new();
            proto::encode(served.schema(), served.node, item, &mut out).map(|()| out)
        });
        let raw: Result<Vec<Vec<u8>>, _> = raw.collect();
        let raw = raw.map_err(|error| Status::internal(format!("encode {}: {error}", served.kind)))?;
        let api = Api::builtin();
        let mut meta = Vec::new();
        let node = api.meta("ListMeta").ok_or_else(|| Status::internal("no ListMeta in the API table"))?;
        proto::encode(&api.schema, node, &list["metadata"], &mut meta)
            .map_err(|error| Status::internal(error.to_string()))?;
        return Ok(proto::encode_list(&served.api_version, &served.list_kind, &meta, raw.iter().map(Vec::as_slice)));
    }
    list["items"] = Value::Array(items);
    document(media, &served.typed(), &list)
}

fn without_type(mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
    }
    object
}

/// Copies stored bytes. Items of built-in lists carry no apiVersion and kind, as upstream's typed lists.
fn json_list(served: &Served, page: &ListReply, meta: &Map<String, Value>) -> Result<Vec<u8>, Status> {
    let size: usize = page.entries.iter().map(|entry| entry.value.len() + 40).sum();
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(served.list_kind.as_bytes());
    out.extend_from_slice(b"\",\"apiVersion\":\"");
    out.extend_from_slice(served.api_version.as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
    codec::write_json(&mut out, meta);
    out.extend_from_slice(b",\"items\":[");
    for (index, entry) in page.entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if entry.stamp.schema != served.stamp && !served.is_custom() {
            codec::write_json(&mut out, &without_type(codec::load_at(served, entry)?));
            continue;
        }
        let start = out.len();
        codec::json_into(&mut out, served, entry, entry.revision)?;
        if !served.is_custom() {
            strip_type(&mut out, start, &served.type_prefix);
        }
    }
    out.extend_from_slice(b"]}\n");
    Ok(out)
}

/// Removes `"apiVersion":…,"kind":…,` from the object that begins at `start`.
fn strip_type(out: &mut Vec<u8>, start: usize, prefix: &[u8]) {
    if out[start + 1..].starts_with(prefix) {
        out.drain(start + 1..start + 1 + prefix.len());
    }
}

/// Encodes a watch event with an object.
///
/// # Errors
/// 500 when the stored object can't be read.
pub fn frame(
    accepted: Accepted,
    kind: EventType,
    served: &Served,
    entry: &Entry,
    revision: Revision,
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    if accepted.form == Form::Object && accepted.media == Media::Json {
        open_json_frame(out, kind);
        codec::json_into(out, served, entry, revision)?;
        out.extend_from_slice(b"}\n");
        return Ok(());
    }
    let mut value = codec::load(served, entry)?;
    codec::set_revision(&mut value, revision);
    value_frame(accepted, kind, served, &value, out)
}

fn open_json_frame(out: &mut Vec<u8>, kind: EventType) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_str().as_bytes());
    out.extend_from_slice(b"\",\"object\":");
}

fn value_frame(
    accepted: Accepted,
    kind: EventType,
    served: &Served,
    value: &Value,
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    let bytes = match accepted.form {
        Form::Metadata | Form::MetadataList => definition(accepted.media, PARTIAL, &partial(accepted, value))?,
        Form::Object | Form::Table => document(accepted.media, &served.typed(), value)?,
    };
    wrap_frame(accepted.media, kind, &bytes, out);
    Ok(())
}

fn wrap_frame(media: Media, kind: EventType, object: &[u8], out: &mut Vec<u8>) {
    match media {
        Media::Json => {
            open_json_frame(out, kind);
            out.extend_from_slice(object.trim_ascii_end());
            out.extend_from_slice(b"}\n");
        }
        Media::Yaml => {
            out.extend_from_slice(format!("type: {}\nobject:\n", kind.as_str()).as_bytes());
            for line in object.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                out.extend_from_slice(b"  ");
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            out.extend_from_slice(b"---\n");
        }
        Media::Protobuf => out.extend_from_slice(&proto::watch_event(kind.as_str(), object)),
    }
}

/// Encodes a watch event as a one-row Table; `first` frames carry the columns.
///
/// # Errors
/// 500 when the stored object can't be read, 400 for a bad `includeObject`.
pub fn table_frame(
    accepted: Accepted,
    kind: EventType,
    served: &Served,
    entry: &Entry,
    revision: Revision,
    (first, now, query): (bool, Timestamp, &str),
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    let mut value = codec::load(served, entry)?;
    codec::set_revision(&mut value, revision);
    let mut meta = Map::new();
    meta.insert("resourceVersion".to_owned(), Value::from(revision.get().to_string()));
    let table = table_of(accepted, served, [Ok(value)], meta, first, now, query)?;
    wrap_frame(accepted.media, kind, &definition(accepted.media, TABLE, &table)?, out);
    Ok(())
}

/// Encodes a bookmark; the one that ends the initial events says so (KEP-3157).
///
/// # Errors
/// 500 when the bookmark can't be encoded.
pub fn bookmark(
    accepted: Accepted,
    served: &Served,
    revision: Revision,
    initial_end: bool,
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    let mut metadata = json!({"resourceVersion": revision.get().to_string()});
    if initial_end {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    let value = served.blank(metadata);
    if accepted.form == Form::Table {
        let meta = json!({"resourceVersion": revision.get().to_string()});
        let mut table = served.table(
            [Ok(value.clone())],
            meta.as_object().cloned().unwrap_or_default(),
            false,
            table::IncludeObject::None,
            Timestamp::UNIX_EPOCH,
        )?;
        table["rows"][0]["object"] = partial(accepted, &value);
        let table = definition(accepted.media, TABLE, &versioned(accepted, table))?;
        wrap_frame(accepted.media, EventType::Bookmark, &table, out);
        return Ok(());
    }
    value_frame(accepted, EventType::Bookmark, served, &value, out)
}

/// Encodes the event that ends a stream with an error.
#[must_use]
pub fn error_frame(accepted: Accepted, status: &Status) -> Bytes {
    let mut out = Vec::new();
    wrap_frame(accepted.media, EventType::Error, &self::status(accepted.media, status), &mut out);
    Bytes::from(out)
}
