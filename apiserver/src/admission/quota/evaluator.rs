//! What an object uses of the resources that quotas count, and which quotas it concerns.

use crate::admission::storage_class::class_of;
use crate::admission::write::{items, text};
use crate::codec;
use jiff::Timestamp;
use kplex_machinery::builtin::quota::{COMPUTE, is_huge_page};
use kplex_machinery::builtin::resources::{Amounts, Side, add, amounts, of_container, of_pod};
use kplex_machinery::builtin::strategy::pod_qos;
use kplex_machinery::quantity::{Format, Quantity};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";
const DEVICES_SUFFIX: &str = ".deviceclass.resource.k8s.io/devices";
const DEVICE_CLASS_PREFIX: &str = "deviceclass.resource.kubernetes.io/";
/// Devices that a claim for all of them may get.
const DEVICES_MAX: i64 = 32;

/// How objects of one resource are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluator {
    /// Pods use what their containers ask for.
    Pods,
    /// Services use node ports and load balancers.
    Services,
    /// Claims use storage.
    VolumeClaims,
    /// Claims use devices.
    ResourceClaims,
    /// Objects that only count; by these names.
    Count(Vec<String>),
}

impl Evaluator {
    /// Returns how objects of a namespaced resource are counted; `None` for those that never are.
    #[must_use]
    pub fn of(group: &str, plural: &str) -> Option<Self> {
        Some(match (group, plural) {
            ("" | "events.k8s.io", "events")
            | ("", "bindings" | "componentstatuses")
            | ("authorization.k8s.io" | "authentication.k8s.io", _) => {
                return None;
            }
            ("", "pods") => Self::Pods,
            ("", "services") => Self::Services,
            ("", "persistentvolumeclaims") => Self::VolumeClaims,
            ("resource.k8s.io", "resourceclaims") => Self::ResourceClaims,
            ("", "configmaps" | "resourcequotas" | "replicationcontrollers" | "secrets") => {
                Self::Count(vec![count_name(group, plural), plural.to_owned()])
            }
            _ => Self::Count(vec![count_name(group, plural)]),
        })
    }

