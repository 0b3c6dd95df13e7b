//! Resource lists: rounding, requests from limits, and the pod-level requests and limits of KEP-2837.

use super::doc::{Doc, blank, fill, list, object, object_mut, text, unset, with};
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

const HUGE_PAGES: &str = "hugepages-";

/// Rounds every quantity of a resource list up to thousandths.
pub(super) fn round(doc: &mut Doc, name: &str) {
    with(doc, name, |resources| {
        for value in resources.values_mut() {
            let fine = value.as_str().and_then(|text| Quantity::parse(text).ok()).filter(|fine| !fine.is_whole_milli());
            if let Some(fine) = fine {
                *value = Value::String(Quantity::from_milli(fine.milli_value(), fine.format()).to_string());
            }
        }
    });
}

/// Rounds the limits and requests of a field of resource requirements.
pub(super) fn round_requirements(doc: &mut Doc, name: &str) {
    with(doc, name, |requirements| {
        round(requirements, "limits");
        round(requirements, "requests");
    });
}

/// Copies what `from` has and `to` lacks.
pub(super) fn inherit(to: &mut Doc, from: &Doc) {
    for (name, value) in from {
        if !to.contains_key(name) {
            to.insert(name.clone(), value.clone());
        }
    }
}

/// Requests what is limited and not requested, in every container of a list.
pub(super) fn requests_from_limits(container: &mut Doc) {
    with(container, "resources", |resources| {
        let Some(limits) = object(resources, "limits").cloned() else { return };
        if limits.is_empty() && unset(resources, "requests") {
            return;
        }
        fill(resources, "requests", Value::Object(Doc::new()));
        if let Some(requests) = object_mut(resources, "requests") {
            inherit(requests, &limits);
        }
    });
}

/// Fills the resources of a pod as a whole from those of its containers.
pub(super) fn pod_level(spec: &mut Doc) {
    if object(spec, "resources").is_none() {
        return;
    }
    let limits = aggregate(spec, "limits");
    let requests = aggregate(spec, "requests");
    with(spec, "resources", |resources| {
        pod_limits(resources, limits);
        pod_requests(resources, requests);
    });
}

/// Limits huge pages of the pod to what its containers are limited to.
fn pod_limits(resources: &mut Doc, containers: BTreeMap<String, Quantity>) {
    if blank(resources, "limits") && blank(resources, "requests") {
        return;
    }
    let mut limits = object(resources, "limits").cloned().unwrap_or_default();
    for (name, amount) in containers {
        let requested = object(resources, "requests").is_some_and(|requests| requests.contains_key(&name));
        if name.starts_with(HUGE_PAGES) && !requested && !limits.contains_key(&name) {
            limits.insert(name, Value::String(amount.to_string()));
        }
    }
    if !limits.is_empty() {
        resources.insert("limits".to_owned(), Value::Object(limits));
    }
}

/// Requests for the pod what its containers request, else what the pod is limited to.
fn pod_requests(resources: &mut Doc, containers: BTreeMap<String, Quantity>) {
    let Some(limits) = object(resources, "limits").filter(|limits| !limits.is_empty()).cloned() else { return };
    let mut requests = object(resources, "requests").cloned().unwrap_or_default();
    for (name, amount) in containers {
        if matches!(name.as_str(), "cpu" | "memory") && !requests.contains_key(&name) {
            requests.insert(name, Value::String(amount.to_string()));
        }
    }
    for (name, limit) in limits {
        let supported = matches!(name.as_str(), "cpu" | "memory") || name.starts_with(HUGE_PAGES);
        if supported && !requests.contains_key(&name) {
            requests.insert(name, limit);
        }
    }
    if !requests.is_empty() {
        resources.insert("requests".to_owned(), Value::Object(requests));
    }
}

/// Returns what all containers of a pod need at once: the sum of those that run together, or what one init container
/// needs beside the sidecars started before it, whichever is more.
fn aggregate(spec: &Doc, kind: &str) -> BTreeMap<String, Quantity> {
    let mut total = BTreeMap::new();
    for container in list(spec, "containers").iter().filter_map(Value::as_object) {
        add(&mut total, &amounts(container, kind));
    }
    let mut sidecars = BTreeMap::new();
    let mut peak = BTreeMap::new();
    for container in list(spec, "initContainers").iter().filter_map(Value::as_object) {
        let own = amounts(container, kind);
        if text(container, "restartPolicy") == "Always" {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            most(&mut peak, &sidecars);
        } else {
            let mut together = own;
            add(&mut together, &sidecars);
            most(&mut peak, &together);
        }
    }
    most(&mut total, &peak);
    total
}

fn amounts(container: &Doc, kind: &str) -> BTreeMap<String, Quantity> {
    let listed = object(container, "resources").and_then(|resources| object(resources, kind));
    let parse = |(name, value): (&String, &Value)| Some((name.clone(), Quantity::parse(value.as_str()?).ok()?));
    listed.into_iter().flatten().filter_map(parse).collect()
}

fn add(total: &mut BTreeMap<String, Quantity>, more: &BTreeMap<String, Quantity>) {
    for (name, amount) in more {
        total.entry(name.clone()).and_modify(|sum| sum.add(amount)).or_insert_with(|| amount.clone());
    }
}

fn most(total: &mut BTreeMap<String, Quantity>, other: &BTreeMap<String, Quantity>) {
    for (name, amount) in other {
        if total.get(name).is_none_or(|old| amount > old) {
            total.insert(name.clone(), amount.clone());
        }
    }
}
