//! The registry of tenants: creates, finds, wakes, forgets and deletes them.
//!
//! A warm tenant is an entry in one map. A cold one is nothing at all: its row is looked up when a request names it.
//! There is no task and no timer for a tenant; [`Tenants::sweep`] looks at all of them now and then.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use kplex_storage::{NewTenant, StorageError, Store, TenantRow};
use parking_lot::RwLock;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

use crate::claims::Claims;
use crate::endpoints::Endpoints;
use crate::error::TenantsError;
use crate::keys::{Authority, DEFAULT_ISSUER, Leaf, TenantKeys};
use crate::limits::{self, TenantLimits};
use crate::name::{HUB, TenantName};
use crate::record::TenantRecord;
use crate::scope::{Shared, TenantScope, Warm};
use crate::server_identity::ServerIdentity;
use crate::settings::{NewControlPlane, TenantsOptions, check_hosts, check_issuer};

mod slots;

use slots::{Burial, Memory, Slot, Visit};

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct Tenants(Arc<Registry>);

struct Registry {
    store: Store,
    options: TenantsOptions,
    started: Instant,
    /// Everything in memory. Held for a look or an insert, never across an await; no other lock is taken inside.
    memory: RwLock<Memory>,
    /// Bounds the tenants being woken at once.
    wakes: Semaphore,
    /// Held while a record is read, changed and written back.
    changes: tokio::sync::Mutex<()>,
    listeners: RwLock<Vec<Listener>>,
    server: ServerIdentity,
    claims: Claims,
}

/// Told the name of a tenant whose existence, keys or hosts changed.
type Listener = Box<dyn Fn(&TenantName) + Send + Sync>;

impl Tenants {
    /// Opens the registry: reads the server's own keys, or makes them in a new store. No tenant is read.
    pub async fn open(store: Store, options: TenantsOptions) -> Result<Tenants, TenantsError> {
        let now = whole_seconds((options.clock)());
        let (server, log) = ServerIdentity::open(&store, &options.fill_holes, now).await?;
        Ok(Tenants(Arc::new(Registry {
            store,
            options,
            started: Instant::now(),
            memory: RwLock::default(),
            wakes: Semaphore::new(limits::WAKES_MAX),
            changes: tokio::sync::Mutex::new(()),
            listeners: RwLock::new(Vec::new()),
            server,
            claims: Claims::new(log),
        })))
    }

    /// Returns how host names map to tenants.
    pub fn endpoints(&self) -> &Endpoints {
        &self.0.options.endpoints
    }

    /// Returns the server's own authority, which signs the certificate of the path form.
    pub fn server_authority(&self) -> &Authority {
        self.0.server.authority()
    }

    /// Returns the time by the registry's clock.
    pub fn now(&self) -> Timestamp {
        (self.0.options.clock)()
    }

    /// Calls `listener` with the name of each tenant that is created or deleted or whose keys or hosts change, for as
    /// long as the registry lives. It must not block.
    pub fn on_change(&self, listener: impl Fn(&TenantName) + Send + Sync + 'static) {
        self.0.listeners.write().push(Box::new(listener));
    }

    /// Creates a control plane in one transaction and returns it warm.
    ///
    /// # Errors
    /// The name is taken, reserved or no name; a setting is out of bounds; a host is taken.
    pub async fn create(&self, new: NewControlPlane) -> Result<TenantScope, TenantsError> {
        let name = TenantName::parse_new(&new.name)?;
        self.0.create(name, new).await
    }

    /// Returns the hub, which is created when it is missing; `new.name` is not looked at.
    pub async fn open_hub(&self, new: NewControlPlane) -> Result<TenantScope, TenantsError> {
        loop {
            if let Some(scope) = self.resolve(HUB).await? {
                return Ok(scope);
            }
            match self.0.create(TenantName::hub(), new.clone()).await {
                // Another replica was faster.
                Err(TenantsError::AlreadyExists(_)) => {}
                result => return result,
            }
        }
    }

    /// Returns the tenant of this name, waking it when it is cold; None when there is none. Requests that arrive
    /// together look once.
    pub async fn resolve(&self, name: &str) -> Result<Option<TenantScope>, TenantsError> {
        if let Some(answer) = self.0.look(name) {
            return Ok(answer.map(TenantScope));
        }
        let Ok(name) = TenantName::parse(name) else { return Ok(None) };
        let visit = Visit::new(&self.0, name);
        let found = visit.cell.get_or_try_init(|| self.0.wake(&visit.name)).await?;
        Ok(found.clone().map(TenantScope))
    }

