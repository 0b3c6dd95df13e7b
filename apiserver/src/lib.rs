//! The Kubernetes protocol over tenants and storage.

pub mod authn;
pub mod authz;
