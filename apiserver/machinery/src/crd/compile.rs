//! Compilation of CustomResourceDefinitions to [`Schema`].
//!
//! Descriptions and examples are not kept: OpenAPI documents are made from the stored definition when somebody asks.

use super::intern::{Hash, Interner, Rooted, content_hash};
use super::names::compare_versions;
use super::props::Props;
use super::schema_compiler::compile_schema;
use super::structural;
use crate::field_error::{FieldError, FieldErrors};
use crate::schema::{NodeId, Schema};
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
