//! The operator's hold on control planes: in the hub, a `ControlPlane` has its finalizer from its first revision on.
//!
//! The operator would put it there itself, before it makes a tenant; that is one commit more between the user and the
//! control plane. Part of the create, no object without it ever exists.

use super::write::{Write, list_mut};
use crate::codec;
use kplex_tenants::HUB;
use serde_json::{Value, json};

/// Group of `ControlPlane`, KubeFlex's.
const GROUP: &str = "tenancy.kflex.kubestellar.org";
/// Finalizer of control planes, KubeFlex's.
pub const FINALIZER: &str = "kflex.kubestellar.org/finalizer";

pub(super) fn admit(write: &Write<'_>, new: &mut Value) {
    if write.creates(GROUP, "controlplanes") && write.call.scope.name() == HUB {
        codec::metadata_mut(new);
        let list = list_mut(&mut new["metadata"], "finalizers");
        if !list.contains(&json!(FINALIZER)) {
            list.push(json!(FINALIZER));
        }
    }
}
