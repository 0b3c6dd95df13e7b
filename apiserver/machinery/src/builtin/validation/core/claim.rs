//! PersistentVolumeClaims and templates of them.

use crate::builtin::amount::{self, Amount};
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain, qualified_name};
use crate::builtin::same::same;
use crate::builtin::validation::diff::unified;
use crate::builtin::validation::meta::{self, Values};
use crate::builtin::validation::resources;
use crate::field_error::FieldErrors;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

const MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// Rules that are relaxed for claims that broke them before.
#[derive(Clone, Copy)]
pub(crate) struct ClaimRules {
    /// Which label values the selector may name.
    pub(crate) values: Values,
    /// The API group of a data source may be malformed.
    pub(crate) any_group: bool,
}

impl Default for ClaimRules {
    fn default() -> Self {
        Self { values: Values::Strict, any_group: false }
    }
}

impl ClaimRules {
    fn after(old: &At) -> Self {
        let spec = old.get("spec");
        let named = |name: &str| spec.get(name).get("apiGroup").has();
        Self {
            values: Values::unless_bad(&spec.get("selector")),
            any_group: named("dataSource") || named("dataSourceRef"),
        }
    }
}

/// Access modes of a claim or a volume.
pub(super) fn access_modes(at: &At, errors: &mut FieldErrors) {
    let (mut alone, mut others) = (false, false);
    for mode in at.strings() {
        if !MODES.contains(&mode) {
            at.unsupported_value(errors, mode, MODES);
        } else if mode == "ReadWriteOncePod" {
            alone = true;
        } else {
            others = true;
        }
    }
    if alone && others {
        at.forbidden(errors, "may not use ReadWriteOncePod with other access modes");
    }
}

/// The spec of a claim.
pub(crate) fn spec(at: &At, rules: &ClaimRules, errors: &mut FieldErrors) {
    let modes = at.get("accessModes");
    if modes.is_empty() {
        modes.required(errors, "at least 1 access mode is required");
    }
    meta::selector(&at.get("selector"), rules.values, errors);
    access_modes(&modes, errors);
    let resources_at = at.get("resources");
    let requested = resources_at.get("requests");
    let requested = requested.get("storage");
    let storage = resources_at.key("storage");
    if requested.has() {
        if !Amount::of(requested.str()).is_positive() {
            storage.invalid(errors, requested.str(), "must be greater than zero");
        }
    } else {
        storage.required(errors, "");
    }
    at.get("storageClassName").check_set(errors, dns_subdomain);
    let mode = at.get("volumeMode");
    if mode.has() {
        mode.one_of(errors, &["Block", "Filesystem"]);
    }
    data_sources(at, rules, errors);
    at.get("volumeAttributesClassName").check_set(errors, dns_subdomain);
}

