//! Compilation of one structural schema to [`Schema`].

use super::intern::Rooted;
use super::props::{Additional, Props};
use crate::schema::{Emit, Field, Kind, ListType, Node, NodeId, Schema, Validations};
use serde_json::Value;
use std::sync::Arc;

/// Compiles one schema. Without a schema all fields are unknown.
pub(crate) fn compile_schema(props: Option<Props<'_>>) -> Rooted {
    let mut compiler = Compiler { schema: Schema::default(), metadata: None };
    let root = match props {
        Some(props) => compiler.node(props, true),
        None => compiler.schema.add(Node { kind: Kind::Object, ..Node::default() }),
    };
    let mut schema = compiler.schema;
    schema.nodes.shrink_to_fit();
    Rooted { schema: Arc::new(schema), root }
}

struct Compiler {
    schema: Schema,
    /// The node of ObjectMeta, once one was needed.
    metadata: Option<NodeId>,
}

impl Compiler {
    fn node(&mut self, props: Props<'_>, is_root: bool) -> NodeId {
        let kind = kind_of(props);
        let embedded_resource = props.flag("x-kubernetes-embedded-resource");
        let mut fields: Vec<Field> = Vec::new();
        let required = props.strings("required");
        for (name, property) in props.properties() {
            let node = self.node(property, false);
            fields.push(field(name, node, required.contains(&name), property.default().cloned()));
        }
        if is_root || embedded_resource {
            self.add_meta(&mut fields);
        }
        let items = match (kind, props.additional()) {
            (Kind::Object | Kind::Map, Some(Additional::Schema(schema))) => Some(self.node(schema, false)),
            (Kind::Object | Kind::Map, Some(Additional::Bool(true))) => {
                // Upstream knows nothing about such values: it drops the fields of objects in them, and keeps nulls.
                Some(self.schema.add(Node { nullable: true, ..Node::default() }))
            }
            (Kind::Object | Kind::Map, _) => None,
            _ => props.item().map(|item| self.node(item, false)),
        };
        let validations = self.validations(props);
        self.schema.add(Node {
            kind,
            format: props.text("format").to_owned(),
            fields,
            items,
            list_type: list_type(props),
            atomic_map: props.text("x-kubernetes-map-type") == "atomic",
            nullable: props.flag("nullable"),
            preserve_unknown: props.preserves_unknown(),
            embedded_resource,
            default: props.default().cloned(),
            enums: props.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
            validations,
            ..Node::default()
        })
    }

    fn nodes(&mut self, props: Props<'_>, junctor: &str) -> Vec<NodeId> {
        props.schemas(junctor).into_iter().map(|schema| self.node(schema, false)).collect()
    }

    fn validations(&mut self, props: Props<'_>) -> Option<Box<Validations>> {
        let size = |key: &str| props.size(key).and_then(|size| u64::try_from(size).ok());
        let validations = Validations {
            maximum: props.number("maximum").map(|bound| (bound, props.flag("exclusiveMaximum"))),
            minimum: props.number("minimum").map(|bound| (bound, props.flag("exclusiveMinimum"))),
            max_length: size("maxLength"),
            min_length: size("minLength"),
            pattern: Some(props.text("pattern")).filter(|pattern| !pattern.is_empty()).map(str::to_owned),
            max_items: size("maxItems"),
            min_items: size("minItems"),
            unique_items: props.flag("uniqueItems"),
            multiple_of: props.number("multipleOf"),
            max_properties: size("maxProperties"),
            min_properties: size("minProperties"),
            required: props.strings("required").into_iter().map(str::to_owned).collect(),
            all_of: self.nodes(props, "allOf"),
            one_of: self.nodes(props, "oneOf"),
            any_of: self.nodes(props, "anyOf"),
            not: props.schema("not").map(|schema| self.node(schema, false)),
        };
        (!validations.is_empty()).then(|| Box::new(validations))
    }

    /// Adds apiVersion, kind and metadata, which every resource has whether its schema names them or not.
    fn add_meta(&mut self, fields: &mut Vec<Field>) {
        for name in ["apiVersion", "kind"] {
            if !fields.iter().any(|field| field.name == name) {
                let node = self.scalar(Kind::String);
                fields.push(field(name, node, false, None));
            }
        }
        let metadata = self.object_meta();
        match fields.iter_mut().find(|field| field.name == "metadata") {
            // A definition may restrict name and generateName, and nothing else.
            Some(found) => {
                let own = self.schema.node(found.node).clone();
                let mut merged = self.schema.node(metadata).clone();
                for field in own.fields {
                    if let Some(slot) = merged.fields.iter_mut().find(|slot| slot.name == field.name) {
                        slot.node = field.node;
                    }
                }
                merged.default = own.default;
                merged.validations = own.validations;
                found.node = self.schema.add(merged);
            }
            None => fields.push(field("metadata", metadata, false, None)),
        }
        fields.sort_by(|left, right| left.name.cmp(&right.name));
    }

