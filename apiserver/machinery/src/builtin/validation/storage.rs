//! Storage classes, volume attachments and what CSI drivers tell about themselves.

use super::core::volume;
use super::meta::{Values, selector};
use super::pod::sources::csi_driver;
use super::resources::non_negative_quantity;
use crate::builtin::at::At;
use crate::builtin::formats::{dns_subdomain, qualified_name, range_error};
use crate::builtin::same::same;
use crate::field_error::FieldErrors;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PARAMETERS_MAX: usize = 512;
const PARAMETERS_SIZE_MAX: usize = 256 * 1024;

fn provisioner(at: &At, errors: &mut FieldErrors) {
    if !at.require(errors) {
        let text = at.str().to_lowercase();
        for message in qualified_name(&text) {
            at.invalid(errors, text.as_str(), message);
        }
    }
}

fn size(at: &At) -> usize {
    at.entries().map(|(key, value)| key.len() + value.len()).sum()
}

fn parameters(at: &At, may_be_empty: bool, errors: &mut FieldErrors) {
    if at.len() > PARAMETERS_MAX {
        at.too_long(errors, PARAMETERS_MAX);
        return;
    }
    if at.entries().any(|(key, _)| key.is_empty()) {
        at.invalid(errors, "", "field can not be empty.");
    }
    if size(at) > PARAMETERS_SIZE_MAX {
        at.too_long(errors, PARAMETERS_SIZE_MAX);
    }
    if !may_be_empty && at.is_empty() {
        at.required(errors, "must contain at least one key/value pair");
    }
}

/// A class of storage.
pub(super) fn storage_class(root: &At, errors: &mut FieldErrors) {
    provisioner(&root.get("provisioner"), errors);
    parameters(&root.get("parameters"), true, errors);
    let (policy, mode) = (root.get("reclaimPolicy"), root.get("volumeBindingMode"));
    if !policy.is_empty() {
        policy.one_of(errors, &["Delete", "Retain"]);
    }
    if mode.has() {
        mode.one_of(errors, &["Immediate", "WaitForFirstConsumer"]);
    } else {
        mode.required(errors, "");
    }
    let mut terms: Vec<BTreeMap<&str, BTreeSet<&str>>> = Vec::new();
    let topologies = root.get("allowedTopologies");
    for term in topologies.items() {
        let requirements = topology_term(&term, errors);
        // Upstream compares with as many empty terms as there are terms, before those seen so far.
        let empty = if requirements.is_empty() { topologies.len() } else { 0 };
        let seen = terms.iter().filter(|earlier| **earlier == requirements).count();
        for _ in 0..empty + seen {
            term.get("matchLabelExpressions").duplicate(errors, "");
        }
        terms.push(requirements);
    }
}

fn topology_term<'v>(at: &At<'_, 'v>, errors: &mut FieldErrors) -> BTreeMap<&'v str, BTreeSet<&'v str>> {
    let mut requirements = BTreeMap::new();
    for expression in at.get("matchLabelExpressions").items() {
        let (key, list) = (expression.get("key"), expression.get("values"));
        let mut values = BTreeSet::new();
        list.require(errors);
        for value in list.items() {
            if !values.insert(value.str()) {
                value.duplicate(errors, value.str());
            }
        }
        key.check(errors, qualified_name);
        if requirements.insert(key.str(), values).is_some() {
            key.duplicate(errors, key.str());
        }
    }
    requirements
}

fn fixed(new: &At, old: &At, name: &str, errors: &mut FieldErrors) {
    let at = new.get(name);
    if !same(at.value(), old.get(name).value()) {
        at.forbidden(errors, format!("updates to {name} are forbidden."));
    }
}

/// A change of a class of storage.
pub(super) fn storage_class_update(new: &At, old: &At, errors: &mut FieldErrors) {
    ["parameters", "provisioner", "reclaimPolicy"].iter().for_each(|name| fixed(new, old, name, errors));
    new.get("volumeBindingMode").immutable(errors, old.get("volumeBindingMode").value());
}

/// A class of volume attributes.
pub(super) fn attributes_class(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    if let Some(old) = old {
        ["driverName", "parameters"].iter().for_each(|name| fixed(root, old, name, errors));
    }
    provisioner(&root.get("driverName"), errors);
    parameters(&root.get("parameters"), false, errors);
}

