//! The running kube-apiserver that is asked. Requests go through `curl`, so the xtask needs no TLS stack.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::Command;

/// Where the server is and how to get in.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) token: String,
}

impl Server {
    /// Gets a JSON document.
    pub(super) fn get(&self, path: &str) -> Result<Value> {
        self.get_as(path, "application/json")
    }

    /// Gets a JSON document in the form that `accept` names.
    pub(super) fn get_as(&self, path: &str, accept: &str) -> Result<Value> {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--insecure", "--fail-with-body", "--max-time", "60"])
            .args(["--header", &format!("Authorization: Bearer {}", self.token)])
            .args(["--header", &format!("Accept: {accept}")])
            .arg(format!("{}{path}", self.url))
            .output()
            .context("run curl")?;
        if !output.status.success() {
            let body = String::from_utf8_lossy(&output.stdout);
            bail!("GET {path}: {} {body}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).with_context(|| format!("parse the answer to GET {path}"))
    }
}
