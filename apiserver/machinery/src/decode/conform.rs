//! What decoding into a Go struct and encoding it again does to a document of a built-in type.
//!
//! Unknown fields and nulls go, zero values go or come as the struct tags say, and quantities, times, durations and
//! base64 take their canonical form. Stored documents are in this form, so that equal objects are equal bytes.

use super::{base64, duration, time};
use crate::field_error::go_quote;
use crate::quantity;
use crate::schema::{Emit, Field, Kind, Node, NodeId, Schema};
use serde_json::{Map, Value};
use std::fmt;

/// A value that does not fit its type, in the words of Go's decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    /// The message, such as `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`.
    pub message: String,
    /// The same in the words of the converter that upstream uses where it has a document instead of bytes, such as
    /// `cannot convert int64 to string`.
    pub restoring: String,
}

impl TypeError {
    /// An error of a type that decodes itself, which says the same everywhere.
    fn own(message: String) -> Self {
        Self { restoring: message.clone(), message }
    }
}

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TypeError {}

/// Normalises a document of a type and returns its unknown fields, such as `unknown field "spec.x"`, sorted by path.
///
/// # Errors
/// When a value has the wrong JSON type or cannot be read. The document is then half done and must be thrown away.
pub fn conform(schema: &Schema, node: NodeId, document: &mut Value) -> Result<Vec<String>, TypeError> {
    let mut pass = Pass { schema, path: Vec::new(), struct_name: "", unknown: Vec::new(), mismatch: None };
    if document.is_null() {
        *document = zero(schema, node);
    } else {
        pass.value(node, document)?;
    }
    match pass.mismatch {
        Some(error) => Err(error),
        None => Ok(pass.unknown),
    }
}

/// Returns the zero value of a type as Go writes it: `{}` with its always-written fields for structs, `null` for slices.
#[must_use]
pub fn zero(schema: &Schema, node: NodeId) -> Value {
    let described = schema.node(node);
    match described.kind {
        Kind::Object => {
            let mut map = Map::new();
            fill(schema, described, &mut map);
            Value::Object(map)
        }
        Kind::String => Value::from(""),
        Kind::Int32 | Kind::Int64 | Kind::Number | Kind::IntOrString => Value::from(0),
        Kind::Boolean => Value::Bool(false),
        Kind::Quantity => Value::from("0"),
        Kind::Duration => Value::from("0s"),
        Kind::Map | Kind::List | Kind::Bytes | Kind::Time | Kind::MicroTime | Kind::Any => Value::Null,
    }
}

/// Adds the fields that Go always writes.
fn fill(schema: &Schema, node: &Node, map: &mut Map<String, Value>) {
    for field in node.fields.iter().filter(|field| field.emit == Emit::Always) {
        if !map.contains_key(&field.name) {
            let value = if field.pointer { Value::Null } else { zero(schema, field.node) };
            map.insert(field.name.clone(), value);
        }
    }
}

/// Is a conformed value the zero value of its type?
fn is_zero(schema: &Schema, node: NodeId, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => match schema.node(node).kind {
            Kind::Quantity => text == "0",
            Kind::Duration => text == "0s",
            _ => text.is_empty(),
        },
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => {
            let described = schema.node(node);
            match described.kind {
                Kind::Object => map.iter().all(|(name, value)| {
                    described.field(name).is_some_and(|field| !field.pointer || value.is_null())
                        && described.field(name).is_some_and(|field| is_zero(schema, field.node, value))
                }),
                _ => map.is_empty(),
            }
        }
    }
}

/// Names the JSON type of a value as Go's errors do.
pub(super) fn json_word(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

/// Names the Go type that a decoded value has, and its kind.
fn go_kind(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("<nil>", "invalid"),
        Value::Bool(_) => ("bool", "bool"),
        Value::Number(number) if number.is_f64() => ("float64", "float64"),
        Value::Number(_) => ("int64", "int64"),
        Value::String(_) => ("string", "string"),
        Value::Array(_) => ("[]interface {}", "slice"),
        Value::Object(_) => ("map[string]interface {}", "map"),
    }
}

