//! How each built-in resource is created, updated and deleted: upstream's registry strategies as one table.

mod drops;
mod normalize;
pub(crate) mod pod;
mod prepare;
mod qos;
mod reset;
pub mod service;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use normalize::template_path;
pub use normalize::{fold_string_data, normalize};
pub use prepare::{Subresource, prepare_for_create, prepare_for_update};
pub use qos::pod_qos;
pub use reset::{ResetFields, reset_fields};

use crate::metadata::names;

/// Which syntax `metadata.name` must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameRule {
    /// RFC 1123 subdomain.
    DnsSubdomain,
    /// RFC 1123 label.
    DnsLabel,
    /// RFC 1035 label.
    Dns1035Label,
    /// Anything that can be one segment of a URL path.
    PathSegment,
    /// Key of a ConfigMap.
    ConfigKey,
    /// An IP address in canonical form.
    IpAddress,
    /// A subdomain, after the signer's name and a colon when there is a signer.
    TrustBundle,
}

impl NameRule {
    /// Returns the rule as the metadata module takes it.
    #[must_use]
    pub fn function(self) -> names::NameRule {
        match self {
            Self::DnsSubdomain => names::name_is_dns_subdomain,
            Self::DnsLabel => names::name_is_dns_label,
            Self::Dns1035Label => names::name_is_dns1035_label,
            Self::PathSegment => names::name_is_path_segment,
            Self::ConfigKey => |name, _| names::is_config_map_key(name),
            Self::IpAddress => {
                |name, _| crate::metadata::ip::is_valid_ip("", name).into_iter().map(|error| error.detail).collect()
            }
            Self::TrustBundle => |name, name_use| {
                names::name_is_dns_subdomain(name.rsplit_once(':').map_or(name, |(_, last)| last), name_use)
            },
        }
    }
}

/// What happens to dependents when the delete request does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dependents {
    /// They are deleted in the background.
    Delete,
    /// They lose their owner and stay.
    Orphan,
    /// The kind cannot own anything.
    Unsupported,
}

/// What raises `metadata.generation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// Nothing: the field is never set.
    Never,
    /// Set to 1 on creation and never raised.
    Fixed,
    /// Set to 1 on creation and raised by a change of one of these top-level fields.
    Fields(&'static [&'static str]),
    /// Raised by a change of one of these top-level fields, but not set on creation.
    Raised(&'static [&'static str]),
    /// A change of `spec` or of the annotations.
    SpecAndAnnotations,
    /// A change of anything but metadata, or of the labels.
    AllButMetadata,
}

/// What a write through `/status` leaves as it was, besides `spec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusKeeps {
    /// Nothing more.
    Spec,
    /// Labels.
    Labels,
    /// Deletion timestamp, generation, labels, annotations, finalizers and owner references.
    Metadata,
    /// Everything in metadata except managed fields.
    AllMetadata,
    /// Owner references; the deletion timestamp is dropped.
    Owners,
}

/// A path of field names.
pub type FieldPath = &'static [&'static str];

/// How one resource behaves.
#[derive(Clone, Debug)]
pub struct Strategy {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural resource name.
    pub resource: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Lives in a namespace.
    pub namespaced: bool,
    /// Syntax of names.
    pub name_rule: NameRule,
    /// PUT of an absent object creates it.
    pub allow_create_on_update: bool,
    /// PUT without a resourceVersion is accepted.
    pub allow_unconditional_update: bool,
    /// Deletion may wait for a grace period.
    pub graceful_delete: bool,
    /// Has a `/status` subresource.
    pub has_status: bool,
    /// Creation empties `status`.
    pub clears_status: bool,
    /// A write of the object itself keeps `status`.
    pub main_keeps_status: bool,
    /// What a write through `/status` keeps.
    pub status_keeps: StatusKeeps,
    /// What raises the generation.
    pub generation: Generation,
    /// Dependents on deletion.
    pub dependents: Dependents,
    /// Fields that server-side apply on the main resource does not own.
    pub reset_fields_main: &'static [FieldPath],
    /// Fields that server-side apply on `/status` does not own.
    pub reset_fields_status: &'static [FieldPath],
}

/// Returns the strategy of a built-in resource, or `None` for an unknown one.
#[must_use]
pub fn strategy(group: &str, resource: &str) -> Option<&'static Strategy> {
    table::ALL.iter().find(|entry| entry.resource == resource && entry.group == group)
}

/// Returns the strategy of a built-in kind, or `None` for an unknown one.
#[must_use]
pub fn strategy_of_kind(group: &str, kind: &str) -> Option<&'static Strategy> {
    table::ALL.iter().find(|entry| entry.kind == kind && entry.group == group)
}

/// Returns the syntax of names of a kind.
#[must_use]
pub fn name_rule(gvk: super::Gvk<'_>) -> NameRule {
    if gvk.kind == "Event" {
        return if gvk.group == "events.k8s.io" { NameRule::DnsSubdomain } else { NameRule::PathSegment };
    }
    strategy_of_kind(gvk.group, gvk.kind).map_or(NameRule::PathSegment, |entry| entry.name_rule)
}

/// Returns the grace period of a deletion in seconds, or `None` when the kind is deleted at once.
///
/// `asked` is `gracePeriodSeconds` of the delete options.
#[must_use]
pub fn grace_period(gvk: super::Gvk<'_>, object: &serde_json::Value, asked: Option<i64>) -> Option<i64> {
    if gvk.group.is_empty() && gvk.kind == "Pod" { Some(pod::grace_period(object, asked)) } else { None }
}
