//! Names of control planes that want a look: from a watch, from failures, and from credentials that age.

use super::Operator;
use super::api::ControlPlane;
use futures::{StreamExt, TryStreamExt};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::time::DelayQueue;

/// Control planes that are reconciled at a time.
const PARALLEL: usize = 8;
/// Waits after a failure, doubled up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// What is known of one name. Invariant: a name runs at most once at a time.
#[derive(Default)]
struct Item {
    running: bool,
    /// It changed while it ran.
    again: bool,
    failures: u32,
}

/// Follows the hub until the drain.
pub(super) async fn follow(operator: Arc<Operator>, mut aging: mpsc::Receiver<String>) {
    let drain = operator.controllers.shared.drain.clone();
    let api: Api<ControlPlane> = Api::all(operator.client.clone());
    let events = watcher(api, Config::default()).default_backoff();
    futures::pin_mut!(events);
    let mut items: HashMap<String, Item> = HashMap::new();
    let mut later: DelayQueue<String> = DelayQueue::new();
    let mut waiting: std::collections::VecDeque<String> = std::collections::VecDeque::new();
    let mut running: JoinSet<(String, anyhow::Result<()>)> = JoinSet::new();
    loop {
        while running.len() < PARALLEL {
            let Some(name) = waiting.pop_front() else { break };
            let item = items.entry(name.clone()).or_default();
            if item.running {
                item.again = true;
                continue;
            }
            item.running = true;
            let operator = operator.clone();
            running.spawn(async move {
                let outcome = operator.reconcile(&name).await;
                (name, outcome)
            });
        }
        tokio::select! {
            () = drain.cancelled() => break,
            event = events.try_next() => match event {
                Ok(Some(Event::Apply(plane))) => enqueue(&mut waiting, plane.name_any()),
                // A start wakes nobody who is settled: what ages meanwhile has due rows.
                Ok(Some(Event::InitApply(plane))) if plane.is_settled() => {}
                Ok(Some(Event::InitApply(plane))) => enqueue(&mut waiting, plane.name_any()),
                Ok(Some(Event::Delete(plane))) => {
                    items.remove(&plane.name_any());
                }
                Ok(Some(Event::Init | Event::InitDone)) => {}
                Ok(None) => break,
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "watch of control planes failed"),
            },
            Some(finished) = running.join_next() => match finished {
                Ok((name, outcome)) => settle(&mut items, &mut later, &mut waiting, name, outcome),
                Err(error) => tracing::error!(%error, "a reconcile panicked"),
            },
            Some(name) = aging.recv() => enqueue(&mut waiting, name),
            Some(name) = later.next() => enqueue(&mut waiting, name.into_inner()),
        }
    }
    running.shutdown().await;
}

fn enqueue(waiting: &mut std::collections::VecDeque<String>, name: String) {
    if !waiting.contains(&name) {
        waiting.push_back(name);
    }
}

fn settle(
    items: &mut HashMap<String, Item>,
    later: &mut DelayQueue<String>,
    waiting: &mut std::collections::VecDeque<String>,
    name: String,
    outcome: anyhow::Result<()>,
) {
    let Some(item) = items.get_mut(&name) else { return };
    item.running = false;
    if std::mem::take(&mut item.again) {
        enqueue(waiting, name.clone());
    }
    match outcome {
        Ok(()) => item.failures = 0,
        Err(error) => {
            item.failures += 1;
            tracing::warn!(
                name,
                error = format!("{error:#}"),
                failures = item.failures,
                "reconcile of a control plane failed"
            );
            let wait = RETRY.0.saturating_mul(1 << item.failures.min(16)).min(RETRY.1);
            later.insert(name, wait);
        }
    }
}
