//! temp
use super::Gvk; use super::strategy::Subresource; use crate::field_error::FieldErrors; use serde_json::Value;
/// t
pub fn validate_create(_: Gvk<'_>, _: &Value) -> FieldErrors { Vec::new() }
/// t
pub fn validate_update(_: Gvk<'_>, _: &Value, _: &Value) -> FieldErrors { Vec::new() }
/// t
pub fn validate_subresource_update(_: Gvk<'_>, _: Subresource, _: &Value, _: &Value) -> FieldErrors { Vec::new() }
