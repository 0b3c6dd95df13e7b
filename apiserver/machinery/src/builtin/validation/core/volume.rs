//! PersistentVolumes.

use super::claim::access_modes;
use crate::builtin::at::At;
use crate::builtin::formats::dns_subdomain;
use crate::builtin::same::same;
use crate::builtin::validation::diff::unified;
use crate::builtin::validation::meta::Values;
use crate::builtin::validation::pod::affinity::node_selector;
use crate::builtin::validation::pod::sources::{self, ONE_TYPE};
use crate::builtin::validation::resources;
use crate::builtin::validation::shape::{Part, Shape, shown};
use crate::field_error::FieldErrors;
use serde_json::{Map, Value};

const INLINE: &str = "may not be specified in the context of inline volumes";

type Check = fn(&At, &mut FieldErrors);

/// Kind of volume: field, path when it is one too many, path of its own errors, and rule.
const SOURCES: &[(&str, &str, &str, Check)] = &[
    ("hostPath", "hostPath", "hostPath", sources::host_path),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", |at, errors| sources::disk(at, "pdName", errors)),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", |at, errors| {
        sources::disk(at, "volumeID", errors);
    }),
    ("glusterfs", "glusterfs", "glusterfs", sources::glusterfs),
    ("flocker", "flocker", "flocker", sources::flocker),
    ("nfs", "nfs", "nfs", sources::nfs),
    ("rbd", "rbd", "rbd", sources::rbd),
    ("quobyte", "quobyte", "quobyte", sources::quobyte),
    ("cephfs", "cephFS", "cephfs", sources::cephfs),
    ("iscsi", "iscsi", "iscsi", |_, _| {}),
    ("cinder", "cinder", "cinder", sources::persistent_cinder),
    ("fc", "fc", "fc", sources::fibre_channel),
    ("flexVolume", "flexVolume", "flexVolume", sources::flex),
    ("azureFile", "azureFile", "azureFile", sources::azure_file),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", |at, errors| {
        at.get("volumePath").require(errors);
    }),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", |at, errors| {
        at.get("pdID").require(errors);
    }),
    ("portworxVolume", "portworxVolume", "portworxVolume", |at, errors| {
        at.get("volumeID").require(errors);
    }),
    ("azureDisk", "azureDisk", "azureDisk", sources::azure_disk),
    ("scaleIO", "scaleIO", "scaleIO", sources::scale_io),
    ("local", "local", "local", local),
    ("storageos", "storageos", "storageos", sources::persistent_storage_os),
    ("csi", "csi", "csi", csi),
];

fn local(at: &At, errors: &mut FieldErrors) {
    let path = at.get("path");
    if !path.require(errors) {
        sources::no_backsteps(&path, path.str(), errors);
    }
}

fn csi(at: &At, errors: &mut FieldErrors) {
    sources::csi_driver(&at.get("driver"), errors);
    at.get("volumeHandle").require(errors);
    for name in
        ["controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"]
    {
        let secret = at.get(name);
        if secret.has() {
            secret.get("name").require_check(errors, dns_subdomain);
            secret.get("namespace").require_check(errors, crate::builtin::formats::dns_label);
        }
    }
}

/// The spec of a volume; an inline one belongs to a VolumeAttachment.
pub(crate) fn spec(at: &At, name: &str, inline: bool, values: Values, errors: &mut FieldErrors) {
    if inline {
        if at.get("claimRef").has() {
            at.get("claimRef").forbidden(errors, INLINE);
        }
        if !at.get("capacity").is_empty() {
            at.get("capacity").forbidden(errors, INLINE);
        }
        if !at.get("csi").has() {
            at.get("csi").required(errors, "has to be specified in the context of inline volumes");
        }
    }
    at.get("accessModes").require(errors);
    access_modes(&at.get("accessModes"), errors);
    if !inline {
        capacity(&at.get("capacity"), errors);
    }
    reclaim_policy(at, inline, errors);
    let has_affinity = affinity(&at.get("nodeAffinity"), inline, values, errors);
    volume_source(at, name, has_affinity, errors);
    if at.get("hostPath").get("path").str().trim_matches('/').is_empty()
        && at.get("hostPath").get("path").str().starts_with('/')
        && at.get("persistentVolumeReclaimPolicy").str() == "Recycle"
    {
        at.get("persistentVolumeReclaimPolicy").forbidden(errors, "may not be 'recycle' for a hostPath mount of '/'");
    }
    classes(at, inline, errors);
}

