//! How structured-merge-diff sees types: scalars, maps and lists that are merged by item or replaced as a whole.

use super::element::Element;
use crate::schema::{Kind, ListType, Node, NodeId, Schema};
use serde_json::Value;
use std::sync::LazyLock;

/// The type of a value.
#[derive(Clone, Copy)]
pub(super) enum Type<'a> {
    /// A described type.
    Node(&'a Schema, &'a Node),
    /// No description: maps are merged by key, lists are atomic.
    Deduced,
    /// A field that its parent does not declare.
    Undeclared,
}

/// How a value of a type is merged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    Scalar,
    /// Replaced as a whole, whatever it is.
    AtomicMap,
    AtomicList,
    /// Merged field by field.
    Map,
    /// Items are known by these fields.
    Keyed(&'a [String]),
    /// Items are known by their value.
    SetList,
}

/// `metadata` of every object, for schemas that do not describe it.
static OBJECT_META: LazyLock<Schema> = LazyLock::new(object_meta);

impl<'a> Type<'a> {
    pub(super) fn new(schema: &'a Schema, id: NodeId) -> Self {
        Self::Node(schema, schema.node(id))
    }

    /// Returns the shape of a value of this type.
    pub(super) fn shape(self, value: Option<&Value>) -> Shape<'a> {
        let deduced = match value {
            Some(Value::Array(_)) => Shape::AtomicList,
            Some(Value::Object(_) | Value::Null) | None => Shape::Map,
            Some(_) => Shape::Scalar,
        };
        let Self::Node(_, node) = self else { return deduced };
        match node.kind {
            Kind::Any if node.atomic_map && deduced == Shape::Map => Shape::AtomicMap,
            Kind::Any => deduced,
            Kind::Object | Kind::Map if node.atomic_map => Shape::AtomicMap,
            Kind::Object | Kind::Map => Shape::Map,
            Kind::List => match &node.list_type {
                ListType::Atomic => Shape::AtomicList,
                ListType::Set => Shape::SetList,
                ListType::Map(keys) => Shape::Keyed(keys),
            },
            _ => Shape::Scalar,
        }
    }

    /// Does the type declare a field of this name? Keys of maps are not declared.
    pub(super) fn declares(self, name: &str) -> bool {
        matches!(self, Self::Node(_, node) if node.kind == Kind::Object && node.field(name).is_some())
    }

    /// Returns the type of a field or map value.
    pub(super) fn field(self, name: &str) -> Self {
        let Self::Node(schema, node) = self else { return Self::Deduced };
        match node.kind {
            Kind::Object => match node.field(name) {
                Some(field) => {
                    let below = schema.node(field.node);
                    if name == "metadata" && describes_nothing(below) && is_root(node) {
                        return Type::new(&OBJECT_META, NodeId(0));
                    }
                    Self::Node(schema, below)
                }
                None if node.preserve_unknown || node.fields.is_empty() => Self::Deduced,
                None => Self::Undeclared,
            },
            Kind::Map => node.items.map_or(Self::Deduced, |items| Self::new(schema, items)),
            _ => Self::Deduced,
        }
    }

    /// Returns the type of list items.
    pub(super) fn item(self) -> Self {
        match self {
            Self::Node(schema, node) if node.kind == Kind::List => {
                node.items.map_or(Self::Deduced, |items| Self::new(schema, items))
            }
            _ => Self::Deduced,
        }
    }

    pub(super) fn below(self, element: &Element) -> Self {
        match element {
            Element::Field(name) => self.field(name),
            Element::Key(_) | Element::Value(_) | Element::Index(_) => self.item(),
        }
    }

    /// Returns the default of a field of list items, for keys that are left out.
    fn key_default(self, name: &str) -> Option<&'a Value> {
        match self {
            Self::Node(_, node) => node.field(name)?.default.as_ref(),
            Self::Deduced | Self::Undeclared => None,
        }
    }

    /// Returns how an item of a list of this type is known.
    pub(super) fn item_element(self, shape: Shape<'_>, item: &Value) -> Result<Element, String> {
        match shape {
            Shape::Keyed(names) => self.keyed_element(names, item),
            Shape::SetList => match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                scalar => Ok(Element::Value(scalar.clone())),
            },
            _ => Err("invalid indexing of non-associative list".to_owned()),
        }
    }

    fn keyed_element(self, names: &[String], item: &Value) -> Result<Element, String> {
        let Value::Object(map) = item else {
            let what = if item.is_null() { "a null element" } else { "non-map elements" };
            return Err(format!("associative list with keys may not have {what}"));
        };
        let below = self.item();
        let mut keys: Vec<(String, Value)> = Vec::with_capacity(names.len());
        for name in names {
            if let Some(value) = map.get(name).or_else(|| below.key_default(name)) {
                keys.push((name.clone(), value.clone()));
            }
        }
        if keys.is_empty() && !names.is_empty() {
            let shown: Vec<String> = names.iter().map(|name| crate::field_error::go_quote(name)).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
                 values for any key fields)",
                shown.join(" ")
            ));
        }
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Element::Key(keys))
    }
}

