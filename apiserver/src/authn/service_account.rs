//! Whom a service-account token speaks for: the claims against the objects that they name.

use super::jwt::{Claims, LEEWAY_SECONDS, LEGACY_ISSUER};
use super::keys::TokenKeys;
use super::objects::{Found, Lookup, Resource, deleted_at, metadata_text, uid_of};
use super::user::{CREDENTIAL_ID, User, split_service_account};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Labels a token Secret that must not be used any more.
const INVALID_SINCE_LABEL: &str = "kubernetes.io/legacy-token-invalid-since";

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const NODE_UID: &str = "authentication.kubernetes.io/node-uid";

/// Name and uid of an object that a token is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Name.
    pub name: String,
    /// uid.
    pub uid: String,
}

/// What the private claims of a token say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A token of TokenRequest.
    Bound {
        /// Namespace of the account.
        namespace: String,
        /// The account.
        account: Reference,
        /// The Secret whose life the token shares.
        secret: Option<Reference>,
        /// The Pod whose life the token shares.
        pod: Option<Reference>,
        /// The Node whose life the token shares, or on which the Pod runs.
        node: Option<Reference>,
    },
    /// A token that lies in a Secret.
    Legacy {
        /// Namespace of account and Secret.
        namespace: String,
        /// The account.
        account: Reference,
        /// Name of the Secret.
        secret: String,
    },
}

/// A token whose signature was verified; whether it is good today depends on the time and on other objects.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceAccountToken {
    claims: Claims,
    binding: Binding,
}

impl ServiceAccountToken {
    /// Reads the private claims.
    ///
    /// # Errors
    /// Upstream's words for claims that are missing or contradict each other.
    pub fn new(claims: Claims) -> Result<Self, String> {
        let binding = if claims.issuer == LEGACY_ISSUER { legacy(&claims)? } else { bound(&claims) };
        Ok(Self { claims, binding })
    }

    /// Returns the audiences of the token that are also asked for.
    ///
    /// # Errors
    /// Upstream's words when there are none.
    pub fn audiences(&self, wanted: &[String], keys: &TokenKeys) -> Result<Vec<String>, String> {
        let own = if self.claims.audiences.is_empty() { &keys.audiences } else { &self.claims.audiences };
        let both: Vec<String> = own.iter().filter(|audience| wanted.contains(audience)).cloned().collect();
        if both.is_empty() {
            let list = crate::authz::rule::quote_list;
            return Err(format!("token audiences {} is invalid for the target audiences {}", list(own), list(wanted)));
        }
        Ok(both)
    }

    /// Returns when the token stops being good by itself, in Unix seconds.
    #[must_use]
    pub fn expiry(&self) -> Option<i64> {
        self.claims.expiry
    }

    /// Returns the objects that [`ServiceAccountToken::user`] needs.
    #[must_use]
    pub fn lookups(&self) -> Vec<Lookup> {
        match &self.binding {
            Binding::Legacy { namespace, account, secret } => vec![
                Lookup::new(Resource::Secret, namespace, secret),
                Lookup::new(Resource::ServiceAccount, namespace, &account.name),
            ],
            Binding::Bound { namespace, account, secret, pod, node } => {
                let mut lookups = vec![Lookup::new(Resource::ServiceAccount, namespace, &account.name)];
                let mut add = |resource: Resource, reference: &Option<Reference>| {
                    lookups.extend(reference.iter().map(|found| Lookup::new(resource, namespace, &found.name)));
                };
                add(Resource::Secret, secret);
                add(Resource::Pod, pod);
                if pod.is_none() {
                    add(Resource::Node, node);
                }
                lookups
            }
        }
    }

    /// Returns the identity, if the token is good now.
    ///
    /// # Errors
    /// Upstream's words for why it is not.
    pub fn user(&self, token: &str, found: &Found, now: i64) -> Result<User, String> {
        match &self.binding {
            Binding::Legacy { namespace, account, secret } => {
                check_legacy(token, namespace, account, secret, found)?;
                Ok(User::service_account(namespace, &account.name, &account.uid))
            }
            Binding::Bound { namespace, account, secret, pod, node } => {
                self.claims.check_times(now)?;
                check_account(namespace, account, found, now)?;
                check_bound(Resource::Secret, namespace, secret.as_ref(), found, now)?;
                check_bound(Resource::Pod, namespace, pod.as_ref(), found, now)?;
                if pod.is_none() {
                    check_bound(Resource::Node, namespace, node.as_ref(), found, now)?;
                }
                let mut user = User::service_account(namespace, &account.name, &account.uid);
                self.add_extra(&mut user, pod.as_ref(), node.as_ref());
                Ok(user)
            }
        }
    }

    fn add_extra(&self, user: &mut User, pod: Option<&Reference>, node: Option<&Reference>) {
        let mut add = |key: &str, value: &str| {
            user.extra.insert(key.into(), vec![value.into()]);
        };
        if let Some(pod) = pod.filter(|pod| !pod.name.is_empty() && !pod.uid.is_empty()) {
            add(POD_NAME, &pod.name);
            add(POD_UID, &pod.uid);
        }
        if !self.claims.id.is_empty() {
            add(CREDENTIAL_ID, &format!("JTI={}", self.claims.id));
        }
        if let Some(node) = node.filter(|node| !node.name.is_empty()) {
            add(NODE_NAME, &node.name);
            if !node.uid.is_empty() {
                add(NODE_UID, &node.uid);
            }
        }
    }
}