/// Returns the last two segments of a definition's name: `v1.PodSpec`.
fn package_name(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(index, _)| index);
    dots.next();
    dots.next().map_or(name, |index| &name[index + 1..])
}

fn struct_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Names the Go type of a node. Named strings, such as `v1.Protocol`, are not known and show as `string`.
fn go_type(schema: &Schema, node: NodeId) -> String {
    let described = schema.node(node);
    let items = || described.items.map_or_else(|| "interface {}".to_owned(), |items| go_type(schema, items));
    match described.kind {
        Kind::Object => package_name(&described.name).to_owned(),
        Kind::Map => format!("map[string]{}", items()),
        Kind::List => format!("[]{}", items()),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "[]uint8".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Number => "float64".to_owned(),
        Kind::Boolean => "bool".to_owned(),
        Kind::IntOrString => "intstr.IntOrString".to_owned(),
        Kind::Quantity => "resource.Quantity".to_owned(),
        Kind::Time => "v1.Time".to_owned(),
        Kind::MicroTime => "v1.MicroTime".to_owned(),
        Kind::Duration => "v1.Duration".to_owned(),
        Kind::Any => "interface {}".to_owned(),
    }
}

/// One step from the root to the current value.
enum Step<'a> {
    Name(&'a str),
    /// A struct that Go embeds; only errors about types show it.
    Embedded(&'static str),
    Key(String),
    Index(usize),
}

struct Pass<'a> {
    schema: &'a Schema,
    path: Vec<Step<'a>>,
    /// Name of the struct type whose field is being read.
    struct_name: &'a str,
    unknown: Vec<String>,
    /// The first value of a wrong JSON type. Go reads on after it, and what a type's own decoder says later goes first.
    mismatch: Option<TypeError>,
}

/// Names the structs that Go embeds in another and JSON inlines; Go's errors show them in paths.
fn embedded(parent: &str, depth: usize) -> &'static [&'static str] {
    let all: &[&str] = match parent {
        "Volume" => &["VolumeSource"],
        "PersistentVolumeSpec" => &["PersistentVolumeSource"],
        "Probe" => &["ProbeHandler"],
        "EphemeralContainer" => &["EphemeralContainerCommon"],
        "NamedRuleWithOperations" => &["RuleWithOperations", "Rule"],
        "RuleWithOperations" => &["Rule"],
        "IngressRule" => &["IngressRuleValue"],
        "DeviceClaimConfiguration" | "DeviceAllocationConfiguration" | "DeviceClassConfiguration" => {
            &["DeviceConfiguration"]
        }
        "SecretProjection"
        | "ConfigMapVolumeSource"
        | "ConfigMapProjection"
        | "ConfigMapKeySelector"
        | "SecretKeySelector"
        | "ConfigMapEnvSource"
        | "SecretEnvSource" => &["LocalObjectReference"],
        _ => &[],
    };
    &all[..depth.min(all.len())]
}

