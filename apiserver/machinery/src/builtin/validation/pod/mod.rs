//! Pods and pod templates.

pub(crate) mod affinity;
mod containers;
mod env;
mod probes;
mod projected;
mod resize;
mod rules;
mod security;
pub(crate) mod sources;
mod status;
mod update;
mod volumes;
mod windows;

pub(super) use containers::PROTOCOLS;
pub(super) use probes::port;
pub(super) use resize::resize;
pub(super) use rules::PodRules;
pub(super) use status::status_update;
pub(super) use update::{ephemeral_containers, update};

use super::meta;
use super::resources::{self, Rules};
use crate::builtin::amount::Amount;
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain, dns_subdomain_underscore, in_range, qualified_name};
use crate::builtin::ip::legacy_ip;
use crate::field_error::{FieldErrors, go_quote};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use volumes::Volumes;

pub(super) const CONTAINER_LISTS: &[&str] = &["initContainers", "containers", "ephemeralContainers"];
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod while its parts are checked.
struct Pod<'s, 'p, 'v> {
    spec: &'s At<'p, 'v>,
    volumes: Volumes<'v>,
    claims: Vec<&'v str>,
    rules: &'s PodRules,
}

impl Pod<'_, '_, '_> {
    fn host_users(&self) -> bool {
        self.spec.get("hostUsers").flag_opt().unwrap_or(true)
    }
}

/// A pod that is created.
pub(super) fn create(root: &At, errors: &mut FieldErrors) {
    metadata_and_spec(root, &PodRules::strict(true), errors);
    let (metadata, spec) = (root.get("metadata"), root.get("spec"));
    if !spec.get("ephemeralContainers").is_empty() {
        spec.get("ephemeralContainers").forbidden(errors, "cannot be set on create");
    }
    if !spec.get("nodeName").is_empty() && !spec.get("schedulingGates").is_empty() {
        spec.get("nodeName").forbidden(errors, "cannot be set until all schedulingGates have been cleared");
    }
    security::annotations_match(&metadata, &spec, errors);
}

/// The template of a workload.
pub(super) fn template(at: &At, rules: &PodRules, errors: &mut FieldErrors) {
    let (metadata, spec) = (at.get("metadata"), at.get("spec"));
    meta::labels(&at.named("labels", metadata.get("labels").value()), errors);
    let annotations = at.named("annotations", metadata.get("annotations").value());
    meta::annotations(&annotations, errors);
    self::annotations(&annotations, &spec, rules, errors);
    pod_spec(&spec, None, rules, errors);
    security::annotations_match(&metadata, &spec, errors);
    if !spec.get("ephemeralContainers").is_empty() {
        spec.get("ephemeralContainers").forbidden(errors, "ephemeral containers not allowed in pod template");
    }
}

/// The labels and annotations of a template once more, as stateful sets check them.
pub(super) fn template_metadata(at: &At, rules: &PodRules, errors: &mut FieldErrors) {
    let metadata = at.get("metadata");
    meta::labels(&at.named("labels", metadata.get("labels").value()), errors);
    let annotations = at.named("annotations", metadata.get("annotations").value());
    meta::annotations(&annotations, errors);
    self::annotations(&annotations, &at.get("spec"), rules, errors);
}

