//! One set of controllers for all tenants, fed by the commit log and by due rows (D8).

use crate::Controllers;
use tokio::task::JoinHandle;

/// Starts the controllers.
#[must_use]
pub fn start(controllers: &Controllers) -> Vec<JoinHandle<()>> {
    let _ = controllers;
    Vec::new()
}
