//! Bindings of pods to nodes.

use crate::builtin::at::At;
use crate::field_error::FieldErrors;

/// A binding.
pub(in super::super) fn binding(root: &At, errors: &mut FieldErrors) {
    let target = root.get("target");
    let kind = target.get("kind");
    if !kind.is_empty() && kind.str() != "Node" {
        kind.unsupported(errors, &["Node", "<empty>"]);
    }
    target.get("name").require(errors);
}
