//! Configuration of the server: flags, then `KPLEX_*` variables, then one file, the same names in each.

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Returns the name that the flag, the variable and the file have for it.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Settings of the server as given; what is absent here may come from the file.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    /// Directory of the embedded store, the server's keys and the kubeconfig [default: kplex-data]
    #[arg(long, env = "KPLEX_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:9443]
    #[arg(long, env = "KPLEX_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Where objects are kept: "sqlite" (a file in the data directory), "memory", or a postgres:// URL [default: sqlite]
    #[arg(long, env = "KPLEX_STORE")]
    pub store: Option<String>,
    /// Host-name suffix of control planes; kubeconfigs then use https://<name>.<domain> instead of paths
    #[arg(long, env = "KPLEX_DOMAIN")]
    pub domain: Option<String>,
    /// Filter of log lines, such as "info" or "kplex_apiserver=debug" [default: info]
    #[arg(long, env = "KPLEX_LOG")]
    pub log: Option<String>,
    /// Form of log lines [default: text]
    #[arg(long, env = "KPLEX_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Settings that are complete and checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// See [`Settings::data_dir`].
    pub data_dir: PathBuf,
    /// See [`Settings::listen`].
    pub listen: SocketAddr,
    /// See [`Settings::store`].
    pub store: kplex::StoreChoice,
    /// See [`Settings::domain`].
    pub domain: Option<String>,
    /// See [`Settings::log`].
    pub log: String,
    /// See [`Settings::log_format`].
    pub log_format: LogFormat,
}

impl Settings {
    /// Completes the settings from a file and the defaults.
    ///
    /// # Errors
    /// When the file can't be read, has unknown keys, or a value makes no sense.
    pub(crate) fn complete(self, file: Option<&Path>) -> anyhow::Result<Config> {
        let file = file.map(read).transpose()?.unwrap_or_default();
        let data_dir = self.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("kplex-data"));
        let store = self.store.or(file.store).unwrap_or_else(|| "sqlite".to_owned());
        let store = match store.as_str() {
            "sqlite" => kplex::StoreChoice::Sqlite,
            "memory" => kplex::StoreChoice::Memory,
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                kplex::StoreChoice::Postgres(url.to_owned())
            }
            other => bail!("store {other:?} is not known: use \"sqlite\", \"memory\" or a postgres:// URL"),
        };
        Ok(Config {
            data_dir,
            listen: self.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9443))),
            store,
            domain: self.domain.or(file.domain),
            log: self.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
        })
    }
}

fn read(path: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    // Without the snippet: the message has its line and column, and one line is enough.
    serde_saphyr::from_str(&text).map_err(|error| anyhow!("{}: {}", path.display(), error.without_snippet()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_unknown_keys_are_refused() {
        let directory = std::env::temp_dir().join(format!("kplex-config-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("kplex.yaml");
        std::fs::write(&path, "listen: 127.0.0.1:1\ndata-dir: /from/file\nlog-format: json\n").unwrap();
        let flags = Settings { listen: Some("127.0.0.1:2".parse().unwrap()), ..Settings::default() };
        let config = flags.complete(Some(&path)).unwrap();
        assert_eq!(
            (config.listen.port(), config.data_dir.to_str(), config.log_format),
            (2, Some("/from/file"), LogFormat::Json)
        );
        std::fs::write(&path, "lisen: 127.0.0.1:1\n").unwrap();
        assert!(format!("{:#}", Settings::default().complete(Some(&path)).unwrap_err()).contains("lisen"));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
