//! Client certificates: who a certificate of the tenant's own authority names.
//!
//! The handshake has only shown that the client holds the key; whether the certificate means anything is decided
//! here, after routing. Verifying costs a signature check: results are worth keeping while they are valid.

use super::user::{CREDENTIAL_ID, User};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::fmt::Write as _;
use std::time::Duration;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Subject attribute that holds a user's uid.
const UID_OID: &str = "1.3.6.1.4.1.57683.2";

/// Why a certificate was not believed.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are no certificate.
    #[error("read client certificate")]
    Malformed,
    /// Not signed by the authority, expired, or not meant for clients.
    #[error("verify client certificate: {0}")]
    Untrusted(webpki::Error),
    /// The uid attribute is empty or occurs more than once.
    #[error("read uid of client certificate")]
    Uid,
}

/// Authorities whose client certificates are believed.
pub struct ClientAuthorities(Vec<TrustAnchor<'static>>);

/// An identity from a certificate, and how long it may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The identity; `None` when the certificate is good but names nobody.
    pub user: Option<User>,
    /// First second at which the chain is not valid any more, Unix time.
    pub expiry: i64,
}

impl ClientAuthorities {
    /// Takes the certificates of the authorities.
    ///
    /// # Errors
    /// One of them is no certificate of an authority.
    pub fn new<'c>(certificates: impl IntoIterator<Item = &'c [u8]>) -> Result<Self, CertificateError> {
        let anchor = |der: &[u8]| {
            let der = CertificateDer::from(der);
            webpki::anchor_from_trusted_cert(&der).map(|anchor| anchor.to_owned())
        };
        let anchors: Result<_, _> = certificates.into_iter().map(anchor).collect();
        anchors.map(Self).map_err(CertificateError::Untrusted)
    }

    /// Verifies a client's chain, leaf first.
    ///
    /// # Errors
    /// The chain is not to be believed; such a request is not anonymous but refused.
    pub fn verify(&self, chain: &[CertificateDer<'_>], now: i64) -> Result<Certified, CertificateError> {
        let (leaf, intermediates) = chain.split_first().ok_or(CertificateError::Malformed)?;
        let entity = webpki::EndEntityCert::try_from(leaf).map_err(CertificateError::Untrusted)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap_or(0)));
        let path = entity
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.0,
                intermediates,
                time,
                webpki::KeyUsage::client_auth(),
                None,
                None,
            )
            .map_err(CertificateError::Untrusted)?;
        let mut expiry = not_after(leaf)?;
        for intermediate in path.intermediate_certificates() {
            expiry = expiry.min(not_after(&intermediate.der())?);
        }
        Ok(Certified { user: user_of(leaf)?, expiry })
    }
}

fn parse<'a>(der: &'a [u8]) -> Result<X509Certificate<'a>, CertificateError> {
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|_| CertificateError::Malformed)
}

fn not_after(der: &[u8]) -> Result<i64, CertificateError> {
    Ok(parse(der)?.validity().not_after.timestamp())
}

fn user_of(leaf: &[u8]) -> Result<Option<User>, CertificateError> {
    let certificate = parse(leaf)?;
    let subject = certificate.subject();
    let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| -> Option<Box<str>> {
        attribute.as_str().ok().map(Box::from)
    };
    // Of several common names the last counts.
    let Some(name) = subject.iter_common_name().filter_map(text).last().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let uids: Vec<&x509_parser::x509::AttributeTypeAndValue<'_>> =
        subject.iter_attributes().filter(|attribute| attribute.attr_type().to_id_string() == UID_OID).collect();
    let uid = match uids.as_slice() {
        [] => Box::default(),
        [one] => text(one).filter(|uid| !uid.is_empty()).ok_or(CertificateError::Uid)?,
        _ => return Err(CertificateError::Uid),
    };
    let mut credential = "X509SHA256=".to_owned();
    for byte in aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf).as_ref() {
        write!(credential, "{byte:02x}").expect("a String takes any text");
    }
    let groups = subject.iter_organization().filter_map(text).collect();
    let extra = [(CREDENTIAL_ID.into(), vec![credential.into()])].into();
    Ok(Some(User { name, uid, groups, extra }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
    };

    struct Authority {
        der: Vec<u8>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn authority(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("key");
        let der = params.self_signed(&key).expect("certificate").der().to_vec();
        Authority { der, issuer: Issuer::new(params, key) }
    }

    fn client(authority: &Authority, edit: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        edit(&mut params);
        let key = KeyPair::generate().expect("key");
        params.signed_by(&key, &authority.issuer).expect("certificate").der().clone()
    }

    const NOW: i64 = 1_780_000_000;

    #[test]
    fn a_certificate_of_the_authority_names_its_user() {
        let authority = authority("a");
        let certificate = client(&authority, |params| {
            params.distinguished_name.push(DnType::CommonName, "jo");
            params.distinguished_name.push(DnType::OrganizationName, "devs");
            params.distinguished_name.push(DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57683, 2]), "u-1");
        });
        let authorities = ClientAuthorities::new([authority.der.as_slice()]).expect("authority");
        let done = authorities.verify(std::slice::from_ref(&certificate), NOW).expect("verified");
        assert_eq!(done.expiry, 1_798_761_600);
        let user = done.user.expect("a name");
        assert_eq!((&*user.name, &*user.uid, user.quoted_groups().as_str()), ("jo", "u-1", r#"["devs"]"#));
        let credential = &user.extra[CREDENTIAL_ID][0];
        assert!(credential.starts_with("X509SHA256=") && credential.len() == 11 + 64, "{credential}");
        assert!(authorities.verify(&[certificate], done.expiry + 1).is_err(), "expired");
    }

    #[test]
    fn strangers_are_refused() {
        let (ours, theirs) = (authority("a"), authority("a"));
        let authorities = ClientAuthorities::new([ours.der.as_slice()]).expect("authority");
        let named = |params: &mut CertificateParams| params.distinguished_name.push(DnType::CommonName, "jo");
        assert!(authorities.verify(&[client(&theirs, named)], NOW).is_err(), "same name, other key");
        let server = client(&ours, |params| {
            named(params);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
        assert!(authorities.verify(&[server], NOW).is_err(), "not for clients");
        let nobody = client(&ours, |_| {});
        assert_eq!(authorities.verify(&[nobody], NOW).expect("verified").user, None);
        assert!(authorities.verify(&[CertificateDer::from(vec![1, 2, 3])], NOW).is_err());
        assert!(authorities.verify(&[], NOW).is_err());
    }
}
