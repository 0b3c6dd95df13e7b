//! A control plane as its users have it: a kubeconfig, and what can be done with one.

use crate::wire::Wire;
use base64::Engine;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// A control plane, by its administrator's kubeconfig.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    name: String,
    text: String,
    // The kubeconfig, and what kubectl remembers of the server.
    directory: Arc<TempDir>,
}

impl ControlPlane {
    /// Takes a kubeconfig.
    ///
    /// # Panics
    /// When no file can be written.
    #[must_use]
    pub fn new(name: &str, kubeconfig: String) -> Self {
        let directory = tempfile::tempdir().expect("make a directory");
        std::fs::write(directory.path().join("kubeconfig"), &kubeconfig).expect("write the kubeconfig");
        Self { name: name.to_owned(), text: kubeconfig, directory: Arc::new(directory) }
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the kubeconfig as text.
    #[must_use]
    pub fn kubeconfig(&self) -> &str {
        &self.text
    }

    /// Returns the file with the kubeconfig.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    fn parsed(&self) -> Kubeconfig {
        serde_saphyr::from_str(&self.text).expect("the server writes kubeconfigs")
    }

    /// Returns the URL of the server.
    ///
    /// # Panics
    /// When the kubeconfig has no cluster.
    #[must_use]
    pub fn url(&self) -> String {
        let clusters = self.parsed().clusters;
        let cluster = clusters.into_iter().next().and_then(|cluster| cluster.cluster);
        cluster.and_then(|cluster| cluster.server).expect("the kubeconfig has a server")
    }

    /// Returns what the kubeconfig has in base64: `certificate-authority-data`, `client-certificate-data` or
    /// `client-key-data`.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn certificate_data(&self, key: &str) -> Vec<u8> {
        let document: serde_json::Value = serde_saphyr::from_str(&self.text).expect("the server writes kubeconfigs");
        let places = [format!("/clusters/0/cluster/{key}"), format!("/users/0/user/{key}")];
        let text = places.iter().find_map(|place| document.pointer(place)).and_then(serde_json::Value::as_str);
        let text: String = text.unwrap_or_else(|| panic!("{key} is missing")).split_whitespace().collect();
        base64::engine::general_purpose::STANDARD.decode(text).expect("it is base64")
    }

    /// Returns the port of the server.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.url().parse::<http::Uri>().ok()?.port_u16()
    }

    /// Returns settings for `kube`, as the administrator.
    ///
    /// # Panics
    /// When the kubeconfig makes no sense.
    pub async fn config(&self) -> kube::Config {
        crate::wire::install_crypto();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(self.parsed(), &options).await;
        let mut config = config.expect("the kubeconfig makes sense");
        // A test wants to see every answer.
        config.default_retry = false;
        config
    }

    /// Returns a `kube` client, as the administrator.
    ///
    /// # Panics
    /// When the kubeconfig makes no sense.
    pub async fn client(&self) -> kube::Client {
        kube::Client::try_from(self.config().await).expect("make a client")
    }

    /// Returns raw access, as the administrator.
    pub async fn wire(&self) -> Wire {
        Wire::new(self.client().await)
    }

    /// Returns raw access to a control plane of the same server by name, with this one's certificate.
    pub async fn wire_to(&self, other: &str) -> Wire {
        let mut config = self.config().await;
        config.cluster_url = self.sibling(other);
        Wire::new(kube::Client::try_from(config).expect("make a client"))
    }

    /// Returns raw access without credentials to a control plane of the same server, by name.
    pub async fn anonymous_to(&self, other: &str) -> Wire {
        let with_credentials = self.config().await;
        let mut config = kube::Config::new(self.sibling(other));
        config.root_cert = with_credentials.root_cert;
        config.default_retry = false;
        Wire::new(kube::Client::try_from(config).expect("make a client"))
    }

    fn sibling(&self, other: &str) -> http::Uri {
        let url = self.url();
        let (base, _) = url.rsplit_once("/clusters/").expect("control planes are reached by path");
        format!("{base}/clusters/{other}").parse().expect("a name makes a URL")
    }

    /// Returns a kubectl command for this control plane.
    #[must_use]
    pub fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(self.path()).args(args).env_remove("KUBECONFIG");
        // A discovery cache of its own: ports and names come back in other tests with other content.
        command.env("KUBECACHEDIR", self.directory.path().join("cache"));
        command
    }

    /// Runs kubectl and returns what it wrote.
    ///
    /// # Panics
    /// When it fails.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let out = self.kubectl_output(args, "");
        assert!(out.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("kubectl writes text")
    }

    /// Runs kubectl with a document on its standard input and returns what it wrote.
    ///
    /// # Panics
    /// When it fails.
    pub fn kubectl_with(&self, args: &[&str], input: &str) -> String {
        let out = self.kubectl_output(args, input);
        assert!(out.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("kubectl writes text")
    }

    /// Runs kubectl, which must fail, and returns what it complained about.
    ///
    /// # Panics
    /// When it succeeds.
    pub fn kubectl_fails(&self, args: &[&str], input: &str) -> String {
        let out = self.kubectl_output(args, input);
        assert!(!out.status.success(), "kubectl {args:?} succeeded: {}", String::from_utf8_lossy(&out.stdout));
        String::from_utf8(out.stderr).expect("kubectl writes text")
    }

    /// Runs kubectl.
    ///
    /// # Panics
    /// When it can't be run.
    #[must_use]
    pub fn kubectl_output(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.kubectl_command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("run kubectl");
        let mut pipe = child.stdin.take().expect("a pipe");
        // It may end without reading.
        let _ = pipe.write_all(input.as_bytes());
        drop(pipe);
        child.wait_with_output().expect("wait for kubectl")
    }
}
