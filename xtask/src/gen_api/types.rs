//! Joins what the server publishes about its types (OpenAPI) with what only Go knows (zero values, pointers, protobuf
//! numbers), into the rows of the table. The two must agree on every shape, else generation fails.

use super::golang::{Body, GoField, GoType};
use super::modules::{Modules, definition_name, go_name};
use super::table::{FieldRow, Shape, TypeRow};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Packages whose every type is wanted although OpenAPI publishes only some or none of them.
const WHOLE_PACKAGES: [&str; 4] = [
    "k8s.io/apimachinery/pkg/apis/meta/v1",
    "k8s.io/api/admission/v1",
    "k8s.io/api/apidiscovery/v2",
    "k8s.io/api/apidiscovery/v2beta1",
];

/// Packages that only lend a type or two.
const PARTIAL_PACKAGES: [&str; 4] = [
    "k8s.io/apimachinery/pkg/api/resource",
    "k8s.io/apimachinery/pkg/runtime",
    "k8s.io/apimachinery/pkg/util/intstr",
    "k8s.io/apimachinery/pkg/version",
];

/// Types of those that are on the wire although OpenAPI does not publish them.
const LENT: [&str; 2] = ["io.k8s.apimachinery.pkg.runtime.TypeMeta", "io.k8s.apimachinery.pkg.runtime.Unknown"];

/// Definitions with a JSON form of their own, and what the table calls them.
const SPECIAL: [(&str, &str); 11] = [
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", "any"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray", "any"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool", "any"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray", "any"),
    ("io.k8s.apimachinery.pkg.api.resource.Quantity", "quantity"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Duration", "duration"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "any"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "micro-time"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", "time"),
    ("io.k8s.apimachinery.pkg.runtime.RawExtension", "any"),
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "int-or-string"),
];

const JSON_SCHEMA_PROPS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// Go types that are never on the wire.
const INTERNAL: [&str; 2] =
    ["io.k8s.apimachinery.pkg.apis.meta.v1.InternalEvent", "io.k8s.apimachinery.pkg.apis.meta.v1.Timestamp"];

/// Builds the row of every type. `published` are the OpenAPI definitions; the packages of all of them are read whole.
pub(super) fn build(published: &BTreeMap<String, Value>, modules: &mut Modules) -> Result<Vec<TypeRow>> {
    let mut names: BTreeMap<String, Option<&Value>> = BTreeMap::new();
    let mut packages: Vec<String> = WHOLE_PACKAGES.iter().map(|&path| path.to_owned()).collect();
    for (name, schema) in published {
        names.insert(name.clone(), Some(schema));
        let (path, _) = go_name(name)?;
        if !PARTIAL_PACKAGES.contains(&path.as_str()) && !packages.contains(&path) {
            packages.push(path);
        }
    }
    for path in packages {
        for name in wire_types(&path, modules)? {
            names.entry(name).or_insert(None);
        }
    }
    for name in LENT {
        names.entry(name.to_owned()).or_insert(None);
    }
    for name in INTERNAL {
        names.remove(name);
    }
    let mut rows = Vec::with_capacity(names.len());
    for (name, schema) in names {
        rows.push(row(&name, schema, modules).with_context(|| format!("describe {name}"))?);
    }
    Ok(rows)
}

/// Returns the struct types of a package that have JSON names.
fn wire_types(path: &str, modules: &mut Modules) -> Result<Vec<String>> {
    let (package, _) = modules.package(path)?;
    let mut names = Vec::new();
    for (name, declaration) in package {
        let Body::Struct(fields) = &declaration.body else { continue };
        let exported = name.starts_with(|c: char| c.is_ascii_uppercase());
        let wire = fields.iter().any(|field| field.tags.contains_key("json"));
        if exported && wire {
            names.push(definition_name(path, name));
        }
    }
    Ok(names)
}