    /// Tells whether there is a tenant of this name, without waking it.
    pub async fn exists(&self, name: &str) -> Result<bool, TenantsError> {
        match (self.0.look(name), TenantName::parse(name)) {
            (Some(answer), _) => Ok(answer.is_some()),
            (None, Err(_)) => Ok(false),
            (None, Ok(name)) => Ok(self.0.store.find_tenant(name.as_str()).await?.is_some()),
        }
    }

    /// Returns up to `limit` names after `after`, in order, the hub among them.
    pub async fn names(&self, after: Option<&str>, limit: usize) -> Result<Vec<TenantName>, TenantsError> {
        let rows = self.0.store.list_tenants(after, limit.clamp(1, limits::NAMES_PAGE_MAX)).await?;
        // Hidden tenants are no names and sort after all of them, so a page is short only at the end.
        Ok(rows.iter().filter_map(|row| TenantName::parse(&row.name).ok()).collect())
    }

    /// Deletes a control plane: its rows and what is in memory. Scopes that are still held find it gone.
    ///
    /// # Errors
    /// There is none of this name, or it is the hub.
    pub async fn delete(&self, name: &str) -> Result<(), TenantsError> {
        let name = TenantName::parse_new(name).map_err(|_| TenantsError::NotFound)?;
        let row = self.0.store.find_tenant(name.as_str()).await?.ok_or(TenantsError::NotFound)?;
        // A record that cannot be read is no reason to keep the rest.
        let hosts = TenantRecord::decode(&row.record).map(|record| record.hosts).unwrap_or_default();
        let burial = Burial::new(&self.0, name);
        // First: cut short after it, the deletion is done again; the other way round hosts would have a dead owner.
        self.0.claims.release(&burial.name, &hosts).await?;
        self.0.store.delete_tenant(row.id).await?;
        let name = burial.name.clone();
        drop(burial);
        self.0.tell(&name);
        Ok(())
    }

    /// Changes the issuer of new tokens; the earlier ones stay accepted.
    pub async fn set_issuer(&self, name: &str, issuer: &str) -> Result<(), TenantsError> {
        check_issuer(issuer)?;
        self.0
            .change(name, |record| {
                record.keys.set_issuer(issuer);
                Ok(())
            })
            .await
    }

    /// Replaces the key that signs tokens; tokens of the earlier keys stay accepted.
    pub async fn rotate_signing_key(&self, name: &str) -> Result<(), TenantsError> {
        self.0.change(name, |record| record.keys.rotate_signing_key()).await
    }

    /// Changes what a tenant may use.
    pub async fn set_limits(&self, name: &str, limits: TenantLimits) -> Result<(), TenantsError> {
        self.0
            .change(name, |record| {
                record.limits = limits;
                Ok(())
            })
            .await
    }

    /// Replaces the hosts that are claimed for a tenant beyond those that follow from its name.
    ///
    /// # Errors
    /// A host is no host name, follows from a tenant's name, or belongs to another tenant.
    pub async fn set_hosts(&self, name: &str, hosts: Vec<String>) -> Result<(), TenantsError> {
        let hosts = check_hosts(&self.0.options.endpoints, &hosts)?;
        let tenant = TenantName::parse(name).map_err(|_| TenantsError::NotFound)?;
        let before = self.0.read(&tenant).await?.ok_or(TenantsError::NotFound)?.hosts;
        if let Err(error) = self.0.claims.claim(&tenant, &hosts).await {
            self.0.unclaim(&tenant, hosts).await?;
            return Err(error);
        }
        let kept = hosts.clone();
        self.0
            .change(name, |record| {
                record.hosts = kept;
                Ok(())
            })
            .await?;
        let dropped: Vec<String> = before.into_iter().filter(|host| !hosts.contains(host)).collect();
        self.0.claims.release(&tenant, &dropped).await
    }

    /// Returns the name of the tenant that a host name (no port) means: by its form, or because it was claimed. The
    /// tenant need not exist.
    pub async fn tenant_of_host(&self, host: &str) -> Result<Option<TenantName>, TenantsError> {
        match self.0.options.endpoints.tenant_of(host) {
            Some(name) => Ok(Some(name)),
            None => self.0.claims.owner(host).await,
        }
    }

