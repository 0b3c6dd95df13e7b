//! Roles and bindings of one source, compiled: the shared base, or what a tenant added, changed and removed.
//!
//! A layer is built object by object and can be changed object by object, so that a write to one role does not
//! compile the others again. An empty layer allocates nothing.

use super::rule::Rule;
use crate::authn::user::{User, is_service_account};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The four kinds of RBAC objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `clusterroles`
    ClusterRole,
    /// `clusterrolebindings`
    ClusterRoleBinding,
    /// `roles`
    Role,
    /// `rolebindings`
    RoleBinding,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::ClusterRole, Self::ClusterRoleBinding, Self::Role, Self::RoleBinding];

    /// Returns the kind of a plural resource of the RBAC group.
    #[must_use]
    pub fn of_resource(resource: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.resource() == resource)
    }

    /// Returns the plural resource.
    #[must_use]
    pub const fn resource(self) -> &'static str {
        match self {
            Self::ClusterRole => "clusterroles",
            Self::ClusterRoleBinding => "clusterrolebindings",
            Self::Role => "roles",
            Self::RoleBinding => "rolebindings",
        }
    }
}

/// Somebody to whom a role is bound.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`; others match nobody.
    #[serde(default)]
    pub kind: Box<str>,
    /// Name of the subject.
    #[serde(default)]
    pub name: Box<str>,
    /// Namespace of a service account; empty is the binding's.
    #[serde(default)]
    pub namespace: Option<Box<str>>,
}

/// The role that a binding refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RoleRef {
    /// `Role` or `ClusterRole`.
    #[serde(default)]
    pub kind: Box<str>,
    /// Name of the role.
    #[serde(default)]
    pub name: Box<str>,
    /// API group of the role.
    #[serde(default, rename = "apiGroup")]
    pub api_group: Box<str>,
}

/// A role or cluster role binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Namespace; empty for cluster role bindings.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// What is bound.
    pub role: RoleRef,
    /// To whom.
    pub subjects: Box<[Subject]>,
}

impl Subject {
    fn applies_to(&self, user: &User, binding_namespace: &str) -> bool {
        match &*self.kind {
            "User" => *user.name == *self.name,
            "Group" => user.groups.iter().any(|group| **group == *self.name),
            "ServiceAccount" => {
                let namespace = self.namespace_or(binding_namespace);
                !namespace.is_empty() && is_service_account(&user.name, namespace, &self.name)
            }
            _ => false,
        }
    }

    fn namespace_or<'a>(&'a self, binding_namespace: &'a str) -> &'a str {
        self.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or(binding_namespace)
    }

    /// Describes the subject as upstream does in the reason of a decision.
    fn describe(&self, binding_namespace: &str) -> String {
        use kplex_machinery::field_error::go_quote;
        match &*self.kind {
            "ServiceAccount" => {
                format!(
                    "{} {}",
                    self.kind,
                    go_quote(&format!("{}/{}", self.name, self.namespace_or(binding_namespace)))
                )
            }
            _ => format!("{} {}", self.kind, go_quote(&self.name)),
        }
    }
}

impl Binding {
    /// Returns the first subject that `user` is.
    #[must_use]
    pub fn subject_for(&self, user: &User) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.applies_to(user, &self.namespace))
    }

    /// Describes the binding, its role and the subject as upstream does in the reason of a decision.
    #[must_use]
    pub fn describe(&self, subject: &Subject) -> String {
        use kplex_machinery::field_error::go_quote;
        let (kind, name) = if self.namespace.is_empty() {
            ("ClusterRoleBinding", go_quote(&self.name))
        } else {
            ("RoleBinding", go_quote(&format!("{}/{}", self.name, self.namespace)))
        };
        let role = go_quote(&self.role.name);
        format!("{kind} {name} of {} {role} to {}", self.role.kind, subject.describe(&self.namespace))
    }
}

/// Rules of one role, shared with whoever evaluates them.
pub type Rules = Arc<[Rule]>;

/// Objects of one kind in one namespace (or at the cluster scope) by name; `None` hides the same name in a lower layer.
type Named<T> = BTreeMap<Box<str>, Option<T>>;

/// Bindings by the name of a user or group among their subjects.
type BySubject = HashMap<Box<str>, Vec<Arc<Binding>>>;

#[derive(Default)]
struct Bindings {
    by_name: Named<Arc<Binding>>,
    by_user: BySubject,
    by_group: BySubject,
}

/// Compiled roles and bindings of one source. The cluster scope is the namespace "".
#[derive(Default)]
pub struct Layer {
    roles: HashMap<Box<str>, Named<Rules>>,
    bindings: HashMap<Box<str>, Bindings>,
}

