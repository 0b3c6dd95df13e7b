//! What is issued is checked by other implementations: webpki, x509-parser and, where it is installed, openssl.

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::*;
use crate::endpoints::Endpoints;
use crate::name::TenantName;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn names() -> ServingNames {
    Endpoints::new(Some("localtest.me")).serving_names(&TenantName::parse("cp1").unwrap(), &[])
}

fn verify(
    leaf: &CertificateDer<'_>,
    authority: &Authority,
    usage: webpki::KeyUsage,
    at: Timestamp,
) -> Result<(), webpki::Error> {
    let root = authority.certificate_der();
    let anchor = webpki::anchor_from_trusted_cert(&root)?;
    let end = webpki::EndEntityCert::try_from(leaf)?;
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.as_second() as u64));
    end.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[anchor], &[], time, usage, None, None).map(|_| ())
}

#[test]
fn a_serving_certificate_verifies_for_every_promised_name() {
    let keys = TenantKeys::generate(DEFAULT_ISSUER, now()).unwrap();
    let leaf = keys.issue_serving(&names(), now()).unwrap();
    let der = leaf.certificate_der();
    verify(&der, keys.authority(), webpki::KeyUsage::server_auth(), now()).unwrap();
    let end = webpki::EndEntityCert::try_from(&der).unwrap();
    for name in [
        "cp1.localtest.me",
        "cp1.cp1-system",
        "cp1.cp1-system.svc",
        "cp1.cp1-system.svc.cluster.local",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        "10.96.0.1",
    ] {
        end.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap()).expect(name);
    }
    let other = ServerName::try_from("cp2.localtest.me").unwrap();
    assert!(end.verify_is_valid_for_subject_name(&other).is_err());
}

#[test]
fn a_leaf_means_nothing_to_another_tenant() {
    let one = TenantKeys::generate(DEFAULT_ISSUER, now()).unwrap();
    let two = TenantKeys::generate(DEFAULT_ISSUER, now()).unwrap();
    let admin = one.issue_admin(now()).unwrap();
    let der = admin.certificate_der();
    verify(&der, one.authority(), webpki::KeyUsage::client_auth(), now()).unwrap();
    assert!(verify(&der, two.authority(), webpki::KeyUsage::client_auth(), now()).is_err());
    assert!(verify(&der, one.front_proxy(), webpki::KeyUsage::client_auth(), now()).is_err());
    assert!(verify(&der, one.authority(), webpki::KeyUsage::server_auth(), now()).is_err());
}

#[test]
fn leaves_live_a_year_and_are_due_at_two_thirds() {
    let keys = TenantKeys::generate(DEFAULT_ISSUER, now()).unwrap();
    let leaf = keys.issue_admin(now()).unwrap();
    assert_eq!(leaf.not_after(), now() + limits::LEAF_LIFE);
    let der = leaf.certificate_der();
    let late = leaf.not_after() + jiff::SignedDuration::from_secs(1);
    verify(&der, keys.authority(), webpki::KeyUsage::client_auth(), leaf.not_after()).unwrap();
    assert!(verify(&der, keys.authority(), webpki::KeyUsage::client_auth(), late).is_err());
    let start = now() - limits::CERTIFICATE_BACKDATE;
    let due =
        leaf.renew_at().duration_since(start).as_secs_f64() / leaf.not_after().duration_since(start).as_secs_f64();
    assert!((due - 2.0 / 3.0).abs() < 1e-6, "{due}");
}

#[test]
fn a_leaf_never_outlives_its_authority() {
    let keys = TenantKeys::generate(DEFAULT_ISSUER, now()).unwrap();
    let end = now() + limits::AUTHORITY_LIFE;
    let late = end - jiff::SignedDuration::from_hours(24);
    assert_eq!(keys.issue_admin(late).unwrap().not_after(), end);
    let gone = end + jiff::SignedDuration::from_hours(24);
    assert!(matches!(keys.issue_admin(gone), Err(TenantsError::Expired { .. })));
}

#[test]
fn certificates_have_the_profile_of_rfc_5280() {
    let keys = TenantKeys::generate(DEFAULT_ISSUER, now()).unwrap();
    let root = keys.authority().certificate_der();
    let (_, root) = X509Certificate::from_der(&root).unwrap();
    assert_eq!(root.subject().to_string(), "CN=kubernetes");
    assert!(root.is_ca());
    assert!(root.key_usage().unwrap().unwrap().value.key_cert_sign());
    root.verify_signature(None).unwrap();
    let leaf = keys.issue_admin(now()).unwrap().certificate_der();
    let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
    assert_eq!(leaf.subject().to_string(), "O=system:masters, CN=kubernetes-admin");
    assert!(!leaf.is_ca());
    assert_eq!(leaf.version(), x509_parser::x509::X509Version::V3);
    assert!(leaf.key_usage().unwrap().unwrap().critical);
    leaf.verify_signature(Some(root.public_key())).unwrap();
    assert_ne!(leaf.raw_serial(), root.raw_serial());
    assert!(leaf.raw_serial().len() == 16);
}

