//! CertificateApproval, CertificateSigning and CertificateSubjectRestriction; and who a signing request is from.

use super::Verb;
use super::write::{Write, text};
use crate::authz;
use crate::authz::attributes::{Attributes, ResourceTarget, Target};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::Status;
use serde_json::{Map, Value};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

const GROUP: &str = "certificates.k8s.io";
const PLURAL: &str = "certificatesigningrequests";
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// Writes the requester into a new request. What the client says about itself counts for nothing.
pub(super) fn identify(write: &Write<'_>, new: &mut Value) {
    if !write.creates(GROUP, PLURAL) {
        return;
    }
    let user = write.call.user.to_value();
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for field in ["username", "uid", "groups", "extra"] {
        match user.get(field) {
            Some(value) => spec.insert(field.to_owned(), value.clone()),
            None => spec.remove(field),
        };
    }
    new["status"] = Value::Object(Map::new());
}

pub(super) async fn validate(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    if !write.is_of(GROUP, PLURAL) {
        return Ok(());
    }
    match (write.operation.verb, write.operation.part) {
        (Verb::Create, _) => check_subject(new).map_err(|why| write.forbidden(new, &why)),
        (Verb::Update, Subresource::Approval) => require(write, new, "approve", "approve").await,
        (Verb::Update, Subresource::Status) if issues(write.old.unwrap_or(&Value::Null), new) => {
            require(write, new, "sign", "sign").await
        }
        _ => Ok(()),
    }
}

fn issues(old: &Value, new: &Value) -> bool {
    let part =
        |object: &Value, field: &str| object.pointer(&format!("/status/{field}")).cloned().unwrap_or(Value::Null);
    ["certificate", "conditions"].into_iter().any(|field| part(old, field) != part(new, field))
}

/// The right is one about the signer; `domain/*` gives it for all signers of a domain.
async fn require(write: &Write<'_>, new: &Value, verb: &str, word: &str) -> Result<(), Status> {
    let signer = text(write.old.unwrap_or(new), "/spec/signerName");
    let user = &write.call.user;
    if user.is_in(authz::PRIVILEGED_GROUP) {
        return Ok(());
    }
    let domain = format!("{}/*", signer.split('/').next().unwrap_or(""));
    let policy = authz::policy(&write.call.scope).await?;
    let allowed = policy.with(|policy| {
        [signer, domain.as_str()].into_iter().any(|name| {
            let target = ResourceTarget { group: GROUP, resource: "signers", name, ..ResourceTarget::default() };
            policy.authorize(&Attributes { user, verb, target: Target::Resource(target) }).allowed()
        })
    });
    if allowed {
        return Ok(());
    }
    Err(write.forbidden(new, &format!("user not permitted to {word} requests with signerName {}", go_quote(signer))))
}

/// Nobody gets into the group that may do anything by way of a certificate.
fn check_subject(request: &Value) -> Result<(), String> {
    if text(request, "/spec/signerName") != CLIENT_SIGNER {
        return Ok(());
    }
    let failed = |why: &str| format!("failed to parse CSR: {why}");
    let pem = STANDARD.decode(text(request, "/spec/request")).map_err(|error| failed(&error.to_string()))?;
    let (_, pem) =
        x509_parser::pem::parse_x509_pem(&pem).map_err(|_| failed("PEM block type must be CERTIFICATE REQUEST"))?;
    if pem.label != "CERTIFICATE REQUEST" {
        return Err(failed("PEM block type must be CERTIFICATE REQUEST"));
    }
    let (_, parsed) = X509CertificationRequest::from_der(&pem.contents).map_err(|error| failed(&error.to_string()))?;
    let privileged = parsed
        .certification_request_info
        .subject
        .iter_organization()
        .any(|group| group.as_str().is_ok_and(|group| group == authz::PRIVILEGED_GROUP));
    if privileged {
        return Err(format!("use of {CLIENT_SIGNER} signer with {} group is not allowed", authz::PRIVILEGED_GROUP));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};
    use serde_json::json;

    fn request(organization: &str) -> Value {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        let pem = params.serialize_request(&key).expect("a request").pem().expect("PEM");
        json!({"spec": {"signerName": CLIENT_SIGNER, "request": STANDARD.encode(pem)}})
    }

    #[test]
    fn no_certificate_for_the_privileged_group() {
        assert_eq!(check_subject(&request("developers")), Ok(()));
        let why = "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";
        assert_eq!(check_subject(&request("system:masters")), Err(why.to_owned()));
        let mut other = request("system:masters");
        other["spec"]["signerName"] = json!("example.com/mine");
        assert_eq!(check_subject(&other), Ok(()));
    }

    #[test]
    fn signing_is_a_change_of_certificate_or_conditions() {
        let (old, new) = (json!({"status": {}}), json!({"status": {"certificate": "eA=="}}));
        assert!(issues(&old, &new));
        assert!(!issues(&new, &new));
    }
}