fn row(name: &str, schema: Option<&Value>, modules: &mut Modules) -> Result<TypeRow> {
    let (path, go) = go_name(name)?;
    let mut row = TypeRow { name: name.to_owned(), unpublished: schema.is_none(), ..TypeRow::default() };
    row.protobuf = modules.has_message(&path, &go)?;
    if let Some(schema) = schema {
        row.gvk = kinds(schema);
        row.map_type = text(schema, "x-kubernetes-map-type");
        row.unions = schema.get("x-kubernetes-unions").cloned();
    }
    if let Some((_, special)) = SPECIAL.iter().find(|(special, _)| *special == name) {
        let mut shape = Shape::of(special);
        if name.contains(".JSONSchemaPropsOr") {
            shape.items = Some(Box::new(Shape::of(JSON_SCHEMA_PROPS)));
        }
        row.of = Some(shape);
        return Ok(row);
    }
    let go_fields = flatten(&path, &go, modules)?;
    if row.protobuf {
        compare_numbers(&path, &go, modules)?;
    }
    let properties = schema.map(|schema| schema["properties"].as_object().cloned().unwrap_or_default());
    if let Some(properties) = &properties {
        for name in properties.keys() {
            if !go_fields.contains_key(name) {
                bail!("Go has no field {name}");
            }
        }
    }
    let required: Vec<&str> = schema.map(|schema| strings(&schema["required"])).unwrap_or_default();
    for (json, field) in go_fields {
        let property = match &properties {
            Some(properties) => Some(properties.get(&json).with_context(|| format!("OpenAPI has no field {json}"))?),
            None => None,
        };
        let built = build_field(&json, &field, property, &required, row.protobuf, modules)
            .with_context(|| format!("field {json}"))?;
        row.fields.push(built);
    }
    Ok(row)
}

fn kinds(schema: &Value) -> Vec<[String; 3]> {
    let list = schema["x-kubernetes-group-version-kind"].as_array();
    let kind = |value: &Value| [text(value, "group"), text(value, "version"), text(value, "kind")];
    list.map(|list| list.iter().map(kind).collect()).unwrap_or_default()
}

fn build_field(
    json: &str,
    field: &FlatField,
    property: Option<&Value>,
    required: &[&str],
    protobuf: bool,
    modules: &mut Modules,
) -> Result<FieldRow> {
    let shape = go_shape(&field.of, modules)?;
    let of = match property {
        Some(property) => join(&published_shape(property)?, &shape)?,
        None => marked(shape, &field.markers),
    };
    let patch = property.map(|property| text(property, "x-kubernetes-patch-strategy")).unwrap_or_default();
    let required = match property {
        Some(_) => required.contains(&json),
        None => !field.omit_empty && !field.omit_zero && !field.markers.iter().any(|marker| marker == "+optional"),
    };
    Ok(FieldRow {
        name: json.to_owned(),
        required,
        always: is_always(field, modules)?,
        pointer: matches!(field.of, GoType::Pointer(_)),
        default: property.and_then(|property| property.get("default")).cloned(),
        patch: patch.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        patch_key: property
            .and_then(|property| property.get("x-kubernetes-patch-merge-key"))
            .and_then(Value::as_str)
            .map(str::to_owned),
        proto: if protobuf { field.proto.clone() } else { Vec::new() },
        of,
    })
}

/// `omitempty` never drops a struct: only `omitzero` does.
fn is_always(field: &FlatField, modules: &mut Modules) -> Result<bool> {
    if field.omit_zero {
        return Ok(false);
    }
    if !field.omit_empty {
        return Ok(true);
    }
    match modules.resolve(&field.of)? {
        GoType::Named(path, name) if !path.is_empty() => Ok(!is_scalar(&path, &name)),
        GoType::Named(..)
        | GoType::Pointer(_)
        | GoType::List(_)
        | GoType::Map(..)
        | GoType::Interface
        | GoType::Foreign => Ok(false),
    }
}

/// Named types outside of the API packages that are strings or numbers.
fn is_scalar(path: &str, name: &str) -> bool {
    matches!((path, name), ("k8s.io/apimachinery/pkg/types", _) | ("time", "Duration"))
}

