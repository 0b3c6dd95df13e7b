//! Discovery documents: which groups, versions and resources there are.
//!
//! They are written with upstream's field order, so that the ETag of a control plane without custom resources is
//! upstream's too. HTTP is not known here.

mod documents;

use crate::api::{Api, Resource};
use crate::crd::{Compiled, CompiledVersion, Names, Scope, compare_versions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use documents::{
    Aggregated, AggregatedGroup, AggregatedMetadata, AggregatedResource, AggregatedSubresource, AggregatedVersion,
    GroupDocument, GroupEntry, GroupList, ResourceEntry, ResourceList, ResponseKind, ServerAddress, VersionEntry,
    Versions,
};
use serde::Serialize;
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// An aggregated document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// JSON, with a line feed at its end.
    pub bytes: Vec<u8>,
    /// Entity tag with its quotes. Goes with `Vary: Accept` and `Cache-Control: public`.
    pub etag: String,
}

/// A definition that discovery shows: one whose condition Established is true.
#[derive(Clone, Copy, Debug)]
pub struct Custom<'a> {
    /// The definition.
    pub definition: &'a Compiled,
    /// Its condition Terminating is true: its objects can no longer be made or changed.
    pub terminating: bool,
}

/// What one control plane serves.
pub struct Discovery<'a> {
    api: &'a Api,
    /// Definitions by group, then by plural name.
    custom: BTreeMap<&'a str, Vec<Custom<'a>>>,
}

impl<'a> Discovery<'a> {
    /// Describes the built-in API and established definitions.
    pub fn new(api: &'a Api, definitions: impl IntoIterator<Item = Custom<'a>>) -> Self {
        let mut custom: BTreeMap<&str, Vec<Custom<'_>>> = BTreeMap::new();
        for found in definitions {
            if found.definition.versions.iter().any(|version| version.served) {
                custom.entry(&found.definition.group).or_default().push(found);
            }
        }
        for group in custom.values_mut() {
            group.sort_by(|left, right| left.definition.names.plural.cmp(&right.definition.names.plural));
        }
        Self { api, custom }
    }

    /// `GET /api`: `APIVersions`. `address` is what clients reach the server at, such as `192.0.2.1:443`.
    #[must_use]
    pub fn core_versions(&self, address: &str) -> Vec<u8> {
        let versions = self.api.group("").map(|group| group.versions.clone()).unwrap_or_default();
        write(&Versions {
            kind: "APIVersions",
            versions,
            addresses: [ServerAddress { client: "0.0.0.0/0", server: address }],
        })
    }

    /// `GET /apis`: `APIGroupList`.
    #[must_use]
    pub fn groups(&self) -> Vec<u8> {
        let names = self.group_names();
        let groups = names.iter().map(|name| self.group_entry(name)).collect();
        write(&GroupList { kind: "APIGroupList", api_version: "v1", groups })
    }

