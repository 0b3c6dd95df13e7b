//! What surrounds messages: the `runtime.Unknown` envelope, lists of encoded items, watch frames.

use super::wire::{LENGTH, Reader, put_bytes, put_tag, put_varint, varint_size};
use super::{Limits, ProtoError, decode, encode};
use crate::api::{Api, GroupVersion};
use crate::schema::NodeId;
use serde_json::Value;

/// The four bytes that every enveloped object starts with.
pub const MAGIC: [u8; 4] = *b"k8s\0";

/// What ends every envelope, so also a list: empty content encoding and content type.
pub const LIST_TAIL: [u8; 4] = [0x1a, 0, 0x22, 0];

/// The contents of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped<'a> {
    /// `apiVersion`; empty when not stated.
    pub api_version: String,
    /// `kind`; empty when not stated.
    pub kind: String,
    /// The message.
    pub raw: &'a [u8],
}

/// Puts a message into an envelope.
#[must_use]
pub fn wrap(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + api_version.len() + kind.len() + 32);
    put_head(&mut out, api_version, kind, raw.len());
    out.extend_from_slice(raw);
    out.extend_from_slice(&LIST_TAIL);
    out
}

/// Writes an envelope up to where the message begins.
fn put_head(out: &mut Vec<u8>, api_version: &str, kind: &str, raw_size: usize) {
    out.extend_from_slice(&MAGIC);
    let text_size = |text: &str| 1 + varint_size(text.len() as u64) + text.len();
    put_tag(out, 1, LENGTH);
    put_varint(out, (text_size(api_version) + text_size(kind)) as u64);
    put_bytes(out, 1, api_version.as_bytes());
    put_bytes(out, 2, kind.as_bytes());
    put_tag(out, 2, LENGTH);
    put_varint(out, raw_size as u64);
}

/// Takes a message out of its envelope.
///
/// # Errors
/// When the bytes are no envelope, or a broken one.
pub fn unwrap(bytes: &[u8]) -> Result<Unwrapped<'_>, ProtoError> {
    if bytes.is_empty() {
        return Err(ProtoError::Empty);
    }
    let Some(rest) = bytes.strip_prefix(&MAGIC) else { return Err(ProtoError::NoMagic) };
    if rest.is_empty() {
        return Err(ProtoError::Empty);
    }
    let mut found = Unwrapped { api_version: String::new(), kind: String::new(), raw: &[] };
    let mut reader = Reader::new(rest);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, LENGTH) => {
                let mut meta = Reader::new(reader.bytes()?);
                while !meta.is_empty() {
                    match meta.tag()? {
                        (1, LENGTH) => found.api_version = String::from_utf8_lossy(meta.bytes()?).into_owned(),
                        (2, LENGTH) => found.kind = String::from_utf8_lossy(meta.bytes()?).into_owned(),
                        (_, wire) => meta.skip(wire)?,
                    }
                }
            }
            (2, LENGTH) => found.raw = reader.bytes()?,
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok(found)
}

/// Encodes a document in its envelope. The type is found by the document's `apiVersion` and `kind`.
///
/// # Errors
/// When the kind has no protobuf form or the document does not have its type.
pub fn encode_object(api: &Api, value: &Value) -> Result<Vec<u8>, ProtoError> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let node = node_of(api, api_version, kind)?;
    let mut raw = Vec::with_capacity(512);
    encode(&api.schema, node, value, &mut raw)?;
    Ok(wrap(api_version, kind, &raw))
}

/// Decodes an enveloped object. `default` is the `(apiVersion, kind)` that the request implies; it fills in what the
/// envelope does not state, as upstream does.
///
/// # Errors
/// When the body is no protobuf, of an unknown kind, malformed, or exceeds the limits.
pub fn decode_object(
    api: &Api,
    bytes: &[u8],
    default: Option<(&str, &str)>,
    limits: Limits,
) -> Result<Value, ProtoError> {
    let mut found = unwrap(bytes)?;
    if let Some((api_version, kind)) = default {
        if found.kind.is_empty() {
            kind.clone_into(&mut found.kind);
        }
        if found.api_version.is_empty() {
            api_version.clone_into(&mut found.api_version);
        }
    }
    if found.kind.is_empty() {
        return Err(ProtoError::NoKind);
    }
    let node = node_of(api, &found.api_version, &found.kind)?;
    let mut value = decode(&api.schema, node, found.raw, limits)?;
    if let Value::Object(object) = &mut value {
        object.insert("apiVersion".to_owned(), found.api_version.into());
        object.insert("kind".to_owned(), found.kind.into());
    }
    Ok(value)
}

