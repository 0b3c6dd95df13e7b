//! Finding the hosting control plane: the one that serves `ControlPlane` objects.

use anyhow::{Context, bail};
use clap::Args;
use kplex::{HUB, kubeconfig_path};
use kplex_controllers::ControlPlane;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a command reaches the hosting control plane.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Hosting {
    /// Kubeconfig file [default: $KUBECONFIG, else that of the data directory]
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Context of the hosting control plane [default: "hub", else the current one if it serves ControlPlanes]
    #[arg(long)]
    context: Option<String>,
    /// Data directory of the server
    #[arg(long, env = "KPLEX_DATA_DIR", default_value = "kplex-data")]
    data_dir: PathBuf,
}

impl Hosting {
    /// The hub of a server on this machine.
    #[must_use]
    pub(crate) fn in_data_dir(data_dir: &Path) -> Self {
        Self {
            kubeconfig: Some(kubeconfig_path(data_dir)),
            context: Some(HUB.to_owned()),
            data_dir: data_dir.to_owned(),
        }
    }

    fn file(&self) -> anyhow::Result<Kubeconfig> {
        if let Some(path) = &self.kubeconfig {
            return Kubeconfig::read_from(path).context("use --kubeconfig");
        }
        if let Some(config) = Kubeconfig::from_env().context("use $KUBECONFIG")? {
            return Ok(config);
        }
        let path = kubeconfig_path(&self.data_dir);
        if !path.exists() {
            bail!(
                "no --kubeconfig, no $KUBECONFIG, and no server has run on the data directory {}",
                self.data_dir.display()
            );
        }
        Kubeconfig::read_from(&path).context("use the data directory's kubeconfig")
    }

    /// Connects.
    ///
    /// # Errors
    /// When there is no kubeconfig, or no context of it serves ControlPlanes.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        let file = self.file()?;
        let has_hub = file.contexts.iter().any(|context| context.name == HUB);
        let context = match &self.context {
            Some(context) => Some(context.clone()),
            None if has_hub => Some(HUB.to_owned()),
            None => None,
        };
        let chosen = context.is_some();
        let name = context.clone().or_else(|| file.current_context.clone()).unwrap_or_default();
        let client = connect(file, context).await?;
        if !chosen && !serves_control_planes(&client).await {
            bail!(
                "the current context {name:?} does not serve ControlPlanes, and there is no context {HUB:?}: name one with --context"
            );
        }
        Ok(client)
    }
}

async fn connect(file: Kubeconfig, context: Option<String>) -> anyhow::Result<Client> {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(file, &options).await.context("use the kubeconfig")?;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).context("make a client")
}

async fn serves_control_planes(client: &Client) -> bool {
    Api::<ControlPlane>::all(client.clone()).list(&kube::api::ListParams::default().limit(1)).await.is_ok()
}

/// Returns the address of the server that a context of a kubeconfig leads to: what runs may differ from what was asked for.
#[must_use]
pub(crate) fn server(kubeconfig: &Path, context: &str) -> Option<String> {
    let file = Kubeconfig::read_from(kubeconfig).ok()?;
    let named = file.contexts.into_iter().find(|named| named.name == context)?.context?;
    let cluster = file.clusters.into_iter().find(|cluster| cluster.name == named.cluster)?.cluster?;
    let server = cluster.server?;
    Some(server.split_once("/clusters/").map_or(server.as_str(), |(address, _)| address).to_owned())
}

/// A runtime for one command.
///
/// # Errors
/// When the system gives no threads.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")
}

/// Merges a kubeconfig into a file's content; entries of the same names are replaced, `current` becomes the current context.
///
/// # Errors
/// When either is not a kubeconfig.
pub(crate) fn merge(path: &Path, addition: &str, current: Option<&str>) -> anyhow::Result<String> {
    let addition: Kubeconfig = serde_saphyr::from_str(addition).context("parse the new kubeconfig")?;
    let mut file = if path.exists() {
        Kubeconfig::read_from(path).with_context(|| format!("read {}", path.display()))?
    } else {
        Kubeconfig { kind: Some("Config".to_owned()), api_version: Some("v1".to_owned()), ..Kubeconfig::default() }
    };
    file.clusters.retain(|own| addition.clusters.iter().all(|new| new.name != own.name));
    file.auth_infos.retain(|own| addition.auth_infos.iter().all(|new| new.name != own.name));
    file.contexts.retain(|own| addition.contexts.iter().all(|new| new.name != own.name));
    file.clusters.extend(addition.clusters);
    file.auth_infos.extend(addition.auth_infos);
    file.contexts.extend(addition.contexts);
    file.current_context = current.map(str::to_owned).or(file.current_context).or(addition.current_context);
    serde_saphyr::to_string(&file).context("write a kubeconfig")
}
