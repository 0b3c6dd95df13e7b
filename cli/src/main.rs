//! The `kplex` binary: `up`, `serve` and the user's commands.

fn main() {}
