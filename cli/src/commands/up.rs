//! `kplex up` and `kplex down`: a server in the background, for people who try it.

use super::{control_planes, serve};
use crate::config::{Config, Settings};
use crate::hosting::{self, Hosting};
use anyhow::{Context, bail};
use kplex::{HUB, StoreChoice, kubeconfig_path};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take to become ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Name of the first control plane.
const FIRST: &str = "cp1";

fn pid_path(config: &Config) -> PathBuf {
    config.data_dir.join("kplex.pid")
}

/// Starts a server unless one runs already, makes the first control plane, and says what to type next.
///
/// # Errors
/// When the server does not become ready.
pub(crate) fn up(settings: Settings) -> anyhow::Result<()> {
    let config = settings.complete(None)?;
    std::fs::create_dir_all(&config.data_dir).with_context(|| format!("create {}", config.data_dir.display()))?;
    if !running(&config) {
        start(&config)?;
    }
    let hosting = Hosting::in_data_dir(&config.data_dir);
    let path = kubeconfig_path(&config.data_dir);
    control_planes::ensure(FIRST, &hosting)
        .with_context(|| format!("use the server at {}", hosting::server(&path, HUB).unwrap_or_default()))?;
    let merged = hosting::merge(&path, &control_planes::read_kubeconfig(FIRST, &hosting)?, Some(FIRST))?;
    serve::write_private(&path, &merged)?;
    next_steps(&config, &path);
    Ok(())
}

/// Stops the server that [`up`] started, by SIGTERM, and waits until it has drained.
///
/// # Errors
/// When none runs, or it does not stop.
pub(crate) fn down(settings: Settings) -> anyhow::Result<()> {
    let config = settings.complete(None)?;
    let Some(pid) = read_pid(&config).filter(|pid| alive(*pid)) else {
        bail!("no server that \"up\" started runs on {}", config.data_dir.display())
    };
    let status = Command::new("kill").args(["-TERM", &pid.to_string()]).status().context("run kill")?;
    if !status.success() {
        bail!("server {pid} could not be stopped");
    }
    wait(PATIENCE, || !alive(pid)).context("the server did not stop in time")?;
    std::fs::remove_file(pid_path(&config)).context("remove the pid file")?;
    println!("Kubeplex on {} is stopped. Its data stays.", config.data_dir.display());
    Ok(())
}

fn read_pid(config: &Config) -> Option<u32> {
    std::fs::read_to_string(pid_path(config)).ok()?.trim().parse().ok()
}

/// Whether a process runs; one that has ended but was not waited for does not.
fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z')))
}

fn running(config: &Config) -> bool {
    read_pid(config).is_some_and(|pid| {
        alive(pid) && std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "kplex")
    })
}

fn start(config: &Config) -> anyhow::Result<()> {
    let log_path = config.data_dir.join("kplex.log");
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .with_context(|| format!("open {}", log_path.display()))?;
    let program = std::env::current_exe().context("find this program")?;
    let store = match &config.store {
        StoreChoice::Sqlite => "sqlite",
        StoreChoice::Memory => "memory",
        StoreChoice::Postgres(url) => url,
    };
    let mut command = Command::new(program);
    command.arg("serve").arg("--data-dir").arg(&config.data_dir).arg("--listen").arg(config.listen.to_string());
    // By environment, not by argument: a URL may hold a password, and arguments are public.
    command.env("KPLEX_STORE", store).env("KPLEX_LOG", &config.log);
    command.env("KPLEX_LOG_FORMAT", config.log_format.name());
    if let Some(domain) = &config.domain {
        command.arg("--domain").arg(domain);
    }
    let kubeconfig = kubeconfig_path(&config.data_dir);
    let before = modified(&kubeconfig);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("share the log file")?)
        .stderr(log)
        // Its own group: Ctrl-C in this terminal is not for it.
        .process_group(0)
        .spawn()
        .context("start the server")?;
    std::fs::write(pid_path(config), child.id().to_string()).context("write the pid file")?;
    let mut ended = None;
    wait(PATIENCE, || {
        ended = child.try_wait().ok().flatten();
        // The server writes it when it is ready, so that nothing need be asked.
        ended.is_some() || modified(&kubeconfig) != before
    })
    .context("the server did not become ready in time")?;
    match ended {
        None => Ok(()),
        Some(status) => {
            std::fs::remove_file(pid_path(config)).context("remove the pid file")?;
            bail!("the server ended ({status}); its log says:\n{}", tail(&log_path))
        }
    }
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

fn wait(patience: Duration, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
    let end = Instant::now() + patience;
    while !done() {
        if Instant::now() > end {
            bail!("gave up after {} s", patience.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn next_steps(config: &Config, kubeconfig: &Path) {
    let kubeconfig = std::fs::canonicalize(kubeconfig).unwrap_or_else(|_| kubeconfig.to_owned());
    let program = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned)).unwrap_or_default();
    println!(
        "Kubeplex is ready on {}. Contexts: \"{HUB}\" (hosts control planes) and \"{FIRST}\" (current).",
        hosting::server(&kubeconfig, HUB).unwrap_or_else(|| format!("https://{}", config.listen)),
    );
    println!();
    println!("  export KUBECONFIG={} PATH={}:$PATH", kubeconfig.display(), program.display());
    println!("  kubectl create namespace shop");
    println!("  kubectl --context {HUB} get controlplanes");
    println!("  kplex down --data-dir {}      # stops it; the data stays", config.data_dir.display());
}
