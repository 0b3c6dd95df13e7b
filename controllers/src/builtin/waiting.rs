//! Things that wait for something else to go: terminating namespaces and definitions, volumes in use, owners deleted in
//! the foreground.
//!
//! The due rows of these things, mirrored in memory: it says which deletion anybody waits for, so that the others cost
//! nothing. Filled from the rows at the start and from the feed afterwards.

use super::work::{Controller, Work};
use kplex_storage::TenantId;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What waits, by tenant. Invariant: a tenant in it has something that waits.
#[derive(Default)]
pub(crate) struct Waiting {
    // Taken alone, never across an await.
    tenants: Mutex<BTreeMap<TenantId, Things>>,
}

#[derive(Default)]
struct Things {
    /// Terminating namespaces and definitions, volumes and claims in use.
    terminating: BTreeSet<(Controller, Arc<str>)>,
    /// Owners by uid, with their storage keys.
    owners: BTreeMap<Arc<str>, Arc<str>>,
}

impl Waiting {
    /// Adds a namespace, a definition or a volume that waits.
    pub(crate) fn add(&self, work: &Work) {
        self.tenants.lock().entry(work.tenant).or_default().terminating.insert((work.controller, work.key.clone()));
    }

    /// Removes one that is gone.
    pub(crate) fn remove(&self, work: &Work) {
        self.change(work.tenant, |things| {
            things.terminating.remove(&(work.controller, work.key.clone()));
        });
    }

    /// Returns whether a thing waits.
    #[must_use]
    pub(crate) fn contains(&self, work: &Work) -> bool {
        self.tenants
            .lock()
            .get(&work.tenant)
            .is_some_and(|things| things.terminating.contains(&(work.controller, work.key.clone())))
    }

    /// Returns all work of a controller that waits in a tenant.
    #[must_use]
    pub(crate) fn all(&self, tenant: TenantId, controller: Controller) -> Vec<Work> {
        let tenants = self.tenants.lock();
        let Some(things) = tenants.get(&tenant) else { return Vec::new() };
        let ours = things.terminating.iter().filter(|(other, _)| *other == controller);
        ours.map(|(_, key)| Work { tenant, controller, key: key.clone() }).collect()
    }

    /// Adds an owner that waits for its dependents.
    pub(crate) fn add_owner(&self, tenant: TenantId, uid: &str, key: &str) {
        self.tenants.lock().entry(tenant).or_default().owners.insert(uid.into(), key.into());
    }

    /// Removes an owner that is gone.
    pub(crate) fn remove_owner(&self, tenant: TenantId, uid: &str) {
        self.change(tenant, |things| {
            things.owners.remove(uid);
        });
    }

    /// Returns the storage key of an owner that waits.
    #[must_use]
    pub(crate) fn owner(&self, tenant: TenantId, uid: &str) -> Option<Arc<str>> {
        self.tenants.lock().get(&tenant)?.owners.get(uid).cloned()
    }

    /// Returns whether nothing waits in a tenant; the quick answer for most events.
    #[must_use]
    pub(crate) fn is_idle(&self, tenant: TenantId) -> bool {
        !self.tenants.lock().contains_key(&tenant)
    }

    /// Returns the tenants in which something waits.
    #[must_use]
    pub(crate) fn tenants(&self) -> Vec<TenantId> {
        self.tenants.lock().keys().copied().collect()
    }

    /// Forgets a tenant that is gone.
    pub(crate) fn forget(&self, tenant: TenantId) {
        let gone = self.tenants.lock().remove(&tenant);
        drop(gone);
    }

    fn change(&self, tenant: TenantId, change: impl FnOnce(&mut Things)) {
        let mut tenants = self.tenants.lock();
        let Some(things) = tenants.get_mut(&tenant) else { return };
        change(things);
        if things.terminating.is_empty() && things.owners.is_empty() {
            tenants.remove(&tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_for_a_tenant_in_which_nothing_waits() {
        let (waiting, tenant) = (Waiting::default(), TenantId::new(1));
        let work = Work::new(tenant, Controller::Namespace, "a");
        waiting.add(&work);
        waiting.add_owner(tenant, "uid", "apps/deployments/a/b");
        assert!(waiting.contains(&work));
        assert_eq!(waiting.owner(tenant, "uid").as_deref(), Some("apps/deployments/a/b"));
        waiting.remove(&work);
        assert!(!waiting.is_idle(tenant));
        waiting.remove_owner(tenant, "uid");
        assert!(waiting.is_idle(tenant));
    }
}
