//! Who exists, in what state, with what keys and limits.
//!
//! [`Tenants`] creates, finds, wakes and deletes tenants; [`TenantScope`], which only it can make, is the only way to
//! a tenant's data. Knows how tenants are named, addressed and keyed; never what their objects mean, nor HTTP.

mod registry;
mod scope;
mod settings;

pub mod endpoints;
pub mod keys;
pub mod limits;
mod name;

mod claims;
mod holes;
pub mod kubeconfig;
mod record;
mod renewal;
mod server_identity;
mod x509;

mod error;

pub use endpoints::{Endpoints, ServingNames};
pub use error::TenantsError;
pub use holes::{FillHoles, HoleFacts};
pub use keys::{Authority, CertificateRequest, Leaf, SigningKey, SigningPolicy, TenantKeys};
pub use kubeconfig::KubeconfigEntry;
pub use limits::TenantLimits;
pub use name::{HUB, TenantName};
pub use registry::Tenants;
pub use renewal::{DUE_ADMIN_CREDENTIALS, DUE_SERVING_CERTIFICATE, renewal_due};
pub use scope::TenantScope;
pub use settings::{NewControlPlane, TenantsOptions, check_domain};
