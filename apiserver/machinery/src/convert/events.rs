//! Events: the core form and the `events.k8s.io` form differ in names of fields only.

use serde_json::{Map, Value, json};

/// How an absent field is written.
#[derive(Clone, Copy)]
enum Absent {
    Omitted,
    Null,
    Struct,
    Empty,
}

/// A field by its core name, its `events.k8s.io` name, and how each form writes it when it is absent.
struct Field(&'static str, &'static str, Absent, Absent);

const FIELDS: &[Field] = &[
    Field("action", "action", Absent::Omitted, Absent::Omitted),
    Field("count", "deprecatedCount", Absent::Omitted, Absent::Omitted),
    Field("eventTime", "eventTime", Absent::Null, Absent::Null),
    Field("firstTimestamp", "deprecatedFirstTimestamp", Absent::Null, Absent::Null),
    Field("involvedObject", "regarding", Absent::Struct, Absent::Struct),
    Field("lastTimestamp", "deprecatedLastTimestamp", Absent::Null, Absent::Null),
    Field("message", "note", Absent::Omitted, Absent::Omitted),
    Field("metadata", "metadata", Absent::Struct, Absent::Struct),
    Field("reason", "reason", Absent::Omitted, Absent::Omitted),
    Field("related", "related", Absent::Omitted, Absent::Omitted),
    Field("reportingComponent", "reportingController", Absent::Empty, Absent::Omitted),
    Field("reportingInstance", "reportingInstance", Absent::Empty, Absent::Omitted),
    Field("series", "series", Absent::Omitted, Absent::Omitted),
    Field("source", "deprecatedSource", Absent::Struct, Absent::Struct),
    Field("type", "type", Absent::Omitted, Absent::Omitted),
];

/// Converts an `events.k8s.io/v1` event to the core form.
pub(crate) fn to_core(event: Value) -> Value {
    rename(event, "v1", |Field(core, new, absent, _)| (new, core, *absent))
}

/// Converts a core event to the `events.k8s.io/v1` form.
pub(crate) fn from_core(event: Value) -> Value {
    rename(event, "events.k8s.io/v1", |Field(core, new, _, absent)| (core, new, *absent))
}

fn rename(event: Value, api_version: &str, names: fn(&'static Field) -> (&'static str, &'static str, Absent)) -> Value {
    let Value::Object(mut from) = event else { return event };
    let mut to = Map::new();
    to.insert("kind".to_owned(), json!("Event"));
    to.insert("apiVersion".to_owned(), json!(api_version));
    for field in FIELDS {
        let (old, new, absent) = names(field);
        let value = from.remove(old).filter(|value| !is_zero(value)).or(match absent {
            Absent::Omitted => None,
            Absent::Null => Some(Value::Null),
            Absent::Struct => Some(json!({})),
            Absent::Empty => Some(json!("")),
        });
        if let Some(value) = value {
            to.insert(new.to_owned(), value);
        }
    }
    // A series is the only nested part whose forms differ: core leaves zero values out.
    if let Some(series) = to.get_mut("series").and_then(Value::as_object_mut) {
        if api_version == "v1" {
            series.retain(|name, value| name == "lastObservedTime" || !is_zero(value));
        } else {
            series.entry("count").or_insert(json!(0));
        }
        series.entry("lastObservedTime").or_insert(Value::Null);
    }
    Value::Object(to)
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}
