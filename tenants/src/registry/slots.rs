//! The registry's memory: which tenants are warm, waking or being deleted, and the guards that move them.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::Registry;
use crate::name::TenantName;
use crate::scope::Warm;

/// What is in memory, by name.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) slots: HashMap<TenantName, Slot>,
    /// Grows when a stored record changes or goes: whoever read one before looks again.
    pub(super) epoch: u64,
}

/// A tenant that is in memory, or on its way in or out.
pub(super) enum Slot {
    /// Somebody looks for its row; others wait for the same answer.
    Waking(Arc<OnceCell<Option<Arc<Warm>>>>),
    /// In memory.
    Warm(Arc<Warm>),
    /// Its rows are being deleted; it is already gone for everybody else.
    Deleting(Arc<()>),
}

impl Slot {
    /// Returns the tenant if it is warm and nobody holds a scope.
    ///
    /// Clones of the map's Arc are made under the lock or from another clone. With a count of one there is no other,
    /// and whoever holds the lock for writing knows that none appears.
    pub(super) fn unused(&self) -> Option<&Arc<Warm>> {
        match self {
            Slot::Warm(warm) if Arc::strong_count(warm) == 1 && Arc::strong_count(&warm.shared) == 1 => Some(warm),
            Slot::Warm(_) | Slot::Waking(_) | Slot::Deleting(_) => None,
        }
    }
}

/// A request that waits for a tenant to wake. When the last one leaves without a tenant, the slot goes.
pub(super) struct Visit<'a> {
    registry: &'a Registry,
    pub(super) name: TenantName,
    pub(super) cell: Arc<OnceCell<Option<Arc<Warm>>>>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(registry: &'a Registry, name: TenantName) -> Visit<'a> {
        let cell =
            match registry.memory.write().slots.entry(name.clone()).or_insert_with(|| Slot::Waking(Arc::default())) {
                Slot::Waking(cell) => Arc::clone(cell),
                // It got an answer since the caller looked.
                Slot::Warm(warm) => Arc::new(OnceCell::new_with(Some(Some(Arc::clone(warm))))),
                Slot::Deleting(_) => Arc::new(OnceCell::new_with(Some(None))),
            };
        Visit { registry, name, cell }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let slots = &mut self.registry.memory.write().slots;
        // Two: the slot's and ours.
        if let Some(Slot::Waking(cell)) = slots.get(&self.name)
            && Arc::ptr_eq(cell, &self.cell)
            && Arc::strong_count(cell) == 2
        {
            slots.remove(&self.name);
        }
    }
}

/// A deletion in progress. While it lives, its tenant exists for nobody.
pub(super) struct Burial<'a> {
    registry: &'a Registry,
    pub(super) name: TenantName,
    mark: Arc<()>,
}

impl<'a> Burial<'a> {
    pub(super) fn new(registry: &'a Registry, name: TenantName) -> Burial<'a> {
        let mark = Arc::new(());
        let before = {
            let mut memory = registry.memory.write();
            memory.epoch += 1;
            memory.slots.insert(name.clone(), Slot::Deleting(Arc::clone(&mark)))
        };
        match before {
            Some(Slot::Warm(warm)) => warm.shared.bury(),
            Some(Slot::Waking(_) | Slot::Deleting(_)) | None => {}
        }
        Burial { registry, name, mark }
    }
}

impl Drop for Burial<'_> {
    fn drop(&mut self) {
        let mut memory = self.registry.memory.write();
        // Once more: a row that was read while this lived may be gone by now.
        memory.epoch += 1;
        if let Some(Slot::Deleting(mark)) = memory.slots.get(&self.name)
            && Arc::ptr_eq(mark, &self.mark)
        {
            memory.slots.remove(&self.name);
        }
    }
}
