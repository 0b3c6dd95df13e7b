//! What the server changes in an object, and who manages its fields.

use super::{Origin, Served, TEMPLATE_LABELS};
use crate::codec;
use kplex_machinery::api::{self, Api};
use kplex_machinery::builtin::strategy::{self, Subresource};
use kplex_machinery::convert::{self, GroupVersionKind};
use kplex_machinery::schema::{NodeId, Schema};
use kplex_machinery::{apply, crd};
use serde_json::Value;

impl Served {
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