fn data_sources(at: &At, rules: &ClaimRules, errors: &mut FieldErrors) {
    let (source, reference) = (at.get("dataSource"), at.get("dataSourceRef"));
    for data in [source, reference].iter().filter(|data| data.has()) {
        data.get("name").require(errors);
        data.get("kind").require(errors);
        let (group, kind) = (data.get("apiGroup"), data.get("kind").str());
        if group.is_empty() && kind != "PersistentVolumeClaim" {
            data.invalid(errors, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
        }
        if !rules.any_group {
            group.check_set(errors, dns_subdomain);
        }
    }
    let namespace = reference.get("namespace");
    namespace.check_set(errors, dns_label);
    if !namespace.is_empty() {
        if source.has() {
            at.invalid_shown(errors, "{}", "may not be specified when dataSourceRef.namespace is specified");
        }
    } else if source.has() && reference.has() {
        let same =
            ["apiGroup", "kind", "name"].iter().all(|name| same(source.get(name).value(), reference.get(name).value()));
        if !same {
            at.invalid_shown(errors, "{}", "must match dataSourceRef");
        }
    }
}

/// A claim that is created.
pub(in super::super) fn create(root: &At, errors: &mut FieldErrors) {
    spec(&root.get("spec"), &ClaimRules::default(), errors);
}

fn put(spec: &mut Value, path: &[&str], value: &Value) {
    let Some((name, parents)) = path.split_last() else { return };
    let mut place = spec;
    for parent in parents {
        let Some(map) = place.as_object_mut() else { return };
        place = map.entry(*parent).or_insert_with(|| Value::Object(Map::new()));
    }
    let Some(map) = place.as_object_mut() else { return };
    if value.is_null() {
        map.remove(*name);
    } else {
        map.insert((*name).to_owned(), value.clone());
    }
}

/// A claim that replaces another.
pub(in super::super) fn update(new: &At, old: &At, errors: &mut FieldErrors) {
    let (spec_at, before) = (new.get("spec"), old.get("spec"));
    spec(&spec_at, &ClaimRules::after(old), errors);
    let (mut now, mut then) = (spec_at.value().clone(), before.value().clone());
    if before.get("volumeName").is_empty() {
        put(&mut then, &["volumeName"], spec_at.get("volumeName").value());
    }
    storage_class(new, old, &mut now, errors);
    let bound = new.get("status").get("phase").str() == "Bound";
    let storage = |spec: &At| spec.get("resources").get("requests").get("storage").str().to_owned();
    if bound {
        let requests = spec_at.get("resources");
        if requests.get("requests").has() {
            put(&mut now, &["resources", "requests", "storage"], &json!(storage(&before)));
        }
        put(&mut now, &["volumeAttributesClassName"], before.get("volumeAttributesClassName").value());
    }
    if !same(&now, &then) {
        let diff = unified(&then, &now);
        spec_at.forbidden(
            errors,
            format!(
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
                 claims\n{diff}"
            ),
        );
    }
    if amount::compare(&storage(&spec_at), &storage(&before)) == Ordering::Less {
        let capacity = old.get("status");
        let capacity = capacity.get("capacity").get("storage").str().to_owned();
        if amount::compare(&storage(&spec_at), &capacity) != Ordering::Greater {
            let resources = spec_at.get("resources");
            let requests = resources.get("requests");
            requests.get("storage").forbidden(errors, "field can not be less than status.capacity");
        }
    }
    new.named("volumeMode", spec_at.get("volumeMode").value()).immutable(errors, before.get("volumeMode").value());
    attributes_class(&spec_at, old, errors);
}

fn storage_class(new: &At, old: &At, now: &mut Value, errors: &mut FieldErrors) {
    let (metadata, old_metadata) = (new.get("metadata"), old.get("metadata"));
    let (annotations, old_annotations) = (metadata.get("annotations"), old_metadata.get("annotations"));
    let (class, old_class) = (annotations.get(CLASS_ANNOTATION), old_annotations.get(CLASS_ANNOTATION));
    let (spec, old_spec) = (new.get("spec"), old.get("spec"));
    let (name, old_name) = (spec.get("storageClassName"), old_spec.get("storageClassName"));
    let moved = old_class.has()
        && !old_name.has()
        && name.text() == Some(old_class.str())
        && (!class.has() || class.str() == old_class.str());
    if moved {
        put(now, &["storageClassName"], &Value::Null);
        return;
    }
    if class.str() != old_class.str() {
        class.invalid(errors, class.str(), "field is immutable");
    }
    if name.has() && !old_name.has() && (!old_class.has() || name.str() == old_class.str()) {
        put(now, &["storageClassName"], &Value::Null);
    }
}

fn attributes_class(spec: &At, old: &At, errors: &mut FieldErrors) {
    let at = spec.get("volumeAttributesClassName");
    if same(at.value(), old.get("spec").get("volumeAttributesClassName").value()) {
        return;
    }
    if !old.get("status").get("currentVolumeAttributesClassName").has() {
        return;
    }
    match at.text() {
        None => {
            at.forbidden(errors, "update to nil is forbidden when status.currentVolumeAttributesClassName is not nil")
        }
        Some("") => at.forbidden(
            errors,
            "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil",
        ),
        Some(_) => {}
    }
}

/// A claim whose status is written.
pub(in super::super) fn status_update(new: &At, errors: &mut FieldErrors) {
    const STATUSES: &[&str] = &[
        "ControllerResizeInProgress",
        "ControllerResizeInfeasible",
        "NodeResizeInProgress",
        "NodeResizeInfeasible",
        "NodeResizePending",
    ];
    let status = new.get("status");
    if new.get("metadata").get("resourceVersion").is_empty() {
        new.get("resourceVersion").required(errors, "");
    }
    if new.get("spec").get("accessModes").is_empty() {
        new.get("Spec").get("accessModes").required(errors, "");
    }
    for (_, amount) in status.get("capacity").entries() {
        resources::basic_quantity(&amount, errors);
    }
    let statuses = status.get("allocatedResourceStatuses");
    for (name, value) in statuses.entries() {
        resource_key(&statuses, name, errors);
        if !STATUSES.contains(&value.str()) {
            statuses.unsupported_value(errors, name, STATUSES);
        }
    }
    let allocated = status.get("allocatedResources");
    for (name, amount) in allocated.entries() {
        if resource_key(&allocated, name, errors) && resources::basic_quantity(&amount, errors) {
            resources::quantity(&amount, "storage", errors);
        }
    }
}

fn resource_key(at: &At, name: &str, errors: &mut FieldErrors) -> bool {
    let before = errors.len();
    at.check_text(errors, name, qualified_name);
    if errors.len() == before && resources::is_native(name) && name != "storage" {
        at.unsupported_value(errors, name, &["storage"]);
    }
    errors.len() == before
}
