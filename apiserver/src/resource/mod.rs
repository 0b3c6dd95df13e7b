//! What is served: built-in resources and custom ones, behind one type.
//!
//! The verbs know only [`Served`]. Where built-in kinds and custom resources differ, the difference is a method here.

mod changes;
mod checks;
mod form;
mod keys;
mod rules;
mod show;
#[cfg(test)]
mod tests;

use crate::encode::Typed;
use crate::http::negotiate::{Offer, Transforms};
use kplex_machinery::api::{self, Api};
use kplex_machinery::builtin::Gvk;
use kplex_machinery::builtin::strategy::{self, Strategy};
use kplex_machinery::convert::{self, GroupVersionKind};
use kplex_machinery::crd::{self, CompiledVersion, Scope};
use kplex_machinery::schema::{NodeId, Schema};
use kplex_machinery::status::GroupResource;
use kplex_machinery::table;
use sha2::{Digest, Sha256};
use std::sync::Arc;

pub use checks::{go_type, type_error};

/// One resource in one version.
pub struct Served {
    /// API group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// `group/version`, as objects carry it.
    pub api_version: String,
    /// Plural name.
    pub plural: String,
    /// Kind.
    pub kind: String,
    /// Kind of lists.
    pub list_kind: String,
    /// Objects live in namespaces.
    pub namespaced: bool,
    /// Root type.
    pub node: NodeId,
    /// Stamp of objects that are stored in just this form.
    pub stamp: u64,
    /// `"apiVersion":…,"kind":…,` as stored objects begin.
    pub type_prefix: Vec<u8>,
    /// Group under which objects are stored: events of `events.k8s.io` are stored as core events.
    storage_group: String,
    origin: Origin,
}

const TEMPLATE_LABELS: &str = "/spec/template/metadata/labels";

/// Where a resource comes from.
enum Origin {
    BuiltIn(&'static api::Resource, Option<&'static Strategy>),
    Custom(Arc<crd::Compiled>, usize, table::CrdColumns),
}

impl Served {
    /// Makes a built-in resource.
    #[must_use]
    pub fn builtin(api: &'static Api, resource: &'static api::Resource) -> Self {
        let api_version = resource.group_version().to_string();
        let strategy = strategy::strategy(&resource.group, &resource.plural);
        let (storage_group, storage_version) = convert::storage_version(&resource.group, &resource.plural);
        let own = storage_group == resource.group && storage_version == resource.version;
        let list_kind =
            resource.list_node.map(|node| api.schema.node(node).name.rsplit('.').next().unwrap_or("").to_owned());
        Self {
            stamp: stamp(&api_version, &resource.kind, if own { api.kubernetes.as_bytes() } else { b"converted" }),
            type_prefix: type_prefix(&api_version, &resource.kind),
            group: resource.group.clone(),
            version: resource.version.clone(),
            plural: resource.plural.clone(),
            kind: resource.kind.clone(),
            list_kind: list_kind.unwrap_or_else(|| format!("{}List", resource.kind)),
            namespaced: resource.namespaced,
            node: resource.node,
            storage_group: storage_group.to_owned(),
            api_version,
            origin: Origin::BuiltIn(resource, strategy),
        }
    }

    /// Makes a custom resource from one version of a definition.
    #[must_use]
    pub fn custom(compiled: &Arc<crd::Compiled>, index: usize) -> Self {
        let version = &compiled.versions[index];
        let api_version = format!("{}/{}", compiled.group, version.name);
        Self {
            stamp: stamp(&api_version, &compiled.names.kind, &version.hash),
            type_prefix: type_prefix(&api_version, &compiled.names.kind),
            group: compiled.group.clone(),
            version: version.name.clone(),
            plural: compiled.names.plural.clone(),
            kind: compiled.names.kind.clone(),
            list_kind: compiled.names.list_kind.clone(),
            namespaced: compiled.scope == Scope::Namespaced,
            node: version.root,
            storage_group: compiled.group.clone(),
            api_version,
            origin: Origin::Custom(compiled.clone(), index, show::columns(version)),
        }
    }

