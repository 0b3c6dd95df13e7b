//! Who are you: client certificates, bearer tokens, impersonation, and the tokens that the server issues.
//!
//! Credentials come in as bytes, an identity or a refusal goes out. What has to be looked up in the tenant (service
//! accounts, Secrets, Pods, Nodes) is asked of an [`objects::Objects`]; nothing here knows HTTP or storage.

pub mod user;
