//! One connection: HTTP/1.1 or HTTP/2 over an encrypted stream, until it is idle, old, drained or broken.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::ConnectionInfo;
use super::limits::ServerLimits;
use super::tracking::{Activity, Tracked};

/// An error of a body, as hyper takes it.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Makes the protocol settings that all connections share.
pub(super) fn protocol(limits: &ServerLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.http1_headers_max)
        .max_buf_size(limits.http1_buffer_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_send_buf_size(limits.send_buffer_bytes)
        .max_header_list_size(limits.header_bytes_max)
        .max_concurrent_streams(limits.streams_max)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    builder
}

/// Serves one connection to its end. It ends by itself when the client leaves, when it was idle, and when `drain` is
/// cancelled and its requests are answered. `age_max` is this connection's own, jittered.
pub(super) async fn serve<S, F, B>(
    stream: TlsStream<TcpStream>,
    info: ConnectionInfo,
    service: S,
    shared: &Shared,
    age_max: std::time::Duration,
) where
    S: Fn(Arc<ConnectionInfo>, Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let info = Arc::new(info);
    let activity = Activity::new();
    let handler = service_fn(|request| {
        let running = activity.enter();
        let answer = service(Arc::clone(&info), request);
        async move { Ok::<_, Infallible>(answer.await.map(|body| Tracked::new(body, running))) }
    });
    let mut connection = std::pin::pin!(shared.protocol.serve_connection(TokioIo::new(stream), handler));
    let mut life = Life::new(&shared.limits, age_max);
    let mut timer = std::pin::pin!(sleep_until(life.next_look(&activity)));
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(peer = %info.peer_addr, error = &*error, "connection broke");
                }
                return;
            }
            () = shared.drain.cancelled(), if !life.leaving() => {
                life.leave();
                connection.as_mut().graceful_shutdown();
                timer.as_mut().reset(life.next_look(&activity));
            }
            () = timer.as_mut() => {
                match life.look(&activity) {
                    Verdict::Stay => {}
                    Verdict::Leave => connection.as_mut().graceful_shutdown(),
                    Verdict::Cut => return,
                }
                timer.as_mut().reset(life.next_look(&activity));
            }
        }
    }
}

/// What the connections of a listener share.
pub(super) struct Shared {
    pub(super) protocol: Builder<TokioExecutor>,
    pub(super) limits: ServerLimits,
    pub(super) drain: CancellationToken,
}

/// How long a connection may stay.
struct Life {
    idle_timeout: std::time::Duration,
    linger: std::time::Duration,
    handshake_timeout: std::time::Duration,
    old_at: Instant,
    /// When it was told to leave.
    left_at: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Go on.
    Stay,
    /// Take no more requests, answer those that run.
    Leave,
    /// Enough: the client does not read.
    Cut,
}

impl Life {
    fn new(limits: &ServerLimits, age_max: std::time::Duration) -> Life {
        Life {
            idle_timeout: limits.idle_timeout,
            linger: limits.linger,
            handshake_timeout: limits.handshake_timeout,
            old_at: Instant::now() + age_max,
            left_at: None,
        }
    }

    fn leaving(&self) -> bool {
        self.left_at.is_some()
    }

    fn leave(&mut self) {
        self.left_at = Some(Instant::now());
    }

    /// Decides at the time that [`Life::next_look`] named.
    fn look(&mut self, activity: &Activity) -> Verdict {
        let now = Instant::now();
        let idle = activity.idle_since();
        match self.left_at {
            Some(left) if now >= left + self.linger => Verdict::Cut,
            // Nothing runs any more: what is left is a goodbye that takes no longer than a greeting.
            Some(left) if idle.is_some_and(|idle| now >= idle.max(left) + self.handshake_timeout) => Verdict::Cut,
            Some(_) => Verdict::Stay,
            None if now >= self.old_at || idle.is_some_and(|idle| now >= idle + self.idle_timeout) => {
                self.leave();
                Verdict::Leave
            }
            None => Verdict::Stay,
        }
    }

    fn next_look(&self, activity: &Activity) -> Instant {
        let now = Instant::now();
        let idle = activity.idle_since();
        match self.left_at {
            Some(left) => {
                let goodbye = idle.unwrap_or(now).max(left) + self.handshake_timeout;
                goodbye.min(left + self.linger)
            }
            None => (idle.unwrap_or(now) + self.idle_timeout).min(self.old_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_leaves_and_a_busy_one_stays() {
        let limits = ServerLimits::default();
        let activity = Activity::new();
        let mut life = Life::new(&limits, limits.age_max);
        let running = activity.enter();
        tokio::time::advance(limits.idle_timeout * 2).await;
        assert_eq!(life.look(&activity), Verdict::Stay);
        drop(running);
        assert_eq!(life.look(&activity), Verdict::Stay);
        tokio::time::advance(limits.idle_timeout + Duration::from_millis(1)).await;
        assert_eq!(life.look(&activity), Verdict::Leave);
        tokio::time::advance(limits.handshake_timeout + Duration::from_millis(1)).await;
        assert_eq!(life.look(&activity), Verdict::Cut);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_connection_leaves_and_its_watch_may_end() {
        let limits = ServerLimits::default();
        let activity = Activity::new();
        let mut life = Life::new(&limits, limits.age_max);
        let _watch = activity.enter();
        tokio::time::sleep_until(life.old_at).await;
        assert_eq!(life.look(&activity), Verdict::Leave);
        tokio::time::advance(limits.linger - Duration::from_secs(1)).await;
        assert_eq!(life.look(&activity), Verdict::Stay);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(life.look(&activity), Verdict::Cut);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_look_is_never_in_the_past_of_a_verdict() {
        let limits = ServerLimits::default();
        let activity = Activity::new();
        let mut life = Life::new(&limits, limits.age_max);
        for _ in 0..3 {
            tokio::time::sleep_until(life.next_look(&activity) + Duration::from_millis(1)).await;
            let before = Instant::now();
            match life.look(&activity) {
                Verdict::Cut => return,
                Verdict::Stay | Verdict::Leave => assert!(life.next_look(&activity) > before),
            }
        }
        panic!("an idle connection is cut in the end");
    }
}