    fn convertible(&self) -> GroupVersionKind<'_> {
        GroupVersionKind { group: &self.group, version: &self.version, kind: &self.kind }
    }

    fn gvk(&self) -> Gvk<'_> {
        Gvk::new(&self.group, &self.version, &self.kind)
    }

    /// The definition's version behind a custom resource.
    #[must_use]
    pub fn definition(&self) -> Option<&CompiledVersion> {
        match &self.origin {
            Origin::Custom(compiled, index, _) => Some(&compiled.versions[*index]),
            Origin::BuiltIn(..) => None,
        }
    }

    /// The definition behind a custom resource.
    #[must_use]
    pub fn compiled(&self) -> Option<&Arc<crd::Compiled>> {
        match &self.origin {
            Origin::Custom(compiled, ..) => Some(compiled),
            Origin::BuiltIn(..) => None,
        }
    }

    /// Types of the objects.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        match &self.origin {
            Origin::BuiltIn(..) => &Api::builtin().schema,
            Origin::Custom(compiled, index, _) => &compiled.versions[*index].schema,
        }
    }

    /// Type and names, for encoders.
    #[must_use]
    pub fn typed(&self) -> Typed<'_> {
        Typed { schema: self.schema(), node: self.node, api_version: &self.api_version, kind: &self.kind }
    }

    /// Whether it comes from a CustomResourceDefinition.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        matches!(self.origin, Origin::Custom(..))
    }

    /// Whether objects are stored; reviews, bindings and component statuses are not.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        match &self.origin {
            Origin::BuiltIn(resource, _) => resource.has_verb("watch") || resource.has_verb("update"),
            Origin::Custom(..) => true,
        }
    }

    /// Whether a verb is served.
    #[must_use]
    pub fn has_verb(&self, verb: &str) -> bool {
        match &self.origin {
            Origin::BuiltIn(resource, _) => resource.has_verb(verb),
            Origin::Custom(..) => true,
        }
    }

    /// Whether a subresource is served.
    #[must_use]
    pub fn has_subresource(&self, name: &str) -> bool {
        match (&self.origin, self.definition()) {
            (Origin::BuiltIn(resource, _), _) => resource.subresource(name).is_some(),
            (Origin::Custom(..), Some(version)) => {
                (name == "status" && version.status) || (name == "scale" && version.scale.is_some())
            }
            (Origin::Custom(..), None) => false,
        }
    }

    /// Whether `/status` is served.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.has_subresource("status")
    }

    /// What clients may send and ask for.
    #[must_use]
    pub fn offer(&self) -> Offer {
        Offer { protobuf: !self.is_custom(), transforms: Transforms::Table }
    }

    /// Media types of patches.
    #[must_use]
    pub fn patch_types(&self) -> &'static [&'static str] {
        const ALL: [&str; 4] = [
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/apply-patch+yaml",
            "application/strategic-merge-patch+json",
        ];
        const BUILTIN: [&str; 4] = [ALL[0], ALL[1], ALL[3], ALL[2]];
        if self.is_custom() { &ALL[..3] } else { &BUILTIN }
    }

    /// Group and resource, for messages.
    #[must_use]
    pub fn group_resource(&self) -> GroupResource {
        GroupResource { group: self.group.clone(), resource: self.plural.clone() }
    }

    /// Group and kind, for messages that name the kind. It is the kind that is stored, so all events are core events.
    #[must_use]
    pub fn group_kind(&self) -> GroupResource {
        GroupResource { group: self.storage_group.clone(), resource: self.kind.clone() }
    }

    /// A warning that every request to this version gets.
    #[must_use]
    pub fn deprecation_warning(&self) -> Option<String> {
        match self.definition() {
            Some(version) if version.deprecated => Some(
                version.warning.clone().unwrap_or_else(|| format!("{} {} is deprecated", self.api_version, self.kind)),
            ),
            Some(_) => None,
            None => match (self.group.as_str(), self.kind.as_str()) {
                ("", "ComponentStatus") => Some("v1 ComponentStatus is deprecated in v1.19+".to_owned()),
                ("", "Endpoints") => {
                    Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned())
                }
                _ => None,
            },
        }
    }

    /// A version of a custom resource by its `apiVersion`.
    fn sibling(&self, api_version: &str) -> Option<&CompiledVersion> {
        let compiled = self.compiled()?;
        let (group, version) = api_version.split_once('/')?;
        compiled.versions.iter().find(|known| known.name == version && compiled.group == group)
    }

    fn is_definition(&self) -> bool {
        self.group == crate::catalog::GROUP && self.plural == crate::catalog::PLURAL
    }

    fn strategy(&self) -> Option<&'static Strategy> {
        match &self.origin {
            Origin::BuiltIn(_, strategy) => *strategy,
            Origin::Custom(..) => None,
        }
    }

    /// Whether it is the namespace resource.
    #[must_use]
    pub fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.plural == "namespaces"
    }
}

fn stamp(api_version: &str, kind: &str, schema: &[u8]) -> u64 {
    let digest = Sha256::new()
        .chain_update(api_version)
        .chain_update([0])
        .chain_update(kind)
        .chain_update([0])
        .chain_update(schema)
        .finalize();
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

fn type_prefix(api_version: &str, kind: &str) -> Vec<u8> {
    format!("\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\",").into_bytes()
}
