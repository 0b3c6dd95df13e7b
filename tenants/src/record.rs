//! The stored form of a tenant: what the store keeps for us as opaque bytes.
//!
//! A record is a version byte (1) and a list of fields, each `tag (1 byte), length (LEB128), content`. Numbers are
//! big-endian. A key is its scalar (32 bytes) and its uncompressed point (65). Repeated fields stand in order, the
//! current one first.
//!
//! | tag | content | times |
//! |---|---|---|
//! | 1 | uid, 16 bytes | 1 |
//! | 2 | creation, seconds since 1970, i64 | 1 |
//! | 3, 4 | authority: key, certificate (DER) | 1 |
//! | 5, 6 | front proxy's authority: key, certificate (DER) | 1 |
//! | 7 | service-account signing key | 1 |
//! | 8 | earlier service-account keys: public point | 0 to 8 |
//! | 9 | issuer, UTF-8 | 1 to 8 |
//! | 10 | claimed host, UTF-8 | 0 to 16 |
//! | 16 to 21 | limits, u64, in the order of [`TenantLimits`] | 1 |
//! | 127 | empty, ends the record | 1 |
//!
//! A reader refuses a version or a tag that it does not know: a newer release wrote it, and leaving a key or an
//! issuer out in silence would lock somebody out.

use jiff::Timestamp;
use uuid::Uuid;

use crate::error::TenantsError;
use crate::keys::{Authority, PublicKey, SigningKey, TenantKeys};
use crate::limits::{RECORD_BYTES_MAX, TenantLimits};
use crate::x509::key::{POINT_BYTES, PrivateKey, SCALAR_BYTES};

const VERSION: u8 = 1;

mod tag {
    pub(super) const UID: u8 = 1;
    pub(super) const CREATED: u8 = 2;
    pub(super) const AUTHORITY_KEY: u8 = 3;
    pub(super) const AUTHORITY_CERTIFICATE: u8 = 4;
    pub(super) const FRONT_PROXY_KEY: u8 = 5;
    pub(super) const FRONT_PROXY_CERTIFICATE: u8 = 6;
    pub(super) const SIGNING_KEY: u8 = 7;
    pub(super) const EARLIER_PUBLIC_KEY: u8 = 8;
    pub(super) const ISSUER: u8 = 9;
    pub(super) const HOST: u8 = 10;
    pub(super) const OWNER: u8 = 11;
    pub(super) const OBJECTS_MAX: u8 = 16;
    pub(super) const STORED_BYTES_MAX: u8 = 17;
    pub(super) const CRDS_MAX: u8 = 18;
    pub(super) const REQUESTS_IN_FLIGHT_MAX: u8 = 19;
    pub(super) const REQUESTS_QUEUED_MAX: u8 = 20;
    pub(super) const WATCHES_MAX: u8 = 21;
    /// The last field, empty: a record that was cut anywhere lacks it.
    pub(super) const END: u8 = 127;
}

/// All that is stored of a tenant besides its objects.
#[derive(Clone, Debug)]
pub(crate) struct TenantRecord {
    pub(crate) uid: Uuid,
    /// Whole seconds.
    pub(crate) created: Timestamp,
    pub(crate) keys: TenantKeys,
    pub(crate) limits: TenantLimits,
    /// Hosts that were claimed beyond those that follow from the name.
    pub(crate) hosts: Vec<String>,
    /// Uid of the object that it was made for.
    pub(crate) owner: Option<Uuid>,
}

