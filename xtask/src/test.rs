//! `cargo xtask test`: installs what the tests need where it is missing, then runs every check of the repository.
//!
//! What a check is and in which order they run is the table in [`run`]; cheap ones come first.

mod dependencies;
mod tools;

use crate::repository;
use anyhow::{Context, Result, bail};
use std::process::Command;
use std::time::Instant;

/// Runs the checks; `--slow` adds the suites that take minutes.
pub(crate) fn run(args: Vec<String>) -> Result<()> {
    let slow = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--slow"] => true,
        other => bail!("unknown arguments {other:?}\nusage: cargo xtask test [--slow]"),
    };
    let path = step("tools", tools::ensure)?;
    step("format", || cargo(&["fmt", "--all", "--check"], &[]))?;
    step("dependencies", dependencies::check)?;
    step("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]))?;
    // The black-box suites start this program.
    step("build", || cargo(&["build", "--workspace", "--bins"], &[]))?;
    let slow = if slow { "1" } else { "" };
    step("test", || cargo(&["test", "--workspace"], &[("PATH", path.as_str()), ("KPLEX_TEST_SLOW", slow)]))?;
    println!("all checks passed");
    Ok(())
}

/// Runs one step and says how long it took.
fn step<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    let start = Instant::now();
    let out = run().with_context(|| format!("step {name:?} failed"))?;
    println!("== {name}: {} s", start.elapsed().as_secs());
    Ok(out)
}

fn cargo(args: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(repository()).envs(environment.iter().copied());
    let status = command.status().with_context(|| format!("run cargo {}", args.join(" ")))?;
    if !status.success() {
        bail!("cargo {} ended with {status}", args.join(" "));
    }
    Ok(())
}
