//! A typed view of `JSONSchemaProps` documents.
//!
//! The view reads a definition as Go's decoder leaves it: `null` is an absence, and so is a value of the wrong type.

use serde_json::{Map, Value};

/// One schema of a CustomResourceDefinition.
#[derive(Clone, Copy)]
pub(crate) struct Props<'a>(pub(crate) &'a Map<String, Value>);

/// `items`.
pub(crate) enum Items<'a> {
    /// One schema for all items.
    One(Props<'a>),
    /// A schema per position, which no definition may use.
    Many(Vec<Props<'a>>),
}

/// `additionalProperties`.
#[derive(Clone, Copy)]
pub(crate) enum Additional<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A schema for all values.
    Schema(Props<'a>),
}

impl<'a> Props<'a> {
    /// Views a value, if it is an object.
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    /// Returns a field that is not `null`.
    pub(crate) fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Returns a string; empty when absent.
    pub(crate) fn text(self, key: &str) -> &'a str {
        self.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns a string, telling an absent from an empty one.
    pub(crate) fn optional_text(self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_str)
    }

    /// Returns `type`.
    pub(crate) fn type_name(self) -> &'a str {
        self.text("type")
    }

    /// Returns a boolean; false when absent.
    pub(crate) fn flag(self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Returns `x-kubernetes-preserve-unknown-fields: true`.
    pub(crate) fn preserves_unknown(self) -> bool {
        self.flag("x-kubernetes-preserve-unknown-fields")
    }

    /// Returns a number.
    pub(crate) fn number(self, key: &str) -> Option<f64> {
        self.get(key).and_then(Value::as_f64)
    }

    /// Returns a size, which Go keeps as an `int64`.
    pub(crate) fn size(self, key: &str) -> Option<i64> {
        self.get(key).and_then(Value::as_i64)
    }

    /// Returns a list of strings.
    pub(crate) fn strings(self, key: &str) -> Vec<&'a str> {
        self.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Returns a list of schemas, such as `allOf`.
    pub(crate) fn schemas(self, key: &str) -> Vec<Props<'a>> {
        self.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Props::of).collect()
    }

    /// Returns one schema, such as `not`.
    pub(crate) fn schema(self, key: &str) -> Option<Props<'a>> {
        self.get(key).and_then(Props::of)
    }

    /// Returns named schemas, such as `properties`.
    pub(crate) fn named(self, key: &str) -> impl Iterator<Item = (&'a str, Props<'a>)> {
        self.get(key)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Props::of(value).map(|props| (name.as_str(), props)))
    }

    /// Returns `properties`.
    pub(crate) fn properties(self) -> impl Iterator<Item = (&'a str, Props<'a>)> {
        self.named("properties")
    }

    /// Returns one of `properties`.
    pub(crate) fn property(self, name: &str) -> Option<Props<'a>> {
        self.get("properties").and_then(|properties| properties.get(name)).and_then(Props::of)
    }

    /// Whether there are any `properties`.
    pub(crate) fn has_properties(self) -> bool {
        self.properties().next().is_some()
    }

    /// Returns `items`.
    pub(crate) fn items(self) -> Option<Items<'a>> {
        match self.get("items")? {
            Value::Object(map) => Some(Items::One(Props(map))),
            Value::Array(list) => Some(Items::Many(list.iter().filter_map(Props::of).collect())),
            _ => None,
        }
    }

    /// Returns `items` when it is one schema.
    pub(crate) fn item(self) -> Option<Props<'a>> {
        match self.items()? {
            Items::One(props) => Some(props),
            Items::Many(_) => None,
        }
    }

    /// Returns `additionalProperties`.
    pub(crate) fn additional(self) -> Option<Additional<'a>> {
        match self.get("additionalProperties")? {
            Value::Bool(allowed) => Some(Additional::Bool(*allowed)),
            Value::Object(map) => Some(Additional::Schema(Props(map))),
            _ => None,
        }
    }

    /// Returns `default`.
    pub(crate) fn default(self) -> Option<&'a Value> {
        self.get("default")
    }

    /// Whether this schema or one inside it satisfies a predicate.
    pub(crate) fn any(self, predicate: &mut dyn FnMut(Props<'a>) -> bool) -> bool {
        if predicate(self) {
            return true;
        }
        match self.items() {
            Some(Items::One(item)) if item.any(predicate) => return true,
            Some(Items::Many(items)) if items.iter().any(|item| item.any(predicate)) => return true,
            _ => {}
        }
        for junctor in ["allOf", "anyOf", "oneOf"] {
            if self.schemas(junctor).into_iter().any(|schema| schema.any(predicate)) {
                return true;
            }
        }
        if self.schema("not").is_some_and(|schema| schema.any(predicate)) {
            return true;
        }
        if self.properties().any(|(_, schema)| schema.any(predicate)) {
            return true;
        }
        if let Some(Additional::Schema(schema)) = self.additional()
            && schema.any(predicate)
        {
            return true;
        }
        for container in ["patternProperties", "definitions", "dependencies"] {
            if self.named(container).any(|(_, schema)| schema.any(predicate)) {
                return true;
            }
        }
        self.schema("additionalItems").is_some_and(|schema| schema.any(predicate))
    }
}

/// Whether Go would leave a value out as a zero value. Numbers, `false` for `additionalProperties` and empty schemas are
/// pointers in Go, so that they count.
pub(crate) fn is_zero(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => {
            !flag && !matches!(key, "additionalProperties" | "additionalItems" | "x-kubernetes-preserve-unknown-fields")
        }
        Value::Number(_) => false,
        Value::String(text) => {
            text.is_empty() && !matches!(key, "x-kubernetes-list-type" | "x-kubernetes-map-type" | "$ref")
        }
        Value::Array(list) => list.is_empty() && key != "default",
        Value::Object(map) => {
            map.is_empty() && matches!(key, "properties" | "patternProperties" | "definitions" | "dependencies")
        }
    }
}
