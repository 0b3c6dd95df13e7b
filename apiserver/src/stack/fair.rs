//! Admission of requests, fair over tenants (D10).
//!
//! A bounded number of requests runs at a time. While all places are taken, each tenant has a queue of its own and freed
//! places go round robin over the tenants that wait, so one that floods waits behind itself. Watches take no place.

use crate::limits::REQUESTS_RUNNING_MAX;
use kplex_storage::TenantId;
use kplex_tenants::TenantLimits;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Admits requests. Cheap to clone.
#[derive(Clone, Default)]
pub struct FairQueue {
    // Taken alone, for a few instructions, never across an await.
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    running: usize,
    tenants: HashMap<TenantId, Lane>,
    /// Tenants with waiting requests that may run, in the order of their turns.
    turns: VecDeque<TenantId>,
}

#[derive(Default)]
struct Lane {
    running: usize,
    /// The tenant's limit of running requests, as its last request has brought it.
    running_max: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
    /// Invariant: true exactly while the tenant is in `turns`.
    has_turn: bool,
}

/// A running request; its place is free again when it is dropped.
pub struct Place {
    queue: FairQueue,
    tenant: TenantId,
}

/// Too many requests of this tenant wait already, or it may have none at all.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl FairQueue {
    /// Waits for a place. Cancel-safe: a place that arrives for nobody is passed on.
    ///
    /// # Errors
    /// [`Full`] when the tenant's queue is at its limit.
    pub async fn enter(&self, tenant: TenantId, limits: &TenantLimits) -> Result<Place, Full> {
        let of = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let running_max = of(limits.requests_in_flight_max);
        if running_max == 0 {
            return Err(Full);
        }
        let receiver = {
            let mut inner = self.inner.lock();
            let free = inner.running < REQUESTS_RUNNING_MAX && inner.turns.is_empty();
            let lane = inner.tenants.entry(tenant).or_default();
            lane.running_max = running_max;
            if free && lane.running < running_max && lane.waiting.is_empty() {
                lane.running += 1;
                inner.running += 1;
                return Ok(Place { queue: self.clone(), tenant });
            }
            if lane.waiting.len() >= of(limits.requests_queued_max) {
                return Err(Full);
            }
            let (sender, receiver) = oneshot::channel();
            lane.waiting.push_back(sender);
            inner.give_turn(tenant);
            receiver
        };
        Ok(receiver.await.expect("a waiting request is only dropped together with the queue"))
    }

    fn leave(&self, tenant: TenantId) {
        let mut inner = self.inner.lock();
        inner.running -= 1;
        let lane = inner.tenants.get_mut(&tenant).expect("a running request has a lane");
        lane.running -= 1;
        inner.give_turn(tenant);
        let mut ready = Vec::new();
        while inner.running < REQUESTS_RUNNING_MAX {
            let Some(next) = inner.turns.pop_front() else { break };
            let lane = inner.tenants.get_mut(&next).expect("a tenant with a turn has a lane");
            lane.has_turn = false;
            let Some(sender) = lane.waiting.pop_front() else { continue };
            lane.running += 1;
            inner.running += 1;
            inner.give_turn(next);
            ready.push((sender, Place { queue: self.clone(), tenant: next }));
        }
        if inner.tenants.get(&tenant).is_some_and(|lane| lane.running == 0 && lane.waiting.is_empty()) {
            inner.tenants.remove(&tenant);
        }
        drop(inner);
        for (sender, place) in ready {
            // A receiver that is gone gives the place back by dropping it.
            drop(sender.send(place));
        }
    }
}

impl Inner {
    /// Puts a tenant at the end of the round when it has something to run and may.
    fn give_turn(&mut self, tenant: TenantId) {
        let Some(lane) = self.tenants.get_mut(&tenant) else { return };
        if !lane.has_turn && !lane.waiting.is_empty() && lane.running < lane.running_max {
            lane.has_turn = true;
            self.turns.push_back(tenant);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.leave(self.tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const LIMITS: TenantLimits = TenantLimits {
        objects_max: 0,
        stored_bytes_max: 0,
        crds_max: 0,
        requests_in_flight_max: 3,
        requests_queued_max: 5,
        watches_max: 0,
    };

    #[test]
    fn a_flooding_tenant_waits_behind_itself() {
        let queue = FairQueue::default();
        let (flood, quiet) = (TenantId::new(1), TenantId::new(2));
        let mut running: Vec<Place> = Vec::new();
        for _ in 0..LIMITS.requests_in_flight_max {
            running.push(queue.enter(flood, &LIMITS).now_or_never().unwrap().unwrap());
        }
        let mut waiting = Box::pin(queue.enter(flood, &LIMITS));
        assert!(waiting.as_mut().now_or_never().is_none(), "the flood is at its limit");
        let place = queue.enter(quiet, &LIMITS).now_or_never().expect("the quiet tenant is not held up").unwrap();
        drop(place);
        running.pop();
        assert!(waiting.now_or_never().is_some(), "a freed place goes to the one that waits");
    }

    #[test]
    fn the_waiting_line_is_bounded() {
        let queue = FairQueue::default();
        let tenant = TenantId::new(1);
        let running: Vec<Place> = (0..LIMITS.requests_in_flight_max)
            .map(|_| queue.enter(tenant, &LIMITS).now_or_never().unwrap().unwrap())
            .collect();
        let mut waiting: Vec<_> =
            (0..LIMITS.requests_queued_max).map(|_| Box::pin(queue.enter(tenant, &LIMITS))).collect();
        for future in &mut waiting {
            assert!(future.as_mut().now_or_never().is_none());
        }
        assert_eq!(queue.enter(tenant, &LIMITS).now_or_never().unwrap().err(), Some(Full));
        drop(waiting);
        drop(running);
        assert!(queue.enter(tenant, &LIMITS).now_or_never().is_some(), "given-up requests leave no trace");
    }

    #[test]
    fn all_tenants_together_are_bounded() {
        let queue = FairQueue::default();
        let enter = |tenant: u32| queue.enter(TenantId::new(tenant), &LIMITS).now_or_never();
        let mut running = Vec::new();
        for place in 0..REQUESTS_RUNNING_MAX as u32 {
            running.push(enter(place / 3).expect("there is room").unwrap());
        }
        assert!(enter(1_000_000).is_none());
        let none = TenantLimits { requests_in_flight_max: 0, ..LIMITS };
        assert_eq!(queue.enter(TenantId::new(7), &none).now_or_never().unwrap().err(), Some(Full), "none means none");
    }
}
