//! Warnings that clients see although their object is accepted: upstream's WarningsOnCreate and WarningsOnUpdate.

mod node;
mod overlap;
mod pod;
#[cfg(test)]
mod tests;

use super::Gvk;
use super::amount::{self, Amount};
use super::at::At;
use super::same::same;
use super::strategy::{Subresource, template_path};
use crate::field_error::go_quote;
use crate::metadata::ip::{warnings_for_cidr, warnings_for_ip};
use serde_json::Value;
use std::cmp::Ordering;

const STORAGE_CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const TOKENS_IN_SECRETS: &str = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to \
                                 true to prevent possible logging of tokens in volume attributes";

/// Warnings about an object that is created.
#[must_use]
pub fn warnings_on_create(gvk: Gvk<'_>, object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let root = At::root(object);
    warn_about_name(gvk, &root, &mut out);
    if let Some(path) = template_path(gvk) {
        warn_about_workload(gvk, &root, path, &mut out);
    }
    match (gvk.group, gvk.kind) {
        ("", "Pod") => pod::warn(&root, false, &mut out),
        ("apps", "StatefulSet") => warn_about_statefulset(&root, "", &mut out),
        ("", "ResourceQuota") => warn_about_quota(&root, &mut out),
        ("", "ServiceAccount") => warn_about_mountable_secrets(&root, None, &mut out),
        ("discovery.k8s.io", "EndpointSlice") => {
            if root.get("addressType").str() == "FQDN" {
                out.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
            }
            warn_about_slice_addresses(&root, &mut out);
        }
        ("networking.k8s.io", "Ingress") => {
            let annotated = root.get("metadata").get("annotations").get("kubernetes.io/ingress.class").has();
            if annotated && !root.get("spec").get("ingressClassName").has() {
                out.push(
                    "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
                        .to_owned(),
                );
            }
        }
        ("storage.k8s.io", "CSIDriver") => {
            let spec = root.get("spec");
            if !spec.get("tokenRequests").is_empty() && !spec.get("serviceAccountTokenInSecrets").has() {
                out.push(TOKENS_IN_SECRETS.to_owned());
            }
        }
        _ => warn_always(gvk, &root, &mut out),
    }
    out
}

/// Warnings about an object that replaces another.
#[must_use]
pub fn warnings_on_update(gvk: Gvk<'_>, object: &Value, old: &Value, subresource: Subresource) -> Vec<String> {
    let mut out = Vec::new();
    let (root, before) = (At::root(object), At::root(old));
    match subresource {
        Subresource::Main => {}
        Subresource::Status => {
            warn_about_status(gvk, &root, &mut out);
            return out;
        }
        Subresource::EphemeralContainers | Subresource::Resize | Subresource::Approval | Subresource::Finalize => {
            return out;
        }
    }
    let generation = |root: &At| root.get("metadata").get("generation").int();
    if let Some(path) = template_path(gvk)
        && generation(&root) != generation(&before)
    {
        warn_about_workload(gvk, &root, path, &mut out);
    }
    match (gvk.group, gvk.kind) {
        ("batch", "CronJob") if root.get("spec").get("schedule").str().contains("TZ") => {
            out.push(
                "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see \
                 https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                    .to_owned(),
            );
        }
        ("apps", "StatefulSet") => warn_about_statefulset(&root, ".Spec", &mut out),
        ("", "ServiceAccount") => warn_about_mountable_secrets(&root, Some(&before), &mut out),
        ("discovery.k8s.io", "EndpointSlice") => warn_about_slice_addresses(&root, &mut out),
        ("storage.k8s.io", "CSIDriver") => {
            let spec = root.get("spec");
            let requests = spec.get("tokenRequests");
            let changed = !same(requests.value(), before.get("spec").get("tokenRequests").value());
            if changed && !requests.is_empty() && !spec.get("serviceAccountTokenInSecrets").has() {
                out.push(TOKENS_IN_SECRETS.to_owned());
            }
        }
        _ => warn_always(gvk, &root, &mut out),
    }
    out
}