impl TenantRecord {
    /// Returns the stored form.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer { bytes: vec![VERSION] };
        out.field(tag::UID, self.uid.as_bytes());
        out.field(tag::CREATED, &self.created.as_second().to_be_bytes());
        let (certificate, key) = self.keys.authority.parts();
        out.key(tag::AUTHORITY_KEY, key);
        out.field(tag::AUTHORITY_CERTIFICATE, certificate);
        let (certificate, key) = self.keys.front_proxy.parts();
        out.key(tag::FRONT_PROXY_KEY, key);
        out.field(tag::FRONT_PROXY_CERTIFICATE, certificate);
        out.key(tag::SIGNING_KEY, self.keys.signing.private());
        for key in &self.keys.earlier {
            out.field(tag::EARLIER_PUBLIC_KEY, key.point());
        }
        for issuer in &self.keys.issuers {
            out.field(tag::ISSUER, issuer.as_bytes());
        }
        for host in &self.hosts {
            out.field(tag::HOST, host.as_bytes());
        }
        if let Some(owner) = &self.owner {
            out.field(tag::OWNER, owner.as_bytes());
        }
        out.limits(&self.limits);
        out.field(tag::END, &[]);
        assert!(out.bytes.len() <= RECORD_BYTES_MAX, "a record's parts are limited");
        out.bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// The bytes are not a record, or a newer release wrote it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<TenantRecord, TenantsError> {
        let (version, mut rest) = bytes.split_first().ok_or(TenantsError::Corrupt("empty record"))?;
        if *version != VERSION {
            return Err(TenantsError::Corrupt("record of an unknown version"));
        }
        let mut parts = Parts::default();
        while !rest.is_empty() {
            let (tag, content, tail) = next_field(rest).ok_or(TenantsError::Corrupt("cut record"))?;
            parts.take(tag, content)?;
            rest = tail;
        }
        parts.finish()
    }
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn field(&mut self, tag: u8, content: &[u8]) {
        self.bytes.push(tag);
        let mut length = content.len();
        while length >= 0x80 {
            self.bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.bytes.push(length as u8);
        self.bytes.extend_from_slice(content);
    }

    fn key(&mut self, tag: u8, key: &PrivateKey) {
        let (scalar, point) = key.parts();
        self.field(tag, &[&scalar[..], &point[..]].concat());
    }

    fn limits(&mut self, limits: &TenantLimits) {
        let TenantLimits {
            objects_max,
            stored_bytes_max,
            crds_max,
            requests_in_flight_max,
            requests_queued_max,
            watches_max,
        } = *limits;
        for (tag, value) in [
            (tag::OBJECTS_MAX, objects_max),
            (tag::STORED_BYTES_MAX, stored_bytes_max),
            (tag::CRDS_MAX, crds_max),
            (tag::REQUESTS_IN_FLIGHT_MAX, requests_in_flight_max),
            (tag::REQUESTS_QUEUED_MAX, requests_queued_max),
            (tag::WATCHES_MAX, watches_max),
        ] {
            self.field(tag, &value.to_be_bytes());
        }
    }
}

/// Returns the first field's tag and content, and what follows it.
fn next_field(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    let mut length = 0_usize;
    for shift in [0, 7, 14] {
        let (byte, tail) = rest.split_first()?;
        rest = tail;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (content, tail) = rest.split_at_checked(length)?;
            return Some((*tag, content, tail));
        }
    }
    None
}

