//! HTTP on both sides of the verbs: what a request asks for, and how answers are written.
//!
//! Only this module knows header names and status lines. It knows nothing of storage.

pub mod info;
pub mod negotiate;
pub mod query;
pub mod body;
pub mod pretty;
pub mod respond;
