//! Schemas of the built-in types, from the API table.

use crate::api::Api;
use crate::schema::{Field, Kind, ListType, Node, NodeId};
use kplex_descriptions::Descriptions;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Version of the OpenAPI specification.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    /// Swagger 2.0: no defaults and no alternatives.
    V2,
    /// OpenAPI 3.0.
    V3,
}

impl Flavor {
    /// Returns the reference to a definition.
    pub(super) fn reference(self, name: &str) -> Value {
        match self {
            Flavor::V2 => json!({"$ref": format!("#/definitions/{name}")}),
            Flavor::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }
}

/// Writes schemas and remembers which definitions they refer to.
pub(super) struct Schemas<'a> {
    pub(super) api: &'a Api,
    pub(super) descriptions: &'a Descriptions,
    pub(super) flavor: Flavor,
    /// Definitions that somebody referred to.
    wanted: BTreeSet<String>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(api: &'a Api, descriptions: &'a Descriptions, flavor: Flavor) -> Self {
        Self { api, descriptions, flavor, wanted: BTreeSet::new() }
    }

    /// Returns the reference to a definition, which thereby belongs to the document.
    pub(super) fn reference(&mut self, name: &str) -> Value {
        self.wanted.insert(name.to_owned());
        self.flavor.reference(name)
    }

    /// Returns all definitions that were referred to, and those that they refer to.
    pub(super) fn closure(mut self) -> Map<String, Value> {
        let mut done = Map::new();
        while let Some(name) = self.wanted.pop_first() {
            if done.contains_key(&name) {
                continue;
            }
            let Some(definition) = self.api.definition(&name) else { continue };
            let schema = self.definition(&name, definition.node);
            done.insert(name, schema);
        }
        done
    }

    /// Returns the schema of a definition.
    pub(super) fn definition(&mut self, name: &str, id: NodeId) -> Value {
        let node = self.api.schema.node(id);
        let mut schema = self.shape(node, false);
        if let Some(text) = self.descriptions.definition(name).map(str::to_owned).or_else(|| list_text(name, node)) {
            schema.insert("description".to_owned(), Value::from(text));
        }
        if !node.fields.is_empty() {
            let fields: Map<String, Value> =
                node.fields.iter().map(|field| (field.name.clone(), self.field(name, field))).collect();
            schema.insert("properties".to_owned(), Value::Object(fields));
            let required: Vec<&str> =
                node.fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
            if !required.is_empty() {
                schema.insert("required".to_owned(), json!(required));
            }
        }
        if node.declared && matches!(node.kind, Kind::Object | Kind::Map) {
            schema.insert("x-kubernetes-map-type".to_owned(), map_type(node));
        }
        if let Some(unions) = &node.unions {
            schema.insert("x-kubernetes-unions".to_owned(), unions.clone());
        }
        let kinds = self.api.definition(name).map(|definition| definition.kinds.as_slice()).unwrap_or_default();
        if !kinds.is_empty() {
            let kind = |(version, kind): &(crate::api::GroupVersion, String)| json!({"group": version.group, "kind": kind, "version": version.version});
            schema.insert("x-kubernetes-group-version-kind".to_owned(), kinds.iter().map(kind).collect());
        }
        Value::Object(schema)
    }

    fn field(&mut self, definition: &str, field: &Field) -> Value {
        let mut extra = Map::new();
        let mut text = self.descriptions.field(definition, &field.name).unwrap_or_default().to_owned();
        let node = self.api.schema.node(field.node);
        if text.is_empty() {
            text = standard_text(definition, &field.name).to_owned();
        }
        if node.name.is_empty() && !node.enums.is_empty() {
            let values: Vec<String> = node.enums.iter().map(|value| format!("\n - `{value}`")).collect();
            text.push_str(&format!("\n\nPossible enum values:{}", values.concat()));
        }
        if !text.is_empty() {
            extra.insert("description".to_owned(), Value::from(text));
        }
        if !field.patch_strategy.is_empty() {
            extra.insert("x-kubernetes-patch-strategy".to_owned(), Value::from(field.patch_strategy.join(",")));
        }
        if let Some(key) = &field.patch_merge_key {
            extra.insert("x-kubernetes-patch-merge-key".to_owned(), Value::from(key.as_str()));
        }
        self.usage(field.node, field.default.as_ref(), extra)
    }