    fn scalar(&mut self, kind: Kind) -> NodeId {
        self.schema.add(Node { kind, ..Node::default() })
    }

    fn object(&mut self, name: &str, fields: &[(&str, NodeId)]) -> NodeId {
        let fields = fields.iter().map(|&(name, node)| field(name, node, false, None)).collect();
        self.schema.add(Node { kind: Kind::Object, name: name.to_owned(), fields, ..Node::default() })
    }

    fn object_meta(&mut self) -> NodeId {
        if let Some(found) = self.metadata {
            return found;
        }
        let (string, integer, boolean) =
            (self.scalar(Kind::String), self.scalar(Kind::Int64), self.scalar(Kind::Boolean));
        let any = self.schema.add(Node { preserve_unknown: true, nullable: true, ..Node::default() });
        let text_map = self.schema.add(Node { kind: Kind::Map, items: Some(string), ..Node::default() });
        let list = |items: NodeId, list_type: ListType| Node {
            kind: Kind::List,
            items: Some(items),
            list_type,
            ..Node::default()
        };
        let finalizers = self.schema.add(list(string, ListType::Set));
        let owner = self.object(
            "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
            &[
                ("apiVersion", string),
                ("blockOwnerDeletion", boolean),
                ("controller", boolean),
                ("kind", string),
                ("name", string),
                ("uid", string),
            ],
        );
        self.schema.nodes[owner.0 as usize].atomic_map = true;
        let owners = self.schema.add(list(owner, ListType::Map(vec!["uid".to_owned()])));
        let manager = self.object(
            "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry",
            &[
                ("apiVersion", string),
                ("fieldsType", string),
                ("fieldsV1", any),
                ("manager", string),
                ("operation", string),
                ("subresource", string),
                ("time", string),
            ],
        );
        let managers = self.schema.add(list(manager, ListType::Atomic));
        let metadata = self.object(
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
            &[
                ("annotations", text_map),
                ("creationTimestamp", string),
                ("deletionGracePeriodSeconds", integer),
                ("deletionTimestamp", string),
                ("finalizers", finalizers),
                ("generateName", string),
                ("generation", integer),
                ("labels", text_map),
                ("managedFields", managers),
                ("name", string),
                ("namespace", string),
                ("ownerReferences", owners),
                ("resourceVersion", string),
                ("selfLink", string),
                ("uid", string),
            ],
        );
        self.metadata = Some(metadata);
        metadata
    }
}

fn field(name: &str, node: NodeId, required: bool, default: Option<Value>) -> Field {
    Field {
        name: name.to_owned(),
        node,
        required,
        emit: Emit::OmitEmpty,
        pointer: false,
        default,
        patch_strategy: Vec::new(),
        patch_merge_key: None,
        proto: Vec::new(),
    }
}

fn kind_of(props: Props<'_>) -> Kind {
    if props.flag("x-kubernetes-int-or-string") {
        return Kind::IntOrString;
    }
    match props.type_name() {
        "object" if props.additional().is_some() && !props.has_properties() => Kind::Map,
        "object" => Kind::Object,
        "array" => Kind::List,
        "string" => Kind::String,
        "integer" => Kind::Int64,
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        _ => Kind::Any,
    }
}

fn list_type(props: Props<'_>) -> ListType {
    match props.text("x-kubernetes-list-type") {
        "set" => ListType::Set,
        "map" => {
            let keys = props.strings("x-kubernetes-list-map-keys");
            ListType::Map(keys.into_iter().map(str::to_owned).collect())
        }
        _ => ListType::Atomic,
    }
}

impl Validations {
    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let bounds = [
            self.max_length,
            self.min_length,
            self.max_items,
            self.min_items,
            self.max_properties,
            self.min_properties,
        ];
        self.maximum.is_none()
            && self.minimum.is_none()
            && bounds.iter().all(Option::is_none)
            && self.pattern.is_none()
            && !self.unique_items
            && self.multiple_of.is_none()
            && self.required.is_empty()
            && self.all_of.is_empty()
            && self.one_of.is_empty()
            && self.any_of.is_empty()
            && self.not.is_none()
    }
}