    /// Issues a serving certificate for a tenant's endpoints without waking it.
    ///
    /// For a name that does not exist it comes from a decoy authority of its own, always the same for a name, so that
    /// a handshake does not tell who exists.
    pub async fn serving_leaf(&self, name: &TenantName) -> Result<Leaf, TenantsError> {
        let now = self.now();
        match self.0.read(name).await? {
            Some(record) => {
                record.keys.issue_serving(&self.0.options.endpoints.serving_names(name, &record.hosts), now)
            }
            None => {
                let names = self.0.options.endpoints.serving_names(name, &[]);
                self.0.server.decoy(name, now)?.issue_serving(crate::keys::SERVING_NAME, &names, now)
            }
        }
    }

    /// Lets go of tenants that nobody used for a while. Returns how many went cold.
    pub fn sweep(&self) -> usize {
        self.0.sweep()
    }

    /// Sweeps now and then until `stop` resolves. One task for the process runs it.
    pub async fn run_sweeper(&self, stop: impl Future<Output = ()>) {
        let mut ticks = tokio::time::interval(limits::SWEEP_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = ticks.tick() => {
                    let cold = self.sweep();
                    // The store lets go of what nobody has used, and of events that are older than their window.
                    let trimmed = self.0.store.trim(self.0.options.idle_after);
                    if cold > 0 || trimmed > 0 {
                        tracing::debug!(cold, trimmed, "idle tenants went cold");
                    }
                }
            }
        }
    }

    /// Returns how many tenants are warm.
    pub fn warm_count(&self) -> usize {
        self.0.memory.read().slots.values().filter(|slot| matches!(slot, Slot::Warm(_))).count()
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").field("warm", &self.warm_count()).finish_non_exhaustive()
    }
}

impl Registry {
    /// Answers from memory: None when it does not know.
    fn look(&self, name: &str) -> Option<Option<Arc<Warm>>> {
        match self.memory.read().slots.get(name)? {
            Slot::Warm(warm) => {
                warm.shared.touch(self.seconds());
                Some(Some(Arc::clone(warm)))
            }
            Slot::Waking(_) => None,
            Slot::Deleting(_) => Some(None),
        }
    }

    async fn create(&self, name: TenantName, new: NewControlPlane) -> Result<TenantScope, TenantsError> {
        let issuer = new.issuer.as_deref().unwrap_or(DEFAULT_ISSUER);
        check_issuer(issuer)?;
        let hosts = check_hosts(&self.options.endpoints, &new.hosts)?;
        let created = whole_seconds((self.options.clock)());
        let issuer = issuer.to_owned();
        let keys = tokio::task::spawn_blocking(move || TenantKeys::generate(&issuer, created));
        let keys = keys.await.map_err(|_| TenantsError::Crypto("make keys"))??;
        let record = TenantRecord { uid: Uuid::new_v4(), created, keys, limits: new.limits, hosts, owner: new.owner };
        let holes = record.holes(&name, self.server.authority(), &self.options.fill_holes);
        if let Err(error) = self.claims.claim(&name, &record.hosts).await {
            self.unclaim(&name, record.hosts).await?;
            return Err(error);
        }
        let row = NewTenant {
            name: name.as_str().to_owned(),
            record: record.encode().into(),
            holes,
            first_writes: new.first_writes,
            seed: Some(*record.uid.as_bytes()),
        };
        let row = match self.store.create_tenant(row).await {
            Ok(row) => row,
            Err(error) => {
                self.unclaim(&name, record.hosts).await?;
                return Err(match error {
                    StorageError::Exists(name) => TenantsError::AlreadyExists(name),
                    other => other.into(),
                });
            }
        };
        let warm = self.warm(name.clone(), record, &row);
        self.memory.write().slots.insert(name.clone(), Slot::Warm(Arc::clone(&warm)));
        self.tell(&name);
        Ok(TenantScope(warm))
    }

    /// Looks a tenant up and makes it warm, unless it was deleted or made warm by its creation meanwhile.
    async fn wake(&self, name: &TenantName) -> Result<Option<Arc<Warm>>, TenantsError> {
        let _permit = self.wakes.acquire().await.expect("the semaphore is never closed");
        loop {
            let epoch = self.memory.read().epoch;
            let Some(row) = self.store.find_tenant(name.as_str()).await? else { return Ok(None) };
            let record = TenantRecord::decode(&row.record)?;
            let mut memory = self.memory.write();
            match memory.slots.get(name) {
                Some(Slot::Warm(other)) => return Ok(Some(Arc::clone(other))),
                Some(Slot::Deleting(_)) => return Ok(None),
                Some(Slot::Waking(_)) | None if memory.epoch == epoch => {
                    let warm = self.warm(name.clone(), record, &row);
                    memory.slots.insert(name.clone(), Slot::Warm(Arc::clone(&warm)));
                    return Ok(Some(warm));
                }
                // What was read may be of the past.
                Some(Slot::Waking(_)) | None => {}
            }
        }
    }

