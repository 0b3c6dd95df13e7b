//! Acting as somebody else: the `Impersonate-*` headers, each of which the requester must be allowed to use.

use super::user::{
    ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User, service_account_groups, service_account_username,
    split_service_account,
};
use crate::authz::attributes::{Attributes, ResourceTarget, Target};
use crate::authz::policy::Policy;
use crate::authz::refusal::forbidden;
use http::HeaderMap;
use kplex_machinery::status::Status;
use std::collections::BTreeMap;
use std::fmt;

const EXTRA_PREFIX: &str = "impersonate-extra-";
const AUTHENTICATION_GROUP: &str = "authentication.k8s.io";
const AUTHENTICATION_VERSION: &str = "authentication.k8s.io/v1";

/// One thing that the headers ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim {
    User(String),
    ServiceAccount { namespace: String, name: String },
    Group(String),
    Extra { key: String, value: String },
    Uid(String),
}

/// Printed as upstream prints its object references.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, namespace, name, version, path) = match self {
            Self::User(name) => ("User", "", name, "", ""),
            Self::ServiceAccount { namespace, name } => ("ServiceAccount", namespace.as_str(), name, "", ""),
            Self::Group(name) => ("Group", "", name, "", ""),
            Self::Extra { key, value } => ("UserExtra", "", value, AUTHENTICATION_VERSION, key.as_str()),
            Self::Uid(uid) => ("UID", "", uid, AUTHENTICATION_VERSION, ""),
        };
        write!(f, "{{{kind} {namespace} {name}  {version}  {path}}}")
    }
}

impl Claim {
    fn target(&self) -> ResourceTarget<'_> {
        let plain = ResourceTarget::default();
        match self {
            Self::User(name) => ResourceTarget { resource: "users", name, ..plain },
            Self::ServiceAccount { namespace, name } => {
                ResourceTarget { resource: "serviceaccounts", namespace, name, ..plain }
            }
            Self::Group(name) => ResourceTarget { resource: "groups", name, ..plain },
            Self::Extra { key, value } => ResourceTarget {
                group: AUTHENTICATION_GROUP,
                resource: "userextras",
                subresource: key,
                name: value,
                ..plain
            },
            Self::Uid(uid) => ResourceTarget { group: AUTHENTICATION_GROUP, resource: "uids", name: uid, ..plain },
        }
    }
}

/// Tells whether a request has any header of impersonation.
#[must_use]
pub fn is_asked(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("impersonate-"))
}

/// Returns whom the requester acts as; `None` without such headers.
///
/// # Errors
/// 400 for headers that name no user, 403 for what the requester may not impersonate.
pub fn impersonate(policy: &Policy<'_>, requester: &User, headers: &HeaderMap) -> Result<Option<User>, Status> {
    let claims = read(headers)?;
    if claims.is_empty() {
        return Ok(None);
    }
    for claim in &claims {
        let target = Target::Resource(claim.target());
        let attributes = Attributes { user: requester, verb: "impersonate", target };
        let decision = policy.authorize(&attributes);
        if !decision.allowed() {
            return Err(forbidden(&attributes, &decision.reason()));
        }
    }
    Ok(Some(assume(&claims)))
}

fn read(headers: &HeaderMap) -> Result<Vec<Claim>, Status> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = |name: &str| headers.get(name).map(text).filter(|value| !value.is_empty());
    let mut claims = Vec::new();
    let user = first("impersonate-user");
    let has_user = user.is_some();
    claims.extend(user.map(|name| match split_service_account(&name) {
        Some((namespace, name)) => Claim::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() },
        None => Claim::User(name),
    }));
    claims.extend(headers.get_all("impersonate-group").iter().map(text).map(Claim::Group));
    let mut extra: Vec<Claim> = Vec::new();
    for (name, value) in headers {
        if let Some(encoded) = name.as_str().strip_prefix(EXTRA_PREFIX) {
            extra.push(Claim::Extra { key: unescape(encoded), value: text(value) });
        }
    }
    claims.extend(extra);
    claims.extend(first("impersonate-uid").map(Claim::Uid));
    if !has_user && !claims.is_empty() {
        let list: Vec<String> = claims.iter().map(ToString::to_string).collect();
        return Err(Status::bad_request(format!("requested [{}] without impersonating a user", list.join(" "))));
    }
    Ok(claims)
}

/// Decodes percent signs; a key that is badly encoded stays as it is.
fn unescape(key: &str) -> String {
    let bytes = key.as_bytes();
    let well_formed = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
    if !well_formed {
        return key.to_owned();
    }
    String::from_utf8_lossy(&percent_encoding::percent_decode(bytes).collect::<Vec<u8>>()).into_owned()
}

