//! A leaf certificate with its key, and when to replace it.

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::x509::key::PrivateKey;
use crate::x509::pem;

/// A certificate and the key that belongs to it.
#[derive(Clone, Debug)]
pub struct Leaf {
    certificate: Vec<u8>,
    key: PrivateKey,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Leaf {
    pub(crate) fn new(certificate: Vec<u8>, key: PrivateKey, life: (Timestamp, Timestamp)) -> Leaf {
        Leaf { certificate, key, not_before: life.0, not_after: life.1 }
    }

    /// Returns the certificate in DER.
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.certificate.clone())
    }

    /// Returns the certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.certificate)
    }

    /// Returns the private key in DER (PKCS #8).
    pub fn key_der(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.pkcs8())
    }

    /// Returns the private key in PEM (PKCS #8).
    pub fn key_pem(&self) -> String {
        pem::encode("PRIVATE KEY", &self.key.pkcs8())
    }

    /// Returns when the certificate's life ends.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Returns when the certificate should be replaced.
    pub fn renew_at(&self) -> Timestamp {
        renew_at(self.not_before, self.not_after)
    }
}

/// Returns two thirds of a life: early enough that a renewal which fails for weeks still ends in time.
pub fn renew_at(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let life = not_after.duration_since(not_before);
    not_before + life / 3 * 2
}
