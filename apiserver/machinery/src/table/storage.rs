//! Cells of volumes, claims and what provides them.

use super::Printer;
use super::age::age;
use super::column::{AGE, Column, NAME, boolean, integer, text as column, wide};
use super::fields::{at, count, flag, is_set, joined, list, pointer_or, quantity, text};
use jiff::Timestamp;
use serde_json::{Value, json};

const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const DEFAULT_CLASS: &[&str] =
    &["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

pub(super) const PRINTERS: &[Printer] = &[
    Printer {
        group: "",
        resource: "persistentvolumes",
        kind: "PersistentVolume",
        columns: &[
            NAME,
            column("Capacity", "Size of the volume."),
            column("Access Modes", "Ways in which the volume can be mounted."),
            column("Reclaim Policy", "What happens to the volume when its claim is gone."),
            column("Status", "Whether the volume is bound."),
            column("Claim", "Claim that the volume is bound to."),
            column("StorageClass", "Class of the volume."),
            column("VolumeAttributesClass", "Class of the volume's mutable attributes."),
            column("Reason", "Why the volume is in its state."),
            AGE,
            wide("VolumeMode", "Whether the volume is a file system or a block device."),
        ],
        cells: volume,
    },
    Printer {
        group: "",
        resource: "persistentvolumeclaims",
        kind: "PersistentVolumeClaim",
        columns: &[
            NAME,
            column("Status", "Whether the claim is bound."),
            column("Volume", "Volume that the claim is bound to."),
            column("Capacity", "Size of that volume."),
            column("Access Modes", "Ways in which that volume can be mounted."),
            column("StorageClass", "Class that the claim asks for."),
            column("VolumeAttributesClass", "Class of mutable attributes that the claim asks for."),
            AGE,
            wide("VolumeMode", "Whether the claim is for a file system or a block device."),
        ],
        cells: claim,
    },
    Printer {
        group: "storage.k8s.io",
        resource: "storageclasses",
        kind: "StorageClass",
        columns: &[
            NAME,
            column("Provisioner", "Who makes volumes of this class."),
            column("ReclaimPolicy", "What happens to volumes when their claim is gone."),
            column("VolumeBindingMode", "When claims are bound."),
            column("AllowVolumeExpansion", "Whether volumes can grow."),
            AGE,
        ],
        cells: storage_class,
    },
    Printer {
        group: "storage.k8s.io",
        resource: "volumeattributesclasses",
        kind: "VolumeAttributesClass",
        columns: &[NAME, column("DriverName", "Driver that the attributes are for."), AGE],
        cells: |object, now| vec![name(object), json!(text(object, "driverName")), age(object, now)],
    },
    Printer {
        group: "storage.k8s.io",
        resource: "volumeattachments",
        kind: "VolumeAttachment",
        columns: &[
            NAME,
            Column { format: "name", ..column("Attacher", "Driver that attaches the volume.") },
            column("PV", "Volume to attach."),
            column("Node", "Node to attach it to."),
            boolean("Attached", "Whether the volume is attached."),
            AGE,
        ],
        cells: volume_attachment,
    },
    Printer {
        group: "storage.k8s.io",
        resource: "csinodes",
        kind: "CSINode",
        columns: &[NAME, integer("Drivers", "How many CSI drivers run on the node."), AGE],
        cells: |object, now| vec![name(object), json!(count(object, "spec.drivers")), age(object, now)],
    },
    Printer {
        group: "storage.k8s.io",
        resource: "csidrivers",
        kind: "CSIDriver",
        columns: &[
            NAME,
            boolean("AttachRequired", "Whether volumes must be attached before use."),
            boolean("PodInfoOnMount", "Whether the driver is told about the pod."),
            boolean("StorageCapacity", "Whether the driver publishes its capacity."),
            column("TokenRequests", "Audiences of tokens that the driver is given."),
            boolean("RequiresRepublish", "Whether the driver is called again for mounted volumes."),
            column("Modes", "Life cycles of volumes that the driver supports."),
            AGE,
        ],
        cells: csi_driver,
    },
];

fn name(object: &Value) -> Value {
    json!(text(object, "metadata.name"))
}

fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    at(object, "metadata.annotations").get(name)?.as_str()
}

