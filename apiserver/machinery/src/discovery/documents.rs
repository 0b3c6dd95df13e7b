//! The shapes of discovery documents. Field order is upstream's.

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Empty {}

#[derive(Serialize)]
pub(super) struct Versions<'a> {
    pub(super) kind: &'static str,
    pub(super) versions: Vec<String>,
    #[serde(rename = "serverAddressByClientCIDRs")]
    pub(super) addresses: [ServerAddress<'a>; 1],
}

#[derive(Serialize)]
pub(super) struct ServerAddress<'a> {
    #[serde(rename = "clientCIDR")]
    pub(super) client: &'static str,
    #[serde(rename = "serverAddress")]
    pub(super) server: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupList {
    pub(super) kind: &'static str,
    pub(super) api_version: &'static str,
    pub(super) groups: Vec<GroupEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupDocument {
    pub(super) kind: &'static str,
    pub(super) api_version: &'static str,
    #[serde(flatten)]
    pub(super) group: GroupEntry,
}

#[derive(Serialize)]
pub(super) struct GroupEntry {
    pub(super) name: String,
    pub(super) versions: Vec<VersionEntry>,
    #[serde(rename = "preferredVersion")]
    pub(super) preferred: VersionEntry,
}

#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionEntry {
    pub(super) group_version: String,
    pub(super) version: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceList {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) api_version: &'static str,
    pub(super) group_version: String,
    pub(super) resources: Vec<ResourceEntry>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceEntry {
    pub(super) name: String,
    #[serde(rename = "singularName")]
    pub(super) singular: String,
    pub(super) namespaced: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) verbs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) short_names: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) categories: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) storage_version_hash: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Aggregated<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) api_version: &'static str,
    pub(super) metadata: Empty,
    pub(super) items: Vec<AggregatedGroup<'a>>,
}

#[derive(Serialize)]
pub(super) struct AggregatedGroup<'a> {
    pub(super) metadata: AggregatedMetadata,
    pub(super) versions: Vec<AggregatedVersion<'a>>,
}

#[derive(Serialize)]
pub(super) struct AggregatedMetadata {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
}

#[derive(Serialize)]
pub(super) struct AggregatedVersion<'a> {
    pub(super) version: String,
    pub(super) resources: Vec<AggregatedResource<'a>>,
    pub(super) freshness: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AggregatedResource<'a> {
    pub(super) resource: &'a str,
    pub(super) response_kind: ResponseKind<'a>,
    pub(super) scope: &'static str,
    #[serde(rename = "singularResource")]
    pub(super) singular: &'a str,
    pub(super) verbs: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) short_names: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) categories: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) subresources: Vec<AggregatedSubresource<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AggregatedSubresource<'a> {
    pub(super) subresource: &'a str,
    pub(super) response_kind: ResponseKind<'a>,
    pub(super) verbs: Vec<&'a str>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct ResponseKind<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) kind: &'a str,
}