#[derive(Deserialize)]
struct RoleDocument {
    #[serde(default)]
    rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BindingDocument {
    #[serde(default)]
    subjects: Option<Vec<Subject>>,
    #[serde(default)]
    role_ref: RoleRef,
}

impl Layer {
    /// Compiles an object into the layer, in the place of an older one of that name.
    ///
    /// # Errors
    /// The bytes are no such object; the layer is unchanged.
    pub fn put(&mut self, kind: Kind, namespace: &str, name: &str, json: &[u8]) -> Result<(), serde_json::Error> {
        match kind {
            Kind::ClusterRole | Kind::Role => {
                let document: RoleDocument = serde_json::from_slice(json)?;
                let rules: Rules = document.rules.unwrap_or_default().into();
                self.roles.entry(namespace.into()).or_default().insert(name.into(), Some(rules));
            }
            Kind::ClusterRoleBinding | Kind::RoleBinding => {
                let document: BindingDocument = serde_json::from_slice(json)?;
                let binding = Arc::new(Binding {
                    namespace: namespace.into(),
                    name: name.into(),
                    role: document.role_ref,
                    subjects: document.subjects.unwrap_or_default().into(),
                });
                self.bindings.entry(namespace.into()).or_default().replace(name, Some(binding));
            }
        }
        Ok(())
    }

    /// Hides an object of a lower layer.
    pub fn hide(&mut self, kind: Kind, namespace: &str, name: &str) {
        match kind {
            Kind::ClusterRole | Kind::Role => {
                self.roles.entry(namespace.into()).or_default().insert(name.into(), None);
            }
            Kind::ClusterRoleBinding | Kind::RoleBinding => {
                self.bindings.entry(namespace.into()).or_default().replace(name, None);
            }
        }
    }

    /// Forgets an object, so that a lower layer's shows again.
    pub fn forget(&mut self, kind: Kind, namespace: &str, name: &str) {
        match kind {
            Kind::ClusterRole | Kind::Role => {
                if let Some(named) = self.roles.get_mut(namespace) {
                    named.remove(name);
                    if named.is_empty() {
                        self.roles.remove(namespace);
                    }
                }
            }
            Kind::ClusterRoleBinding | Kind::RoleBinding => {
                if let Some(bindings) = self.bindings.get_mut(namespace) {
                    bindings.replace(name, None);
                    bindings.by_name.remove(name);
                    if bindings.by_name.is_empty() {
                        self.bindings.remove(namespace);
                    }
                }
            }
        }
    }

    /// Tells whether the layer says nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.bindings.is_empty()
    }

    /// Tells whether the layer knows an object, present or hidden.
    #[must_use]
    pub fn knows(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        match kind {
            Kind::ClusterRole | Kind::Role => self.role(namespace, name).is_some(),
            Kind::ClusterRoleBinding | Kind::RoleBinding => self.mentions_binding(namespace, name),
        }
    }

    /// Returns a role's rules; `Some(None)` when the layer hides it, `None` when it says nothing about it.
    #[must_use]
    pub fn role(&self, namespace: &str, name: &str) -> Option<Option<&Rules>> {
        Some(self.roles.get(namespace)?.get(name)?.as_ref())
    }

    /// Tells whether the layer has or hides a binding.
    #[must_use]
    pub fn mentions_binding(&self, namespace: &str, name: &str) -> bool {
        self.bindings.get(namespace).is_some_and(|bindings| bindings.by_name.contains_key(name))
    }

    /// Calls `found` with each binding in a namespace that has `user` among its subjects, some of them repeatedly.
    pub fn bindings_of<'a>(&'a self, user: &User, namespace: &str, mut found: impl FnMut(&'a Binding)) {
        let Some(bindings) = self.bindings.get(namespace) else { return };
        let groups = user.groups.iter().filter_map(|group| bindings.by_group.get(&**group));
        for list in bindings.by_user.get(&*user.name).into_iter().chain(groups) {
            list.iter().for_each(|binding| found(binding));
        }
    }
}

impl Bindings {
    fn replace(&mut self, name: &str, binding: Option<Arc<Binding>>) {
        if let Some(Some(old)) = self.by_name.remove(name) {
            self.unindex(&old);
        }
        if let Some(binding) = &binding {
            for subject in &binding.subjects {
                let (index, key) = self.index_of(subject, &binding.namespace);
                let list = index.entry(key).or_default();
                if !list.iter().any(|known| Arc::ptr_eq(known, binding)) {
                    list.push(Arc::clone(binding));
                }
            }
        }
        self.by_name.insert(name.into(), binding);
    }

    fn unindex(&mut self, old: &Arc<Binding>) {
        for subject in &old.subjects {
            let (index, key) = self.index_of(subject, &old.namespace);
            if let Some(list) = index.get_mut(&key) {
                list.retain(|known| !Arc::ptr_eq(known, old));
                if list.is_empty() {
                    index.remove(&key);
                }
            }
        }
    }

    fn index_of(&mut self, subject: &Subject, namespace: &str) -> (&mut BySubject, Box<str>) {
        match &*subject.kind {
            "Group" => (&mut self.by_group, subject.name.clone()),
            "ServiceAccount" => {
                let username =
                    crate::authn::user::service_account_username(subject.namespace_or(namespace), &subject.name);
                (&mut self.by_user, username.into())
            }
            _ => (&mut self.by_user, subject.name.clone()),
        }
    }
}
