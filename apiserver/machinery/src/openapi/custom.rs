//! Documents of custom resources, made from the stored definitions.

use super::Custom;
use super::operations::Paths;
use super::resource::CustomResource;
use super::schemas::{Flavor, Schemas};
use super::v3;
use crate::api::Api;
use crate::crd::Scope;
use kplex_descriptions::Descriptions;
use serde_json::{Map, Value, json};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
/// Groups that upstream's server of custom resources has no types of.
const FOREIGN: [&str; 4] = ["admission.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "imagepolicy.k8s.io"];
const POD: &str = "io.k8s.api.core.v1.Pod";

/// Returns the document of one group version.
pub(super) fn v3(api: &Api, descriptions: &Descriptions, custom: &[Custom<'_>], version: &str) -> Value {
    let mut schemas = Schemas::new(api, descriptions, Flavor::V3);
    let mut paths = Paths::new();
    let mut definitions = Map::new();
    for custom in custom {
        paths.extend(operations_of(custom, version));
        definitions.extend(definitions_of(&mut schemas, custom, version));
    }
    let paths = v3::write_paths(&mut schemas, &paths);
    definitions.extend(schemas.closure());
    if let Some(Value::Array(kinds)) = definitions
        .get_mut("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
        .and_then(|options| options.get_mut("x-kubernetes-group-version-kind"))
    {
        // Upstream's server of custom resources doesn't know the groups of other servers.
        kinds.retain(|kind| !FOREIGN.iter().any(|group| kind.get("group") == Some(&Value::from(*group))));
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"},
        "paths": paths,
        "components": {"schemas": definitions},
    })
}

/// Name of the definition of a kind: `com.example.v1.Widget`.
fn model_name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

/// Returns the operations on one version of a definition.
pub(super) fn operations_of(custom: &Custom<'_>, version: &str) -> Paths {
    let definition = custom.definition;
    let Some(compiled) = definition.version(version) else { return Paths::new() };
    let group = &definition.group;
    CustomResource {
        group,
        version,
        plural: &definition.names.plural,
        kind: &definition.names.kind,
        namespaced: definition.scope == Scope::Namespaced,
        status: compiled.status,
        scale: compiled.scale.is_some(),
        object: &model_name(group, version, &definition.names.kind),
        list: &model_name(group, version, &definition.names.list_kind),
    }
    .paths()
}

/// Returns the schemas of the objects and lists of one version of a definition.
pub(super) fn definitions_of(schemas: &mut Schemas<'_>, custom: &Custom<'_>, version: &str) -> Map<String, Value> {
    let definition = custom.definition;
    let group = &definition.group;
    let (kind, list_kind) = (&definition.names.kind, &definition.names.list_kind);
    let stored = custom.object.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    let stored = stored.into_iter().find(|found| found.get("name").and_then(Value::as_str) == Some(version));
    let schema = stored.and_then(|found| found.pointer("/schema/openAPIV3Schema"));
    let name = model_name(group, version, kind);
    let gvk = |kind: &str| json!([{"group": group, "kind": kind, "version": version}]);

    let mut object = object_schema(schemas, schema);
    object.insert("x-kubernetes-group-version-kind".to_owned(), gvk(kind));
    let mut list = list_schema(schemas, &definition.names.plural, kind, list_kind, &name);
    list.insert("x-kubernetes-group-version-kind".to_owned(), gvk(list_kind));
    let fields = stored.and_then(|found| found.get("selectableFields")).and_then(Value::as_array);
    if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
        let path = |field: &Value| {
            let path = field.get("jsonPath").and_then(Value::as_str).unwrap_or_default();
            json!({"fieldPath": path.strip_prefix('.').unwrap_or(path)})
        };
        let fields: Value = fields.iter().map(path).collect();
        object.insert("x-kubernetes-selectable-fields".to_owned(), fields.clone());
        list.insert("x-kubernetes-selectable-fields".to_owned(), fields);
    }
    Map::from_iter([(name, Value::Object(object)), (model_name(group, version, list_kind), Value::Object(list))])
}

fn object_schema(schemas: &mut Schemas<'_>, schema: Option<&Value>) -> Map<String, Value> {
    let bare = || Map::from_iter([("type".to_owned(), Value::from("object"))]);
    let Some(Value::Object(schema)) = schema else { return bare() };
    let v2 = schemas.flavor == Flavor::V2;
    if v2 && schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        // Old clients would take any field beside those listed for a mistake.
        return bare();
    }
    let mut object = structural(schemas, schema);
    let properties = object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(properties) = properties {
        properties.extend(type_meta(schemas));
        properties.insert("metadata".to_owned(), metadata(schemas, OBJECT_META));
    }
    object
}

