//! What is served: built-in resources and custom ones, behind one type.
//!
//! The verbs know only [`Served`]. Where built-in kinds and custom resources differ, the difference is a method here.

use crate::codec;
use crate::encode::Typed;
use crate::http::negotiate::{Offer, Transforms};
use jiff::Timestamp;
use kplex_machinery::api::{self, Api};
use kplex_machinery::builtin::strategy::{self, Dependents, Strategy, Subresource};
use kplex_machinery::builtin::{self, Gvk, defaults, fields, validation};
use kplex_machinery::convert::{self, GroupVersionKind};
use kplex_machinery::crd::{self, CompiledVersion, Scope};
use kplex_machinery::decode::{self, FieldValidation, Findings};
use kplex_machinery::field_error::{FieldError, FieldErrors, go_quote};
use kplex_machinery::json;
use kplex_machinery::metadata::{names, object_meta};
use kplex_machinery::schema::NodeId;
use kplex_machinery::status::{GroupResource, Status};
use kplex_machinery::{apply, schema::Schema, table};
use kplex_storage::{Key, Prefix, Stamp, StorageError};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// One resource in one version.
pub struct Served {
    /// API group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// `group/version`, as objects carry it.
    pub api_version: String,
    /// Plural name.
    pub plural: String,
    /// Kind.
    pub kind: String,
    /// Kind of lists.
    pub list_kind: String,
    /// Objects live in namespaces.
    pub namespaced: bool,
    /// Root type.
    pub node: NodeId,
    /// Stamp of objects that are stored in just this form.
    pub stamp: u64,
    /// `"apiVersion":…,"kind":…,` as stored objects begin.
    pub type_prefix: Vec<u8>,
    /// Group under which objects are stored: events of `events.k8s.io` are stored as core events.
    storage_group: String,
    origin: Origin,
}

const TEMPLATE_LABELS: &str = "/spec/template/metadata/labels";

/// Where a resource comes from.
enum Origin {
    BuiltIn(&'static api::Resource, Option<&'static Strategy>),
    Custom(Arc<crd::Compiled>, usize, table::CrdColumns),
}

