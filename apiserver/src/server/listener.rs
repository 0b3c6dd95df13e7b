//! The accept loop: from a bound socket to connections, and the drain at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ConnectionInfo;
use super::certificates::Certificates;
use super::connection::{self, BoxError, Shared};
use super::handshake::{self, HalfOpen};
use super::limits::ServerLimits;

/// Connections that the kernel may hold for us: what arrives in some 50 ms of a reconnect storm.
const BACKLOG: u32 = 4_096;
/// Pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound socket that is not served yet: its port is known, clients that connect wait.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    certificates: Arc<Certificates>,
    limits: ServerLimits,
    stats: Arc<ServerStats>,
}

/// What happened on a listener.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Connections open now, handshakes included.
    pub connections: AtomicUsize,
    /// Connections accepted since the start.
    pub accepted_total: AtomicU64,
    /// Connections closed at once because there were too many.
    pub refused_total: AtomicU64,
    /// Handshakes that failed: garbage, timeouts, clients that did not like the certificate.
    pub handshakes_failed_total: AtomicU64,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because their requests took too long.
    pub cut: usize,
}

impl Listener {
    /// Binds a socket; port 0 takes a free one.
    pub fn bind(address: SocketAddr, certificates: Arc<Certificates>, limits: ServerLimits) -> io::Result<Listener> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit both: small answers leave at once, and a peer that vanished is noticed.
        socket.set_nodelay(true)?;
        socket.set_keepalive(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        Ok(Listener { socket, certificates, limits, stats: Arc::default() })
    }

    /// Returns the bound address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns the listener's counters, which go on while it serves.
    pub fn stats(&self) -> Arc<ServerStats> {
        Arc::clone(&self.stats)
    }

    /// Serves until `drain` is cancelled, then lets what runs come to its end and returns.
    ///
    /// The drain: the socket is closed, idle connections too, HTTP/2 clients get GOAWAY, requests in flight are
    /// answered. Handlers of watches should watch `drain` too and end their streams. What is not finished after
    /// `drain_timeout` is cut.
    ///
    /// A panic in `service` ends its connection and no other; services should catch them to answer.
    pub async fn serve<S, F, B>(self, service: S, drain: CancellationToken) -> Drained
    where
        S: Fn(Arc<ConnectionInfo>, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Listener { socket, certificates, limits, stats } = self;
        let half_open = HalfOpen::new(limits.handshakes_max);
        let shared = Arc::new(Shared { protocol: connection::protocol(&limits), limits, drain: drain.clone() });
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.cancelled() => break,
                Some(ended) = connections.join_next() => {
                    note_panic(ended);
                    continue;
                }
                accepted = socket.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if is_ours(&error) {
                        tracing::warn!(error = &error as &dyn std::error::Error, "accept failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                    continue;
                }
            };
            stats.accepted_total.fetch_add(1, Ordering::Relaxed);
            if stats.connections.load(Ordering::Relaxed) >= shared.limits.connections_max {
                stats.refused_total.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let open = Open::new(&stats);
            let (shared, certificates) = (Arc::clone(&shared), Arc::clone(&certificates));
            let (half_open, service) = (Arc::clone(&half_open), service.clone());
            connections.spawn(async move {
                if let Some((stream, info)) = greet(stream, &certificates, &half_open, &shared, &open).await {
                    let age_max = jittered(shared.limits.age_max, open.number);
                    connection::serve(stream, info, service, &shared, age_max).await;
                }
            });
        }
        drop(socket);
        finish(connections, shared.limits.drain_timeout).await
    }
}

/// Performs the handshake within its limits.
async fn greet(
    stream: TcpStream,
    certificates: &Certificates,
    half_open: &Arc<HalfOpen>,
    shared: &Shared,
    open: &Open,
) -> Option<(tokio_rustls::server::TlsStream<TcpStream>, ConnectionInfo)> {
    let place = half_open.enter();
    let handshake = handshake::perform(stream, certificates);
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(shared.limits.handshake_timeout, handshake) => outcome,
        () = place.given_up.cancelled() => {
            open.failed();
            tracing::debug!("handshake gave way to others");
            return None;
        }
        () = shared.drain.cancelled() => return None,
    };
    match outcome {
        Ok(Ok(done)) => return Some(done),
        Ok(Err(error)) => tracing::debug!(error = &error as &dyn std::error::Error, "handshake failed"),
        Err(_) => tracing::debug!("handshake took too long"),
    }
    open.failed();
    None
}

/// Waits for connections to end, and cuts them after a while.
async fn finish(mut connections: JoinSet<()>, patience: Duration) -> Drained {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        match tokio::time::timeout_at(deadline, connections.join_next()).await {
            Ok(Some(ended)) => note_panic(ended),
            Ok(None) => return Drained { cut: 0 },
            Err(_) => break,
        }
    }
    let cut = connections.len();
    connections.shutdown().await;
    tracing::warn!(cut, "connections were cut at the end of the drain");
    Drained { cut }
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection panicked");
    }
}

/// Tells whether an accept failed because of us; a client that left early is no news.
fn is_ours(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Spreads ages over 90 to 110 percent by the connection's number, so that those of one storm do not end in another.
fn jittered(age: Duration, number: u64) -> Duration {
    // A multiplicative hash: neighbours land far apart.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    age.mul_f64(0.9 + 0.2 * spread as f64 / 255.0)
}

/// A connection that counts.
struct Open {
    stats: Arc<ServerStats>,
    number: u64,
}

impl Open {
    fn new(stats: &Arc<ServerStats>) -> Open {
        stats.connections.fetch_add(1, Ordering::Relaxed);
        Open { number: stats.accepted_total.load(Ordering::Relaxed), stats: Arc::clone(stats) }
    }

    fn failed(&self) {
        self.stats.handshakes_failed_total.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stats.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread() {
        let hour = Duration::from_secs(3_600);
        let ages: Vec<_> = (0..1_000).map(|number| jittered(hour, number).as_secs()).collect();
        assert!(ages.iter().all(|age| (3_240..=3_960).contains(age)));
        assert!(ages.iter().min().unwrap() < &3_300);
        assert!(ages.iter().max().unwrap() > &3_900);
    }
}
