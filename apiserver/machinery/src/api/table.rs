//! The file format of `data/api-*.json`: what `cargo xtask gen-api` writes and the loader reads.
//!
//! Plain rows, no behaviour. The xtask compiles this very file, so that writer and reader cannot disagree. Rows hold
//! facts (names, types, numbers, keys), never descriptions.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// The whole file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Table {
    /// Version of the kube-apiserver that was asked, such as `1.35.4`.
    pub kubernetes: String,
    /// Groups in discovery order.
    pub groups: Vec<GroupRow>,
    /// Resources: groups and versions in discovery order, then by name.
    pub resources: Vec<ResourceRow>,
    /// Types, sorted by name.
    pub types: Vec<TypeRow>,
}

/// One API group.
#[derive(Debug, Serialize, Deserialize)]
pub struct GroupRow {
    /// Name; empty for the core group.
    pub name: String,
    /// Served versions, the preferred one first.
    pub versions: Vec<String>,
    /// The version that discovery prefers.
    pub preferred: String,
    /// `spec.groupPriorityMinimum` of the group's APIService; 0 for unknown.
    #[serde(default)]
    pub priority: i64,
}

/// One resource of one version.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ResourceRow {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural name, as in URLs.
    pub resource: String,
    /// Singular name.
    pub singular: String,
    /// Kind of its objects.
    pub kind: String,
    /// Lives in namespaces.
    pub namespaced: bool,
    /// Definition of its objects.
    #[serde(rename = "type")]
    pub of: String,
    /// Definition of its lists; empty when it cannot be listed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub list: String,
    /// Verbs, sorted.
    pub verbs: Vec<String>,
    /// Short names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<String>,
    /// Categories such as `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// `storageVersionHash`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// DELETE answers with the object; otherwise with a Status.
    #[serde(default, skip_serializing_if = "is_false")]
    pub delete_returns_object: bool,
    /// Subresources, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subresources: Vec<SubresourceRow>,
    /// Table columns; their descriptions are not kept here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnRow>,
}

/// One subresource.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SubresourceRow {
    /// Name, such as `status`.
    pub name: String,
    /// Group of the kind.
    pub group: String,
    /// Version of the kind.
    pub version: String,
    /// Kind of the bodies, or the options kind when it is connected to.
    pub kind: String,
    /// Definition of the kind.
    #[serde(rename = "type")]
    pub of: String,
    /// Verbs, sorted.
    pub verbs: Vec<String>,
    /// Requests are connected through (`exec`, `proxy`), not answered with objects.
    #[serde(default, skip_serializing_if = "is_false")]
    pub connect: bool,
    /// The answer is text (`log`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub text: bool,
}

/// One Table column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnRow {
    /// Title.
    pub name: String,
    /// OpenAPI type.
    #[serde(rename = "type")]
    pub of: String,
    /// OpenAPI format, or `name` for the column that names the row.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub format: String,
    /// 0 is always shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
}

/// One definition.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TypeRow {
    /// Name, such as `io.k8s.api.core.v1.Pod`.
    pub name: String,
    /// Group, version and kind, where upstream states them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gvk: Vec<[String; 3]>,
    /// Not in upstream's OpenAPI documents; on the wire all the same.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unpublished: bool,
    /// Has a protobuf message.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protobuf: bool,
    /// What it is, unless an object with `fields`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Shape>,
    /// `x-kubernetes-map-type`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub map_type: String,
    /// `x-kubernetes-unions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unions: Option<Value>,
    /// Fields, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldRow>,
}

/// One field of a definition.
#[derive(Debug, Serialize, Deserialize)]
pub struct FieldRow {
    /// JSON name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub of: Shape,
    /// Listed in `required`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Go writes it even when it has its zero value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub always: bool,
    /// A Go pointer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pointer: bool,
    /// OpenAPI default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub default: Option<Value>,
    /// `x-kubernetes-patch-strategy`, split at commas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patch: Vec<String>,
    /// `x-kubernetes-patch-merge-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_key: Option<String>,
    /// Protobuf numbers from the containing message to the field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proto: Vec<u16>,
}

/// The use of a type. Written as its bare `of` when nothing else is said.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Shape {
    /// `list`, `map`, the name of a definition, or one of `any`, `boolean`, `bytes`, `duration`,
    /// `int-or-string`, `int32`, `int64`, `micro-time`, `number`, `quantity`, `string` and `time`.
    pub of: String,
    /// What a list or map holds.
    pub items: Option<Box<Shape>>,
    /// `x-kubernetes-list-type`; empty when not stated.
    pub list_type: String,
    /// `x-kubernetes-list-map-keys`.
    pub keys: Vec<String>,
    /// `x-kubernetes-map-type`; empty when not stated.
    pub map_type: String,
    /// Allowed values.
    pub enums: Vec<Value>,
    /// Default of the items of a list or map.
    pub default: Option<Value>,
    /// Protobuf wraps the list in a message with the single field `items`.
    pub wrapped: bool,
}

#[derive(Serialize, Deserialize)]
struct ShapeRow {
    of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    items: Option<Box<Shape>>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    list_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    map_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    enums: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    default: Option<Value>,
    #[serde(default, skip_serializing_if = "is_false")]
    wrapped: bool,
}

impl Shape {
    /// A scalar or a definition.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self { of: name.to_owned(), ..Self::default() }
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::of(&self.of) {
            return serializer.serialize_str(&self.of);
        }
        let Self { of, items, list_type, keys, map_type, enums, default, wrapped } = self.clone();
        ShapeRow { of, items, list_type, keys, map_type, enums, default, wrapped }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type name or an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::of(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Shape, A::Error> {
        let row = ShapeRow::deserialize(MapAccessDeserializer::new(map))?;
        let ShapeRow { of, items, list_type, keys, map_type, enums, default, wrapped } = row;
        Ok(Shape { of, items, list_type, keys, map_type, enums, default, wrapped })
    }
}

/// Reads a present `null` as a value.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(value: &i32) -> bool {
    *value == 0
}