fn stamp(api_version: &str, kind: &str, schema: &[u8]) -> u64 {
    let digest = Sha256::new()
        .chain_update(api_version)
        .chain_update([0])
        .chain_update(kind)
        .chain_update([0])
        .chain_update(schema)
        .finalize();
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

impl Served {
    /// Makes a built-in resource.
    #[must_use]
    pub fn builtin(api: &'static Api, resource: &'static api::Resource) -> Self {
        let api_version = resource.group_version().to_string();
        let strategy = strategy::strategy(&resource.group, &resource.plural);
        let (storage_group, storage_version) = convert::storage_version(&resource.group, &resource.plural);
        let own = storage_group == resource.group && storage_version == resource.version;
        let list_kind =
            resource.list_node.map(|node| api.schema.node(node).name.rsplit('.').next().unwrap_or("").to_owned());
        Self {
            stamp: stamp(&api_version, &resource.kind, if own { api.kubernetes.as_bytes() } else { b"converted" }),
            type_prefix: type_prefix(&api_version, &resource.kind),
            group: resource.group.clone(),
            version: resource.version.clone(),
            plural: resource.plural.clone(),
            kind: resource.kind.clone(),
            list_kind: list_kind.unwrap_or_else(|| format!("{}List", resource.kind)),
            namespaced: resource.namespaced,
            node: resource.node,
            storage_group: storage_group.to_owned(),
            api_version,
            origin: Origin::BuiltIn(resource, strategy),
        }
    }

    /// Makes a custom resource from one version of a definition.
    #[must_use]
    pub fn custom(compiled: &Arc<crd::Compiled>, index: usize) -> Self {
        let version = &compiled.versions[index];
        let api_version = format!("{}/{}", compiled.group, version.name);
        Self {
            stamp: stamp(&api_version, &compiled.names.kind, &version.hash),
            type_prefix: type_prefix(&api_version, &compiled.names.kind),
            group: compiled.group.clone(),
            version: version.name.clone(),
            plural: compiled.names.plural.clone(),
            kind: compiled.names.kind.clone(),
            list_kind: compiled.names.list_kind.clone(),
            namespaced: compiled.scope == Scope::Namespaced,
            node: version.root,
            storage_group: compiled.group.clone(),
            api_version,
            origin: Origin::Custom(compiled.clone(), index, columns(version)),
        }
    }

    fn convertible(&self) -> GroupVersionKind<'_> {
        GroupVersionKind { group: &self.group, version: &self.version, kind: &self.kind }
    }

    fn gvk(&self) -> Gvk<'_> {
        Gvk::new(&self.group, &self.version, &self.kind)
    }

    /// The definition's version behind a custom resource.
    #[must_use]
    pub fn definition(&self) -> Option<&CompiledVersion> {
        match &self.origin {
            Origin::Custom(compiled, index, _) => Some(&compiled.versions[*index]),
            Origin::BuiltIn(..) => None,
        }
    }

    /// The definition behind a custom resource.
    #[must_use]
    pub fn compiled(&self) -> Option<&Arc<crd::Compiled>> {
        match &self.origin {
            Origin::Custom(compiled, ..) => Some(compiled),
            Origin::BuiltIn(..) => None,
        }
    }

    /// Types of the objects.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        match &self.origin {
            Origin::BuiltIn(..) => &Api::builtin().schema,
            Origin::Custom(compiled, index, _) => &compiled.versions[*index].schema,
        }
    }

    /// Type and names, for encoders.
    #[must_use]
    pub fn typed(&self) -> Typed<'_> {
        Typed { schema: self.schema(), node: self.node, api_version: &self.api_version, kind: &self.kind }
    }

    /// Whether it comes from a CustomResourceDefinition.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        matches!(self.origin, Origin::Custom(..))
    }

    /// Whether objects are stored; reviews, bindings and component statuses are not.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        match &self.origin {
            Origin::BuiltIn(resource, _) => resource.has_verb("watch") || resource.has_verb("update"),
            Origin::Custom(..) => true,
        }
    }

    /// Whether a verb is served.
    #[must_use]
    pub fn has_verb(&self, verb: &str) -> bool {
        match &self.origin {
            Origin::BuiltIn(resource, _) => resource.has_verb(verb),
            Origin::Custom(..) => true,
        }
    }

    /// Whether a subresource is served.
    #[must_use]
    pub fn has_subresource(&self, name: &str) -> bool {
        match (&self.origin, self.definition()) {
            (Origin::BuiltIn(resource, _), _) => resource.subresource(name).is_some(),
            (Origin::Custom(..), Some(version)) => {
                (name == "status" && version.status) || (name == "scale" && version.scale.is_some())
            }
            (Origin::Custom(..), None) => false,
        }
    }

    /// Whether `/status` is served.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.has_subresource("status")
    }

    /// What clients may send and ask for.
    #[must_use]
    pub fn offer(&self) -> Offer {
        Offer { protobuf: !self.is_custom(), transforms: Transforms::Table }
    }

    /// Name of the type of objects or lists in upstream's process, which some messages tell.
    #[must_use]
    pub fn go_type(&self, kind: &str) -> String {
        match (self.is_custom(), kind == self.list_kind) {
            (false, _) => go_type(&self.group, kind),
            (true, false) => "*unstructured.Unstructured".to_owned(),
            (true, true) => "*unstructured.UnstructuredList".to_owned(),
        }
    }

    /// Media types of patches.
    #[must_use]
    pub fn patch_types(&self) -> &'static [&'static str] {
        const ALL: [&str; 4] = [
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/apply-patch+yaml",
            "application/strategic-merge-patch+json",
        ];
        const BUILTIN: [&str; 4] = [ALL[0], ALL[1], ALL[3], ALL[2]];
        if self.is_custom() { &ALL[..3] } else { &BUILTIN }
    }

    /// Group and resource, for messages.
    #[must_use]
    pub fn group_resource(&self) -> GroupResource {
        GroupResource { group: self.group.clone(), resource: self.plural.clone() }
    }

    /// Group and kind, for messages that name the kind. It is the kind that is stored, so all events are core events.
    #[must_use]
    pub fn group_kind(&self) -> GroupResource {
        GroupResource { group: self.storage_group.clone(), resource: self.kind.clone() }
    }

    /// A warning that every request to this version gets.
    #[must_use]
    pub fn deprecation_warning(&self) -> Option<String> {
        match self.definition() {
            Some(version) if version.deprecated => Some(
                version.warning.clone().unwrap_or_else(|| format!("{} {} is deprecated", self.api_version, self.kind)),
            ),
            Some(_) => None,
            None => match (self.group.as_str(), self.kind.as_str()) {
                ("", "ComponentStatus") => Some("v1 ComponentStatus is deprecated in v1.19+".to_owned()),
                ("", "Endpoints") => {
                    Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned())
                }
                _ => None,
            },
        }
    }
}

