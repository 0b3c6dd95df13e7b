//! Conversion between served versions of one built-in kind.
//!
//! Kubernetes 1.35 serves two kinds in more than one version by default: HorizontalPodAutoscalers (`autoscaling` v1 and
//! v2) and Events (core v1 and `events.k8s.io/v1`). Conversion keeps everything: what one version cannot say travels in
//! annotations. Documents come out as upstream writes them, so they need no normalising afterwards.

pub(crate) mod autoscaling;
pub(crate) mod events;
mod ordered;

#[cfg(test)]
mod tests;

use serde_json::Value;
use std::fmt;

/// A kind in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupVersionKind<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Version, such as `v1`.
    pub version: &'a str,
    /// Kind, such as `Event`.
    pub kind: &'a str,
}

/// Two versions between which there is no conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertError {
    from: String,
    to: String,
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "convert {} to {}: no such conversion", self.from, self.to)
    }
}

impl std::error::Error for ConvertError {}

impl fmt::Display for GroupVersionKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            "" => write!(f, "{}, Kind={}", self.version, self.kind),
            group => write!(f, "{group}/{}, Kind={}", self.version, self.kind),
        }
    }
}

/// Returns the group and version in which objects of a built-in resource are stored. The resource and the kind have the
/// same names there.
#[must_use]
pub fn storage_version<'a>(group: &'a str, resource: &str) -> (&'a str, &'static str) {
    match (group, resource) {
        ("events.k8s.io", "events") => ("", "v1"),
        ("autoscaling", "horizontalpodautoscalers") => ("autoscaling", "v2"),
        _ => (group, "v1"),
    }
}

/// Converts an object from one version of its kind to another, including its `apiVersion`.
///
/// # Errors
/// When the kinds differ, there is no conversion between the versions, or the value is not an object.
pub fn convert(value: Value, from: GroupVersionKind<'_>, to: GroupVersionKind<'_>) -> Result<Value, ConvertError> {
    if from == to {
        return Ok(value);
    }
    let refusal = || ConvertError { from: from.to_string(), to: to.to_string() };
    if !value.is_object() {
        return Err(refusal());
    }
    let versions = ((from.group, from.version), (to.group, to.version));
    match (from.kind == to.kind, from.kind, versions) {
        (true, "HorizontalPodAutoscaler", (("autoscaling", "v1"), ("autoscaling", "v2"))) => {
            Ok(autoscaling::v1_to_v2(value))
        }
        (true, "HorizontalPodAutoscaler", (("autoscaling", "v2"), ("autoscaling", "v1"))) => {
            Ok(autoscaling::v2_to_v1(value))
        }
        (true, "Event", (("", "v1"), ("events.k8s.io", "v1"))) => Ok(events::from_core(value)),
        (true, "Event", (("events.k8s.io", "v1"), ("", "v1"))) => Ok(events::to_core(value)),
        _ => Err(refusal()),
    }
}
