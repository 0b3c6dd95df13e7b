//! Compilation of CustomResourceDefinitions to [`Schema`].
//!
//! Descriptions and examples are not kept: OpenAPI documents are made from the stored definition when somebody asks.

use super::intern::{Hash, Interner, Rooted, content_hash};
use super::names::compare_versions;
use super::props::{Additional, Props};
use super::structural;
use crate::field_error::{FieldError, FieldErrors};
use crate::schema::{Emit, Field, Kind, ListType, Node, NodeId, Schema, Validations};
use serde_json::Value;
use std::sync::Arc;

/// A definition, ready to serve.
#[derive(Debug)]
pub struct Compiled {
    /// API group.
    pub group: String,
    /// The names it is served under: the accepted ones, or those asked for while none is accepted.
    pub names: Names,
    /// Whether its objects live in namespaces.
    pub scope: Scope,
    /// All versions, in the order of the definition.
    pub versions: Vec<CompiledVersion>,
    /// Content hash of the definition, descriptions and accepted names included.
    pub hash: [u8; 32],
}

/// Names of a custom resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// `widgets`.
    pub plural: String,
    /// `widget`.
    pub singular: String,
    /// `Widget`.
    pub kind: String,
    /// `WidgetList`.
    pub list_kind: String,
    /// Short names, for kubectl.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
}

/// Where objects live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the cluster.
    Cluster,
    /// In namespaces.
    Namespaced,
}

/// One version of a definition.
#[derive(Debug)]
pub struct CompiledVersion {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// `v1`.
    pub name: String,
    /// Served to clients.
    pub served: bool,
    /// The version objects are stored in.
    pub storage: bool,
    /// Deprecated.
    pub deprecated: bool,
    /// What clients of a deprecated version are warned with.
    pub warning: Option<String>,
    /// The schema; shared between versions and tenants that have the same.
    pub schema: Arc<Schema>,
    /// Root of the schema.
    pub root: NodeId,
    /// Root of the schema of `status`, if it has one.
    pub status_node: Option<NodeId>,
    /// Content hash of all that matters to stored objects: group, kind, version and schema.
    pub hash: [u8; 32],
    /// Has a `/status` subresource.
    pub status: bool,
    /// Has a `/scale` subresource.
    pub scale: Option<Scale>,
    /// Printer columns.
    pub columns: Vec<Column>,
    /// JSON paths that field selectors may name, such as `.spec.color`.
    pub selectable_fields: Vec<String>,
    /// Unknown fields of the root are kept.
    pub preserve_unknown: bool,
    /// Keeps the interned entry alive as long as the version.
    _rooted: Option<Arc<Rooted>>,
}

/// Paths of the scale subresource, with their leading dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Path of the wanted number.
    pub spec_replicas_path: String,
    /// Path of the actual number.
    pub status_replicas_path: String,
    /// Path of the selector in string form.
    pub label_selector_path: Option<String>,
}

/// A printer column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub column_type: String,
    /// OpenAPI format.
    pub format: String,
    /// Explanation.
    pub description: String,
    /// Above 0: shown by `-o wide` only.
    pub priority: i32,
    /// What it shows.
    pub json_path: String,
}

impl Compiled {
    /// Returns a version by name.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<&CompiledVersion> {
        self.versions.iter().find(|version| version.name == name)
    }

    /// Returns the version that objects are stored in.
    #[must_use]
    pub fn storage_version(&self) -> Option<&CompiledVersion> {
        self.versions.iter().find(|version| version.storage)
    }
}

/// Compiles a definition by itself.
///
/// # Errors
/// Why it cannot be compiled; never for one that was validated.
pub fn compile(definition: &Value) -> Result<Compiled, FieldErrors> {
    compile_interned(definition, definition_hash(definition), &Interner::default())
}

/// Hash of all that makes a compiled definition.
pub(crate) fn definition_hash(definition: &Value) -> Hash {
    content_hash(&[
        definition.get("spec").unwrap_or(&Value::Null),
        definition.pointer("/status/acceptedNames").unwrap_or(&Value::Null),
    ])
}

