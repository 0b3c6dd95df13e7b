//! How upstream shows parts of a definition in errors: as JSON of its internal Go types, which have no JSON names.
//!
//! Such a text is put into the detail of an error whose value is left out, since a `Value` would sort the keys.

use super::props::{Items, Props};
use super::read::{array, flag, present, text};
use crate::json;
use serde_json::Value;
use std::fmt::Write as _;

/// Which parts of the versions have moved to the top level of the internal form.
#[derive(Clone, Copy)]
pub(super) struct Moved {
    pub(super) schema: bool,
    pub(super) subresources: bool,
    pub(super) columns: bool,
    pub(super) selectable: bool,
}

impl Moved {
    /// What all versions agree on has moved.
    pub(super) fn of(versions: &[&Value]) -> Self {
        let same = |field: &str| {
            let first = versions.first().and_then(|version| present(version, field));
            versions.iter().all(|version| present(version, field) == first)
        };
        Self {
            schema: same("schema"),
            subresources: same("subresources"),
            columns: same("additionalPrinterColumns"),
            selectable: same("selectableFields"),
        }
    }
}

/// Shows `spec.versions`.
pub(super) fn versions(versions: &[&Value], moved: Moved) -> String {
    if versions.is_empty() {
        return "null".to_owned();
    }
    let shown: Vec<String> = versions.iter().map(|version| self::version(version, moved)).collect();
    format!("[{}]", shown.join(","))
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    json::write(&mut out, text);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn optional(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).map_or_else(|| "null".to_owned(), quoted)
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "null".to_owned() } else { format!("[{}]", items.join(",")) }
}

fn version(version: &Value, moved: Moved) -> String {
    let schema = match present(version, "schema").filter(|_| !moved.schema) {
        None => "null".to_owned(),
        Some(found) => {
            format!("{{\"OpenAPIV3Schema\":{}}}", optional_schema(found.get("openAPIV3Schema").and_then(Props::of)))
        }
    };
    let subresources = match present(version, "subresources").filter(|_| !moved.subresources) {
        None => "null".to_owned(),
        Some(found) => self::subresources(found),
    };
    let columns = array(version, "additionalPrinterColumns").into_iter().filter(|_| !moved.columns);
    let columns = list(columns.map(|column| {
        format!(
            "{{\"Name\":{},\"Type\":{},\"Format\":{},\"Description\":{},\"Priority\":{},\"JSONPath\":{}}}",
            quoted(text(column, "name")),
            quoted(text(column, "type")),
            quoted(text(column, "format")),
            quoted(text(column, "description")),
            column.get("priority").and_then(Value::as_i64).unwrap_or_default(),
            quoted(text(column, "jsonPath")),
        )
    }));
    let fields = array(version, "selectableFields").into_iter().filter(|_| !moved.selectable);
    let fields = list(fields.map(|field| format!("{{\"JSONPath\":{}}}", quoted(text(field, "jsonPath")))));
    format!(
        "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":{schema},\
         \"Subresources\":{subresources},\"AdditionalPrinterColumns\":{columns},\"SelectableFields\":{fields}}}",
        quoted(text(version, "name")),
        flag(version, "served"),
        flag(version, "storage"),
        flag(version, "deprecated"),
        optional(version, "deprecationWarning"),
    )
}

fn subresources(found: &Value) -> String {
    let status = if present(found, "status").is_some() { "{}" } else { "null" };
    let scale = present(found, "scale").map_or_else(
        || "null".to_owned(),
        |scale| {
            format!(
                "{{\"SpecReplicasPath\":{},\"StatusReplicasPath\":{},\"LabelSelectorPath\":{}}}",
                quoted(text(scale, "specReplicasPath")),
                quoted(text(scale, "statusReplicasPath")),
                optional(scale, "labelSelectorPath"),
            )
        },
    );
    format!("{{\"Status\":{status},\"Scale\":{scale}}}")
}

fn optional_schema(props: Option<Props<'_>>) -> String {
    props.map_or_else(|| "null".to_owned(), schema)
}

/// How a field of a schema is shown.
#[derive(Clone, Copy)]
enum Form {
    Text,
    OptionalText,
    Flag,
    OptionalFlag,
    /// A number, or any value, as it is.
    Raw,
    Texts,
    Schema,
    Schemas,
    Named,
    Items,
    SchemaOrBool,
    Dependencies,
    Docs,
}