impl<'a> Pass<'a> {
    /// Full path with indices and keys, as in strict errors.
    fn strict_path(&self, last: &str) -> String {
        let mut text = String::new();
        for step in &self.path {
            let name = match step {
                Step::Name(name) => name,
                Step::Key(key) => key.as_str(),
                Step::Embedded(_) => continue,
                Step::Index(index) => {
                    text.push_str(&format!("[{index}]"));
                    continue;
                }
            };
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(name);
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(last);
        text
    }

    /// The error of a value that is not of the type of its node.
    fn mismatched(&self, id: NodeId, value: &Value) -> TypeError {
        let wanted = go_type(self.schema, id);
        let what = match value {
            Value::Number(number) if matches!(wanted.as_str(), "int32" | "int64") => format!("number {number}"),
            other => json_word(other),
        };
        let (found, shape) = go_kind(value);
        let restoring = match self.schema.node(id).kind {
            Kind::Object => format!("cannot restore struct from: {shape}"),
            Kind::Map => format!("cannot restore map from {shape}"),
            Kind::List | Kind::Bytes => format!("cannot restore slice from {shape}"),
            // Go could convert these, and the converter will not.
            _ if matches!((found, wanted.as_str()), ("int64", "string") | ("float64", "int32" | "int64")) => {
                format!("cannot convert {found} to {wanted}")
            }
            _ => format!("unrecognized type: {wanted}"),
        };
        TypeError { restoring, ..self.not_unmarshalled(&what, &wanted) }
    }

    /// `json: cannot unmarshal … into Go …`.
    fn not_unmarshalled(&self, what: &str, go_type: &str) -> TypeError {
        // Go keeps only struct fields in this path.
        let names: Vec<&str> = self
            .path
            .iter()
            .filter_map(|step| match step {
                Step::Name(name) | Step::Embedded(name) => Some(*name),
                Step::Key(_) | Step::Index(_) => None,
            })
            .collect();
        let place = if names.is_empty() {
            "value".to_owned()
        } else {
            format!("struct field {}.{}", self.struct_name, names.join("."))
        };
        TypeError::own(format!("json: cannot unmarshal {what} into Go {place} of type {go_type}"))
    }

    /// Keeps the first error about a type.
    fn keep(&mut self, error: TypeError) {
        self.mismatch.get_or_insert(error);
    }

    /// Normalises a value that is not null.
    fn value(&mut self, id: NodeId, value: &mut Value) -> Result<(), TypeError> {
        let node = self.schema.node(id);
        match (node.kind, &mut *value) {
            (Kind::Object, Value::Object(map)) => return self.object(node, map),
            (Kind::Map, Value::Object(map)) => return self.map(node, map),
            (Kind::List, Value::Array(items)) => return self.list(node, items),
            (Kind::Any, _) | (Kind::Boolean, Value::Bool(_)) | (Kind::Number, Value::Number(_)) => {}
            (Kind::String | Kind::IntOrString, Value::String(_)) => {}
            (Kind::Int32, Value::Number(number)) => {
                if number.as_i64().is_none_or(|number| i32::try_from(number).is_err()) {
                    self.keep(self.mismatched(id, value));
                }
            }
            (Kind::Int64, Value::Number(number)) => {
                if !number.is_i64() {
                    self.keep(self.mismatched(id, value));
                }
            }
            _ => return self.custom(id, value),
        }
        Ok(())
    }

    /// Values whose Go types decode themselves, and values of wrong types.
    fn custom(&mut self, id: NodeId, value: &mut Value) -> Result<(), TypeError> {
        let kind = self.schema.node(id).kind;
        let fatal = TypeError::own;
        let go_value = |value: &Value, wanted: &str| {
            let word = match value {
                Value::Number(number) if wanted == "int32" => format!("number {number}"),
                other => json_word(other),
            };
            self.not_unmarshalled(&word, wanted)
        };
        let text = match (kind, &*value) {
            (Kind::Quantity, _) => quantity::canonical(value).map_err(|error| fatal(error.to_string()))?,
            (Kind::Time, Value::String(text)) => time::format_time(time::parse_time(text).map_err(fatal)?),
            (Kind::MicroTime, Value::String(text)) => {
                let instant = time::parse(text, time::Precision::Micros).map_err(fatal)?;
                time::format_micro_time(instant.seconds, instant.micros)
            }
            (Kind::Duration, Value::String(text)) => {
                duration::format_duration(duration::parse_duration(text).map_err(fatal)?)
            }
            (Kind::Bytes, Value::String(text)) => match base64::canonical(text) {
                Ok(text) => text,
                Err(message) => {
                    self.keep(fatal(message));
                    return Ok(());
                }
            },
            (Kind::IntOrString, Value::Number(number)) => {
                if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) {
                    return Ok(());
                }
                return Err(go_value(value, "int32"));
            }
            (Kind::IntOrString, _) => return Err(go_value(value, "int32")),
            (Kind::Time | Kind::MicroTime | Kind::Duration, _) => return Err(go_value(value, "string")),
            _ => {
                self.keep(self.mismatched(id, value));
                return Ok(());
            }
        };
        *value = Value::String(text);
        Ok(())
    }