fn reference(value: &Value) -> Option<Reference> {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    value.is_object().then(|| Reference { name: text("name"), uid: text("uid") })
}

fn bound(claims: &Claims) -> Binding {
    let private = &claims.all["kubernetes.io"];
    Binding::Bound {
        namespace: private["namespace"].as_str().unwrap_or_default().to_owned(),
        account: reference(&private["serviceaccount"]).unwrap_or_default(),
        secret: reference(&private["secret"]),
        pod: reference(&private["pod"]),
        node: reference(&private["node"]),
    }
}

fn legacy(claims: &Claims) -> Result<Binding, String> {
    let claim = |key: &str, missing: &str| {
        let text = claims.all[format!("kubernetes.io/serviceaccount/{key}")].as_str().unwrap_or_default();
        if text.is_empty() { Err(format!("{missing} claim is missing")) } else { Ok(text.to_owned()) }
    };
    if claims.subject.is_empty() {
        return Err("sub claim is missing".to_owned());
    }
    let namespace = claim("namespace", "namespace")?;
    let secret = claim("secret.name", "secretName")?;
    let name = claim("service-account.name", "serviceAccountName")?;
    let uid = claim("service-account.uid", "serviceAccountUID")?;
    if split_service_account(&claims.subject) != Some((&namespace, &name)) {
        return Err("sub claim is invalid".to_owned());
    }
    Ok(Binding::Legacy { namespace, account: Reference { name, uid }, secret })
}

fn check_account(namespace: &str, account: &Reference, found: &Found, now: i64) -> Result<(), String> {
    let Some(object) = found.get(Resource::ServiceAccount, namespace, &account.name) else {
        return Err(Lookup::new(Resource::ServiceAccount, namespace, &account.name).not_found());
    };
    if uid_of(object) != account.uid {
        return Err(format!("service account UID ({}) does not match claim ({})", uid_of(object), account.uid));
    }
    if deleted_before_leeway(object, now) {
        return Err(format!("service account {namespace}/{} has been deleted", account.name));
    }
    Ok(())
}

fn check_bound(
    resource: Resource,
    namespace: &str,
    reference: Option<&Reference>,
    found: &Found,
    now: i64,
) -> Result<(), String> {
    let Some(reference) = reference else { return Ok(()) };
    let Some(object) = found.get(resource, namespace, &reference.name) else {
        return Err("service account token has been invalidated".to_owned());
    };
    if uid_of(object) != reference.uid {
        let (word, live, claimed) = (resource.kind().to_lowercase(), uid_of(object), &reference.uid);
        return Err(format!("{word} UID ({live}) does not match service account {word} ref claim ({claimed})"));
    }
    if deleted_before_leeway(object, now) {
        return Err("service account token has been invalidated".to_owned());
    }
    Ok(())
}

fn deleted_before_leeway(object: &Value, now: i64) -> bool {
    deleted_at(object).is_some_and(|time| time < now.saturating_sub(LEEWAY_SECONDS))
}

fn check_legacy(
    token: &str,
    namespace: &str,
    account: &Reference,
    secret_name: &str,
    found: &Found,
) -> Result<(), String> {
    let secret = found
        .get(Resource::Secret, namespace, secret_name)
        .filter(|secret| deleted_at(secret).is_none())
        .ok_or("Token has been invalidated")?;
    let stored = secret["data"]["token"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    if aws_lc_rs::constant_time::verify_slices_are_equal(&stored, token.as_bytes()).is_err() {
        return Err("Token does not match server's copy".to_owned());
    }
    let name = &account.name;
    let object = found
        .get(Resource::ServiceAccount, namespace, name)
        .ok_or_else(|| Lookup::new(Resource::ServiceAccount, namespace, name).not_found())?;
    if deleted_at(object).is_some() {
        return Err(format!("ServiceAccount {namespace}/{name} has been deleted"));
    }
    if uid_of(object) != account.uid {
        return Err(format!("ServiceAccount UID ({}) does not match claim ({})", uid_of(object), account.uid));
    }
    if !secret["metadata"]["labels"][INVALID_SINCE_LABEL].as_str().unwrap_or_default().is_empty() {
        return Err(format!(
            "the token in secret {namespace}/{secret_name} for service account {namespace}/{name} has been marked \
             invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the \
             '{INVALID_SINCE_LABEL}' label from the secret to temporarily allow use of this token"
        ));
    }
    Ok(())
}

/// Tells whether a Secret holds a token of a service account.
#[must_use]
pub fn is_token_secret(secret: &Value, account: &Value) -> bool {
    let annotation = |key: &str| secret["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let uid = annotation("kubernetes.io/service-account.uid");
    secret["type"] == "kubernetes.io/service-account-token"
        && annotation("kubernetes.io/service-account.name") == metadata_text(account, "name")
        && (uid.is_empty() || uid == uid_of(account))
}

/// Returns the claims of the token that a Secret of type `kubernetes.io/service-account-token` is to hold.
#[must_use]
pub fn legacy_claims(account: &Value, secret_name: &str) -> Value {
    let (namespace, name) = (metadata_text(account, "namespace"), metadata_text(account, "name"));
    serde_json::json!({
        "iss": LEGACY_ISSUER,
        "sub": super::user::service_account_username(namespace, name),
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secret_name,
        "kubernetes.io/serviceaccount/service-account.name": name,
        "kubernetes.io/serviceaccount/service-account.uid": uid_of(account),
    })
}

#[cfg(test)]
mod tests;
