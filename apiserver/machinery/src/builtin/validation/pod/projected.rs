//! Projected volumes.

use super::rules::PodRules;
use super::sources::{file_mode, local_path};
use super::volumes::{downward_file, key_to_path};
use crate::builtin::at::At;
use crate::builtin::formats::{dns_subdomain, qualified_name};
use crate::builtin::validation::meta::{self, Values};
use crate::field_error::FieldErrors;
use std::collections::BTreeSet;

const CONFLICT: &str = "conflicting duplicate paths";
const KEY_TYPES: &[&str] = &["ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096"];

/// A projected volume and its sources.
pub(super) fn projected(at: &At, rules: &PodRules, errors: &mut FieldErrors) {
    file_mode(&at.get("defaultMode"), errors);
    let mut paths = BTreeSet::new();
    for source in at.get("sources").items() {
        let mut kinds = 0;
        for kind in ["secret", "configMap"] {
            let keyed = source.get(kind);
            if keyed.has() {
                kinds += 1;
                let name = keyed.get("name");
                name.require(errors);
                for item in keyed.get("items").items() {
                    key_to_path(&item, errors);
                    let path = item.get("path").str();
                    if !path.is_empty() && !paths.insert(path) {
                        at.invalid(errors, name.str(), CONFLICT);
                    }
                }
            }
        }
        let downward = source.get("downwardAPI");
        if downward.has() {
            kinds += 1;
            for file in downward.get("items").items() {
                downward_file(&downward, &file, errors);
                claim(at, file.get("path").str(), &mut paths, errors);
            }
        }
        let token = source.get("serviceAccountToken");
        if token.has() {
            kinds += 1;
            service_account_token(at, &token, rules, errors);
        }
        let bundle = source.get("clusterTrustBundle");
        if bundle.has() {
            kinds += 1;
            trust_bundle(&bundle, errors);
            let path = bundle.get("path").str();
            if !paths.insert(path) {
                at.invalid(errors, path, CONFLICT);
            }
        }
        let certificate = source.get("podCertificate");
        if certificate.has() {
            kinds += 1;
            pod_certificate(at, &certificate, &mut paths, errors);
        }
        if kinds > 1 {
            source.forbidden(errors, "may not specify more than 1 volume type per source");
        }
    }
}

fn claim<'v>(at: &At<'_, 'v>, path: &'v str, paths: &mut BTreeSet<&'v str>, errors: &mut FieldErrors) {
    if !path.is_empty() && !paths.insert(path) {
        at.invalid(errors, path, CONFLICT);
    }
}

fn service_account_token(at: &At, token: &At, rules: &PodRules, errors: &mut FieldErrors) {
    let seconds = token.get("expirationSeconds");
    if seconds.int() < 600 {
        seconds.invalid(errors, seconds.int(), "may not specify a duration less than 10 minutes");
    }
    if seconds.int() > 1 << 32 {
        seconds.invalid(errors, seconds.int(), "may not specify a duration larger than 2^32 seconds");
    }
    let path = at.named("path", token.get("path").value());
    if !path.require(errors) && !rules.any_token_path {
        local_path(&path, path.str(), errors);
    }
}

fn trust_bundle(at: &At, errors: &mut FieldErrors) {
    let (name, signer) = (at.get("name"), at.get("signerName"));
    match (name.has(), signer.has()) {
        (true, true) => at.invalid_here(errors, "only one of name and signerName may be used"),
        (true, false) => {
            if name.is_empty() {
                name.required(errors, "must be a valid object name");
            }
            for message in trust_bundle_name(name.str()) {
                name.invalid(errors, name.str(), format!("not a valid clustertrustbundlename: {message}"));
            }
            let selector = at.get("labelSelector");
            if selector.has() {
                selector.invalid_here(errors, "labelSelector must be unset if name is specified");
            }
        }
        (false, true) => {
            if signer.is_empty() {
                signer.required(errors, "must be a valid signer name");
            }
            meta::signer_name(&signer, errors);
            meta::selector(&at.get("labelSelector"), Values::Strict, errors);
        }
        (false, false) => at.required(errors, "either name or signerName must be specified"),
    }
    let path = at.get("path");
    path.require(errors);
    local_path(&path, path.str(), errors);
}

/// Complaints about the name of a trust bundle.
fn trust_bundle_name(name: &str) -> Vec<String> {
    dns_subdomain(name.rsplit_once(':').map_or(name, |(_, tail)| tail))
}

fn pod_certificate<'v>(at: &At<'_, 'v>, source: &At<'_, 'v>, paths: &mut BTreeSet<&'v str>, errors: &mut FieldErrors) {
    let signer = source.get("signerName");
    meta::signer_name(&signer, errors);
    let annotations = source.get("userAnnotations");
    for (key, _) in annotations.entries() {
        user_annotation(&annotations, &key.to_lowercase(), errors);
    }
    source.get("keyType").one_of(errors, KEY_TYPES);
    let seconds = source.get("maxExpirationSeconds");
    if let Some(number) = seconds.number() {
        if number < 3600 {
            seconds.invalid(errors, number, "if provided, maxExpirationSeconds must be >= 3600");
        }
        let domain = signer.str().split('/').next().unwrap_or("");
        let own = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
        let most = if own { 24 * 60 * 60 } else { 91 * 24 * 60 * 60 };
        if number > most {
            seconds.invalid(errors, number, format!("if provided, maxExpirationSeconds must be <= {most}"));
        }
    }
    let mut count = 0;
    for name in ["credentialBundlePath", "keyPath", "certificateChainPath"] {
        let path = source.get(name);
        if !path.is_empty() {
            count += 1;
            local_path(&path, path.str(), errors);
            claim(at, path.str(), paths, errors);
        }
    }
    if count == 0 {
        source.required(errors, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath");
    }
}

/// A key that starts with a domain.
fn user_annotation(at: &At, key: &str, errors: &mut FieldErrors) {
    let before = errors.len();
    at.check_text(errors, key, qualified_name);
    if errors.len() == before && !key.contains('/') {
        at.invalid(errors, key, "must be a domain-prefixed key (such as \"acme.io/foo\")");
    }
}
