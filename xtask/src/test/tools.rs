//! The programs that the tests call: curl, kubectl and a PostgreSQL server. Missing ones are installed.
//!
//! kubectl is built from its Go module where Go is there, because Debian's own is years older than the API it would talk to.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Version of the Go module that kubectl is built from.
const KUBECTL: &str = "v0.35.4";

/// Installs what is missing and returns the `PATH` that finds it.
pub(super) fn ensure() -> Result<String> {
    let mut packages: Vec<&str> = if on_path("curl") { Vec::new() } else { vec!["curl"] };
    if !has_postgres() {
        packages.push("postgresql");
    }
    let mut path = std::env::var("PATH").unwrap_or_default();
    if !on_path("kubectl") {
        match build_kubectl() {
            Ok(directory) => path = format!("{}:{path}", directory.display()),
            Err(error) => {
                println!("kubectl: not built from source ({error:#}); taking Debian's, which is old");
                packages.push("kubernetes-client");
            }
        }
    }
    if !packages.is_empty() {
        install(&packages)?;
    }
    Ok(path)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Whether `initdb` lies where Debian puts it.
fn has_postgres() -> bool {
    let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") else { return false };
    versions.flatten().any(|version| version.path().join("bin/initdb").is_file())
}

fn install(packages: &[&str]) -> Result<()> {
    if !on_path("apt-get") {
        bail!("please install: {}", packages.join(", "));
    }
    println!("installing {}", packages.join(", "));
    apt_get(&["update", "-q"])?;
    let mut args = vec!["install", "-y", "-q", "--no-install-recommends"];
    args.extend(packages);
    apt_get(&args)
}

fn apt_get(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    let status = command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()).status();
    let status = status.context("run apt-get")?;
    if !status.success() {
        bail!("apt-get {} ended with {status}; it needs root", args.join(" "));
    }
    Ok(())
}

/// Builds kubectl into the target directory, unless it lies there already.
fn build_kubectl() -> Result<PathBuf> {
    let directory = crate::target_directory()?.join("kubectl");
    if directory.join("kubectl").is_file() {
        return Ok(directory);
    }
    if !on_path("go") {
        bail!("there is no Go");
    }
    println!("building kubectl {KUBECTL} (some minutes)");
    std::fs::create_dir_all(&directory).context("create its directory")?;
    std::fs::write(directory.join("go.mod"), "module kubectl\n\ngo 1.24\n").context("write go.mod")?;
    std::fs::write(directory.join("main.go"), MAIN_GO).context("write main.go")?;
    for module in ["kubectl", "component-base"] {
        go(&directory, &["get", &format!("k8s.io/{module}@{KUBECTL}")])?;
    }
    go(&directory, &["mod", "tidy"])?;
    go(&directory, &["build", "-o", "kubectl", "."])?;
    Ok(directory)
}

const MAIN_GO: &str = r#"package main

import (
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		panic(err)
	}
}
"#;

fn go(directory: &Path, args: &[&str]) -> Result<()> {
    let status = Command::new("go").args(args).current_dir(directory).status().context("run go")?;
    if !status.success() {
        bail!("go {} ended with {status}", args.join(" "));
    }
    Ok(())
}
