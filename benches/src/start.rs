//! From the start of the process to the first 200 of `/readyz`, and what it then weighs.

use crate::{Options, percentiles, row};
use anyhow::{Result, ensure};
use kplex_conformance::{Options as ServerOptions, Server};

/// Starts without control planes.
pub(crate) async fn empty(options: &Options) -> Result<()> {
    let runs = options.samples.min(20);
    let mut server = Server::start(ServerOptions::default());
    let weight = settled_bytes(&server);
    row("RSS of a ready server without control planes, first start", &megabytes(weight));
    measure(&mut server, runs, "start to ready, 0 control planes stored").await?;
    row("RSS of a ready server without control planes, later start", &megabytes(settled_bytes(&server)));
    Ok(())
}

/// Restarts a server some times and reports how long it took until it was ready.
pub(crate) async fn measure(server: &mut Server, runs: usize, what: &str) -> Result<()> {
    let mut samples = Vec::new();
    for _ in 0..runs {
        server.signal_terminate();
        ensure!(server.wait().success(), "the server drains");
        let ready = server.restart_and_time().await;
        samples.push(ready.as_secs_f64() * 1e3);
    }
    row(what, &percentiles(&mut samples));
    Ok(())
}

/// Returns the resident memory when it no longer falls.
pub(crate) fn settled_bytes(server: &Server) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        least = least.min(server.resident_bytes());
    }
    least
}

/// Writes bytes as megabytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
