//! Resource lists: rounding, requests from limits, and the pod-level requests and limits of KEP-2837.

use super::doc::{Doc, blank, fill, object, object_mut, unset, with};
use crate::builtin::resources::{Amounts, Side, is_of_pods, of_containers};
use crate::quantity::Quantity;
use serde_json::Value;

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
    let limits = of_containers(spec, Side::Limits);
    let requests = of_containers(spec, Side::Requests);
    with(spec, "resources", |resources| {
        pod_limits(resources, limits);
        pod_requests(resources, requests);
    });
}

/// Limits huge pages of the pod to what its containers are limited to.
fn pod_limits(resources: &mut Doc, containers: Amounts) {
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
fn pod_requests(resources: &mut Doc, containers: Amounts) {
    let Some(limits) = object(resources, "limits").filter(|limits| !limits.is_empty()).cloned() else { return };
    let mut requests = object(resources, "requests").cloned().unwrap_or_default();
    for (name, amount) in containers {
        if matches!(name.as_str(), "cpu" | "memory") && !requests.contains_key(&name) {
            requests.insert(name, Value::String(amount.to_string()));
        }
    }
    for (name, limit) in limits {
        if is_of_pods(&name) && !requests.contains_key(&name) {
            requests.insert(name, limit);
        }
    }
    if !requests.is_empty() {
        resources.insert("requests".to_owned(), Value::Object(requests));
    }
}
