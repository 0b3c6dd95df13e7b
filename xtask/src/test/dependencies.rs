//! Rules about dependencies: none of the banned crates, and none that its crate's sources never name.

use crate::repository;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Crates that must not be in the tree, with the reason.
const BANNED: [(&str, &str); 4] = [
    ("ring", "the one crypto library is aws-lc-rs"),
    ("openssl", "the one TLS library is rustls"),
    ("openssl-sys", "the one TLS library is rustls"),
    ("native-tls", "the one TLS library is rustls"),
];

/// Dependencies that a crate needs without naming them in its sources, with the reason.
const UNNAMED: [(&str, &str, &str); 2] = [
    ("kplex-descriptions", "k8s-openapi", "its source is data of the build script, found by path"),
    ("kplex-benches", "k8s-openapi", "kube wants each binary to choose the Kubernetes version"),
];

/// Checks both rules.
pub(super) fn check() -> Result<()> {
    let mut faults = banned()?;
    faults.extend(unused()?);
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

fn cargo(args: &[&str]) -> Result<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo).args(args).current_dir(repository()).output().context("run cargo")?;
    if !output.status.success() {
        bail!("cargo {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("cargo wrote text")
}

fn banned() -> Result<Vec<String>> {
    let tree = cargo(&["tree", "--workspace", "--edges", "all", "--prefix", "none", "--format", "{p}"])?;
    let present = |name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    let found = BANNED.iter().filter(|(name, _)| present(name));
    Ok(found.map(|(name, reason)| format!("crate {name} is in the tree: {reason} (cargo tree -i {name})")).collect())
}

fn unused() -> Result<Vec<String>> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])?)?;
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().context("metadata lists packages")? {
        let name = package["name"].as_str().context("a package has a name")?;
        let mut sources = String::new();
        for target in package["targets"].as_array().into_iter().flatten() {
            let root = Path::new(target["src_path"].as_str().context("a target has a path")?);
            collect(root.parent().context("a source lies in a directory")?, &mut sources)?;
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let called =
                dependency["rename"].as_str().or(dependency["name"].as_str()).context("a dependency has a name")?;
            let excepted = UNNAMED.iter().any(|(package, dependency, _)| *package == name && *dependency == called);
            if !excepted && !names(&sources, &called.replace('-', "_")) {
                faults.push(format!("crate {name} does not use its dependency {called}"));
            }
        }
    }
    Ok(faults)
}

/// Appends all Rust sources below a directory.
fn collect(directory: &Path, out: &mut String) -> Result<()> {
    for entry in std::fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            // A package below this one has its own manifest and its own check.
            if !path.join("Cargo.toml").exists() && !path.ends_with("target") {
                collect(&path, out)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push_str(&std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?);
        }
    }
    Ok(())
}

/// Whether an identifier stands in a text as a word of its own.
fn names(text: &str, identifier: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(identifier).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(part_of_word)
            && !text[at + identifier.len()..].chars().next().is_some_and(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_found_only_as_a_whole_word() {
        assert!(names("use http::Uri;", "http"));
        assert!(!names("use http_body::Body;", "http"));
        assert!(!names("use my_http::Uri;", "http"));
    }

    #[test]
    fn the_repository_keeps_its_own_rules() {
        check().unwrap();
    }
}
