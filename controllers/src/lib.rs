//! The operator and the built-in controllers.
