//! Columns of custom resources: the name, and what the definition's printer columns point at.

use super::age::since;
use super::column::NAME;
use super::fields::{at, list, text};
use super::jsonpath::JsonPath;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The compiled columns of one version of a custom resource.
#[derive(Clone, Debug)]
pub struct CrdColumns {
    columns: Vec<CrdColumn>,
}

#[derive(Clone, Debug)]
struct CrdColumn {
    definition: Value,
    kind: String,
    path: JsonPath,
}

/// Compiles the printer columns of one version of a CustomResourceDefinition (an entry of `spec.versions`).
///
/// A version without printer columns shows the age. A column whose path does not parse ends the list, as upstream.
#[must_use]
pub fn crd_columns(version: &Value) -> CrdColumns {
    let age = [json!({ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
                       "description": super::column::AGE.description })];
    let columns = match list(version, "additionalPrinterColumns") {
        [] => &age,
        columns => columns,
    };
    CrdColumns { columns: columns.iter().map_while(compile).collect() }
}

fn compile(column: &Value) -> Option<CrdColumn> {
    let source = text(column, "jsonPath");
    let path = JsonPath::parse(source).ok()?;
    let description = match text(column, "description") {
        "" => format!("Custom resource definition column (in JSONPath format): {source}"),
        description => description.to_owned(),
    };
    let definition = json!({ "name": text(column, "name"), "type": text(column, "type"),
        "format": text(column, "format"), "description": description,
        "priority": at(column, "priority").as_i64().unwrap_or(0) });
    Some(CrdColumn { definition, kind: text(column, "type").to_owned(), path })
}

impl CrdColumns {
    /// Returns the `columnDefinitions` of a table.
    #[must_use]
    pub fn definitions(&self) -> Value {
        let name = super::definitions(&[NAME]);
        let columns = self.columns.iter().map(|column| column.definition.clone());
        name.as_array().into_iter().flatten().cloned().chain(columns).collect()
    }
}

/// Returns the cells of a custom resource.
#[must_use]
pub fn crd_row(columns: &CrdColumns, object: &Value, now: Timestamp) -> Vec<Value> {
    let mut cells = vec![json!(text(object, "metadata.name"))];
    cells.extend(columns.columns.iter().map(|column| match column.path.first(object) {
        Some(value) => cell(&column.kind, &value, now),
        None => Value::Null,
    }));
    cells
}

fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        ("string", Value::String(text)) => json!(text),
        ("string", Value::Null) => json!("<no value>"),
        ("string", Value::Number(number)) => json!(go_number(number)),
        ("string", Value::Bool(flag)) => json!(flag.to_string()),
        ("string", value) => json!(go_json(value)),
        ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(date)) if date.is_empty() || date == "null" => json!("<unknown>"),
        ("date", Value::String(date)) if date.parse::<Timestamp>().is_err() => json!("<invalid>"),
        ("date", Value::String(_)) => json!(since(value, now)),
        ("integer", Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => json!(whole),
            // Truncates; what does not fit becomes the smallest integer, as on amd64.
            (None, Some(float)) if float.abs() < 9.2e18 => json!(float as i64),
            (None, Some(_)) => json!(i64::MIN),
            (None, None) => Value::Null,
        },
        ("number", Value::Number(number)) => match number.as_f64() {
            // Go writes whole floats without a fraction.
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => json!(float as i64),
            _ => value.clone(),
        },
        _ => Value::Null,
    }
}

/// Returns a number as Go prints it: large and small floats with an exponent.
fn go_number(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Returns JSON as Go writes it: characters that matter in HTML are escaped.
fn go_json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
