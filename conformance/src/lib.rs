//! Starts the built `kplex` and talks to it as its users do: over TLS, with `kubectl`, `curl` and `kube`.
//!
//! This crate sees only the wire: it depends on no other crate of the workspace, so that a test can't pass because the
//! server and the test share a mistake.

pub mod server;

pub mod control_plane;
pub mod wire;

pub mod eventually;
pub mod postgres;

pub use control_plane::ControlPlane;
pub use eventually::{eventually, wait_until};
pub use server::{Options, Server, Store};
pub use wire::{Answer, Watch, Wire};
