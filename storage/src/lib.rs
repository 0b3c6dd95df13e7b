//! Tenant-scoped revisioned key-value log.
//!
//! Knows nothing of Kubernetes or HTTP: keys and values are bytes. The current state of every tenant lies in one SQL
//! table, its recent past in an undo log beside it; one writer lane per connection commits in groups, and readers are
//! answered from memory because the owner of a tenant sees all its writes. `docs/storage-format.md` describes the
//! bytes on disk. Start with [`Store::open`] and [`Store::tenant`].

pub mod base;
pub mod engine;
pub mod error;
pub mod event;
pub mod key;
pub mod limits;
pub mod options;
pub mod store;
pub mod tail;
pub mod tenant_log;
pub mod watch;
pub mod write;

mod cache;
mod codec;
mod delta;
mod history;
mod lane;
mod maintenance;
mod migrate;
mod read;
mod registry;
mod rewind;
mod tenant;

#[cfg(test)]
mod tests;

pub use base::{Base, BaseItem, Part, derived_uid};
pub use error::StorageError;
pub use event::Event;
pub use key::{Key, Prefix, Revision, TenantId};
pub use limits::Limits;
pub use options::{Clock, Engine, StoreOptions};
pub use registry::{NewTenant, TenantRow};
pub use store::Store;
pub use tail::{Position, Tail, TailBatch};
pub use tenant_log::{ListQuery, Page, TenantLog};
pub use watch::Cursor;
pub use write::{Change, Due, Entry, Expect, Op, Stamp, Usage, WriteSet};
