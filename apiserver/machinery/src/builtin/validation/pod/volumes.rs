//! Volumes of pods.

use super::rules::PodRules;
use super::sources::{self, ONE_TYPE, file_mode, local_path};
use super::{env, projected};
use crate::builtin::amount::Amount;
use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain};
use crate::builtin::validation::core::claim;
use crate::builtin::validation::meta;
use crate::field_error::{FieldErrors, go_quote};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Volumes that are well formed, by name.
pub(super) type Volumes<'v> = BTreeMap<&'v str, &'v Value>;

type Check = fn(&At, &mut FieldErrors);

/// Kind of volume: field, path when it is one too many, path of its own errors, and rule.
const SIMPLE: &[(&str, &str, &str, Check)] = &[
    ("hostPath", "hostPath", "hostPath", sources::host_path),
    ("gitRepo", "gitRepo", "gitRepo", git_repo),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", |at, errors| sources::disk(at, "pdName", errors)),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", |at, errors| {
        sources::disk(at, "volumeID", errors);
    }),
    ("secret", "secret", "secret", |at, errors| keyed(at, "secretName", errors)),
    ("nfs", "nfs", "nfs", sources::nfs),
    ("iscsi", "iscsi", "iscsi", |at, errors| sources::iscsi(at, None, errors)),
    ("glusterfs", "glusterfs", "glusterfs", sources::glusterfs),
    ("flocker", "flocker", "flocker", sources::flocker),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim", |at, errors| {
        at.get("claimName").require(errors);
    }),
    ("rbd", "rbd", "rbd", sources::rbd),
    ("cinder", "cinder", "cinder", sources::cinder),
    ("cephfs", "cephFS", "cephfs", sources::cephfs),
    ("quobyte", "quobyte", "quobyte", sources::quobyte),
    ("downwardAPI", "downwarAPI", "downwardAPI", downward),
    ("fc", "fc", "fc", sources::fibre_channel),
    ("flexVolume", "flexVolume", "flexVolume", sources::flex),
    ("configMap", "configMap", "configMap", |at, errors| keyed(at, "name", errors)),
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
    ("storageos", "storageos", "storageos", sources::storage_os),
    ("projected", "projected", "projected", |_, _| {}),
    ("scaleIO", "scaleIO", "scaleIO", sources::scale_io),
    ("csi", "csi", "csi", csi),
    ("ephemeral", "ephemeral", "ephemeral", ephemeral),
    ("image", "image", "image", |_, _| {}),
];

/// All volumes of a pod; `pod_name` is known for pods only. Returns the good ones.
pub(super) fn volumes<'v>(
    at: &At<'_, 'v>,
    pod_name: Option<&str>,
    rules: &PodRules,
    errors: &mut FieldErrors,
) -> Volumes<'v> {
    let mut good = Volumes::new();
    let created: BTreeSet<String> = pod_name
        .filter(|name| !name.is_empty())
        .map(|pod| {
            let ephemeral = at.items().filter(|volume| volume.get("ephemeral").has());
            ephemeral.map(|volume| format!("{pod}-{}", volume.get("name").str())).collect()
        })
        .unwrap_or_default();
    for volume in at.items() {
        let before = errors.len();
        source(&volume, pod_name, rules, errors);
        let name = volume.get("name");
        name.require_check(errors, dns_label);
        if good.contains_key(name.str()) {
            name.duplicate(errors, name.str());
        }
        if errors.len() == before {
            good.insert(name.str(), volume.value());
        }
        let claim = volume.get("persistentVolumeClaim");
        let claim = claim.get("claimName");
        if claim.has() && created.contains(claim.str()) {
            claim.invalid(errors, claim.str(), "must not reference a PVC that gets created for an ephemeral volume");
        }
    }
    good
}

