//! Hosts claimed for control planes, such as a Route's, beyond those that follow from their names.
//!
//! A claim is an entry of the hidden tenant: host → name. Creating it only where nothing is there keeps a host from
//! two owners.

use bytes::Bytes;
use kplex_storage::{Expect, Key, Op, Stamp, StorageError, TenantLog, WriteSet};

use crate::error::TenantsError;
use crate::limits::HOST_BYTES_MAX;
use crate::name::TenantName;

const GROUP: &str = "internal.kubeplex";
const RESOURCE: &str = "hosts";

/// Who owns which host.
pub(crate) struct Claims {
    log: TenantLog,
}

impl Claims {
    pub(crate) fn new(log: TenantLog) -> Claims {
        Claims { log }
    }

    /// Claims hosts for a tenant. Those that it owns already stay its own.
    ///
    /// # Errors
    /// A host belongs to another tenant; the ones before it in the list stay claimed.
    pub(crate) async fn claim(&self, owner: &TenantName, hosts: &[String]) -> Result<(), TenantsError> {
        for host in hosts {
            let value = Bytes::copy_from_slice(owner.as_str().as_bytes());
            let put = Op::Put { stamp: Stamp::default(), value: value.clone() };
            match self.log.commit(WriteSet::one(key(host), Expect::Absent, put)).await {
                Ok(_) => {}
                Err(StorageError::Conflict { current: Some(entry), .. }) if entry.value == value => {}
                Err(StorageError::Conflict { .. }) => return Err(TenantsError::HostTaken(host.clone())),
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    /// Gives up those of these hosts that the tenant owns.
    pub(crate) async fn release(&self, owner: &TenantName, hosts: &[String]) -> Result<(), TenantsError> {
        for host in hosts {
            let Some(entry) = self.log.current(&key(host)).await? else { continue };
            if entry.value != owner.as_str() {
                continue;
            }
            match self.log.commit(WriteSet::one(key(host), Expect::At(entry.revision), Op::Delete)).await {
                // Somebody else released it.
                Ok(_) | Err(StorageError::Conflict { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    /// Returns the owner of a host.
    pub(crate) async fn owner(&self, host: &str) -> Result<Option<TenantName>, TenantsError> {
        if host.is_empty() || host.len() > HOST_BYTES_MAX || host.contains('/') {
            return Ok(None);
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let (entry, _) = self.log.get(&key(&host)).await?;
        let name = entry.and_then(|entry| TenantName::parse(std::str::from_utf8(&entry.value).ok()?).ok());
        Ok(name)
    }
}

fn key(host: &str) -> Key {
    Key::new(GROUP, RESOURCE, None, host)
}
