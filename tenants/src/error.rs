//! What can go wrong in this crate.

use jiff::Timestamp;
use kplex_storage::StorageError;

/// Why an operation on tenants failed.
#[derive(Debug, thiserror::Error)]
pub enum TenantsError {
    /// The name cannot be a control plane's.
    #[error("name {name:?} {reason}")]
    InvalidName {
        /// The name, cut to 64 characters.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A tenant of this name exists.
    #[error("control plane {0:?} already exists")]
    AlreadyExists(String),
    /// There is no tenant of this name.
    #[error("control plane not found")]
    NotFound,
    /// A setting of the control plane is out of bounds.
    #[error("{field} {reason}")]
    InvalidSetting {
        /// The setting.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The host belongs to another control plane already.
    #[error("host {0:?} is taken")]
    HostTaken(String),
    /// A request for a certificate is not one, or does not prove its key.
    #[error("{0}")]
    BadRequest(&'static str),
    /// A request for a certificate asks for a usage that does not exist.
    #[error("unrecognized usage: {0}")]
    UnknownUsage(String),
    /// The authority cannot sign any more.
    #[error("the signer has expired: {since}")]
    Expired {
        /// The end of its life.
        since: Timestamp,
    },
    /// A record of ours cannot be read.
    #[error("stored tenant is corrupt: {0}")]
    Corrupt(&'static str),
    /// The crypto library refused to work.
    #[error("{0}")]
    Crypto(&'static str),
    /// The store failed.
    #[error("use the store")]
    Storage(#[source] Box<StorageError>),
}

impl From<StorageError> for TenantsError {
    /// Boxed: it carries whole entries, and most results are none.
    fn from(error: StorageError) -> Self {
        TenantsError::Storage(Box::new(error))
    }
}
