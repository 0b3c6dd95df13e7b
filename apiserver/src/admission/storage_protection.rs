//! StorageObjectInUseProtection: volumes, claims and attribute classes are held by a finalizer while something uses them.

use super::write::{Write, list_mut};
use crate::codec;
use serde_json::{Value, json};

const FINALIZERS: [(&str, &str, &str); 3] = [
    ("", "persistentvolumes", "kubernetes.io/pv-protection"),
    ("", "persistentvolumeclaims", "kubernetes.io/pvc-protection"),
    ("storage.k8s.io", "volumeattributesclasses", "kubernetes.io/vac-protection"),
];

pub(super) fn admit(write: &Write<'_>, new: &mut Value) {
    if let Some((.., finalizer)) = FINALIZERS.iter().find(|(group, plural, _)| write.creates(group, plural)) {
        codec::metadata_mut(new);
        let list = list_mut(&mut new["metadata"], "finalizers");
        if !list.contains(&json!(finalizer)) {
            list.push(json!(finalizer));
        }
    }
}
