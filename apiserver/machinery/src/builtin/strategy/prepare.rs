//! What the server itself changes in an object before it is validated: upstream's PrepareForCreate and
//! PrepareForUpdate.

use super::{Generation, StatusKeeps, Strategy, drops, normalize, pod, service, strategy_of_kind};
use crate::builtin::same::same;
use crate::builtin::{Gvk, TEMPLATE_GENERATION};
use serde_json::{Map, Value, json};

/// Which part of an object a request writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subresource {
    /// The object itself.
    Main,
    /// `/status`.
    Status,
    /// `/ephemeralcontainers` of a pod.
    EphemeralContainers,
    /// `/resize` of a pod.
    Resize,
    /// `/approval` of a certificate signing request.
    Approval,
    /// `/finalize` of a namespace.
    Finalize,
}

static NOTHING: Value = Value::Null;

pub(super) fn field<'v>(object: &'v Value, name: &str) -> &'v Value {
    object.get(name).unwrap_or(&NOTHING)
}

/// Sets a field, or removes it when the value is `null`.
pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    let Some(map) = object.as_object_mut() else { return };
    if value.is_null() {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value);
    }
}

/// Copies a field from another object, or removes it.
pub(super) fn copy(object: &mut Value, name: &str, from: &Value) {
    set(object, name, field(from, name).clone());
}

/// A field that is an object, made when absent.
pub(super) fn section<'v>(object: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    let entry = object.as_object_mut()?.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if entry.is_null() {
        *entry = Value::Object(Map::new());
    }
    Some(entry)
}

fn generation(object: &Value) -> i64 {
    object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0)
}

fn set_generation(object: &mut Value, value: i64) {
    if let Some(metadata) = section(object, "metadata") {
        set(metadata, "generation", if value == 0 { Value::Null } else { Value::from(value) });
    }
}

/// Prepares an object that is about to be created; returns warnings for the client.
///
/// The object already has its name, uid and defaults. `now` is the time as RFC 3339 with seconds.
pub fn prepare_for_create(gvk: Gvk<'_>, object: &mut Value, now: &str) -> Vec<String> {
    normalize::normalize(gvk, object);
    let Some(entry) = strategy_of_kind(gvk.group, gvk.kind) else { return Vec::new() };
    if entry.clears_status {
        set(object, "status", json!({}));
    }
    match entry.generation {
        Generation::Never | Generation::Raised(_) => {}
        Generation::Fixed | Generation::Fields(_) | Generation::SpecAndAnnotations | Generation::AllButMetadata => {
            set_generation(object, 1)
        }
    }
    drops::drop_disabled(gvk, object, None);
    match (gvk.group, gvk.kind) {
        ("", "Pod") => return pod::prepare_for_create(object),
        ("", "Namespace") => create_namespace(object),
        ("", "PersistentVolume") => set(object, "status", json!({"phase": "Pending", "lastPhaseTransitionTime": now})),
        ("", "PersistentVolumeClaim") => {
            set(object, "status", json!({"phase": "Pending"}));
            link_data_sources(object);
        }
        ("", "Service") | ("networking.k8s.io", "Ingress") => set(object, "status", json!({"loadBalancer": {}})),
        ("", "LimitRange") => name_by_uid(object),
        ("", "ServiceAccount") => clean_secret_references(object),
        ("apiregistration.k8s.io", "APIService") => mark_local(object, now),
        ("apps", "DaemonSet") => set_template_generation(object),
        ("batch", "Job") => generate_selector(object),
        _ => {}
    }
    Vec::new()
}

/// Prepares an object that is about to replace another.
///
/// `now` is the time as RFC 3339 with seconds.
pub fn prepare_for_update(gvk: Gvk<'_>, object: &mut Value, old: &Value, subresource: Subresource, now: &str) {
    normalize::normalize(gvk, object);
    let Some(entry) = strategy_of_kind(gvk.group, gvk.kind) else { return };
    set_generation(object, generation(old));
    match subresource {
        Subresource::Main => {
            prepare_main(gvk, entry, object, old);
            raise_generation(entry, object, old);
        }
        Subresource::Status => prepare_status(gvk, entry, object, old, now),
        Subresource::EphemeralContainers => {
            pod::keep_all_but_ephemeral(object, old);
            raise_generation(entry, object, old);
        }
        Subresource::Resize => {
            pod::keep_all_but_resources(object, old);
            raise_generation(entry, object, old);
        }
        Subresource::Approval => prepare_approval(object, old, now),
        Subresource::Finalize => copy(object, "status", old),
    }
}

