//! How a resource is selected by field and shown in tables.

use super::{Origin, Served};
use jiff::Timestamp;
use kplex_machinery::builtin::fields;
use kplex_machinery::crd::CompiledVersion;
use kplex_machinery::status::Status;
use kplex_machinery::table;
use serde_json::{Map, Value};

impl Served {
    /// Checks a field of a field selector.
    ///
    /// # Errors
    /// 400 for one that the kind does not select by.
    pub fn check_field(&self, field: &str) -> Result<(), Status> {
        match self.definition() {
            None => fields::canonical(&self.group, &self.plural, &self.version, field)
                .map(|_| ())
                .map_err(Status::bad_request),
            Some(version) => {
                let known = matches!(field, "metadata.name" | "metadata.namespace")
                    || version.selectable_fields.iter().any(|known| known.trim_start_matches('.') == field);
                if known { Ok(()) } else { Err(Status::bad_request(format!("field label not supported: {field}"))) }
            }
        }
    }

    /// Returns the value of a field for field selectors.
    #[must_use]
    pub fn field_value(&self, object: &Value, field: &str) -> Option<String> {
        match self.definition() {
            None => {
                let field = fields::canonical(&self.group, &self.plural, &self.version, field).ok()?;
                fields::field_value(&self.group, &self.plural, object, field)
            }
            Some(version) => {
                version.selectable_values(object).into_iter().find(|(name, _)| name == field).map(|(_, value)| value)
            }
        }
    }

    /// Returns a Table of objects. Each is dropped when its row is made, unless rows have an order of their own.
    ///
    /// # Errors
    /// The first of `objects`.
    pub fn table(
        &self,
        objects: impl IntoIterator<Item = Result<Value, Status>>,
        list_meta: Map<String, Value>,
        columns: bool,
        include: table::IncludeObject,
        now: Timestamp,
    ) -> Result<Value, Status> {
        let definitions = match &self.origin {
            Origin::Custom(_, _, columns) => columns.definitions(),
            Origin::BuiltIn(..) => table::definitions(table::columns(&self.group, &self.version, &self.plural)),
        };
        let row = |object: &Value| {
            let (cells, conditions) = match &self.origin {
                Origin::Custom(_, _, columns) => (table::crd_row(columns, object, now), None),
                Origin::BuiltIn(..) => (
                    table::row(&self.group, &self.version, &self.kind, object, now),
                    table::row_conditions(&self.group, &self.kind, object),
                ),
            };
            table::table_row(cells, conditions, object, include)
        };
        let objects = objects.into_iter();
        let rows: Vec<Value> = match table::print_order(&self.group, &self.kind) {
            Some(order) => {
                let mut sorted = objects.collect::<Result<Vec<Value>, Status>>()?;
                sorted.sort_by(order);
                sorted.iter().map(row).collect()
            }
            None => objects.map(|object| Ok(row(&object?))).collect::<Result<_, Status>>()?,
        };
        let none = rows.is_empty() && !self.has_printer();
        let mut table = table::table(if columns { definitions } else { Value::Null }, rows, Value::Object(list_meta));
        if none {
            // Upstream's default printer begins with no list of rows rather than with an empty one.
            table["rows"] = Value::Null;
        }
        Ok(table)
    }

    fn has_printer(&self) -> bool {
        self.is_custom() || table::columns(&self.group, &self.version, &self.plural) != table::DEFAULT_COLUMNS
    }
}

pub(super) fn columns(version: &CompiledVersion) -> table::CrdColumns {
    let columns = version.columns.iter().map(|column| {
        serde_json::json!({"name": column.name, "type": column.column_type, "format": column.format,
            "description": column.description, "priority": column.priority, "jsonPath": column.json_path})
    });
    table::crd_columns(&serde_json::json!({"additionalPrinterColumns": columns.collect::<Vec<_>>()}))
}
