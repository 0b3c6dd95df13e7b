//! Behaviour of built-in kinds that no schema can express: defaulting, validation and strategies.

pub mod defaults;
pub mod fields;
pub mod quota;
pub mod resources;
pub mod scale;
pub mod strategy;
pub mod validation;
pub mod warnings;

mod amount;
mod at;
mod formats;
mod ip;
mod same;

pub use kind::Gvk;

/// Annotation that holds the template generation of a DaemonSet: a field of upstream's internal type that apps/v1 lacks.
pub(crate) const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

mod kind;