/// Keys.
impl Served {
    /// Returns the key of an object.
    #[must_use]
    pub fn key(&self, namespace: Option<&str>, name: &str) -> Key {
        Key::new(&self.storage_group, &self.plural, namespace.filter(|_| self.namespaced), name)
    }

    /// Returns the key of a collection that a continue token names; `None` when it lies outside.
    #[must_use]
    pub fn key_in(&self, prefix: &Prefix, rest: &str) -> Option<Key> {
        let mut bytes = prefix.as_bytes().to_vec();
        bytes.extend_from_slice(rest.as_bytes());
        Key::parse(&bytes).filter(|key| key.namespace().is_some() == self.namespaced)
    }

    /// Returns the keys of a collection.
    #[must_use]
    pub fn prefix(&self, namespace: Option<&str>) -> Prefix {
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => Prefix::namespace(&self.storage_group, &self.plural, namespace),
            None => Prefix::resource(&self.storage_group, &self.plural),
        }
    }
}

/// Life of an object.
impl Served {
    /// Serialises an object in its storage version.
    ///
    /// # Errors
    /// When it can't be converted.
    pub fn pack(&self, object: &Value) -> Result<(bytes::Bytes, Stamp), StorageError> {
        let corrupt =
            |error: String| StorageError::Corrupt(format!("convert {} to its storage version: {error}", self.kind));
        match &self.origin {
            Origin::BuiltIn(resource, _) => {
                let (group, version) = convert::storage_version(&self.group, &self.plural);
                if group == self.group && version == self.version {
                    return Ok(codec::pack(object, self.stamp));
                }
                let kind = self.kind.as_str();
                let to = GroupVersionKind { group, version, kind };
                let stored = convert::convert(object.clone(), self.convertible(), to)
                    .map_err(|error| corrupt(error.to_string()))?;
                let api_version = api::GroupVersion::new(group, version).to_string();
                let _ = resource;
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

    /// A version of a custom resource by its `apiVersion`.
    fn sibling(&self, api_version: &str) -> Option<&CompiledVersion> {
        let compiled = self.compiled()?;
        let (group, version) = api_version.split_once('/')?;
        compiled.versions.iter().find(|known| known.name == version && compiled.group == group)
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

    /// Applies `fieldValidation` to what decoding found (KEP-2885); returns warnings.
    ///
    /// # Errors
    /// 400 under `Strict`.
    pub fn judge(&self, findings: &Findings, validation: FieldValidation) -> Result<Vec<String>, Status> {
        findings.judge(validation).map_err(|text| {
            Status::bad_request(decode::cannot_be_handled(&self.kind, &self.version, &self.kind, &text))
        })
    }

    /// The body is of another type than the path.
    #[must_use]
    pub fn wrong_type(&self, api_version: &str, kind: &str) -> Status {
        if kind == self.kind && self.converts_from(api_version) {
            return Status::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({})",
                self.api_version
            ));
        }
        Status::bad_request(decode::cannot_be_handled(
            kind,
            &api::GroupVersion::parse(api_version).version,
            &self.kind,
            &self.type_error(api_version, kind),
        ))
    }

    /// Whether another version holds the same objects.
    fn converts_from(&self, api_version: &str) -> bool {
        let other = api::GroupVersion::parse(api_version);
        let (group, _) = convert::storage_version(&other.group, &self.plural);
        group == self.storage_group && Api::builtin().resource(&other.group, &other.version, &self.plural).is_some()
    }

    /// Why an object of another type is none of this one.
    #[must_use]
    pub fn type_error(&self, api_version: &str, kind: &str) -> String {
        type_error(&self.group, &self.kind, api_version, kind)
    }

    /// What the server changes in a new object; returns warnings.
    pub fn prepare_create(&self, object: &mut Value, now: &str) -> Vec<String> {
        match self.definition() {
            Some(version) => {
                version.prepare_create(object);
                Vec::new()
            }
            None if self.is_definition() => {
                crd::prepare_definition_create(object);
                Vec::new()
            }
            None => strategy::prepare_for_create(self.gvk(), object, now),
        }
    }

    /// Whether an object that is not yet defaulted will share its labels with its template: upstream's default for Jobs
    /// takes the same map, so what the server adds to the one is in the other.
    #[must_use]
    pub fn shares_labels(&self, object: &Value) -> bool {
        let labels = |path: &str| object.pointer(path).and_then(Value::as_object).is_some_and(|map| !map.is_empty());
        (self.group.as_str(), self.kind.as_str()) == ("batch", "Job")
            && !labels("/metadata/labels")
            && labels(TEMPLATE_LABELS)
    }

    /// Gives an object the labels of its template.
    pub fn share_labels(&self, object: &mut Value) {
        if let Some(labels) = object.pointer(TEMPLATE_LABELS).cloned() {
            codec::metadata_mut(object).insert("labels".to_owned(), labels);
        }
    }

    /// What upstream's defaults add when it reads back what it has stored: a Job without labels has those of its
    /// template, to which the server has added some.
    pub fn read_back(&self, object: &mut Value, now: &str) {
        if (self.group.as_str(), self.kind.as_str()) == ("batch", "Job") {
            self.default(object, now);
        }
    }

    /// What the server changes in an object that replaces another.
    pub fn prepare_update(&self, object: &mut Value, old: &Value, part: Subresource, now: &str) {
        match (self.definition(), part) {
            (Some(version), Subresource::Status) => version.prepare_status_update(object, old),
            (Some(version), _) => version.prepare_update(object, old),
            (None, Subresource::Status) if self.is_definition() => crd::prepare_definition_status_update(object, old),
            (None, _) if self.is_definition() => crd::prepare_definition_update(object, old),
            (None, part) => strategy::prepare_for_update(self.gvk(), object, old, part, now),
        }
    }

    /// Validates a new object.
    #[must_use]
    pub fn validate_create(&self, object: &Value) -> FieldErrors {
        let own = match self.definition() {
            Some(version) => version.validate_create(object),
            None if self.is_definition() => crd::validate_create(object),
            None => validation::validate_create(self.gvk(), object),
        };
        if !own.is_empty() && !self.is_custom() && !validation::validates_new_metadata(self.gvk()) {
            return own;
        }
        let mut errors = self.metadata_errors(object);
        errors.extend(own);
        errors
    }

    /// Validates an object that replaces another.
    ///
    /// Upstream looks at the metadata of every update itself before the kind does, mostly with the same rules, and tells
    /// each error as often as it was found.
    #[must_use]
    pub fn validate_update(&self, object: &Value, old: &Value, part: Subresource) -> FieldErrors {
        let (after, before) = (&object["metadata"], &old["metadata"]);
        let changes = || object_meta::validate_object_meta_update(after, before, "metadata");
        let mut errors = self.metadata_errors_with(names::name_is_path_segment, object);
        errors.extend(changes());
        match self.definition() {
            Some(version) => {
                errors.extend(changes());
                errors.extend(match part {
                    Subresource::Status => version.validate_status_update(object, old),
                    _ => version.validate_update(object, old),
                });
            }
            None if self.is_definition() => {
                errors.extend(changes());
                errors.extend(match part {
                    Subresource::Status => crd::validate_status_update(object),
                    _ => crd::validate_update(object, old),
                });
            }
            None => {
                errors.extend(validation::validate_metadata_update(self.gvk(), object, old, part));
                errors.extend(validation::validate_subresource_update(self.gvk(), object, old, part));
            }
        }
        errors
    }

    fn metadata_errors(&self, object: &Value) -> FieldErrors {
        let rule = self
            .strategy()
            .map_or(names::name_is_dns_subdomain as names::NameRule, |strategy| strategy.name_rule.function());
        self.metadata_errors_with(rule, object)
    }

    fn metadata_errors_with(&self, rule: names::NameRule, object: &Value) -> FieldErrors {
        let scope = if self.namespaced { object_meta::Scope::Namespaced } else { object_meta::Scope::Cluster };
        object_meta::validate_object_meta(&object["metadata"], scope, rule, "metadata")
    }

    fn is_definition(&self) -> bool {
        self.group == crate::catalog::GROUP && self.plural == crate::catalog::PLURAL
    }

    /// Warnings about an accepted object.
    #[must_use]
    pub fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        if self.is_definition() {
            return crd::unrecognized_formats(object)
                .into_iter()
                .map(|format| format!("unrecognized format {format:?}"))
                .collect();
        }
        match (self.is_custom(), old) {
            (true, _) => Vec::new(),
            (false, None) => builtin::warnings::warnings_on_create(self.gvk(), object),
            (false, Some(old)) => builtin::warnings::warnings_on_update(self.gvk(), object, old, Subresource::Main),
        }
    }

    /// 422 with upstream's message, which names the group of the internal type: that of the storage.
    #[must_use]
    pub fn invalid(&self, name: &str, errors: &[FieldError]) -> Status {
        Status::invalid(&self.storage_group, &self.kind, name, errors)
    }

    /// The error of an update without a resourceVersion where one is needed.
    #[must_use]
    pub fn missing_revision(&self) -> FieldError {
        FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update")
    }

    /// Fields that nobody comes to own through a part of the object.
    #[must_use]
    pub fn reset_fields(&self, part: Subresource) -> apply::Set {
        match (&self.origin, self.definition()) {
            (Origin::Custom(..), Some(version)) if version.status => match part {
                Subresource::Status => apply::Set::from_paths(&[vec![apply::Element::Field("spec".to_owned())]]),
                _ => apply::Set::from_paths(&[vec![apply::Element::Field("status".to_owned())]]),
            },
            (Origin::BuiltIn(_, Some(strategy)), _) => match strategy::reset_fields(strategy, part) {
                strategy::ResetFields::These(paths) => set_of(paths),
                // Views of one part of a pod: what else the body holds has been put back by the strategy already.
                strategy::ResetFields::AllBut(_) => apply::Set::default(),
            },
            _ => apply::Set::default(),
        }
    }
}

/// Replicas.
impl Served {
    /// Returns where objects have their replicas in a version; empty for one without `/scale`.
    #[must_use]
    pub fn replicas_path(&self, api_version: &str) -> Option<Vec<String>> {
        if self.is_custom() {
            let scale = self.sibling(api_version)?.scale.as_ref();
            let path = scale.map_or("", |scale| scale.spec_replicas_path.trim_start_matches('.'));
            return Some(path.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect());
        }
        let known = api_version == self.api_version;
        known.then(|| vec!["spec".to_owned(), "replicas".to_owned()])
    }
}

/// How managed fields of other versions are looked at in theirs.
impl<'a> apply::Versions<'a> for &'a Served {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, &'a Schema, NodeId)> {
        match &self.origin {
            Origin::BuiltIn(..) => {
                let from = api::GroupVersion::parse(object.get("apiVersion")?.as_str()?);
                let to = api::GroupVersion::parse(api_version);
                // Events are served in a second group, of which upstream knows nothing here.
                if to.group != self.group {
                    return None;
                }
                let node = Api::builtin().node_of_kind(&to.group, &to.version, &self.kind)?;
                let kind = &*self.kind;
                let from = GroupVersionKind { group: &from.group, version: &from.version, kind };
                let to = GroupVersionKind { group: &to.group, version: &to.version, kind };
                Some((convert::convert(object.clone(), from, to).ok()?, self.schema(), node))
            }
            Origin::Custom(..) => {
                let version = self.sibling(api_version)?;
                let mut object = object.clone();
                if object.get("apiVersion").and_then(Value::as_str) != Some(api_version) {
                    object["apiVersion"] = Value::from(api_version);
                    version.coerce(&mut object).ok()?;
                }
                Some((object, &version.schema, version.root))
            }
        }
    }
}

