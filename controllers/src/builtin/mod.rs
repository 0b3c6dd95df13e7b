//! One set of controllers for all tenants, fed by the commit log and by due rows (D8).
//!
//! [`feed`] reads the log, [`route`] says whose a change is, [`queue`] holds what is to do, [`worker`] does it. Work that
//! must outlive the process without an event is a due row ([`due`]). Controllers take the name of a thing, look at what is,
//! and act through the request path; nothing is kept for a tenant in which nothing is to do.

mod due;
mod feed;
mod process;
mod progress;
mod queue;
mod resources;
mod resync;
mod route;
mod waiting;
mod work;
mod worker;

mod account;
mod collect;
mod token_secret;
mod certificate;
mod aggregation;
mod bootstrap;
mod protection;
mod base_object;
mod event_expiry;
mod flow_schema;
mod renewal;
mod definition;
mod namespace;
mod plane;
mod quota;
mod root_certificate;

use crate::Controllers;
use crate::operator::Operator;
use process::Process;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use work::Pool;

/// Workers of the controllers, and of the operator: they mostly wait for commits.
const WORKERS: usize = 8;
/// Wait before due rows are read again after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the controllers, and the work of the operator where there is one. Whoever starts them joins the tasks after the
/// drain.
#[must_use]
pub(crate) fn start(controllers: Controllers, operator: Option<Arc<Operator>>) -> Vec<JoinHandle<()>> {
    let process = Process::new(controllers, operator);
    let mut tasks = Vec::with_capacity(2 * WORKERS + 1);
    for _ in 0..WORKERS {
        tasks.push(tokio::spawn(worker::run(process.clone(), Pool::Tenants)));
        tasks.push(tokio::spawn(worker::run(process.clone(), Pool::Operator)));
    }
    tasks.push(tokio::spawn(sources(process)));
    tasks
}

/// Reads due rows, then follows the feed and the clock.
async fn sources(process: Arc<Process>) {
    let drain = process.controllers.shared.drain.clone();
    let minute = loop {
        match due::start(&process).await {
            Ok(minute) => break minute,
            Err(error) => tracing::warn!(%error, "read due rows failed"),
        }
        tokio::select! {
            () = drain.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    };
    tokio::join!(feed::run(process.clone()), due::run(process, minute));
}

#[cfg(test)]
mod tests;
