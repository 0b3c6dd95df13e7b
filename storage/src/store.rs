//! The store as a whole: opening, the warm tenants, the lanes, closing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::base::{Base, BaseChain, BaseHash};
use crate::cache::Budget;
use crate::engine::memory::MemoryEngine;
use crate::engine::postgres::PostgresEngine;
use crate::engine::sqlite::SqliteEngine;
use crate::engine::{Backend, Hold};
use crate::error::StorageError;
use crate::key::{Revision, TenantId};
use crate::lane::{Lane, Runner};
use crate::limits::{LANES_MAX, Limits};
use crate::options::{Clock, Engine, StoreOptions};
use crate::tenant::Tenant;
use crate::write::Due;

/// An open store. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    running: Arc<Running>,
}

/// What tenants, lanes and handles share.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) limits: Limits,
    clock: Clock,
    opened_ms: u64,
    /// Identity of this opening, by which it knows its own lanes again.
    pub(crate) owner: u64,
    pub(crate) base: Arc<Base>,
    lanes: Vec<Arc<Lane>>,
    /// Lock order: before any tenant's state.
    tenants: Mutex<HashMap<TenantId, Arc<Tenant>>>,
    pub(crate) budget: Budget,
    /// Chains of bases in use, by their hashes.
    pub(crate) chains: Mutex<BTreeMap<Vec<BaseHash>, Arc<BaseChain>>>,
    pub(crate) next_tenant: AtomicU64,
    /// Highest revision of all deleted tenants.
    pub(crate) revision_mark: AtomicU64,
    /// Names being created.
    pub(crate) names: Mutex<HashSet<String>>,
    /// Serialise read-modify-write of tenant rows, by tenant id.
    pub(crate) row_locks: [tokio::sync::Mutex<()>; 16],
    /// Woken after each batch with events.
    pub(crate) fed: Notify,
    /// Woken after each batch with new due rows.
    pub(crate) due_added: Notify,
    given_up: AtomicBool,
}

struct Running {
    shared: Arc<Shared>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.given_up.store(true, Ordering::Relaxed);
        for lane in &self.shared.lanes {
            lane.close();
        }
        // Tenants and the map of them hold each other.
        self.shared.forget_all();
    }
}

/// How long a shutdown waits for a database that is away.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Opens a store. Costs the same whatever the number of tenants in it. Must be called within a runtime, on which the
    /// lanes then run.
    ///
    /// # Errors
    /// When the database cannot be opened, belongs to another process, or is of another format.
    pub async fn open(options: StoreOptions) -> Result<Store, StorageError> {
        let StoreOptions { engine, base, limits, lanes, clock } = options;
        let backend = open_backend(engine).await?;
        let marks = backend.open(lanes.clamp(1, LANES_MAX)).await?;
        let owner = u64::from_be_bytes(random_bytes()?) >> 1;
        let mut claims = Vec::new();
        let mut opened = Vec::new();
        for number in 0..marks.lanes {
            let lost = || StorageError::Unavailable(format!("lane {number} cannot be claimed"));
            let claim = backend.claim(number, owner, Hold::Take).await?.ok_or_else(lost)?;
            let consumers = backend.consumers(number).await?;
            opened.push(Arc::new(Lane::new(number, claim.row.sequence, consumers)));
            claims.push(claim);
        }
        let shared = Arc::new(Shared {
            backend,
            budget: Budget::new(limits.cache_bytes_max),
            limits,
            opened_ms: clock.now_ms(),
            clock,
            owner,
            base,
            lanes: opened,
            tenants: Mutex::new(HashMap::new()),
            chains: Mutex::new(BTreeMap::new()),
            next_tenant: AtomicU64::new(marks.next_tenant.max(1)),
            revision_mark: AtomicU64::new(marks.revision_mark),
            names: Mutex::new(HashSet::new()),
            row_locks: Default::default(),
            fed: Notify::new(),
            due_added: Notify::new(),
            given_up: AtomicBool::new(false),
        });
        let mut runners = Vec::new();
        for (lane, claim) in shared.lanes.iter().zip(claims) {
            runners.push(Runner::new(shared.clone(), lane.clone(), claim));
        }
        shared.keep_base(&mut runners[0]).await?;
        let mut tasks: Vec<JoinHandle<()>> = runners.into_iter().map(|runner| tokio::spawn(runner.run())).collect();
        let unfinished = crate::registry::finish_deletions(shared.clone());
        tasks.push(tokio::spawn(unfinished));
        let running = Arc::new(Running { shared: shared.clone(), tasks: Mutex::new(tasks) });
        Ok(Store { shared, running })
    }

    /// Returns due rows up to a minute (unix time), earliest first.
    pub async fn due(&self, until_minute: u64, limit: usize) -> Result<Vec<(TenantId, Due)>, StorageError> {
        self.shared.backend.due(until_minute, limit).await
    }

    /// Waits until due rows were added; the first call after a start should be preceded by a look at [`Store::due`].
    pub async fn due_added(&self) {
        self.shared.due_added.notified().await;
    }

    /// Forgets warm tenants that nobody has a handle to and that were not used for this long, and events that are too
    /// old to be kept in memory. Returns how many tenants went cold.
    pub fn trim(&self, idle: Duration) -> usize {
        let second = self.shared.second();
        let idle = u32::try_from(idle.as_secs()).unwrap_or(u32::MAX);
        let mut cold = Vec::new();
        let mut tenants = self.shared.tenants.lock();
        for tenant in tenants.values() {
            // Works, cursors and handles each hold the tenant. Under the map's lock nobody can get a new one.
            if Arc::strong_count(tenant) == 1 && second.saturating_sub(tenant.used()) >= idle {
                cold.push(tenant.id);
            } else {
                tenant.lock().history.trim(second, &self.shared.limits);
            }
        }
        let gone: Vec<Option<Arc<Tenant>>> = cold.iter().map(|id| tenants.remove(id)).collect();
        if tenants.capacity() > 4 * tenants.len().max(64) {
            tenants.shrink_to_fit();
        }
        drop(tenants);
        gone.len()
    }

    /// Returns how many tenants are warm.
    pub fn warm_tenants(&self) -> usize {
        self.shared.tenants.lock().len()
    }

    /// Returns the bytes held by the cache over all tenants.
    pub fn cache_bytes(&self) -> usize {
        self.shared.budget.used()
    }

    /// Drops expired event slices now. Lanes do so by themselves; tests and operators may not want to wait.
    pub async fn maintain(&self) -> Result<(), StorageError> {
        for lane in &self.shared.lanes {
            lane.maintain().await?;
        }
        Ok(())
    }

    /// Refuses new writes, lets the queued ones end, and closes the database.
    pub async fn shutdown(&self) {
        for lane in &self.shared.lanes {
            lane.close();
        }
        let tasks = std::mem::take(&mut *self.running.tasks.lock());
        let ended = async {
            for task in tasks {
                // A lane that panics takes the process with it, so that an error here is a task of a closing runtime.
                let _ = task.await;
            }
        };
        tokio::pin!(ended);
        if tokio::time::timeout(SHUTDOWN_PATIENCE, &mut ended).await.is_err() {
            self.shared.given_up.store(true, Ordering::Relaxed);
            ended.await;
        }
        for lane in &self.shared.lanes {
            lane.end();
            self.shared.wake_all(lane.number);
        }
        self.shared.forget_all();
        self.shared.backend.close().await;
    }
}