fn prepare_main(gvk: Gvk<'_>, entry: &Strategy, object: &mut Value, old: &Value) {
    if entry.main_keeps_status {
        copy(object, "status", old);
    }
    drops::drop_disabled(gvk, object, Some(old));
    match (gvk.group, gvk.kind) {
        ("", "Namespace") => {
            let finalizers = old.pointer("/spec/finalizers").cloned().unwrap_or_default();
            if let Some(spec) = section(object, "spec") {
                set(spec, "finalizers", finalizers);
            }
        }
        ("", "PersistentVolumeClaim") => {
            if data_source_unused(old) {
                drop_foreign_data_source(object);
            }
            normalize_data_sources(object);
        }
        ("", "Service") => service::drop_type_dependent(object, old),
        ("", "Secret") if field(object, "type").as_str().unwrap_or("").is_empty() => {
            copy(object, "type", old);
        }
        ("", "ServiceAccount") => clean_secret_references(object),
        ("apps", "DaemonSet") => keep_template_generation(object, old),
        ("certificates.k8s.io", "CertificateSigningRequest") => copy(object, "spec", old),
        _ => {}
    }
}

fn raise_generation(entry: &Strategy, object: &mut Value, old: &Value) {
    let differs = |names: &[&str]| names.iter().any(|name| !same(field(object, name), field(old, name)));
    let metadata = |object: &Value, name: &str| field(field(object, "metadata"), name).clone();
    let raised = match entry.generation {
        Generation::Never | Generation::Fixed => false,
        Generation::Fields(names) | Generation::Raised(names) => differs(names),
        Generation::SpecAndAnnotations => {
            differs(&["spec"]) || !same(&metadata(object, "annotations"), &metadata(old, "annotations"))
        }
        Generation::AllButMetadata => {
            let body = |object: &Value| {
                let mut map = object.as_object().cloned().unwrap_or_default();
                map.remove("metadata");
                Value::Object(map)
            };
            !same(&body(object), &body(old)) || !same(&metadata(object, "labels"), &metadata(old, "labels"))
        }
    };
    if raised {
        set_generation(object, generation(old) + 1);
    }
}

const STATUS_METADATA: &[&str] = &[
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
];

fn prepare_status(gvk: Gvk<'_>, entry: &Strategy, object: &mut Value, old: &Value, now: &str) {
    copy(object, "spec", old);
    let old_metadata = field(old, "metadata");
    if let Some(metadata) = section(object, "metadata") {
        match entry.status_keeps {
            StatusKeeps::Spec => {}
            StatusKeeps::Labels => copy(metadata, "labels", old_metadata),
            StatusKeeps::Metadata => STATUS_METADATA.iter().for_each(|name| copy(metadata, name, old_metadata)),
            StatusKeeps::AllMetadata => {
                let managed = field(metadata, "managedFields").clone();
                *metadata = old_metadata.clone();
                set(metadata, "managedFields", managed);
            }
            StatusKeeps::Owners => copy(metadata, "ownerReferences", old_metadata),
        }
    }
    match (gvk.group, gvk.kind) {
        ("", "Pod") => pod::prepare_status(object, old),
        ("", "Node") => drops::drop_node_config_status(object, old),
        ("", "PersistentVolume") => touch_phase(object, old, now),
        ("apps", "DaemonSet") => keep_template_generation(object, old),
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            keep_conditions(object, old, "Approved");
            keep_conditions(object, old, "Denied");
            stamp_conditions(object, old, now);
        }
        _ => {}
    }
}

fn create_namespace(object: &mut Value) {
    set(object, "status", json!({"phase": "Active"}));
    let Some(spec) = section(object, "spec") else { return };
    let Some(map) = spec.as_object_mut() else { return };
    let finalizers = map.entry("finalizers").or_insert_with(|| json!([]));
    if finalizers.is_null() {
        *finalizers = json!([]);
    }
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|item| item == "kubernetes")
    {
        list.push(Value::from("kubernetes"));
    }
}

fn name_by_uid(object: &mut Value) {
    let uid = object.pointer("/metadata/uid").cloned().unwrap_or_default();
    if let Some(metadata) = section(object, "metadata")
        && field(metadata, "name").as_str().unwrap_or("").is_empty()
    {
        set(metadata, "name", uid);
    }
}

fn clean_secret_references(object: &mut Value) {
    for secret in object.get_mut("secrets").and_then(Value::as_array_mut).into_iter().flatten() {
        *secret = match secret.get("name").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => json!({"name": name}),
            _ => json!({}),
        };
    }
}

/// What this server serves itself is available.
fn mark_local(object: &mut Value, now: &str) {
    if object.pointer("/spec/service").is_none_or(Value::is_null) {
        let condition = json!({"type": "Available", "status": "True", "lastTransitionTime": now, "reason": "Local",
            "message": "Local APIServices are always available"});
        set(object, "status", json!({"conditions": [condition]}));
    }
}

fn set_template_generation(object: &mut Value) {
    // apps/v1 has no such field; it lives in an annotation there.
    let written = template_generation(object);
    if written < 1
        && let Some(annotations) = section(object, "metadata").and_then(|metadata| section(metadata, "annotations"))
    {
        set(annotations, TEMPLATE_GENERATION, Value::from("1"));
    }
}

/// The template's generation is the server's to raise.
fn keep_template_generation(object: &mut Value, old: &Value) {
    let template = |object: &Value| object.pointer("/spec/template").cloned().unwrap_or_default();
    let changed = !same(&template(object), &template(old));
    let generation = template_generation(old) + i64::from(changed);
    if let Some(annotations) = section(object, "metadata").and_then(|metadata| section(metadata, "annotations")) {
        set(annotations, TEMPLATE_GENERATION, Value::from(generation.to_string()));
    }
}

