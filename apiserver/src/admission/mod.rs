//! Admission: what the server adds to or refuses in a write that is well formed, between decoding and storing.
//!
//! [`mutate`] runs upstream's default mutating plugins in upstream's order, [`validate`] the validating ones. [`allocate`]
//! claims what is unique in the control plane (cluster IPs, node ports) and [`release`] gives it back in the commit that
//! deletes the object. [`dynamic`] holds what the users of a control plane have configured.

mod certificates;
mod claim_resize;
pub mod control_plane;
mod definitions;
mod dynamic;
mod escalation;
pub mod quota;
mod ingress_class;
mod lifecycle;
mod limit_ranger;
mod node_restriction;
mod node_taint;
mod pod_security;
mod priority;
mod runtime_class;
mod service;
mod service_account;
mod storage_class;
mod storage_protection;
mod tolerations;
mod topology_labels;
mod write;

use crate::call::Call;
use crate::resource::Served;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::status::Status;
use kplex_storage::{Change, WriteSet};
use serde_json::Value;
use write::Write;

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

/// What a write changes besides its object. It is stored in the same commit, so that nothing is claimed twice or lost.
#[derive(Debug, Default)]
pub struct Claims {
    /// Changes of other objects, each with what it expects to find.
    pub changes: Vec<Change>,
    /// Held until the commit is through, by writes that are charged to quotas.
    pub turn: Option<tokio::sync::OwnedMutexGuard<()>>,
}

/// Runs the mutating plugins. A new object that asks for a generated name has none yet, as upstream.
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
    let write = Write { call, served, operation, old };
    lifecycle::admit(call, served, operation, new).await?;
    limit_ranger::admit(&write, new).await?;
    service_account::admit(&write, new).await?;
    node_restriction::check(&write, new).await?;
    node_taint::admit(&write, new);
    priority::admit(&write, new).await?;
    tolerations::admit(&write, new);
    storage_class::admit(&write, new).await?;
    storage_protection::admit(&write, new);
    control_plane::admit(&write, new);
    definitions::admit(&write, new).await?;
    runtime_class::admit(&write, new).await?;
    ingress_class::admit(&write, new).await?;
    topology_labels::admit(&write, new).await?;
    escalation::check(&write, new).await?;
    dynamic::mutate(&write, new).await
}

/// Claims what is unique in the control plane, and fills in what the server alone knows about a new object.
///
/// # Errors
/// 422 and 500 when nothing is left or the asked-for thing is taken.
pub async fn allocate(
    call: &Call,
    served: &Served,
    operation: Operation,
    old: Option<&Value>,
    new: &mut Value,
) -> Result<Claims, Status> {
    let write = Write { call, served, operation, old };
    certificates::identify(&write, new);
    let mut claims = Claims::default();
    service::allocate(&write, new, &mut claims).await?;
    Ok(claims)
}

/// Gives back what [`allocate`] claimed, in the commit that deletes the object.
///
/// # Errors
/// 503 when the claims can't be read.
pub async fn release(
    call: &Call,
    served: &Served,
    old: &Value,
    set: &mut WriteSet,
) -> Result<(), kplex_storage::StorageError> {
    service::release(call, served, old, set).await
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
    claims: &mut Claims,
) -> Result<(), Status> {
    let write = Write { call, served, operation, old };
    lifecycle::validate(call, served, operation, new)?;
    if operation.verb == Verb::Delete {
        node_restriction::check(&write, new).await?;
        dynamic::mutate(&write, new).await?;
        return dynamic::validate(&write, new).await;
    }
    limit_ranger::validate(&write, new).await?;
    service_account::validate(&write, new).await?;
    pod_security::validate(&write, new).await?;
    priority::validate(&write, new).await?;
    claim_resize::validate(&write, new).await?;
    runtime_class::validate(&write, new).await?;
    certificates::validate(&write, new).await?;
    dynamic::validate(&write, new).await?;
    quota::charge(&write, new, claims).await
}

#[cfg(test)]
mod tests;
