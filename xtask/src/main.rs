//! Repository chores: `gen-api` regenerates the API table, `gen-limits` the list of limits, `test` runs every check,
//! `differential` compares the server with a real kube-apiserver.

mod differential;
mod gen_api;
mod gen_limits;
mod test;

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

const USAGE: &str = "usage: cargo xtask test [--slow]\n       cargo xtask gen-api [--kubernetes 1.35] [--server URL] [--token TOKEN] [--check]\n       cargo xtask gen-limits [--check]\n       cargo xtask differential [--oracle URL] [--oracle-token TOKEN] [--only NAMES] [--summary]";

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("test") => test::run(args.collect()),
        Some("gen-api") => gen_api::run(args.collect()),
        Some("gen-limits") => gen_limits::run(&args.collect::<Vec<_>>()),
        Some("differential") => differential::run(&args.collect::<Vec<_>>()),
        Some(other) => bail!("unknown command {other}\n{USAGE}"),
        None => bail!("{USAGE}"),
    }
}

/// Returns the root of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

/// Returns where cargo builds.
fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    // target/<profile>/xtask, or target/<profile>/deps/xtask-<hash> for its tests.
    let profile = program.ancestors().find(|path| path.ends_with("debug") || path.ends_with("release"));
    match profile.and_then(Path::parent) {
        Some(target) => Ok(target.to_owned()),
        None => bail!("{} does not lie in a target directory", program.display()),
    }
}
