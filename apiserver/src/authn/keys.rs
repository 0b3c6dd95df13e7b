//! The keys and issuers of a tenant's service-account tokens, ready for use.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A key that cannot be used for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no SubjectPublicKeyInfo.
    #[error("read public key")]
    Malformed,
    /// Neither RSA nor ECDSA on P-256 or P-384.
    #[error("use public key for tokens: unsupported kind of key")]
    Unsupported,
}

/// A public key that tokens are verified with.
pub struct VerifyingKey {
    id: String,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

impl VerifyingKey {
    /// Takes a P-256 key as its uncompressed point, with its key id.
    #[must_use]
    pub fn from_p256_point(id: String, point: &[u8]) -> Self {
        Self { id, algorithms: &[Algorithm::ES256], key: DecodingKey::from_ec_der(point) }
    }

    /// Takes a SubjectPublicKeyInfo; the key id is made from it as upstream does.
    ///
    /// # Errors
    /// No key, or no key of a kind that upstream signs tokens with.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let (_, info) = SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyError::Malformed)?;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let id = URL_SAFE_NO_PAD.encode(hash.as_ref());
        match info.parsed().map_err(|_| KeyError::Malformed)? {
            PublicKey::EC(point) => {
                let algorithms: &'static [Algorithm] = match point.data().len() {
                    65 => &[Algorithm::ES256],
                    97 => &[Algorithm::ES384],
                    _ => return Err(KeyError::Unsupported),
                };
                Ok(Self { id, algorithms, key: DecodingKey::from_ec_der(point.data()) })
            }
            PublicKey::RSA(key) => {
                let significant =
                    |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
                let (modulus, exponent) = (significant(key.modulus), significant(key.exponent));
                Ok(Self { id, algorithms: RSA, key: DecodingKey::from_rsa_raw_components(&modulus, &exponent) })
            }
            _ => Err(KeyError::Unsupported),
        }
    }

    /// Returns the key id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn algorithms(&self) -> &'static [Algorithm] {
        self.algorithms
    }

    pub(super) fn key(&self) -> &DecodingKey {
        &self.key
    }
}

/// The key that signs tokens (ES256).
pub struct SigningKey {
    id: String,
    key: EncodingKey,
}

impl SigningKey {
    /// Takes a P-256 key in PKCS #8, with the key id of its public half.
    #[must_use]
    pub fn from_p256_pkcs8(id: String, der: &[u8]) -> Self {
        Self { id, key: EncodingKey::from_ec_der(der) }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn key(&self) -> &EncodingKey {
        &self.key
    }
}

/// Everything that verifies and signs a tenant's service-account tokens.
pub struct TokenKeys {
    /// Signs new tokens.
    pub signing: SigningKey,
    /// Verify tokens.
    pub verifying: Vec<VerifyingKey>,
    /// Accepted issuers, the current one first.
    ///
    /// Invariant: never empty.
    pub issuers: Vec<String>,
    /// Audiences of the API server: those of a token that names none, and of a request.
    pub audiences: Vec<String>,
}

impl TokenKeys {
    /// Returns the issuer of new tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuers[0]
    }

    /// Returns the keys with an id, or all when a token names none.
    pub(super) fn candidates<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a VerifyingKey> {
        self.verifying.iter().filter(move |key| id.is_none_or(|id| key.id == id))
    }
}
