//! Turns the rows of the data file into an [`Api`].
//!
//! Anonymous nodes that say the same thing are stored once, which keeps the table small.

use super::table::{FieldRow, GroupRow, ResourceRow, Shape, SubresourceRow, Table, TypeRow};
use super::{Api, Definition, Group, GroupVersion, Index, META, Resource, Subresource};
use crate::schema::{Emit, Field, Kind, ListType, Node, NodeId, Schema};
use std::collections::HashMap;

pub(super) fn load(data: &str) -> Api {
    let table: Table = serde_json::from_str(data).expect("the built-in API table is generated");
    let mut builder = Builder::default();
    for row in &table.types {
        let node = builder.schema.add(Node { name: row.name.clone(), ..Node::default() });
        builder.names.insert(row.name.clone(), node);
    }
    let mut definitions = HashMap::with_capacity(table.types.len());
    for row in table.types {
        let name = row.name.clone();
        definitions.insert(name, builder.definition(row));
    }
    builder.schema.nodes.shrink_to_fit();
    let names = builder.names;
    let resources: Vec<Resource> = table.resources.into_iter().map(|row| resource(row, &names)).collect();
    let by_kind = kinds(&definitions, &resources);
    let mut by_resource = Index::new();
    for (index, resource) in resources.iter().enumerate() {
        names_of(&mut by_resource, &resource.group, &resource.version).insert(resource.plural.clone(), index);
    }
    Api {
        kubernetes: table.kubernetes,
        schema: builder.schema,
        groups: table.groups.into_iter().map(group).collect(),
        resources,
        definitions,
        by_resource,
        by_kind,
    }
}

fn group(row: GroupRow) -> Group {
    let GroupRow { name, versions, preferred, priority } = row;
    Group { name, versions, preferred, priority }
}

fn resource(row: ResourceRow, names: &HashMap<String, NodeId>) -> Resource {
    Resource {
        node: names[&row.of],
        list_node: names.get(&row.list).copied(),
        group: row.group,
        version: row.version,
        plural: row.resource,
        singular: row.singular,
        kind: row.kind,
        namespaced: row.namespaced,
        verbs: row.verbs,
        short_names: row.short,
        categories: row.categories,
        storage_version_hash: row.hash,
        delete_returns_object: row.delete_returns_object,
        subresources: row.subresources.into_iter().map(|row| subresource(row, names)).collect(),
        columns: row.columns,
    }
}

fn subresource(row: SubresourceRow, names: &HashMap<String, NodeId>) -> Subresource {
    let SubresourceRow { name, group, version, kind, of, verbs, connect, text } = row;
    Subresource { name, group, version, kind, verbs, node: names[&of], connect, text }
}

/// Returns the part of an index that belongs to a version.
fn names_of<'a, T>(index: &'a mut Index<T>, group: &str, version: &str) -> &'a mut HashMap<String, T> {
    index.entry(group.to_owned()).or_default().entry(version.to_owned()).or_default()
}

/// Indexes types by group, version and kind.
fn kinds(definitions: &HashMap<String, Definition>, resources: &[Resource]) -> Index<NodeId> {
    let mut index = Index::new();
    for definition in definitions.values() {
        for (GroupVersion { group, version }, kind) in &definition.kinds {
            names_of(&mut index, group, version).insert(kind.clone(), definition.node);
        }
    }
    // Unpublished kinds state no group; their Go package tells it.
    for (prefix, group, version) in PACKAGES {
        for (name, definition) in definitions {
            let published_elsewhere = definition.published && prefix != META;
            if let Some(kind) = name.strip_prefix(prefix).filter(|_| !published_elsewhere) {
                names_of(&mut index, group, version).entry(kind.to_owned()).or_insert(definition.node);
            }
        }
    }
    for resource in resources {
        for part in &resource.subresources {
            names_of(&mut index, &part.group, &part.version).entry(part.kind.clone()).or_insert(part.node);
        }
    }
    index
}

