//! What is served: built-in resources and custom ones, behind one type.
//!
//! The verbs know only [`Served`]. Where built-in kinds and custom resources differ, the difference is a method here.

use kplex_machinery::builtin::strategy::{self, Strategy};
use kplex_machinery::crd::{self, CompiledVersion};
use kplex_machinery::field_error::FieldErrors;
use kplex_machinery::schema::{NodeId, Schema};
use kplex_machinery::status::{GroupResource, Status};
use kplex_machinery::{api, builtin, convert, decode};
use kplex_storage::{Key, Prefix};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// One resource in one version.
pub struct Served {
    /// API group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// `group/version`, as objects carry it.
    pub api_version: String,
    /// Plural name.
    pub plural: String,
    /// Kind.
    pub kind: String,
    /// Kind of lists.
    pub list_kind: String,
    /// Objects live in namespaces.
    pub namespaced: bool,
    /// Types.
    pub schema: Arc<Schema>,
    /// Root type.
    pub node: NodeId,
    /// Stamp of objects that are stored in just this form.
    pub stamp: u64,
    /// Group under which objects are stored: events of `events.k8s.io` are stored as core events.
    pub storage_group: String,
    /// Where built-in and custom differ.
    pub origin: Origin,
}

/// Where a resource comes from.
pub enum Origin {
    /// The API table.
    BuiltIn(&'static api::Resource, &'static Strategy),
    /// A CustomResourceDefinition.
    Custom(Arc<crd::Compiled>, usize),
}
