//! What has to be looked up in the tenant before a credential is believed, and what was found.
//!
//! Checking is cut in two so that it stays pure: a credential says which objects it needs, somebody fetches them,
//! and the check judges what was found.

use kplex_machinery::field_error::go_quote;
use serde_json::Value;

/// An object that a decision needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// Plural resource of the core group.
    pub resource: Resource,
    /// Namespace; empty for nodes.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}

/// Resources that credentials are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `serviceaccounts`
    ServiceAccount,
    /// `secrets`
    Secret,
    /// `pods`
    Pod,
    /// `nodes`
    Node,
}

impl Resource {
    /// Returns the plural name.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ServiceAccount => "serviceaccounts",
            Self::Secret => "secrets",
            Self::Pod => "pods",
            Self::Node => "nodes",
        }
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::Secret => "Secret",
            Self::Pod => "Pod",
            Self::Node => "Node",
        }
    }
}

impl Lookup {
    /// Asks for an object; the namespace of a node is ignored.
    #[must_use]
    pub fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        let namespace = if resource == Resource::Node { "" } else { namespace };
        Self { resource, namespace: namespace.into(), name: name.into() }
    }

    /// Returns the text of upstream's "not found" error.
    #[must_use]
    pub fn not_found(&self) -> String {
        format!("{} {} not found", self.resource.plural(), go_quote(&self.name))
    }
}

/// What was found of the objects asked for.
#[derive(Clone, Debug, Default)]
pub struct Found(Vec<(Lookup, Option<Value>)>);

impl Found {
    /// Records what was found.
    pub fn insert(&mut self, lookup: Lookup, object: Option<Value>) {
        self.0.push((lookup, object));
    }

    /// Returns an object, if it was found.
    #[must_use]
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<&Value> {
        let wanted = Lookup::new(resource, namespace, name);
        self.0.iter().find(|(lookup, _)| *lookup == wanted)?.1.as_ref()
    }
}

/// Returns `metadata.uid`.
#[must_use]
pub fn uid_of(object: &Value) -> &str {
    metadata_text(object, "uid")
}

/// Returns a text of `metadata`, empty when absent.
#[must_use]
pub fn metadata_text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get("metadata").and_then(|metadata| metadata.get(key)).and_then(Value::as_str).unwrap_or_default()
}

/// Returns when the object was deleted, in Unix seconds, if it waits for its removal.
#[must_use]
pub fn deleted_at(object: &Value) -> Option<i64> {
    let text = metadata_text(object, "deletionTimestamp");
    // A time that cannot be read counts as long ago: the object is going, and a credential must not outlive it.
    (!text.is_empty()).then(|| text.parse::<jiff::Timestamp>().map_or(i64::MIN, jiff::Timestamp::as_second))
}