/// Packages with kinds that OpenAPI does not publish; where two have the same kind in one version, the first wins.
const PACKAGES: [(&str, &str, &str); 7] = [
    ("io.k8s.api.core.v1.", "", "v1"),
    (META, "", "v1"),
    (META, "meta.k8s.io", "v1"),
    ("io.k8s.api.admission.v1.", "admission.k8s.io", "v1"),
    ("io.k8s.api.apidiscovery.v2.", "apidiscovery.k8s.io", "v2"),
    ("io.k8s.api.apidiscovery.v2beta1.", "apidiscovery.k8s.io", "v2beta1"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.", "apiextensions.k8s.io", "v1"),
];

/// Raw data is replaced as a whole, although its definition does not say so.
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";

#[derive(Default)]
struct Builder {
    schema: Schema,
    names: HashMap<String, NodeId>,
    /// Anonymous nodes by their row, as text.
    anonymous: HashMap<String, NodeId>,
}

impl Builder {
    fn definition(&mut self, row: TypeRow) -> Definition {
        let node = self.names[&row.name];
        let mut built = match &row.of {
            Some(shape) => self.shaped(shape),
            None => Node { kind: Kind::Object, ..Node::default() },
        };
        built.name = row.name;
        built.atomic_map = row.map_type == "atomic" || built.name == RAW_EXTENSION;
        built.declared = !row.map_type.is_empty();
        built.unions = row.unions;
        built.fields = row.fields.into_iter().map(|row| self.field(row)).collect();
        self.schema.nodes[node.0 as usize] = built;
        let kinds = row.gvk.into_iter().map(|[group, version, kind]| (GroupVersion { group, version }, kind)).collect();
        Definition { node, kinds, published: !row.unpublished, protobuf: row.protobuf }
    }

    fn field(&mut self, row: FieldRow) -> Field {
        Field {
            node: self.shape(&row.of),
            name: row.name,
            required: row.required,
            emit: if row.always { Emit::Always } else { Emit::OmitEmpty },
            pointer: row.pointer,
            default: row.default,
            patch_strategy: row.patch,
            patch_merge_key: row.patch_key,
            proto: row.proto,
        }
    }

    /// Returns the node of a use of a type.
    fn shape(&mut self, shape: &Shape) -> NodeId {
        if let Some(&named) = self.names.get(&shape.of) {
            return if shape.map_type.is_empty() { named } else { self.granular(named, shape) };
        }
        let key = serde_json::to_string(shape).expect("rows are JSON");
        if let Some(&known) = self.anonymous.get(&key) {
            return known;
        }
        let built = self.shaped(shape);
        let node = self.schema.add(built);
        self.anonymous.insert(key, node);
        node
    }

    /// Returns a copy of a definition with another map type: PersistentVolumeSpec overrides that of its `claimRef`.
    ///
    /// The copy keeps the name. Its fields must be known by now, which holds as long as the definition sorts first.
    fn granular(&mut self, named: NodeId, shape: &Shape) -> NodeId {
        let original = self.schema.node(named);
        assert!(!original.fields.is_empty(), "{} is overridden before it is described", shape.of);
        let copy = Node { atomic_map: shape.map_type == "atomic", declared: true, ..original.clone() };
        self.schema.add(copy)
    }

    /// Builds a node that is not an object with fields.
    fn shaped(&mut self, shape: &Shape) -> Node {
        let (kind, format) = scalar(&shape.of);
        let list_type = match shape.list_type.as_str() {
            "set" => ListType::Set,
            "map" => ListType::Map(shape.keys.clone()),
            _ => ListType::Atomic,
        };
        Node {
            kind,
            format: format.to_owned(),
            items: shape.items.as_deref().map(|items| self.shape(items)),
            list_type,
            atomic_map: shape.map_type == "atomic",
            declared: !shape.list_type.is_empty() || !shape.map_type.is_empty(),
            wrapped: shape.wrapped,
            default: shape.default.clone(),
            enums: shape.enums.clone(),
            ..Node::default()
        }
    }
}

/// Returns kind and OpenAPI format of a scalar, list or map.
fn scalar(of: &str) -> (Kind, &'static str) {
    match of {
        "any" => (Kind::Any, ""),
        "boolean" => (Kind::Boolean, ""),
        "bytes" => (Kind::Bytes, "byte"),
        "duration" => (Kind::Duration, ""),
        "int-or-string" => (Kind::IntOrString, "int-or-string"),
        "int32" => (Kind::Int32, "int32"),
        "int64" => (Kind::Int64, "int64"),
        "list" => (Kind::List, ""),
        "map" => (Kind::Map, ""),
        "micro-time" => (Kind::MicroTime, "date-time"),
        "number" => (Kind::Number, "double"),
        "quantity" => (Kind::Quantity, ""),
        "string" => (Kind::String, ""),
        "time" => (Kind::Time, "date-time"),
        other => unreachable!("the built-in API table has no type {other}"),
    }
}
