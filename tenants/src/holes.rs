//! What differs by tenant in the shared base: the facts that its holes are filled from.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::keys::{Authority, TenantKeys};
use crate::name::TenantName;
use crate::record::TenantRecord;

/// What the holes of the shared base are filled from when a tenant is made.
#[derive(Debug)]
pub struct HoleFacts<'a> {
    /// The tenant's name.
    pub name: &'a TenantName,
    /// Its uid.
    pub uid: Uuid,
    /// When it is created, in whole seconds.
    pub created: Timestamp,
    /// Its keys.
    pub keys: &'a TenantKeys,
    /// The server's own authority, whose certificate path-form clients see.
    pub server_authority: &'a Authority,
}

/// Fills the holes of the shared base for a new tenant.
pub type FillHoles = Arc<dyn Fn(&HoleFacts<'_>) -> Vec<Bytes> + Send + Sync>;

impl TenantRecord {
    /// Returns the contents of the holes for a tenant with this record.
    pub(crate) fn holes(&self, name: &TenantName, server_authority: &Authority, fill: &FillHoles) -> Vec<Bytes> {
        fill(&HoleFacts { name, uid: self.uid, created: self.created, keys: &self.keys, server_authority })
    }
}
