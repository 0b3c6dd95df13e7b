//! Pure Kubernetes object logic: it does no I/O, and clock and randomness are arguments.
//!
//! Everything here works on `serde_json::Value` documents and on one description of types, [`schema::Schema`],
//! which the built-in API table and every CustomResourceDefinition compile to.

pub mod field_error;
pub mod json;
pub mod schema;
pub mod status;

pub mod api;
pub mod apply;
pub mod builtin;
pub mod convert;
pub mod crd;
pub mod decode;
pub mod discovery;
pub mod metadata;
pub mod openapi;
pub mod patch;
pub mod proto;
pub mod quantity;
pub mod selector;
pub mod table;