fn describes_nothing(node: &Node) -> bool {
    match node.kind {
        Kind::Any => true,
        Kind::Object => node.field("ownerReferences").is_none() && node.field("finalizers").is_none(),
        _ => false,
    }
}

/// Objects have these at the top; nothing else has all three.
fn is_root(node: &Node) -> bool {
    node.field("apiVersion").is_some() && node.field("kind").is_some()
}

/// Describes what of ObjectMeta is not deduced right: owner references are known by uid, finalizers are a set.
fn object_meta() -> Schema {
    use crate::schema::{Emit, Field};
    let field = |name: &str, node: NodeId| Field {
        name: name.to_owned(),
        node,
        required: false,
        emit: Emit::OmitEmpty,
        pointer: false,
        default: None,
        patch_strategy: Vec::new(),
        patch_merge_key: None,
        proto: Vec::new(),
    };
    let mut schema = Schema::default();
    // The root comes first so that its id is known; its fields follow once their nodes exist.
    let root = schema.add(Node { kind: Kind::Object, ..Node::default() });
    let string = schema.add(Node { kind: Kind::String, ..Node::default() });
    let number = schema.add(Node { kind: Kind::Int64, ..Node::default() });
    let boolean = schema.add(Node { kind: Kind::Boolean, ..Node::default() });
    let any = schema.add(Node::default());
    let strings = schema.add(Node { kind: Kind::Map, items: Some(string), ..Node::default() });
    let finalizers =
        schema.add(Node { kind: Kind::List, items: Some(string), list_type: ListType::Set, ..Node::default() });
    let mut reference: Vec<Field> = ["apiVersion", "kind", "name", "uid"].map(|name| field(name, string)).into();
    reference.extend(["blockOwnerDeletion", "controller"].map(|name| field(name, boolean)));
    reference.sort_by(|a, b| a.name.cmp(&b.name));
    let reference = schema.add(Node { kind: Kind::Object, fields: reference, atomic_map: true, ..Node::default() });
    let references = schema.add(Node {
        kind: Kind::List,
        items: Some(reference),
        list_type: ListType::Map(vec!["uid".to_owned()]),
        ..Node::default()
    });
    let managed = schema.add(Node { kind: Kind::List, items: Some(any), ..Node::default() });
    let times = ["creationTimestamp", "deletionTimestamp"];
    let texts = ["generateName", "name", "namespace", "resourceVersion", "selfLink", "uid"];
    let mut fields: Vec<Field> = times.iter().chain(&texts).map(|name| field(name, string)).collect();
    fields.extend(["deletionGracePeriodSeconds", "generation"].map(|name| field(name, number)));
    fields.extend(["annotations", "labels"].map(|name| field(name, strings)));
    fields.push(field("finalizers", finalizers));
    fields.push(field("ownerReferences", references));
    fields.push(field("managedFields", managed));
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    schema.nodes[root.0 as usize].fields = fields;
    schema
}