/// Returns the short forms of access modes, in fixed order.
fn access_modes(modes: &[Value]) -> String {
    const SHORT: &[(&str, &str)] =
        &[("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |long: &str| modes.iter().any(|mode| mode == long);
    SHORT.iter().filter(|(long, _)| has(long)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn phase(object: &Value) -> &str {
    if is_set(object, "metadata.deletionTimestamp") { "Terminating" } else { text(object, "status.phase") }
}

fn class(object: &Value) -> &str {
    annotation(object, OLD_CLASS).unwrap_or(text(object, "spec.storageClassName"))
}

fn volume(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = at(object, "spec");
    let claim = match at(spec, "claimRef") {
        Value::Null => String::new(),
        claim => format!("{}/{}", text(claim, "namespace"), text(claim, "name")),
    };
    vec![
        name(object),
        json!(quantity(at(spec, "capacity.storage"), "0")),
        json!(access_modes(list(spec, "accessModes"))),
        json!(text(spec, "persistentVolumeReclaimPolicy")),
        json!(phase(object)),
        json!(claim),
        json!(class(object)),
        json!(pointer_or(spec, "volumeAttributesClassName", "<unset>")),
        json!(text(object, "status.reason")),
        age(object, now),
        json!(pointer_or(spec, "volumeMode", "<unset>")),
    ]
}

fn claim(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = at(object, "spec");
    let volume = text(spec, "volumeName");
    let (capacity, modes) = if volume.is_empty() {
        (String::new(), String::new())
    } else {
        let capacity = quantity(at(object, "status.capacity.storage"), "0").into_owned();
        (capacity, access_modes(list(object, "status.accessModes")))
    };
    vec![
        name(object),
        json!(phase(object)),
        json!(volume),
        json!(capacity),
        json!(modes),
        json!(class(object)),
        json!(pointer_or(spec, "volumeAttributesClassName", "<unset>")),
        age(object, now),
        json!(pointer_or(spec, "volumeMode", "<unset>")),
    ]
}

fn storage_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let default = DEFAULT_CLASS.iter().any(|name| annotation(object, name) == Some("true"));
    let suffix = if default { " (default)" } else { "" };
    vec![
        json!(format!("{}{suffix}", text(object, "metadata.name"))),
        json!(text(object, "provisioner")),
        json!(pointer_or(object, "reclaimPolicy", "Delete")),
        json!(pointer_or(object, "volumeBindingMode", "Immediate")),
        json!(flag(object, "allowVolumeExpansion")),
        age(object, now),
    ]
}

fn volume_attachment(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        json!(text(object, "spec.attacher")),
        json!(text(object, "spec.source.persistentVolumeName")),
        json!(text(object, "spec.nodeName")),
        json!(flag(object, "status.attached")),
        age(object, now),
    ]
}

fn csi_driver(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = at(object, "spec");
    let modes = joined(spec, "volumeLifecycleModes", ",");
    let audiences: Vec<&str> = list(spec, "tokenRequests").iter().map(|request| text(request, "audience")).collect();
    let tokens = if is_set(spec, "tokenRequests") { audiences.join(",") } else { "<unset>".to_owned() };
    vec![
        name(object),
        json!(at(spec, "attachRequired").as_bool().unwrap_or(true)),
        json!(flag(spec, "podInfoOnMount")),
        json!(flag(spec, "storageCapacity")),
        json!(tokens),
        json!(flag(spec, "requiresRepublish")),
        json!(if modes.is_empty() { "<none>".to_owned() } else { modes }),
        age(object, now),
    ]
}
