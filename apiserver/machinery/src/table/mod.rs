//! Server-side printing: Table columns and rows (KEP-506).
//!
//! Cells have upstream's types and texts, so that `kubectl get` shows the same. Rows always carry the cells of wide
//! columns; clients leave them out by priority.

mod access;
mod age;
mod column;
mod core;
mod crd;
mod fields;
pub mod jsonpath;
mod labels;
mod network;
mod pods;
mod scheduling;
mod storage;
mod workloads;

#[cfg(test)]
mod tests;

pub use column::{Column, definitions};
pub use crd::{CrdColumns, crd_columns, crd_row};

use age::age;
use column::{CREATED_AT, NAME};
use fields::{at, int, text};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// How objects of one kind are printed.
struct Printer {
    group: &'static str,
    resource: &'static str,
    kind: &'static str,
    columns: &'static [Column],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

/// What the rows of a table carry besides their cells (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// The object's metadata, as PartialObjectMetadata.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

/// Columns of kinds without a printer of their own.
pub const DEFAULT_COLUMNS: &[Column] = &[NAME, CREATED_AT];

fn printers() -> impl Iterator<Item = &'static Printer> {
    [
        core::PRINTERS,
        &[pods::PODS],
        workloads::PRINTERS,
        network::PRINTERS,
        storage::PRINTERS,
        access::PRINTERS,
        scheduling::PRINTERS,
    ]
    .into_iter()
    .flatten()
}

/// Returns the columns of a built-in resource. Those without a printer have a name and a creation time.
#[must_use]
pub fn columns(group: &str, _version: &str, resource: &str) -> &'static [Column] {
    let printer = printers().find(|printer| printer.group == group && printer.resource == resource);
    printer.map_or(DEFAULT_COLUMNS, |printer| printer.columns)
}

/// Returns the cells of an object of a built-in kind, as many as [`columns`] has and in that order.
///
/// Objects of any served version are printed; those of the storage version print best, since older versions may list
/// things in another order.
#[must_use]
pub fn row(group: &str, _version: &str, kind: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    match printers().find(|printer| printer.group == group && printer.kind == kind) {
        Some(printer) => (printer.cells)(object, now),
        None => default_row(object),
    }
}

fn default_row(object: &Value) -> Vec<Value> {
    let created = at(object, "metadata.creationTimestamp").as_str().unwrap_or("0001-01-01T00:00:00Z");
    vec![json!(text(object, "metadata.name")), json!(created)]
}

fn name_and_age(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![json!(text(object, "metadata.name")), age(object, now)]
}

/// Returns the conditions of an object's row: whether a pod has ended.
#[must_use]
pub fn row_conditions(group: &str, kind: &str, object: &Value) -> Option<Value> {
    if (group, kind) == ("", "Pod") { pods::row_conditions(object) } else { None }
}

/// Compares two objects in the order in which a list of their kind is printed, for kinds that are not printed in the
/// order of the list.
#[must_use]
pub fn print_order(group: &str, kind: &str) -> Option<fn(&Value, &Value) -> Ordering> {
    fn flow_schemas(a: &Value, b: &Value) -> Ordering {
        let key = |object| (int(object, "spec.matchingPrecedence"), text(object, "metadata.name"));
        key(a).cmp(&key(b))
    }
    ((group, kind) == ("flowcontrol.apiserver.k8s.io", "FlowSchema")).then_some(flow_schemas)
}

/// Returns a row of a table.
#[must_use]
pub fn table_row(cells: Vec<Value>, conditions: Option<Value>, object: &Value, include: IncludeObject) -> Value {
    let mut row = Map::new();
    row.insert("cells".to_owned(), Value::Array(cells));
    if let Some(conditions) = conditions {
        row.insert("conditions".to_owned(), conditions);
    }
    let object = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Metadata => partial_object(object),
        IncludeObject::Object => object.clone(),
    };
    row.insert("object".to_owned(), object);
    Value::Object(row)
}

/// Returns an object's metadata as PartialObjectMetadata.
#[must_use]
pub fn partial_object(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": shown_metadata(object) })
}

/// Returns the metadata that tables and PartialObjectMetadata show: that of upstream's internal type, which for
/// DaemonSets has a field of its own instead of an annotation.
#[must_use]
pub fn shown_metadata(object: &Value) -> Value {
    let mut metadata = at(object, "metadata").clone();
    let is_daemon_set = at(object, "kind") == "DaemonSet" && at(object, "apiVersion") == "apps/v1";
    if is_daemon_set
        && let Some(fields) = metadata.as_object_mut()
        && let Some(annotations) = fields.get_mut("annotations").and_then(Value::as_object_mut)
    {
        annotations.remove(crate::builtin::TEMPLATE_GENERATION);
        if annotations.is_empty() {
            fields.remove("annotations");
        }
    }
    metadata
}

/// Returns a Table.
///
/// `definitions` are the column definitions (see [`definitions()`] and [`CrdColumns::definitions`]), `null` when the
/// request wants no headers; `list_meta` is the `metadata` of the list, or the resource version of a single object.
#[must_use]
pub fn table(definitions: Value, rows: Vec<Value>, list_meta: Value) -> Value {
    json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_meta,
            "columnDefinitions": definitions, "rows": rows })
}
