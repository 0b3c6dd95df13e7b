//! `kplex serve`: the server, until Ctrl-C or SIGTERM.

use crate::config::{Config, LogFormat, Settings};
use anyhow::Context;
use kplex::{HUB, Server, kubeconfig_path};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Runs the server.
///
/// # Errors
/// When it can't start.
pub(crate) fn serve(settings: Settings, file: Option<&Path>) -> anyhow::Result<()> {
    let config = settings.complete(file)?;
    start_log(&config)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?
        .block_on(run(&config))
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log).with_context(|| format!("parse the log filter {:?}", config.log))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

async fn run(config: &Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    std::fs::create_dir_all(&config.data_dir).with_context(|| format!("create {}", config.data_dir.display()))?;
    let server = Server::builder()
        .store(config.store.clone())
        .data_dir(&config.data_dir)
        .listen(config.listen)
        .domain(config.domain.clone())
        .start()
        .await?;
    write_kubeconfig(&config.data_dir, &server).await?;
    tracing::info!(address = server.address().map(tracing::field::display), "ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("draining");
    server.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

/// Puts the context "hub" into the data directory's kubeconfig; other contexts there stay.
async fn write_kubeconfig(data_dir: &Path, server: &Server) -> anyhow::Result<()> {
    let path = kubeconfig_path(data_dir);
    let hub = server.kubeconfig(HUB).await?;
    let text = crate::hosting::merge(&path, &hub, None)?;
    write_private(&path, &text)
}

/// Replaces a file that only its owner may read, at once.
///
/// # Errors
/// When it can't be written.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}