/// Returns the warning about using an API version at all, or `None`.
#[must_use]
pub fn deprecated_version(gvk: Gvk<'_>) -> Option<&'static str> {
    match (gvk.group, gvk.version, gvk.kind) {
        ("", "v1", "ComponentStatus" | "ComponentStatusList") => Some("v1 ComponentStatus is deprecated in v1.19+"),
        ("", "v1", "Endpoints" | "EndpointsList") => {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        }
        _ => None,
    }
}

fn warn_about_name(gvk: Gvk<'_>, root: &At, out: &mut Vec<String>) {
    let used_in = match (gvk.group, gvk.kind) {
        ("", "Pod") => "the Pod's hostname",
        ("", "ReplicationController") | ("apps", "Deployment" | "ReplicaSet") | ("batch", "Job" | "CronJob") => {
            "Pod names and hostnames"
        }
        _ => return,
    };
    let complaints = super::formats::dns_label(root.get("metadata").get("name").str());
    if !complaints.is_empty() {
        out.push(format!(
            "metadata.name: this is used in {used_in}, which can result in surprising behavior; a DNS label is \
             recommended: [{}]",
            complaints.join(" ")
        ));
    }
}

fn warn_about_workload(gvk: Gvk<'_>, root: &At, path: &str, out: &mut Vec<String>) {
    let template = match path {
        "/template" => return pod::warn(&root.get("template"), true, out),
        "/spec/template" => {
            let spec = root.get("spec");
            if gvk.kind == "Job" {
                warn_about_job(&spec, out);
            }
            return pod::warn(&spec.get("template"), true, out);
        }
        _ => root.get("spec"),
    };
    let job = template.get("jobTemplate");
    let spec = job.get("spec");
    warn_about_job(&spec, out);
    pod::warn(&spec.get("template"), true, out);
}

fn warn_about_job(spec: &At, out: &mut Vec<String>) {
    let many = spec.get("completions").int() > 100_000 && spec.get("parallelism").int() > 10_000;
    if spec.get("completionMode").str() == "Indexed" && many {
        out.push(format!(
            "{}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, \
             Kubernetes might not be able to track completedIndexes when a big number of indexes fail",
            spec.path()
        ));
    }
}

/// Warnings that do not depend on what was there before.
fn warn_always(gvk: Gvk<'_>, root: &At, out: &mut Vec<String>) {
    match (gvk.group, gvk.kind) {
        ("", "Service") => warn_about_service(root, out),
        ("", "Node") => warn_about_node(root, out),
        ("", "PersistentVolume") => warn_about_volume(root, out),
        ("", "PersistentVolumeClaim") => warn_about_claim(root, out),
        ("", "Endpoints") => warn_about_endpoints(root, out),
        ("networking.k8s.io", "NetworkPolicy") => warn_about_network_policy(root, out),
        ("node.k8s.io", "RuntimeClass") => {
            for (key, _) in root.get("scheduling").get("nodeSelector").entries() {
                if let Some(message) = node::deprecated_label(key) {
                    out.push(format!("scheduling.nodeSelector: {message}"));
                }
            }
        }
        ("storage.k8s.io", "StorageClass") => {
            let topologies = root.get("allowedTopologies");
            for term in topologies.items() {
                for expression in term.get("matchLabelExpressions").items() {
                    let key = expression.get("key");
                    if let Some(message) = node::deprecated_label(key.str()) {
                        out.push(format!("{}: {message}", key.path()));
                    }
                }
            }
        }
        ("storage.k8s.io", "CSIStorageCapacity") => node::warn_about_selector(&root.get("nodeTopology"), out),
        ("resource.k8s.io", "ResourceSlice") => {
            let driver = root.get("spec").get("driver").str();
            if driver.chars().any(char::is_uppercase) {
                out.push(format!(
                    "spec.driver: driver names should be lowercase; {} contains uppercase characters",
                    go_quote(driver)
                ));
            }
        }
        _ => {}
    }
}

fn warn_about_service(root: &At, out: &mut Vec<String>) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    let spec = root.get("spec");
    if root.get("metadata").get("annotations").get(HINTS).has() {
        out.push(format!("annotation {HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"));
    }
    let (address, kind) = (spec.get("clusterIP").str(), spec.get("type").str());
    if !address.is_empty() && address != "None" {
        for item in spec.get("clusterIPs").items() {
            out.extend(warnings_for_ip(&item.path(), item.str()));
        }
    }
    let external = spec.get("externalIPs");
    if kind == "ClusterIP" && address == "None" {
        if !spec.get("loadBalancerIP").is_empty() {
            out.push("spec.loadBalancerIP is ignored for headless services".to_owned());
        }
        if !external.is_empty() {
            out.push("spec.externalIPs is ignored for headless services".to_owned());
        }
        if spec.get("sessionAffinity").str() != "None" {
            out.push("spec.SessionAffinity is ignored for headless services".to_owned());
        }
    }
    external.items().for_each(|item| out.extend(warnings_for_ip(&item.path(), item.str())));
    let balancer = spec.get("loadBalancerIP");
    out.extend(warnings_for_ip(&balancer.path(), balancer.str()));
    let ranges = spec.get("loadBalancerSourceRanges");
    ranges.items().for_each(|item| out.extend(warnings_for_cidr(&item.path(), item.str())));
    if kind == "ExternalName" && !external.is_empty() {
        out.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if kind != "ExternalName" && !spec.get("externalName").is_empty() {
        out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec.get("trafficDistribution").str() == "PreferClose" {
        out.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned());
    }
}

fn warn_about_node(root: &At, out: &mut Vec<String>) {
    let spec = root.get("spec");
    if spec.get("configSource").has() {
        out.push("spec.configSource: the feature is removed".to_owned());
    }
    if !spec.get("externalID").is_empty() {
        out.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
    }
    spec.get("podCIDRs").items().for_each(|item| out.extend(warnings_for_cidr(&item.path(), item.str())));
}

fn warn_about_volume(root: &At, out: &mut Vec<String>) {
    let annotations = root.get("metadata").get("annotations").value();
    for (key, message) in [
        (STORAGE_CLASS_ANNOTATION, "deprecated since v1.8; use \"storageClassName\" attribute instead"),
        ("volume.beta.kubernetes.io/mount-options", "deprecated since v1.31; use \"mountOptions\" attribute instead"),
    ] {
        if annotations.get(key).is_some() {
            out.push(format!("metadata.annotations[{key}]: {message}"));
        }
    }
    let spec = root.get("spec");
    if spec.get("persistentVolumeReclaimPolicy").str() == "Recycle" {
        out.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended \
             approach is to use dynamic provisioning."
                .to_owned(),
        );
    }
    let affinity = spec.get("nodeAffinity");
    let required = affinity.get("required");
    for term in required.get("nodeSelectorTerms").items() {
        node::warn_about_term(&term, false, out);
    }
    for (name, message) in [
        ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
        ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
        ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
        ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
        ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ] {
        if spec.get(name).has() {
            let shown = if name == "storageos" { "storageOS" } else { name };
            out.push(format!("spec.{shown}: {message}"));
        }
    }
}