/// A field with embedded structs dissolved.
struct FlatField {
    of: GoType,
    omit_empty: bool,
    omit_zero: bool,
    markers: Vec<String>,
    proto: Vec<u16>,
}

fn flatten(path: &str, name: &str, modules: &mut Modules) -> Result<BTreeMap<String, FlatField>> {
    let Body::Struct(fields) = modules.declaration(path, name)?.body else { bail!("{path}.{name} is not a struct") };
    let mut flat = BTreeMap::new();
    for field in fields {
        let json = field.tags.get("json").cloned().unwrap_or_default();
        let (json_name, options) = json.split_once(',').unwrap_or((&json, ""));
        let number = number(&field)?;
        if field.embedded && json_name.is_empty() {
            let GoType::Named(inner_path, inner_name) = modules.resolve(&field.of)? else { bail!("embedded pointer") };
            for (name, mut inner) in flatten(&inner_path, &inner_name, modules)? {
                inner.proto = match number {
                    Some(number) if !inner.proto.is_empty() => [vec![number], inner.proto].concat(),
                    Some(_) | None => Vec::new(),
                };
                flat.entry(name).or_insert(inner);
            }
            continue;
        }
        let exported = field.name.starts_with(|c: char| c.is_ascii_uppercase());
        if json_name == "-" || !exported {
            continue;
        }
        let json_name = if json_name.is_empty() { field.name.as_str() } else { json_name };
        let has = |option: &str| options.split(',').any(|found| found == option);
        let flat_field = FlatField {
            of: field.of.clone(),
            omit_empty: has("omitempty"),
            omit_zero: has("omitzero"),
            markers: field.markers.clone(),
            proto: number.into_iter().collect(),
        };
        flat.insert(json_name.to_owned(), flat_field);
    }
    Ok(flat)
}

/// Returns the number in a tag such as `protobuf:"bytes,1,opt,name=metadata"`.
fn number(field: &GoField) -> Result<Option<u16>> {
    match field.tags.get("protobuf").map(String::as_str) {
        None | Some("-") => Ok(None),
        Some(tag) => {
            let number = tag.split(',').nth(1).context("a protobuf tag without a number")?;
            Ok(Some(number.parse().with_context(|| format!("protobuf tag {tag}"))?))
        }
    }
}

/// Checks Go's tags against `generated.proto`.
fn compare_numbers(path: &str, name: &str, modules: &mut Modules) -> Result<()> {
    let Body::Struct(fields) = modules.declaration(path, name)?.body else { return Ok(()) };
    let mut tagged = Vec::new();
    for field in &fields {
        tagged.extend(number(field)?);
    }
    tagged.sort_unstable();
    let (_, messages) = modules.package(path)?;
    let stated: Vec<u16> = messages[name].keys().copied().collect();
    if tagged != stated {
        bail!("Go's protobuf tags {tagged:?} differ from generated.proto {stated:?}");
    }
    Ok(())
}

/// Returns the shape of a Go type.
fn go_shape(of: &GoType, modules: &mut Modules) -> Result<Shape> {
    let holding = |kind: &str, items: Shape| Shape { items: Some(Box::new(items)), ..Shape::of(kind) };
    Ok(match of {
        GoType::Pointer(inner) => go_shape(inner, modules)?,
        GoType::Interface => Shape::of("any"),
        GoType::Foreign => bail!("no shape for a foreign type"),
        GoType::List(inner) if **inner == GoType::Named(String::new(), "byte".to_owned()) => Shape::of("bytes"),
        GoType::List(inner) => holding("list", go_shape(inner, modules)?),
        GoType::Map(_, inner) => holding("map", go_shape(inner, modules)?),
        GoType::Named(path, name) if path.is_empty() => Shape::of(match name.as_str() {
            "bool" => "boolean",
            "string" => "string",
            "int32" => "int32",
            "int" | "int64" => "int64",
            "float64" => "number",
            other => bail!("no shape for Go type {other}"),
        }),
        GoType::Named(path, name) if path == "k8s.io/apimachinery/pkg/types" => {
            if name == "NamespacedName" {
                bail!("no shape for {name}")
            } else {
                Shape::of("string")
            }
        }
        GoType::Named(path, name) if path == "time" && name == "Duration" => Shape::of("int64"),
        GoType::Named(path, name) => {
            let definition = definition_name(path, name);
            if modules.declaration(path, name).is_ok_and(|found| matches!(found.body, Body::Struct(_))) {
                return Ok(Shape::of(&definition));
            }
            let resolved = modules.resolve(of)?;
            let mut shape = go_shape(&resolved, modules)?;
            shape.wrapped = shape.of == "list" && modules.has_message(path, name)?;
            shape
        }
    })
}

