//! Clients that do what honest ones do not.

use std::sync::{Arc, Mutex};

use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kplex_storage::{Base, Engine, Store, StoreOptions};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, ResolvesClientCert, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, NamedGroup, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::*;

pub(super) async fn store() -> Store {
    let base = Arc::new(Base::new(Vec::new()));
    Store::open(StoreOptions::new(Engine::Memory, base)).await.unwrap()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Accepts any server.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let provider = provider();
    ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
}

pub(super) fn trusting_anyone() -> ClientConfig {
    builder().with_no_client_auth()
}

/// Trusts anyone and speaks one version of TLS.
pub(super) fn speaking(version: &'static rustls::SupportedProtocolVersion) -> ClientConfig {
    let provider = provider();
    ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth()
}

/// Shows one leaf's certificate and signs with another's key.
pub(super) fn stolen_certificate(shown: &Leaf, signing: &Leaf) -> ClientConfig {
    #[derive(Debug)]
    struct Thief(Arc<CertifiedKey>);
    impl ResolvesClientCert for Thief {
        fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let key = provider().key_provider.load_private_key(PrivateKeyDer::Pkcs8(signing.key_der())).unwrap();
    builder()
        .with_client_cert_resolver(Arc::new(Thief(Arc::new(CertifiedKey::new(vec![shown.certificate_der()], key)))))
}

/// A session store that forgets whose a session was.
#[derive(Debug, Default)]
pub(super) struct OneSession {
    tls13: Mutex<Option<Tls13ClientSessionValue>>,
    tls12: Mutex<Option<Tls12ClientSessionValue>>,
}

impl ClientSessionStore for OneSession {
    fn set_kx_hint(&self, _server_name: ServerName<'static>, _group: NamedGroup) {}
    fn kx_hint(&self, _server_name: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(&self, _server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        *self.tls12.lock().unwrap() = Some(value);
    }
    fn tls12_session(&self, _server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.tls12.lock().unwrap().clone()
    }
    fn remove_tls12_session(&self, _server_name: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        *self.tls13.lock().unwrap() = Some(value);
    }
    fn take_tls13_ticket(&self, _server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tls13.lock().unwrap().take()
    }
}

/// Returns what a certificate says, keys and dates aside, and its serial number.
pub(super) fn describe(leaf: &CertificateDer<'_>) -> (String, String) {
    let (_, parsed) = X509Certificate::from_der(leaf).unwrap();
    let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
    let kinds: Vec<_> = parsed.extensions().iter().map(|extension| extension.oid.to_id_string()).collect();
    (format!("{} {} {kinds:?} {names:?}", parsed.issuer(), parsed.subject()), parsed.raw_serial_as_string())
}

pub(super) fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header("host", "cp1.localtest.me").body(Empty::new()).unwrap()
}

pub(super) async fn http1(server: &Fixture, host: &str) -> hyper::client::conn::http1::SendRequest<Empty<Bytes>> {
    let stream = server.connect(host, trusting_anyone()).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(super) async fn http2(server: &Fixture, host: &str) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let mut config = trusting_anyone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = server.connect(host, config).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Waits until something is so.
pub(super) async fn eventually(check: impl Fn() -> bool) {
    for _ in 0..500 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to be");
}
