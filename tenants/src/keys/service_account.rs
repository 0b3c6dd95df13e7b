//! The keys of service-account tokens (ES256).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::TenantsError;
use crate::x509::key::{POINT_BYTES, PrivateKey, public_der};
use crate::x509::pem;

/// The key that signs tokens.
#[derive(Clone, Debug)]
pub struct SigningKey {
    key: PrivateKey,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a new key.
    pub(crate) fn generate() -> Result<SigningKey, TenantsError> {
        Ok(SigningKey::new(PrivateKey::generate()?))
    }

    pub(crate) fn new(key: PrivateKey) -> SigningKey {
        let public = PublicKey::new(key.parts().1);
        SigningKey { key, public }
    }

    pub(crate) fn private(&self) -> &PrivateKey {
        &self.key
    }

    /// Returns the public half, with the key id that tokens name.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the key in DER (PKCS #8), as `jsonwebtoken::EncodingKey::from_ec_der` wants it.
    pub fn pkcs8_der(&self) -> Vec<u8> {
        self.key.pkcs8()
    }

    /// Returns the key in PEM (PKCS #8).
    pub fn key_pem(&self) -> String {
        pem::encode("PRIVATE KEY", &self.key.pkcs8())
    }
}

/// A key that verifies tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; POINT_BYTES],
    /// SHA-256 of the SubjectPublicKeyInfo; its base64 is the `kid`, as upstream makes it.
    hash: [u8; 32],
}

impl PublicKey {
    pub(crate) fn new(point: &[u8; POINT_BYTES]) -> PublicKey {
        let hash = digest(&SHA256, &public_der(point));
        PublicKey { point: *point, hash: hash.as_ref().try_into().expect("a SHA-256 has 32 bytes") }
    }

    /// Returns the key id (`kid`) that tokens name.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.hash)
    }

    /// Returns the uncompressed point, as `jsonwebtoken::DecodingKey::from_ec_der` wants it.
    pub fn point(&self) -> &[u8; POINT_BYTES] {
        &self.point
    }

    /// Returns the key in PEM (SubjectPublicKeyInfo).
    pub fn pem(&self) -> String {
        pem::encode("PUBLIC KEY", &public_der(&self.point))
    }

    /// Returns the key as a JSON Web Key.
    pub fn jwk(&self) -> String {
        let (x, y) = (&self.point[1..33], &self.point[33..]);
        format!(
            r#"{{"use":"sig","kty":"EC","kid":"{}","crv":"P-256","alg":"ES256","x":"{}","y":"{}"}}"#,
            self.id(),
            URL_SAFE_NO_PAD.encode(x),
            URL_SAFE_NO_PAD.encode(y),
        )
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}
