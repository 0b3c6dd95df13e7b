//! Behaviour of built-in kinds that no schema can express: defaulting, validation and strategies.

pub mod defaults;
