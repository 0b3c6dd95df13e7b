//! The listener: TCP, TLS, the choice of a certificate by host name, HTTP/1.1 and HTTP/2, and the drain.
//!
//! It hands each request with a [`ConnectionInfo`] to one service and knows nothing of Kubernetes: what a client
//! certificate means is decided after routing, against the tenant's authority. Read [`listener`] first.

pub mod listener;

mod connection;
mod handshake;

pub mod certificates;
mod tls;

pub mod body;
pub mod limits;
mod tracking;

use std::net::SocketAddr;
use std::sync::Arc;

use kplex_tenants::TenantName;
use rustls_pki_types::CertificateDer;

pub use certificates::{Certificates, OwnNames};
pub use limits::ServerLimits;
pub use listener::{Drained, Listener, ServerStats};

/// What is known of a connection before its first request.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The client's address.
    pub peer_addr: SocketAddr,
    /// Our address.
    pub local_addr: SocketAddr,
    /// The host name that the client asked for in the handshake, in lower case.
    pub sni: Option<String>,
    /// The client's certificates, the leaf first. The client has proved that it holds the leaf's key, and nothing
    /// else was checked.
    pub client_certs: Arc<[CertificateDer<'static>]>,
    /// As whom the server presented itself.
    pub server_identity: ServerIdentity,
}

/// As whom the server presented itself in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerIdentity {
    /// As itself: the path of a request names the tenant.
    Server,
    /// As this tenant, which need not exist. SNI and authority of a request must mean the same one.
    Tenant(TenantName),
}

#[cfg(test)]
mod tests;