    /// `GET /apis/<group>`: `APIGroup`; nothing for a group that is not served.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<Vec<u8>> {
        if name.is_empty() || self.versions(name).is_empty() {
            return None;
        }
        Some(write(&GroupDocument { kind: "APIGroup", api_version: "v1", group: self.group_entry(name) }))
    }

    /// `GET /api/v1` and `GET /apis/<group>/<version>`: `APIResourceList`; nothing for a version that is not served.
    #[must_use]
    pub fn resources(&self, group: &str, version: &str) -> Option<Vec<u8>> {
        if !self.versions(group).iter().any(|found| found == version) {
            return None;
        }
        let mut resources = Vec::new();
        if self.is_builtin(group, version) {
            for resource in self.api.resources_in(group, version) {
                builtin_entries(resource, &mut resources);
            }
        } else {
            for (custom, version) in self.custom_in(group, version) {
                custom_entries(custom, version, &mut resources);
            }
        }
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        // Upstream's document of the core group has lost its apiVersion long ago.
        let api_version = if group.is_empty() { "" } else { "v1" };
        Some(write(&ResourceList { kind: "APIResourceList", api_version, group_version, resources }))
    }

    /// `GET /api` as `APIGroupDiscoveryList`.
    #[must_use]
    pub fn aggregated_core(&self) -> Document {
        aggregated(vec![self.aggregated_group("")])
    }

    /// `GET /apis` as `APIGroupDiscoveryList`.
    #[must_use]
    pub fn aggregated_groups(&self) -> Document {
        aggregated(self.group_names().into_iter().map(|name| self.aggregated_group(name)).collect())
    }

    /// Names of all groups but the core one: built-in ones by priority, then those of definitions by name.
    fn group_names(&self) -> Vec<&str> {
        let builtin = self.api.groups.iter().map(|group| group.name.as_str()).filter(|name| !name.is_empty());
        let custom = self.custom.keys().copied().filter(|name| self.api.group(name).is_none());
        builtin.chain(custom).collect()
    }

    /// Versions of a group, the preferred one first. Versions that definitions add to a built-in group come last.
    fn versions(&self, group: &str) -> Vec<String> {
        let mut versions = self.api.group(group).map(|group| group.versions.clone()).unwrap_or_default();
        let mut custom: Vec<&str> = self
            .custom
            .get(group)
            .into_iter()
            .flatten()
            .flat_map(|custom| &custom.definition.versions)
            .filter(|version| version.served)
            .map(|version| version.name.as_str())
            .collect();
        custom.sort_by(|left, right| compare_versions(left, right));
        for version in custom {
            if !versions.iter().any(|found| found == version) {
                versions.push(version.to_owned());
            }
        }
        versions
    }

    fn is_builtin(&self, group: &str, version: &str) -> bool {
        self.api.group(group).is_some_and(|group| group.versions.iter().any(|found| found == version))
    }

    fn custom_in(&self, group: &str, version: &str) -> impl Iterator<Item = (Custom<'a>, &'a CompiledVersion)> {
        self.custom.get(group).into_iter().flatten().filter_map(move |custom| {
            custom.definition.version(version).filter(|version| version.served).map(|version| (*custom, version))
        })
    }

    fn group_entry(&self, name: &str) -> GroupEntry {
        let entry =
            |version: &String| VersionEntry { group_version: format!("{name}/{version}"), version: version.clone() };
        let versions: Vec<VersionEntry> = self.versions(name).iter().map(entry).collect();
        let preferred = versions.first().cloned().unwrap_or_default();
        GroupEntry { name: name.to_owned(), versions, preferred }
    }

    fn aggregated_group(&self, name: &str) -> AggregatedGroup<'a> {
        let versions = self.versions(name);
        let versions = versions
            .into_iter()
            .map(|version| {
                let resources = if self.is_builtin(name, &version) {
                    self.api.resources_in(name, &version).map(aggregated_builtin).collect()
                } else {
                    self.custom_in(name, &version).map(|(custom, version)| aggregated_custom(custom, version)).collect()
                };
                AggregatedVersion { version, resources, freshness: "Current" }
            })
            .collect();
        AggregatedGroup { metadata: AggregatedMetadata { name: name.to_owned() }, versions }
    }
}

fn write(document: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(document).expect("discovery documents have string keys only");
    bytes.push(b'\n');
    bytes
}

fn aggregated(items: Vec<AggregatedGroup<'_>>) -> Document {
    // The tag is that of the document without its kind, as upstream computes it.
    let mut list = Aggregated { kind: "", api_version: "", metadata: documents::Empty {}, items };
    let untyped = serde_json::to_vec(&list).expect("discovery documents have string keys only");
    let mut etag = String::with_capacity(130);
    etag.push('"');
    for byte in Sha512::digest(untyped) {
        write!(etag, "{byte:02X}").expect("a String takes all that is written to it");
    }
    etag.push('"');
    list.kind = "APIGroupDiscoveryList";
    list.api_version = "apidiscovery.k8s.io/v2";
    Document { bytes: write(&list), etag }
}

/// Returns `storageVersionHash` of a kind in its storage version.
#[must_use]
pub fn storage_version_hash(group: &str, version: &str, kind: &str) -> String {
    STANDARD.encode(&Sha256::digest(format!("{group}/{version}/{kind}"))[..8])
}