fn assume(claims: &[Claim]) -> User {
    let has_groups = claims.iter().any(|claim| matches!(claim, Claim::Group(_)));
    let (mut name, mut uid): (Box<str>, Box<str>) = Default::default();
    let mut groups: Vec<Box<str>> = Vec::new();
    let mut extra: BTreeMap<Box<str>, Vec<Box<str>>> = BTreeMap::new();
    for claim in claims {
        match claim {
            Claim::User(user) => name = user.as_str().into(),
            Claim::ServiceAccount { namespace, name: account } => {
                name = service_account_username(namespace, account).into();
                if !has_groups {
                    groups = service_account_groups(namespace).into_vec();
                }
            }
            Claim::Group(group) => groups.push(group.as_str().into()),
            Claim::Extra { key, value } => extra.entry(key.as_str().into()).or_default().push(value.as_str().into()),
            Claim::Uid(value) => uid = value.as_str().into(),
        }
    }
    let says = |group: &str| groups.iter().any(|own| **own == *group);
    if *name == *ANONYMOUS {
        if !says(UNAUTHENTICATED) {
            groups.push(UNAUTHENTICATED.into());
        }
    } else if !says(AUTHENTICATED) && !says(UNAUTHENTICATED) {
        groups.push(AUTHENTICATED.into());
    }
    User { name, uid, groups: groups.into(), extra }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::PRIVILEGED_GROUP;
    use crate::authz::layer::{Kind, Layer};
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    fn ask(requester: &User, list: &[(&str, &str)]) -> Result<Option<User>, Status> {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("header name");
            headers.append(name, HeaderValue::from_str(value).expect("header value"));
        }
        let (base, mut own) = (Layer::default(), Layer::default());
        let rules = json!({"rules": [
            {"apiGroups": [""], "resources": ["users"], "resourceNames": ["eve"], "verbs": ["impersonate"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes"], "verbs": ["impersonate"]},
        ]});
        let role =
            json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": "jo"}]});
        own.put(Kind::ClusterRole, "", "r", rules.to_string().as_bytes()).expect("role");
        own.put(Kind::ClusterRoleBinding, "", "b", role.to_string().as_bytes()).expect("binding");
        impersonate(&Policy { base: &base, own: &own }, requester, &headers)
    }

    fn root() -> User {
        User::named("root").with_groups(&[PRIVILEGED_GROUP])
    }

    #[test]
    fn headers_make_the_identity() {
        assert_eq!(ask(&root(), &[("x", "y")]), Ok(None));
        let whole = [
            ("Impersonate-User", "eve"),
            ("Impersonate-Extra-Foo%2fBar", "a"),
            ("Impersonate-Extra-foo%2fbar", "b"),
            ("Impersonate-Extra-50%", "c"),
            ("Impersonate-Uid", "17"),
        ];
        let user = ask(&root(), &whole).expect("allowed").expect("somebody");
        let extra = json!({"foo/bar": ["a", "b"], "50%": ["c"]});
        let expected = json!({"username": "eve", "uid": "17", "groups": ["system:authenticated"], "extra": extra});
        assert_eq!(user.to_value(), expected);
        for (list, groups) in [
            (
                vec![("Impersonate-User", "system:serviceaccount:a:b")],
                r#"["system:serviceaccounts" "system:serviceaccounts:a" "system:authenticated"]"#,
            ),
            (
                vec![("Impersonate-User", "system:serviceaccount:a:b"), ("Impersonate-Group", "g")],
                r#"["g" "system:authenticated"]"#,
            ),
            (vec![("Impersonate-User", "system:anonymous")], r#"["system:unauthenticated"]"#),
            (
                vec![("Impersonate-User", "x"), ("Impersonate-Group", "system:unauthenticated")],
                r#"["system:unauthenticated"]"#,
            ),
        ] {
            assert_eq!(ask(&root(), &list).expect("allowed").expect("somebody").quoted_groups(), groups, "{list:?}");
        }
    }

    #[test]
    fn everything_but_a_user_needs_a_user() {
        for (header, shown) in [
            ("Impersonate-Group", "{Group  eve    }"),
            ("Impersonate-Uid", "{UID  eve  authentication.k8s.io/v1  }"),
            ("Impersonate-Extra-Foo", "{UserExtra  eve  authentication.k8s.io/v1  foo}"),
        ] {
            let refused = ask(&root(), &[(header, "eve")]).expect_err("no user");
            let message = format!("requested [{shown}] without impersonating a user");
            assert_eq!((refused.code, refused.message), (400, message));
        }
    }

    #[test]
    fn each_claim_is_authorized() {
        let jo = User::named("jo");
        assert!(ask(&jo, &[("Impersonate-User", "eve"), ("Impersonate-Extra-Scopes", "x")]).is_ok());
        for (header, value, message) in [
            (
                "Impersonate-User",
                "carl",
                r#"users "carl" is forbidden: User "jo" cannot impersonate resource "users" in API group "" at the cluster scope"#,
            ),
            (
                "Impersonate-User",
                "system:serviceaccount:default:foo",
                r#"serviceaccounts "foo" is forbidden: User "jo" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "default""#,
            ),
        ] {
            assert_eq!(ask(&jo, &[(header, value)]).expect_err("not allowed").message, message);
        }
        let refused =
            ask(&jo, &[("Impersonate-User", "eve"), ("Impersonate-Extra-Other", "x")]).expect_err("not allowed");
        assert_eq!(
            refused.message,
            r#"userextras.authentication.k8s.io "x" is forbidden: User "jo" cannot impersonate resource "userextras/other" in API group "authentication.k8s.io" at the cluster scope"#
        );
    }
}