    /// Gives claimed hosts back that a tenant does not have after all.
    async fn unclaim(&self, name: &TenantName, mut hosts: Vec<String>) -> Result<(), TenantsError> {
        if let Some(existing) = self.read(name).await? {
            hosts.retain(|host| !existing.hosts.contains(host));
        }
        self.claims.release(name, &hosts).await
    }

    fn warm(&self, name: TenantName, record: TenantRecord, row: &TenantRow) -> Arc<Warm> {
        let shared = Arc::new(Shared::new(self.store.tenant(row), self.seconds()));
        Arc::new(Warm { name, record, shared })
    }

    /// Returns a tenant's record without waking it.
    async fn read(&self, name: &TenantName) -> Result<Option<TenantRecord>, TenantsError> {
        if let Some(Slot::Warm(warm)) = self.memory.read().slots.get(name) {
            return Ok(Some(warm.record.clone()));
        }
        match self.store.find_tenant(name.as_str()).await? {
            Some(row) => Ok(Some(TenantRecord::decode(&row.record)?)),
            None => Ok(None),
        }
    }

    /// Changes a tenant's record, stored and in memory. Scopes made before keep the earlier version.
    async fn change(
        &self,
        name: &str,
        edit: impl FnOnce(&mut TenantRecord) -> Result<(), TenantsError>,
    ) -> Result<(), TenantsError> {
        let name = TenantName::parse(name).map_err(|_| TenantsError::NotFound)?;
        let _one_at_a_time = self.changes.lock().await;
        let row = self.store.find_tenant(name.as_str()).await?.ok_or(TenantsError::NotFound)?;
        let mut record = TenantRecord::decode(&row.record)?;
        edit(&mut record)?;
        self.store.update_tenant(row.id, record.encode().into()).await?;
        {
            let mut memory = self.memory.write();
            memory.epoch += 1;
            if let Some(Slot::Warm(warm)) = memory.slots.get_mut(&name)
                && warm.shared.log.id() == row.id
            {
                *warm = Arc::new(Warm { name: name.clone(), record, shared: Arc::clone(&warm.shared) });
            }
        }
        self.tell(&name);
        Ok(())
    }

    fn sweep(&self) -> usize {
        let now = self.seconds();
        let idle_after = u32::try_from(self.options.idle_after.as_secs()).unwrap_or(u32::MAX);
        let mut idle = self.idle();
        let surplus = idle.len().saturating_sub(self.options.warm_idle_max);
        if surplus > 0 {
            idle.sort_unstable();
        }
        let too_many = idle.iter().take(surplus);
        let too_long = idle.iter().skip(surplus).filter(|(used, _)| now.saturating_sub(*used) >= idle_after);
        let leaving: Vec<_> = too_many.chain(too_long).collect();
        leaving.chunks(limits::SWEEP_CHUNK).map(|chunk| self.forget(chunk)).sum()
    }

    /// Returns the tenants that nobody holds, with the time of their last use.
    fn idle(&self) -> Vec<(u32, TenantName)> {
        let memory = self.memory.read();
        let unused = memory.slots.iter().filter_map(|(name, slot)| {
            let warm = slot.unused()?;
            Some((warm.shared.used(), name.clone()))
        });
        unused.collect()
    }

    /// Lets go of those of these tenants that were not used since the look at them.
    fn forget(&self, idle: &[&(u32, TenantName)]) -> usize {
        let mut cold = Vec::with_capacity(idle.len());
        {
            let slots = &mut self.memory.write().slots;
            for (used, name) in idle {
                if slots.get(name).and_then(Slot::unused).is_some_and(|warm| warm.shared.used() == *used) {
                    cold.extend(slots.remove(name));
                }
            }
            if slots.capacity() > 64 && slots.len() < slots.capacity() / 4 {
                slots.shrink_to_fit();
            }
        }
        // Dropped outside the lock: upper layers' state may be large.
        cold.len()
    }

    fn tell(&self, name: &TenantName) {
        for listener in self.listeners.read().iter() {
            listener(name);
        }
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).expect("a timestamp without its fraction is in range")
}

#[cfg(test)]
mod tests;
