//! Limits of connections, each with its reason.

use std::time::Duration;

/// Tenants whose TLS configuration is kept: 4 kB each. The next handshake of another makes its own (0.1 ms).
pub const TENANT_CONFIGS_MAX: usize = 512;
/// Addresses of ours that clients reached us at and that are added to the server's own certificate.
pub const OWN_ADDRESSES_MAX: usize = 64;

/// Limits that an operator may want to move.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Connections open at once; the next is closed at once. 25 to 60 kB each.
    pub connections_max: usize,
    /// Connections in their handshake at once; the next one makes the oldest give way, so that clients that connect
    /// and stay silent cannot shut others out.
    pub handshakes_max: usize,
    /// Time for the TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for the head of an HTTP/1.1 request (upstream's value).
    pub header_timeout: Duration,
    /// A connection without a request for this long is closed (upstream's value).
    pub idle_timeout: Duration,
    /// Age at which a connection is told to go away, give or take a tenth, so that clients spread over replicas and
    /// buffers that grew in a burst come back.
    pub age_max: Duration,
    /// Time after that for what still runs: longer than the longest watch, which upstream lets run for an hour.
    pub linger: Duration,
    /// Streams of one HTTP/2 connection: client-go shares one connection among all its watches.
    pub streams_max: u32,
    /// Receive window of a stream: most requests fit (upstream's value).
    pub stream_window_bytes: u32,
    /// Receive window of a connection: above a stream's, so that one stuck upload does not stall the others.
    pub connection_window_bytes: u32,
    /// Bytes buffered for one stream's response before the handler has to wait.
    pub send_buffer_bytes: usize,
    /// Bytes of all headers of a request: long tokens and impersonation headers fit.
    pub header_bytes_max: u32,
    /// Bytes read ahead on an HTTP/1.1 connection, and so the most that a request head may have.
    pub http1_buffer_bytes: usize,
    /// Header lines of an HTTP/1.1 request: a proxy that impersonates names each group in a line of its own.
    pub http1_headers_max: usize,
    /// How often a silent HTTP/2 client is asked whether it is still there.
    pub ping_interval: Duration,
    /// How long it may take to answer.
    pub ping_timeout: Duration,
    /// How long the drain waits for requests in flight before it cuts them.
    pub drain_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            connections_max: 50_000,
            handshakes_max: 1_024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(32),
            idle_timeout: Duration::from_secs(90),
            age_max: Duration::from_secs(3_600),
            linger: Duration::from_secs(75 * 60),
            streams_max: 1_000,
            stream_window_bytes: 256 * 1024,
            connection_window_bytes: 512 * 1024,
            send_buffer_bytes: 64 * 1024,
            header_bytes_max: 64 * 1024,
            http1_buffer_bytes: 128 * 1024,
            http1_headers_max: 1_024,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(30),
        }
    }
}
