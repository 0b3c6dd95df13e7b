//! An identity: who a request is from, as authorization, admission and audit see it.

use kplex_machinery::field_error::go_quote;
use kplex_machinery::metadata::names::{is_dns1123_label, is_dns1123_subdomain};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Name of whoever shows no credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// Group of everybody who was authenticated.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Group of everybody who was not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Group of all service accounts.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// `extra` key that names the credential in use.
pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// Who a request is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Unique name.
    pub name: Box<str>,
    /// Unique across time, where the name is not; may be empty.
    pub uid: Box<str>,
    /// Groups, in upstream's order.
    pub groups: Box<[Box<str>]>,
    /// What else is known.
    pub extra: BTreeMap<Box<str>, Vec<Box<str>>>,
}

impl User {
    /// Returns a user with nothing but a name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Returns the identity of a request without credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { groups: Box::new([UNAUTHENTICATED.into()]), ..Self::named(ANONYMOUS) }
    }

    /// Returns the identity of a service account.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: service_account_username(namespace, name).into(),
            uid: uid.into(),
            groups: service_account_groups(namespace),
            extra: BTreeMap::new(),
        }
    }

    /// Returns an identity for the server's own work in a tenant, such as a controller's.
    #[must_use]
    pub fn with_groups<S: AsRef<str>>(mut self, groups: &[S]) -> Self {
        self.groups = groups.iter().map(|group| group.as_ref().into()).collect();
        self
    }

    /// Tells whether the user is in a group.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| **own == *group)
    }

    /// Adds `system:authenticated`, unless the groups already say authenticated or not.
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        if *self.name != *ANONYMOUS && !self.is_in(AUTHENTICATED) && !self.is_in(UNAUTHENTICATED) {
            let mut groups = std::mem::take(&mut self.groups).into_vec();
            groups.push(AUTHENTICATED.into());
            self.groups = groups.into();
        }
        self
    }

    /// Returns the `UserInfo` of reviews and audit; empty parts are left out.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        for (key, text) in [("username", &self.name), ("uid", &self.uid)] {
            if !text.is_empty() {
                map.insert(key.to_owned(), Value::from(&**text));
            }
        }
        if !self.groups.is_empty() {
            map.insert("groups".to_owned(), self.groups.iter().map(|group| Value::from(&**group)).collect());
        }
        if !self.extra.is_empty() {
            let values = |list: &Vec<Box<str>>| list.iter().map(|value| Value::from(&**value)).collect::<Value>();
            let extra: Map<_, _> = self.extra.iter().map(|(key, list)| (key.to_string(), values(list))).collect();
            map.insert("extra".to_owned(), json!(extra));
        }
        Value::Object(map)
    }

    /// Returns the groups as Go prints them in errors: `["a" "b"]`.
    #[must_use]
    pub fn quoted_groups(&self) -> String {
        let quoted: Vec<String> = self.groups.iter().map(|group| go_quote(group)).collect();
        format!("[{}]", quoted.join(" "))
    }
}

/// Returns the user name of a service account.
#[must_use]
pub fn service_account_username(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}")
}

/// Returns the groups of a service account.
#[must_use]
pub fn service_account_groups(namespace: &str) -> Box<[Box<str>]> {
    Box::new([SERVICE_ACCOUNTS.into(), format!("{SERVICE_ACCOUNTS}:{namespace}").into()])
}

/// Tells whether `username` is that of the service account, without allocating.
#[must_use]
pub fn is_service_account(username: &str, namespace: &str, name: &str) -> bool {
    username
        .strip_prefix(SERVICE_ACCOUNT_PREFIX)
        .and_then(|rest| rest.strip_prefix(namespace))
        .and_then(|rest| rest.strip_prefix(':'))
        .is_some_and(|rest| rest == name)
}

/// Splits the user name of a service account into namespace and name; `None` if it is no such name.
#[must_use]
pub fn split_service_account(username: &str) -> Option<(&str, &str)> {
    let (namespace, name) = username.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
    let valid = is_dns1123_label(namespace).is_empty() && is_dns1123_subdomain(name).is_empty();
    valid.then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_service_account_names_split() {
        assert_eq!(split_service_account("system:serviceaccount:ns:a.b"), Some(("ns", "a.b")));
        for bad in [
            "x",
            "system:serviceaccount:ns",
            "system:serviceaccount:ns:a:b",
            "system:serviceaccount:N:a",
            "system:serviceaccount::a",
            "system:serviceaccount:ns:",
            "system:serviceaccount:n.s:a",
        ] {
            assert_eq!(split_service_account(bad), None, "{bad}");
        }
        assert!(is_service_account("system:serviceaccount:ns:a", "ns", "a"));
        assert!(!is_service_account("system:serviceaccount:ns:a", "n", "s:a"));
    }

    #[test]
    fn authenticated_is_added_once() {
        let user = User::named("a").with_groups(&["g"]).authenticated().authenticated();
        assert_eq!(user.quoted_groups(), r#"["g" "system:authenticated"]"#);
        assert_eq!(User::anonymous().authenticated(), User::anonymous());
    }
}
