//! The resources that Kubernetes itself counts by fixed names, for validation and for the quotas' admission.

/// What the containers of pods ask for.
pub const COMPUTE: [&str; 9] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];

/// What is a number of things.
pub(crate) const COUNTS: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// What volumes take.
pub(crate) const STORAGE: [&str; 2] = ["storage", "requests.storage"];

/// Whether a resource is memory in huge pages of some size.
#[must_use]
pub fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-") || name.starts_with("requests.hugepages-")
}
