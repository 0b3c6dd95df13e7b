//! Kubernetes protobuf: a table-driven transcoder between JSON documents and messages, and the envelopes around them.
//!
//! Nothing is generated per type: field numbers, pointers and zero-value rules come from the [`Schema`]. Messages are
//! byte for byte what upstream's gogo code writes. Decoding yields the document that Go's JSON encoder would print
//! after reading the message: fields without `omitempty` are there, empty ones with it are not.
//!
//! Only types that have a message upstream can be encoded; [`crate::api::Definition::protobuf`] tells. Custom
//! resources never are.

mod decode;
mod encode;
mod envelope;
mod forms;
mod plan;
mod wire;
mod zero;

pub use envelope::{
    LIST_TAIL, MAGIC, Unwrapped, decode_object, encode_list, encode_object, list_head, list_item_head, list_item_size,
    read_watch_event, unwrap, watch_event, wrap,
};
pub use plan::Plans;

use crate::schema::{NodeId, Schema};
use serde_json::Value;
use std::fmt;

/// Bounds on what a message may grow to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of the document. It must stay below the 128 levels that `serde_json` reads, else a stored object could
    /// not be read back.
    pub depth_max: usize,
    /// Values in the document. Two bytes of message can stand for a whole struct, so the body limit is not enough.
    pub values_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth_max: 120, values_max: 1_000_000 }
    }
}

/// Why a message or a document cannot be transcoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtoError {
    /// The message ends inside of a field.
    Truncated,
    /// A varint of more than 64 bits, or a field number out of range.
    Overflow,
    /// Field number 0, or a wire type that does not exist.
    IllegalTag {
        /// The number.
        number: u64,
        /// The wire type.
        wire: u8,
    },
    /// A known field with another wire type.
    WireType {
        /// JSON name of the field.
        field: String,
        /// The wire type found.
        wire: u8,
    },
    /// Nested deeper than [`Limits::depth_max`].
    TooDeep,
    /// More values than [`Limits::values_max`].
    TooMany,
    /// The value is not of the type that the schema says.
    Value {
        /// Path of the field.
        path: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The body does not start with [`MAGIC`].
    NoMagic,
    /// Nothing follows the magic, or there is no body at all.
    Empty,
    /// Neither the envelope nor the request tells the kind.
    NoKind,
    /// No such kind, or a kind without a protobuf form.
    UnknownKind {
        /// `apiVersion`.
        api_version: String,
        /// `kind`.
        kind: String,
    },
}

impl ProtoError {
    /// Puts a segment before the path of a value error.
    fn within(mut self, segment: &str) -> Self {
        if let Self::Value { path, .. } = &mut self {
            let joint = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            *path = format!("{segment}{joint}{path}");
        }
        self
    }

    fn value(expected: &'static str) -> Self {
        Self::Value { path: String::new(), expected }
    }
}

impl fmt::Display for ProtoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("unexpected EOF"),
            Self::Overflow => f.write_str("proto: integer overflow"),
            Self::IllegalTag { number, wire } => write!(f, "proto: illegal tag {number} (wire type {wire})"),
            Self::WireType { field, wire } => write!(f, "proto: wrong wireType = {wire} for field {field}"),
            Self::TooDeep => f.write_str("proto: exceeded max depth"),
            Self::TooMany => f.write_str("proto: the message holds too many values"),
            Self::Value { path, expected } => write!(f, "{path}: expected {expected}"),
            Self::NoMagic => {
                f.write_str("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
            }
            Self::Empty => f.write_str("empty body"),
            Self::NoKind => f.write_str("Object 'Kind' is missing in the protobuf envelope"),
            Self::UnknownKind { api_version, kind } => {
                write!(f, "kind \"{kind}\" of \"{api_version}\" has no protobuf form")
            }
        }
    }
}

impl std::error::Error for ProtoError {}

/// Appends the message of a document of the type `node`. The document's `apiVersion` and `kind` are not part of the
/// message; they go into the envelope ([`wrap`]).
///
/// # Errors
/// [`ProtoError::Value`] when the document does not have the type.
pub fn encode(schema: &Schema, node: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), ProtoError> {
    encode::document(schema, node, value, out)
}

/// Reads a message of the type `node`, without envelope. The document has no `apiVersion` and `kind`.
///
/// # Errors
/// When the message is malformed or exceeds the limits.
pub fn decode(schema: &Schema, node: NodeId, bytes: &[u8], limits: Limits) -> Result<Value, ProtoError> {
    decode::document(schema, node, bytes, limits)
}

#[cfg(test)]
mod tests;