fn classes(at: &At, inline: bool, errors: &mut FieldErrors) {
    let class = at.get("storageClassName");
    if inline && !class.is_empty() {
        class.forbidden(errors, INLINE);
    } else {
        class.check_set(errors, dns_subdomain);
    }
    let mode = at.get("volumeMode");
    if mode.has() {
        if !inline {
            mode.one_of(errors, &["Block", "Filesystem"]);
        } else if mode.str() != "Filesystem" {
            mode.forbidden(errors, "may not specify volumeMode other than Filesystem in the context of inline volumes");
        }
    }
    let attributes = at.get("volumeAttributesClassName");
    if attributes.has() && !inline {
        if attributes.is_empty() {
            attributes.required(errors, "an empty string is disallowed");
        } else {
            attributes.check(errors, dns_subdomain);
        }
        if !at.get("csi").has() {
            at.get("csi").required(errors, "has to be specified when using volumeAttributesClassName");
        }
    }
}

fn capacity(at: &At, errors: &mut FieldErrors) {
    at.require(errors);
    if !at.get("storage").has() || at.len() > 1 {
        let shown = if at.has() { at.value().clone() } else { Value::Null };
        at.unsupported_value(errors, shown, &["storage"]);
    }
    for (_, amount) in at.entries() {
        resources::basic_quantity(&amount, errors);
        resources::positive_quantity(&amount, errors);
    }
}

fn reclaim_policy(at: &At, inline: bool, errors: &mut FieldErrors) {
    let policy = at.get("persistentVolumeReclaimPolicy");
    if policy.is_empty() {
        return;
    }
    if !inline {
        policy.one_of(errors, &["Delete", "Recycle", "Retain"]);
    } else if policy.str() != "Retain" {
        policy.forbidden(errors, "may only be Retain in the context of inline volumes");
    }
}

fn affinity(at: &At, inline: bool, values: Values, errors: &mut FieldErrors) -> bool {
    if !at.has() {
        return false;
    }
    if inline {
        at.forbidden(errors, INLINE);
        return false;
    }
    let required = at.get("required");
    if required.has() {
        node_selector(&required, values, errors);
    } else {
        required.required(errors, "must specify required node constraints");
    }
    true
}

fn volume_source(at: &At, name: &str, has_affinity: bool, errors: &mut FieldErrors) {
    let mut kinds = 0;
    for (field, crowded, path, check) in SOURCES {
        let source = at.get(field);
        if !source.has() {
            continue;
        }
        if kinds > 0 && *field != "flexVolume" {
            at.get(crowded).forbidden(errors, ONE_TYPE);
            continue;
        }
        kinds += 1;
        let source = at.named(path, source.value());
        check(&source, errors);
        if *field == "iscsi" {
            sources::iscsi(&source, Some(name), errors);
        }
        if *field == "local" && !has_affinity {
            at.get("nodeAffinity").required(errors, "Local volume requires node affinity");
        }
    }
    if kinds == 0 {
        at.required(errors, "must specify a volume type");
    }
}

/// A volume that is created.
pub(in super::super) fn create(root: &At, errors: &mut FieldErrors) {
    spec(&root.get("spec"), root.get("metadata").get("name").str(), false, Values::Strict, errors);
}

fn sources_of(spec: &Value) -> Value {
    let map = spec.as_object();
    let kept = SOURCES.iter().filter_map(|(field, ..)| {
        let value = map?.get(*field).filter(|value| !value.is_null())?;
        Some(((*field).to_owned(), value.clone()))
    });
    Value::Object(kept.collect::<Map<_, _>>())
}

