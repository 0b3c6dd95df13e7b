//! `serviceaccounts/token`: issuing a token for a service account.
//!
//! In three steps, because objects have to be fetched between them: [`check_names`], then [`TokenRequest::new`] with
//! the account, then [`TokenRequest::issue`] with what the token is bound to.

use super::jwt;
use super::keys::TokenKeys;
use super::objects::{Found, Lookup, Resource, metadata_text, uid_of};
use super::user::service_account_username;
use jiff::Timestamp;
use kplex_machinery::field_error::{FieldError, go_quote};
use kplex_machinery::status::{GroupResource, Status};
use serde_json::{Value, json};

/// API group of the request.
pub const GROUP: &str = "authentication.k8s.io";

const KIND: &str = "TokenRequest";
/// How long a token lives when the request does not say it.
pub const DEFAULT_SECONDS: i64 = 3600;
const MIN_SECONDS: i64 = 600;
const MAX_SECONDS: i64 = 1 << 32;
/// Kubelets ask for this long for the tokens that they mount; such a token is made to last a year, and one used after
/// the time that was asked for is warned about.
const MOUNTED_SECONDS: i64 = 3607;
const EXTENDED_SECONDS: i64 = 365 * 24 * 3600;

/// A request that makes sense.
#[derive(Debug)]
pub struct TokenRequest {
    object: Value,
    namespace: String,
    account_name: String,
    account_uid: String,
    audiences: Vec<String>,
    seconds: i64,
    bound: Option<Bound>,
}

#[derive(Debug)]
struct Bound {
    resource: Resource,
    name: String,
    /// Empty when the request leaves it open.
    uid: String,
}

fn invalid(name: &str, error: FieldError) -> Status {
    Status::invalid(GROUP, KIND, name, &[error])
}

/// Checks that the body names the account of the path, if it names one.
///
/// # Errors
/// 422 with upstream's words.
pub fn check_names(request: &Value, namespace: &str, name: &str) -> Result<(), Status> {
    for (key, wanted) in [("name", name), ("namespace", namespace)] {
        let given = metadata_text(request, key);
        if !given.is_empty() && given != wanted {
            let why = format!("must match the service account {key} if specified");
            return Err(invalid(name, FieldError::invalid(format!("metadata.{key}"), given, why)));
        }
    }
    Ok(())
}