fn builtin_entries(resource: &Resource, entries: &mut Vec<ResourceEntry>) {
    entries.push(ResourceEntry {
        name: resource.plural.clone(),
        singular: resource.singular.clone(),
        namespaced: resource.namespaced,
        kind: resource.kind.clone(),
        verbs: resource.verbs.clone(),
        short_names: resource.short_names.clone(),
        categories: resource.categories.clone(),
        storage_version_hash: resource.storage_version_hash.clone(),
        ..ResourceEntry::default()
    });
    for part in &resource.subresources {
        let foreign = part.group != resource.group || part.version != resource.version;
        entries.push(ResourceEntry {
            name: format!("{}/{}", resource.plural, part.name),
            namespaced: resource.namespaced,
            group: if foreign { part.group.clone() } else { String::new() },
            version: if foreign { part.version.clone() } else { String::new() },
            kind: part.kind.clone(),
            verbs: part.verbs.clone(),
            ..ResourceEntry::default()
        });
    }
}

fn aggregated_builtin(resource: &Resource) -> AggregatedResource<'_> {
    let subresources = resource.subresources.iter().map(|part| {
        let foreign = part.group != resource.group || part.version != resource.version;
        AggregatedSubresource {
            subresource: &part.name,
            response_kind: ResponseKind {
                group: if foreign { &part.group } else { "" },
                version: if foreign { &part.version } else { "" },
                kind: &part.kind,
            },
            verbs: strings(&part.verbs),
        }
    });
    AggregatedResource {
        resource: &resource.plural,
        response_kind: ResponseKind { group: "", version: "", kind: &resource.kind },
        scope: if resource.namespaced { "Namespaced" } else { "Cluster" },
        singular: &resource.singular,
        verbs: strings(&resource.verbs),
        short_names: strings(&resource.short_names),
        categories: strings(&resource.categories),
        subresources: subresources.collect(),
    }
}

const CUSTOM_VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const TERMINATING_VERBS: [&str; 5] = ["delete", "deletecollection", "get", "list", "watch"];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];

fn custom_verbs(custom: Custom<'_>) -> &'static [&'static str] {
    if custom.terminating { &TERMINATING_VERBS } else { &CUSTOM_VERBS }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn strings(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn custom_entries(custom: Custom<'_>, version: &CompiledVersion, entries: &mut Vec<ResourceEntry>) {
    let definition = custom.definition;
    let Names { plural, singular, kind, short_names, categories, .. } = &definition.names;
    let namespaced = definition.scope == Scope::Namespaced;
    // Upstream hashes the storage version only if it is served.
    let stored = definition.versions.iter().find(|version| version.storage && version.served);
    let hash = stored.map(|stored| storage_version_hash(&definition.group, &stored.name, kind)).unwrap_or_default();
    entries.push(ResourceEntry {
        name: plural.clone(),
        singular: singular.clone(),
        namespaced,
        kind: kind.clone(),
        verbs: owned(custom_verbs(custom)),
        short_names: short_names.clone(),
        categories: categories.clone(),
        storage_version_hash: hash,
        ..ResourceEntry::default()
    });
    let verbs = owned(&SUBRESOURCE_VERBS);
    if version.status {
        let name = format!("{plural}/status");
        entries.push(ResourceEntry {
            name,
            namespaced,
            kind: kind.clone(),
            verbs: verbs.clone(),
            ..ResourceEntry::default()
        });
    }
    if version.scale.is_some() {
        entries.push(ResourceEntry {
            name: format!("{plural}/scale"),
            namespaced,
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            verbs,
            ..ResourceEntry::default()
        });
    }
}

fn aggregated_custom<'a>(custom: Custom<'a>, version: &'a CompiledVersion) -> AggregatedResource<'a> {
    let Names { plural, singular, kind, short_names, categories, .. } = &custom.definition.names;
    let response_kind = ResponseKind { group: &custom.definition.group, version: &version.name, kind };
    let scale_kind = ResponseKind { group: "autoscaling", version: "v1", kind: "Scale" };
    let parts = [(version.status, "status", response_kind), (version.scale.is_some(), "scale", scale_kind)];
    let subresources = parts.into_iter().filter(|(served, ..)| *served).map(|(_, subresource, response_kind)| {
        AggregatedSubresource { subresource, response_kind, verbs: SUBRESOURCE_VERBS.to_vec() }
    });
    AggregatedResource {
        resource: plural,
        response_kind,
        scope: if custom.definition.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" },
        singular,
        verbs: custom_verbs(custom).to_vec(),
        short_names: strings(short_names),
        categories: strings(categories),
        subresources: subresources.collect(),
    }
}

#[cfg(test)]
mod tests;
