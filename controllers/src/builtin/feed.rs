//! The feed: reads the commit log of all tenants and turns it into work. One task for the process.

use super::process::Process;
use super::progress::{Progress, Ticket};
use super::resync;
use super::route;
use kplex_storage::{StorageError, Tail, TailBatch};
use std::sync::Arc;
use std::time::Duration;

/// Name under which the position is stored.
const CONSUMER: &str = "controllers";
/// Wait while there is too much work, or after the store failed.
const PAUSE: Duration = Duration::from_millis(50);

/// Reads the feed until the drain.
pub(crate) async fn run(process: Arc<Process>) {
    let drain = process.controllers.shared.drain.clone();
    let progress = Arc::new(Progress::default());
    let mut tail = process.controllers.store.tail(CONSUMER);
    loop {
        let full = process.is_full();
        tokio::select! {
            () = drain.cancelled() => break,
            () = progress.changed() => acknowledge(&tail, &progress),
            () = tokio::time::sleep(PAUSE), if full => {}
            batch = tail.next(), if !full => match batch {
                Ok(batch) => dispatch(&process, &progress, &batch),
                Err(StorageError::Compacted { .. }) => {
                    tracing::warn!("events were dropped before the controllers had them; looking at everything again");
                    tail.skip();
                    resync::all(&process).await;
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "read the commit feed failed");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    acknowledge(&tail, &progress);
}

fn acknowledge(tail: &Tail, progress: &Progress) {
    for position in progress.take() {
        tail.ack(position);
    }
}

fn dispatch(process: &Process, progress: &Arc<Progress>, batch: &TailBatch) {
    let ticket: Ticket = progress.open(batch.position);
    for (tenant, event) in &batch.events {
        for work in route::route(*tenant, event.as_ref().into(), &process.waiting) {
            process.add(work, Some(ticket.clone()));
        }
    }
}