/// Returns the shape that OpenAPI publishes.
fn published_shape(schema: &Value) -> Result<Shape> {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref")).and_then(Value::as_str);
    let mut shape = match reference {
        Some(reference) => Shape::of(reference.rsplit('/').next().unwrap_or_default()),
        None => match (text(schema, "type").as_str(), text(schema, "format").as_str()) {
            ("string", "byte") => Shape::of("bytes"),
            ("string", "") => Shape::of("string"),
            ("boolean", "") => Shape::of("boolean"),
            ("integer", "int32") => Shape::of("int32"),
            ("integer", "int64") => Shape::of("int64"),
            ("number", "double") => Shape::of("number"),
            ("array", "") => holder("list", &schema["items"])?,
            ("object", "") => holder("map", &schema["additionalProperties"])?,
            (of, format) => bail!("no shape for type '{of}' format '{format}'"),
        },
    };
    shape.list_type = text(schema, "x-kubernetes-list-type");
    shape.map_type = text(schema, "x-kubernetes-map-type");
    shape.keys = strings(&schema["x-kubernetes-list-map-keys"]).into_iter().map(str::to_owned).collect();
    shape.enums = schema["enum"].as_array().cloned().unwrap_or_default();
    Ok(shape)
}

fn holder(kind: &str, items: &Value) -> Result<Shape> {
    let inner = published_shape(items)?;
    Ok(Shape { items: Some(Box::new(inner)), default: items.get("default").cloned(), ..Shape::of(kind) })
}

/// Adds to a published shape what only Go knows; the two must otherwise agree.
fn join(published: &Shape, go: &Shape) -> Result<Shape> {
    let same = published.of == go.of && published.items.is_some() == go.items.is_some();
    if !same {
        bail!("OpenAPI says {} and Go says {}", published.of, go.of);
    }
    let items = match (&published.items, &go.items) {
        (Some(published), Some(go)) => Some(Box::new(join(published, go)?)),
        _ => None,
    };
    Ok(Shape { items, wrapped: go.wrapped, ..published.clone() })
}

/// Applies Go's list markers to a type that is not published.
fn marked(mut shape: Shape, markers: &[String]) -> Shape {
    for marker in markers {
        if let Some(kind) = marker.strip_prefix("+listType=") {
            kind.clone_into(&mut shape.list_type);
        } else if let Some(key) = marker.strip_prefix("+listMapKey=") {
            shape.keys.push(key.to_owned());
        }
    }
    shape
}

fn text(schema: &Value, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// Returns the definitions of several OpenAPI v3 documents in one map; the same name must mean the same everywhere.
pub(super) fn collect(documents: &[Value]) -> Result<BTreeMap<String, Value>> {
    let empty = Map::new();
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for document in documents {
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&empty);
        for (name, schema) in schemas {
            if !name.starts_with("io.k8s.") {
                continue;
            }
            match all.get(name) {
                Some(known) if known != schema => bail!("{name} is described in two ways"),
                Some(_) => {}
                None => drop(all.insert(name.clone(), schema.clone())),
            }
        }
    }
    Ok(all)
}
