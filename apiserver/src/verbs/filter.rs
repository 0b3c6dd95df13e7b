//! Which objects of a collection a request means: label and field selectors.

use crate::codec;
use crate::http::query::ListOptions;
use crate::resource::Served;
use kplex_machinery::selector::{FieldSelector, LabelSelector};
use kplex_machinery::status::Status;
use kplex_storage::Entry;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A compiled pair of selectors.
#[derive(Default)]
pub struct Filter {
    labels: Option<LabelSelector>,
    fields: Option<FieldSelector>,
    /// The one name that can match, from the path or from `metadata.name=…`.
    pub name: Option<String>,
}

impl Filter {
    /// Compiles the selectors of a request; `name` comes from the path of a watch on one object.
    ///
    /// # Errors
    /// 400 for a selector that does not parse or a field that the kind does not select by.
    pub fn new(served: &Served, options: &ListOptions, name: Option<&str>) -> Result<Self, Status> {
        let labels = parse_labels(&options.label_selector)?;
        let fields = parse_fields(served, &options.field_selector)?;
        let wanted = fields.as_ref().and_then(|selector| selector.required("metadata.name")).map(str::to_owned);
        if let (Some(path), Some(field)) = (name, &wanted)
            && path != field
        {
            let why = "fieldSelector metadata.name doesn't match requested name";
            return Err(Status::bad_request(why));
        }
        Ok(Self { labels, fields, name: name.map(str::to_owned).or(wanted) })
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_none() && self.fields.is_none() && self.name.is_none()
    }

    /// Whether an entry is meant. Reads no more of it than the selectors need.
    ///
    /// # Errors
    /// 500 when the stored object can't be read.
    pub fn matches(&self, served: &Served, entry: &Entry) -> Result<bool, Status> {
        if let Some(name) = &self.name
            && entry.key.name() != name
        {
            return Ok(false);
        }
        if let Some(selector) = &self.labels
            && !selector.matches(&labels(entry)?)
        {
            return Ok(false);
        }
        let Some(selector) = &self.fields else { return Ok(true) };
        if selector.fields().all(|field| field == "metadata.name" || field == "metadata.namespace") {
            return Ok(selector.matches(|field| key_field(entry, field)));
        }
        let object = codec::load(served, entry)?;
        Ok(selector.matches(|field| key_field(entry, field).or_else(|| served.field_value(&object, field)).unwrap_or_default().into()))
    }
}

fn key_field(entry: &Entry, field: &str) -> Option<String> {
    match field {
        "metadata.name" => Some(entry.key.name().to_owned()),
        "metadata.namespace" => Some(entry.key.namespace().unwrap_or("").to_owned()),
        _ => None,
    }
}

fn parse_labels(text: &str) -> Result<Option<LabelSelector>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let selector = LabelSelector::parse(text).map_err(|error| Status::bad_request(error.to_string()))?;
    Ok(Some(selector))
}

fn parse_fields(served: &Served, text: &str) -> Result<Option<FieldSelector>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let selector = FieldSelector::parse(text).map_err(|error| Status::bad_request(error.to_string()))?;
    for field in selector.fields() {
        served.check_field(field)?;
    }
    Ok(Some(selector))
}

/// Reads only the labels of stored bytes.
fn labels(entry: &Entry) -> Result<BTreeMap<String, String>, Status> {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        labels: BTreeMap<String, String>,
    }
    let object: Object = serde_json::from_slice(&entry.value)
        .map_err(|error| Status::internal(format!("decode labels of a stored object: {error}")))?;
    Ok(object.metadata.labels)
}

/// Returns the labels of a document.
#[must_use]
pub fn labels_of(object: &Value) -> BTreeMap<String, String> {
    codec::metadata(object)
        .and_then(|map| map.get("labels"))
        .and_then(Value::as_object)
        .map(|map| map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect())
        .unwrap_or_default()
}
