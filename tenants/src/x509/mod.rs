//! Makes X.509 certificates and private keys in DER, with P-256 keys only.
//!
//! Why not rcgen: Kubernetes carries groups as several organizations in one name, which Go writes as one
//! multi-valued RDN; rcgen refuses such a request and its names hold one value for each type. Here subjects and
//! public keys of requests are copied as the bytes they came in. Knows nothing of tenants.

pub(crate) mod certificate;
pub(crate) mod der;
pub(crate) mod key;
pub(crate) mod name;
pub(crate) mod pem;