fn set_of(paths: &[strategy::FieldPath]) -> apply::Set {
    let paths: Vec<apply::Path> =
        paths.iter().map(|path| path.iter().map(|name| apply::Element::Field((*name).to_owned())).collect()).collect();
    apply::Set::from_paths(&paths)
}

/// Rules of the verbs.
impl Served {
    fn strategy(&self) -> Option<&'static Strategy> {
        match &self.origin {
            Origin::BuiltIn(_, strategy) => *strategy,
            Origin::Custom(..) => None,
        }
    }

    /// PUT of an absent object creates it.
    #[must_use]
    pub fn allows_create_on_update(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.allow_create_on_update)
    }

    /// PUT without a resourceVersion is accepted.
    #[must_use]
    pub fn allows_unconditional_update(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.allow_unconditional_update)
    }

    /// Seconds until a deleted object goes; 0 for kinds that don't die gracefully.
    #[must_use]
    pub fn grace_period(&self, object: &Value, asked: Option<i64>) -> i64 {
        if self.is_custom() { 0 } else { strategy::grace_period(self.gvk(), object, asked).unwrap_or(0) }
    }

    /// Whether the garbage collector follows its dependents.
    #[must_use]
    pub fn is_collectable(&self) -> bool {
        self.strategy().is_none_or(|strategy| strategy.dependents != Dependents::Unsupported)
    }

    /// Whether dependents stay when a deletion does not say what becomes of them.
    #[must_use]
    pub fn orphans_by_default(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.dependents == Dependents::Orphan)
    }

    /// Whether deletion may take a grace period.
    #[must_use]
    pub fn dies_gracefully(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.graceful_delete)
    }

    /// Whether something besides `metadata.finalizers` holds the object: a namespace's `spec.finalizers`, or a definition's
    /// objects, which get it a finalizer when it is deleted first.
    #[must_use]
    pub fn holds(&self, object: &Value) -> bool {
        if self.is_definition() {
            return codec::meta_str(object, "deletionTimestamp").is_empty();
        }
        self.is_namespace()
            && object.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    }

    /// Whether it is the namespace resource.
    #[must_use]
    pub fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.plural == "namespaces"
    }

    /// Whether an updated object has nothing left that holds it.
    #[must_use]
    pub fn is_finished(&self, object: &Value) -> bool {
        let metadata = codec::metadata(object);
        let field = |name: &str| metadata.and_then(|map| map.get(name));
        let going = field("deletionTimestamp").is_some_and(|value| !value.is_null());
        let grace = field("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
        let finalizers = field("finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        going && grace == 0 && !finalizers && !self.holds(object)
    }

    /// Whether upstream deletes such objects by code of their own, with words of its own.
    #[must_use]
    pub fn has_own_deletion(&self) -> bool {
        self.is_namespace() || self.is_definition()
    }

    /// Whether a deleted object that stays tells its grace period; those with a deletion of their own don't.
    #[must_use]
    pub fn tells_grace_period(&self) -> bool {
        !self.has_own_deletion()
    }

    /// What a deletion changes in an object that stays for a while.
    pub fn mark_deleting(&self, object: &mut Value, now: &str) {
        if self.is_namespace() {
            object["status"]["phase"] = Value::from("Terminating");
        }
        if self.is_definition() {
            crd::conditions::begin_deletion(object, now);
        }
    }

    /// Whether DELETE answers with the object rather than with a Status.
    #[must_use]
    pub fn returns_deleted(&self) -> bool {
        match &self.origin {
            Origin::BuiltIn(resource, _) => resource.delete_returns_object,
            Origin::Custom(..) => false,
        }
    }

    /// Checks a field of a field selector.
    ///
    /// # Errors
    /// 400 for one that the kind does not select by.
    pub fn check_field(&self, field: &str) -> Result<(), Status> {
        match self.definition() {
            None => fields::canonical(&self.group, &self.plural, &self.version, field)
                .map(|_| ())
                .map_err(Status::bad_request),
            Some(version) => {
                let known = matches!(field, "metadata.name" | "metadata.namespace")
                    || version.selectable_fields.iter().any(|known| known.trim_start_matches('.') == field);
                if known { Ok(()) } else { Err(Status::bad_request(format!("field label not supported: {field}"))) }
            }
        }
    }

    /// Returns the value of a field for field selectors.
    #[must_use]
    pub fn field_value(&self, object: &Value, field: &str) -> Option<String> {
        match self.definition() {
            None => {
                let field = fields::canonical(&self.group, &self.plural, &self.version, field).ok()?;
                fields::field_value(&self.group, &self.plural, object, field)
            }
            Some(version) => {
                version.selectable_values(object).into_iter().find(|(name, _)| name == field).map(|(_, value)| value)
            }
        }
    }

    /// Returns a Table of objects. Each is dropped when its row is made, unless rows have an order of their own.
    ///
    /// # Errors
    /// The first of `objects`.
    pub fn table(
        &self,
        objects: impl IntoIterator<Item = Result<Value, Status>>,
        list_meta: Map<String, Value>,
        columns: bool,
        include: table::IncludeObject,
        now: Timestamp,
    ) -> Result<Value, Status> {
        let definitions = match &self.origin {
            Origin::Custom(_, _, columns) => columns.definitions(),
            Origin::BuiltIn(..) => table::definitions(table::columns(&self.group, &self.version, &self.plural)),
        };
        let row = |object: &Value| {
            let (cells, conditions) = match &self.origin {
                Origin::Custom(_, _, columns) => (table::crd_row(columns, object, now), None),
                Origin::BuiltIn(..) => (
                    table::row(&self.group, &self.version, &self.kind, object, now),
                    table::row_conditions(&self.group, &self.kind, object),
                ),
            };
            table::table_row(cells, conditions, object, include)
        };
        let objects = objects.into_iter();
        let rows: Vec<Value> = match table::print_order(&self.group, &self.kind) {
            Some(order) => {
                let mut sorted = objects.collect::<Result<Vec<Value>, Status>>()?;
                sorted.sort_by(order);
                sorted.iter().map(row).collect()
            }
            None => objects.map(|object| Ok(row(&object?))).collect::<Result<_, Status>>()?,
        };
        let none = rows.is_empty() && !self.has_printer();
        let mut table = table::table(if columns { definitions } else { Value::Null }, rows, Value::Object(list_meta));
        if none {
            // Upstream's default printer begins with no list of rows rather than with an empty one.
            table["rows"] = Value::Null;
        }
        Ok(table)
    }

    fn has_printer(&self) -> bool {
        self.is_custom() || table::columns(&self.group, &self.version, &self.plural) != table::DEFAULT_COLUMNS
    }
}

/// Why an object of another type is none of a kind of `group`, in upstream's words.
#[must_use]
pub fn type_error(group: &str, own_kind: &str, api_version: &str, kind: &str) -> String {
    let version = api::GroupVersion::parse(api_version);
    let known = go_scheme(group) == go_scheme(&version.group)
        && Api::builtin().resource_of_kind(&version.group, &version.version, kind).is_some();
    if known {
        let package = go_package(group);
        return format!("converting ({}.{kind}) to ({package}.{own_kind}): unknown conversion", version.version);
    }
    format!("no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \"pkg/runtime/scheme.go:111\"")
}

/// Returns the name of a built-in type in upstream's process, which some messages tell.
#[must_use]
pub fn go_type(group: &str, kind: &str) -> String {
    format!("*{}.{kind}", go_package(group))
}

/// Upstream is three servers in one, each with types of its own; those of all requests stand apart too.
fn go_scheme(group: &str) -> &str {
    match group {
        "apiextensions.k8s.io" | "apiregistration.k8s.io" | "meta.k8s.io" => group,
        _ => "",
    }
}

fn go_package(group: &str) -> &str {
    match group {
        "" | "events.k8s.io" => "core",
        group => group.split('.').next().unwrap_or(group),
    }
}

fn type_prefix(api_version: &str, kind: &str) -> Vec<u8> {
    format!("\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\",").into_bytes()
}

fn columns(version: &CompiledVersion) -> table::CrdColumns {
    let columns = version.columns.iter().map(|column| {
        serde_json::json!({"name": column.name, "type": column.column_type, "format": column.format,
            "description": column.description, "priority": column.priority, "jsonPath": column.json_path})
    });
    table::crd_columns(&serde_json::json!({"additionalPrinterColumns": columns.collect::<Vec<_>>()}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kplex_machinery::apply::Versions;
    use serde_json::json;

    fn builtin(group: &str, version: &str, plural: &str) -> Arc<Served> {
        crate::catalog::builtin()[&(group.to_owned(), version.to_owned(), plural.to_owned())].clone()
    }

    #[test]
    fn managers_of_other_versions_see_the_object_in_theirs() {
        let served = builtin("autoscaling", "v1", "horizontalpodautoscalers");
        let object = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}});
        let (second, ..) = served.as_ref().convert(&object, "autoscaling/v2").unwrap();
        assert_eq!(second["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
        assert!(served.as_ref().convert(&object, "autoscaling/v9").is_none());
        let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {}, "message": "m"});
        assert!(builtin("", "v1", "events").as_ref().convert(&event, "events.k8s.io/v1").is_none());
    }

    #[test]
    fn versions_of_custom_resources_know_their_own_fields() {
        let version = |name: &str, field: &str| {
            json!({"name": name, "served": true, "storage": name == "v1",
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {field: {"type": "string"}}}}})
        };
        let definition = json!({"metadata": {"name": "foos.example.com"}, "spec": {"group": "example.com",
            "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
            "versions": [version("v1", "a"), version("v2", "b")]}});
        let served = Served::custom(&Arc::new(crd::compile(&definition).unwrap()), 0);
        let object = json!({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {}, "a": "1"});
        let (other, ..) = (&served).convert(&object, "example.com/v2").unwrap();
        assert_eq!(other, json!({"apiVersion": "example.com/v2", "kind": "Foo", "metadata": {}}));
        assert!((&served).convert(&object, "example.com/v3").is_none());
        let unknown = |api_version: &str| {
            let mut sent = object.clone();
            sent["apiVersion"] = Value::from(api_version);
            served.unknown_to_sibling(&sent)
        };
        assert_eq!(unknown("example.com/v2"), ["unknown field \"a\""]);
        assert_eq!(unknown("example.com/v3"), ["unknown field \"a\""]);
        assert!(unknown("example.com/v1").is_empty());
        assert!(unknown("other.com/v1").is_empty());
    }

    #[test]
    fn a_job_without_labels_has_those_of_its_template() {
        let served = builtin("batch", "v1", "jobs");
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}});
        let mut job = json!({"metadata": {"name": "j"}, "spec": {"template": template}});
        served.read_back(&mut job, "2026-01-01T00:00:00Z");
        assert_eq!(job["metadata"]["labels"], json!({"a": "b"}));
    }

    #[test]
    fn events_are_called_by_their_first_group() {
        let served = builtin("events.k8s.io", "v1", "events");
        let status = served.invalid("e", &[FieldError::required("x", "")]);
        assert_eq!(status.message, "Event \"e\" is invalid: x: Required value");
    }
}
