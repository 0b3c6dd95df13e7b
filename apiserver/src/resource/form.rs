//! Forms of an object: as stored, converted, pruned, defaulted.

use super::{Origin, Served, stamp};
use crate::codec;
use kplex_machinery::api::{self, Api};
use kplex_machinery::builtin::defaults;
use kplex_machinery::convert::{self, GroupVersionKind};
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::Status;
use kplex_machinery::{crd, decode, json};
use kplex_storage::{Stamp, StorageError};
use serde_json::{Value, json};

impl Served {
    /// Serialises an object in its storage version.
    ///
    /// # Errors
    /// When it can't be converted.
    pub fn pack(&self, object: &Value) -> Result<(bytes::Bytes, Stamp), StorageError> {
        let corrupt =
            |error: String| StorageError::Corrupt(format!("convert {} to its storage version: {error}", self.kind));
        match &self.origin {
            Origin::BuiltIn(..) => {
                let (group, version) = convert::storage_version(&self.group, &self.plural);
                if group == self.group && version == self.version {
                    return Ok(codec::pack(object, self.stamp));
                }
                let kind = self.kind.as_str();
                let to = GroupVersionKind { group, version, kind };
                let stored = convert::convert(object.clone(), self.convertible(), to)
                    .map_err(|error| corrupt(error.to_string()))?;
                let api_version = api::GroupVersion::new(group, version).to_string();
                Ok(codec::pack(&stored, stamp(&api_version, kind, Api::builtin().kubernetes.as_bytes())))
            }
            Origin::Custom(compiled, ..) => {
                let Some(storage) = compiled.storage_version() else { return Ok(codec::pack(object, self.stamp)) };
                let api_version = format!("{}/{}", compiled.group, storage.name);
                if api_version == self.api_version {
                    return Ok(codec::pack(object, self.stamp));
                }
                let mut stored = object.clone();
                stored["apiVersion"] = Value::from(api_version.as_str());
                storage.coerce(&mut stored).map_err(corrupt)?;
                storage.default(&mut stored);
                Ok(codec::pack(&stored, stamp(&api_version, &self.kind, &storage.hash)))
            }
        }
    }

    /// Brings an object that was stored in another form into this one: converted, pruned, defaulted.
    ///
    /// # Errors
    /// 500 when it can't be converted.
    pub fn upgrade(&self, mut object: Value) -> Result<Value, Status> {
        match self.definition() {
            Some(version) => {
                object["apiVersion"] = Value::from(self.api_version.as_str());
                version.coerce(&mut object).map_err(Status::internal)?;
                version.default(&mut object);
                Ok(object)
            }
            None => {
                let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
                let from = api::GroupVersion::parse(&text("apiVersion"));
                let kind = text("kind");
                let from = GroupVersionKind { group: &from.group, version: &from.version, kind: &kind };
                let mut object = convert::convert(object, from, self.convertible())
                    .map_err(|error| Status::internal(error.to_string()))?;
                self.default(&mut object, "1970-01-01T00:00:00Z");
                Ok(object)
            }
        }
    }

    /// Fills in defaults.
    pub fn default(&self, object: &mut Value, now: &str) {
        match self.definition() {
            Some(version) => version.default(object),
            None if self.is_definition() => crd::default_definition(object),
            None => defaults::default(&self.group, &self.version, &self.kind, object, now),
        }
    }

    /// Brings a decoded document into the shape of its type; returns the unknown fields that were dropped.
    ///
    /// # Errors
    /// 400 for values of the wrong type.
    pub fn conform(&self, object: &mut Value) -> Result<Vec<String>, Status> {
        self.reshape(object).map_err(|error| {
            Status::bad_request(decode::cannot_be_handled(&self.kind, &self.version, &self.kind, &error))
        })
    }

    /// As [`Served::conform`], with the bare error.
    ///
    /// # Errors
    /// What is wrong with the values.
    pub fn reshape(&self, object: &mut Value) -> Result<Vec<String>, String> {
        match self.definition() {
            Some(version) => {
                json::whole_numbers(object);
                let paths = version.coerce(object)?;
                Ok(paths.into_iter().map(|path| format!("unknown field {}", go_quote(&path))).collect())
            }
            None => {
                if self.is_definition() {
                    // Definitions hold plain JSON, such as defaults.
                    json::whole_numbers(object);
                }
                decode::conform(self.schema(), self.node, object).map_err(|error| error.to_string())
            }
        }
    }

    /// As [`Served::reshape`] of a built-in kind, in the words of the converter through which upstream sends documents
    /// that a strategic merge patch has changed.
    ///
    /// # Errors
    /// What is wrong with the values.
    pub fn restore(&self, object: &mut Value) -> Result<Vec<String>, String> {
        decode::conform(self.schema(), self.node, object).map_err(|error| error.restoring)
    }

    /// Writes the fields that upstream's types always show, after the server has changed an object.
    pub fn complete(&self, object: &mut Value) {
        if !self.is_custom() && !self.is_definition() {
            let outcome = decode::conform(self.schema(), self.node, object);
            debug_assert!(outcome.is_ok(), "a prepared object has the shape of its type: {outcome:?}");
        }
    }

    /// The unknown fields of a custom resource that is sent in another version than that of the path. Upstream finds them
    /// before it finds that; a version that is not there knows none.
    #[must_use]
    pub fn unknown_to_sibling(&self, object: &Value) -> Vec<String> {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or("");
        let api_version = text("apiVersion");
        let same_group = api_version.split_once('/').is_some_and(|(group, _)| group == self.group);
        if !self.is_custom() || !same_group || api_version == self.api_version || text("kind") != self.kind {
            return Vec::new();
        }
        let mut object = object.clone();
        let paths = match self.sibling(api_version) {
            Some(version) => version.coerce(&mut object).unwrap_or_default(),
            None => {
                let fields = object.as_object().into_iter().flatten().map(|(name, _)| name.clone());
                fields.filter(|name| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata")).collect()
            }
        };
        paths.into_iter().map(|path| format!("unknown field {}", go_quote(&path))).collect()
    }

    /// Returns an object with metadata only, as bookmarks carry it: with what upstream's types always write.
    #[must_use]
    pub fn blank(&self, metadata: Value) -> Value {
        let mut object = json!({"kind": self.kind, "apiVersion": self.api_version, "metadata": metadata});
        self.complete(&mut object);
        match (self.group.as_str(), self.kind.as_str()) {
            ("apps", "Deployment" | "ReplicaSet" | "StatefulSet") => object["spec"]["replicas"] = Value::from(0),
            ("apps", "DaemonSet") => {
                object["metadata"]["annotations"]["deprecated.daemonset.template.generation"] = Value::from("0");
            }
            (crate::catalog::GROUP, "CustomResourceDefinition") => {
                let names = json!({"plural": "", "kind": ""});
                object["spec"] = json!({"group": "", "names": names, "scope": "", "versions": null});
                object["status"] = json!({"conditions": null, "acceptedNames": names, "storedVersions": null});
            }
            _ => {}
        }
        object
    }

    /// What upstream's defaults add when it reads back what it has stored: a Job without labels has those of its
    /// template, to which the server has added some.
    pub fn read_back(&self, object: &mut Value, now: &str) {
        if (self.group.as_str(), self.kind.as_str()) == ("batch", "Job") {
            self.default(object, now);
        }
    }
}