    /// Returns the schema of a use of a type: a reference, or what it is.
    fn usage(&mut self, id: NodeId, default: Option<&Value>, mut extra: Map<String, Value>) -> Value {
        let node = self.api.schema.node(id);
        if let (Flavor::V3, Some(default)) = (self.flavor, default) {
            extra.insert("default".to_owned(), default.clone());
        }
        if node.name.is_empty() {
            let mut schema = self.shape(node, true);
            schema.extend(extra);
            return Value::Object(schema);
        }
        let is_copy = self.api.definition(&node.name).is_some_and(|definition| definition.node != id);
        if is_copy {
            extra.insert("x-kubernetes-map-type".to_owned(), map_type(node));
        }
        let reference = self.reference(&node.name);
        match (self.flavor, extra.is_empty()) {
            (_, true) => reference,
            (Flavor::V3, false) => {
                extra.insert("allOf".to_owned(), json!([reference]));
                Value::Object(extra)
            }
            (Flavor::V2, false) => {
                if let Value::Object(reference) = reference {
                    extra.extend(reference);
                }
                Value::Object(extra)
            }
        }
    }

    /// Returns type, format and items of a node, without its fields.
    fn shape(&mut self, node: &Node, anonymous: bool) -> Map<String, Value> {
        let mut schema = Map::new();
        let v3 = self.flavor == Flavor::V3;
        let type_name = match node.kind {
            Kind::Object | Kind::Map => "object",
            Kind::List => "array",
            Kind::String | Kind::Bytes | Kind::Time | Kind::MicroTime | Kind::Duration => "string",
            Kind::Int32 | Kind::Int64 => "integer",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::IntOrString | Kind::Quantity if v3 => "",
            Kind::IntOrString | Kind::Quantity => "string",
            Kind::Any if is_untyped(&node.name) => "",
            Kind::Any => "object",
        };
        if !type_name.is_empty() {
            schema.insert("type".to_owned(), Value::from(type_name));
        }
        if !node.format.is_empty() {
            schema.insert("format".to_owned(), Value::from(node.format.as_str()));
        }
        match node.kind {
            Kind::IntOrString if v3 => {
                schema.insert("oneOf".to_owned(), json!([{"type": "integer"}, {"type": "string"}]));
            }
            Kind::Quantity if v3 => {
                schema.insert("oneOf".to_owned(), json!([{"type": "string"}, {"type": "number"}]));
            }
            _ => {}
        }
        if let Some(items) = node.items.filter(|_| matches!(node.kind, Kind::List | Kind::Map | Kind::Object)) {
            let key = if node.kind == Kind::List { "items" } else { "additionalProperties" };
            let value = self.usage(items, node.default.as_ref(), Map::new());
            schema.insert(key.to_owned(), value);
        }
        if !node.enums.is_empty() {
            schema.insert("enum".to_owned(), Value::Array(node.enums.clone()));
        }
        if anonymous && node.declared {
            if matches!(node.kind, Kind::List | Kind::Bytes) {
                let list_type = match &node.list_type {
                    ListType::Atomic => "atomic",
                    ListType::Set => "set",
                    ListType::Map(keys) => {
                        schema.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
                        "map"
                    }
                };
                schema.insert("x-kubernetes-list-type".to_owned(), Value::from(list_type));
            } else {
                schema.insert("x-kubernetes-map-type".to_owned(), map_type(node));
            }
        }
        schema
    }
}

fn map_type(node: &Node) -> Value {
    Value::from(if node.atomic_map { "atomic" } else { "granular" })
}

/// Whether a definition takes any JSON value, not just objects.
fn is_untyped(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|kind| kind.starts_with("JSON"))
}

/// k8s-openapi has one generic list, so that lists and their fields have no texts there.
fn list_text(name: &str, node: &Node) -> Option<String> {
    let kind = name.rsplit('.').next()?;
    let item = kind.strip_suffix("List").filter(|_| node.field("items").is_some())?;
    Some(format!("{kind} is a list of {item} objects."))
}

/// Texts of fields that k8s-openapi has in generic types.
fn standard_text(definition: &str, field: &str) -> &'static str {
    if definition.ends_with(".WatchEvent") {
        return match field {
            "object" => "The object after the change; before it for DELETED; a Status for ERROR.",
            "type" => "What happened: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.",
            _ => "",
        };
    }
    if !definition.ends_with("List") {
        return "";
    }
    match field {
        "apiVersion" => "API group and version of this object, such as apps/v1.",
        "kind" => "Kind of this object, in CamelCase.",
        "metadata" => "Metadata of the list.",
        "items" => "The objects of the list.",
        _ => "",
    }
}
