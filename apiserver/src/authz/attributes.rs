//! What somebody wants to do: the question that an authorizer answers.
//!
//! Label and field selectors are not part of it: upstream's RBAC ignores them.

use crate::authn::user::User;

/// A question to the authorizer.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Who asks.
    pub user: &'a User,
    /// Kubernetes verb of a resource request, or the lower-case HTTP method of a path request.
    pub verb: &'a str,
    /// To what.
    pub target: Target<'a>,
}

/// What is to be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A resource of the API.
    Resource(ResourceTarget<'a>),
    /// A path that is no resource, such as `/version`.
    Path(&'a str),
}

/// A resource of the API; absent parts are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceTarget<'a> {
    /// Namespace; empty at the cluster scope and across all namespaces.
    pub namespace: &'a str,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Plural resource.
    pub resource: &'a str,
    /// Subresource.
    pub subresource: &'a str,
    /// Name of the object.
    pub name: &'a str,
}

impl<'a> Attributes<'a> {
    /// Returns the namespace whose role bindings count; empty when only cluster role bindings do.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        match self.target {
            Target::Resource(resource) => resource.namespace,
            Target::Path(_) => "",
        }
    }
}
