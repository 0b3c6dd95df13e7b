//! Every limit of this crate, with its reason, and the limits that each tenant carries.

use std::time::Duration;

use jiff::SignedDuration;
use kplex_storage::Usage;

/// Longest name of a control plane: `<name>-system` must be a DNS label (63 bytes).
pub const NAME_BYTES_MAX: usize = 56;
/// Longest host name (RFC 1035, without the root's dot).
pub const HOST_BYTES_MAX: usize = 253;
/// Most hosts claimed for one control plane beyond those that follow from its name: each makes the certificate longer.
pub const HOSTS_MAX: usize = 16;
/// Longest issuer URL; each token repeats it.
pub const ISSUER_BYTES_MAX: usize = 512;
/// Most issuers that stay accepted: each costs memory in a warm tenant, and nobody moves that often.
pub const ISSUERS_MAX: usize = 8;
/// Most earlier signing keys that stay accepted; the oldest go first.
pub const EARLIER_SIGNING_KEYS_MAX: usize = 8;
/// Longest stored record of a tenant: all of the above at their maximum, twice.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Life of an authority: ten years, as kubeadm's and KubeFlex's.
pub const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// Life of a leaf certificate.
pub const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How far certificates that we make unasked start in the past, for clients whose clock is late.
pub const CERTIFICATE_BACKDATE: SignedDuration = SignedDuration::from_hours(1);
/// How far signed requests start in the past (upstream's value).
pub const REQUEST_BACKDATE: SignedDuration = SignedDuration::from_mins(5);
/// Requests for a life below this end exactly when asked (upstream's value).
pub const REQUEST_SHORT_LIFE: SignedDuration = SignedDuration::from_hours(8);
/// Longest request for a certificate in PEM: an RSA-16384 key with hundreds of names fits.
pub const REQUEST_PEM_BYTES_MAX: usize = 64 * 1024;

/// A tenant that nobody asked for this long goes cold.
pub const IDLE_AFTER: Duration = Duration::from_secs(300);
/// How often the process looks for idle tenants. One pass costs some 20 ns for each warm tenant.
pub const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Tenants forgotten under one hold of the registry's lock: some 0.1 ms, in which no request finds its tenant.
pub const SWEEP_CHUNK: usize = 512;
/// Most tenants kept warm while idle; beyond it the longest idle go cold at the next sweep, however fresh they are.
pub const WARM_IDLE_MAX: usize = 50_000;
/// Most tenants being woken at once: each holds a database connection for its row.
pub const WAKES_MAX: usize = 64;
/// Most entries in a page of names.
pub const NAMES_PAGE_MAX: usize = 1_000;

/// What one tenant may use. Stored with the tenant; zero is a limit like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantLimits {
    /// Objects stored, those of the base not counted. The default is what one etcd of Kubernetes' recommended size holds.
    pub objects_max: u64,
    /// Bytes of stored objects, history not counted. The default is the largest recommended size of an etcd.
    pub stored_bytes_max: u64,
    /// Custom resource definitions: each is compiled when used and stands in discovery.
    pub crds_max: u64,
    /// Requests running at once, watches not counted. The default is half of what the process runs, so that one control
    /// plane cannot take all places by being first.
    pub requests_in_flight_max: u64,
    /// Requests waiting for one of those places; the next gets 429.
    pub requests_queued_max: u64,
    /// Watches open at once; the next gets 429.
    pub watches_max: u64,
}

impl TenantLimits {
    /// Returns what the tenant may store, as storage counts it.
    pub fn usage(&self) -> Usage {
        let of = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
        Usage { objects: of(self.objects_max), bytes: of(self.stored_bytes_max) }
    }
}

impl Default for TenantLimits {
    fn default() -> Self {
        TenantLimits {
            objects_max: 1_000_000,
            stored_bytes_max: 8 << 30,
            crds_max: 1_000,
            requests_in_flight_max: 300,
            requests_queued_max: 1_000,
            watches_max: 20_000,
        }
    }
}
