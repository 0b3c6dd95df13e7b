//! The listener on a real socket, with rustls' client, hyper's and curl.

use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use kplex_tenants::{Authority, Endpoints, Leaf, NewControlPlane, Tenants, TenantsOptions};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::*;

mod client;

type Answer = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// A server with control planes cp1 and cp2 whose answer tells what it knows of the connection.
struct Fixture {
    address: SocketAddr,
    tenants: Tenants,
    certificates: Arc<Certificates>,
    stats: Arc<ServerStats>,
    drain: CancellationToken,
    served: JoinHandle<Drained>,
    /// Lets requests for /slow go on.
    release: Arc<Notify>,
    directory: tempfile::TempDir,
}

async fn start(limits: ServerLimits) -> Fixture {
    let options = TenantsOptions { endpoints: Endpoints::new(Some("localtest.me")), ..TenantsOptions::default() };
    let tenants = Tenants::open(client::store().await, options).await.unwrap();
    for name in ["cp1", "cp2"] {
        tenants.create(NewControlPlane::named(name)).await.unwrap();
    }
    let certificates = Certificates::new(tenants.clone(), OwnNames::for_address("0.0.0.0:0".parse().unwrap()));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Arc::clone(&certificates), limits).unwrap();
    let (address, stats, drain) = (listener.local_addr().unwrap(), listener.stats(), CancellationToken::new());
    let release = Arc::new(Notify::new());
    let (gate, end) = (Arc::clone(&release), drain.clone());
    let service = move |info, request| answer(info, request, Arc::clone(&gate), end.clone());
    let served = tokio::spawn(listener.serve(service, drain.clone()));
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture { address, tenants, certificates, stats, drain, served, release, directory };
    fixture.write("server.pem", &fixture.tenants.server_authority().certificate_pem());
    for name in ["cp1", "cp2"] {
        fixture.write(&format!("{name}.pem"), &fixture.authority(name).await.certificate_pem());
    }
    fixture
}

async fn answer(
    info: Arc<ConnectionInfo>,
    request: Request<Incoming>,
    gate: Arc<Notify>,
    drain: CancellationToken,
) -> Response<Answer> {
    let full = |text: String| Response::new(Full::from(text).boxed_unsync());
    match request.uri().path() {
        "/panic" => panic!("asked to"),
        "/slow" => {
            gate.notified().await;
            full("slow".to_owned())
        }
        "/watch" => {
            let first = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"begin\n")))]);
            let end = futures::stream::once(async move {
                drain.cancelled().await;
                Ok(Frame::data(Bytes::from_static(b"end\n")))
            });
            Response::new(StreamBody::new(first.chain(end)).boxed_unsync())
        }
        "/echo" => {
            let body = body::read(request.into_body(), 1 << 20, Duration::from_secs(5)).await.unwrap();
            full(format!("{} bytes", body.len()))
        }
        _ => full(format!(
            "{:?} sni={:?} certs={} version={:?}",
            info.server_identity,
            info.sni,
            info.client_certs.len(),
            request.version(),
        )),
    }
}

