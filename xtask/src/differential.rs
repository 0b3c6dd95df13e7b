//! `cargo xtask differential`: the same requests to a control plane of this repository and to a real kube-apiserver.
//!
//! Starts a server over a store in memory in a scratch folder, makes a control plane in it, and runs the suite of
//! `conformance/differential` against it and the oracle.

use crate::{repository, target_directory};
use anyhow::{Context, Result, bail, ensure};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const CONTROL_PLANE: &str = "differential";
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Builds the server, starts it, runs the suite with `args` and stops the server.
///
/// # Errors
/// When the suite finds differences, or something could not be started.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let built = Command::new("cargo").args(["build", "-p", "kplex"]).current_dir(repository()).status()?;
    ensure!(built.success(), "the build failed");
    let scratch = std::env::temp_dir().join(format!("kplex-differential-{}", std::process::id()));
    let server = Server::start(&scratch)?;
    let outcome = server.control_plane().and_then(|kubeconfig| suite(&kubeconfig, args));
    drop(server);
    std::fs::remove_dir_all(&scratch).ok();
    outcome
}

fn suite(kubeconfig: &Path, args: &[String]) -> Result<()> {
    let status = Command::new("python3")
        .arg(repository().join("conformance/differential/run.py"))
        .arg("--subject-kubeconfig")
        .arg(kubeconfig)
        .args(args)
        .status()
        .context("start python3")?;
    ensure!(status.success(), "the servers differ");
    Ok(())
}

/// A running server; stops when dropped.
struct Server {
    binary: PathBuf,
    data: PathBuf,
    child: Child,
}

impl Server {
    fn start(data: &Path) -> Result<Self> {
        let binary = target_directory()?.join("debug/kplex");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(&binary)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(data)
            .env("KPLEX_STORE", "memory")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let mut server = Self { binary, data: data.to_owned(), child };
        server.wait()?;
        Ok(server)
    }

    fn wait(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.data.join("kubeconfig").is_file() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}");
            }
            ensure!(started.elapsed() < READY_WITHIN, "the server was not ready in time");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Makes a control plane and returns the path of its kubeconfig.
    fn control_plane(&self) -> Result<PathBuf> {
        self.command(&["create", CONTROL_PLANE])?;
        let path = self.data.join("differential.kubeconfig");
        std::fs::write(&path, self.command(&["kubeconfig", CONTROL_PLANE])?)?;
        Ok(path)
    }

    fn command(&self, args: &[&str]) -> Result<Vec<u8>> {
        let output = Command::new(&self.binary).args(args).arg("--data-dir").arg(&self.data).output()?;
        ensure!(output.status.success(), "kplex {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