/// Finds a type that has a message. `DeleteOptions` and the like are sent under any group.
fn node_of(api: &Api, api_version: &str, kind: &str) -> Result<NodeId, ProtoError> {
    let GroupVersion { group, version } = GroupVersion::parse(api_version);
    let node = api.node_of_kind(&group, &version, kind).or_else(|| {
        let anywhere = matches!(kind, "DeleteOptions" | "Status" | "WatchEvent");
        api.meta(kind).filter(|_| anywhere)
    });
    let has_message =
        |node: &NodeId| api.definition(&api.schema.node(*node).name).is_some_and(|definition| definition.protobuf);
    let unknown = || ProtoError::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() };
    node.filter(has_message).ok_or_else(unknown)
}

/// Returns the head of an enveloped list: everything before its first item. `metadata` is an encoded `ListMeta`,
/// `items_size` the sum of [`list_item_size`] over the items.
#[must_use]
pub fn list_head(api_version: &str, kind: &str, metadata: &[u8], items_size: usize) -> Vec<u8> {
    let metadata_size = 1 + varint_size(metadata.len() as u64) + metadata.len();
    let mut out = Vec::with_capacity(64 + metadata_size);
    put_head(&mut out, api_version, kind, metadata_size + items_size);
    put_bytes(&mut out, 1, metadata);
    out
}

/// Returns how much an item of `size` bytes adds to a list.
#[must_use]
pub fn list_item_size(size: usize) -> usize {
    1 + varint_size(size as u64) + size
}

/// Appends what goes before an item of `size` bytes in a list.
pub fn list_item_head(size: usize, out: &mut Vec<u8>) {
    put_tag(out, 2, LENGTH);
    put_varint(out, size as u64);
}

/// Encodes a list from its encoded metadata and items. Who streams uses [`list_head`], [`list_item_head`] and
/// [`LIST_TAIL`] instead.
#[must_use]
pub fn encode_list<'a>(
    api_version: &str,
    kind: &str,
    metadata: &[u8],
    items: impl Iterator<Item = &'a [u8]> + Clone,
) -> Vec<u8> {
    let items_size = items.clone().map(|item| list_item_size(item.len())).sum();
    let mut out = list_head(api_version, kind, metadata, items_size);
    out.reserve_exact(items_size + LIST_TAIL.len());
    for item in items {
        list_item_head(item.len(), &mut out);
        out.extend_from_slice(item);
    }
    out.extend_from_slice(&LIST_TAIL);
    out
}

/// Returns a watch frame: a big-endian length and a bare `WatchEvent` around an enveloped object.
///
/// # Panics
/// When the object is larger than 4 GiB.
#[must_use]
pub fn watch_event(event: &str, object: &[u8]) -> Vec<u8> {
    let extension_size = list_item_size(object.len());
    let size = list_item_size(event.len()) + list_item_size(extension_size);
    let mut out = Vec::with_capacity(4 + size);
    out.extend_from_slice(&u32::try_from(size).expect("an object is smaller than 4 GiB").to_be_bytes());
    put_bytes(&mut out, 1, event.as_bytes());
    put_tag(&mut out, 2, LENGTH);
    put_varint(&mut out, extension_size as u64);
    put_bytes(&mut out, 1, object);
    out
}

/// Reads one watch frame and returns event type, enveloped object and the bytes after the frame; `None` when the
/// frame is not complete yet.
///
/// # Errors
/// When the frame holds no `WatchEvent`.
#[expect(clippy::type_complexity, reason = "three parts of one frame, taken apart at once")]
pub fn read_watch_event(bytes: &[u8]) -> Result<Option<(String, &[u8], &[u8])>, ProtoError> {
    let Some((size, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let size = u32::from_be_bytes(*size) as usize;
    if rest.len() < size {
        return Ok(None);
    }
    let (frame, rest) = rest.split_at(size);
    let (mut event, mut object): (String, &[u8]) = (String::new(), &[]);
    let mut reader = Reader::new(frame);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, LENGTH) => event = String::from_utf8_lossy(reader.bytes()?).into_owned(),
            (2, LENGTH) => {
                let mut extension = Reader::new(reader.bytes()?);
                while !extension.is_empty() {
                    match extension.tag()? {
                        (1, LENGTH) => object = extension.bytes()?,
                        (_, wire) => extension.skip(wire)?,
                    }
                }
            }
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok(Some((event, object, rest)))
}
