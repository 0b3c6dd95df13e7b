//! What the README promises to somebody who has never seen Kubeplex, command by command.

use kplex_conformance::server::kplex;
use kplex_conformance::{ControlPlane, Options, Server, Store, postgres, wait_until};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// A user's shell: a directory, and the environment that `up` tells them to set.
struct Shell {
    directory: tempfile::TempDir,
    listen: String,
    store: String,
}

impl Shell {
    fn new(store: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { directory: tempfile::tempdir().unwrap(), listen: free.to_string(), store: store.to_owned() }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// `kplex up` and `kplex down` as the README has them, except for the port: other tests run beside this one.
    fn kplex(&self, args: &[&str]) -> Output {
        let mut command = kplex();
        command.current_dir(self.path()).env("KPLEX_LISTEN", &self.listen).env("KPLEX_STORE", &self.store);
        command.env("KUBECONFIG", self.path().join("kplex-data/kubeconfig")).args(args).output().unwrap()
    }

    fn kplex_ok(&self, args: &[&str]) -> String {
        let out = self.kplex(args);
        assert!(out.status.success(), "kplex {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let mut command = Command::new("kubectl");
        command.current_dir(self.path()).env("KUBECONFIG", self.path().join("kplex-data/kubeconfig"));
        let out = command.env("KUBECACHEDIR", self.path().join("cache")).args(args).output().unwrap();
        assert!(out.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.kplex(&["down"]);
    }
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/controlplane.yaml");
    path.to_str().unwrap().to_owned()
}

fn transcript(store: &str) {
    let shell = Shell::new(store);
    let said = shell.kplex_ok(&["up"]);
    assert!(said.contains("export KUBECONFIG="), "up says what to type next: {said}");

    shell.kubectl(&["create", "namespace", "shop"]);
    shell.kubectl(&["-n", "shop", "create", "deployment", "web", "--image=nginx"]);
    let seen = wait_until("the namespace's own objects", || {
        let seen = shell.kubectl(&["-n", "shop", "get", "deployments,configmaps,serviceaccounts"]);
        (seen.contains("kube-root-ca.crt") && seen.contains("serviceaccount/default")).then_some(seen)
    });
    assert!(seen.contains("deployment.apps/web"), "{seen}");

    shell.kubectl(&["--context", "hub", "apply", "-f", &example()]);
    shell.kubectl(&["--context", "hub", "wait", "controlplane/cp2", "--for=condition=Ready"]);
    let list = shell.kubectl(&["--context", "hub", "get", "controlplanes"]);
    let heading: Vec<&str> = list.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heading, ["NAME", "SYNCED", "READY", "TYPE", "AGE"]);
    let row: Vec<&str> = list.lines().find(|line| line.starts_with("cp2")).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["cp2", "True", "True", "k8s"]);

    let second = ControlPlane::new("cp2", shell.kplex_ok(&["kubeconfig", "cp2"]));
    assert!(!second.kubectl(&["get", "namespaces"]).contains("shop"), "nothing of cp1 is in cp2");
    let secret = shell.kubectl(&["--context", "hub", "-n", "cp2-system", "get", "secret", "admin-kubeconfig"]);
    assert!(secret.contains("admin-kubeconfig"));

    shell.kubectl(&["--context", "hub", "delete", "controlplane", "cp2"]);
    assert!(!shell.kubectl(&["--context", "hub", "get", "controlplanes"]).contains("cp2"));
    let after = second.kubectl_fails(&["get", "namespaces"], "");
    assert!(after.contains("Unauthorized") || after.contains("must be logged in"), "cp2 is gone: {after}");

    shell.kplex_ok(&["down"]);
    shell.kplex_ok(&["up"]);
    assert!(shell.kubectl(&["get", "namespaces"]).contains("shop"), "a stopped server keeps what it had");
}

#[test]
fn the_readme_works_word_for_word() {
    transcript("sqlite");
}

#[test]
fn the_readme_works_over_postgres() {
    transcript(&postgres::database());
}

#[test]
fn up_twice_is_up_once() {
    let shell = Shell::new("sqlite");
    shell.kplex_ok(&["up"]);
    let pid = || std::fs::read_to_string(shell.path().join("kplex-data/kplex.pid")).unwrap();
    let first = pid();
    shell.kplex_ok(&["up"]);
    assert_eq!(pid(), first);
}

#[test]
fn control_planes_are_made_listed_and_deleted_by_command() {
    let server = Server::start(Options { store: Store::Memory, ..Options::default() });
    let made = server.create("by-command");
    assert!(made.kubectl(&["get", "namespaces"]).contains("default"));
    let list = String::from_utf8(server.kplex(&["get"]).stdout).unwrap();
    assert!(list.contains("by-command"), "{list}");
    assert!(server.kplex(&["delete", "by-command"]).status.success());
    let gone = server.kplex(&["kubeconfig", "by-command"]);
    assert!(!gone.status.success());
    assert!(String::from_utf8_lossy(&gone.stderr).contains("by-command"), "the error names what was not found");
}

#[test]
fn what_goes_wrong_is_told_in_one_sentence() {
    // A refused create printed the whole Status, three times over, and a name of 57 characters waited for a minute.
    let server = Server::start(Options { store: Store::Memory, ..Options::default() });
    let _ = server.create("taken");
    let long = "x".repeat(57);
    for (args, told) in [
        (
            ["create", "taken"],
            "create control plane taken: controlplanes.tenancy.kflex.kubestellar.org \"taken\" already exists",
        ),
        (["get", "nope"], "find control plane nope: controlplanes.tenancy.kflex.kubestellar.org \"nope\" not found"),
        (["create", "hub"], "name \"hub\" is reserved"),
        (
            ["create", &long],
            &format!("name \"{long}\" must be no more than 56 characters, so that `<name>-system` is a namespace"),
        ),
    ] {
        let out = server.kplex(&args);
        assert!(!out.status.success(), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&out.stderr).trim_end(), format!("kplex: {told}"), "{args:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let absent = kplex().arg("get").arg("--kubeconfig").arg(directory.path().join("absent")).output().unwrap();
    let said = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
}

#[test]
fn a_name_that_no_control_plane_can_have_is_told_in_its_condition() {
    let server = Server::start(Options { store: Store::Memory, ..Options::default() });
    let hub = server.hub();
    let document = std::fs::read_to_string(example()).unwrap().replace("name: cp2", "name: a.b");
    hub.kubectl_with(&["create", "-f", "-"], &document);
    hub.kubectl(&["wait", "controlplane/a.b", "--for=condition=Synced=false", "--timeout=20s"]);
    let told = hub.kubectl(&["get", "controlplane", "a.b", "-o", "jsonpath={.status.conditions[0].message}"]);
    assert!(told.contains("must consist of lower case"), "{told}");
    hub.kubectl(&["delete", "controlplane", "a.b", "--timeout=20s"]);
}

#[test]
fn a_domain_that_is_no_host_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let out = kplex()
        .args(["serve", "--listen", "127.0.0.1:0", "--domain", "a b", "--data-dir"])
        .arg(directory.path())
        .output();
    let said = String::from_utf8_lossy(&out.unwrap().stderr).into_owned();
    assert!(said.contains("domain must be a host name"), "{said}");
}

#[test]
fn up_says_where_the_server_is_that_runs_already() {
    let shell = Shell::new("sqlite");
    shell.kplex_ok(&["up"]);
    let again = shell.kplex_ok(&["up", "--listen", "127.0.0.1:1"]);
    assert!(again.contains(&format!("https://{}. ", shell.listen)), "{again}");
    assert!(
        !std::fs::read_to_string(shell.path().join("kplex-data/kplex.log")).unwrap().contains('\u{1b}'),
        "a file is no terminal"
    );
}

#[test]
fn up_with_a_domain_that_nobody_resolves_says_so_and_can_be_taken_down() {
    // It waited for a minute and then said only that the server was not ready.
    let shell = Shell::new("sqlite");
    let out = shell.kplex(&["up", "--domain", "nowhere.invalid"]);
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("https://hub.nowhere.invalid") && said.contains("can't be reached"), "{said}");
    shell.kplex_ok(&["down"]);
}

#[test]
fn a_context_that_serves_no_control_planes_is_refused_with_a_sentence() {
    let server = Server::shared();
    let tenant = server.create("not-a-hub");
    let out = kplex().arg("get").arg("--kubeconfig").arg(tenant.path()).output().unwrap();
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("does not serve ControlPlanes") && said.contains("--context"), "{said}");
}

#[test]
fn unknown_configuration_keys_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kplex.yaml");
    std::fs::write(&file, "listne: 127.0.0.1:1\n").unwrap();
    let out = kplex().arg("serve").arg("--config").arg(&file).output().unwrap();
    assert!(!out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("listne"));
}