fn metadata_and_spec(root: &At, rules: &PodRules, errors: &mut FieldErrors) {
    let (metadata, spec) = (root.get("metadata"), root.get("spec"));
    annotations(&metadata.get("annotations"), &spec, rules, errors);
    pod_spec(&spec, Some(&metadata), rules, errors);
    if spec.get("serviceAccountName").is_empty() {
        for volume in spec.get("volumes").items() {
            let projected = volume.get("projected");
            for source in projected.get("sources").items() {
                let token = source.get("serviceAccountToken");
                if token.has() {
                    token.forbidden(errors, "must not be specified when serviceAccountName is not set");
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        spec.get(list).items().for_each(|container| containers::trimmed_image(&container, errors));
    }
}

/// Annotations that mean something to pods.
fn annotations(at: &At, spec: &At, rules: &PodRules, errors: &mut FieldErrors) {
    if let Some(mirror) = at.get(MIRROR).text()
        && spec.get("nodeName").is_empty()
    {
        at.key(MIRROR).invalid(errors, mirror, "must set spec.nodeName if mirror pod annotation is set");
    }
    tolerations_annotation(at, errors);
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    if let Some(cost) = at.get(COST).text()
        && !rules.any_deletion_cost
    {
        let pod = serde_json::json!({"metadata": {"annotations": {COST: cost}}});
        if !rules::is_deletion_cost(&At::root(&pod)) {
            at.key(COST).invalid(errors, cost, "must be a 32bit integer");
        }
    }
    for (key, value) in at.entries() {
        if key == "seccomp.security.alpha.kubernetes.io/pod"
            || key.starts_with("container.seccomp.security.alpha.kubernetes.io/")
        {
            seccomp_annotation(&at.get(key), errors);
        }
        let Some(container) = key.strip_prefix("container.apparmor.security.beta.kubernetes.io/") else { continue };
        let known =
            CONTAINER_LISTS.iter().any(|list| spec.get(list).items().any(|other| other.get("name").str() == container));
        if !known {
            value.invalid(errors, container, "container not found");
        }
        let profile = value.str();
        if !matches!(profile, "" | "runtime/default" | "unconfined") && !profile.starts_with("localhost/") {
            value.invalid(errors, profile, format!("invalid AppArmor profile name: {}", go_quote(profile)));
        }
    }
}

fn tolerations_annotation(at: &At, errors: &mut FieldErrors) {
    const KEY: &str = "scheduler.alpha.kubernetes.io/tolerations";
    let text = at.get(KEY).str();
    if text.is_empty() {
        return;
    }
    match serde_json::from_str::<Value>(text) {
        Ok(list) if list.is_array() || list.is_null() => {
            let mut found = FieldErrors::new();
            affinity::tolerations(&At::root(&list), &mut found);
            let prefix = at.get(KEY).path();
            found.iter_mut().for_each(|error| error.field.insert_str(0, &prefix));
            errors.extend(found);
        }
        Ok(_) => at.invalid(errors, KEY, "json: cannot unmarshal into a list of tolerations"),
        Err(error) => at.invalid(errors, KEY, error.to_string()),
    }
}

fn seccomp_annotation(at: &At, errors: &mut FieldErrors) {
    match at.str() {
        "runtime/default" | "docker/default" | "unconfined" => {}
        text => match text.strip_prefix("localhost/") {
            Some(path) => sources::descending_path(at, path, errors),
            None => at.invalid(errors, text, "must be a valid seccomp profile"),
        },
    }
}

/// The spec of a pod; metadata is known for pods only.
fn pod_spec(spec: &At, metadata: Option<&At>, rules: &PodRules, errors: &mut FieldErrors) {
    let grace = spec.get("terminationGracePeriodSeconds");
    if !grace.has() {
        grace.required(errors, "");
    }
    let name = metadata.map(|metadata| metadata.get("name").str());
    let claims: Vec<&str> =
        spec.get("resourceClaims").items().map(|claim| claim.get("name").str()).filter(|n| !n.is_empty()).collect();
    let volumes = volumes::volumes(&spec.get("volumes"), name, rules, errors);
    let pod = Pod { spec, volumes, claims, rules };
    resource_claims(metadata, &spec.get("resourceClaims"), errors);
    containers::regular(&pod, &spec.get("containers"), errors);
    containers::init(&pod, &spec.get("initContainers"), errors);
    containers::ephemeral(&pod, &spec.get("ephemeralContainers"), errors);
    pod_resources(&pod, errors);
    host_network_ports(spec, rules, errors);
    spec.get("restartPolicy").require_one_of(errors, &["Always", "OnFailure", "Never"]);
    spec.get("dnsPolicy").require_one_of(errors, &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]);
    meta::labels(&spec.get("nodeSelector"), errors);
    security::pod(spec, &spec.get("securityContext"), rules, errors);
    affinity::affinity(&spec.get("affinity"), rules, errors);
    dns_config(spec, &spec.get("dnsConfig"), errors);
    for gate in spec.get("readinessGates").items() {
        gate.get("conditionType").check(errors, qualified_name);
    }
    scheduling_gates(&spec.get("schedulingGates"), errors);
    affinity::spread(&spec.get("topologySpreadConstraints"), rules, errors);
    windows::host_process(spec, errors);
    host_users(&pod, errors);
    hostname_override(spec, errors);
    spec_names(spec, errors);
    overhead(spec, rules, errors);
    windows::operating_system(spec, errors);
    for list in CONTAINER_LISTS {
        env::file_volumes(spec, &spec.get(list), errors);
    }
}

fn spec_names(spec: &At, errors: &mut FieldErrors) {
    spec.get("serviceAccountName").check_set(errors, dns_subdomain);
    spec.get("nodeName").check_set(errors, dns_subdomain);
    let deadline = spec.get("activeDeadlineSeconds");
    if deadline.has() {
        deadline.check_int(errors, |value| in_range(value, 1, i64::from(i32::MAX)));
    }
    spec.get("hostname").check_set(errors, dns_label);
    spec.get("subdomain").check_set(errors, dns_label);
    affinity::tolerations(&spec.get("tolerations"), errors);
    for alias in spec.get("hostAliases").items() {
        let ip = alias.get("ip");
        legacy_ip(&ip, ip.str(), &[], errors);
        alias.get("hostnames").items().for_each(|name| name.check(errors, dns_subdomain));
    }
    spec.get("priorityClassName").check_set(errors, dns_subdomain);
    let class = spec.get("runtimeClassName");
    if class.has() {
        class.check(errors, dns_subdomain);
    }
    let preemption = spec.get("preemptionPolicy");
    if preemption.has() {
        preemption.require_one_of(errors, &["PreemptLowerPriority", "Never"]);
    }
}

fn resource_claims(metadata: Option<&At>, at: &At, errors: &mut FieldErrors) {
    let mirrored = metadata.is_some_and(|metadata| metadata.get("annotations").get(MIRROR).has());
    let mut names = BTreeSet::new();
    for claim in at.items() {
        if mirrored {
            At::root(&Value::Null).forbidden(errors, "static pods do not support resource claims");
            continue;
        }
        let name = claim.get("name");
        if !name.require(errors) {
            if names.contains(name.str()) {
                name.duplicate(errors, name.str());
            } else {
                name.check(errors, dns_label);
                names.insert(name.str());
            }
        }
        let (own, template) = (claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName"));
        let shown = || {
            let quoted = |at: &At| at.value().to_string();
            format!(
                "{{\"Name\":{},\"ResourceClaimName\":{},\"ResourceClaimTemplateName\":{}}}",
                go_quote(name.str()),
                quoted(&own),
                quoted(&template)
            )
        };
        if own.has() && template.has() {
            claim.invalid_shown(
                errors,
                &shown(),
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            );
        }
        if !own.has() && !template.has() {
            claim.invalid_shown(
                errors,
                &shown(),
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            );
        }
        for name in [own, template] {
            if name.has() {
                name.check(errors, dns_subdomain);
            }
        }
    }
}

/// Resources of the pod as a whole.
fn pod_resources(pod: &Pod, errors: &mut FieldErrors) {
    let at = pod.spec.get("resources");
    if !at.has() {
        return;
    }
    if pod.spec.get("os").get("name").str() == "windows" {
        at.forbidden(errors, "may not be set for a windows pod");
        return;
    }
    if at.get("claims").has() {
        at.get("claims").forbidden(errors, "claims may not be set for Resources at pod-level");
    }
    let rules = Rules { name: resources::pod_name, claims: &pod.claims, any_huge_pages: pod.rules.any_huge_pages };
    resources::requirements(&at, &rules, errors);
    for (list, huge_only, word) in [("requests", false, "requests"), ("limits", true, "limits")] {
        let own = at.get(list);
        for (name, sum) in aggregate(pod.spec, list) {
            let value = own.key(name);
            if (huge_only && !resources::is_huge_page(name)) || !value.has() {
                continue;
            }
            if sum > Amount::of(value.str()) {
                let detail = format!("must be greater than or equal to aggregate container {word} of {}", plain(sum));
                value.invalid(errors, value.str(), detail);
            }
        }
    }
    let limits = at.get("limits");
    let listed = at.get("containers");
    for (index, container) in pod.spec.get("containers").items().enumerate() {
        for (name, limit) in container.get("resources").get("limits").entries() {
            let own = limits.get(name);
            if own.has() && Amount::of(limit.str()) > Amount::of(own.str()) {
                let detail = format!("must be less than or equal to pod limits of {}", own.str());
                listed.item(index).key(name).get("limits").invalid(errors, limit.str(), detail);
            }
        }
    }
}

/// Writes a sum as a quantity: thousandths when it is not whole.
fn plain(amount: Amount) -> String {
    if amount.is_whole() { amount.units().to_string() } else { format!("{}m", amount.millis()) }
}

/// What all containers ask for together: the larger of what runs at once and what any init container needs.
fn aggregate<'v>(spec: &At<'_, 'v>, list: &str) -> BTreeMap<&'v str, Amount> {
    let add = |sums: &mut BTreeMap<&'v str, Amount>, container: &At<'_, 'v>| {
        let resources = container.get("resources");
        for (name, value) in resources.get(list).entries() {
            let sum = sums.entry(name).or_default();
            sum.0 = sum.0.saturating_add(Amount::of(value.str()).0);
        }
    };
    let mut sums = BTreeMap::new();
    spec.get("containers").items().for_each(|container| add(&mut sums, &container));
    let (mut sidecars, mut peak) = (BTreeMap::new(), BTreeMap::new());
    for container in spec.get("initContainers").items() {
        let mut needed = sidecars.clone();
        add(&mut needed, &container);
        if container.get("restartPolicy").str() == "Always" {
            add(&mut sums, &container);
            add(&mut sidecars, &container);
        }
        for (name, amount) in needed {
            let most = peak.entry(name).or_insert(amount);
            *most = (*most).max(amount);
        }
    }
    for (name, amount) in peak {
        let sum = sums.entry(name).or_insert(amount);
        *sum = (*sum).max(amount);
    }
    sums
}

fn host_network_ports(spec: &At, rules: &PodRules, errors: &mut FieldErrors) {
    if !spec.get("hostNetwork").flag() {
        return;
    }
    for container in spec.get("containers").items() {
        for port in container.get("ports").items() {
            let (host, own) = (port.get("hostPort"), port.get("containerPort").int());
            if (rules.is_pod || host.int() != 0) && host.int() != own {
                host.invalid(errors, host.int(), "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}

fn dns_config(spec: &At, at: &At, errors: &mut FieldErrors) {
    let (servers, searches) = (at.get("nameservers"), at.get("searches"));
    if spec.get("dnsPolicy").str() == "None" {
        if !at.has() {
            at.required(errors, "must provide `dnsConfig` when `dnsPolicy` is None");
            return;
        }
        if servers.is_empty() {
            servers.required(errors, "must provide at least one DNS nameserver when `dnsPolicy` is None");
            return;
        }
    }
    if servers.len() > 3 {
        servers.invalid_here(errors, "must not have more than 3 nameservers");
    }
    for server in servers.items() {
        legacy_ip(&server, server.str(), &[], errors);
    }
    if searches.len() > 32 {
        searches.invalid_here(errors, "must not have more than 32 search paths");
    }
    let characters: usize = searches.strings().map(|search| search.len() + 1).sum();
    if characters > 2048 + 1 {
        searches.invalid_here(errors, "must not have more than 2048 characters (including spaces) in the search list");
    }
    for search in searches.items().filter(|search| search.str() != ".") {
        let trimmed = search.str().strip_suffix('.').unwrap_or(search.str());
        search.check_text(errors, trimmed, dns_subdomain_underscore);
    }
    for option in at.get("options").items() {
        if option.get("name").is_empty() {
            option.required(errors, "must not be empty");
        }
    }
}

fn scheduling_gates(at: &At, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for gate in at.items() {
        let name = gate.get("name").str();
        gate.check_text(errors, name, qualified_name);
        if !seen.insert(name) {
            gate.duplicate(errors, name);
        }
    }
}

fn host_users(pod: &Pod, errors: &mut FieldErrors) {
    const DETAIL: &str = "when `hostUsers` is false";
    if pod.host_users() {
        return;
    }
    for (field, path) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if pod.spec.get(field).flag() {
            pod.spec.get(path).forbidden(errors, DETAIL);
        }
    }
    if pod.rules.devices_in_user_namespace {
        return;
    }
    for list in CONTAINER_LISTS {
        for container in pod.spec.get(list).items() {
            let devices = container.get("volumeDevices");
            if !devices.is_empty() {
                devices.forbidden(errors, DETAIL);
            }
        }
    }
}

fn hostname_override(spec: &At, errors: &mut FieldErrors) {
    let at = spec.get("hostnameOverride");
    if !at.has() {
        return;
    }
    if spec.get("setHostnameAsFQDN").flag() {
        at.forbidden(errors, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec.get("hostNetwork").flag() {
        at.forbidden(errors, "may not be specified when hostNetwork is true");
    }
    if at.len() > 64 {
        at.too_long(errors, 64);
    }
    at.check(errors, dns_subdomain);
}

fn overhead(spec: &At, rules: &PodRules, errors: &mut FieldErrors) {
    let at = spec.get("overhead");
    if !at.has() {
        return;
    }
    overhead_list(&at, at.value(), rules.any_huge_pages, errors);
}

/// Overhead of a pod or runtime class, checked as limits.
pub(super) fn overhead_list(at: &At, list: &Value, any_huge_pages: bool, errors: &mut FieldErrors) {
    let rules = Rules { name: resources::container_name, claims: &[], any_huge_pages };
    let wrapped = serde_json::json!({"limits": list});
    let mut found = FieldErrors::new();
    resources::requirements(&At::root(&wrapped), &rules, &mut found);
    let prefix = at.path();
    for mut error in found {
        error.field = if error.field.is_empty() { prefix.clone() } else { format!("{prefix}.{}", error.field) };
        errors.push(error);
    }
}