impl Fixture {
    async fn authority(&self, name: &str) -> Authority {
        self.tenants.resolve(name).await.unwrap().unwrap().keys().authority().clone()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs curl against a host name that resolves to the server, trusting one authority.
    async fn curl(&self, authority: &str, host: &str, path: &str, more: &[&str]) -> Output {
        let port = self.address.port();
        tokio::process::Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "10"])
            .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
            .arg("--cacert")
            .arg(self.directory.path().join(format!("{authority}.pem")))
            .args(more)
            .arg(format!("https://{host}:{port}{path}"))
            .output()
            .await
            .expect("curl is installed")
    }

    async fn connect(&self, host: &str, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }

    async fn still_serves(&self) {
        let output = self.curl("cp1", "cp1.localtest.me", "/", &[]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn the_host_name_chooses_the_certificate() {
    let server = start(ServerLimits::default()).await;
    for name in ["cp1", "cp2"] {
        for host in [format!("{name}.localtest.me"), format!("{name}.{name}-system.svc")] {
            let seen = text(&server.curl(name, &host, "/", &[]).await);
            assert!(seen.starts_with(&format!("Tenant({name}) sni=Some({host:?})")), "{seen}");
        }
    }
    let other = server.curl("cp2", "cp1.localtest.me", "/", &[]).await;
    assert_eq!(other.status.code(), Some(60), "the other tenant's authority did not sign it");
    for host in ["127.0.0.1", "localhost", "kubernetes.default.svc", "localtest.me"] {
        let seen = text(&server.curl("server", host, "/", &[]).await);
        assert!(seen.starts_with("Server "), "{seen}");
    }
}

#[tokio::test]
async fn both_protocols_are_spoken() {
    let server = start(ServerLimits::default()).await;
    for (flag, version) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2.0"), ("--tls-max=1.2", "HTTP/2.0")] {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let flags: Vec<_> = [name, value].into_iter().filter(|flag| !flag.is_empty()).collect();
        let seen = text(&server.curl("cp1", "cp1.localtest.me", "/", &flags).await);
        assert!(seen.ends_with(version), "{seen}");
    }
    let body = server.write("body", &"x".repeat(700_000));
    for flag in ["--http1.1", "--http2"] {
        let upload = ["--data-binary", &format!("@{body}"), flag];
        assert_eq!(text(&server.curl("cp1", "cp1.localtest.me", "/echo", &upload).await), "700000 bytes");
    }
}

#[tokio::test]
async fn client_certificates_are_passed_on_unjudged() {
    let server = start(ServerLimits::default()).await;
    let present = async |leaf: &Leaf| {
        let certificate = server.write("client.pem", &leaf.certificate_pem());
        let key = server.write("client.key", &leaf.key_pem());
        text(&server.curl("cp1", "cp1.localtest.me", "/", &["--cert", &certificate, "--key", &key]).await)
    };
    let keys = server.tenants.resolve("cp2").await.unwrap().unwrap().keys().clone();
    let seen = present(&keys.issue_admin(server.tenants.now()).unwrap()).await;
    assert!(seen.contains("certs=1"), "another tenant's certificate is not judged here: {seen}");
    let stranger = Authority::generate("stranger", server.tenants.now()).unwrap();
    let seen = present(&stranger.issue_client("eve", &[], server.tenants.now()).unwrap()).await;
    assert!(seen.contains("certs=1"), "{seen}");
    assert!(text(&server.curl("cp1", "cp1.localtest.me", "/", &[]).await).contains("certs=0"));
}

#[tokio::test]
async fn possession_must_be_proved() {
    let server = start(ServerLimits::default()).await;
    let now = server.tenants.now();
    let authority = server.authority("cp1").await;
    let victim = authority.issue_client("victim", &[], now).unwrap();
    let thief = authority.issue_client("thief", &[], now).unwrap();
    let config = client::stolen_certificate(&victim, &thief);
    let mut stream = server.connect("cp1.localtest.me", config).await.unwrap();
    // In TLS 1.3 the client is done before the server has judged: the refusal comes with the first read.
    let refused = stream.read_u8().await.unwrap_err();
    assert!(refused.to_string().contains("DecryptError"), "{refused}");
    server.still_serves().await;
}

#[tokio::test]
async fn sessions_resume_with_their_tenant_and_with_no_other() {
    let server = start(ServerLimits::default()).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        sessions_of_version(&server, version).await;
    }
}

async fn sessions_of_version(server: &Fixture, version: &'static rustls::SupportedProtocolVersion) {
    let mut config = client::speaking(version);
    // Offers its last ticket to whomever it meets.
    config.resumption = Resumption::store(Arc::new(client::OneSession::default()));
    let kind = async |host: &str| {
        let mut stream = server.connect(host, config.clone()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        stream.get_ref().1.handshake_kind().unwrap()
    };
    use rustls::HandshakeKind::{Full, Resumed};
    assert_eq!(kind("cp1.localtest.me").await, Full);
    assert_eq!(kind("cp1.localtest.me").await, Resumed);
    assert_eq!(kind("cp2.localtest.me").await, Full);
    assert_eq!(kind("cp2.localtest.me").await, Resumed);
    assert_eq!(kind("localhost").await, Full);
    assert_eq!(kind("nobody.localtest.me").await, Full);
    assert_eq!(kind("cp1.localtest.me").await, Full);
}

#[tokio::test]
async fn names_that_do_not_exist_cannot_be_told_apart() {
    let server = start(ServerLimits::default()).await;
    let look = async |host: &str| {
        let stream = server.connect(host, client::trusting_anyone()).await.unwrap();
        let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        client::describe(&leaf)
    };
    let (real, real_serial) = look("cp1.localtest.me").await;
    let (decoy, decoy_serial) = look("nobody.localtest.me").await;
    assert_eq!(real.replace("cp1", "NAME"), decoy.replace("nobody", "NAME"));
    assert_eq!(look("cp1.localtest.me").await.1, real_serial);
    assert_eq!(look("nobody.localtest.me").await.1, decoy_serial);
}

#[tokio::test]
async fn a_certificate_goes_with_its_tenant() {
    let server = start(ServerLimits::default()).await;
    server.still_serves().await;
    assert_eq!(server.certificates.cached_count(), 1);
    server.tenants.delete("cp1").await.unwrap();
    assert_eq!(server.certificates.cached_count(), 0);
    server.tenants.create(NewControlPlane::named("cp1")).await.unwrap();
    assert_eq!(server.curl("cp1", "cp1.localtest.me", "/", &[]).await.status.code(), Some(60));
    server.write("cp1.pem", &server.authority("cp1").await.certificate_pem());
    server.still_serves().await;
}

#[tokio::test]
async fn garbage_is_closed_and_harms_nobody() {
    let server = start(ServerLimits::default()).await;
    for garbage in
        [&b"\x16\x03\x01\xff\xff garbage"[..], b"\x00\x01\x02\x03\x04\x05", b"hello there\r\n\r\n", &[22; 4096]]
    {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(garbage).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await.expect("closed");
        assert!(answer.len() < 16, "at most an alert: {answer:?}");
    }
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer).await;
    assert!(answer.contains("Client sent an HTTP request to an HTTPS server."), "{answer}");
    drop(TcpStream::connect(server.address).await.unwrap());
    server.still_serves().await;
    assert_eq!(server.stats.handshakes_failed_total.load(std::sync::atomic::Ordering::Relaxed), 6);
}

