//! From an accepted socket to an encrypted stream: the client's hello chooses the certificate.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::ConnectionInfo;
use super::certificates::{CertificateError, Certificates};

/// What is told to a client that speaks plain HTTP, as Go's server tells it.
const PLAIN_HTTP_ANSWER: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Why a handshake did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("complete the TLS handshake")]
    Tls(#[from] io::Error),
    #[error("choose a certificate")]
    Certificate(#[from] CertificateError),
    #[error("client sent an HTTP request to an HTTPS server")]
    PlainHttp,
}

/// Encrypts a socket.
pub(super) async fn perform(
    mut socket: TcpStream,
    certificates: &Certificates,
) -> Result<(TlsStream<TcpStream>, ConnectionInfo), HandshakeError> {
    let peer_addr = socket.peer_addr()?;
    let local_addr = socket.local_addr()?;
    if speaks_plain_http(&socket).await? {
        socket.write_all(PLAIN_HTTP_ANSWER).await?;
        socket.shutdown().await?;
        return Err(HandshakeError::PlainHttp);
    }
    let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    let sni = start.client_hello().server_name().map(str::to_ascii_lowercase);
    let choice = certificates.choose(sni.as_deref(), local_addr.ip().to_canonical()).await?;
    let stream = start.into_stream(choice.config).await?;
    let client_certs = stream.get_ref().1.peer_certificates().map(Arc::from).unwrap_or_default();
    let info = ConnectionInfo { peer_addr, local_addr, sni, client_certs, server_identity: choice.identity };
    Ok((stream, info))
}

/// Looks at the first byte without taking it: a TLS record begins with 22, a request line with a capital letter.
async fn speaks_plain_http(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match socket.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0].is_ascii_uppercase()),
    }
}

/// The handshakes in progress, oldest first.
pub(super) struct HalfOpen {
    limit: usize,
    /// Held for an insert or a removal.
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    taken: BTreeMap<u64, CancellationToken>,
}

impl HalfOpen {
    pub(super) fn new(limit: usize) -> Arc<HalfOpen> {
        Arc::new(HalfOpen { limit, places: Mutex::default() })
    }

    /// Takes a place. Beyond the limit the oldest one's token is cancelled: an honest client needs its place for
    /// milliseconds, so the oldest is the least likely to be one.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let mut places = self.places.lock();
        let number = places.next;
        places.next += 1;
        let given_up = CancellationToken::new();
        places.taken.insert(number, given_up.clone());
        if places.taken.len() > self.limit
            && let Some((_, oldest)) = places.taken.pop_first()
        {
            oldest.cancel();
        }
        drop(places);
        Place { half_open: Arc::clone(self), number, given_up }
    }
}

/// A handshake in progress.
pub(super) struct Place {
    half_open: Arc<HalfOpen>,
    number: u64,
    /// Cancelled when the place is needed by another.
    pub(super) given_up: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.half_open.places.lock().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_handshake_gives_way() {
        let half_open = HalfOpen::new(2);
        let first = half_open.enter();
        let second = half_open.enter();
        assert!(!first.given_up.is_cancelled());
        let third = half_open.enter();
        assert!(first.given_up.is_cancelled());
        assert!(!second.given_up.is_cancelled());
        drop((first, second));
        let _fourth = half_open.enter();
        assert!(!third.given_up.is_cancelled());
    }
}
