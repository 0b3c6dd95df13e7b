//! May you: role-based access control, evaluated as upstream's authorizers do.
//!
//! Everything here is pure: RBAC objects go in as JSON bytes, decisions and `Status` values come out. The only
//! file that knows a tenant is `cache`. Requests of nodes get no authorizer of their own: a control plane without
//! pods has no kubelets, and RBAC alone decides what members of `system:nodes` may do.

pub mod aggregate;
pub mod attributes;
pub mod coverage;
pub mod escalation;
pub mod forbidden;
pub mod layer;
pub mod policy;
pub mod review;
pub mod rule;

/// API group of roles and bindings.
pub const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// Members may do anything, whatever RBAC says.
pub const PRIVILEGED_GROUP: &str = "system:masters";

/// Joins error texts as upstream's aggregate errors do: each text once, brackets only around several.
#[must_use]
pub(crate) fn join_errors(errors: &[String]) -> String {
    let mut unique: Vec<&str> = Vec::with_capacity(errors.len());
    for error in errors {
        if !unique.contains(&error.as_str()) {
            unique.push(error);
        }
    }
    match unique.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("[{}]", many.join(", ")),
    }
}
