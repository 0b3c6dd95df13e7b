//! Tests of strategies.