#[test]
fn the_key_set_names_every_accepted_key() {
    let mut keys = TenantKeys::generate(DEFAULT_ISSUER, now()).unwrap();
    let first = keys.signing_key().public().id();
    keys.rotate_signing_key().unwrap();
    let second = keys.signing_key().public().id();
    assert_ne!(first, second);
    assert!(keys.public_key(&first).is_some());
    let set = keys.jwks();
    assert!(set.find(&second).unwrap() < set.find(&first).unwrap());
    for _ in 0..20 {
        keys.rotate_signing_key().unwrap();
    }
    assert_eq!(keys.public_keys().count(), 1 + limits::EARLIER_SIGNING_KEYS_MAX);
    assert!(keys.public_key(&first).is_none());
}

#[test]
fn earlier_issuers_stay_accepted() {
    let mut keys = TenantKeys::generate("https://a", now()).unwrap();
    keys.set_issuer("https://b");
    keys.set_issuer("https://a");
    assert_eq!(keys.issuers(), ["https://a", "https://b"]);
}

/// Made with Go's way of writing groups: both organizations in one multi-valued RDN, which rcgen refuses.
#[test]
fn a_request_with_several_groups_is_signed_as_it_came() {
    use crate::x509::der::{self, tag};
    let key = crate::x509::key::PrivateKey::generate().unwrap();
    let subject = crate::x509::name::encode("jane", &["team:b", "team:a"]);
    let names = crate::x509::certificate::general_names(&["a.example".to_owned()], &["10.0.0.1".parse().unwrap()]);
    let extension = der::sequence(&[&der::oid(&[0x55, 0x1d, 17]), &der::octet_string(&names)]);
    let extensions = der::sequence(&[&extension]);
    let attribute = der::sequence(&[
        &der::oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14]),
        &der::element(tag::SET, &extensions),
    ]);
    let body = der::sequence(&[
        &der::unsigned(&[0]),
        &subject,
        &key.public_der(),
        &der::element(tag::explicit(0), &attribute),
    ]);
    let algorithm = der::sequence(&[&der::oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])]);
    let signed = |signature: &[u8]| der::sequence(&[&body, &algorithm, &der::bit_string(signature)]);
    let request = CertificateRequest::from_der(&signed(&key.sign(&body).unwrap())).unwrap();
    assert_eq!(request.common_name(), "jane");
    assert_eq!(request.organizations(), ["team:a", "team:b"]);
    assert_eq!(request.dns_names(), ["a.example"]);
    assert_eq!(request.addresses(), [vec![10, 0, 0, 1]]);

    let keys = TenantKeys::generate(DEFAULT_ISSUER, now()).unwrap();
    let (not_before, not_after) = request_life(now(), jiff::SignedDuration::from_hours(1));
    let policy =
        SigningPolicy { usages: &["digital signature", "key encipherment", "client auth"], not_before, not_after };
    let der = CertificateDer::from(keys.authority().sign_request(&request, &policy).unwrap());
    verify(&der, keys.authority(), webpki::KeyUsage::client_auth(), now()).unwrap();
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(parsed.subject().as_raw(), subject);
    assert_eq!(parsed.validity().not_after.timestamp(), (now() + jiff::SignedDuration::from_hours(1)).as_second());
    let unknown = SigningPolicy { usages: &["world domination"], not_before, not_after };
    assert!(matches!(keys.authority().sign_request(&request, &unknown), Err(TenantsError::UnknownUsage(_))));

    let forged = signed(&crate::x509::key::PrivateKey::generate().unwrap().sign(&body).unwrap());
    assert!(matches!(CertificateRequest::from_der(&forged), Err(TenantsError::BadRequest(_))));
    assert!(CertificateRequest::from_pem(b"hello").is_err());
}

/// A second opinion from OpenSSL on everything that is issued.
#[test]
fn openssl_agrees() {
    let directory = tempfile::tempdir().unwrap();
    let at = Timestamp::now();
    let keys = TenantKeys::generate(DEFAULT_ISSUER, at).unwrap();
    let leaf = keys.issue_serving(&names(), at).unwrap();
    let write = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string()
    };
    let authority = write("ca.pem", keys.authority().certificate_pem());
    let certificate = write("leaf.pem", leaf.certificate_pem());
    let key = write("leaf.key", leaf.key_pem());
    let run = |arguments: &[&std::ffi::OsStr]| {
        let output = std::process::Command::new("openssl").args(arguments).output().expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&[
        "verify".as_ref(),
        "-x509_strict".as_ref(),
        "-purpose".as_ref(),
        "sslserver".as_ref(),
        "-CAfile".as_ref(),
        &authority,
        &certificate,
    ]);
    let from_key = run(&["pkey".as_ref(), "-pubout".as_ref(), "-in".as_ref(), &key]);
    let from_certificate = run(&["x509".as_ref(), "-noout".as_ref(), "-pubkey".as_ref(), "-in".as_ref(), &certificate]);
    assert_eq!(from_key, from_certificate);
}
