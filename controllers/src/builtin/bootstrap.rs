//! Bootstrap tokens: `kube-public/cluster-info` is signed with each of them, and those that expired are removed.

use super::process::{Failure, Settled, Tenant};
use super::resources;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use kplex_apiserver::due;
use kplex_storage::{Key, Prefix};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const TYPE: &str = "bootstrap.kubernetes.io/token";
const SIGNATURE: &str = "jws-kubeconfig-";

/// Signs `cluster-info` with all tokens that may.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn sign(tenant: &Tenant) -> Result<Settled, Failure> {
    let key = Key::new("", "configmaps", Some("kube-public"), "cluster-info");
    let Some(mut object) = tenant.read(&key).await? else { return Ok(Settled) };
    let Some(content) = object["data"]["kubeconfig"].as_str().map(str::to_owned) else { return Ok(Settled) };
    let now = tenant.process.controllers.shared.tenants.now();
    let secrets = tenant.list(&Prefix::namespace("", "secrets", "kube-system")).await?;
    let tokens: BTreeMap<String, String> = secrets.iter().filter_map(|secret| token(secret, now)).collect();
    let Some(data) = object["data"].as_object_mut() else { return Ok(Settled) };
    if !resign(data, &content, &tokens) {
        return Ok(Settled);
    }
    tenant.client("bootstrap-signer").update("/api/v1/namespaces/kube-public/configmaps/cluster-info", &object).await?;
    Ok(Settled)
}

/// Replaces the signatures; returns whether anything changed.
fn resign(data: &mut Map<String, Value>, content: &str, tokens: &BTreeMap<String, String>) -> bool {
    let before = data.clone();
    data.retain(|key, _| !key.starts_with(SIGNATURE));
    for (id, secret) in tokens {
        data.insert(format!("{SIGNATURE}{id}"), Value::from(detached_signature(content, id, secret)));
    }
    *data != before
}

/// Returns id and secret of a token that may sign now.
fn token(secret: &Value, now: Timestamp) -> Option<(String, String)> {
    let field = |name: &str| -> Option<String> {
        let bytes = STANDARD.decode(secret["data"][name].as_str()?).ok()?;
        String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    };
    let id = field("token-id")?;
    let named = secret["metadata"]["name"].as_str().and_then(|name| name.strip_prefix("bootstrap-token-")) == Some(&id);
    let valid = secret["type"] == TYPE && named && due::token_end(secret).is_none_or(|end| now < end);
    let secret =
        field("token-secret").filter(|_| valid && field("usage-bootstrap-signing").as_deref() == Some("true"))?;
    Some((id, secret))
}

/// A JWS without its content (RFC 7515, appendix F), by HMAC with SHA-256.
fn detached_signature(content: &str, id: &str, secret: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "kid": id}).to_string());
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{header}.{}", URL_SAFE_NO_PAD.encode(content)).as_bytes());
    format!("{header}..{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// Removes a token that expired.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn clean(tenant: &Tenant, name: &str) -> Result<Settled, Failure> {
    let Some(secret) = tenant.read(&Key::new("", "secrets", Some("kube-system"), name)).await? else {
        return Ok(Settled);
    };
    let now = tenant.process.controllers.shared.tenants.now();
    if due::token_end(&secret).is_some_and(|end| end <= now) {
        let options =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": secret["metadata"]["uid"]}});
        let path = format!("/api/v1/namespaces/kube-system/secrets/{}", resources::escape(name));
        tenant.client("token-cleaner").delete(&path, &options).await?;
    }
    Ok(Settled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_follow_the_tokens() {
        let mut data = json!({"kubeconfig": "c", "jws-kubeconfig-gone": "x"}).as_object().unwrap().clone();
        let tokens = BTreeMap::from([("abc".to_owned(), "secret".to_owned())]);
        assert!(resign(&mut data, "c", &tokens));
        assert_eq!(data.keys().collect::<Vec<_>>(), ["jws-kubeconfig-abc", "kubeconfig"]);
        assert!(!resign(&mut data, "c", &tokens), "signed already");
        let text = data["jws-kubeconfig-abc"].as_str().unwrap();
        let (header, signature) = text.split_once("..").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(header).unwrap(), br#"{"alg":"HS256","kid":"abc"}"#);
        assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), 32);
    }

    #[test]
    fn only_valid_tokens_for_signing_sign() {
        let encode = |text: &str| STANDARD.encode(text);
        let good = json!({
            "metadata": {"name": "bootstrap-token-abc"}, "type": TYPE,
            "data": {"token-id": encode("abc"), "token-secret": encode("s"), "usage-bootstrap-signing": encode("true")},
        });
        assert_eq!(token(&good, Timestamp::UNIX_EPOCH), Some(("abc".to_owned(), "s".to_owned())));
        for (pointer, value) in [
            ("/metadata/name", json!("bootstrap-token-other")),
            ("/type", json!("Opaque")),
            ("/data/usage-bootstrap-signing", json!(encode("false"))),
            ("/data/token-secret", json!("")),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            assert_eq!(token(&bad, Timestamp::UNIX_EPOCH), None, "{pointer}");
        }
        let mut expired = good;
        expired["data"]["expiration"] = json!(encode("1970-01-01T00:00:00Z"));
        assert_eq!(token(&expired, Timestamp::UNIX_EPOCH), None);
    }
}
