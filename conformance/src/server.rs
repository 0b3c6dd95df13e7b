//! A `kplex serve` of a test's own, in a directory of its own, on a port of its own.

use crate::control_plane::ControlPlane;
use crate::eventually::wait_until;
use crate::wire::Wire;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where the server keeps objects.
#[derive(Clone, Debug, Default)]
pub enum Store {
    /// In memory.
    Memory,
    /// In a file of its data directory.
    #[default]
    Sqlite,
    /// In PostgreSQL, by URL.
    Postgres(String),
}

/// How the server is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where objects are kept.
    pub store: Store,
    /// Host-name suffix of control planes.
    pub domain: Option<String>,
}

/// A running server. It dies with this value, or with the test process however that ends.
#[derive(Debug)]
pub struct Server {
    options: Options,
    directory: TempDir,
    address: SocketAddr,
    child: Child,
    keeper: Keeper,
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; with its log.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let directory = tempfile::Builder::new().prefix("kplex-test-").tempdir().expect("make a directory");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (child, address) = launch(&options, directory.path(), any);
        let keeper = Keeper::of(&child, directory.path());
        Self { options, directory, address, child, keeper }
    }

    /// Returns the server that tests share who only need control planes of their own. It keeps objects in SQLite.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Options::default()))
    }

    /// Ends the server with SIGKILL.
    ///
    /// # Panics
    /// When it can't be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the server");
        self.child.wait().expect("wait for the server");
    }

    /// Sends SIGTERM, and does not wait.
    ///
    /// # Panics
    /// When the signal can't be sent.
    pub fn signal_terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("run kill");
        assert!(status.success(), "the server takes signals");
    }

    /// Waits until the server has ended by itself.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait(&mut self) -> ExitStatus {
        wait_until("the server to end", || self.child.try_wait().expect("ask for the server's end"))
    }

    /// Starts the server again, on the same directory and port, and waits until it is ready.
    pub fn restart(&mut self) {
        let (child, address) = launch(&self.options, self.directory.path(), self.address);
        self.keeper = Keeper::of(&child, self.directory.path());
        self.child = child;
        self.address = address;
    }

    /// Starts the server again and returns how long it took from the start of the process until `/readyz` said so.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn restart_and_time(&mut self) -> Duration {
        let start = Instant::now();
        let child = command(&self.options, self.directory.path(), self.address).spawn().expect("start kplex");
        self.keeper = Keeper::of(&child, self.directory.path());
        self.child = child;
        let wire = Wire::stranger(&format!("https://{}", self.address));
        while wire.try_get("/readyz").await.is_none_or(|answer| answer.code != 200) {
            assert!(start.elapsed() < Duration::from_secs(60), "gave up waiting: the server to be ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        start.elapsed()
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Returns what it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        log(self.data_dir())
    }

    /// Returns the hub.
    ///
    /// # Panics
    /// When the server wrote no kubeconfig.
    #[must_use]
    pub fn hub(&self) -> ControlPlane {
        let text = std::fs::read_to_string(self.data_dir().join("kubeconfig")).expect("read the hub's kubeconfig");
        ControlPlane::new("hub", text)
    }

    /// Makes a control plane and returns it when it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn create(&self, name: &str) -> ControlPlane {
        let out = self.kplex(&["create", name]);
        assert!(out.status.success(), "create {name}: {}", String::from_utf8_lossy(&out.stderr));
        self.control_plane(name)
    }

    /// Returns a control plane that exists.
    ///
    /// # Panics
    /// When it has no kubeconfig.
    #[must_use]
    pub fn control_plane(&self, name: &str) -> ControlPlane {
        let out = self.kplex(&["kubeconfig", name]);
        assert!(out.status.success(), "kubeconfig {name}: {}", String::from_utf8_lossy(&out.stderr));
        ControlPlane::new(name, String::from_utf8(out.stdout).expect("a kubeconfig is text"))
    }

    /// Runs a command of `kplex` against this server.
    ///
    /// # Panics
    /// When the program can't be run.
    #[must_use]
    pub fn kplex(&self, args: &[&str]) -> Output {
        let mut command = kplex();
        command.args(args).arg("--kubeconfig").arg(self.data_dir().join("kubeconfig"));
        command.stdin(Stdio::null()).output().expect("run kplex")
    }

    /// Returns the resident memory, in bytes.
    ///
    /// # Panics
    /// When the server does not run.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("read the process' status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has memory");
        line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).expect("memory is a number") * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a command for the built program, with nothing of the caller's settings.
#[must_use]
pub fn kplex() -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("KPLEX_") || name == "KUBECONFIG") {
            command.env_remove(name);
        }
    }
    command
}

/// Returns the program: `$KPLEX_BIN`, or what cargo builds, built now so that it is never an old one.
///
/// # Panics
/// When it can't be built.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("KPLEX_BIN") {
            return PathBuf::from(path);
        }
        let own = std::env::current_exe().expect("find this program");
        let is_profile = |path: &&Path| path.ends_with("debug") || path.ends_with("release");
        let profile = own.ancestors().find(is_profile).expect("tests lie in the target directory");
        let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        command.args(["build", "--quiet", "--package", "kplex", "--bin", "kplex"]);
        if profile.ends_with("release") {
            command.arg("--release");
        }
        let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("run cargo");
        assert!(status.success(), "build kplex");
        profile.join("kplex")
    })
}

fn log(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("test.log")).unwrap_or_default()
}

/// Starts a server; ready means that its kubeconfig is there and that it answers.
fn launch(options: &Options, directory: &Path, listen: SocketAddr) -> (Child, SocketAddr) {
    let kubeconfig = directory.join("kubeconfig");
    let before = modified(&kubeconfig);
    let mut child = command(options, directory, listen).spawn().expect("start kplex");
    wait_until("the server to become ready", || {
        if let Some(status) = child.try_wait().expect("ask for the server's end") {
            panic!("the server ended with {status}:\n{}", log(directory));
        }
        (modified(&kubeconfig) != before).then_some(())
    });
    let text = std::fs::read_to_string(&kubeconfig).expect("read the kubeconfig");
    let address = ControlPlane::new("hub", text).port().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    (child, address.expect("the kubeconfig names the port"))
}

fn command(options: &Options, directory: &Path, listen: SocketAddr) -> Command {
    let log_file = std::fs::OpenOptions::new().create(true).append(true).open(directory.join("test.log"));
    let mut command = kplex();
    command.arg("serve").arg("--data-dir").arg(directory).args(["--listen", &listen.to_string()]);
    match &options.store {
        Store::Memory => command.args(["--store", "memory"]),
        Store::Sqlite => command.args(["--store", "sqlite"]),
        Store::Postgres(url) => command.args(["--store", url]),
    };
    if let Some(domain) = &options.domain {
        command.args(["--domain", domain]);
    }
    command.env("RUST_BACKTRACE", "1").stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(log_file.expect("open the log"));
    command
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// A shell that outlives this process by a moment: when the pipe to it closes, it ends the server and removes the directory.
#[derive(Debug)]
struct Keeper(Child);

impl Keeper {
    fn of(server: &Child, directory: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", r#"read nothing; kill -9 "$0"; rm -rf "$1""#]).arg(server.id().to_string()).arg(directory);
        Self(command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("start a shell"))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The server is dropped in order, so the shell has nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
