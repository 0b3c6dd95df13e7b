//! The commands of `kplex`, one file each.

mod control_planes;
mod serve;
mod up;

use crate::config::Settings;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Many lightweight Kubernetes control planes in one process.
#[derive(Parser)]
#[command(name = "kplex", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a server in the background with a first control plane "cp1", and say what to type next
    Up {
        #[command(flatten)]
        settings: Settings,
    },
    /// Stop the server that "up" started
    Down {
        #[command(flatten)]
        settings: Settings,
    },
    /// Run the server in the foreground
    Serve {
        #[command(flatten)]
        settings: Settings,
        /// A YAML file with the same settings
        #[arg(long, env = "KPLEX_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Create a control plane and wait until it is ready
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        hosting: crate::hosting::Hosting,
    },
    /// Delete a control plane and all that is in it
    Delete {
        /// Its name
        name: String,
        #[command(flatten)]
        hosting: crate::hosting::Hosting,
    },
    /// List control planes, or show one
    Get {
        /// Only this one
        name: Option<String>,
        #[command(flatten)]
        hosting: crate::hosting::Hosting,
    },
    /// Print a control plane's kubeconfig
    Kubeconfig {
        /// Its name
        name: String,
        #[command(flatten)]
        hosting: crate::hosting::Hosting,
    },
}

/// Runs a command to its end.
///
/// # Errors
/// What went wrong, for the user.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Up { settings } => up::up(settings),
        Command::Down { settings } => up::down(settings),
        Command::Serve { settings, config } => serve::serve(settings, config.as_deref()),
        Command::Create { name, hosting } => control_planes::create(&name, &hosting),
        Command::Delete { name, hosting } => control_planes::delete(&name, &hosting),
        Command::Get { name, hosting } => control_planes::get(name.as_deref(), &hosting),
        Command::Kubeconfig { name, hosting } => control_planes::kubeconfig(&name, &hosting),
    }
}
