//! Label and field selectors.

mod field;
mod label;
mod lexer;

pub use field::{FieldRequirement, FieldSelector, escape_value, object_fields};
pub use label::{LabelSelector, Operator, Requirement};

#[cfg(test)]
mod tests;