impl TokenRequest {
    /// Takes a request and the live account it is for.
    ///
    /// # Errors
    /// 409 for another account of that name, 422 for a lifetime that is too short or too long, 400 for an object that
    /// tokens are not bound to.
    pub fn new(mut object: Value, account: &Value, keys: &TokenKeys, now: Timestamp) -> Result<Self, Status> {
        let (namespace, name) = (metadata_text(account, "namespace"), metadata_text(account, "name"));
        let (given, live) = (uid_of(&object), uid_of(account));
        if !given.is_empty() && given != live {
            let why = format!(
                "the UID in the token request ({given}) does not match the UID of the service account ({live})"
            );
            return Err(Status::conflict(&resource(GROUP, KIND), name, &why));
        }
        let mut audiences: Vec<String> =
            object["spec"]["audiences"].as_array().into_iter().flatten().filter_map(text_of).collect();
        if audiences.is_empty() {
            audiences.clone_from(&keys.audiences);
        }
        let seconds = object["spec"]["expirationSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS);
        check_seconds(seconds)?;
        let bound = bound_of(&object["spec"]["boundObjectRef"])?;
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        for (key, value) in [("name", name), ("namespace", namespace), ("uid", live)] {
            object["metadata"][key] = Value::from(value);
        }
        object["metadata"]["creationTimestamp"] = Value::from(rfc3339(now.as_second()));
        object["spec"]["audiences"] = audiences.iter().map(|audience| Value::from(audience.as_str())).collect();
        object["spec"]["expirationSeconds"] = Value::from(seconds);
        if bound.is_none() {
            object["spec"]["boundObjectRef"] = Value::Null;
        }
        Ok(Self {
            object,
            namespace: namespace.to_owned(),
            account_name: name.to_owned(),
            account_uid: live.to_owned(),
            audiences,
            seconds,
            bound,
        })
    }

    /// Returns the object that the token is to be bound to.
    #[must_use]
    pub fn lookup(&self) -> Option<Lookup> {
        self.bound.as_ref().map(|bound| Lookup::new(bound.resource, &self.namespace, &bound.name))
    }

    /// Returns the node of the Pod that the token is to be bound to; it need not exist.
    #[must_use]
    pub fn node_lookup(&self, found: &Found) -> Option<Lookup> {
        let bound = self.bound.as_ref().filter(|bound| bound.resource == Resource::Pod)?;
        let node = found.get(Resource::Pod, &self.namespace, &bound.name)?["spec"]["nodeName"].as_str()?;
        (!node.is_empty()).then(|| Lookup::new(Resource::Node, "", node))
    }

    /// Signs the token and returns the request with its status. `token_id` becomes the `jti`.
    ///
    /// # Errors
    /// 404 and 409 for an object to bind to that is not there or is another, 400 for a Pod of another account.
    pub fn issue(mut self, found: &Found, keys: &TokenKeys, now: Timestamp, token_id: &str) -> Result<Value, Status> {
        let now = now.as_second();
        let mut lifetime = self.seconds;
        let mut private = json!({
            "namespace": self.namespace,
            "serviceaccount": {"name": self.account_name, "uid": self.account_uid},
        });
        if let Some(bound) = &self.bound {
            let object = self.bound_object(bound, found)?;
            private[bound.resource.kind().to_lowercase()] = json!({"name": bound.name, "uid": uid_of(object)});
            if let Some(node) = self.node_lookup(found) {
                let mut reference = json!({"name": &*node.name});
                if let Some(object) = found.get(Resource::Node, "", &node.name) {
                    reference["uid"] = Value::from(uid_of(object));
                }
                private["node"] = reference;
            }
            if bound.resource == Resource::Pod && self.is_mounted(keys) {
                lifetime = EXTENDED_SECONDS;
                private["warnafter"] = Value::from(now + self.seconds);
            }
        }
        let claims = json!({
            "aud": self.audiences, "exp": now + lifetime, "iat": now, "iss": keys.issuer(), "jti": token_id,
            "kubernetes.io": private, "nbf": now,
            "sub": service_account_username(&self.namespace, &self.account_name),
        });
        let token =
            jwt::sign(&claims, keys).map_err(|error| Status::internal(format!("failed to generate token: {error}")))?;
        self.object["status"] = json!({"token": token, "expirationTimestamp": rfc3339(now + self.seconds)});
        Ok(self.object)
    }

    fn bound_object<'f>(&self, bound: &Bound, found: &'f Found) -> Result<&'f Value, Status> {
        let Some(object) = found.get(bound.resource, &self.namespace, &bound.name) else {
            return Err(Status::not_found(&resource("", bound.resource.plural()), &bound.name));
        };
        if bound.resource == Resource::Pod && object["spec"]["serviceAccountName"] != *self.account_name {
            return Err(Status::bad_request(format!(
                "cannot bind token for serviceaccount {} to pod running with different serviceaccount name.",
                go_quote(&self.account_name)
            )));
        }
        if !bound.uid.is_empty() && bound.uid != uid_of(object) {
            let why = format!(
                "the UID in the bound object reference ({}) does not match the UID in record. \
                 The object might have been deleted and then recreated",
                bound.uid
            );
            return Err(Status::conflict(&resource("", bound.resource.kind()), &bound.name, &why));
        }
        Ok(object)
    }

    fn is_mounted(&self, keys: &TokenKeys) -> bool {
        self.seconds == MOUNTED_SECONDS && self.audiences.iter().all(|audience| keys.audiences.contains(audience))
    }
}

fn resource(group: &str, resource: &str) -> GroupResource {
    GroupResource { group: group.to_owned(), resource: resource.to_owned() }
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn rfc3339(second: i64) -> String {
    Timestamp::from_second(second).map(|time| time.to_string()).unwrap_or_default()
}

fn check_seconds(seconds: i64) -> Result<(), Status> {
    let why = if seconds < MIN_SECONDS {
        "may not specify a duration less than 10 minutes"
    } else if seconds > MAX_SECONDS {
        "may not specify a duration larger than 2^32 seconds"
    } else {
        return Ok(());
    };
    Err(invalid("", FieldError::invalid("spec.expirationSeconds", seconds, why)))
}

fn bound_of(reference: &Value) -> Result<Option<Bound>, Status> {
    if reference.is_null() {
        return Ok(None);
    }
    let text = |key: &str| reference[key].as_str().unwrap_or_default();
    let api_version = text("apiVersion");
    let (group, version) = match api_version.split_once('/') {
        None => ("", api_version),
        Some((_, rest)) if rest.contains('/') => ("", ""),
        Some(parts) => parts,
    };
    let resource = match (group, text("kind")) {
        ("", "Pod") => Resource::Pod,
        ("", "Node") => Resource::Node,
        ("", "Secret") => Resource::Secret,
        (_, kind) => {
            let message = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
            return Err(Status::bad_request(message));
        }
    };
    Ok(Some(Bound { resource, name: text("name").to_owned(), uid: text("uid").to_owned() }))
}

#[cfg(test)]
mod tests;
