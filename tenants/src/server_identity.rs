//! The server's own keys, kept in a hidden tenant of the store, so that every replica over one store has the same.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use kplex_storage::{NewTenant, StorageError, Store, TenantLog};
use uuid::Uuid;

use crate::error::TenantsError;
use crate::holes::FillHoles;
use crate::keys::{AUTHORITY_NAME, Authority, DEFAULT_ISSUER, TenantKeys};
use crate::limits::TenantLimits;
use crate::name::TenantName;
use crate::record::TenantRecord;
use crate::x509::key::PrivateKey;

const HIDDEN_NAME: &str = "~server";
const SERVER_AUTHORITY_NAME: &str = "kubeplex-server-ca";

/// The server's own authority, and the secret behind decoys.
pub(crate) struct ServerIdentity {
    authority: Authority,
    decoys: hmac::Key,
}

impl ServerIdentity {
    /// Reads the server's keys, or makes and stores them when the store is new. Also returns the hidden tenant's log.
    pub(crate) async fn open(
        store: &Store,
        fill: &FillHoles,
        now: Timestamp,
    ) -> Result<(ServerIdentity, TenantLog), TenantsError> {
        let name = TenantName::hidden(HIDDEN_NAME);
        loop {
            if let Some(row) = store.find_tenant(name.as_str()).await? {
                let record = TenantRecord::decode(&row.record)?;
                return Ok((ServerIdentity::new(record.keys.authority), store.tenant(&row)));
            }
            let mut keys = TenantKeys::generate(DEFAULT_ISSUER, now)?;
            keys.authority = Authority::generate(SERVER_AUTHORITY_NAME, now)?;
            let record = TenantRecord {
                uid: Uuid::new_v4(),
                created: now,
                keys,
                limits: TenantLimits::default(),
                hosts: Vec::new(),
                owner: None,
            };
            let row = NewTenant {
                name: name.as_str().to_owned(),
                record: record.encode().into(),
                // It has a base like any tenant, although nobody reads it.
                holes: record.holes(&name, &record.keys.authority, fill),
                ..NewTenant::default()
            };
            match store.create_tenant(row).await {
                // Another replica may have been faster: then its keys are read.
                Ok(_) | Err(StorageError::Exists(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
    }

    fn new(authority: Authority) -> ServerIdentity {
        let (scalar, _) = authority.parts().1.parts();
        ServerIdentity { decoys: hmac::Key::new(hmac::HMAC_SHA256, scalar), authority }
    }

    /// Returns the server's own authority.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the authority of a tenant that does not exist: for one name always the same key, as a tenant has.
    pub(crate) fn decoy(&self, name: &TenantName, now: Timestamp) -> Result<Authority, TenantsError> {
        let mut attempt = 0_u8;
        loop {
            let message = [b"decoy authority\0", name.as_str().as_bytes(), &[0, attempt]].concat();
            let scalar = hmac::sign(&self.decoys, &message);
            let scalar = scalar.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes");
            match PrivateKey::from_scalar(scalar) {
                Ok(key) => return Authority::with_key(AUTHORITY_NAME, key, now),
                // One in four billion is not below the curve's order.
                Err(_) if attempt < 8 => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }
}
