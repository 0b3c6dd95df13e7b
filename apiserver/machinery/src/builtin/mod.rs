//! Behaviour of built-in kinds that no schema can express: defaulting, validation and strategies.

pub mod defaults;
pub mod fields;
pub mod quota;
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
