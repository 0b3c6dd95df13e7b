//! A look at everything, for the rare case that the log went on without the controllers for longer than it is kept.

use super::process::{Failure, Process};
use super::route::{Change, route};
use kplex_storage::{ListQuery, Prefix, TenantId};
use std::sync::Arc;
use std::time::Duration;

const CHUNK: usize = 500;
/// Wait while there is too much work.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks at all objects of all tenants, one tenant after the other, as if each had just been made.
pub(crate) async fn all(process: &Arc<Process>) {
    let mut after: Option<String> = None;
    loop {
        let rows = match process.controllers.store.list_tenants(after.as_deref(), CHUNK).await {
            Ok(rows) => rows,
            Err(error) => return tracing::error!(error = &error as &dyn std::error::Error, "list tenants failed"),
        };
        let Some(last) = rows.last() else { return };
        after = Some(last.name.clone());
        for row in &rows {
            if let Err(error) = one(process, row.id).await {
                tracing::error!(tenant = row.id.get(), %error, "look at everything in a tenant failed");
            }
        }
    }
}

async fn one(process: &Arc<Process>, id: TenantId) -> Result<(), Failure> {
    let Some(tenant) = process.tenant(id).await? else { return Ok(()) };
    let mut after = None;
    loop {
        let query = ListQuery { prefix: Prefix::all(), after: after.take(), limit: CHUNK, at: None };
        let page = tenant.scope.log().list(query).await?;
        after = page.entries.last().map(|entry| entry.key.clone()).filter(|_| page.more);
        for entry in &page.entries {
            let change = Change { key: &entry.key, before: None, after: Some(entry) };
            for work in route(id, change, &process.waiting) {
                process.add(work, None);
            }
        }
        while process.is_full() {
            tokio::time::sleep(PAUSE).await;
        }
        if after.is_none() {
            return Ok(());
        }
    }
}
