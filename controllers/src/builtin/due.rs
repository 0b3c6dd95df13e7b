//! Due rows: what a crash must not stop, read at the start, and what has its minute, read once a minute.

use super::process::{Failure, Process};
use super::work::{Controller, Work};
use kplex_apiserver::due;
use kplex_storage::{Due, Key, TenantId};
use std::sync::Arc;
use std::time::Duration;

/// Rows read at first; doubled while there are more.
const ROWS_MIN: usize = 1024;
/// Wait after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Adds the work of all rows that are due now. The feed starts afterwards: it must know who waits.
///
/// # Errors
/// When the store fails.
pub(crate) async fn start(process: &Arc<Process>) -> Result<u64, Failure> {
    let now = minute(process);
    for (tenant, row) in rows(process, now).await? {
        add(process, tenant, &row).await?;
    }
    Ok(now)
}

/// Adds the work of rows whose minute has come, until the drain. `last` is the minute up to which it was done before.
pub(crate) async fn run(process: Arc<Process>, mut last: u64) {
    let drain = process.controllers.shared.drain.clone();
    loop {
        tokio::select! {
            () = drain.cancelled() => return,
            () = tokio::time::sleep(until_next_minute(&process)) => {}
        }
        match tick(&process, last).await {
            Ok(minute) => last = minute,
            Err(error) => {
                tracing::warn!(%error, "read due rows failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn tick(process: &Arc<Process>, last: u64) -> Result<u64, Failure> {
    let now = minute(process);
    for (tenant, row) in rows(process, now).await? {
        // Earlier rows are in the queue, or wait for something that the feed will show.
        if row.minute > last {
            add(process, tenant, &row).await?;
        }
    }
    for tenant in process.waiting.tenants() {
        if process.controllers.store.get_tenant(tenant).await?.is_none() {
            process.forget(tenant);
        }
    }
    Ok(now)
}

async fn rows(process: &Process, until: u64) -> Result<Vec<(TenantId, Due)>, Failure> {
    let mut limit = ROWS_MIN;
    loop {
        let rows = process.controllers.store.due(until, limit).await?;
        if rows.len() < limit {
            return Ok(rows);
        }
        limit *= 2;
    }
}

async fn add(process: &Arc<Process>, tenant: TenantId, row: &Due) -> Result<(), Failure> {
    if row.kind == due::RETRY {
        match Work::from_row_key(tenant, &row.key) {
            Some(work) => process.queue(work.controller.pool()).add_durable(work),
            None => {
                tracing::warn!(tenant = tenant.get(), key = %String::from_utf8_lossy(&row.key), "due row of no controller")
            }
        }
        return Ok(());
    }
    // Rows of others, such as renewals, are not for the controllers.
    let Some(controller) = Controller::from_name(&row.kind) else { return Ok(()) };
    let work = Work::new(tenant, controller, &String::from_utf8_lossy(&row.key));
    match controller {
        Controller::Namespace | Controller::Definition | Controller::Protection => process.waiting.add(&work),
        Controller::Collect => wait_for_dependents(process, tenant, &row.key).await?,
        _ => {}
    }
    process.add(work, None);
    Ok(())
}

async fn wait_for_dependents(process: &Arc<Process>, id: TenantId, key: &[u8]) -> Result<(), Failure> {
    let (Some(key), Some(tenant)) = (Key::parse(key), process.tenant(id).await?) else { return Ok(()) };
    if let Some(uid) = tenant
        .read(&key)
        .await?
        .as_ref()
        .and_then(|object| object.pointer("/metadata/uid")?.as_str().map(str::to_owned))
    {
        process.waiting.add_owner(id, &uid, key.as_str());
    }
    Ok(())
}

fn seconds(process: &Process) -> u64 {
    u64::try_from(process.controllers.shared.tenants.now().as_second()).unwrap_or(0)
}

fn minute(process: &Process) -> u64 {
    seconds(process) / 60
}

fn until_next_minute(process: &Process) -> Duration {
    Duration::from_secs(60 - seconds(process) % 60)
}
