//! Measures what the README promises, on the release build of `kplex`, and prints rows for `RESULTS.md`.
//!
//! The server is another process, started as its users start it; numbers are those of its clients and of `/proc`.

mod control_planes;
mod definitions;
mod start;
mod throughput;

use anyhow::{Result, bail};

const USAGE: &str = "usage: kplex-benches [start|control-planes|definitions|throughput|all] [--planes 1000] [--samples 100] [--oracle URL,TOKEN,PID[,PID...]]
  $KPLEX_BIN names the program to measure; by default it is built in this program's profile";

/// What to measure, and how much of it.
pub(crate) struct Options {
    /// Control planes for density and for a start with stored ones.
    planes: usize,
    /// Repetitions of what has a median.
    samples: usize,
    /// A server to compare with: URL, bearer token, process ids.
    oracle: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_else(|| "all".to_owned());
    let mut options = Options { planes: 1_000, samples: 100, oracle: None };
    while let Some(flag) = args.next() {
        let Some(value) = args.next() else { bail!("{flag} needs a value\n{USAGE}") };
        match flag.as_str() {
            "--planes" => options.planes = value.parse()?,
            "--samples" => options.samples = value.parse()?,
            "--oracle" => options.oracle = Some(value),
            other => bail!("unknown option {other}\n{USAGE}"),
        }
    }
    println!("program: {}", kplex_conformance::server::program().display());
    println!("load before: {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    println!("| what | measured |\n|---|---|");
    match what.as_str() {
        "start" => start::empty(&options).await?,
        "control-planes" => control_planes::run(&options).await?,
        "definitions" => definitions::run(&options).await?,
        "throughput" => throughput::run(&options).await?,
        "all" => {
            start::empty(&options).await?;
            control_planes::run(&options).await?;
            definitions::run(&options).await?;
            throughput::run(&options).await?;
        }
        other => bail!("unknown bench {other}\n{USAGE}"),
    }
    Ok(())
}

/// Prints a row of the table.
pub(crate) fn row(what: &str, measured: &str) {
    println!("| {what} | {measured} |");
}

/// Returns a percentile of samples in milliseconds, as text.
pub(crate) fn percentiles(samples: &mut [f64]) -> String {
    samples.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let index = ((samples.len() - 1) as f64 * part).round() as usize;
        samples[index]
    };
    format!("p50 {:.1} ms, p90 {:.1} ms, max {:.1} ms, n = {}", at(0.5), at(0.9), at(1.0), samples.len())
}
