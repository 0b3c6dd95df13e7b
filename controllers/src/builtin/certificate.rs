//! Certificate signing requests: approves those of kubelets that may have one, signs what was approved with the control
//! plane's authority, and removes old ones.

mod rules;

use super::process::{Failure, Settled, Tenant};
use super::resources;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use kplex_apiserver::due;
use kplex_storage::Key;
use kplex_tenants::keys::request_life;
use kplex_tenants::{CertificateRequest, SigningPolicy, TenantsError};
use rules::{Approval, Judgement};
use serde_json::{Value, json};

const ACCOUNT: &str = "certificate-controller";
/// Life of a certificate whose request asks for none; upstream's `--cluster-signing-duration`.
const LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// Shortest life that is given.
const LIFE_MIN: SignedDuration = SignedDuration::from_mins(10);

fn path(name: &str) -> String {
    format!("/apis/certificates.k8s.io/v1/certificatesigningrequests/{}", resources::escape(name))
}

/// Brings a request to its next state.
///
/// # Errors
/// When a request or the store fails, or the certificate can't be signed.
pub(super) async fn reconcile(tenant: &Tenant, name: &str) -> Result<Settled, Failure> {
    let key = Key::new("certificates.k8s.io", "certificatesigningrequests", None, name);
    let Some(object) = tenant.read(&key).await? else { return Ok(Settled) };
    if due::request_end(&object) <= tenant.process.controllers.shared.tenants.now() {
        let options =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": object["metadata"]["uid"]}});
        tenant.client(ACCOUNT).delete(&path(name), &options).await?;
        return Ok(Settled);
    }
    if object["status"]["certificate"].as_str().is_some_and(|text| !text.is_empty()) || rules::has(&object, "Failed") {
        return Ok(Settled);
    }
    if rules::has(&object, "Approved") {
        return sign(tenant, name, object).await;
    }
    if !rules::has(&object, "Denied") {
        approve(tenant, name, object).await?;
    }
    Ok(Settled)
}

fn parse(object: &Value) -> Result<CertificateRequest, TenantsError> {
    let pem = object["spec"]["request"].as_str().and_then(|text| STANDARD.decode(text).ok());
    CertificateRequest::from_pem(&pem.unwrap_or_default())
}

/// Approves a kubelet's request for a client certificate when its maker may have one.
async fn approve(tenant: &Tenant, name: &str, mut object: Value) -> Result<(), Failure> {
    let Ok(request) = parse(&object) else { return Ok(()) };
    for Approval { subresource, message } in rules::approvals(&object, &request) {
        let spec = &object["spec"];
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {
                "user": spec["username"], "uid": spec["uid"], "groups": spec["groups"], "extra": spec["extra"],
                "resourceAttributes": {
                    "group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": "create",
                    "subresource": subresource, "version": "*",
                },
            },
        });
        let client = tenant.client(ACCOUNT);
        let answer = client.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await?;
        if answer["status"]["allowed"] == true {
            let condition = json!({"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message});
            rules::append_condition(&mut object, condition);
            client.update(&format!("{}/approval", path(name)), &object).await?;
            return Ok(());
        }
    }
    Ok(())
}

async fn sign(tenant: &Tenant, name: &str, mut object: Value) -> Result<Settled, Failure> {
    let judgement = match parse(&object) {
        Ok(request) => (rules::judge(&object, &request), Some(request)),
        Err(_) => (Judgement::NotOurs, None),
    };
    match judgement {
        (Judgement::NotOurs, _) | (_, None) => return Ok(Settled),
        (Judgement::Refused(why), _) => {
            let now = tenant.timestamp();
            let condition = json!({
                "type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why,
                "lastUpdateTime": now, "lastTransitionTime": now,
            });
            rules::append_condition(&mut object, condition);
        }
        (Judgement::Accepted, Some(request)) => {
            object["status"]["certificate"] = Value::from(STANDARD.encode(issue(tenant, &object, &request)?))
        }
    }
    tenant.client(ACCOUNT).update(&format!("{}/status", path(name)), &object).await?;
    Ok(Settled)
}

/// Signs a request with the control plane's authority; returns PEM.
fn issue(tenant: &Tenant, object: &Value, request: &CertificateRequest) -> Result<String, Failure> {
    let asked = object["spec"]["expirationSeconds"].as_i64().map(SignedDuration::from_secs);
    let life = asked.unwrap_or(LIFE).clamp(LIFE_MIN, LIFE);
    let (not_before, not_after) = request_life(tenant.process.controllers.shared.tenants.now(), life);
    let usages = rules::usages(object);
    let der = tenant
        .scope
        .keys()
        .authority()
        .sign_request(request, &SigningPolicy { usages: &usages, not_before, not_after })?;
    Ok(pem(&der))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        out.push('\n');
    }
    out + "-----END CERTIFICATE-----\n"
}
