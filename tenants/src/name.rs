//! Names of tenants: what a control plane may be called, and which names are ours.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::error::TenantsError;
use crate::limits::NAME_BYTES_MAX;

/// The name of the built-in hub.
pub const HUB: &str = "hub";

/// Names that no control plane may take. The hub is a tenant already; the others' namespace `<name>-system` in the
/// hosting cluster belongs to Kubernetes, to KubeFlex or to this server, and deleting such a control plane would
/// delete it.
const RESERVED: [&str; 5] = [HUB, "kube", "kubeflex", "kubeplex", "kplex"];

/// The name of a tenant: a DNS label that leaves room for `-system`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantName(Arc<str>);

impl TenantName {
    /// Parses the name of a tenant that may exist. It never has a reason to look anything up for other strings.
    ///
    /// # Errors
    /// It is not a DNS label of at most 56 bytes.
    pub fn parse(name: &str) -> Result<TenantName, TenantsError> {
        let invalid = |reason| TenantsError::InvalidName { name: name.chars().take(64).collect(), reason };
        if name.is_empty() {
            return Err(invalid("must not be empty"));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(invalid("must be no more than 56 characters, so that `<name>-system` is a namespace"));
        }
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !name.bytes().all(allowed) || name.starts_with('-') || name.ends_with('-') {
            return Err(invalid(
                "must consist of lower case alphanumeric characters or '-', and start and end with one of the former",
            ));
        }
        Ok(TenantName(name.into()))
    }

    /// Parses the name of a control plane that somebody wants to create.
    ///
    /// # Errors
    /// As [`TenantName::parse`], and for names that are reserved.
    pub fn parse_new(name: &str) -> Result<TenantName, TenantsError> {
        match RESERVED.contains(&name) {
            true => Err(TenantsError::InvalidName { name: name.to_owned(), reason: "is reserved" }),
            false => TenantName::parse(name),
        }
    }

    /// Returns the hub's name.
    pub fn hub() -> TenantName {
        TenantName(HUB.into())
    }

    /// Returns the name of a tenant that the server keeps for itself. It is no DNS label, so that nobody can ask for it.
    pub(crate) fn hidden(name: &'static str) -> TenantName {
        assert!(name.starts_with('~'), "a hidden name is no DNS label");
        TenantName(name.into())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TenantName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels_with_room_for_a_suffix() {
        for good in ["a", "cp1", "team-a", "1", &"x".repeat(56), "hub"] {
            assert!(TenantName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a.b", "-a", "a-", "a_b", "a/b", "ä", "~server", &"x".repeat(57)] {
            assert!(TenantName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reserved_names_cannot_be_created() {
        for name in RESERVED {
            assert!(TenantName::parse_new(name).is_err(), "{name}");
        }
        assert!(TenantName::parse_new("kube-1").is_ok());
    }
}
