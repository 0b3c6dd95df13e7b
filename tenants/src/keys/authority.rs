//! A certificate authority: its certificate, its key, and what it signs.

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::leaf::Leaf;
use super::request::CertificateRequest;
use crate::endpoints::ServingNames;
use crate::error::TenantsError;
use crate::limits;
use crate::x509::certificate::{self, Purpose, Signer, Subject};
use crate::x509::key::PrivateKey;
use crate::x509::{name, pem};

/// Bit of keyUsage: digitalSignature.
const DIGITAL_SIGNATURE: u16 = 1;
/// Bit of keyUsage: keyCertSign.
const CERT_SIGN: u16 = 1 << 5;
/// Bit of keyUsage: cRLSign.
const CRL_SIGN: u16 = 1 << 6;

const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// A certificate authority with an ECDSA P-256 key and a life of ten years.
#[derive(Clone, Debug)]
pub struct Authority {
    certificate: Box<[u8]>,
    key: PrivateKey,
}

/// How a request for a certificate is signed: for what, and how long.
#[derive(Clone, Debug)]
pub struct SigningPolicy<'a> {
    /// `spec.usages` of the CertificateSigningRequest.
    pub usages: &'a [&'a str],
    /// The start of the certificate's life.
    pub not_before: Timestamp,
    /// The end of the certificate's life; it is cut to the end of the authority's.
    pub not_after: Timestamp,
}

impl Authority {
    /// Makes an authority with this common name.
    pub fn generate(common_name: &str, now: Timestamp) -> Result<Authority, TenantsError> {
        Authority::with_key(common_name, PrivateKey::generate()?, now)
    }

    /// Makes an authority around a given key.
    pub(crate) fn with_key(common_name: &str, key: PrivateKey, now: Timestamp) -> Result<Authority, TenantsError> {
        let name = name::encode(common_name, &[]);
        let signer = Signer { name: &name, key_id: certificate::key_id(key.parts().1), key: &key };
        let subject = Subject { name: &name, public_key: &key.public_der(), alternative_names: None };
        let purpose =
            Purpose { key_usage: DIGITAL_SIGNATURE | CERT_SIGN | CRL_SIGN, extended: Vec::new(), authority: true };
        let life = (now - limits::CERTIFICATE_BACKDATE, now + limits::AUTHORITY_LIFE);
        let certificate = certificate::issue(&signer, &subject, &purpose, life)?;
        Ok(Authority { certificate: certificate.into(), key })
    }

    /// Puts together what [`Authority::parts`] took apart.
    pub(crate) fn from_parts(certificate: &[u8], key: PrivateKey) -> Authority {
        Authority { certificate: certificate.into(), key }
    }

    /// Returns certificate and key.
    pub(crate) fn parts(&self) -> (&[u8], &PrivateKey) {
        (&self.certificate, &self.key)
    }

