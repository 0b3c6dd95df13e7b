//! Managed fields of `/scale`: a Scale has those managers of its object that own the replicas, and what becomes of them is
//! written back.
//!
//! As upstream does it: the entries are taken over by manager, so an entry that comes back under another version is a
//! new one, and new ones have no time.

use super::element::Element;
use super::managed::{self, Entry};
use super::set::{Path, Set};
use serde_json::Value;

/// Version of Scale objects.
const SCALE: &str = "autoscaling/v1";

/// Where objects of one kind have the replicas that their Scale shows.
pub struct Replicas<'a> {
    /// Version of the object.
    pub api_version: &'a str,
    /// The path in a version, such as `["spec", "replicas"]`; empty for a version that has no `/scale`, `None` for an
    /// unknown one.
    pub path: &'a (dyn Fn(&str) -> Option<Vec<String>> + Sync),
}

impl Replicas<'_> {
    fn path(&self, api_version: &str) -> Option<Path> {
        (self.path)(api_version).map(|names| names.into_iter().map(Element::Field).collect())
    }

    /// Gives a Scale the managers of its object that own the replicas.
    ///
    /// # Errors
    /// When the object's managed fields can't be read.
    pub fn to_scale(&self, object: &Value, scale: &mut Value) -> Result<(), String> {
        let owners = managed::decode(managed::of(object))?;
        let owns = |entry: &&Entry| {
            self.path(&entry.api_version).is_some_and(|path| !path.is_empty() && entry.set().has(&path))
        };
        let managers = owners.values().filter(owns);
        let managers = managers.map(|entry| renamed(entry, SCALE, &shown(), entry.time.clone())).collect();
        managed::encode_all_into(scale, managers);
        Ok(())
    }

    /// Writes the managers of a Scale back into its object.
    ///
    /// # Errors
    /// When the managed fields of one of them can't be read.
    pub fn from_scale(&self, scale: &Value, object: &mut Value) -> Result<(), String> {
        let owners = managed::decode(managed::of(object))?;
        let mut scalers = managed::decode(managed::of(scale))?;
        let times: Vec<(String, Option<String>)> =
            owners.iter().map(|(id, entry)| (id.clone(), entry.time.clone())).collect();
        let mut managers = Vec::new();
        for (id, mut entry) in owners {
            let Some(path) = self.path(&entry.api_version) else { continue };
            let owns = !path.is_empty() && entry.set().has(&path);
            if owns && scalers.remove(&id).is_none() {
                entry.replace_set(entry.set().difference(&Set::from_paths(&[path])));
                if entry.set().is_empty() {
                    continue;
                }
            }
            managers.push(entry);
        }
        let path = self.path(self.api_version).unwrap_or_default();
        for (id, entry) in scalers.iter().filter(|(_, entry)| entry.set().has(&shown())) {
            let time = times.iter().find(|(known, _)| known == id).and_then(|(_, time)| time.clone());
            managers.push(renamed(entry, self.api_version, &path, time));
        }
        managed::encode_all_into(object, managers);
        Ok(())
    }
}

/// Where a Scale has the replicas.
fn shown() -> Path {
    ["spec", "replicas"].map(|name| Element::Field(name.to_owned())).into()
}

/// An entry of the same manager in another version that owns one field.
fn renamed(entry: &Entry, api_version: &str, path: &Path, time: Option<String>) -> Entry {
    let mut renamed = Entry::new(&entry.manager, entry.operation, api_version, &entry.subresource);
    renamed.time = time;
    renamed.replace_set(Set::from_paths(std::slice::from_ref(path)));
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn replicas<'a>() -> Replicas<'a> {
        let path = |version: &str| (version == "apps/v1").then(|| vec!["spec".to_owned(), "replicas".to_owned()]);
        Replicas { api_version: "apps/v1", path: Box::leak(Box::new(path)) }
    }

    fn entry(manager: &str, subresource: &str, version: &str, time: bool, fields: Value) -> Value {
        let mut entry = json!({"manager": manager, "operation": "Update", "apiVersion": version,
            "fieldsType": "FieldsV1", "fieldsV1": fields});
        if !subresource.is_empty() {
            entry["subresource"] = json!(subresource);
        }
        if time {
            entry["time"] = json!("2026-01-01T00:00:00Z");
        }
        entry
    }

    #[test]
    fn who_scales_takes_the_replicas_and_nothing_else() {
        let both = json!({"f:spec": {"f:paused": {}, "f:replicas": {}}});
        let owned = json!({"f:spec": {"f:replicas": {}}});
        let mut object = json!({"metadata": {"managedFields": [entry("one", "", "apps/v1", true, both)]}});
        let mut scale = json!({"metadata": {}});
        replicas().to_scale(&object, &mut scale).unwrap();
        let first = entry("one", "", "autoscaling/v1", true, owned.clone());
        assert_eq!(scale["metadata"]["managedFields"], json!([first]));
        scale["metadata"]["managedFields"] = json!([entry("hpa", "scale", "autoscaling/v1", true, owned.clone())]);
        replicas().from_scale(&scale, &mut object).unwrap();
        let left = entry("one", "", "apps/v1", true, json!({"f:spec": {"f:paused": {}}}));
        let taken = entry("hpa", "scale", "apps/v1", false, owned);
        assert_eq!(object["metadata"]["managedFields"], json!([taken, left]));
    }

    #[test]
    fn managers_of_unknown_versions_go() {
        let fields = json!({"f:spec": {"f:paused": {}}});
        let mut object = json!({"metadata": {"managedFields": [entry("one", "", "apps/v0", true, fields)]}});
        replicas().from_scale(&json!({"metadata": {}}), &mut object).unwrap();
        assert_eq!(object, json!({"metadata": {}}));
    }
}
