//! What the kubernetes.io signers sign, and what is approved without asking. Pure.

use kplex_tenants::CertificateRequest;
use serde_json::Value;
use std::collections::BTreeSet;

const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const LEGACY: &str = "kubernetes.io/legacy-unknown";

/// What may be approved, if its maker may do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Approval {
    pub(super) subresource: &'static str,
    pub(super) message: &'static str,
}

/// What a signer makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Another signer's.
    NotOurs,
    /// It may be signed.
    Accepted,
    /// It must not be signed.
    Refused(String),
}

/// What the rules look at in a request.
struct Subject<'r> {
    common_name: &'r str,
    organizations: &'r [String],
    names: [bool; 4],
}

impl<'r> Subject<'r> {
    fn of(request: &'r CertificateRequest) -> Self {
        let names = [
            !request.dns_names().is_empty(),
            !request.addresses().is_empty(),
            !request.emails().is_empty(),
            !request.uris().is_empty(),
        ];
        Self { common_name: request.common_name(), organizations: request.organizations(), names }
    }
}

/// Returns whether a condition is there with the status `True`.
pub(super) fn has(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .is_some_and(|list| list.iter().any(|condition| condition["type"] == kind && condition["status"] != "False"))
}

/// Adds a condition.
pub(super) fn append_condition(object: &mut Value, condition: Value) {
    if !object["status"].is_object() {
        object["status"] = serde_json::json!({});
    }
    match &mut object["status"]["conditions"] {
        Value::Array(list) => list.push(condition),
        other => *other = Value::Array(vec![condition]),
    }
}

