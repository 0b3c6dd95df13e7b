//! Everything that can go wrong, named for what happened.

use crate::key::{Key, Revision};
use crate::write::Entry;

/// Why a call on the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// A change expected another state than its key has; nothing was written.
    #[error("{key} is not in the expected state")]
    Conflict {
        /// The key whose expectation failed.
        key: Key,
        /// Its pending state.
        current: Option<Entry>,
    },
    /// The past that was asked for is no longer kept.
    #[error("everything before revision {floor} is no longer kept")]
    Compacted {
        /// The oldest revision that can still be asked for.
        floor: Revision,
    },
    /// A revision was asked for that was not handed out yet.
    #[error("the head is at revision {head}")]
    Future {
        /// The newest revision.
        head: Revision,
    },
    /// A value, or a write set as a whole, is above the limit.
    #[error("value or write set is above the limit")]
    TooLarge,
    /// The tenant would grow beyond its limit; nothing was written.
    #[error("the tenant would grow beyond its limit")]
    Full,
    /// The caller broke a rule of the interface.
    #[error("{0}")]
    Invalid(String),
    /// A tenant of that name exists.
    #[error("a tenant named {0:?} exists")]
    Exists(String),
    /// The store cannot serve now; nothing was written.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
    /// The store went away before it could tell whether the write is durable.
    #[error("outcome of the write is unknown: {0}")]
    Unknown(String),
    /// The tenant was deleted.
    #[error("the tenant was deleted")]
    Gone,
    /// Bytes read back are not what was written.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
}
