//! CustomResourceDefinitions: validation, compilation to a schema, and structural-schema operations on custom resources.
//!
//! A definition goes through [`validate_create`] or [`validate_update`], then [`compile()`], which gives one
//! [`CompiledVersion`] per version. Everything that is done to a custom resource hangs on that: [`CompiledVersion::coerce`],
//! [`CompiledVersion::default`], [`CompiledVersion::validate_create`] and the `prepare_` functions. What the naming,
//! establishing and finalizing controllers write into a definition's status is computed in [`conditions`].

mod approval;
mod compile;
pub mod conditions;
mod defaulting;
mod definition;
mod formats;
mod goregex;
mod intern;
mod internal_form;
mod lifecycle;
mod listtype;
mod names;
mod objectmeta;
mod openapi_rules;
mod outcome;
mod paths;
mod props;
mod pruning;
mod ratchet;
mod read;
mod scalars;
mod scale;
mod schema_compiler;
mod selectable;
mod strategy;
mod structural;
mod values;
mod version_rules;

pub use compile::{Column, Compiled, CompiledVersion, Names, Scale, Scope, compile};
pub use definition::{validate_create, validate_status_update, validate_update};
pub use intern::Interner;
pub use lifecycle::{
    default_definition, prepare_definition_create, prepare_definition_status_update, prepare_definition_update,
    unrecognized_formats,
};
pub use names::compare_versions;
pub use scale::{ScaleError, scale_from_object, set_scale_replicas};

#[cfg(test)]
mod tests;
