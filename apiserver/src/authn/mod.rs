//! Who are you: client certificates, bearer tokens, impersonation, and the tokens that the server issues.
//!
//! Credentials come in as bytes, an identity or a refusal goes out. What has to be looked up in the tenant (service
//! accounts, Secrets, Pods, Nodes) is asked of an [`objects::Objects`]; nothing here knows HTTP or storage.

pub mod bearer;
pub mod bootstrap_token;
pub mod certificate;
pub mod discovery;
pub mod impersonation;
pub mod jwt;
pub mod keys;
pub mod objects;
pub mod review;
pub mod service_account;
pub mod token_cache;
pub mod token_request;
pub mod user;
