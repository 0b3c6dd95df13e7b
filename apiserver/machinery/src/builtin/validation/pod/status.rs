//! The status of a pod.

use super::rules::PodRules;
use super::update::annotation_changes;
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain, qualified_name, user_id};
use crate::builtin::ip::{is_dual_stack, legacy_ip, parse};
use crate::field_error::FieldErrors;
use std::collections::BTreeSet;

/// A pod whose status is written.
pub(in super::super) fn status_update(new: &At, old: &At, errors: &mut FieldErrors) {
    annotation_changes(new, old, &PodRules::after(true, old), errors);
    let (status, before) = (new.get("status"), old.get("status"));
    let (spec, old_spec) = (new.get("spec"), old.get("spec"));
    conditions(&status.get("conditions"), errors);
    if spec.get("nodeName").str() != old_spec.get("nodeName").str() {
        status.get("nodeName").forbidden(errors, "may not be changed directly");
    }
    nominated(&status, &before, &old_spec, errors);
    generation(&status, errors);
    status.get("qosClass").immutable(errors, before.get("qosClass").value());
    for (list, containers) in [("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")] {
        transitions(&status.get(list), &before.get(list), errors, |name, code| {
            let container = old_spec.get(containers);
            let found = container.items().find(|container| container.get("name").str() == name);
            found.is_some_and(|container| may_restart(&container, &old_spec, code))
        });
    }
    let list = "ephemeralContainerStatuses";
    transitions(&status.get(list), &before.get(list), errors, |_, _| false);
    claim_statuses(&status.get("resourceClaimStatuses"), &spec.get("resourceClaims"), errors);
    extended_claim(&status.get("extendedResourceClaimStatus"), &spec, errors);
    addresses(&status, &before, "podIPs", errors);
    if !status.get("hostIPs").is_empty() {
        let list = status.get("hostIPs");
        let first = list.item(0);
        if first.get("ip").str() != status.get("hostIP").str() {
            first.get("ip").invalid(errors, first.get("ip").str(), "must be equal to `hostIP`");
        }
        addresses(&status, &before, "hostIPs", errors);
    }
    let os = spec.get("os").get("name").text().unwrap_or("linux");
    for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        users(&status.get(list), os, errors);
    }
    for (list, containers) in [("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")] {
        allocated(&status.get(list), &spec.get(containers), errors);
    }
    for item in status.get("ephemeralContainerStatuses").items() {
        let allocated = item.get("allocatedResourcesStatus");
        if !allocated.is_empty() {
            allocated.forbidden(errors, "must not be specified in container status");
        }
    }
}

fn generation(at: &At, errors: &mut FieldErrors) {
    let generation = at.get("observedGeneration");
    if generation.int() < 0 {
        generation.invalid(errors, generation.int(), "must be a non-negative integer");
    }
}

fn conditions(at: &At, errors: &mut FieldErrors) {
    for condition in at.items() {
        generation(&condition, errors);
        let kind = condition.get("type").str();
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            condition.get("Type").check_text(errors, kind, qualified_name);
        }
    }
}

fn nominated(status: &At, old: &At, old_spec: &At, errors: &mut FieldErrors) {
    let at = status.get("nominatedNodeName");
    if at.is_empty() || at.str() == old.get("nominatedNodeName").str() {
        return;
    }
    at.check(errors, dns_subdomain);
    if !old_spec.get("nodeName").is_empty() {
        at.forbidden(errors, "may not be set on pods that are already bound to a node");
    }
}

/// Whether a container that ended with this code starts again.
fn may_restart(container: &At, spec: &At, code: i64) -> bool {
    for rule in container.get("restartPolicyRules").items() {
        let codes = rule.get("exitCodes");
        let values = codes.get("values");
        let listed = values.items().any(|value| value.int() == code);
        let hit = match codes.get("operator").str() {
            "In" => listed,
            "NotIn" => !listed,
            _ => false,
        };
        if hit && rule.get("action").str() == "Restart" {
            return true;
        }
    }
    let own = container.get("restartPolicy").str();
    match if own.is_empty() { spec.get("restartPolicy").str() } else { own } {
        "Always" => true,
        "OnFailure" => code != 0,
        _ => false,
    }
}

/// What has ended for good may not run again.
fn transitions(at: &At, old: &At, errors: &mut FieldErrors, may_restart: impl Fn(&str, i64) -> bool) {
    for (index, before) in old.items().enumerate() {
        let state = before.get("state");
        let ended = state.get("terminated");
        if !ended.has() {
            continue;
        }
        let name = before.get("name").str();
        let Some(now) = at.items().find(|now| now.get("name").str() == name) else { continue };
        let runs = !now.get("state").get("terminated").has();
        if runs && !may_restart(name, ended.get("exitCode").int()) {
            at.item(index).get("state").forbidden(errors, "may not be transitioned to non-terminated state");
        }
    }
}