/// An attachment of a volume to a node.
pub(super) fn attachment(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let (spec, status) = (root.get("spec"), root.get("status"));
    let (attacher, source) = (spec.get("attacher"), spec.get("source"));
    attacher.require(errors);
    let (inline, name) = (source.get("inlineVolumeSpec"), source.get("persistentVolumeName"));
    let message = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (inline.has(), name.has()) {
        (false, false) => source.required(errors, message),
        (true, true) => source.forbidden(errors, message),
        (false, true) => {
            if name.is_empty() {
                name.required(errors, "must specify non empty persistentVolumeName");
            }
        }
        (true, false) => volume::spec(&inline, "", true, Values::Strict, errors),
    }
    spec.get("nodeName").check(errors, dns_subdomain);
    let metadata = status.get("attachmentMetadata");
    if size(&metadata) > PARAMETERS_SIZE_MAX {
        metadata.too_long(errors, PARAMETERS_SIZE_MAX);
    }
    for name in ["attachError", "detachError"] {
        let error = status.get(name);
        if error.get("message").len() > 1024 {
            error.get("message").too_long(errors, PARAMETERS_SIZE_MAX);
        }
        let code = error.get("errorCode");
        if code.int() < 0 {
            code.invalid(errors, code.int(), range_error(0, i64::from(i32::MAX)));
        }
    }
    match old {
        None => {
            csi_driver(&attacher, errors);
            if name.has() {
                name.check(errors, dns_subdomain);
            }
        }
        Some(old) => {
            if !same(spec.value(), old.get("spec").value()) {
                spec.invalid_here(errors, "field is immutable");
            }
        }
    }
}

/// What is known about the CSI drivers of a node.
pub(super) fn csi_node(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let drivers = spec.get("drivers");
    let mut names = BTreeSet::new();
    for driver in drivers.items() {
        let (name, id) = (driver.get("name"), driver.get("nodeID"));
        csi_driver(&name, errors);
        id.require(errors);
        if id.len() > 256 {
            id.invalid(errors, id.str(), "must be 256 characters or less");
        }
        driver.get("allocatable").get("count").non_negative(errors);
        if !names.insert(name.str()) {
            name.duplicate(errors, name.str());
        }
        let mut keys = BTreeSet::new();
        for key in driver.get("topologyKeys").strings() {
            if key.is_empty() {
                driver.required(errors, "");
            }
            if !keys.insert(key) {
                driver.duplicate(errors, key);
            }
            driver.check_text(errors, key, qualified_name);
        }
    }
    let Some(old) = old else { return };
    let bare = |driver: &At| {
        let mut value = driver.value().clone();
        if let Some(map) = value.as_object_mut() {
            map.remove("allocatable");
        }
        value
    };
    for before in old.get("spec").get("drivers").items() {
        for driver in drivers.items() {
            let (now, then): (Value, Value) = (bare(&driver), bare(&before));
            if driver.get("name").str() == before.get("name").str() && !same(&now, &then) {
                drivers.invalid(errors, now, "field is immutable");
            }
        }
    }
}

/// What a CSI driver needs.
pub(super) fn driver(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let attach = spec.named("attachedRequired", spec.get("attachRequired").value());
    for flag in [&attach, &spec.get("podInfoOnMount"), &spec.get("storageCapacity")] {
        if !flag.has() {
            flag.required(errors, "");
        }
    }
    let (policy, requests) = (spec.get("fsGroupPolicy"), spec.get("tokenRequests"));
    if policy.has() {
        policy.one_of(errors, &["File", "None", "ReadWriteOnceWithFSType"]);
    }
    token_requests(&requests, errors);
    let modes = spec.get("volumeLifecycleModes");
    for mode in modes.strings().filter(|mode| !matches!(*mode, "Persistent" | "Ephemeral")) {
        modes.unsupported_value(errors, mode, &["Persistent", "Ephemeral"]);
    }
    if !spec.get("seLinuxMount").has() {
        spec.get("seLinuxMount").required(errors, "");
    }
    let period = spec.get("nodeAllocatableUpdatePeriodSeconds");
    if period.has() && period.int() < 10 {
        period.invalid(errors, period.int(), "must be greater than or equal to 10 seconds");
    }
    let secrets = spec.get("serviceAccountTokenInSecrets");
    if secrets.has() && requests.is_empty() {
        let message = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        secrets.invalid_here(errors, message);
    }
    if let Some(old) = old {
        let before = old.get("spec");
        attach.immutable(errors, before.get("attachRequired").value());
        modes.immutable(errors, before.get("volumeLifecycleModes").value());
    }
}

fn token_requests(at: &At, errors: &mut FieldErrors) {
    let mut audiences = BTreeSet::new();
    for request in at.items() {
        let (audience, expiration) = (request.get("audience"), request.get("expirationSeconds"));
        if !audiences.insert(audience.str()) {
            audience.duplicate(errors, audience.str());
            continue;
        }
        let Some(seconds) = expiration.number() else { continue };
        if seconds < 600 {
            expiration.invalid(errors, seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds > 1 << 32 {
            expiration.invalid(errors, seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
}

/// Storage that is available in a part of the cluster.
pub(super) fn capacity(root: &At, errors: &mut FieldErrors) {
    selector(&root.get("nodeTopology"), Values::Strict, errors);
    root.get("storageClassName").check(errors, dns_subdomain);
    if root.get("capacity").has() {
        non_negative_quantity(&root.get("capacity"), errors);
    }
}

/// A change of such storage.
pub(super) fn capacity_update(new: &At, old: &At, errors: &mut FieldErrors) {
    super::meta::immutable_selector(&new.get("nodeTopology"), old.get("nodeTopology").value(), errors);
    new.get("storageClassName").immutable(errors, old.get("storageClassName").value());
}