/// Returns `spec.usages`.
pub(super) fn usages(object: &Value) -> Vec<&str> {
    object["spec"]["usages"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn signer(object: &Value) -> &str {
    object["spec"]["signerName"].as_str().unwrap_or_default()
}

/// Returns what may be approved without asking, and for whom.
pub(super) fn approvals(object: &Value, request: &CertificateRequest) -> Vec<Approval> {
    approvals_of(object, &Subject::of(request))
}

fn approvals_of(object: &Value, subject: &Subject<'_>) -> Vec<Approval> {
    if signer(object) != KUBELET_CLIENT || kubelet_client(subject, &usages(object)).is_err() {
        return Vec::new();
    }
    let own = Approval {
        subresource: "selfnodeclient",
        message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
    };
    let first = Approval {
        subresource: "nodeclient",
        message: "Auto approving kubelet client certificate after SubjectAccessReview.",
    };
    if object["spec"]["username"] == subject.common_name { vec![own, first] } else { vec![first] }
}

/// Decides whether a request may be signed.
pub(super) fn judge(object: &Value, request: &CertificateRequest) -> Judgement {
    judge_of(object, &Subject::of(request))
}

fn judge_of(object: &Value, subject: &Subject<'_>) -> Judgement {
    let usages = usages(object);
    let outcome = match signer(object) {
        KUBELET_CLIENT => kubelet_client(subject, &usages),
        KUBELET_SERVING => kubelet_serving(subject, &usages),
        CLIENT => client(&usages),
        LEGACY => Ok(()),
        _ => return Judgement::NotOurs,
    };
    outcome.map_or_else(Judgement::Refused, |()| Judgement::Accepted)
}

fn node(subject: &Subject<'_>) -> Result<(), String> {
    if subject.common_name.starts_with("system:node:") {
        return Ok(());
    }
    Err("subject common name does not begin with system:node:".to_owned())
}

fn nodes(subject: &Subject<'_>) -> Result<(), String> {
    if subject.organizations == ["system:nodes"] {
        return Ok(());
    }
    Err("subject organization is not system:nodes".to_owned())
}

/// Key encipherment is for RSA keys; others do without.
fn check_usages(usages: &[&str], purpose: &str) -> Result<(), String> {
    let given: BTreeSet<&str> = usages.iter().copied().collect();
    let short = BTreeSet::from(["digital signature", purpose]);
    let long = BTreeSet::from(["digital signature", "key encipherment", purpose]);
    if given == short || given == long {
        return Ok(());
    }
    let listed: Vec<&str> = long.into_iter().collect();
    Err(format!("usages did not match [{}]", listed.join(" ")))
}

fn kubelet_client(subject: &Subject<'_>, usages: &[&str]) -> Result<(), String> {
    nodes(subject)?;
    let [dns, addresses, emails, uris] = subject.names;
    for (given, what) in [(dns, "DNS"), (emails, "Email"), (addresses, "IP"), (uris, "URI")] {
        if given {
            return Err(format!("{what} subjectAltNames are not allowed"));
        }
    }
    node(subject)?;
    check_usages(usages, "client auth")
}

fn kubelet_serving(subject: &Subject<'_>, usages: &[&str]) -> Result<(), String> {
    nodes(subject)?;
    let [dns, addresses, emails, uris] = subject.names;
    if !dns && !addresses {
        return Err("DNS or IP subjectAltName is required".to_owned());
    }
    for (given, what) in [(emails, "Email"), (uris, "URI")] {
        if given {
            return Err(format!("{what} subjectAltNames are not allowed"));
        }
    }
    check_usages(usages, "server auth")?;
    node(subject)
}

fn client(usages: &[&str]) -> Result<(), String> {
    let wrong =
        usages.iter().find(|usage| !matches!(**usage, "digital signature" | "key encipherment" | "client auth"));
    match wrong {
        Some(usage) => Err(format!("invalid usage for client certificate: {usage}")),
        None if usages.contains(&"client auth") => Ok(()),
        None => Err("missing required usage for client certificate: client auth".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(signer: &str, usages: &[&str]) -> Value {
        json!({"spec": {"signerName": signer, "usages": usages, "username": "system:node:a"}})
    }

    #[test]
    fn the_signers_sign_what_upstreams_sign() {
        let organizations = ["system:nodes".to_owned()];
        let kubelet = Subject { common_name: "system:node:a", organizations: &organizations, names: [false; 4] };
        let serving = Subject { names: [true, false, false, false], ..kubelet };
        let other = Subject { common_name: "a", organizations: &[], names: [false; 4] };
        let (client, server) =
            (["digital signature", "client auth"], ["digital signature", "key encipherment", "server auth"]);
        let refused = |why: &str| Judgement::Refused(why.to_owned());
        let cases = [
            (KUBELET_CLIENT, &client[..], &kubelet, Judgement::Accepted),
            (KUBELET_CLIENT, &client[..], &serving, refused("DNS subjectAltNames are not allowed")),
            (KUBELET_CLIENT, &client[..], &other, refused("subject organization is not system:nodes")),
            (
                KUBELET_CLIENT,
                &server[..],
                &kubelet,
                refused("usages did not match [client auth digital signature key encipherment]"),
            ),
            (KUBELET_SERVING, &server[..], &serving, Judgement::Accepted),
            (KUBELET_SERVING, &server[..], &kubelet, refused("DNS or IP subjectAltName is required")),
            (CLIENT, &client[..], &other, Judgement::Accepted),
            (CLIENT, &server[..], &other, refused("invalid usage for client certificate: server auth")),
            (
                CLIENT,
                &["digital signature"][..],
                &other,
                refused("missing required usage for client certificate: client auth"),
            ),
            (LEGACY, &server[..], &other, Judgement::Accepted),
            ("example.com/signer", &client[..], &other, Judgement::NotOurs),
        ];
        for (signer, usages, subject, expected) in cases {
            assert_eq!(judge_of(&object(signer, usages), subject), expected, "{signer} {usages:?}");
        }
        let own: Vec<&str> = approvals_of(&object(KUBELET_CLIENT, &client), &kubelet)
            .iter()
            .map(|approval| approval.subresource)
            .collect();
        assert_eq!(own, ["selfnodeclient", "nodeclient"]);
        let mut bootstrap = object(KUBELET_CLIENT, &client);
        bootstrap["spec"]["username"] = json!("system:bootstrap:abc");
        assert_eq!(approvals_of(&bootstrap, &kubelet).len(), 1);
        assert_eq!(approvals_of(&object(CLIENT, &client), &kubelet), []);
    }
}