/// The fields seen so far.
#[derive(Default)]
struct Parts<'a> {
    uid: Option<Uuid>,
    created: Option<Timestamp>,
    authority: (Option<PrivateKey>, Option<&'a [u8]>),
    front_proxy: (Option<PrivateKey>, Option<&'a [u8]>),
    signing: Option<PrivateKey>,
    earlier: Vec<PublicKey>,
    issuers: Vec<String>,
    hosts: Vec<String>,
    owner: Option<Uuid>,
    limits: TenantLimits,
    ended: bool,
}

impl<'a> Parts<'a> {
    fn take(&mut self, tag: u8, content: &'a [u8]) -> Result<(), TenantsError> {
        match tag {
            tag::UID => self.uid = Some(Uuid::from_bytes(sized(content)?)),
            tag::CREATED => self.created = Some(timestamp(content)?),
            tag::AUTHORITY_KEY => self.authority.0 = Some(key(content)?),
            tag::AUTHORITY_CERTIFICATE => self.authority.1 = Some(content),
            tag::FRONT_PROXY_KEY => self.front_proxy.0 = Some(key(content)?),
            tag::FRONT_PROXY_CERTIFICATE => self.front_proxy.1 = Some(content),
            tag::SIGNING_KEY => self.signing = Some(key(content)?),
            tag::EARLIER_PUBLIC_KEY => self.earlier.push(PublicKey::new(&sized(content)?)),
            tag::ISSUER => self.issuers.push(text(content)?),
            tag::HOST => self.hosts.push(text(content)?),
            tag::OWNER => self.owner = Some(Uuid::from_bytes(sized(content)?)),
            tag::OBJECTS_MAX => self.limits.objects_max = number(content)?,
            tag::STORED_BYTES_MAX => self.limits.stored_bytes_max = number(content)?,
            tag::CRDS_MAX => self.limits.crds_max = number(content)?,
            tag::REQUESTS_IN_FLIGHT_MAX => self.limits.requests_in_flight_max = number(content)?,
            tag::REQUESTS_QUEUED_MAX => self.limits.requests_queued_max = number(content)?,
            tag::WATCHES_MAX => self.limits.watches_max = number(content)?,
            tag::END => self.ended = true,
            _ => return Err(TenantsError::Corrupt("record with an unknown field")),
        }
        Ok(())
    }

    fn finish(self) -> Result<TenantRecord, TenantsError> {
        let missing = TenantsError::Corrupt("record without a required field");
        let (Some(uid), Some(created), Some(signing)) = (self.uid, self.created, self.signing) else {
            return Err(missing);
        };
        let (Some(authority_key), Some(authority)) = self.authority else { return Err(missing) };
        let (Some(front_proxy_key), Some(front_proxy)) = self.front_proxy else { return Err(missing) };
        if self.issuers.is_empty() || !self.ended {
            return Err(missing);
        }
        let keys = TenantKeys {
            authority: Authority::from_parts(authority, authority_key),
            front_proxy: Authority::from_parts(front_proxy, front_proxy_key),
            signing: SigningKey::new(signing),
            earlier: self.earlier,
            issuers: self.issuers,
        };
        Ok(TenantRecord { uid, created, keys, limits: self.limits, hosts: self.hosts, owner: self.owner })
    }
}

fn sized<const N: usize>(content: &[u8]) -> Result<[u8; N], TenantsError> {
    content.try_into().map_err(|_| TenantsError::Corrupt("field of a wrong length"))
}

fn key(content: &[u8]) -> Result<PrivateKey, TenantsError> {
    let (scalar, point) =
        content.split_at_checked(SCALAR_BYTES).ok_or(TenantsError::Corrupt("field of a wrong length"))?;
    Ok(PrivateKey::from_parts(sized(scalar)?, sized::<POINT_BYTES>(point)?))
}

fn timestamp(content: &[u8]) -> Result<Timestamp, TenantsError> {
    Timestamp::from_second(i64::from_be_bytes(sized(content)?)).map_err(|_| TenantsError::Corrupt("field out of range"))
}

fn number(content: &[u8]) -> Result<u64, TenantsError> {
    Ok(u64::from_be_bytes(sized(content)?))
}

fn text(content: &[u8]) -> Result<String, TenantsError> {
    String::from_utf8(content.to_vec()).map_err(|_| TenantsError::Corrupt("field that is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn record() -> TenantRecord {
        let mut keys = TenantKeys::generate("https://one", now()).unwrap();
        keys.set_issuer("https://two");
        keys.rotate_signing_key().unwrap();
        TenantRecord {
            uid: Uuid::from_u128(7),
            created: now(),
            keys,
            limits: TenantLimits { crds_max: 3, ..TenantLimits::default() },
            hosts: vec!["cp1.apps.example.com".to_owned()],
            owner: Some(Uuid::nil()),
        }
    }

    #[test]
    fn a_record_round_trips() {
        let before = record();
        let bytes = before.encode();
        let after = TenantRecord::decode(&bytes).unwrap();
        assert_eq!(after.encode(), bytes);
        assert_eq!(after.uid, before.uid);
        assert_eq!(after.created, before.created);
        assert_eq!(after.limits, before.limits);
        assert_eq!(after.hosts, before.hosts);
        assert_eq!(after.keys.issuers(), ["https://two", "https://one"]);
        assert_eq!(after.keys.jwks(), before.keys.jwks());
        assert_eq!(after.keys.public_keys().count(), 2);
    }

    #[test]
    fn a_fresh_record_is_small() {
        let keys = TenantKeys::generate(crate::keys::DEFAULT_ISSUER, now()).unwrap();
        let record = TenantRecord {
            uid: Uuid::nil(),
            created: now(),
            keys,
            limits: TenantLimits::default(),
            hosts: Vec::new(),
            owner: None,
        };
        let length = record.encode().len();
        assert!(length < 1_400, "{length}");
    }

    /// The layout is a promise: this is version 1, byte for byte, with the random parts cut out.
    #[test]
    fn the_layout_is_version_one() {
        let bytes = record().encode();
        assert_eq!(bytes[0], 1);
        let mut rest = &bytes[1..];
        let mut layout = Vec::new();
        while let Some((tag, content, tail)) = next_field(rest) {
            let length = if matches!(tag, tag::AUTHORITY_CERTIFICATE | tag::FRONT_PROXY_CERTIFICATE) {
                0
            } else {
                content.len()
            };
            layout.push((tag, length));
            rest = tail;
        }
        let expected = [
            (1, 16),
            (2, 8),
            (3, 97),
            (4, 0),
            (5, 97),
            (6, 0),
            (7, 97),
            (8, 65),
            (9, 11),
            (9, 11),
            (10, 20),
            (11, 16),
            (16, 8),
            (17, 8),
            (18, 8),
            (19, 8),
            (20, 8),
            (21, 8),
            (127, 0),
        ];
        assert_eq!(layout, expected);
    }

    #[test]
    fn damaged_records_are_refused() {
        let bytes = record().encode();
        for length in 0..bytes.len() {
            assert!(TenantRecord::decode(&bytes[..length]).is_err(), "{length}");
        }
        let mut newer = bytes.clone();
        newer[0] = 2;
        assert!(TenantRecord::decode(&newer).is_err());
        let mut unknown = bytes;
        unknown.extend([99, 1, 0]);
        assert!(TenantRecord::decode(&unknown).is_err());
    }
}
