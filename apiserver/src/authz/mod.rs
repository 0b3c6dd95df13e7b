//! May you: role-based access control, evaluated as upstream's authorizers do.
//!
//! The rules are pure: RBAC objects go in as JSON bytes, decisions and `Status` values come out. Only `warm` and the
//! functions here know a tenant. Requests of nodes get no authorizer of their own: a control plane without
//! pods has no kubelets, and RBAC alone decides what members of `system:nodes` may do.

pub mod aggregate;
pub mod attributes;
pub mod coverage;
pub mod escalation;
pub mod layer;
pub mod policy;
pub mod refusal;
pub mod review;
mod warm;

pub use warm::WarmPolicy;

use crate::authn::User;
use crate::http::info::{RequestInfo, Verb};
use crate::respond;
use attributes::{Attributes, ResourceTarget, Target};
use kplex_machinery::selector::FieldSelector;
use kplex_machinery::status::Status;
use kplex_tenants::TenantScope;
use policy::Policy;
use std::sync::Arc;
pub mod rule;

/// API group of roles and bindings.
pub const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// Members may do anything, whatever RBAC says.
pub const PRIVILEGED_GROUP: &str = "system:masters";

/// Allows a request, or refuses it.
///
/// # Errors
/// 403 with upstream's message; 503 when the tenant's RBAC cannot be read.
pub async fn authorize_request(
    scope: &TenantScope,
    user: &User,
    info: &RequestInfo,
    query: &str,
) -> Result<(), Status> {
    if user.is_in(PRIVILEGED_GROUP) {
        return Ok(());
    }
    policy(scope).await?.with(|policy| decide(policy, user, info, query))
}

/// Returns the tenant's RBAC as of the last durable commit.
///
/// # Errors
/// 503 when it cannot be read.
pub async fn policy(scope: &TenantScope) -> Result<Arc<WarmPolicy>, Status> {
    WarmPolicy::of(scope).await.map_err(respond::storage)
}

/// Refuses a write of a role or binding that would give somebody more than the writer has.
///
/// # Errors
/// See [`escalation::check`].
pub async fn check_escalation(scope: &TenantScope, write: &escalation::Write<'_>) -> Result<(), Status> {
    if write.user.is_in(PRIVILEGED_GROUP) {
        return Ok(());
    }
    policy(scope).await?.with(|policy| escalation::check(policy, write))
}

/// Decides about a request under a policy.
///
/// # Errors
/// 403 with upstream's message.
pub(crate) fn decide(policy: &Policy<'_>, user: &User, info: &RequestInfo, query: &str) -> Result<(), Status> {
    let selected = selected_name(info, query);
    let attributes = attributes_of(user, info, selected.as_deref());
    let decision = policy.authorize(&attributes);
    if decision.allowed() { Ok(()) } else { Err(refusal::forbidden(&attributes, &decision.reason())) }
}

fn attributes_of<'a>(user: &'a User, info: &'a RequestInfo, selected: Option<&'a str>) -> Attributes<'a> {
    match &info.resource {
        None => {
            // On a path the verb is the method.
            let verb = match info.verb {
                Verb::Create => "post",
                Verb::Update => "put",
                Verb::Get
                | Verb::List
                | Verb::Watch
                | Verb::Patch
                | Verb::Delete
                | Verb::DeleteCollection
                | Verb::Head
                | Verb::Options
                | Verb::Unknown => info.verb.as_str(),
            };
            Attributes { user, verb, target: Target::Path(&info.path) }
        }
        Some(path) => {
            let target = ResourceTarget {
                namespace: path.namespace.as_deref().unwrap_or_default(),
                group: &path.group,
                resource: &path.resource,
                // What follows a subresource, as in a proxied path, is not part of the question.
                subresource: path.subresource.split('/').next().unwrap_or_default(),
                name: path.name.as_deref().or(selected).unwrap_or_default(),
            };
            Attributes { user, verb: info.verb.as_str(), target: Target::Resource(target) }
        }
    }
}

/// Returns the name that a list or watch is confined to by its field selector: rules with resource names then apply.
fn selected_name(info: &RequestInfo, query: &str) -> Option<String> {
    let path = info.resource.as_ref()?;
    if !matches!(info.verb, Verb::List | Verb::Watch) || path.watch_path || path.name.is_some() {
        return None;
    }
    let (_, selector) = crate::http::query::pairs(query).find(|(key, _)| key == "fieldSelector")?;
    let selector = FieldSelector::parse(&selector).ok()?;
    let name = selector.exact("metadata.name")?;
    let is_segment = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%']);
    is_segment.then(|| name.to_owned())
}

/// Joins error texts as upstream's aggregate errors do: each text once, brackets only around several.
#[must_use]
pub(crate) fn join_errors(errors: &[String]) -> String {
    let mut unique: Vec<&str> = Vec::with_capacity(errors.len());
    for error in errors {
        if !unique.contains(&error.as_str()) {
            unique.push(error);
        }
    }
    match unique.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("[{}]", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::rbac::BaseRbac;
    use http::Method;

    fn check(method: Method, url: &str, message: &str) {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let info = RequestInfo::parse(&method, path, query);
        let own = layer::Layer::default();
        let policy = Policy { base: &BaseRbac::shared().layer, own: &own };
        let status = decide(&policy, &User::named("jo"), &info, query).expect_err("not allowed");
        assert_eq!(status.message, message, "{method} {url}");
    }

    #[test]
    fn requests_become_questions() {
        let list = r#"pods is forbidden: User "jo" cannot list resource "pods" in API group "" in the namespace "a""#;
        check(Method::GET, "/api/v1/namespaces/a/pods", list);
        check(Method::GET, "/api/v1/namespaces/a/pods?fieldSelector=metadata.name!=x", list);
        let named =
            r#"pods "x" is forbidden: User "jo" cannot list resource "pods" in API group "" in the namespace "a""#;
        check(Method::GET, "/api/v1/namespaces/a/pods?fieldSelector=spec.a%3Db,metadata.name%3Dx", named);
        check(Method::POST, "/apis/foo", r#"forbidden: User "jo" cannot post path "/apis/foo""#);
        check(Method::PUT, "/x", r#"forbidden: User "jo" cannot put path "/x""#);
        check(
            Method::GET,
            "/api/v1/namespaces/a/services/x/proxy/b/c",
            r#"services "x" is forbidden: User "jo" cannot get resource "services/proxy" in API group "" in the namespace "a""#,
        );
    }

    #[test]
    fn errors_are_joined_as_upstream_joins_them() {
        let join = |texts: &[&str]| join_errors(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(join(&["a"]), "a");
        assert_eq!(join(&["a", "a"]), "a");
        assert_eq!(join(&["a", "b", "a"]), "[a, b]");
    }
}
