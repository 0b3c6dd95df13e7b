//! A request for a certificate (PKCS #10), parsed once: who asks for what, and proof that they hold the key.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_PKCS9_EXTENSION_REQUEST, OID_X509_EXT_SUBJECT_ALT_NAME};
use x509_parser::prelude::FromDer as _;

use crate::error::TenantsError;
use crate::limits;
use crate::x509::pem;

/// A request for a certificate whose signature was verified.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    subject: Vec<u8>,
    public_key: Vec<u8>,
    alternative_names: Option<Vec<u8>>,
    common_name: String,
    organizations: Vec<String>,
    dns_names: Vec<String>,
    addresses: Vec<Vec<u8>>,
    emails: Vec<String>,
    uris: Vec<String>,
}

impl CertificateRequest {
    /// Parses the first `CERTIFICATE REQUEST` block of `text`.
    ///
    /// # Errors
    /// There is none, it is too long, it is not a request, or its signature does not fit its key.
    pub fn from_pem(text: &[u8]) -> Result<CertificateRequest, TenantsError> {
        if text.len() > limits::REQUEST_PEM_BYTES_MAX {
            return Err(TenantsError::BadRequest("the request is too long"));
        }
        let der = pem::decode("CERTIFICATE REQUEST", text)
            .ok_or(TenantsError::BadRequest("PEM block type must be CERTIFICATE REQUEST"))?;
        CertificateRequest::from_der(&der)
    }

    /// Parses a request in DER.
    ///
    /// # Errors
    /// As [`CertificateRequest::from_pem`].
    pub fn from_der(der: &[u8]) -> Result<CertificateRequest, TenantsError> {
        let malformed = TenantsError::BadRequest("the request is not a PKCS #10 certification request");
        let Ok((rest, parsed)) = X509CertificationRequest::from_der(der) else { return Err(malformed) };
        if !rest.is_empty() {
            return Err(malformed);
        }
        parsed
            .verify_signature()
            .map_err(|_| TenantsError::BadRequest("the request's signature does not verify with its public key"))?;
        let names = &parsed.certification_request_info.subject;
        let mut request = CertificateRequest {
            subject: names.as_raw().to_vec(),
            public_key: parsed.certification_request_info.subject_pki.raw.to_vec(),
            alternative_names: None,
            // Go takes the last common name where there are several.
            common_name: names.iter_common_name().last().and_then(|name| name.as_str().ok()).unwrap_or("").to_owned(),
            organizations: names.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect(),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
        };
        request.read_alternative_names(&parsed)?;
        Ok(request)
    }

    /// Returns the common name, empty if there is none.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// Returns the organizations.
    pub fn organizations(&self) -> &[String] {
        &self.organizations
    }

    /// Returns the host names among the alternative names.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// Returns the addresses among the alternative names, 4 or 16 bytes each.
    pub fn addresses(&self) -> &[Vec<u8>] {
        &self.addresses
    }

    /// Returns the mail addresses among the alternative names.
    pub fn emails(&self) -> &[String] {
        &self.emails
    }

    /// Returns the URIs among the alternative names.
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.subject
    }

    pub(crate) fn public_key_der(&self) -> &[u8] {
        &self.public_key
    }

    pub(crate) fn alternative_names_der(&self) -> Option<&[u8]> {
        self.alternative_names.as_deref()
    }

    fn read_alternative_names(&mut self, parsed: &X509CertificationRequest<'_>) -> Result<(), TenantsError> {
        let malformed = || TenantsError::BadRequest("the request's extensions are malformed");
        for attribute in parsed.certification_request_info.iter_attributes() {
            if attribute.oid != OID_PKCS9_EXTENSION_REQUEST {
                continue;
            }
            let ParsedCriAttribute::ExtensionRequest(requested) = attribute.parsed_attribute() else {
                return Err(malformed());
            };
            for extension in &requested.extensions {
                if extension.oid != OID_X509_EXT_SUBJECT_ALT_NAME {
                    continue;
                }
                let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
                    return Err(malformed());
                };
                if self.alternative_names.is_some() {
                    return Err(malformed());
                }
                self.take_names(&names.general_names)?;
                self.alternative_names = Some(extension.value.to_vec());
            }
        }
        Ok(())
    }

    fn take_names(&mut self, names: &[GeneralName<'_>]) -> Result<(), TenantsError> {
        for name in names {
            match name {
                GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) if matches!(bytes.len(), 4 | 16) => self.addresses.push(bytes.to_vec()),
                GeneralName::RFC822Name(name) => self.emails.push((*name).to_owned()),
                GeneralName::URI(name) => self.uris.push((*name).to_owned()),
                // Go's parser drops the other kinds; here they would be signed unread.
                _ => return Err(TenantsError::BadRequest("the request has an alternative name of an unknown kind")),
            }
        }
        Ok(())
    }
}