    fn object(&mut self, node: &'a Node, map: &mut Map<String, Value>) -> Result<(), TypeError> {
        let outer = std::mem::replace(&mut self.struct_name, struct_name(&node.name));
        let mut failure = None;
        map.retain(|name, value| {
            if failure.is_some() {
                return true;
            }
            let Some(field) = node.field(name) else {
                if !node.preserve_unknown {
                    let path = self.strict_path(name);
                    self.unknown.push(format!("unknown field {}", go_quote(&path)));
                }
                return node.preserve_unknown;
            };
            self.field(&node.name, field, value).unwrap_or_else(|error| {
                failure = Some(error);
                true
            })
        });
        if let Some(error) = failure {
            return Err(error);
        }
        self.struct_name = outer;
        fill(self.schema, node, map);
        Ok(())
    }

    /// Normalises a field's value and tells whether it stays.
    fn field(&mut self, parent: &str, field: &'a Field, value: &mut Value) -> Result<bool, TypeError> {
        if value.is_null() {
            // Always-written fields come back with their zero value.
            return Ok(false);
        }
        let depth = self.path.len();
        if field.proto.len() > 1 {
            let names = embedded(struct_name(parent), field.proto.len() - 1);
            self.path.extend(names.iter().map(|name| Step::Embedded(name)));
        }
        self.path.push(Step::Name(&field.name));
        self.value(field.node, value)?;
        self.path.truncate(depth);
        let empty = match value {
            // An empty list of managed fields asks to forget them; who tracks them removes it.
            Value::Array(items) => items.is_empty() && !(self.at_root_metadata() && field.name == "managedFields"),
            Value::Object(map) if self.schema.node(field.node).kind == Kind::Map => map.is_empty(),
            _ => !field.pointer && field.emit == Emit::OmitEmpty && is_zero(self.schema, field.node, value),
        };
        // Protobuf, in which upstream stores, cannot tell an empty list or map from none.
        Ok(!empty)
    }

    /// What a null in a list or map becomes.
    fn zero_item(&self, items: NodeId) -> Value {
        match self.schema.node(items).kind {
            Kind::Bytes => Value::from(""),
            Kind::List => Value::Array(Vec::new()),
            _ => zero(self.schema, items),
        }
    }

    fn at_root_metadata(&self) -> bool {
        matches!(self.path.as_slice(), [Step::Name("metadata")])
    }

    fn map(&mut self, node: &'a Node, map: &mut Map<String, Value>) -> Result<(), TypeError> {
        let Some(items) = node.items else { return Ok(()) };
        for (key, value) in map.iter_mut() {
            if value.is_null() {
                *value = self.zero_item(items);
                continue;
            }
            if self.schema.node(items).kind == Kind::String && value.is_string() {
                continue;
            }
            self.path.push(Step::Key(key.clone()));
            self.value(items, value)?;
            self.path.pop();
        }
        Ok(())
    }

    fn list(&mut self, node: &'a Node, list: &mut [Value]) -> Result<(), TypeError> {
        let Some(items) = node.items else { return Ok(()) };
        for (index, value) in list.iter_mut().enumerate() {
            if value.is_null() {
                *value = self.zero_item(items);
                continue;
            }
            self.path.push(Step::Index(index));
            self.value(items, value)?;
            self.path.pop();
        }
        Ok(())
    }
}
