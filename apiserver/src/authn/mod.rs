//! Who are you: client certificates, bearer tokens, impersonation, and the tokens that the server issues.
//!
//! Credentials come in as bytes, an identity or a refusal goes out. The checks are pure; only `warm` and the functions
//! here fetch what has to be looked up in the tenant (service accounts, Secrets, Pods, Nodes).

pub mod bearer;
pub mod bootstrap_token;
pub mod certificate;
pub mod discovery;
pub(crate) mod follow;
pub mod impersonation;
pub mod jwt;
pub mod keys;
pub mod objects;
pub mod review;
pub mod service_account;
pub mod token_cache;
pub mod token_request;
pub mod user;
mod warm;

pub use user::User;

use crate::authz;
use crate::authz::layer::Layer;
use crate::authz::policy::Policy;
use crate::bootstrap::rbac::BaseRbac;
use crate::http::info::RequestInfo;
use crate::respond;
use bearer::{Opinion, bearer_token};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use kplex_machinery::status::{GroupResource, Status};
use kplex_tenants::TenantScope;
use objects::{Found, Lookup, Resource};
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use std::borrow::Cow;
use warm::WarmAuthn;

/// Returns who a request is from, after impersonation.
///
/// # Errors
/// 401 for credentials that are wrong in this tenant; 400 and 403 for impersonation.
pub async fn authenticate(
    scope: &TenantScope,
    certificates: &[CertificateDer<'_>],
    headers: &HeaderMap,
) -> Result<User, Status> {
    let user = identify(scope, certificates, headers).await?;
    if !impersonation::is_asked(headers) {
        return Ok(user);
    }
    let policy = authz::policy(scope).await?;
    let assumed = policy.with(|policy| impersonation::impersonate(policy, &user, headers))?;
    Ok(assumed.unwrap_or(user))
}

/// Returns whom the credentials of a request name.
async fn identify(
    scope: &TenantScope,
    certificates: &[CertificateDer<'_>],
    headers: &HeaderMap,
) -> Result<User, Status> {
    let now = Timestamp::now();
    let header = authorization(headers);
    let token = header.as_deref().and_then(bearer_token);
    if certificates.is_empty() && token.is_none() {
        return Ok(User::anonymous());
    }
    let warm = WarmAuthn::of(scope);
    let by_certificate = warm.by_certificate(scope, certificates, now.as_second());
    let by_token = match (&by_certificate, token) {
        (Opinion::None | Opinion::Wrong(_), Some(token)) => {
            warm.by_token(scope, token, now).await.map_err(respond::storage)?
        }
        (Opinion::User(_), _) | (_, None) => Opinion::None,
    };
    bearer::decide([by_certificate, by_token]).map_err(|wrong| {
        tracing::debug!(reasons = ?wrong, "request was not authenticated");
        Status::unauthorized()
    })
}

/// Returns the `Authorization` header; bytes that are no text make a token that nobody knows, not none.
fn authorization(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    headers.get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// Returns how a control plane that nobody has changed answers somebody who is a stranger to it, so that a name that
/// does not exist answers like one that does.
#[must_use]
pub fn refuse_stranger(shows_certificate: bool, headers: &HeaderMap, info: &RequestInfo, query: &str) -> Status {
    if shows_certificate || authorization(headers).as_deref().and_then(bearer_token).is_some() {
        return Status::unauthorized();
    }
    let own = Layer::default();
    let policy = Policy { base: &BaseRbac::shared().layer, own: &own };
    let stranger = User::anonymous();
    let refused = impersonation::impersonate(&policy, &stranger, headers)
        .and_then(|assumed| authz::decide(&policy, &assumed.unwrap_or(stranger), info, query));
    refused.err().unwrap_or_else(Status::no_such_path)
}

/// Answers `POST …/serviceaccounts/<name>/token` with a signed token.
///
/// # Errors
/// Upstream's, see [`token_request`]; 404 when there is no such account.
pub async fn issue_token(
    scope: &TenantScope,
    namespace: &str,
    name: &str,
    request: Value,
    now: Timestamp,
) -> Result<Value, Status> {
    let log = scope.log();
    token_request::check_names(&request, namespace, name)?;
    let mut found = Found::default();
    let account = Lookup::new(Resource::ServiceAccount, namespace, name);
    warm::fetch(log, account, &mut found).await.map_err(respond::storage)?;
    let resource = GroupResource { group: String::new(), resource: Resource::ServiceAccount.plural().to_owned() };
    let account =
        found.get(Resource::ServiceAccount, namespace, name).ok_or_else(|| Status::not_found(&resource, name))?;
    let keys = warm::token_keys(scope.keys());
    let request = token_request::TokenRequest::new(request, account, &keys, now)?;
    if let Some(lookup) = request.lookup() {
        warm::fetch(log, lookup, &mut found).await.map_err(respond::storage)?;
    }
    if let Some(lookup) = request.node_lookup(&found) {
        warm::fetch(log, lookup, &mut found).await.map_err(respond::storage)?;
    }
    request.issue(&found, &keys, now, &uuid::Uuid::new_v4().to_string())
}

/// Signs the token that a Secret of type `kubernetes.io/service-account-token` holds for an account.
///
/// # Errors
/// The key is unusable.
pub fn legacy_token(scope: &TenantScope, account: &Value, secret_name: &str) -> Result<String, Status> {
    let claims = service_account::legacy_claims(account, secret_name);
    jwt::sign(&claims, &warm::token_keys(scope.keys())).map_err(Status::internal)
}

/// Answers a TokenReview.
///
/// # Errors
/// 400 without a token.
pub async fn review_token(scope: &TenantScope, review: Value, now: Timestamp) -> Result<Value, Status> {
    let keys = warm::token_keys(scope.keys());
    let audiences = review::audiences_of(&review, &keys.audiences);
    // As in a header, a token ends at a space.
    let token = bearer_token(&format!("Bearer {}", review::token_of(&review)?)).map(str::to_owned).unwrap_or_default();
    let outcome = warm::verify(scope.log(), &keys, &token, &audiences, now).await.map_err(respond::storage)?;
    Ok(review::token_review(review, outcome.map(|verified| (verified.user, verified.audiences))))
}

/// Returns the document of [`discovery::CONFIGURATION_PATH`]; `keys_url` is the address of [`discovery::KEYS_PATH`].
#[must_use]
pub fn openid_configuration(scope: &TenantScope, keys_url: &str) -> String {
    discovery::configuration(&warm::token_keys(scope.keys()), keys_url)
}

#[cfg(test)]
mod tests;
