//! What a verb answers, before it is encoded for the client.

use crate::resource::Served;
use axum::body::Body;
use bytes::Bytes;
use kplex_storage::Entry;
use serde_json::Value;
use std::sync::Arc;

/// Headers by name.
pub type Headers = Vec<(&'static str, String)>;

/// The outcome of a verb.
pub enum Reply {
    /// One stored object.
    Entry(u16, Arc<Served>, Entry),
    /// One object that is not (or no longer) stored in this form.
    Object(u16, Arc<Served>, Value),
    /// A document with a type of its own: a review, a Scale, a Status. The name is its OpenAPI definition.
    Document(u16, &'static str, Value),
    /// A collection.
    List(Arc<Served>, ListReply),
    /// A collection of objects that are not stored.
    Objects(Arc<Served>, Vec<Value>),
    /// A stream of events with its content type.
    Stream(&'static str, Body),
    /// A document that is encoded already, with its content type and headers of its own; it is laid out and compressed as
    /// the client wants it.
    Encoded(&'static str, Vec<u8>, Headers),
    /// Bytes that go out as they are, with their content type, if they have one, and headers of their own.
    Tagged(u16, &'static str, Bytes, Headers),
    /// A text for people.
    Text(u16, &'static [u8]),
}

/// A page of a collection.
pub struct ListReply {
    /// The entries, in key order.
    pub entries: Vec<Entry>,
    /// The revision that the page shows.
    pub revision: kplex_storage::Revision,
    /// Token for the next page, empty on the last.
    pub continue_token: String,
    /// Objects after this page; known only without selectors.
    pub remaining: Option<u64>,
}
