//! What a control plane holds before anybody used it: the shared base, and how upstream keeps it that way.
//!
//! The objects are generated data (`kplex_machinery::api::bootstrap`). Here they become the base of the store, once per
//! process, and the rules by which a deleted or changed one comes back.

pub mod base;
pub mod holes;
pub mod rbac;
pub mod reconcile;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
