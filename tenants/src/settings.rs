//! What the registry and a new control plane are told, and the rules for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kplex_storage::WriteSet;
use uuid::Uuid;

use crate::endpoints::Endpoints;
use crate::error::TenantsError;
use crate::holes::FillHoles;
use crate::limits::{self, TenantLimits};

/// How the registry works.
#[derive(Clone)]
pub struct TenantsOptions {
    /// How host names map to tenants.
    pub endpoints: Endpoints,
    /// Fills the holes of the base; by default there are none.
    pub fill_holes: FillHoles,
    /// After how long without a request a tenant goes cold.
    pub idle_after: Duration,
    /// Most idle tenants kept warm.
    pub warm_idle_max: usize,
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Default for TenantsOptions {
    fn default() -> Self {
        TenantsOptions {
            endpoints: Endpoints::default(),
            fill_holes: Arc::new(|_| Vec::new()),
            idle_after: limits::IDLE_AFTER,
            warm_idle_max: limits::WARM_IDLE_MAX,
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl fmt::Debug for TenantsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantsOptions").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// What somebody asks for who creates a control plane.
#[derive(Clone, Debug, Default)]
pub struct NewControlPlane {
    /// The name.
    pub name: String,
    /// Limits.
    pub limits: TenantLimits,
    /// The token issuer; None means [`crate::keys::DEFAULT_ISSUER`].
    pub issuer: Option<String>,
    /// Hosts beyond those that follow from the name.
    pub hosts: Vec<String>,
    /// Uid of the object that it is made for, if any.
    pub owner: Option<Uuid>,
    /// Written with the tenant, in the same transaction.
    pub first_writes: WriteSet,
}

impl NewControlPlane {
    /// Returns a request for a control plane with default settings.
    pub fn named(name: &str) -> NewControlPlane {
        NewControlPlane { name: name.to_owned(), ..NewControlPlane::default() }
    }
}

pub(crate) fn check_issuer(issuer: &str) -> Result<(), TenantsError> {
    let invalid = |reason| TenantsError::InvalidSetting { field: "issuer", reason };
    let Some(rest) = issuer.strip_prefix("https://") else { return Err(invalid("must be an https URL")) };
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['?', '#', '@', '"', '\\'])
    {
        return Err(invalid("must be an https URL without user, query and fragment"));
    }
    match issuer.len() <= limits::ISSUER_BYTES_MAX {
        true => Ok(()),
        false => Err(invalid("must be no longer than 512 bytes")),
    }
}

/// Checks the domain of control planes: what follows from their names must be host names too.
///
/// # Errors
/// It is not a host name, or leaves no room for the longest name.
pub fn check_domain(domain: &str) -> Result<(), TenantsError> {
    let room = limits::HOST_BYTES_MAX - limits::NAME_BYTES_MAX - 1;
    match domain.len() <= room && domain.split('.').all(is_label) {
        true => Ok(()),
        false => Err(TenantsError::InvalidSetting { field: "domain", reason: "must be a host name" }),
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    matches!(label.len(), 1..=63) && label.bytes().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
}

/// Returns the hosts in lower case, sorted, each once.
pub(crate) fn check_hosts(endpoints: &Endpoints, hosts: &[String]) -> Result<Vec<String>, TenantsError> {
    let invalid = |reason| TenantsError::InvalidSetting { field: "hosts", reason };
    let mut checked = Vec::with_capacity(hosts.len());
    for host in hosts {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let numeric_end = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if host.len() > limits::HOST_BYTES_MAX || !host.contains('.') || !host.split('.').all(is_label) || numeric_end {
            return Err(invalid("must be host names of at least two labels"));
        }
        if endpoints.tenant_of(&host).is_some() || Some(host.as_str()) == endpoints.domain() {
            return Err(invalid("must not follow from the name of a control plane"));
        }
        checked.push(host);
    }
    checked.sort();
    checked.dedup();
    match checked.len() <= limits::HOSTS_MAX {
        true => Ok(checked),
        false => Err(invalid("must be no more than 16")),
    }
}

#[cfg(test)]
mod tests {
    use super::check_domain;

    #[test]
    fn a_domain_is_a_host_name_that_leaves_room_for_names() {
        for good in ["localhost", "cp.example.com", &"a.".repeat(97), &format!("a{}", ".a".repeat(97))] {
            let good = good.trim_end_matches('.');
            assert!(check_domain(good).is_ok(), "{good:?}");
        }
        for bad in ["a b", "a..b", "-a", "https://a.b", "a.b:443", &format!("a{}", ".a".repeat(98))] {
            assert!(check_domain(bad).is_err(), "{bad:?}");
        }
    }
}
