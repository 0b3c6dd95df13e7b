//! Which objects of a collection a request means: label and field selectors.

use crate::codec;
use crate::http::query::ListOptions;
use crate::resource::Served;
use kplex_machinery::selector::{FieldSelector, LabelSelector};
use kplex_machinery::status::Status;
use kplex_storage::Entry;
use serde::Deserialize;
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
        let wanted = fields.as_ref().and_then(|selector| selector.exact("metadata.name")).map(str::to_owned);
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
        if let Some(selector) = &self.labels {
            let labels = labels(entry)?;
            if !selector.matches(|key| labels.get(key).map(String::as_str)) {
                return Ok(false);
            }
        }
        let Some(selector) = &self.fields else { return Ok(true) };
        let by_key = |field: &str| field == "metadata.name" || field == "metadata.namespace";
        if selector.requirements().iter().all(|requirement| by_key(&requirement.field)) {
            return Ok(selector.matches_owned(|field| key_field(entry, field)));
        }
        let object = codec::load(served, entry)?;
        Ok(selector.matches_owned(|field| key_field(entry, field).or_else(|| served.field_value(&object, field))))
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
    let selector = LabelSelector::parse(text).map_err(Status::bad_request)?;
    Ok(Some(selector))
}

fn parse_fields(served: &Served, text: &str) -> Result<Option<FieldSelector>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let selector = FieldSelector::parse(text).map_err(Status::bad_request)?;
    for requirement in selector.requirements() {
        served.check_field(&requirement.field)?;
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
