//! Secrets of type `kubernetes.io/service-account-token`: filled for their account, removed with it.
//!
//! Upstream runs this controller with the controller manager's own identity.

use super::process::{Failure, Settled, Tenant};
use super::{resources, root_certificate};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kplex_apiserver::authn;
use kplex_storage::{Key, Prefix};
use serde_json::{Value, json};

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

fn path(namespace: &str, resource: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{}/{resource}/{}", resources::escape(namespace), resources::escape(name))
}

fn annotation<'o>(object: &'o Value, name: &str) -> &'o str {
    object["metadata"]["annotations"][name].as_str().unwrap_or_default()
}

/// Fills a token Secret, or removes it when its account is gone.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant, key: &str) -> Result<Settled, Failure> {
    let Some((namespace, name)) = key.split_once('/') else { return Ok(Settled) };
    let Some(secret) = tenant.read(&Key::new("", "secrets", Some(namespace), name)).await? else {
        return forget(tenant, namespace, name).await;
    };
    let account = annotation(&secret, ACCOUNT_NAME);
    if secret["type"] != TYPE || account.is_empty() || !secret["metadata"]["deletionTimestamp"].is_null() {
        return Ok(Settled);
    }
    let uid = annotation(&secret, ACCOUNT_UID);
    let account = tenant.read(&Key::new("", "serviceaccounts", Some(namespace), account)).await?;
    let account = account.filter(|account| uid.is_empty() || account["metadata"]["uid"] == uid);
    let client = tenant.manager_client();
    match account {
        None => {
            let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": secret["metadata"]["uid"]}});
            client.delete(&path(namespace, "secrets", name), &options).await?;
        }
        Some(account) => {
            let bundle = root_certificate::bundle(tenant);
            let token = || authn::legacy_token(&tenant.scope, &account, name);
            if let Some(filled) = fill(&secret, &account, &bundle, token)? {
                client.update(&path(namespace, "secrets", name), &filled).await?;
            }
        }
    }
    Ok(Settled)
}

/// Returns the Secret with everything in it, or nothing when it has it all.
fn fill<E>(
    secret: &Value,
    account: &Value,
    bundle: &str,
    token: impl FnOnce() -> Result<String, E>,
) -> Result<Option<Value>, E> {
    let mut filled = secret.clone();
    let absent = |field: &str| secret["data"][field].as_str().is_none_or(str::is_empty);
    let bundle = STANDARD.encode(bundle);
    let stale = secret["data"]["ca.crt"] != bundle.as_str();
    if !stale && !absent("namespace") && !absent("token") {
        return Ok(None);
    }
    let metadata = &account["metadata"];
    if !filled["data"].is_object() {
        filled["data"] = json!({});
    }
    filled["data"]["ca.crt"] = Value::from(bundle);
    if absent("namespace") {
        filled["data"]["namespace"] = Value::from(STANDARD.encode(metadata["namespace"].as_str().unwrap_or_default()));
    }
    if absent("token") {
        filled["data"]["token"] = Value::from(STANDARD.encode(token()?));
    }
    filled["metadata"]["annotations"][ACCOUNT_NAME] = metadata["name"].clone();
    filled["metadata"]["annotations"][ACCOUNT_UID] = metadata["uid"].clone();
    Ok(Some(filled))
}

/// Takes a Secret that is gone off the accounts that list it.
async fn forget(tenant: &Tenant, namespace: &str, name: &str) -> Result<Settled, Failure> {
    for mut account in tenant.list(&Prefix::namespace("", "serviceaccounts", namespace)).await? {
        let Some(list) = account["secrets"].as_array_mut() else { continue };
        let before = list.len();
        list.retain(|reference| reference["name"] != name);
        if list.len() < before {
            let own = account["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            tenant.manager_client().update(&path(namespace, "serviceaccounts", &own), &account).await?;
        }
    }
    Ok(Settled)
}

/// Looks at the token Secrets of an account that is gone.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn account_gone(tenant: &Tenant, key: &str) -> Result<Settled, Failure> {
    let Some((namespace, name)) = key.split_once('/') else { return Ok(Settled) };
    for secret in tenant.list(&Prefix::namespace("", "secrets", namespace)).await? {
        if secret["type"] == TYPE && annotation(&secret, ACCOUNT_NAME) == name {
            let own = secret["metadata"]["name"].as_str().unwrap_or_default();
            reconcile(tenant, &format!("{namespace}/{own}")).await?;
        }
    }
    Ok(Settled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_filled_in() {
        let account = json!({"metadata": {"name": "a", "namespace": "n", "uid": "u"}});
        let secret = json!({"metadata": {"annotations": {ACCOUNT_NAME: "a"}}, "type": TYPE});
        let sign = || Ok::<_, ()>("t".to_owned());
        let filled = fill(&secret, &account, "ca", sign).unwrap().unwrap();
        assert_eq!(filled["data"], json!({"ca.crt": "Y2E=", "namespace": "bg==", "token": "dA=="}));
        assert_eq!(filled["metadata"]["annotations"][ACCOUNT_UID], "u");
        assert_eq!(fill(&filled, &account, "ca", sign), Ok(None));
        let renewed = fill(&filled, &account, "other", || Err(())).unwrap().unwrap();
        assert_eq!(renewed["data"]["token"], "dA==", "a token is signed once");
    }
}
