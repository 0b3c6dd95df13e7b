//! The one description of types that everything in this crate reads.
//!
//! A [`Schema`] is an arena of nodes. The built-in API is one `Schema` shared by the whole process; each version of a
//! CustomResourceDefinition compiles to one of its own, interned by content hash. Nodes may refer to each other in
//! cycles (JSONSchemaProps does), so they are referred to by [`NodeId`].

use crate::proto::Plans;
use serde_json::Value;
use std::sync::OnceLock;

/// Index of a node in its [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// An arena of type descriptions.
#[derive(Debug, Default)]
pub struct Schema {
    /// All nodes; a [`NodeId`] is an index here.
    pub nodes: Vec<Node>,
    /// How its types look in protobuf; made on first use, when the nodes are complete.
    pub(crate) plans: OnceLock<Plans>,
}

impl Schema {
    /// Returns a node.
    ///
    /// # Panics
    /// When the id belongs to another schema.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Adds a node and returns its id.
    pub fn add(&mut self, node: Node) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).expect("a schema has fewer than 2^32 nodes"));
        self.nodes.push(node);
        id
    }
}

/// What a value may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An object with named fields ([`Node::fields`]).
    Object,
    /// An object whose values all have the type [`Node::items`].
    Map,
    /// An array of [`Node::items`].
    List,
    /// A string.
    String,
    /// A string of base64 (`format: byte`, Go `[]byte`).
    Bytes,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A floating-point number.
    Number,
    /// A boolean.
    Boolean,
    /// An integer or a string (`IntOrString`, `x-kubernetes-int-or-string`).
    IntOrString,
    /// A quantity such as `100m`; numbers are accepted and become strings.
    Quantity,
    /// RFC 3339 with seconds (`metav1.Time`).
    Time,
    /// RFC 3339 with microseconds (`metav1.MicroTime`).
    MicroTime,
    /// A Go duration string (`metav1.Duration`).
    Duration,
    /// Any JSON value, kept as it is (`RawExtension`, `JSON`, `FieldsV1`, `x-kubernetes-preserve-unknown-fields`).
    #[default]
    Any,
}

/// How a list is merged (`x-kubernetes-list-type`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ListType {
    /// Replaced as a whole.
    #[default]
    Atomic,
    /// A set of scalars.
    Set,
    /// A list of objects identified by these keys, in schema order.
    Map(Vec<String>),
}

/// Whether Go writes a field that has its zero value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Emit {
    /// `omitempty` or `omitzero`: a zero value is left out. Go's `omitempty` never drops a struct, so such a field is
    /// `Always`.
    #[default]
    OmitEmpty,
    /// No `omitempty`: a missing field is written with its zero value (`""`, `0`, `false`, `null` for slices, maps and pointers, `{}` for structs).
    Always,
}

/// A named field of an object.
#[derive(Clone, Debug)]
pub struct Field {
    /// JSON name.
    pub name: String,
    /// Its type.
    pub node: NodeId,
    /// Listed in `required`.
    pub required: bool,
    /// Go's handling of zero values; meaningful for built-in types only.
    pub emit: Emit,
    /// A Go pointer: an explicit zero value is kept although the field is `omitempty`.
    pub pointer: bool,
    /// OpenAPI default.
    pub default: Option<Value>,
    /// Strategic merge patch: strategies such as `merge`, `replace`, `retainKeys` (`x-kubernetes-patch-strategy`, split at commas).
    pub patch_strategy: Vec<String>,
    /// Strategic merge patch: key of a merged list (`x-kubernetes-patch-merge-key`).
    pub patch_merge_key: Option<String>,
    /// Protobuf: numbers from the message of the containing type to this field. One number for a plain field; more when
    /// Go embeds a struct that JSON inlines. Empty for types that have no protobuf form.
    pub proto: Vec<u16>,
}

/// One type, or one use of a type.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What values look like.
    pub kind: Kind,
    /// Name of the definition (`io.k8s.api.core.v1.PodSpec`); empty for anonymous nodes.
    pub name: String,
    /// OpenAPI `format` (`int32`, `date-time` …); empty when none.
    pub format: String,
    /// Fields of an object in schema order, sorted by name.
    pub fields: Vec<Field>,
    /// Type of list items or map values. On an [`Kind::Any`] that may hold a typed object (`JSONSchemaPropsOrBool`):
    /// the type of that object.
    pub items: Option<NodeId>,
    /// Merge behaviour of a list.
    pub list_type: ListType,
    /// `x-kubernetes-map-type: atomic` on an object or map; on an [`Kind::Any`], what it holds is replaced as a whole.
    pub atomic_map: bool,
    /// The list type or map type is written in the document. A list without one is atomic, an object or map without
    /// one is granular; this tells the two apart where documents are reproduced.
    pub declared: bool,
    /// Protobuf wraps this list in a message with the one field `items` (`Verbs`, `ExtraValue`).
    pub wrapped: bool,
    /// `null` is a value, not an absence.
    pub nullable: bool,
    /// Unknown fields are kept (`x-kubernetes-preserve-unknown-fields`).
    pub preserve_unknown: bool,
    /// An embedded object with apiVersion, kind and metadata (`x-kubernetes-embedded-resource`).
    pub embedded_resource: bool,
    /// The item default for lists and maps, or the node's own default in CRDs.
    pub default: Option<Value>,
    /// Allowed values; empty when any.
    pub enums: Vec<Value>,
    /// `x-kubernetes-unions`, as served; `None` when absent.
    pub unions: Option<Value>,
    /// Value validations of structural schemas; built-in types have none.
    pub validations: Option<Box<Validations>>,
}

impl Node {
    /// Returns a field by JSON name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok().map(|index| &self.fields[index])
    }
}

/// Value validations of a structural schema (OpenAPI v3 subset of apiextensions.k8s.io/v1).
#[derive(Clone, Debug, Default)]
pub struct Validations {
    /// `maximum` and whether it is exclusive.
    pub maximum: Option<(f64, bool)>,
    /// `minimum` and whether it is exclusive.
    pub minimum: Option<(f64, bool)>,
    /// `maxLength`, in code points.
    pub max_length: Option<u64>,
    /// `minLength`, in code points.
    pub min_length: Option<u64>,
    /// `pattern`, as written; compiled by who validates.
    pub pattern: Option<String>,
    /// `maxItems`.
    pub max_items: Option<u64>,
    /// `minItems`.
    pub min_items: Option<u64>,
    /// `uniqueItems`.
    pub unique_items: bool,
    /// `multipleOf`.
    pub multiple_of: Option<f64>,
    /// `maxProperties`.
    pub max_properties: Option<u64>,
    /// `minProperties`.
    pub min_properties: Option<u64>,
    /// `required`, in schema order; it may name fields that have no node of their own.
    pub required: Vec<String>,
    /// `allOf`, `oneOf`, `anyOf` and `not` are value-validation-only nodes of the same schema.
    pub all_of: Vec<NodeId>,
    /// See `all_of`.
    pub one_of: Vec<NodeId>,
    /// See `all_of`.
    pub any_of: Vec<NodeId>,
    /// See `all_of`.
    pub not: Option<NodeId>,
}
