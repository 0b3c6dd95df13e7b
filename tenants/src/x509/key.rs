//! A P-256 private key in 97 bytes: scalar and public point. Everything else is derived when it is needed.

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::der::{self, tag};
use crate::error::TenantsError;

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// Bytes of a private scalar.
pub(crate) const SCALAR_BYTES: usize = 32;
/// Bytes of an uncompressed public point.
pub(crate) const POINT_BYTES: usize = 65;

/// A P-256 key pair. It holds no parsed state, so that a warm tenant pays 97 bytes for each of its keys.
#[derive(Clone)]
pub(crate) struct PrivateKey {
    scalar: [u8; SCALAR_BYTES],
    /// Invariant: the uncompressed point that belongs to `scalar`.
    point: [u8; POINT_BYTES],
}

impl PrivateKey {
    /// Makes a new key from the system's randomness.
    pub(crate) fn generate() -> Result<PrivateKey, TenantsError> {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| TenantsError::Crypto("make a key"))?;
        PrivateKey::of(&pair)
    }

    /// Derives the key with this scalar.
    ///
    /// # Errors
    /// The scalar is zero or not below the order of the curve.
    pub(crate) fn from_scalar(scalar: &[u8; SCALAR_BYTES]) -> Result<PrivateKey, TenantsError> {
        let curve = der::element(tag::explicit(0), &der::oid(PRIME256V1));
        let sec1 = der::sequence(&[&der::unsigned(&[1]), &der::octet_string(scalar), &curve]);
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &sec1)
            .map_err(|_| TenantsError::Crypto("derive a key"))?;
        PrivateKey::of(&pair)
    }

    /// Puts together the parts that [`PrivateKey::parts`] gave; the point is checked when the key is first used.
    pub(crate) fn from_parts(scalar: [u8; SCALAR_BYTES], point: [u8; POINT_BYTES]) -> PrivateKey {
        PrivateKey { scalar, point }
    }

    /// Returns scalar and point.
    pub(crate) fn parts(&self) -> (&[u8; SCALAR_BYTES], &[u8; POINT_BYTES]) {
        (&self.scalar, &self.point)
    }

    /// Signs a message with ECDSA and SHA-256; the signature is in ASN.1, as certificates want it.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TenantsError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.pkcs8())
            .map_err(|_| TenantsError::Crypto("load a key"))?;
        let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| TenantsError::Crypto("sign"))?;
        Ok(signature.as_ref().to_vec())
    }

    /// Returns the key in PKCS #8.
    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        let public = der::element(tag::explicit(1), &der::bit_string(&self.point));
        let sec1 = der::sequence(&[&der::unsigned(&[1]), &der::octet_string(&self.scalar), &public]);
        der::sequence(&[&der::unsigned(&[0]), &algorithm(), &der::octet_string(&sec1)])
    }

    /// Returns the public key as SubjectPublicKeyInfo.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        public_der(&self.point)
    }

    fn of(pair: &EcdsaKeyPair) -> Result<PrivateKey, TenantsError> {
        let wrong_size = |_| TenantsError::Crypto("size a key");
        let secret = pair.private_key().as_be_bytes().map_err(|_| TenantsError::Crypto("read a key"))?;
        Ok(PrivateKey {
            scalar: secret.as_ref().try_into().map_err(wrong_size)?,
            point: pair.public_key().as_ref().try_into().map_err(wrong_size)?,
        })
    }
}

impl std::fmt::Debug for PrivateKey {
    /// Never shows the scalar: keys end up in logs otherwise.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Returns the SubjectPublicKeyInfo of an uncompressed P-256 point.
pub(crate) fn public_der(point: &[u8; POINT_BYTES]) -> Vec<u8> {
    der::sequence(&[&algorithm(), &der::bit_string(point)])
}

fn algorithm() -> Vec<u8> {
    der::sequence(&[&der::oid(EC_PUBLIC_KEY), &der::oid(PRIME256V1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_scalar() {
        let key = PrivateKey::generate().unwrap();
        let again = PrivateKey::from_scalar(&key.scalar).unwrap();
        assert_eq!(key.point, again.point);
        assert_eq!(key.pkcs8(), again.pkcs8());
        assert_eq!(key.pkcs8().len(), 138);
        assert_eq!(key.public_der().len(), 91);
    }

    #[test]
    fn impossible_scalars_are_refused() {
        assert!(PrivateKey::from_scalar(&[0; 32]).is_err());
        assert!(PrivateKey::from_scalar(&[0xff; 32]).is_err());
    }

    #[test]
    fn debug_output_keeps_the_secret() {
        let key = PrivateKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey");
    }
}
