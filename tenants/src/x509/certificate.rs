//! Certificates: what goes into one, and its signature (ECDSA P-256 with SHA-256).

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::Timestamp;

use super::der::{self, tag};
use super::key::PrivateKey;
use crate::error::TenantsError;

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];

/// A key identifier: the first 20 bytes of the SHA-256 of the public key (RFC 7093, method 1).
pub(crate) type KeyId = [u8; 20];

/// Whom a certificate is for, as bytes that may come from a request.
pub(crate) struct Subject<'a> {
    /// DER of the name.
    pub(crate) name: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub(crate) public_key: &'a [u8],
    /// DER of the content of the subjectAltName extension (a GeneralNames), if there is one.
    pub(crate) alternative_names: Option<&'a [u8]>,
}

/// What the holder may do with a certificate.
pub(crate) struct Purpose {
    /// Bits of the keyUsage extension, bit 0 is digitalSignature; 0: no extension.
    pub(crate) key_usage: u16,
    /// Encoded contents of the OIDs of extendedKeyUsage; empty: no extension.
    pub(crate) extended: Vec<&'static [u8]>,
    pub(crate) authority: bool,
}

/// Who signs.
pub(crate) struct Signer<'a> {
    /// DER of the name.
    pub(crate) name: &'a [u8],
    pub(crate) key: &'a PrivateKey,
    pub(crate) key_id: KeyId,
}

/// Makes and signs a certificate with a random serial number of 127 bits.
pub(crate) fn issue(
    signer: &Signer<'_>,
    subject: &Subject<'_>,
    purpose: &Purpose,
    (not_before, not_after): (Timestamp, Timestamp),
) -> Result<Vec<u8>, TenantsError> {
    assert!(not_before < not_after, "a certificate is valid for some time");
    let algorithm = der::sequence(&[&der::oid(ECDSA_WITH_SHA256)]);
    let body = der::sequence(&[
        &der::element(tag::explicit(0), &der::unsigned(&[2])),
        &der::unsigned(&serial_number()?),
        &algorithm,
        signer.name,
        &der::sequence(&[&der::time(not_before), &der::time(not_after)]),
        subject.name,
        subject.public_key,
        &der::element(tag::explicit(3), &extensions(signer, subject, purpose)),
    ]);
    let signature = signer.key.sign(&body)?;
    Ok(der::sequence(&[&body, &algorithm, &der::bit_string(&signature)]))
}

/// Returns the identifier of the key with this public point.
pub(crate) fn key_id(point: &[u8]) -> KeyId {
    let hash = digest(&SHA256, point);
    hash.as_ref()[..20].try_into().expect("a SHA-256 has more than 20 bytes")
}

/// Returns the GeneralNames of host names and addresses.
pub(crate) fn general_names(hosts: &[String], addresses: &[IpAddr]) -> Vec<u8> {
    let mut names = Vec::new();
    for host in hosts {
        names.extend(der::element(tag::implicit(2), host.as_bytes()));
    }
    for address in addresses {
        match address {
            IpAddr::V4(address) => names.extend(der::element(tag::implicit(7), &address.octets())),
            IpAddr::V6(address) => names.extend(der::element(tag::implicit(7), &address.octets())),
        }
    }
    der::element(tag::SEQUENCE, &names)
}

fn serial_number() -> Result<[u8; 16], TenantsError> {
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|_| TenantsError::Crypto("draw a serial number"))?;
    // Positive, and never zero, whatever was drawn.
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

fn extensions(signer: &Signer<'_>, subject: &Subject<'_>, purpose: &Purpose) -> Vec<u8> {
    let mut list = Vec::new();
    if purpose.key_usage != 0 {
        list.extend(critical(KEY_USAGE, &der::named_bits(purpose.key_usage)));
    }
    if !purpose.extended.is_empty() {
        let usages: Vec<_> = purpose.extended.iter().map(|usage| der::oid(usage)).collect();
        list.extend(plain(EXTENDED_KEY_USAGE, &der::element(tag::SEQUENCE, &usages.concat())));
    }
    match purpose.authority {
        true => {
            list.extend(critical(BASIC_CONSTRAINTS, &der::sequence(&[TRUE])));
            list.extend(plain(SUBJECT_KEY_ID, &der::octet_string(&signer.key_id)));
        }
        false => {
            list.extend(critical(BASIC_CONSTRAINTS, &der::sequence(&[])));
            let key_id = der::element(tag::implicit(0), &signer.key_id);
            list.extend(plain(AUTHORITY_KEY_ID, &der::sequence(&[&key_id])));
        }
    }
    if let Some(names) = subject.alternative_names {
        list.extend(plain(SUBJECT_ALT_NAME, names));
    }
    der::element(tag::SEQUENCE, &list)
}

/// DER of the BOOLEAN true.
const TRUE: &[u8] = &[1, 1, 0xff];

fn plain(kind: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(kind), &der::octet_string(value)])
}

fn critical(kind: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(kind), TRUE, &der::octet_string(value)])
}