/// Fields of a schema in the order of the Go type: Go name, JSON name, form.
const FIELDS: [(&str, &str, Form); 43] = [
    ("ID", "id", Form::Text),
    ("Schema", "$schema", Form::Text),
    ("Ref", "$ref", Form::OptionalText),
    ("Description", "description", Form::Text),
    ("Type", "type", Form::Text),
    ("Nullable", "nullable", Form::Flag),
    ("Format", "format", Form::Text),
    ("Title", "title", Form::Text),
    ("Default", "default", Form::Raw),
    ("Maximum", "maximum", Form::Raw),
    ("ExclusiveMaximum", "exclusiveMaximum", Form::Flag),
    ("Minimum", "minimum", Form::Raw),
    ("ExclusiveMinimum", "exclusiveMinimum", Form::Flag),
    ("MaxLength", "maxLength", Form::Raw),
    ("MinLength", "minLength", Form::Raw),
    ("Pattern", "pattern", Form::Text),
    ("MaxItems", "maxItems", Form::Raw),
    ("MinItems", "minItems", Form::Raw),
    ("UniqueItems", "uniqueItems", Form::Flag),
    ("MultipleOf", "multipleOf", Form::Raw),
    ("Enum", "enum", Form::Raw),
    ("MaxProperties", "maxProperties", Form::Raw),
    ("MinProperties", "minProperties", Form::Raw),
    ("Required", "required", Form::Texts),
    ("Items", "items", Form::Items),
    ("AllOf", "allOf", Form::Schemas),
    ("OneOf", "oneOf", Form::Schemas),
    ("AnyOf", "anyOf", Form::Schemas),
    ("Not", "not", Form::Schema),
    ("Properties", "properties", Form::Named),
    ("AdditionalProperties", "additionalProperties", Form::SchemaOrBool),
    ("PatternProperties", "patternProperties", Form::Named),
    ("Dependencies", "dependencies", Form::Dependencies),
    ("AdditionalItems", "additionalItems", Form::SchemaOrBool),
    ("Definitions", "definitions", Form::Named),
    ("ExternalDocs", "externalDocs", Form::Docs),
    ("Example", "example", Form::Raw),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", Form::OptionalFlag),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", Form::Flag),
    ("XIntOrString", "x-kubernetes-int-or-string", Form::Flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", Form::Texts),
    ("XListType", "x-kubernetes-list-type", Form::OptionalText),
    ("XMapType", "x-kubernetes-map-type", Form::OptionalText),
];

/// Shows a schema.
pub(super) fn schema(props: Props<'_>) -> String {
    let mut out = String::from("{");
    for (go_name, name, form) in FIELDS {
        let shown = field(props, name, form);
        write!(out, "\"{go_name}\":{shown},").expect("a String takes all that is written to it");
    }
    // Rules are refused before anything else of theirs is looked at.
    out.push_str("\"XValidations\":null}");
    out
}

fn field(props: Props<'_>, name: &str, form: Form) -> String {
    // An empty list or map is not the nil one.
    let null = || {
        let shown = match (form, props.get(name)) {
            (Form::Texts | Form::Schemas, Some(Value::Array(found))) if found.is_empty() => "[]",
            (Form::Named | Form::Dependencies, Some(Value::Object(found))) if found.is_empty() => "{}",
            _ => "null",
        };
        shown.to_owned()
    };
    match form {
        Form::Text => quoted(props.text(name)),
        Form::OptionalText => props.optional_text(name).map_or_else(null, quoted),
        Form::Flag => props.flag(name).to_string(),
        Form::OptionalFlag | Form::Raw => props.get(name).map_or_else(null, |value| match value {
            Value::String(text) => quoted(text),
            other => other.to_string(),
        }),
        Form::Texts if props.strings(name).is_empty() => null(),
        Form::Texts => list(props.strings(name).into_iter().map(quoted)),
        Form::Schema => optional_schema(props.schema(name)),
        Form::Schemas if props.schemas(name).is_empty() => null(),
        Form::Schemas => list(props.schemas(name).into_iter().map(schema)),
        Form::Named => {
            let entries: Vec<String> =
                props.named(name).map(|(key, found)| format!("{}:{}", quoted(key), schema(found))).collect();
            if entries.is_empty() { null() } else { format!("{{{}}}", entries.join(",")) }
        }
        Form::Items => match props.items() {
            None => null(),
            Some(Items::One(found)) => format!("{{\"Schema\":{},\"JSONSchemas\":null}}", schema(found)),
            Some(Items::Many(found)) => {
                format!("{{\"Schema\":null,\"JSONSchemas\":{}}}", list(found.into_iter().map(schema)))
            }
        },
        Form::SchemaOrBool => match props.get(name) {
            Some(Value::Bool(allowed)) => format!("{{\"Allows\":{allowed},\"Schema\":null}}"),
            Some(Value::Object(found)) => format!("{{\"Allows\":true,\"Schema\":{}}}", schema(Props(found))),
            _ => null(),
        },
        Form::Dependencies => dependencies(props.get(name)),
        Form::Docs => props.get(name).map_or_else(null, |docs| {
            format!("{{\"Description\":{},\"URL\":{}}}", quoted(text(docs, "description")), quoted(text(docs, "url")))
        }),
    }
}

fn dependencies(found: Option<&Value>) -> String {
    let entries = found.and_then(Value::as_object).into_iter().flatten().map(|(key, found)| {
        let names = found.as_array().into_iter().flatten().filter_map(Value::as_str);
        let schema = optional_schema(Props::of(found));
        format!("{}:{{\"Schema\":{schema},\"Property\":{}}}", quoted(key), list(names.map(quoted)))
    });
    let entries: Vec<String> = entries.collect();
    if entries.is_empty() { "null".to_owned() } else { format!("{{{}}}", entries.join(",")) }
}