/// A volume that replaces another.
pub(in super::super) fn update(new: &At, old: &At, errors: &mut FieldErrors) {
    let (at, before) = (new.get("spec"), old.get("spec"));
    let affinity = before.get("nodeAffinity");
    let required = affinity.get("required");
    let bad = required.get("nodeSelectorTerms").items().any(|term| Values::unless_bad_values(&term) == Values::Any);
    let values = if bad { Values::Any } else { Values::Strict };
    spec(&at, new.get("metadata").get("name").str(), false, values, errors);
    let (mut now, then) = (sources_of(at.value()), sources_of(before.value()));
    let (csi, old_csi) = (at.get("csi"), before.get("csi"));
    if csi.has()
        && old_csi.has()
        && !old_csi.get("controllerExpandSecretRef").has()
        && let Some(csi) = now.get_mut("csi").and_then(Value::as_object_mut)
    {
        csi.remove("controllerExpandSecretRef");
    }
    if !same(&now, &then) {
        let diff = unified(&then, &now);
        at.get("persistentvolumesource")
            .forbidden(errors, format!("spec.persistentvolumesource is immutable after creation\n{diff}"));
    }
    new.named("volumeMode", at.get("volumeMode").value()).immutable(errors, before.get("volumeMode").value());
    if affinity.has() {
        node_affinity(new, &at.get("nodeAffinity"), &affinity, errors);
    }
    if before.get("volumeAttributesClassName").has() && !at.get("volumeAttributesClassName").has() {
        at.get("volumeAttributesClassName").forbidden(errors, "update from non-nil value to nil is forbidden");
    }
}

const REQUIREMENT: Shape =
    &[("key", "Key", Part::Text), ("operator", "Operator", Part::Text), ("values", "Values", Part::Plain)];
const TERM: Shape = &[
    ("matchExpressions", "MatchExpressions", Part::List(REQUIREMENT)),
    ("matchFields", "MatchFields", Part::List(REQUIREMENT)),
];
const AFFINITY: Shape =
    &[("required", "Required", Part::Inner(&[("nodeSelectorTerms", "NodeSelectorTerms", Part::List(TERM))]))];

/// Node affinity may change only by giving labels their later names.
fn node_affinity(root: &At, new: &At, old: &At, errors: &mut FieldErrors) {
    let renamed = rename(old.value(), new.value());
    if !same(new.value(), &renamed) {
        let shown = shown(new.value(), AFFINITY);
        root.get("nodeAffinity").invalid_shown(
            errors,
            &shown,
            "field is immutable, except for updating from beta label to GA",
        );
    }
}

fn later_name(key: &str) -> Option<&'static str> {
    Some(match key {
        "failure-domain.beta.kubernetes.io/zone" => "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region" => "topology.kubernetes.io/region",
        "beta.kubernetes.io/os" => "kubernetes.io/os",
        "beta.kubernetes.io/arch" => "kubernetes.io/arch",
        "beta.kubernetes.io/instance-type" => "node.kubernetes.io/instance-type",
        _ => return None,
    })
}

/// The old affinity with each label renamed where the new one has its later name.
fn rename(old: &Value, new: &Value) -> Value {
    let mut out = old.clone();
    let terms = out.pointer_mut("/required/nodeSelectorTerms").and_then(Value::as_array_mut);
    for (index, term) in terms.into_iter().flatten().enumerate() {
        for list in ["matchExpressions", "matchFields"] {
            let expressions = term.get_mut(list).and_then(Value::as_array_mut);
            for (position, expression) in expressions.into_iter().flatten().enumerate() {
                let path = format!("/required/nodeSelectorTerms/{index}/{list}/{position}/key");
                let wanted = new.pointer(&path).and_then(Value::as_str);
                let later = expression.get("key").and_then(Value::as_str).and_then(later_name);
                if later.is_some() && later == wanted {
                    expression["key"] = Value::from(later);
                }
            }
        }
    }
    out
}

/// A volume whose status is written.
pub(in super::super) fn status_update(new: &At, errors: &mut FieldErrors) {
    if new.get("metadata").get("resourceVersion").is_empty() {
        new.get("resourceVersion").required(errors, "");
    }
}
