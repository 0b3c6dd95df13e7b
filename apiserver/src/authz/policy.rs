//! The evaluator: a tenant's layer over the shared base, and what a user may do under both.

use super::attributes::Attributes;
use super::layer::{Binding, Layer, RoleRef, Rules, Subject};
use super::rule::Rule;
use super::{PRIVILEGED_GROUP, RBAC_GROUP, join_errors};
use crate::authn::user::User;
use kplex_machinery::field_error::go_quote;
use std::ops::ControlFlow;

/// Roles and bindings as a tenant sees them.
#[derive(Clone, Copy)]
pub struct Policy<'p> {
    /// What every tenant starts with.
    pub base: &'p Layer,
    /// What this tenant added, changed and removed.
    pub own: &'p Layer,
}

/// A binding through which a user has a rule.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'p> {
    /// The binding.
    pub binding: &'p Binding,
    /// The subject in it that the user is.
    pub subject: &'p Subject,
}

/// An answer to [`Attributes`].
#[derive(Debug)]
pub enum Decision<'p> {
    /// Allowed to a member of `system:masters`.
    Privileged,
    /// Allowed by a rule.
    Granted(Grant<'p>),
    /// Not allowed; what went wrong while rules were looked up, if anything.
    Denied(Vec<String>),
}

impl Decision<'_> {
    /// Tells whether it is allowed.
    #[must_use]
    pub fn allowed(&self) -> bool {
        match self {
            Self::Privileged | Self::Granted(_) => true,
            Self::Denied(_) => false,
        }
    }

    /// Returns upstream's reason; often empty.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Granted(grant) => format!("RBAC: allowed by {}", grant.binding.describe(grant.subject)),
            Self::Denied(errors) if !errors.is_empty() => format!("RBAC: {}", join_errors(errors)),
            Self::Privileged | Self::Denied(_) => String::new(),
        }
    }
}

/// Why a role reference led nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// There is no such role.
    #[error("{kind}.{RBAC_GROUP} {} not found", go_quote(name))]
    NotFound {
        /// `role` or `clusterrole`.
        kind: &'static str,
        /// Name of the role.
        name: String,
    },
    /// A binding refers to neither a role nor a cluster role.
    #[error("unsupported role reference kind: {}", go_quote(.0))]
    UnsupportedKind(String),
}

impl<'p> Policy<'p> {
    /// Answers whether a request is allowed.
    #[must_use]
    pub fn authorize(&self, attributes: &Attributes<'_>) -> Decision<'p> {
        if attributes.user.groups.iter().any(|group| &**group == PRIVILEGED_GROUP) {
            return Decision::Privileged;
        }
        let mut granted = None;
        let mut errors = Vec::new();
        self.visit(attributes.user, attributes.namespace(), |grant, rules| match rules {
            Ok(rules) if rules.iter().any(|rule| rule.allows(attributes)) => {
                granted = Some(grant);
                ControlFlow::Break(())
            }
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                errors.push(error.to_string());
                ControlFlow::Continue(())
            }
        });
        granted.map_or(Decision::Denied(errors), Decision::Granted)
    }

    /// Returns all rules that a user has in a namespace, and the errors met on the way.
    #[must_use]
    pub fn rules_for(&self, user: &User, namespace: &str) -> (Vec<&'p Rule>, Vec<RoleError>) {
        let mut all = Vec::new();
        let mut errors = Vec::new();
        self.visit(user, namespace, |_, rules| {
            match rules {
                Ok(rules) => all.extend(rules.iter()),
                Err(error) => errors.push(error),
            }
            ControlFlow::Continue(())
        });
        (all, errors)
    }

    /// Returns the rules of a referenced role; `namespace` is the binding's, empty for a cluster role binding.
    ///
    /// # Errors
    /// The role does not exist or cannot be referred to.
    pub fn role_rules(&self, role: &RoleRef, namespace: &str) -> Result<&'p Rules, RoleError> {
        let (kind, namespace) = match &*role.kind {
            "Role" => ("role", namespace),
            "ClusterRole" => ("clusterrole", ""),
            other => return Err(RoleError::UnsupportedKind(other.to_owned())),
        };
        // A Role is always in a namespace; without one the lookup must not fall through to cluster roles.
        let found = if kind == "role" && namespace.is_empty() {
            None
        } else {
            match self.own.role(namespace, &role.name) {
                Some(own) => own,
                None => self.base.role(namespace, &role.name).flatten(),
            }
        };
        found.ok_or_else(|| RoleError::NotFound { kind, name: role.name.to_string() })
    }

    /// Visits every binding that applies to a user: cluster role bindings, then the namespace's, each by name.
    fn visit(
        &self,
        user: &User,
        namespace: &str,
        mut visitor: impl FnMut(Grant<'p>, Result<&'p [Rule], RoleError>) -> ControlFlow<()>,
    ) {
        let scopes: &[&str] = if namespace.is_empty() { &[""] } else { &["", namespace] };
        for scope in scopes {
            for binding in self.bindings_of(user, scope) {
                let Some(subject) = binding.subject_for(user) else { continue };
                let rules = self.role_rules(&binding.role, scope).map(|rules| &**rules);
                if visitor(Grant { binding, subject }, rules).is_break() {
                    return;
                }
            }
        }
    }

    fn bindings_of(&self, user: &User, namespace: &str) -> Vec<&'p Binding> {
        let mut bindings = Vec::new();
        self.base.bindings_of(user, namespace, |binding| {
            if !self.own.mentions_binding(namespace, &binding.name) {
                bindings.push(binding);
            }
        });
        self.own.bindings_of(user, namespace, |binding| bindings.push(binding));
        bindings.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        bindings.dedup_by(|a, b| a.name == b.name);
        bindings
    }
}

#[cfg(test)]
mod tests;
