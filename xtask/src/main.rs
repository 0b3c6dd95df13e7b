//! Repository chores: `gen-api` regenerates the API table, `test` runs every test.

fn main() {}
