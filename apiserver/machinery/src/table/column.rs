//! Columns of built-in kinds.

use serde_json::{Value, json};

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// OpenAPI type: `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: &'static str,
    /// `name` marks the column that identifies the object; mostly empty.
    pub format: &'static str,
    /// One sentence on what the column shows.
    pub description: &'static str,
    /// 0 is always shown; higher numbers only in wide output.
    pub priority: i32,
}

/// The name of the object.
pub(super) const NAME: Column =
    Column { name: "Name", kind: "string", format: "name", description: "Name of the object.", priority: 0 };
/// Time since the object was created.
pub(super) const AGE: Column = text("Age", "Time since the object was created.");
/// When the object was created, for kinds without columns of their own.
pub(super) const CREATED_AT: Column = of("Created At", "date", "Time at which the object was created.");
/// Containers of a pod template.
pub(super) const CONTAINERS: Column = wide("Containers", "Names of the containers in the template.");
/// Images of a pod template.
pub(super) const IMAGES: Column = wide("Images", "Images of the containers in the template.");
/// Selector of a workload.
pub(super) const SELECTOR: Column = wide("Selector", "Labels that select the pods.");

/// Returns a column of strings.
pub(super) const fn text(name: &'static str, description: &'static str) -> Column {
    of(name, "string", description)
}

/// Returns a column of integers.
pub(super) const fn integer(name: &'static str, description: &'static str) -> Column {
    of(name, "integer", description)
}

/// Returns a column of booleans.
pub(super) const fn boolean(name: &'static str, description: &'static str) -> Column {
    of(name, "boolean", description)
}

/// Returns a column of strings that is shown in wide output only.
pub(super) const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { name, kind: "string", format: "", description, priority: 1 }
}

const fn of(name: &'static str, kind: &'static str, description: &'static str) -> Column {
    Column { name, kind, format: "", description, priority: 0 }
}

/// Returns the `columnDefinitions` of a table.
#[must_use]
pub fn definitions(columns: &[Column]) -> Value {
    columns
        .iter()
        .map(|column| {
            json!({ "name": column.name, "type": column.kind, "format": column.format,
                    "description": column.description, "priority": column.priority })
        })
        .collect()
}
