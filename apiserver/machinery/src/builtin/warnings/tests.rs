//! Tests of warnings.