fn claim_statuses(at: &At, claims: &At, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for status in at.items() {
        let name = status.get("name");
        if !claims.items().any(|claim| claim.get("name").str() == name.str()) {
            name.invalid(errors, name.str(), "must match the name of an entry in `spec.resourceClaims`");
        }
        if !seen.insert(name.str()) {
            name.duplicate(errors, name.str());
        }
        let claim = status.get("resourceClaimName");
        if let Some(text) = claim.text() {
            name.check_text(errors, text, dns_subdomain);
        }
    }
}

fn addresses(status: &At, old: &At, list: &str, errors: &mut FieldErrors) {
    let at = status.get(list);
    let before = old.get(list);
    let known: Vec<&str> = before.items().map(|item| item.get("ip").str()).collect();
    for item in at.items() {
        legacy_ip(&item, item.get("ip").str(), &known, errors);
    }
    if at.len() < 2 {
        return;
    }
    let families = at.items().map(|item| parse(item.get("ip").str()).map(|ip| ip.is_ipv6()));
    if is_dual_stack(families) != Some(true) || at.len() > 2 {
        at.invalid_here(errors, "may specify no more than one IP for each IP family");
    }
}

fn users(at: &At, os: &str, errors: &mut FieldErrors) {
    for status in at.items() {
        let user = status.get("user");
        let linux = user.get("linux");
        if !linux.has() {
            continue;
        }
        match os {
            "windows" => linux.forbidden(errors, "cannot be set for a windows pod"),
            "linux" => {
                linux.get("uid").check_int(errors, user_id);
                linux.get("gid").check_int(errors, user_id);
                linux.get("supplementalGroups").items().for_each(|group| group.check_int(errors, user_id));
            }
            _ => {}
        }
    }
}

fn allocated(at: &At, containers: &At, errors: &mut FieldErrors) {
    for status in at.items() {
        let name = status.get("name").str();
        let container = containers.items().find(|container| container.get("name").str() == name);
        for resource in status.get("allocatedResourcesStatus").items() {
            if let Some(container) = &container {
                let at = resource.get("name");
                let resources = container.get("resources");
                let (found, detail) = if at.str().starts_with("claim:") {
                    let named = resources.get("claims").items().any(|claim| {
                        let request = claim.get("request").str();
                        let slash = if request.is_empty() { "" } else { "/" };
                        format!("claim:{}{slash}{request}", claim.get("name").str()) == at.str()
                    });
                    (
                        named,
                        "must match one of the container's resource claims in a format \
                         'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty",
                    )
                } else {
                    let named = resources.get("requests").get(at.str()).has();
                    (named, "must match one of the container's resource requests")
                };
                if !found {
                    at.invalid(errors, at.str(), detail);
                }
            }
            let mut seen = BTreeSet::new();
            for item in resource.get("resources").items() {
                item.get("health").one_of(errors, &["Healthy", "Unhealthy", "Unknown"]);
                let id = item.get("resourceID");
                if !seen.insert(id.str()) {
                    id.duplicate(errors, id.str());
                }
            }
        }
    }
}

/// A mapping of extended resources to a claim; absent is fine.
fn extended_claim(at: &At, spec: &At, errors: &mut FieldErrors) {
    if !at.has() {
        return;
    }
    let mappings = at.get("requestMappings");
    if mappings.is_empty() {
        mappings.required(errors, "at least one request mapping is required");
    }
    let lists = [spec.get("initContainers"), spec.get("containers")];
    let mut seen = BTreeSet::new();
    for mapping in mappings.items() {
        let (name, resource) = (mapping.get("containerName"), mapping.get("resourceName"));
        let request = mapping.get("requestName");
        let containers = || lists.iter().flat_map(At::items).filter(|c| c.get("name").str() == name.str());
        if containers().next().is_none() {
            name.invalid(
                errors,
                name.str(),
                "must match the name of an entry in spec.initContainers.name or spec.containers.name",
            );
        } else if !containers().any(|c| c.get("resources").get("requests").get(resource.str()).has()) {
            resource.invalid(
                errors,
                resource.str(),
                "must match the extended resource name of an entry in spec.initContainers.resources.requests or \
                 spec.containers.resources.requests",
            );
        }
        at.get("requestName").check_text(errors, request.str(), dns_label);
        if !seen.insert((name.str(), resource.str(), request.str())) {
            for field in [name, resource, request] {
                field.duplicate(errors, field.str());
            }
        }
    }
    at.get("resourceClaimName").require_check(errors, dns_subdomain);
}
