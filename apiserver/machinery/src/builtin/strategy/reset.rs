//! Which fields server-side apply leaves alone, for each part of an object that can be written.

use super::{FieldPath, Strategy, Subresource};

/// Fields that a manager cannot own through an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetFields {
    /// These, and all below them.
    These(&'static [FieldPath]),
    /// All but these and what lies below them; `*` stands for any list item.
    AllBut(&'static [FieldPath]),
}

/// Returns the fields that cannot be owned through a subresource.
#[must_use]
pub fn reset_fields(strategy: &Strategy, subresource: Subresource) -> ResetFields {
    match subresource {
        Subresource::Main => ResetFields::These(strategy.reset_fields_main),
        Subresource::Status => ResetFields::These(strategy.reset_fields_status),
        Subresource::Finalize => ResetFields::These(&[&["status"]]),
        Subresource::Approval => ResetFields::These(&[&["spec"], &["status", "certificate"]]),
        Subresource::EphemeralContainers => ResetFields::AllBut(&[&["spec", "ephemeralContainers"]]),
        Subresource::Resize => ResetFields::AllBut(&[
            &["spec", "containers", "*", "resources"],
            &["spec", "containers", "*", "resizePolicy"],
            &["spec", "initContainers", "*", "resources"],
            &["spec", "initContainers", "*", "resizePolicy"],
        ]),
    }
}
