//! Who exists, in what state, with what keys and limits.

pub mod endpoints;
mod error;
pub mod keys;
mod kubeconfig;
pub mod limits;
mod name;
mod record;
mod x509;

pub use endpoints::{Endpoints, ServingNames};
pub use error::TenantsError;
pub use keys::{Authority, Leaf, TenantKeys};
pub use kubeconfig::{KubeconfigEntry, kubeconfig, kubeconfig_of};
pub use limits::TenantLimits;
pub use name::{HUB, TenantName};
