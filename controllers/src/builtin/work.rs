//! What there is to do: a controller, a tenant and the name of the thing to look at.
//!
//! A piece of work carries no hint about what happened; whoever does it looks at what is (style rule 46).

use kplex_storage::TenantId;
use std::sync::Arc;

/// The controllers, by the name under which their work is kept in due rows. The names are on disk: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Controller {
    /// Names, establishes and removes CustomResourceDefinitions. Key: the name.
    Definition,
    /// Empties terminating namespaces. Key: the name.
    Namespace,
    /// Keeps the default service account. Key: the namespace.
    DefaultAccount,
    /// Keeps `kube-root-ca.crt`. Key: the namespace.
    RootCertificate,
    /// Decides whether an object with owners stays, and lets owners go that wait. Key: the object's storage key.
    Collect,
    /// Visits the dependents of an object that is gone. Key: its uid, a slash, its storage key.
    OwnerGone,
    /// Fills and removes token Secrets. Key: namespace, a slash, the Secret's name.
    TokenSecret,
    /// Looks at the token Secrets of a service account. Key: namespace, a slash, the account's name.
    AccountTokens,
    /// Approves, signs and removes certificate signing requests. Key: the name.
    Certificate,
    /// Gathers the rules of aggregated cluster roles. Key: empty.
    Aggregation,
    /// Signs `cluster-info`. Key: empty.
    BootstrapSigner,
    /// Removes bootstrap tokens that have expired. Key: the Secret's name.
    BootstrapToken,
    /// Protects volumes, claims and attribute classes in use. Key: the object's storage key.
    Protection,
    /// Brings base objects back as upstream would. Key: the object's storage key.
    BaseObject,
    /// Removes events after their time. Key: the object's storage key.
    EventExpiry,
    /// Has credentials renewed. Key: the Secret's storage key.
    Renewal,
    /// Counts what quotas are about. Key: the namespace.
    Quota,
    /// Tells which FlowSchemas name a priority level that is not there. Key: empty.
    FlowSchema,
    /// The operator's: brings a `ControlPlane` to what its object says. Key: the name.
    ControlPlane,
}

/// Who does a piece of work. The operator has workers of its own: making and removing whole tenants is slow, and must not
/// take turns with the small work of the hub's own controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// The workers of the controllers, fair over tenants.
    Tenants,
    /// The workers of the operator.
    Operator,
}

impl Controller {
    /// All of them.
    pub(crate) const ALL: [Self; 19] = [
        Self::Definition,
        Self::Namespace,
        Self::DefaultAccount,
        Self::RootCertificate,
        Self::Collect,
        Self::OwnerGone,
        Self::TokenSecret,
        Self::AccountTokens,
        Self::Certificate,
        Self::Aggregation,
        Self::BootstrapSigner,
        Self::BootstrapToken,
        Self::Protection,
        Self::BaseObject,
        Self::EventExpiry,
        Self::Renewal,
        Self::Quota,
        Self::FlowSchema,
        Self::ControlPlane,
    ];

    /// Returns the name that due rows carry.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Namespace => "namespace",
            Self::DefaultAccount => "default-account",
            Self::RootCertificate => "root-certificate",
            Self::Collect => "collect",
            Self::OwnerGone => "owner-gone",
            Self::TokenSecret => "token-secret",
            Self::AccountTokens => "account-tokens",
            Self::Certificate => "certificate",
            Self::Aggregation => "aggregation",
            Self::BootstrapSigner => "bootstrap-signer",
            Self::BootstrapToken => "bootstrap-token",
            Self::Protection => "protection",
            Self::BaseObject => "base-object",
            Self::EventExpiry => "event-expiry",
            Self::Renewal => "renewal",
            Self::Quota => "quota",
            Self::FlowSchema => "flow-schema",
            Self::ControlPlane => "control-plane",
        }
    }

    /// Returns who does its work.
    #[must_use]
    pub(crate) const fn pool(self) -> Pool {
        if matches!(self, Self::ControlPlane) { Pool::Operator } else { Pool::Tenants }
    }

    /// Returns the controller of a name.
    #[must_use]
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|controller| controller.name() == name)
    }
}

/// One thing for one controller to look at in one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Work {
    /// Whose.
    pub tenant: TenantId,
    /// Who looks.
    pub controller: Controller,
    /// At what.
    pub key: Arc<str>,
}

impl Work {
    /// Returns a piece of work.
    #[must_use]
    pub(crate) fn new(tenant: TenantId, controller: Controller, key: &str) -> Self {
        Self { tenant, controller, key: key.into() }
    }

    /// Returns the key of the due row that keeps this work over a crash.
    #[must_use]
    pub(crate) fn row_key(&self) -> Vec<u8> {
        format!("{}\0{}", self.controller.name(), self.key).into_bytes()
    }

    /// Reads [`Work::row_key`] back.
    #[must_use]
    pub(crate) fn from_row_key(tenant: TenantId, key: &[u8]) -> Option<Self> {
        let (controller, key) = std::str::from_utf8(key).ok()?.split_once('\0')?;
        Some(Self::new(tenant, Controller::from_name(controller)?, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_work_survives_in_a_due_row() {
        for controller in Controller::ALL {
            let work = Work::new(TenantId::new(7), controller, "a/b");
            assert_eq!(Work::from_row_key(TenantId::new(7), &work.row_key()), Some(work));
        }
        assert_eq!(Work::from_row_key(TenantId::new(7), b"nobody\0x"), None);
    }
}
