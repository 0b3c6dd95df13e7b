//! A PostgreSQL of the tests' own: started once per test process, with one database for each test.
//!
//! It listens on a socket in a directory of its own, and goes with the process however that ends: a shell holds a pipe
//! to us, and when the pipe closes it stops the server and removes the directory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

struct Cluster {
    directory: PathBuf,
    port: u16,
    binaries: PathBuf,
    _keeper: Child,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Makes a database and returns its URL.
///
/// # Panics
/// When PostgreSQL is not installed: a suite that skips is a suite that lies.
pub(crate) fn database() -> String {
    let cluster = CLUSTER.get_or_init(start);
    format!("host={} port={} user=postgres dbname={}", cluster.directory.display(), cluster.port, cluster.make())
}

/// Makes a database that can be reached over TCP, encrypted or not. Returns its URL and the root of its certificate.
pub(crate) fn encrypted_database() -> (String, String) {
    let cluster = CLUSTER.get_or_init(start);
    let url = format!("postgres://postgres@localhost:{}/{}", cluster.port, cluster.make());
    (url, cluster.directory.join("server.crt").display().to_string())
}

impl Cluster {
    fn make(&self) -> String {
        let name = format!("test{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let made = self.psql(&format!("CREATE DATABASE {name}"));
        assert!(made, "make a database in {}", self.directory.display());
        name
    }

    fn psql(&self, command: &str) -> bool {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.arg("-qXc").arg(command).arg("-h").arg(&self.directory).arg("-p").arg(self.port.to_string());
        psql.args(["-U", "postgres", "postgres"]);
        let done = psql.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    }
}

fn start() -> Cluster {
    let binaries = binaries();
    let directory = tempfile::Builder::new().prefix("kplex-pg-").tempdir().expect("make a directory").keep();
    let script = r#"
        set -e
        "$BINARIES/initdb" -D "$DIRECTORY/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
        "$BINARIES/postgres" -D "$DIRECTORY/data" -k "$DIRECTORY" -p "$PORT" -c listen_addresses=127.0.0.1 \
            -c ssl=on -c ssl_cert_file="$DIRECTORY/server.crt" -c ssl_key_file="$DIRECTORY/server.key" \
            -c max_connections=300 -c shared_buffers=32MB -c log_min_messages=panic </dev/null &
        server=$!
        read wait || true
        kill -INT $server
        wait $server || true
        rm -rf "$DIRECTORY/data" "$DIRECTORY"/.s.* "$DIRECTORY"/server.*
        rmdir "$DIRECTORY" || true
    "#;
    certify(&directory);
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = port.expect("find a free port").port();
    let mut keeper = as_other_user(&directory);
    keeper.args(["sh", "-c", script]).env("BINARIES", &binaries).env("DIRECTORY", &directory);
    keeper.env("PORT", port.to_string());
    // Nobody writes to the pipe: it ends when this process does.
    let keeper = keeper.current_dir("/").stdin(Stdio::piped()).spawn().expect("start the shell that keeps PostgreSQL");
    let cluster = Cluster { directory, port, binaries, _keeper: keeper };
    for _ in 0..600 {
        if cluster.psql("SELECT 1") {
            return cluster;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("PostgreSQL did not start in {}", cluster.directory.display());
}

/// Puts a certificate for `localhost` and its key where the server will look for them.
fn certify(directory: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("make a certificate");
    let key = directory.join("server.key");
    std::fs::write(directory.join("server.crt"), made.cert.pem()).expect("write the certificate");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("write the key");
    let secret = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, secret).expect("protect the key");
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
    let owner = Command::new("chown")
        .args(["-R", "postgres:postgres"])
        .arg(directory)
        .status()
        .expect("give the directory away");
    assert!(owner.success(), "the package postgresql makes a user postgres");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command
}
