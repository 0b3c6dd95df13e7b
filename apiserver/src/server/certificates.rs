//! Chooses the certificate of a handshake: a tenant's for its host names, else the server's own.
//!
//! Both kinds are issued when first needed and live in memory only; clients trust the authority behind them. No
//! tenant wakes for a handshake, and a name that does not exist is treated like one that does, down to the cache.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Weak};

use jiff::Timestamp;
use kplex_tenants::endpoints::SERVICE_ADDRESS;
use kplex_tenants::limits::HOST_BYTES_MAX;
use kplex_tenants::{Leaf, ServingNames, TenantName, Tenants, TenantsError};
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;

use super::ServerIdentity;
use super::limits::{OWN_ADDRESSES_MAX, TENANT_CONFIGS_MAX};
use super::tls::{self, PossessionVerifier};

const OWN_COMMON_NAME: &str = "kubeplex";

/// Why no certificate could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The tenant could not be looked up, or nothing could be issued.
    #[error("issue a serving certificate")]
    Issue(#[from] TenantsError),
    /// The TLS library refused what was issued.
    #[error("configure TLS")]
    Configure(#[from] rustls::Error),
}

/// The server's own names, beyond `localhost`, the loopback addresses and the in-cluster names of a Kubernetes API.
#[derive(Clone, Debug, Default)]
pub struct OwnNames {
    /// Host names, such as the machine's.
    pub hosts: Vec<String>,
    /// Addresses, such as the one listened on. Those that clients reach us at are added as they do.
    pub addresses: Vec<IpAddr>,
}

impl OwnNames {
    /// Returns the address listened on and, where the kernel tells it, the machine's name.
    pub fn for_address(address: SocketAddr) -> OwnNames {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        let usable = !name.is_empty()
            && name.len() <= HOST_BYTES_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        OwnNames {
            hosts: usable.then(|| name.to_owned()).into_iter().collect(),
            addresses: vec![address.ip().to_canonical()],
        }
    }
}

/// The certificates of a listener. One is shared by all listeners of a server.
pub struct Certificates {
    tenants: Tenants,
    provider: Arc<CryptoProvider>,
    verifier: Arc<PossessionVerifier>,
    /// Held while the own certificate is looked at or, now and then, issued (0.1 ms).
    own: Mutex<Own>,
    /// Held for a look or an insert.
    cache: Mutex<Cache>,
}

struct Own {
    names: ServingNames,
    entry: Option<Entry>,
}

#[derive(Clone)]
struct Entry {
    config: Arc<ServerConfig>,
    renew_at: Timestamp,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<TenantName, (Entry, u64)>,
    /// Grows with each look; the entry with the lowest is the next to go.
    clock: u64,
    /// Grows when a tenant changes: what was issued from an earlier read is not kept.
    epoch: u64,
}

/// What a handshake goes on with.
pub(super) struct Choice {
    pub(super) config: Arc<ServerConfig>,
    pub(super) identity: ServerIdentity,
}

impl Certificates {
    /// Makes the certificates of a server with these names.
    pub fn new(tenants: Tenants, own: OwnNames) -> Arc<Certificates> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificates = Arc::new(Certificates {
            verifier: Arc::new(PossessionVerifier::new(Arc::clone(&provider))),
            provider,
            own: Mutex::new(Own { names: own_names(&tenants, own), entry: None }),
            cache: Mutex::default(),
            tenants: tenants.clone(),
        });
        let listener: Weak<Certificates> = Arc::downgrade(&certificates);
        tenants.on_change(move |name| {
            if let Some(certificates) = listener.upgrade() {
                certificates.cache.lock().forget(name);
            }
        });
        certificates
    }

    /// Returns how many tenants' configurations are in memory.
    pub fn cached_count(&self) -> usize {
        self.cache.lock().entries.len()
    }

    pub(super) async fn choose(&self, sni: Option<&str>, local: IpAddr) -> Result<Choice, CertificateError> {
        let tenant = match sni {
            Some(host) => self.tenants.tenant_of_host(host).await?,
            None => None,
        };
        match tenant {
            Some(name) => {
                let config = self.of_tenant(&name).await?;
                Ok(Choice { config, identity: ServerIdentity::Tenant(name) })
            }
            None => Ok(Choice { config: self.own(local)?, identity: ServerIdentity::Server }),
        }
    }

    async fn of_tenant(&self, name: &TenantName) -> Result<Arc<ServerConfig>, CertificateError> {
        let (found, epoch) = self.cache.lock().find(name, self.tenants.now());
        if let Some(config) = found {
            return Ok(config);
        }
        let leaf = self.tenants.serving_leaf(name).await?;
        let entry = self.entry(&leaf)?;
        Ok(self.cache.lock().keep(name, entry, epoch))
    }

    fn own(&self, local: IpAddr) -> Result<Arc<ServerConfig>, CertificateError> {
        let mut own = self.own.lock();
        let now = self.tenants.now();
        // Behind 0.0.0.0 we learn our addresses from those who reach us.
        let unknown = !own.names.addresses.contains(&local) && own.names.addresses.len() < OWN_ADDRESSES_MAX;
        if let Some(entry) = &own.entry
            && now < entry.renew_at
            && !unknown
        {
            return Ok(Arc::clone(&entry.config));
        }
        if unknown {
            own.names.addresses.push(local);
        }
        let leaf = self.tenants.server_authority().issue_serving(OWN_COMMON_NAME, &own.names, now)?;
        let entry = self.entry(&leaf)?;
        let config = Arc::clone(&entry.config);
        own.entry = Some(entry);
        Ok(config)
    }

    fn entry(&self, leaf: &Leaf) -> Result<Entry, CertificateError> {
        let config = tls::config(leaf, &self.provider, &self.verifier)?;
        Ok(Entry { config: Arc::new(config), renew_at: leaf.renew_at() })
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl Cache {
    fn find(&mut self, name: &TenantName, now: Timestamp) -> (Option<Arc<ServerConfig>>, u64) {
        self.clock += 1;
        let found = self.entries.get_mut(name).filter(|(entry, _)| now < entry.renew_at);
        let config = found.map(|(entry, used)| {
            *used = self.clock;
            Arc::clone(&entry.config)
        });
        (config, self.epoch)
    }

    /// Keeps what was made for a tenant, unless somebody was faster: sessions should resume, so all use one.
    fn keep(&mut self, name: &TenantName, entry: Entry, epoch: u64) -> Arc<ServerConfig> {
        if epoch != self.epoch {
            return entry.config;
        }
        if let Some((other, _)) = self.entries.get(name)
            && other.renew_at >= entry.renew_at
        {
            return Arc::clone(&other.config);
        }
        if self.entries.len() >= TENANT_CONFIGS_MAX
            && let Some(oldest) = self.entries.iter().min_by_key(|(_, (_, used))| *used).map(|(name, _)| name.clone())
        {
            self.entries.remove(&oldest);
        }
        let config = Arc::clone(&entry.config);
        self.entries.insert(name.clone(), (entry, self.clock));
        config
    }

    fn forget(&mut self, name: &TenantName) {
        self.epoch += 1;
        self.entries.remove(name);
    }
}

fn own_names(tenants: &Tenants, own: OwnNames) -> ServingNames {
    let internal =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
    let mut hosts: Vec<String> = own.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    hosts.push("localhost".to_owned());
    hosts.extend(internal.map(str::to_owned));
    hosts.extend(tenants.endpoints().domain().map(str::to_owned));
    let mut addresses: Vec<IpAddr> = own.addresses.into_iter().filter(|address| !address.is_unspecified()).collect();
    addresses.extend([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), SERVICE_ADDRESS]);
    hosts.sort();
    hosts.dedup();
    addresses.sort();
    addresses.dedup();
    ServingNames { hosts, addresses }
}
