//! A PostgreSQL of the tests' own, started once per test process, with one database for each server.
//!
//! It listens on a socket in a directory of its own and goes with the process however that ends: a shell holds a pipe to
//! us, and when the pipe closes it stops the server and removes the directory.

use crate::eventually::wait_until;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Cluster {
    directory: PathBuf,
    binaries: PathBuf,
    _keeper: Child,
}

/// Makes a database and returns its URL.
///
/// # Panics
/// When PostgreSQL is not installed: a suite that skips is a suite that lies.
#[must_use]
pub fn database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let cluster = CLUSTER.get_or_init(start);
    let name = format!("test{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    assert!(cluster.psql(&format!("CREATE DATABASE {name}")), "make a database");
    let host = cluster.directory.display().to_string().replace('/', "%2F");
    format!("postgres://postgres@{host}/{name}")
}

/// Asks a database of this cluster, by URL, and returns the first column of the first row.
///
/// # Panics
/// When the question makes no sense.
#[must_use]
pub fn ask(url: &str, query: &str) -> String {
    let mut psql = Command::new(binaries().join("psql"));
    let out = psql.args(["-qXAtc", query, url]).stdin(Stdio::null()).output().expect("run psql");
    assert!(out.status.success(), "{query}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

impl Cluster {
    fn psql(&self, command: &str) -> bool {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.arg("-qXc").arg(command).arg("-h").arg(&self.directory).args(["-U", "postgres", "postgres"]);
        let done = psql.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    }
}

const SCRIPT: &str = r#"
    set -e
    "$BINARIES/initdb" -D "$DIRECTORY/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
    "$BINARIES/postgres" -D "$DIRECTORY/data" -k "$DIRECTORY" -c listen_addresses= \
        -c max_connections=200 -c shared_buffers=32MB -c log_min_messages=fatal </dev/null &
    server=$!
    read wait || true
    kill -INT $server
    wait $server || true
    rm -rf "$DIRECTORY/data" "$DIRECTORY"/.s.*
    rmdir "$DIRECTORY" || true
"#;

fn start() -> Cluster {
    let binaries = binaries();
    let directory = tempfile::Builder::new().prefix("kplex-pg-").tempdir().expect("make a directory").keep();
    let mut keeper = as_other_user(&directory);
    keeper.args(["sh", "-c", SCRIPT]).env("BINARIES", &binaries).env("DIRECTORY", &directory);
    let keeper = keeper.current_dir("/").stdin(Stdio::piped()).spawn().expect("start the shell that keeps PostgreSQL");
    let cluster = Cluster { directory, binaries, _keeper: keeper };
    wait_until("PostgreSQL to start", || cluster.psql("SELECT 1").then_some(()));
    cluster
}

/// Returns the directory of the newest PostgreSQL that is installed.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|bin| bin.join("initdb").exists());
    found.sort();
    found.pop().expect("PostgreSQL is not installed under /usr/lib/postgresql: apt-get install -y postgresql")
}

/// Returns a command that runs its arguments as somebody who is not root, because initdb refuses root.
fn as_other_user(directory: &Path) -> Command {
    let id = Command::new("id").arg("-u").output().expect("ask who we are").stdout;
    if id.trim_ascii() != b"0" {
        return Command::new("env");
    }
    let owner = Command::new("chown").arg("postgres:postgres").arg(directory).status().expect("run chown");
    assert!(owner.success(), "the package postgresql makes a user postgres");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command
}