fn template_generation(object: &Value) -> i64 {
    let annotations = field(field(object, "metadata"), "annotations");
    field(annotations, TEMPLATE_GENERATION).as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn generate_selector(object: &mut Value) {
    if object.pointer("/spec/manualSelector").and_then(Value::as_bool).unwrap_or(false) {
        return;
    }
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    let uid = object.pointer("/metadata/uid").cloned().unwrap_or_default();
    let Some(spec) = section(object, "spec") else { return };
    let labels = section(spec, "template")
        .and_then(|template| section(template, "metadata"))
        .and_then(|metadata| section(metadata, "labels"))
        .and_then(Value::as_object_mut);
    if let Some(labels) = labels {
        for (key, value) in [
            ("job-name", &name),
            ("batch.kubernetes.io/job-name", &name),
            ("controller-uid", &uid),
            ("batch.kubernetes.io/controller-uid", &uid),
        ] {
            labels.entry(key).or_insert_with(|| value.clone());
        }
    }
    let matching =
        section(spec, "selector").and_then(|selector| section(selector, "matchLabels")).and_then(Value::as_object_mut);
    if let Some(matching) = matching {
        matching.entry("batch.kubernetes.io/controller-uid").or_insert(uid);
    }
}

fn data_source_unused(old: &Value) -> bool {
    old.pointer("/spec/dataSource").is_none_or(Value::is_null)
        && old.pointer("/spec/dataSourceRef").is_none_or(Value::is_null)
}

fn link_data_sources(object: &mut Value) {
    drop_foreign_data_source(object);
    normalize_data_sources(object);
}

/// Drops a `dataSource` of a type that only `dataSourceRef` may name.
fn drop_foreign_data_source(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else { return };
    if !field(spec, "dataSourceRef").is_null() {
        return;
    }
    let source = field(spec, "dataSource");
    let group = field(source, "apiGroup").as_str().unwrap_or("");
    let kind = field(source, "kind").as_str().unwrap_or("");
    let known = matches!((group, kind), ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot"));
    if !known {
        set(spec, "dataSource", Value::Null);
    }
}

/// Fills `dataSource` and `dataSourceRef` from each other.
fn normalize_data_sources(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else { return };
    let source = field(spec, "dataSource").clone();
    let reference = field(spec, "dataSourceRef").clone();
    if !source.is_null() && reference.is_null() {
        set(spec, "dataSourceRef", source);
    } else if source.is_null() && !reference.is_null() {
        let namespace = field(&reference, "namespace").as_str().unwrap_or("");
        if namespace.is_empty() {
            let mut local = reference.clone();
            set(&mut local, "namespace", Value::Null);
            set(spec, "dataSource", local);
        }
    }
}

fn touch_phase(object: &mut Value, old: &Value, now: &str) {
    let old_status = field(old, "status");
    let Some(status) = section(object, "status") else { return };
    let same_phase = field(status, "phase") == field(old_status, "phase");
    let time = field(status, "lastPhaseTransitionTime");
    let old_time = field(old_status, "lastPhaseTransitionTime");
    if same_phase && time.is_null() {
        copy(status, "lastPhaseTransitionTime", old_status);
    } else if !same_phase && (time.is_null() || time == old_time) {
        set(status, "lastPhaseTransitionTime", Value::from(now));
    }
}

fn conditions(object: &Value) -> &[Value] {
    object.pointer("/status/conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn keep_conditions(object: &mut Value, old: &Value, kind: &str) {
    let is_kind = |condition: &&Value| field(condition, "type") == kind;
    let kept: Vec<Value> = conditions(old).iter().filter(is_kind).cloned().collect();
    if conditions(object).iter().filter(is_kind).count() != kept.len() {
        return;
    }
    let Some(list) = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) else { return };
    let places = list.iter_mut().filter(|condition| field(condition, "type") == kind);
    for (place, condition) in places.zip(kept) {
        *place = condition;
    }
}

fn stamp_conditions(object: &mut Value, old: &Value, now: &str) {
    let before = conditions(old).to_vec();
    let Some(list) = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) else { return };
    for condition in list {
        if field(condition, "lastUpdateTime").is_null() {
            set(condition, "lastUpdateTime", Value::from(now));
        }
        if field(condition, "lastTransitionTime").is_null() {
            let matching = before.iter().find(|old| {
                field(old, "type") == field(condition, "type")
                    && field(old, "status") == field(condition, "status")
                    && !field(old, "lastTransitionTime").is_null()
            });
            let time = matching.map_or_else(|| Value::from(now), |old| field(old, "lastTransitionTime").clone());
            set(condition, "lastTransitionTime", time);
        }
    }
}

fn prepare_approval(object: &mut Value, old: &Value, now: &str) {
    stamp_conditions(object, old, now);
    let conditions = object.pointer("/status/conditions").cloned().unwrap_or_default();
    copy(object, "spec", old);
    copy(object, "status", old);
    if let Some(status) = section(object, "status") {
        set(status, "conditions", conditions);
    }
}