async fn open_backend(engine: Engine) -> Result<Arc<dyn Backend>, StorageError> {
    match engine {
        Engine::Memory => Ok(Arc::new(MemoryEngine::new())),
        Engine::Custom(backend) => Ok(backend),
        Engine::Sqlite(directory) => {
            let opened = tokio::task::spawn_blocking(move || SqliteEngine::open(&directory)).await;
            let closing = |_| StorageError::Unavailable("the runtime is shutting down".to_owned());
            Ok(Arc::new(opened.map_err(closing)??))
        }
        Engine::Postgres(url) => Ok(Arc::new(PostgresEngine::open(&url).await?)),
    }
}

pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], StorageError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| StorageError::Unavailable("the system has no randomness".to_owned()))?;
    Ok(bytes)
}

impl Shared {
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Returns the seconds since the store was opened.
    pub(crate) fn second(&self) -> u32 {
        let elapsed = self.clock.now_ms().saturating_sub(self.opened_ms);
        u32::try_from(elapsed / 1_000).unwrap_or(u32::MAX)
    }

    pub(crate) fn lane(&self, number: u16) -> &Arc<Lane> {
        &self.lanes[usize::from(number)]
    }

    pub(crate) fn lanes(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    pub(crate) fn cache_enabled(&self) -> bool {
        self.budget.bytes_max > 0
    }

    pub(crate) fn gave_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Returns a tenant that has something in memory.
    pub(crate) fn warm(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.tenants.lock().get(&id).cloned()
    }

    /// Returns a tenant, with nothing known about it if it was cold.
    pub(crate) fn tenant(self: &Arc<Self>, id: TenantId, lane: u16) -> Arc<Tenant> {
        let mut tenants = self.tenants.lock();
        tenants.entry(id).or_insert_with(|| Arc::new(Tenant::cold(id, lane, self.clone()))).clone()
    }

    pub(crate) fn adopt(&self, tenant: Arc<Tenant>) {
        self.tenants.lock().insert(tenant.id, tenant);
    }

    pub(crate) fn forget(&self, id: TenantId) {
        let gone = self.tenants.lock().remove(&id);
        drop(gone);
    }

    fn forget_all(&self) {
        let gone = std::mem::take(&mut *self.tenants.lock());
        drop(gone);
    }

    pub(crate) fn raise_mark(&self, revision: Revision) {
        self.revision_mark.fetch_max(revision.get(), Ordering::SeqCst);
    }

    /// Wakes every watcher of a lane's tenants, to learn that the lane is gone.
    pub(crate) fn wake_all(&self, lane: u16) {
        for tenant in self.tenants.lock().values().filter(|tenant| tenant.lane == lane) {
            tenant.changed.notify_waiters();
        }
        self.fed.notify_waiters();
    }

    /// Evicts until the cache is within its budget: always from the tenant that holds
    /// most, which is the one furthest above its fair share.
    pub(crate) fn evict(&self) {
        while self.budget.is_exceeded() {
            let tenants: Vec<Arc<Tenant>> = self.tenants.lock().values().cloned().collect();
            let mut sizes: Vec<(usize, &Arc<Tenant>)> =
                tenants.iter().map(|tenant| (tenant.lock().cache.bytes(), tenant)).collect();
            sizes.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
            let share = self.budget.bytes_max / sizes.len().max(1);
            // One round over those above their share, then look again.
            let mut evicted = false;
            for (_, tenant) in sizes.into_iter().take_while(|(bytes, _)| share < *bytes) {
                evicted |= tenant.lock().cache.evict(&self.budget);
                if !self.budget.is_exceeded() {
                    return;
                }
            }
            if !evicted {
                return;
            }
        }
    }
}