/// Compiles a definition with a known hash, taking schemas that exist already from an interner.
///
/// # Errors
/// Why it cannot be compiled; never for one that was validated.
pub(crate) fn compile_interned(definition: &Value, hash: Hash, interner: &Interner) -> Result<Compiled, FieldErrors> {
    let spec = definition.get("spec").unwrap_or(&Value::Null);
    let group = text(spec, "group");
    let accepted = definition.pointer("/status/acceptedNames").map(Names::read).unwrap_or_default();
    let asked = spec.get("names").map(Names::read).unwrap_or_default();
    let names = if accepted.plural.is_empty() || accepted.kind.is_empty() { asked } else { accepted };
    let scope = if text(spec, "scope") == "Namespaced" { Scope::Namespaced } else { Scope::Cluster };
    let versions: Vec<&Value> = spec.get("versions").and_then(Value::as_array).into_iter().flatten().collect();
    let mut compiled = Vec::with_capacity(versions.len());
    for (position, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{position}].schema.openAPIV3Schema");
        let props = version.pointer("/schema/openAPIV3Schema").and_then(Props::of);
        if let Some(reason) = props.and_then(structural::unsupported) {
            return Err(vec![FieldError::invalid(path, "", reason)]);
        }
        let warning = deprecation_warning(&group, &names.kind, version, &versions);
        compiled.push(version_of(&group, &names.kind, version, props, warning, interner));
    }
    Ok(Compiled { group, names, scope, versions: compiled, hash })
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    let list = value.get(field).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn flag(value: &Value, field: &str) -> bool {
    value.get(field).and_then(Value::as_bool).unwrap_or_default()
}

impl Names {
    /// Reads `spec.names` or `status.acceptedNames`.
    pub(crate) fn read(value: &Value) -> Self {
        Self {
            plural: text(value, "plural"),
            singular: text(value, "singular"),
            kind: text(value, "kind"),
            list_kind: text(value, "listKind"),
            short_names: texts(value, "shortNames"),
            categories: texts(value, "categories"),
        }
    }
}

fn version_of(
    group: &str,
    kind: &str,
    version: &Value,
    props: Option<Props<'_>>,
    warning: Option<String>,
    interner: &Interner,
) -> CompiledVersion {
    let name = text(version, "name");
    let schema_value = version.pointer("/schema/openAPIV3Schema").unwrap_or(&Value::Null);
    let schema_hash: Hash = content_hash(&[schema_value]);
    let rooted = interner.schema(schema_hash, || compile_schema(props));
    let hash_value = Value::from(schema_hash.to_vec());
    let hash = content_hash(&[&Value::from(group), &Value::from(kind), &Value::from(name.as_str()), &hash_value]);
    let root = rooted.schema.node(rooted.root);
    let status_node = root.field("status").map(|field| field.node);
    let preserve_unknown = root.preserve_unknown;
    let columns = version.get("additionalPrinterColumns").and_then(Value::as_array).into_iter().flatten();
    let fields = version.get("selectableFields").and_then(Value::as_array).into_iter().flatten();
    let scale = version.pointer("/subresources/scale").filter(|scale| scale.is_object()).map(|scale| Scale {
        spec_replicas_path: text(scale, "specReplicasPath"),
        status_replicas_path: text(scale, "statusReplicasPath"),
        label_selector_path: scale
            .get("labelSelectorPath")
            .and_then(Value::as_str)
            .filter(|path| !path.is_empty())
            .map(str::to_owned),
    });
    CompiledVersion {
        group: group.to_owned(),
        kind: kind.to_owned(),
        name,
        served: flag(version, "served"),
        storage: flag(version, "storage"),
        deprecated: flag(version, "deprecated"),
        warning,
        schema: rooted.schema.clone(),
        root: rooted.root,
        status_node,
        hash,
        status: version.pointer("/subresources/status").is_some_and(Value::is_object),
        scale,
        columns: columns.map(column).collect(),
        selectable_fields: fields.map(|field| text(field, "jsonPath")).collect(),
        preserve_unknown,
        _rooted: Some(rooted),
    }
}

fn column(value: &Value) -> Column {
    let priority = value.get("priority").and_then(Value::as_i64).unwrap_or_default();
    Column {
        name: text(value, "name"),
        column_type: text(value, "type"),
        format: text(value, "format"),
        description: text(value, "description"),
        priority: i32::try_from(priority).unwrap_or(i32::MAX),
        json_path: text(value, "jsonPath"),
    }
}

fn deprecation_warning(group: &str, kind: &str, version: &Value, versions: &[&Value]) -> Option<String> {
    if !flag(version, "deprecated") {
        return None;
    }
    if let Some(own) = version.get("deprecationWarning").and_then(Value::as_str) {
        return Some(own.to_owned());
    }
    let name = text(version, "name");
    let mut better: Vec<String> = versions
        .iter()
        .filter(|other| flag(other, "served") && !flag(other, "deprecated"))
        .map(|other| text(other, "name"))
        .filter(|other| compare_versions(other, &name).is_lt())
        .collect();
    better.sort_by(|left, right| compare_versions(left, right));
    let instead = better.first().map(|other| format!("; use {group}/{other} {kind}")).unwrap_or_default();
    Some(format!("{group}/{name} {kind} is deprecated{instead}"))
}

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
