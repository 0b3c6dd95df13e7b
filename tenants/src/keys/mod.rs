//! The keys of a tenant: two authorities, the service-account keys and the token issuers.
//!
//! Everything is kept as compact bytes. A certificate is parsed, and a leaf is made, when somebody needs it: a warm
//! tenant that nobody connects to pays some 1.5 kB for all of its keys.

use jiff::Timestamp;

mod authority;
mod leaf;
mod request;
mod service_account;

pub use authority::{Authority, SigningPolicy, request_life};
pub use leaf::{Leaf, renew_at};
pub use request::CertificateRequest;
pub use service_account::{PublicKey, SigningKey};

use crate::endpoints::ServingNames;
use crate::error::TenantsError;
use crate::limits;

/// The group whose members may do anything.
pub const MASTERS_GROUP: &str = "system:masters";
/// The user of the admin kubeconfig, as KubeFlex and kubeadm name it.
pub const ADMIN_USER: &str = "kubernetes-admin";
/// The user of the front proxy's client certificate.
pub const FRONT_PROXY_USER: &str = "front-proxy-client";
/// The issuer of service-account tokens unless the control plane asks for another.
pub const DEFAULT_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

pub(crate) const AUTHORITY_NAME: &str = "kubernetes";
const FRONT_PROXY_AUTHORITY_NAME: &str = "front-proxy-ca";
pub(crate) const SERVING_NAME: &str = "kube-apiserver";

/// What a tenant signs and verifies with.
#[derive(Clone, Debug)]
pub struct TenantKeys {
    pub(crate) authority: Authority,
    pub(crate) front_proxy: Authority,
    pub(crate) signing: SigningKey,
    /// Public keys whose tokens stay accepted although nothing is signed with them any more.
    pub(crate) earlier: Vec<PublicKey>,
    /// Invariant: never empty; the first signs, the others stay accepted.
    pub(crate) issuers: Vec<String>,
}

impl TenantKeys {
    /// Makes fresh keys.
    pub(crate) fn generate(issuer: &str, now: Timestamp) -> Result<TenantKeys, TenantsError> {
        Ok(TenantKeys {
            authority: Authority::generate(AUTHORITY_NAME, now)?,
            front_proxy: Authority::generate(FRONT_PROXY_AUTHORITY_NAME, now)?,
            signing: SigningKey::generate()?,
            earlier: Vec::new(),
            issuers: vec![issuer.to_owned()],
        })
    }

    /// Returns the authority of client and serving certificates.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the authority of front proxies, which is another one on purpose: whoever holds a client certificate
    /// must not be able to speak as a proxy.
    pub fn front_proxy(&self) -> &Authority {
        &self.front_proxy
    }

    /// Returns the key that signs service-account tokens.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing
    }

    /// Returns the keys that verify service-account tokens, the current one first.
    pub fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        std::iter::once(self.signing.public()).chain(&self.earlier)
    }

    /// Returns the public key with this `kid`.
    pub fn public_key(&self, key_id: &str) -> Option<&PublicKey> {
        self.public_keys().find(|key| key.id() == key_id)
    }

    /// Returns the JSON Web Key Set of [`TenantKeys::public_keys`].
    pub fn jwks(&self) -> String {
        let keys: Vec<String> = self.public_keys().map(PublicKey::jwk).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    /// Returns the issuer that new tokens name.
    pub fn issuer(&self) -> &str {
        &self.issuers[0]
    }

    /// Returns all issuers whose tokens are accepted, the current one first.
    pub fn issuers(&self) -> &[String] {
        &self.issuers
    }

    /// Makes `issuer` the current one; the others stay accepted.
    pub(crate) fn set_issuer(&mut self, issuer: &str) {
        self.issuers.retain(|known| known != issuer);
        self.issuers.insert(0, issuer.to_owned());
        self.issuers.truncate(limits::ISSUERS_MAX);
    }

    /// Makes a new signing key the current one; tokens of the earlier ones stay accepted.
    pub(crate) fn rotate_signing_key(&mut self) -> Result<(), TenantsError> {
        let previous = std::mem::replace(&mut self.signing, SigningKey::generate()?);
        self.earlier.insert(0, previous.public().clone());
        self.earlier.truncate(limits::EARLIER_SIGNING_KEYS_MAX);
        Ok(())
    }

    /// Issues the certificate that the control plane's endpoints show.
    pub fn issue_serving(&self, names: &ServingNames, now: Timestamp) -> Result<Leaf, TenantsError> {
        self.authority.issue_serving(SERVING_NAME, names, now)
    }

    /// Issues the credentials of the admin kubeconfig.
    pub fn issue_admin(&self, now: Timestamp) -> Result<Leaf, TenantsError> {
        self.authority.issue_client(ADMIN_USER, &[MASTERS_GROUP], now)
    }

    /// Issues the client certificate of the front proxy.
    pub fn issue_front_proxy_client(&self, now: Timestamp) -> Result<Leaf, TenantsError> {
        self.front_proxy.issue_client(FRONT_PROXY_USER, &[], now)
    }
}

#[cfg(test)]
mod tests;