    /// Returns the authority's certificate, the trust anchor of what it issues.
    pub fn certificate_der(&self) -> CertificateDer<'_> {
        CertificateDer::from(&self.certificate[..])
    }

    /// Returns the authority's certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.certificate)
    }

    /// Returns the authority's private key in PEM (PKCS #8).
    pub fn key_pem(&self) -> String {
        pem::encode("PRIVATE KEY", &self.key.pkcs8())
    }

    /// Issues a serving certificate with a key of its own for these names.
    pub fn issue_serving(&self, common_name: &str, names: &ServingNames, now: Timestamp) -> Result<Leaf, TenantsError> {
        let alternative = certificate::general_names(&names.hosts, &names.addresses);
        self.issue_leaf(&name::encode(common_name, &[]), Some(&alternative), SERVER_AUTH, now)
    }

    /// Issues a client certificate with a key of its own: the common name is the user, organizations are groups.
    pub fn issue_client(&self, user: &str, groups: &[&str], now: Timestamp) -> Result<Leaf, TenantsError> {
        self.issue_leaf(&name::encode(user, groups), None, CLIENT_AUTH, now)
    }

    /// Signs a request: its subject, its public key and its alternative names, whatever they are. The caller has
    /// decided that the requester may have them.
    ///
    /// Returns the certificate in DER.
    ///
    /// # Errors
    /// A usage is unknown, or the authority's own life is over.
    pub fn sign_request(
        &self,
        request: &CertificateRequest,
        policy: &SigningPolicy<'_>,
    ) -> Result<Vec<u8>, TenantsError> {
        let authority = self.parse()?;
        let subject = Subject {
            name: request.subject_der(),
            public_key: request.public_key_der(),
            alternative_names: request.alternative_names_der(),
        };
        let life = self.life(&authority, policy.not_before, policy.not_after)?;
        certificate::issue(&self.signer(&authority), &subject, &purpose(policy.usages)?, life)
    }

    fn issue_leaf(
        &self,
        subject: &[u8],
        alternative_names: Option<&[u8]>,
        usage: &'static [u8],
        now: Timestamp,
    ) -> Result<Leaf, TenantsError> {
        let authority = self.parse()?;
        let key = PrivateKey::generate()?;
        let subject = Subject { name: subject, public_key: &key.public_der(), alternative_names };
        let purpose = Purpose { key_usage: DIGITAL_SIGNATURE, extended: vec![usage], authority: false };
        let life = self.life(&authority, now - limits::CERTIFICATE_BACKDATE, now + limits::LEAF_LIFE)?;
        let certificate = certificate::issue(&self.signer(&authority), &subject, &purpose, life)?;
        Ok(Leaf::new(certificate, key, life))
    }

    fn parse(&self) -> Result<X509Certificate<'_>, TenantsError> {
        let (_, parsed) =
            X509Certificate::from_der(&self.certificate).map_err(|_| TenantsError::Corrupt("authority certificate"))?;
        Ok(parsed)
    }

    fn signer<'a>(&'a self, parsed: &'a X509Certificate<'_>) -> Signer<'a> {
        Signer { name: parsed.subject().as_raw(), key: &self.key, key_id: certificate::key_id(self.key.parts().1) }
    }

    /// Returns the life of a leaf, cut to the authority's.
    fn life(
        &self,
        authority: &X509Certificate<'_>,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<(Timestamp, Timestamp), TenantsError> {
        let end = Timestamp::from_second(authority.validity().not_after.timestamp())
            .map_err(|_| TenantsError::Corrupt("authority certificate"))?;
        let not_after = not_after.min(end);
        match not_before < not_after {
            true => Ok((not_before, not_after)),
            false => Err(TenantsError::Expired { since: not_after }),
        }
    }
}

/// Returns the life that a signed request gets: `duration` from `now`, dated back by five minutes at its start, and
/// at its end too unless it is so short (8 hours) that every minute counts. This is upstream's rule.
pub fn request_life(now: Timestamp, duration: SignedDuration) -> (Timestamp, Timestamp) {
    let backdate = limits::REQUEST_BACKDATE;
    match duration < limits::REQUEST_SHORT_LIFE {
        true => (now - backdate, now + duration),
        false => (now - backdate, now + duration - backdate),
    }
}

fn purpose(usages: &[&str]) -> Result<Purpose, TenantsError> {
    let mut purpose = Purpose { key_usage: 0, extended: Vec::new(), authority: false };
    for usage in usages {
        match usage_code(usage).ok_or_else(|| TenantsError::UnknownUsage((*usage).to_owned()))? {
            Usage::Key(bit) => purpose.key_usage |= 1 << bit,
            Usage::Extended(oid) if purpose.extended.contains(&oid) => {}
            Usage::Extended(oid) => purpose.extended.push(oid),
        }
    }
    purpose.extended.sort();
    Ok(purpose)
}

enum Usage {
    /// A bit of keyUsage.
    Key(u8),
    /// An OID of extendedKeyUsage.
    Extended(&'static [u8]),
}

/// Usages by their names in `certificates.k8s.io`, with bits from RFC 5280 and OIDs from their registrations.
fn usage_code(name: &str) -> Option<Usage> {
    Some(match name {
        "signing" | "digital signature" => Usage::Key(0),
        "content commitment" => Usage::Key(1),
        "key encipherment" => Usage::Key(2),
        "data encipherment" => Usage::Key(3),
        "key agreement" => Usage::Key(4),
        "cert sign" => Usage::Key(5),
        "crl sign" => Usage::Key(6),
        "encipher only" => Usage::Key(7),
        "decipher only" => Usage::Key(8),
        "any" => Usage::Extended(&[0x55, 0x1d, 37, 0]),
        "server auth" => Usage::Extended(SERVER_AUTH),
        "client auth" => Usage::Extended(CLIENT_AUTH),
        "code signing" => Usage::Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 3]),
        "email protection" | "s/mime" => Usage::Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 4]),
        "ipsec end system" => Usage::Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 5]),
        "ipsec tunnel" => Usage::Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 6]),
        "ipsec user" => Usage::Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 7]),
        "timestamping" => Usage::Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 8]),
        "ocsp signing" => Usage::Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 9]),
        "microsoft sgc" => Usage::Extended(&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 3]),
        "netscape sgc" => Usage::Extended(&[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 4, 1]),
        _ => return None,
    })
}