#[tokio::test]
async fn silent_clients_are_not_waited_for() {
    let limits = ServerLimits {
        handshake_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(600),
        handshakes_max: 3,
        ..ServerLimits::default()
    };
    let server = start(limits).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    server.still_serves().await;
    for mut socket in silent {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer));
        let _ = read.await.expect("closed in time");
    }
    // Encrypted, then silent.
    let mut idle = server.connect("cp1.localtest.me", client::trusting_anyone()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), idle.read_to_end(&mut answer)).await.expect("closed in time");
    client::eventually(|| server.stats.connections.load(std::sync::atomic::Ordering::Relaxed) == 0).await;
}

#[tokio::test]
async fn connections_are_limited() {
    let server = start(ServerLimits { connections_max: 1, ..ServerLimits::default() }).await;
    let held = server.connect("cp1.localtest.me", client::trusting_anyone()).await.unwrap();
    assert!(server.connect("cp1.localtest.me", client::trusting_anyone()).await.is_err());
    drop(held);
    client::eventually(|| server.stats.connections.load(std::sync::atomic::Ordering::Relaxed) == 0).await;
    server.still_serves().await;
}

#[tokio::test]
async fn request_heads_are_limited() {
    let server = start(ServerLimits::default()).await;
    let status = async |protocol, length| {
        let long = format!("x-long: {}", "x".repeat(length));
        // Twice, because one argument of a program is limited too.
        let flags = [protocol, "-H", &long, "-H", &long, "-o", "/dev/null", "-w", "%{http_code}"];
        let output = server.curl("cp1", "cp1.localtest.me", "/", &flags).await;
        String::from_utf8(output.stdout).unwrap()
    };
    let groups: Vec<_> = (0..500).map(|n| format!("impersonate-group: team-{n}")).collect();
    let flags: Vec<_> = groups.iter().flat_map(|group| ["-H", group]).chain(["--http1.1"]).collect();
    assert!(text(&server.curl("cp1", "cp1.localtest.me", "/", &flags).await).ends_with("HTTP/1.1"));
    assert_eq!(status("--http1.1", 20_000).await, "200");
    assert_eq!(status("--http2", 20_000).await, "200");
    for protocol in ["--http1.1", "--http2"] {
        // Closed while the client still writes, so that an answer may be lost, and nghttp2 refuses to send so much;
        // either way nothing was served.
        let seen = status(protocol, 100_000).await;
        assert!(["431", "000"].contains(&seen.as_str()), "{seen}");
    }
    server.still_serves().await;
}

#[tokio::test]
async fn a_panic_takes_down_no_other_connection() {
    let server = start(ServerLimits::default()).await;
    let mut other = client::http1(&server, "cp1.localtest.me").await;
    assert!(!server.curl("cp1", "cp1.localtest.me", "/panic", &[]).await.status.success());
    let answer = other.send_request(client::get("/")).await.unwrap();
    assert_eq!(answer.status(), 200);
    server.still_serves().await;
}

#[tokio::test]
async fn a_drain_lets_requests_finish_and_watches_end() {
    let server = start(ServerLimits::default()).await;
    let mut slow = client::http2(&server, "cp1.localtest.me").await;
    let mut slow_1 = client::http1(&server, "cp1.localtest.me").await;
    let _idle = client::http1(&server, "cp2.localtest.me").await;
    let pending = slow.send_request(client::get("/slow"));
    let pending_1 = slow_1.send_request(client::get("/slow"));
    let watch = slow.send_request(client::get("/watch")).await.unwrap();
    let mut watch = watch.into_body();
    assert_eq!(watch.frame().await.unwrap().unwrap().into_data().unwrap(), "begin\n");
    let pending = tokio::spawn(pending);
    let pending_1 = tokio::spawn(pending_1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.drain.cancel();
    assert_eq!(watch.collect().await.unwrap().to_bytes(), "end\n");
    client::eventually(|| std::net::TcpStream::connect(server.address).is_err()).await;
    assert!(!server.served.is_finished());
    server.release.notify_waiters();
    for answer in [pending.await.unwrap().unwrap(), pending_1.await.unwrap().unwrap()] {
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "slow");
    }
    let drained = tokio::time::timeout(Duration::from_secs(5), server.served).await.expect("drained").unwrap();
    assert_eq!(drained, Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let limits = ServerLimits { drain_timeout: Duration::from_millis(200), ..ServerLimits::default() };
    let server = start(limits).await;
    let mut stuck = client::http1(&server, "cp1.localtest.me").await;
    let pending = tokio::spawn(stuck.send_request(client::get("/slow")));
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.drain.cancel();
    let drained = tokio::time::timeout(Duration::from_secs(5), server.served).await.expect("drained").unwrap();
    assert_eq!(drained, Drained { cut: 1 });
    assert!(pending.await.unwrap().is_err());
}
