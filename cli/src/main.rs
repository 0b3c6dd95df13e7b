//! The `kplex` binary: reads flags, runs a command, prints errors.

mod commands;
mod config;
mod hosting;
mod sentence;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider().install_default().expect("main installs the crypto provider first");
    match commands::run(commands::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kplex: {}", sentence::sentence(&error));
            ExitCode::FAILURE
        }
    }
}
