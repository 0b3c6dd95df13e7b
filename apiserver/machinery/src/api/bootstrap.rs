//! The objects that a fresh control plane has before anyone used it, as upstream makes them.
//!
//! Pure data, generated like the API table. Values that depend on the control plane are holes: a whole string such as
//! `${ca}`, also where a number goes (`${port}`). `metadata` has no uid, resourceVersion, creationTimestamp or
//! managedFields.

use serde::Deserialize;
use serde_json::Value;

/// One bootstrap object, in the preferred version of its group.
#[derive(Clone, Debug, Deserialize)]
pub struct BootstrapObject {
    /// API group; empty for the core group.
    pub group: String,
    /// API version of `object`.
    pub version: String,
    /// Plural resource name.
    pub resource: String,
    /// The document, with holes.
    pub object: Value,
}

/// All of them.
#[derive(Clone, Debug, Deserialize)]
pub struct Bootstrap {
    /// Version of the kube-apiserver that made them, such as `1.35.4`.
    pub kubernetes: String,
    /// The holes that may occur.
    pub holes: Vec<Hole>,
    /// Sorted by group, resource, namespace and name.
    pub objects: Vec<BootstrapObject>,
}

/// A hole and its meaning.
#[derive(Clone, Debug, Deserialize)]
pub struct Hole {
    /// The string that stands in place of the value.
    pub name: String,
    /// What goes there.
    pub meaning: String,
}

/// The versions whose data is built in, newest last.
const VERSIONS: [(&str, &str); 1] = [("1.35", include_str!("../../data/bootstrap-1.35.json"))];

impl Bootstrap {
    /// Parses the objects of a version such as `1.35`; `None` when its data is not built in.
    ///
    /// # Panics
    /// When the embedded data is broken, which its tests rule out.
    #[must_use]
    pub fn load(version: &str) -> Option<Self> {
        let (_, data) = VERSIONS.iter().find(|(known, _)| *known == version)?;
        Some(serde_json::from_str(data).expect("the bootstrap objects are generated"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Api;

    fn holes_in(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.contains("${") => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| holes_in(item, found)),
            Value::Object(map) => map.values().for_each(|item| holes_in(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_object_is_of_a_known_resource_and_free_of_server_state() {
        let bootstrap = Bootstrap::load("1.35").expect("1.35 is built in");
        assert_eq!(bootstrap.objects.len(), 204);
        for row in &bootstrap.objects {
            let resource = Api::builtin().resource(&row.group, &row.version, &row.resource).expect("known");
            assert_eq!(row.object["kind"], resource.kind.as_str());
            let metadata = row.object["metadata"].as_object().expect("metadata");
            assert_eq!(metadata.contains_key("namespace"), resource.namespaced);
            for key in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
                assert!(!metadata.contains_key(key), "{key}");
            }
        }
    }

    #[test]
    fn every_hole_is_explained() {
        let bootstrap = Bootstrap::load("1.35").expect("1.35 is built in");
        let mut found = Vec::new();
        bootstrap.objects.iter().for_each(|row| holes_in(&row.object, &mut found));
        found.sort();
        found.dedup();
        let known: Vec<String> = bootstrap.holes.into_iter().map(|hole| hole.name).collect();
        assert_eq!(found, known);
    }

    #[test]
    fn default_roles_are_there() {
        let bootstrap = Bootstrap::load("1.35").expect("1.35 is built in");
        let names = |resource: &str| -> Vec<String> {
            let of_resource = bootstrap.objects.iter().filter(|row| row.resource == resource);
            of_resource.filter_map(|row| row.object["metadata"]["name"].as_str().map(str::to_owned)).collect()
        };
        let roles = names("clusterroles");
        for role in ["admin", "cluster-admin", "edit", "view", "system:node", "system:controller:job-controller"] {
            assert!(roles.iter().any(|name| name == role), "{role}");
        }
        assert_eq!(names("namespaces"), ["default", "kube-node-lease", "kube-public", "kube-system"]);
        assert_eq!(names("priorityclasses"), ["system-cluster-critical", "system-node-critical"]);
    }
}
