//! Encryption towards the database, when the URL asks for it.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::StorageError;

/// Where Linux distributions keep the system's roots.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// How to encrypt, as far as the URL says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TlsWish {
    /// Encrypt, and check the certificate.
    pub(super) wanted: bool,
    /// Roots to check it against.
    pub(super) roots: Option<String>,
}

/// Takes the settings out of a connection string that `tokio-postgres` does not know, and returns the rest.
pub(super) fn split_settings(url: &str) -> (String, TlsWish) {
    let mut wish = TlsWish::default();
    let mut keep = |setting: &str| match setting.split_once('=') {
        Some(("sslmode", mode)) => {
            wish.wanted = matches!(mode, "require" | "verify-ca" | "verify-full");
            false
        }
        Some(("sslrootcert", path)) => {
            wish.roots = Some(path.trim_matches('\'').to_owned());
            false
        }
        _ => true,
    };
    let rest = match url.split_once('?') {
        Some((address, settings)) if url.contains("://") => {
            let kept: Vec<&str> = settings.split('&').filter(|setting| keep(setting)).collect();
            format!("{address}?{}", kept.join("&")).trim_end_matches('?').to_owned()
        }
        None if url.contains("://") => url.to_owned(),
        _ => url.split_whitespace().filter(|setting| keep(setting)).collect::<Vec<_>>().join(" "),
    };
    (rest, wish)
}

/// Builds the connector for encrypted connections.
pub(super) fn connector(wish: &TlsWish) -> Result<MakeRustlsConnect, StorageError> {
    let failed = |why: String| StorageError::Unavailable(format!("prepare TLS to the database: {why}"));
    let found = || SYSTEM_ROOTS.into_iter().find(|path| Path::new(path).exists()).map(str::to_owned);
    let path = wish.roots.clone().or_else(found).ok_or_else(|| failed("no root certificates".to_owned()))?;
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&path).map_err(|error| failed(format!("{path}: {error}")))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(format!("{path}: {error}")))?;
        let added = roots.add(certificate);
        // The system's file may hold roots that rustls does not take; a file that was named must be whole.
        if wish.roots.is_some() {
            added.map_err(|error| failed(format!("{path}: {error}")))?;
        }
    }
    if roots.is_empty() {
        return Err(failed(format!("{path} holds no root certificate")));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| failed(error.to_string()))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_settings_are_taken_out_of_the_url() {
        let check = |url: &str, rest: &str, wanted: bool, roots: Option<&str>| {
            let wish = TlsWish { wanted, roots: roots.map(str::to_owned) };
            assert_eq!(split_settings(url), (rest.to_owned(), wish), "{url}");
        };
        check("postgres://u@h/db", "postgres://u@h/db", false, None);
        check("postgres://h/db?sslmode=disable", "postgres://h/db", false, None);
        check("postgres://h/db?sslmode=verify-full&connect_timeout=3", "postgres://h/db?connect_timeout=3", true, None);
        check("postgres://h/db?sslrootcert=/ca.pem&sslmode=require", "postgres://h/db", true, Some("/ca.pem"));
        check("host=h sslmode=require user=u", "host=h user=u", true, None);
    }
}