fn warn_about_claim(root: &At, out: &mut Vec<String>) {
    if root.get("metadata").get("annotations").get(STORAGE_CLASS_ANNOTATION).has() {
        out.push(format!(
            "metadata.annotations[{STORAGE_CLASS_ANNOTATION}]: deprecated since v1.8; use \"storageClassName\" \
             attribute instead"
        ));
    }
    warn_about_claim_spec(&root.get("spec"), "spec", out);
}

/// Warnings about the spec of a claim, which upstream does not always call by its own path.
fn warn_about_claim_spec(spec: &At, path: &str, out: &mut Vec<String>) {
    let resources = spec.get("resources");
    for name in ["requests", "limits"] {
        let text = resources.get(name).get("storage").str();
        if !Amount::of(text).is_whole() {
            out.push(format!(
                "{path}.resources.{name}[storage]: fractional byte value {} is invalid, must be an integer",
                go_quote(text)
            ));
        }
    }
}

fn warn_about_statefulset(root: &At, suffix: &str, out: &mut Vec<String>) {
    let spec = root.get("spec");
    for template in spec.get("volumeClaimTemplates").items() {
        warn_about_claim_spec(&template.get("spec"), &format!("{}{suffix}", template.path()), out);
    }
    if spec.get("revisionHistoryLimit").int() < 0 {
        out.push(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
                .to_owned(),
        );
    }
}

