//! A tenant in memory, and the scope that is the only way to its data.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use jiff::Timestamp;
use kplex_storage::{TenantId, TenantLog};
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::keys::TenantKeys;
use crate::limits::TenantLimits;
use crate::name::TenantName;
use crate::record::TenantRecord;

/// The right to use one tenant's data. Only [`crate::Tenants`] makes one, after it found the tenant; there is no
/// function that takes a tenant's name and a key. Cheap to clone; while a clone lives, the tenant stays warm.
#[derive(Clone)]
pub struct TenantScope(pub(crate) Arc<Warm>);

impl TenantScope {
    /// Returns the tenant's number.
    pub fn id(&self) -> TenantId {
        self.0.shared.log.id()
    }

    /// Returns the tenant's name.
    pub fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// Returns the tenant's name as the type that proves it is one.
    pub fn tenant_name(&self) -> TenantName {
        self.0.name.clone()
    }

    /// Returns the tenant's uid, which is not the uid of the `ControlPlane` object.
    pub fn uid(&self) -> Uuid {
        self.0.record.uid
    }

    /// Returns when the tenant was created, in whole seconds.
    pub fn created(&self) -> Timestamp {
        self.0.record.created
    }

    /// Returns the tenant's data.
    pub fn log(&self) -> &TenantLog {
        &self.0.shared.log
    }

    /// Returns the tenant's keys.
    pub fn keys(&self) -> &TenantKeys {
        &self.0.record.keys
    }

    /// Returns what the tenant may use.
    pub fn limits(&self) -> &TenantLimits {
        &self.0.record.limits
    }

    /// Returns the hosts that were claimed for the tenant beyond those that follow from its name.
    pub fn hosts(&self) -> &[String] {
        &self.0.record.hosts
    }

    /// Returns the uid of the object that the tenant was made for, if there was one.
    pub fn owner(&self) -> Option<Uuid> {
        self.0.record.owner
    }

    /// Tells whether the tenant was deleted since this scope was made.
    pub fn is_deleted(&self) -> bool {
        self.0.shared.deleted.load(Ordering::Acquire)
    }

    /// Waits until the tenant is deleted: whoever holds a scope for long ends then. Cancel-safe.
    pub async fn gone(&self) {
        let shared = &self.0.shared;
        let mut burial = std::pin::pin!(shared.burial.notified());
        // Enabled before the look: a burial between the two is not missed.
        burial.as_mut().enable();
        if !self.is_deleted() {
            burial.await;
        }
    }

    /// Returns the value of type `T` that upper layers keep for this tenant while it is warm, made on first need.
    ///
    /// Two callers at once may both make one; all get the same. `T` must not hold a [`TenantScope`]: the tenant would
    /// never go cold.
    pub fn state<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(found) = self.0.shared.find_state::<T>() {
            return found;
        }
        // Made outside the lock: `make` may ask for the state of another layer.
        let made = Arc::new(make());
        self.0.shared.keep_state(made)
    }
}

impl fmt::Debug for TenantScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantScope({})", self.0.name)
    }
}

/// One version of a tenant in memory. A change of its record makes another, with the same shared part.
pub(crate) struct Warm {
    pub(crate) name: TenantName,
    pub(crate) record: TenantRecord,
    pub(crate) shared: Arc<Shared>,
}

/// What stays the same while a tenant is warm.
pub(crate) struct Shared {
    pub(crate) log: TenantLog,
    /// State of upper layers by type: a handful, so a list. Locked for a look or a push, never while calling out.
    state: Mutex<Vec<(TypeId, Arc<dyn Any + Send + Sync>)>>,
    /// Seconds from the registry's start to the last time somebody resolved the tenant.
    used: AtomicU32,
    deleted: AtomicBool,
    /// Wakes those who wait in [`TenantScope::gone`].
    burial: Notify,
}

impl Shared {
    pub(crate) fn new(log: TenantLog, used: u32) -> Shared {
        Shared {
            log,
            state: Mutex::new(Vec::new()),
            used: AtomicU32::new(used),
            deleted: AtomicBool::new(false),
            burial: Notify::new(),
        }
    }

    pub(crate) fn touch(&self, now: u32) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// Gives back what upper layers keep, although scopes may still be held, by a watch for instance.
    pub(crate) fn bury(&self) {
        self.deleted.store(true, Ordering::Release);
        self.burial.notify_waiters();
        let state = std::mem::take(&mut *self.state.lock());
        drop(state);
    }

    fn find_state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let state = self.state.lock();
        let (_, value) = state.iter().find(|(kind, _)| *kind == TypeId::of::<T>())?;
        Arc::clone(value).downcast().ok()
    }

    fn keep_state<T: Send + Sync + 'static>(&self, made: Arc<T>) -> Arc<T> {
        let mut state = self.state.lock();
        match state.iter().find(|(kind, _)| *kind == TypeId::of::<T>()) {
            Some((_, value)) => Arc::clone(value).downcast().expect("the list is keyed by type"),
            // A deleted tenant keeps nothing, or its memory would never come back.
            None if self.deleted.load(Ordering::Acquire) => made,
            None => {
                state.push((TypeId::of::<T>(), made.clone()));
                made
            }
        }
    }
}
