//! Namespaces.

use crate::builtin::at::At;
use crate::builtin::formats::qualified_name;
use crate::builtin::validation::meta::kube_finalizer;
use crate::field_error::FieldErrors;

/// A namespace.
pub(in super::super) fn namespace(root: &At, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let at = spec.get("finalizers");
    for item in at.items() {
        // Upstream's path has no index here.
        let place = spec.named("finalizers", item.value());
        place.check(errors, qualified_name);
        kube_finalizer(&place, errors);
    }
}

/// A namespace whose status is written.
pub(in super::super) fn status_update(new: &At, errors: &mut FieldErrors) {
    let status = new.get("status");
    let phase = status.get("phase").str();
    let at = status.get("Phase");
    if new.get("metadata").get("deletionTimestamp").has() {
        if phase != "Terminating" {
            at.invalid(errors, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
        }
    } else if phase != "Active" {
        at.invalid(errors, phase, "may only be 'Active' if `deletionTimestamp` is empty");
    }
}

/// A namespace whose finalizers are written.
pub(in super::super) fn finalize(new: &At, errors: &mut FieldErrors) {
    let spec = new.get("spec");
    for finalizer in spec.get("finalizers").items() {
        finalizer.check(errors, qualified_name);
        kube_finalizer(&finalizer, errors);
    }
}