    /// Returns those of a quota's resources that this counts.
    #[must_use]
    pub fn matching<'n>(&self, hard: impl IntoIterator<Item = &'n str>) -> BTreeSet<&'n str> {
        hard.into_iter().filter(|name| self.counts(name)).collect()
    }

    fn counts(&self, name: &str) -> bool {
        match self {
            Self::Pods => is_pod_resource(name),
            Self::Services => {
                matches!(name, "count/services" | "services" | "services.nodeports" | "services.loadbalancers")
            }
            Self::VolumeClaims => {
                let of_class = |resource: &str| name.ends_with(&format!("{CLASS_SUFFIX}{resource}"));
                matches!(name, "count/persistentvolumeclaims" | "persistentvolumeclaims" | "requests.storage")
                    || of_class("persistentvolumeclaims")
                    || of_class("requests.storage")
            }
            Self::ResourceClaims => name == "count/resourceclaims.resource.k8s.io" || name.ends_with(DEVICES_SUFFIX),
            Self::Count(names) => names.iter().any(|own| own == name),
        }
    }

    /// Whether a quota's scopes take in an object. Kinds without scopes are in none.
    #[must_use]
    pub fn in_scope(&self, quota: &Value, object: &Value) -> bool {
        let scopes =
            items(quota, "/spec/scopes").iter().filter_map(Value::as_str).map(|scope| (scope, "Exists", &[][..]));
        let selectors = items(quota, "/spec/scopeSelector/matchExpressions").iter();
        let selectors =
            selectors.map(|term| (text(term, "/scopeName"), text(term, "/operator"), items(term, "/values")));
        scopes.chain(selectors).all(|(scope, operator, values)| match self {
            Self::Pods => pod_in_scope(object, scope, operator, values),
            Self::VolumeClaims => claim_in_scope(object, scope, operator, values),
            Self::Services | Self::ResourceClaims | Self::Count(_) => false,
        })
    }

    /// Who counts CPU or memory wants every container to say what it needs.
    ///
    /// # Errors
    /// Which containers don't.
    pub fn constrain(&self, resources: &BTreeSet<&str>, object: &Value) -> Result<(), String> {
        const WANTED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
        if *self != Self::Pods || asks_as_a_whole(object) {
            return Ok(());
        }
        let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for container in items(object, "/spec/containers").iter().chain(items(object, "/spec/initContainers")) {
            let said = compute(&of_container(container, Side::Requests), &of_container(container, Side::Limits));
            for resource in
                WANTED.into_iter().filter(|wanted| resources.contains(wanted) && !said.contains_key(*wanted))
            {
                missing.entry(resource).or_default().insert(text(container, "/name"));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let texts = missing
            .into_iter()
            .map(|(resource, names)| format!("{resource} for: {}", names.into_iter().collect::<Vec<_>>().join(",")));
        Err(format!("must specify {}", texts.collect::<Vec<_>>().join("; ")))
    }

    /// Returns what an object uses.
    #[must_use]
    pub fn usage(&self, object: &Value, now: Timestamp) -> Amounts {
        match self {
            Self::Pods => pod_usage(object, now),
            Self::Services => service_usage(object),
            Self::VolumeClaims => claim_usage(object),
            Self::ResourceClaims => device_usage(object),
            Self::Count(names) => names.iter().map(|name| (name.clone(), number(1))).collect(),
        }
    }
}

fn count_name(group: &str, plural: &str) -> String {
    if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") }
}

fn number(count: i64) -> Quantity {
    Quantity::from_i64(count, Format::DecimalSi)
}

fn is_pod_resource(name: &str) -> bool {
    let extended =
        name.strip_prefix("requests.").is_some_and(|rest| is_extended(name) || rest.starts_with(DEVICE_CLASS_PREFIX));
    COMPUTE.contains(&name) || matches!(name, "pods" | "count/pods") || is_huge_page(name) || extended
}

/// Whether a resource is none of Kubernetes' own.
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

/// Whether a pod says how long it may run.
#[must_use]
pub fn is_terminating(pod: &Value) -> bool {
    pod.pointer("/spec/activeDeadlineSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds >= 0)
}

fn pod_in_scope(pod: &Value, scope: &str, operator: &str, values: &[Value]) -> bool {
    let best_effort = || pod_qos(pod) == "BestEffort";
    match scope {
        "Terminating" => is_terminating(pod),
        "NotTerminating" => !is_terminating(pod),
        "BestEffort" => best_effort(),
        "NotBestEffort" => !best_effort(),
        "PriorityClass" => selects(operator, values, &[text(pod, "/spec/priorityClassName")]),
        "CrossNamespacePodAffinity" => crosses_namespaces(pod),
        _ => false,
    }
}

fn claim_in_scope(claim: &Value, scope: &str, operator: &str, values: &[Value]) -> bool {
    const CLASSES: [&str; 3] = [
        "/spec/volumeAttributesClassName",
        "/status/currentVolumeAttributesClassName",
        "/status/modifyVolumeStatus/targetVolumeAttributesClassName",
    ];
    scope == "VolumeAttributesClass" && selects(operator, values, &CLASSES.map(|pointer| text(claim, pointer)))
}

/// Whether any of the names, of which empty ones are none, is selected.
fn selects(operator: &str, values: &[Value], names: &[&str]) -> bool {
    let mut names = names.iter().filter(|name| !name.is_empty()).peekable();
    let is_listed = |name: &&&str| values.iter().any(|value| value.as_str() == Some(**name));
    match operator {
        "Exists" => names.peek().is_some(),
        "DoesNotExist" => names.peek().is_none(),
        "In" => names.any(|name| is_listed(&name)),
        "NotIn" => names.peek().is_none() || names.any(|name| !is_listed(&name)),
        _ => false,
    }
}

fn crosses_namespaces(pod: &Value) -> bool {
    ["podAffinity", "podAntiAffinity"].into_iter().any(|kind| {
        let Some(affinity) = pod.pointer(&format!("/spec/affinity/{kind}")) else { return false };
        let required = items(affinity, "/requiredDuringSchedulingIgnoredDuringExecution").iter();
        let preferred = items(affinity, "/preferredDuringSchedulingIgnoredDuringExecution").iter();
        required.chain(preferred.filter_map(|term| term.get("podAffinityTerm"))).any(|term| {
            !items(term, "/namespaces").is_empty()
                || term.get("namespaceSelector").is_some_and(|selector| !selector.is_null())
        })
    })
}

fn asks_as_a_whole(pod: &Value) -> bool {
    let asks = |side: Side| {
        let whole = pod.pointer("/spec/resources").and_then(|resources| resources.get(side.field()));
        amounts(whole).keys().any(|name| matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-"))
    };
    asks(Side::Requests) || asks(Side::Limits)
}

/// Pods that are done, or that should have been gone by now, only count as objects.
fn pod_usage(pod: &Value, now: Timestamp) -> Amounts {
    let mut usage = Amounts::from([("count/pods".to_owned(), number(1))]);
    if matches!(text(pod, "/status/phase"), "Failed" | "Succeeded") || is_overdue(pod, now) {
        return usage;
    }
    let mut overhead = amounts(pod.pointer("/spec/overhead"));
    let (mut requests, mut limits) = (of_pod(pod, Side::Requests), of_pod(pod, Side::Limits));
    add(&mut requests, &overhead);
    // A resource without a limit is not limited by its overhead.
    overhead.retain(|name, _| limits.get(name).is_some_and(|limit| !limit.is_zero()));
    add(&mut limits, &overhead);
    usage.extend(compute(&requests, &limits));
    usage
}

fn is_overdue(pod: &Value, now: Timestamp) -> bool {
    let grace = pod.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
    let deletion = codec::meta_str(pod, "deletionTimestamp").parse::<Timestamp>().ok();
    deletion.zip(grace).is_some_and(|(deletion, grace)| now > deletion + jiff::SignedDuration::from_secs(grace))
}

/// Requests and limits under the names by which quotas count them.
fn compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut usage = Amounts::from([("pods".to_owned(), number(1))]);
    for (name, amount) in requests {
        let plain = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if plain {
            usage.insert(name.clone(), amount.clone());
        }
        if plain || is_extended(name) || name.starts_with(DEVICE_CLASS_PREFIX) {
            usage.insert(format!("requests.{name}"), amount.clone());
        }
    }
    for (name, amount) in
        limits.iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage"))
    {
        usage.insert(format!("limits.{name}"), amount.clone());
    }
    usage
}

fn service_usage(service: &Value) -> Amounts {
    let ports = items(service, "/spec/ports");
    let count = |list: usize| i64::try_from(list).expect("a service has few ports");
    let (node_ports, balancers) = match text(service, "/spec/type") {
        "NodePort" => (count(ports.len()), 0),
        "LoadBalancer" if service.pointer("/spec/allocateLoadBalancerNodePorts") == Some(&Value::Bool(false)) => {
            let given =
                ports.iter().filter(|port| port.get("nodePort").and_then(Value::as_i64).is_some_and(|port| port != 0));
            (count(given.count()), 1)
        }
        "LoadBalancer" => (count(ports.len()), 1),
        _ => (0, 0),
    };
    let counts = [
        ("count/services", 1),
        ("services", 1),
        ("services.nodeports", node_ports),
        ("services.loadbalancers", balancers),
    ];
    counts.into_iter().map(|(name, count)| (name.to_owned(), number(count))).collect()
}

fn claim_usage(claim: &Value) -> Amounts {
    let class = class_of(claim);
    let mut usage = Amounts::new();
    let mut put = |name: &str, amount: &Quantity| {
        usage.insert(name.to_owned(), amount.clone());
        if !class.is_empty() {
            usage.insert(format!("{class}{CLASS_SUFFIX}{name}"), amount.clone());
        }
    };
    put("persistentvolumeclaims", &number(1));
    let asked = amounts(claim.pointer("/spec/resources/requests")).remove("storage");
    if let Some(mut size) = asked {
        if let Some(allocated) = amounts(claim.pointer("/status/allocatedResources")).remove("storage") {
            size = size.max(allocated);
        }
        if !size.is_whole() {
            size = Quantity::from_i64(size.value(), size.format());
        }
        put("requests.storage", &size);
    }
    usage.insert("count/persistentvolumeclaims".to_owned(), number(1));
    usage
}

fn device_usage(claim: &Value) -> Amounts {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    let asked = |request: &Value| {
        let count = match text(request, "/allocationMode") {
            "ExactCount" => request.get("count").and_then(Value::as_i64).unwrap_or(0),
            "All" => DEVICES_MAX,
            _ => 0,
        };
        (format!("{}{DEVICES_SUFFIX}", text(request, "/deviceClassName")), count)
    };
    for request in items(claim, "/spec/devices/requests") {
        // Of alternatives the worst counts, class by class.
        let mut worst: BTreeMap<String, i64> = BTreeMap::new();
        for (name, count) in items(request, "/firstAvailable").iter().chain(request.get("exactly")).map(asked) {
            let entry = worst.entry(name).or_default();
            *entry = count.max(*entry);
        }
        for (name, count) in worst {
            *counts.entry(name).or_default() += count;
        }
    }
    let mut usage: Amounts = counts.into_iter().map(|(name, count)| (name, number(count))).collect();
    usage.insert("count/resourceclaims.resource.k8s.io".to_owned(), number(1));
    usage
}