fn source(volume: &At, pod_name: Option<&str>, rules: &PodRules, errors: &mut FieldErrors) {
    let name = volume.get("name").str();
    let mut kinds = 0;
    let empty_dir = volume.get("emptyDir");
    if empty_dir.has() {
        kinds += 1;
        let limit = empty_dir.get("sizeLimit");
        if Amount::of(limit.str()).is_negative() {
            limit.forbidden(errors, "SizeLimit field must be a valid resource quantity");
        }
    }
    for (field, crowded, path, check) in SIMPLE {
        let value = volume.get(field);
        if !value.has() {
            continue;
        }
        if kinds > 0 {
            volume.get(crowded).forbidden(errors, ONE_TYPE);
        } else {
            kinds += 1;
            let at = volume.named(path, value.value());
            check(&at, errors);
            match *field {
                "projected" => projected::projected(&at, rules, errors),
                "image" => image(&at, rules, errors),
                "ephemeral" => ephemeral_name(volume, pod_name, name, errors),
                _ => {}
            }
        }
        if *field == "iscsi"
            && value.get("initiatorName").has()
            && name.len() + 1 + value.get("targetPortal").len() > 64
        {
            volume.get("name").invalid(
                errors,
                name,
                "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
                 iscsi.initiatorName is specified.",
            );
        }
    }
    if kinds == 0 {
        volume.required(errors, "must specify a volume type");
    }
}

fn git_repo(at: &At, errors: &mut FieldErrors) {
    at.get("repository").require(errors);
    let directory = at.get("directory");
    sources::descending_path(&directory, directory.str(), errors);
}

fn keyed(at: &At, name: &str, errors: &mut FieldErrors) {
    at.get(name).require(errors);
    file_mode(&at.get("defaultMode"), errors);
    at.get("items").items().for_each(|item| key_to_path(&item, errors));
}

/// A key and the file it becomes.
pub(super) fn key_to_path(at: &At, errors: &mut FieldErrors) {
    at.get("key").require(errors);
    let path = at.get("path");
    path.require(errors);
    local_path(&path, path.str(), errors);
    file_mode(&at.get("mode"), errors);
}

fn downward(at: &At, errors: &mut FieldErrors) {
    file_mode(&at.get("defaultMode"), errors);
    at.get("items").items().for_each(|file| downward_file(at, &file, errors));
}

/// A file of the downward API; errors stand at `at`, which is not always the file.
pub(super) fn downward_file(at: &At, file: &At, errors: &mut FieldErrors) {
    const PATHS: &[&str] =
        &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
    let path = at.named("path", file.get("path").value());
    path.require(errors);
    local_path(&path, path.str(), errors);
    let field = file.get("fieldRef");
    let resource = file.get("resourceFieldRef");
    if field.has() {
        env::field_ref(&at.named("fieldRef", field.value()), PATHS, errors);
        if resource.has() {
            at.invalid(errors, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
        }
    } else if resource.has() {
        env::resource_ref(&at.named("resourceFieldRef", resource.value()), true, errors);
    } else {
        at.required(errors, "one of fieldRef and resourceFieldRef is required");
    }
    file_mode(&at.named("mode", file.get("mode").value()), errors);
}

fn csi(at: &At, errors: &mut FieldErrors) {
    sources::csi_driver(&at.get("driver"), errors);
    let secret = at.get("nodePublishSecretRef");
    if secret.has() {
        let name = secret.get("name");
        if !name.require(errors) {
            at.get("name").check_text(errors, name.str(), dns_subdomain);
        }
    }
}

fn ephemeral(at: &At, errors: &mut FieldErrors) {
    let template = at.get("volumeClaimTemplate");
    if !template.has() {
        template.required(errors, "");
        return;
    }
    meta::template_metadata(&template.get("metadata"), errors);
    claim::spec(&template.get("spec"), &claim::ClaimRules::default(), errors);
}

fn ephemeral_name(volume: &At, pod_name: Option<&str>, name: &str, errors: &mut FieldErrors) {
    let Some(pod) = pod_name.filter(|pod| !pod.is_empty() && !name.is_empty()) else { return };
    let claim = format!("{pod}-{name}");
    for message in dns_subdomain(&claim) {
        let detail = format!("PVC name {}: {message}", go_quote(&claim));
        volume.get("ephemeral").get("name").invalid(errors, name, detail);
    }
}

fn image(at: &At, rules: &PodRules, errors: &mut FieldErrors) {
    if rules.is_pod {
        at.get("reference").require(errors);
    }
    super::containers::pull_policy(&at.get("pullPolicy"), errors);
}
