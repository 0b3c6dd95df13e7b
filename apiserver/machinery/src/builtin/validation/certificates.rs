//! Requests for certificates.

use super::meta;
use crate::builtin::at::At;
use crate::builtin::same::same;
use crate::field_error::{FieldErrors, go_quote};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;

const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";

/// Which part of a request is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Main,
    Status,
    Approval,
}

/// One block of a PEM text.
struct Block<'t> {
    label: &'t str,
    has_headers: bool,
}

/// The next block and the text after it; malformed ones are passed over.
fn next_block(mut text: &str) -> Option<(Block<'_>, &str)> {
    loop {
        let start = text.find("-----BEGIN ")?;
        text = &text[start + "-----BEGIN ".len()..];
        let Some((label, body)) = text.split_once("-----") else { continue };
        let end = format!("-----END {label}-----");
        let Some((body, rest)) = body.split_once(end.as_str()) else { continue };
        let (headers, content) = match body.split_once("\n\n") {
            Some((headers, content)) if headers.contains(':') => (headers, content),
            _ => ("", body),
        };
        let packed: String = content.split_whitespace().collect();
        if STANDARD.decode(packed).is_ok() && !label.contains('\n') {
            return Some((Block { label, has_headers: !headers.is_empty() }, rest));
        }
    }
}

fn text_of(at: &At) -> String {
    let bytes = STANDARD.decode(at.str()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

fn certificate_complaint(at: &At) -> Option<String> {
    if at.is_empty() {
        return None;
    }
    let text = text_of(at);
    let (mut rest, mut blocks) = (text.as_str(), 0);
    while let Some((block, after)) = next_block(rest) {
        if block.label != "CERTIFICATE" {
            let label = go_quote(block.label);
            return Some(format!("only CERTIFICATE PEM blocks are allowed, found {label}"));
        }
        if block.has_headers {
            return Some("no PEM block headers are permitted".to_owned());
        }
        blocks += 1;
        rest = after;
    }
    (blocks == 0).then(|| "must contain at least one CERTIFICATE PEM block".to_owned())
}

fn has_condition(status: &At, kind: &str) -> bool {
    status.get("conditions").items().any(|item| item.get("type").str() == kind)
}

fn count(list: &At) -> usize {
    list.strings().collect::<BTreeSet<_>>().len()
}

/// A request; `old` is what it replaces.
pub(super) fn request(root: &At, old: Option<(&At, Part)>, errors: &mut FieldErrors) {
    let (spec, status) = (root.get("spec"), root.get("status"));
    let before = old.map(|(old, _)| old);
    let (request, usages) = (spec.get("request"), spec.get("usages"));
    let text = text_of(&request);
    if next_block(&text).is_none_or(|(block, _)| block.label != "CERTIFICATE REQUEST") {
        request.invalid_here(errors, "PEM block type must be CERTIFICATE REQUEST");
    }
    usages.require(errors);
    let old_spec = before.map(|old| old.get("spec"));
    let old_usages = old_spec.as_ref().map(|spec| spec.get("usages"));
    if !old_usages.is_some_and(|list| list.strings().any(|usage| !USAGES.contains(&usage))) {
        usages.items().for_each(|usage| usage.one_of(errors, USAGES));
    }
    if old_usages.is_none_or(|list| count(&list) >= list.len()) {
        let mut seen = BTreeSet::new();
        for usage in usages.items().filter(|usage| !seen.insert(usage.str())) {
            usage.duplicate(errors, usage.str());
        }
    }
    let signer = spec.get("signerName");
    let legacy = old_spec.as_ref().is_some_and(|spec| spec.get("signerName").str() == LEGACY_SIGNER);
    if signer.str() == LEGACY_SIGNER && !legacy {
        signer.invalid(errors, signer.str(), "the legacy signerName is not allowed via this API version");
    } else {
        meta::signer_name(&signer, errors);
    }
    let expiration = spec.get("expirationSeconds");
    if expiration.has() && expiration.int() < 600 {
        let message = "may not specify a duration less than 600 seconds (10 minutes)";
        expiration.invalid(errors, expiration.int(), message);
    }
    conditions(&status.get("conditions"), before, errors);
    let certificate = status.get("certificate");
    let excused = before.is_some_and(|old| {
        let status = old.get("status");
        let earlier = status.get("certificate");
        same(earlier.value(), certificate.value()) || certificate_complaint(&earlier).is_some()
    });
    if !excused && let Some(complaint) = certificate_complaint(&certificate) {
        certificate.invalid(errors, "<certificate data>", complaint);
    }
    if let Some((old, part)) = old {
        changes(&status, &old.get("status"), part, errors);
    }
}

fn conditions(at: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let old_status = old.map(|old| old.get("status"));
    let both = old_status.as_ref().is_some_and(|s| has_condition(s, "Approved") && has_condition(s, "Denied"));
    let empty = old_status.as_ref().is_some_and(|status| has_condition(status, ""));
    let repeated = old_status.as_ref().is_some_and(|status| {
        let list = status.get("conditions");
        let kinds: BTreeSet<&str> = list.items().map(|item| item.get("type").str()).collect();
        kinds.len() < list.len()
    });
    let mut seen = BTreeSet::new();
    for condition in at.items() {
        let (kind, status) = (condition.get("type"), condition.get("status"));
        if !empty {
            kind.require(errors);
        }
        let only_true = matches!(kind.str(), "Approved" | "Denied" | "Failed");
        status.require_one_of(errors, if only_true { &["True"] } else { &["False", "True", "Unknown"] });
        let opposite = match kind.str() {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !both && !opposite.is_empty() && seen.contains(opposite) {
            at.invalid(errors, kind.str(), "Approved and Denied conditions are mutually exclusive");
        }
        if !seen.insert(kind.str()) && !repeated {
            kind.duplicate(errors, kind.str());
        }
    }
}

fn changes(status: &At, old: &At, part: Part, errors: &mut FieldErrors) {
    let (list, before) = (status.get("conditions"), old.get("conditions"));
    let of = |list: &At, kind: &str| -> Vec<serde_json::Value> {
        list.items().filter(|item| item.get("type").str() == kind).map(|item| item.value().clone()).collect()
    };
    let kinds = ["Approved", "Denied", "Failed"];
    for kind in kinds.iter().filter(|kind| of(&list, kind).len() < of(&before, kind).len()) {
        list.forbidden(errors, format!("updates may not remove a condition of type \"{kind}\""));
    }
    for kind in kinds.iter().take(2).filter(|_| part != Part::Approval) {
        let (now, then) = (of(&list, kind), of(&before, kind));
        if now.len() > then.len() {
            list.forbidden(errors, format!("updates may not add a condition of type \"{kind}\""));
        } else if now.len() == then.len() && !now.iter().zip(&then).all(|(a, b)| same(a, b)) {
            let diff = super::diff::unified(&then.into(), &now.into());
            list.forbidden(errors, format!("updates may not modify a condition of type \"{kind}\"\n{diff}"));
        }
    }
    let (certificate, earlier) = (status.get("certificate"), old.get("certificate"));
    if certificate.str() != earlier.str() {
        if part != Part::Status {
            certificate.forbidden(errors, "updates may not set certificate content");
        } else if !earlier.is_empty() {
            certificate.forbidden(errors, "updates may not modify existing certificate content");
        }
    }
}
