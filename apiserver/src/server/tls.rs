//! TLS configurations: which versions, which keys, and client certificates that only prove possession.

use std::sync::Arc;

use kplex_tenants::Leaf;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

/// Makes the configuration that shows this leaf. Tickets are sealed with a key of its own, so a session that began
/// with one tenant cannot be resumed with another; nothing is kept for a session on our side.
pub(super) fn config(
    leaf: &Leaf,
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<PossessionVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let verifier: Arc<dyn ClientCertVerifier> = Arc::<PossessionVerifier>::clone(verifier);
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![leaf.certificate_der()], PrivateKeyDer::Pkcs8(leaf.key_der()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    // One is enough for a client that comes back; each holds the client's certificates.
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// Accepts every client certificate whose holder proves possession of its key, and connections without one.
///
/// Whether it means anyone depends on the tenant, which is known only after routing; the authenticator verifies the
/// chain against that tenant's authority.
#[derive(Debug)]
pub(super) struct PossessionVerifier {
    provider: Arc<CryptoProvider>,
}

impl PossessionVerifier {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> PossessionVerifier {
        PossessionVerifier { provider }
    }
}

impl ClientCertVerifier for PossessionVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// Empty: clients then send whatever certificate they have, and nobody learns our authorities.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
