//! Operations, independent of the version of OpenAPI: what they are made of, and how their parts are written.

use super::parameters::Parameter;
use super::schemas::Schemas;
use crate::api::GroupVersion;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// Media types of built-in objects.
pub(super) const OBJECTS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
pub(super) const STREAMS: [&str; 2] =
    ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
pub(super) const ANYTHING: [&str; 1] = ["*/*"];
pub(super) const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
/// Media types of custom resources.
pub(super) const CUSTOM: [&str; 2] = ["application/json", "application/yaml"];
pub(super) const CUSTOM_PATCHES: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

/// What a request or response holds.
#[derive(Clone)]
pub(super) enum Body {
    /// A definition.
    Object(String),
    /// Text.
    Text,
}

/// One operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) id: String,
    pub(super) text: String,
    pub(super) tag: String,
    /// `x-kubernetes-action` and `x-kubernetes-group-version-kind`.
    pub(super) action: Option<(&'static str, GroupVersion, String)>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<(Body, bool)>,
    pub(super) consumes: Vec<&'static str>,
    pub(super) produces: Vec<&'static str>,
    pub(super) answer: Body,
    /// Codes of answers besides 200 and 401.
    pub(super) codes: &'static [u16],
}

/// Operations by path.
pub(super) type Paths = BTreeMap<String, Vec<Operation>>;

/// Names that operations of a group version are made of.
pub(super) struct Naming {
    /// `AppsV1`.
    pub(super) title: String,
    /// `apps_v1`.
    pub(super) tag: String,
    /// `/apis/apps/v1`.
    pub(super) root: String,
}

fn camel(group: &str) -> String {
    let short = group.strip_suffix(".k8s.io").unwrap_or(group);
    short.split(['.', '-']).map(title).collect()
}

pub(super) fn title(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

fn lower_first(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

/// Name of a group in tags and operation ids.
pub(super) fn group_title(group: &str) -> String {
    if group.is_empty() { "Core".to_owned() } else { camel(group) }
}

/// Tag of a group.
pub(super) fn group_tag(group: &str) -> String {
    lower_first(&group_title(group))
}

impl Naming {
    pub(super) fn new(group: &str, version: &str) -> Self {
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let name = group_title(group);
        Self { title: format!("{name}{}", title(version)), tag: format!("{}_{version}", lower_first(&name)), root }
    }
}

/// `a Pod`, `an Ingress`.
pub(super) fn with_article(kind: &str) -> String {
    let vowel = kind.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// An operation without kind that answers with one object.
pub(super) fn plain(id: &str, tag: &str, text: &str, answer: Body, media: &[&'static str]) -> Operation {
    Operation {
        method: "get",
        id: id.to_owned(),
        text: text.to_owned(),
        tag: tag.to_owned(),
        action: None,
        parameters: Vec::new(),
        body: None,
        consumes: if matches!(answer, Body::Text) { Vec::new() } else { media.to_vec() },
        produces: media.to_vec(),
        answer,
        codes: &[],
    }
}

/// Splits the parameters of a path's operations into those that all of them have, sorted, and the rest.
pub(super) fn common_parameters(operations: &[Operation]) -> Vec<Parameter> {
    let Some((first, others)) = operations.split_first() else { return Vec::new() };
    let mut common: Vec<Parameter> = first
        .parameters
        .iter()
        .filter(|parameter| others.iter().all(|other| other.parameters.contains(parameter)))
        .cloned()
        .collect();
    common.sort();
    common
}

/// Returns the parameters of an operation that are not common to its path, sorted.
pub(super) fn own_parameters(operation: &Operation, common: &[Parameter]) -> Vec<Parameter> {
    let mut own: Vec<Parameter> =
        operation.parameters.iter().filter(|parameter| !common.contains(parameter)).cloned().collect();
    own.sort();
    own
}

/// Returns the words for a code.
pub(super) fn code_text(code: u16) -> &'static str {
    match code {
        201 => "Created",
        202 => "Accepted",
        401 => "Unauthorized",
        _ => "OK",
    }
}

/// Adds action and kind to a written operation.
pub(super) fn add_action(operation: &Operation, value: &mut Map<String, Value>) {
    if let Some((action, version, kind)) = &operation.action {
        value.insert("x-kubernetes-action".to_owned(), Value::from(*action));
        let kind = json!({"group": version.group, "version": version.version, "kind": kind});
        value.insert("x-kubernetes-group-version-kind".to_owned(), kind);
    }
}

/// Returns the schema of a body.
pub(super) fn body_schema(schemas: &mut Schemas<'_>, body: &Body) -> Value {
    match body {
        Body::Object(name) => schemas.reference(name),
        Body::Text => json!({"type": "string"}),
    }
}
