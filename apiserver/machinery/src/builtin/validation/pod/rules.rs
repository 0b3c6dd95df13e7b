//! Rules that are relaxed for pods that broke them before the rule was made.

use super::{CONTAINER_LISTS, affinity, security};
use crate::builtin::amount::Amount;
use crate::builtin::at::At;
use crate::builtin::formats::is_label_value;
use crate::builtin::validation::meta::{self, Values};
use crate::field_error::FieldErrors;

/// What a pod may do.
#[derive(Clone, Copy)]
pub(crate) struct PodRules {
    /// A pod, not the template of one.
    pub(crate) is_pod: bool,
    /// Huge pages need not be whole.
    pub(crate) any_huge_pages: bool,
    /// Selectors of affinity terms may have malformed values.
    pub(crate) selector_values: Values,
    /// Required node affinity may have malformed values.
    pub(crate) node_affinity_values: Values,
    /// Selectors of spread constraints are not checked.
    pub(crate) any_spread_selector: bool,
    /// Keys of spread constraints follow the older rule.
    pub(crate) plain_spread_keys: bool,
    /// Tokens may lie outside their volume.
    pub(crate) any_token_path: bool,
    /// Sysctls of the host's namespaces may be set.
    pub(crate) host_sysctls: bool,
    /// Block devices may be used in a user namespace.
    pub(crate) devices_in_user_namespace: bool,
    /// The deletion cost may be malformed.
    pub(crate) any_deletion_cost: bool,
}

impl PodRules {
    /// The rules for what is new.
    pub(crate) const fn strict(is_pod: bool) -> Self {
        Self {
            is_pod,
            any_huge_pages: false,
            selector_values: Values::Strict,
            node_affinity_values: Values::Strict,
            any_spread_selector: false,
            plain_spread_keys: false,
            any_token_path: false,
            host_sysctls: false,
            devices_in_user_namespace: false,
            any_deletion_cost: false,
        }
    }

    /// The rules for what replaces an old pod, or the template of one.
    pub(crate) fn after(is_pod: bool, old: &At) -> Self {
        let spec = old.get("spec");
        let affinity = spec.get("affinity");
        let constraints = spec.get("topologySpreadConstraints");
        let breaks_selector = constraints.items().any(|constraint| {
            let mut errors = FieldErrors::new();
            meta::selector(&constraint.get("labelSelector"), Values::Strict, &mut errors);
            !errors.is_empty()
        });
        let any_of = |broken: bool| if broken { Values::Any } else { Values::Strict };
        Self {
            is_pod,
            any_huge_pages: has_partial_huge_pages(&spec),
            selector_values: any_of(has_bad_affinity_values(&affinity)),
            node_affinity_values: any_of(has_bad_node_values(&affinity)),
            any_spread_selector: breaks_selector,
            plain_spread_keys: constraints.items().any(|constraint| affinity::breaks_label_keys(&constraint)),
            any_token_path: has_outside_token(&spec),
            host_sysctls: spec
                .get("securityContext")
                .get("sysctls")
                .items()
                .any(|sysctl| security::host_sysctl(&spec, sysctl.get("name").str()).is_some()),
            devices_in_user_namespace: spec.get("hostUsers").flag_opt() == Some(false)
                && CONTAINER_LISTS
                    .iter()
                    .any(|list| spec.get(list).items().any(|container| !container.get("volumeDevices").is_empty())),
            any_deletion_cost: !is_deletion_cost(old),
        }
    }
}

/// Whether the deletion cost of a pod is a number.
pub(super) fn is_deletion_cost(pod: &At) -> bool {
    let metadata = pod.get("metadata");
    let cost = metadata.get("annotations").get("controller.kubernetes.io/pod-deletion-cost").text();
    cost.is_none_or(|text| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let plain = digits == "0" && digits == text || !digits.starts_with('0');
        plain && !text.starts_with('+') && text.parse::<i32>().is_ok()
    })
}

fn has_partial_huge_pages(spec: &At) -> bool {
    CONTAINER_LISTS.iter().any(|list| {
        spec.get(list).items().any(|container| {
            let resources = container.get("resources");
            ["limits", "requests"].iter().any(|kind| {
                resources.get(kind).entries().any(|(name, value)| {
                    let size = name.strip_prefix("hugepages-").map(Amount::of);
                    size.is_some_and(|size| size.0 <= 0 || Amount::of(value.str()).0 % size.0 != 0)
                })
            })
        })
    })
}

fn has_bad_values(selector: &At) -> bool {
    selector
        .get("matchExpressions")
        .items()
        .any(|expression| expression.get("values").strings().any(|value| !is_label_value(value)))
}

fn has_bad_affinity_values(affinity: &At) -> bool {
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let pods = affinity.get(kind);
        let bad =
            |term: &At| has_bad_values(&term.get("labelSelector")) || has_bad_values(&term.get("namespaceSelector"));
        pods.get("requiredDuringSchedulingIgnoredDuringExecution").items().any(|term| bad(&term))
            || pods
                .get("preferredDuringSchedulingIgnoredDuringExecution")
                .items()
                .any(|term| bad(&term.get("podAffinityTerm")))
    })
}

fn has_bad_node_values(affinity: &At) -> bool {
    let node = affinity.get("nodeAffinity");
    let required = node.get("requiredDuringSchedulingIgnoredDuringExecution");
    required.get("nodeSelectorTerms").items().any(|term| has_bad_values(&term))
}

fn has_outside_token(spec: &At) -> bool {
    spec.get("volumes").items().any(|volume| {
        volume.get("projected").get("sources").items().any(|source| {
            let token = source.get("serviceAccountToken");
            let mut errors = FieldErrors::new();
            let path = token.get("path");
            super::sources::local_path(&path, path.str(), &mut errors);
            token.has() && !errors.is_empty()
        })
    })
}
