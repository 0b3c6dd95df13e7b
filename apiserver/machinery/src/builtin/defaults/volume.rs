//! Defaults of volumes in pods and of persistent volumes.

use super::doc::{Doc, each, fill, fill_blank, set, struct_mut, text, unset, with};
use super::{image, resources};
use serde_json::json;

/// Names of every source a pod volume can have.
const SOURCES: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageos",
    "vsphereVolume",
];

/// Fills a volume of a pod. A volume without a source is an `emptyDir`.
pub(super) fn pod_volume(volume: &mut Doc) {
    if SOURCES.iter().all(|source| unset(volume, source)) {
        set(volume, "emptyDir", json!({}));
    }
    with(volume, "image", |image| {
        let policy = image::pull_policy(text(image, "reference"));
        fill_blank(image, "pullPolicy", policy);
    });
    for name in ["secret", "configMap", "downwardAPI", "projected"] {
        with(volume, name, |source| fill(source, "defaultMode", 0o644));
    }
    with(volume, "downwardAPI", downward_api);
    with(volume, "projected", |projected| each(projected, "sources", projection));
    with(volume, "ephemeral", |ephemeral| {
        with(ephemeral, "volumeClaimTemplate", |template| {
            if let Some(spec) = struct_mut(template, "spec") {
                claim_spec(spec);
            }
        });
    });
    shared_sources(volume);
}

/// Fills the sources that pod volumes and persistent volumes have in common.
pub(super) fn shared_sources(holder: &mut Doc) {
    with(holder, "hostPath", |source| fill(source, "type", ""));
    with(holder, "iscsi", |source| fill_blank(source, "iscsiInterface", "default"));
    with(holder, "rbd", |source| {
        fill_blank(source, "pool", "rbd");
        fill_blank(source, "user", "admin");
        fill_blank(source, "keyring", "/etc/ceph/keyring");
    });
    with(holder, "azureDisk", |source| {
        fill(source, "cachingMode", "ReadWrite");
        fill(source, "fsType", "ext4");
        fill(source, "readOnly", false);
        fill(source, "kind", "Shared");
    });
    with(holder, "scaleIO", |source| {
        fill_blank(source, "storageMode", "ThinProvisioned");
        fill_blank(source, "fsType", "xfs");
    });
}

/// Fills the spec of a claim, in a PersistentVolumeClaim or in a template for one.
pub(super) fn claim_spec(spec: &mut Doc) {
    fill(spec, "volumeMode", "Filesystem");
    resources::round_requirements(spec, "resources");
}

/// Fills a whole PersistentVolumeClaim.
pub(super) fn claim(claim: &mut Doc) {
    if let Some(spec) = struct_mut(claim, "spec") {
        claim_spec(spec);
    }
    if let Some(status) = struct_mut(claim, "status") {
        fill_blank(status, "phase", "Pending");
        resources::round(status, "capacity");
        resources::round(status, "allocatedResources");
    }
}

/// Fills a whole PersistentVolume.
pub(super) fn persistent_volume(volume: &mut Doc) {
    if let Some(status) = struct_mut(volume, "status") {
        fill_blank(status, "phase", "Pending");
    }
    if let Some(spec) = struct_mut(volume, "spec") {
        fill_blank(spec, "persistentVolumeReclaimPolicy", "Retain");
        fill(spec, "volumeMode", "Filesystem");
        persistent_volume_source(spec);
    }
}

/// Fills what a persistent volume spec shares with the inline volume of a VolumeAttachment.
pub(super) fn persistent_volume_source(spec: &mut Doc) {
    resources::round(spec, "capacity");
    shared_sources(spec);
}

fn projection(source: &mut Doc) {
    with(source, "downwardAPI", downward_api);
    with(source, "serviceAccountToken", |token| fill(token, "expirationSeconds", 3600));
}

fn downward_api(source: &mut Doc) {
    each(source, "items", |item| with(item, "fieldRef", field_ref));
}

/// Fills a reference to a field of the pod.
pub(super) fn field_ref(reference: &mut Doc) {
    fill_blank(reference, "apiVersion", "v1");
}