fn list_schema(schemas: &mut Schemas<'_>, plural: &str, kind: &str, list_kind: &str, item: &str) -> Map<String, Value> {
    let items = schemas.flavor.reference(item);
    let mut properties = type_meta(schemas);
    properties.insert("metadata".to_owned(), metadata(schemas, LIST_META));
    let text = format!("The {plural} of the list.");
    properties.insert("items".to_owned(), json!({"type": "array", "items": items, "description": text}));
    let list = json!({
        "type": "object",
        "description": format!("{list_kind} is a list of {kind}"),
        "required": ["items"],
        "properties": properties,
    });
    match list {
        Value::Object(list) => list,
        _ => Map::new(),
    }
}

fn type_meta(schemas: &Schemas<'_>) -> Map<String, Value> {
    let field = |name: &str| {
        let text = schemas.descriptions.field(POD, name).unwrap_or_default();
        (name.to_owned(), json!({"type": "string", "description": text}))
    };
    Map::from_iter([field("apiVersion"), field("kind")])
}

fn metadata(schemas: &mut Schemas<'_>, of: &str) -> Value {
    let text = schemas.descriptions.field(POD, "metadata").unwrap_or_default().to_owned();
    let mut reference = schemas.reference(of);
    match schemas.flavor {
        Flavor::V3 => json!({"allOf": [reference], "description": text}),
        Flavor::V2 => {
            reference["description"] = Value::from(text);
            reference
        }
    }
}

/// Returns a structural schema as it is published.
fn structural(schemas: &mut Schemas<'_>, schema: &Map<String, Value>) -> Map<String, Value> {
    let mut schema: Map<String, Value> = schema
        .iter()
        .filter(|(key, value)| !matches!(key.as_str(), "example" | "externalDocs") && !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    unfold(&mut schema);
    if schemas.flavor == Flavor::V2 {
        to_v2(&mut schema);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(Value::Object(inner)) = schema.get(key) {
            let published = structural(schemas, inner);
            schema.insert(key.to_owned(), Value::Object(published));
        }
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for property in properties.values_mut() {
            if let Value::Object(inner) = property {
                *property = Value::Object(structural(schemas, inner));
            }
        }
    }
    let flag = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    let keeps_unknown = flag("x-kubernetes-preserve-unknown-fields") && schemas.flavor == Flavor::V2;
    if flag("x-kubernetes-embedded-resource") && !keeps_unknown {
        embed(schemas, &mut schema);
    }
    schema
}

/// Says of an int-or-string what types it may have.
fn unfold(schema: &mut Map<String, Value>) {
    let alternatives = json!([{"type": "integer"}, {"type": "string"}]);
    if schema.get("x-kubernetes-int-or-string") != Some(&Value::Bool(true)) {
        return;
    }
    let first = schema.get("allOf").and_then(|all| all.get(0)).and_then(|first| first.get("anyOf"));
    if schema.get("anyOf") == Some(&alternatives) || first == Some(&alternatives) {
        return;
    }
    match schema.get("anyOf") {
        None => {
            schema.insert("anyOf".to_owned(), alternatives);
        }
        Some(_) => {
            let all = schema.entry("allOf").or_insert_with(|| json!([]));
            if let Value::Array(all) = all {
                all.insert(0, json!({"anyOf": alternatives}));
            }
        }
    }
}

/// Adds the fields that every embedded object has.
fn embed(schemas: &mut Schemas<'_>, schema: &mut Map<String, Value>) {
    let fields = type_meta(schemas);
    let metadata = metadata(schemas, OBJECT_META);
    let properties = schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(properties) = properties {
        properties.extend(fields);
        properties.insert("metadata".to_owned(), metadata);
    }
    let required = schema.entry("required").or_insert_with(|| json!([]));
    if let Value::Array(required) = required {
        for field in ["kind", "apiVersion"] {
            if !required.iter().any(|found| found == field) {
                required.push(Value::from(field));
            }
        }
    }
}

/// Drops what version 2 or its clients cannot take. See apiextensions-apiserver's `ToStructuralOpenAPIV2`.
fn to_v2(schema: &mut Map<String, Value>) {
    let flag = |schema: &Map<String, Value>, key: &str| schema.get(key) == Some(&Value::Bool(true));
    for key in ["allOf", "oneOf", "anyOf", "not", "default"] {
        schema.remove(key);
    }
    let is_nullable = flag(schema, "nullable");
    let keeps_unknown = flag(schema, "x-kubernetes-preserve-unknown-fields");
    if is_nullable {
        schema.remove("type");
        schema.remove("nullable");
    }
    if is_nullable || keeps_unknown {
        schema.remove("items");
        schema.remove("properties");
    }
    let type_name = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if (type_name == "array" && !schema.contains_key("items")) || (type_name == "object" && keeps_unknown) {
        schema.remove("type");
    }
    let nullable: Vec<String> = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, property)| property.get("nullable") == Some(&Value::Bool(true)))
        .map(|(name, _)| name.clone())
        .collect();
    let values_nullable = schema.get("additionalProperties").and_then(|values| values.get("nullable"));
    let drops_all = values_nullable == Some(&Value::Bool(true));
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !drops_all && !nullable.iter().any(|nullable| *name == nullable.as_str()));
        if required.is_empty() {
            schema.remove("required");
        }
    }
}