fn warn_about_quota(root: &At, out: &mut Vec<String>) {
    let spec = root.get("spec");
    let hard = spec.get("hard");
    for name in ["cpu", "memory", "storage", "ephemeral-storage"] {
        let mut request_name = format!("requests.{name}");
        let mut request = hard.value().get(&request_name);
        if request.is_none() && matches!(name, "cpu" | "memory") {
            name.clone_into(&mut request_name);
            request = hard.value().get(name);
        }
        let limit_name = format!("limits.{name}");
        let request = request.and_then(Value::as_str);
        let limit = hard.value().get(&limit_name).and_then(Value::as_str);
        if let (Some(request), Some(limit)) = (request, limit)
            && amount::compare(request, limit) == Ordering::Greater
        {
            out.push(format!("ResourceQuota {request_name} ({request}) should be less than {limit_name} ({limit})"));
        }
    }
}

fn warn_about_mountable_secrets(root: &At, old: Option<&At>, out: &mut Vec<String>) {
    const KEY: &str = "kubernetes.io/enforce-mountable-secrets";
    let annotated = |root: &At| root.get("metadata").get("annotations").get(KEY).has();
    if annotated(root) && !old.is_some_and(annotated) {
        out.push(format!(
            "metadata.annotations[{KEY}]: deprecated in v1.32+; prefer separate namespaces to isolate access to \
             mounted secrets"
        ));
    }
}

fn warn_about_endpoints(root: &At, out: &mut Vec<String>) {
    let manager = root.get("metadata").get("labels").get("endpoints.kubernetes.io/managed-by").str();
    if manager == "endpoint-controller" {
        return;
    }
    for subset in root.get("subsets").items() {
        for name in ["addresses", "notReadyAddresses"] {
            for address in subset.get(name).items() {
                let ip = address.get("ip");
                out.extend(warnings_for_ip(&ip.path(), ip.str()));
            }
        }
    }
}

fn warn_about_slice_addresses(root: &At, out: &mut Vec<String>) {
    let manager = root.get("metadata").get("labels").get("endpointslice.kubernetes.io/managed-by").str();
    if matches!(manager, "endpointslice-controller.k8s.io" | "endpointslicemirroring-controller.k8s.io") {
        return;
    }
    for endpoint in root.get("endpoints").items() {
        endpoint.get("addresses").items().for_each(|item| out.extend(warnings_for_ip(&item.path(), item.str())));
    }
}

fn warn_about_network_policy(root: &At, out: &mut Vec<String>) {
    let spec = root.get("spec");
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.get(direction).items() {
            for peer in rule.get(peers).items() {
                let block = peer.get("ipBlock");
                let cidr = block.get("cidr");
                out.extend(warnings_for_cidr(&cidr.path(), cidr.str()));
                block.get("except").items().for_each(|item| out.extend(warnings_for_cidr(&item.path(), item.str())));
            }
        }
    }
}

fn warn_about_status(gvk: Gvk<'_>, root: &At, out: &mut Vec<String>) {
    let status = root.get("status");
    match (gvk.group, gvk.kind) {
        ("", "Pod") => {
            for name in ["podIPs", "hostIPs"] {
                for item in status.get(name).items() {
                    let ip = item.get("ip");
                    out.extend(warnings_for_ip(&ip.path(), ip.str()));
                }
            }
        }
        ("", "Service") | ("networking.k8s.io", "Ingress") => {
            let balancer = status.get("loadBalancer");
            for item in balancer.get("ingress").items() {
                out.extend(warnings_for_ip(&item.path(), item.get("ip").str()));
            }
        }
        _ => {}
    }
}
