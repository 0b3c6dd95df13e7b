//! The compiled RBAC of a warm tenant: nothing but what differs from the base, brought up to date at each use.

use super::RBAC_GROUP;
use super::layer::{Kind, Layer};
use super::policy::Policy;
use crate::authn::follow::Follower;
use crate::bootstrap::rbac::BaseRbac;
use kplex_storage::{Entry, Event, Key, ListQuery, Prefix, Revision, StorageError, TenantLog};
use kplex_tenants::TenantScope;
use parking_lot::RwLock;
use std::collections::HashSet;
use std::sync::Arc;

/// A tenant's own RBAC objects, compiled. Holds almost nothing for a tenant that changed none.
#[derive(Default)]
pub struct WarmPolicy {
    /// Held while the news are read and applied, so that they are applied in order. Taken before `own`.
    follower: tokio::sync::Mutex<Follower>,
    /// Invariant: the base with this on top is the tenant's RBAC as of the follower's place.
    /// Memory only; never held across an await.
    own: RwLock<Layer>,
}

impl WarmPolicy {
    /// Returns the tenant's, as of the last durable commit.
    ///
    /// # Errors
    /// The tenant's objects cannot be read.
    pub async fn of(scope: &TenantScope) -> Result<Arc<Self>, StorageError> {
        let warm = scope.state(Self::default);
        warm.catch_up(scope.log()).await?;
        Ok(warm)
    }

    /// Calls `ask` with the policy. Don't do anything slow there.
    pub fn with<T>(&self, ask: impl FnOnce(&Policy<'_>) -> T) -> T {
        let own = self.own.read();
        ask(&Policy { base: &BaseRbac::shared().layer, own: &own })
    }

    async fn catch_up(&self, log: &TenantLog) -> Result<(), StorageError> {
        let mut follower = self.follower.lock().await;
        loop {
            match follower.news(log).await? {
                Some(events) if events.is_empty() => return Ok(()),
                Some(events) => self.apply(&events),
                None => {
                    let (own, revision) = load(log).await?;
                    *self.own.write() = own;
                    follower.start(log, revision);
                }
            }
        }
    }

    fn apply(&self, events: &[Arc<Event>]) {
        let relevant = events.iter().filter_map(|event| Some((kind_of(&event.key)?, event)));
        for (kind, event) in relevant {
            put(&mut self.own.write(), kind, &event.key, event.after.as_ref());
        }
    }
}

fn kind_of(key: &Key) -> Option<Kind> {
    if key.group() == RBAC_GROUP { Kind::of_resource(key.resource()) } else { None }
}

/// Reads all RBAC objects at one revision and compiles those that the base does not have like that.
async fn load(log: &TenantLog) -> Result<(Layer, Revision), StorageError> {
    let mut own = Layer::default();
    let mut seen = HashSet::new();
    let mut at = None;
    for kind in Kind::ALL {
        let prefix = Prefix::resource(RBAC_GROUP, kind.resource());
        let page = log.list(ListQuery { prefix, after: None, limit: 0, at }).await?;
        at = at.or(Some(page.revision));
        for entry in &page.entries {
            put(&mut own, kind, &entry.key, Some(entry));
            seen.insert(entry.key.clone());
        }
    }
    for key in BaseRbac::shared().keys().filter(|key| !seen.contains(*key)) {
        if let Some(kind) = kind_of(key) {
            put(&mut own, kind, key, None);
        }
    }
    Ok((own, at.expect("four lists have revisions")))
}

/// Takes over the state of one object.
fn put(own: &mut Layer, kind: Kind, key: &Key, state: Option<&Entry>) {
    let base = BaseRbac::shared();
    let (namespace, name) = (key.namespace().unwrap_or_default(), key.name());
    match state {
        Some(entry) if base.is_same(key, &entry.value) => own.forget(kind, namespace, name),
        Some(entry) => {
            if let Err(error) = own.put(kind, namespace, name, &entry.value) {
                // What cannot be read grants nothing.
                tracing::error!(%key, error = &error as &dyn std::error::Error, "stored RBAC object is unreadable");
                own.hide(kind, namespace, name);
            }
        }
        None if base.layer.knows(kind, namespace, name) => own.hide(kind, namespace, name),
        None => own.forget(kind, namespace, name),
    }
}

#[cfg(test)]
mod tests;
