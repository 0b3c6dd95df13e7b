//! Documents to messages.
//!
//! Hot path: every object that a protobuf client lists or watches passes here once. Nested messages are written in
//! place, in ascending field order as gogo writes them; there is no size pass.

use super::ProtoError;
use super::forms;
use super::plan::{Entry, Layout, Plans, What};
use super::wire::{FIXED64, LENGTH, close, open, put_bytes, put_integer, put_tag, put_varint};
use crate::schema::{Field, Kind, Node, NodeId, Schema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

pub(super) fn document(schema: &Schema, node: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), ProtoError> {
    let mut encoder = Encoder { schema, plans: Plans::of(schema), out };
    encoder.body(node, Some(value))
}

struct Encoder<'a> {
    schema: &'a Schema,
    plans: &'a Plans,
    out: &'a mut Vec<u8>,
}

type Object = Map<String, Value>;

impl<'a> Encoder<'a> {
    fn entries(&mut self, entries: &[Entry], node: &Node, object: Option<&Object>) -> Result<(), ProtoError> {
        for entry in entries {
            match &entry.what {
                What::Field(index) => {
                    let field = &node.fields[*index];
                    let value = object.and_then(|object| object.get(&field.name)).filter(|value| !value.is_null());
                    self.field(entry.number, field, value).map_err(|error| error.within(&field.name))?;
                }
                What::Embedded(inner) => {
                    let start = open(self.out, entry.number);
                    self.entries(inner, node, object)?;
                    close(self.out, start);
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, number: u16, field: &Field, value: Option<&Value>) -> Result<(), ProtoError> {
        let node: &'a Node = self.schema.node(field.node);
        match (node.kind, value) {
            (Kind::List, None) | (Kind::Map, None) | (Kind::Bytes, None) => Ok(()),
            (_, None) if field.pointer => Ok(()),
            (Kind::List, Some(value)) if !node.wrapped => self.items(number, node, value),
            (Kind::Map, Some(value)) => self.map(number, node, value),
            _ => self.single(number, field.node, value),
        }
    }

    /// Writes the items of a list as repeated fields.
    fn items(&mut self, number: u16, node: &Node, value: &Value) -> Result<(), ProtoError> {
        let items = node.items.expect("a list has items");
        let list = value.as_array().ok_or(ProtoError::value("an array"))?;
        for (index, item) in list.iter().enumerate() {
            let item = Some(item).filter(|item| !item.is_null());
            self.single(number, items, item).map_err(|error| error.within(&format!("[{index}]")))?;
        }
        Ok(())
    }

    /// Writes a map as repeated messages of key and value, sorted by key.
    fn map(&mut self, number: u16, node: &Node, value: &Value) -> Result<(), ProtoError> {
        let items = node.items.expect("a map has values");
        let is_bytes = self.schema.node(items).kind == Kind::Bytes;
        let map = value.as_object().ok_or(ProtoError::value("an object"))?;
        for (key, value) in map {
            let start = open(self.out, number);
            put_bytes(self.out, 1, key.as_bytes());
            let value = Some(value).filter(|value| !value.is_null());
            if value.is_some() || !is_bytes {
                self.single(2, items, value).map_err(|error| error.within(key))?;
            }
            close(self.out, start);
        }
        Ok(())
    }

    /// Writes one value; an absent one as Go's zero value.
    fn single(&mut self, number: u16, id: NodeId, value: Option<&Value>) -> Result<(), ProtoError> {
        match self.schema.node(id).kind {
            Kind::String => put_bytes(self.out, number, forms::text(value)?.as_bytes()),
            Kind::Bytes => {
                let bytes = STANDARD.decode(forms::text(value)?).map_err(|_| ProtoError::value("base64"))?;
                put_bytes(self.out, number, &bytes);
            }
            Kind::Int32 | Kind::Int64 => put_integer(self.out, number, forms::integer(value)?),
            Kind::Boolean => put_integer(self.out, number, forms::boolean(value)?.into()),
            Kind::Number => {
                let float = value.map_or(Some(0.0), Value::as_f64).ok_or(ProtoError::value("a number"))?;
                put_tag(self.out, number, FIXED64);
                self.out.extend_from_slice(&float.to_le_bytes());
            }
            Kind::Quantity => {
                // A message with one string, of which the length is known: no need to open and close.
                let text = if value.is_none() { "0" } else { forms::text(value)? };
                let inner = 1 + super::wire::varint_size(text.len() as u64) + text.len();
                put_tag(self.out, number, LENGTH);
                put_varint(self.out, inner as u64);
                put_bytes(self.out, 1, text.as_bytes());
            }
            Kind::Object
            | Kind::Map
            | Kind::List
            | Kind::IntOrString
            | Kind::Time
            | Kind::MicroTime
            | Kind::Duration
            | Kind::Any => {
                let start = open(self.out, number);
                self.body(id, value)?;
                close(self.out, start);
            }
        }
        Ok(())
    }

    /// Writes the body of a message, without tag and length.
    fn body(&mut self, id: NodeId, value: Option<&Value>) -> Result<(), ProtoError> {
        let node: &'a Node = self.schema.node(id);
        let plans = self.plans;
        match &plans.nodes[id.0 as usize] {
            Layout::Message(entries) => {
                let object = match value {
                    None => None,
                    Some(Value::Object(object)) => Some(object),
                    Some(_) => return Err(ProtoError::value("an object")),
                };
                self.entries(entries, node, object)
            }
            Layout::Raw => {
                if let Some(value) = value {
                    put_bytes(self.out, 1, value.to_string().as_bytes());
                }
                Ok(())
            }
            Layout::SchemaOrArray => self.schema_or_list(node, value, 2),
            Layout::SchemaOrStrings => self.schema_or_list(node, value, 2),
            Layout::SchemaOrBool => self.schema_or_bool(node, value),
            Layout::Plain => match node.kind {
                Kind::List if node.wrapped => value.map_or(Ok(()), |value| self.items(1, node, value)),
                Kind::IntOrString => forms::put_int_or_string(self.out, value),
                Kind::Time | Kind::MicroTime => forms::put_time(self.out, value, node.kind == Kind::MicroTime),
                Kind::Duration => forms::put_duration(self.out, value),
                _ => Err(ProtoError::value("a type that has a protobuf form")),
            },
        }
    }

    /// `JSONSchemaPropsOrArray` and `JSONSchemaPropsOrStringArray`; a boolean is neither.
    fn schema_or_list(&mut self, node: &Node, value: Option<&Value>, number: u16) -> Result<(), ProtoError> {
        let props = node.items.expect("it names JSONSchemaProps");
        match value {
            None => Ok(()),
            Some(Value::Object(_)) => self.single(1, props, value),
            Some(Value::Array(items)) => {
                for item in items {
                    match item {
                        Value::String(text) => put_bytes(self.out, number, text.as_bytes()),
                        _ => self.single(number, props, Some(item))?,
                    }
                }
                Ok(())
            }
            Some(_) => Err(ProtoError::value("a JSON schema or an array")),
        }
    }

    fn schema_or_bool(&mut self, node: &Node, value: Option<&Value>) -> Result<(), ProtoError> {
        let props = node.items.expect("it names JSONSchemaProps");
        match value {
            Some(Value::Object(_)) => {
                put_integer(self.out, 1, 1);
                self.single(2, props, value)
            }
            Some(Value::Bool(allows)) => {
                put_integer(self.out, 1, (*allows).into());
                Ok(())
            }
            None => {
                put_integer(self.out, 1, 0);
                Ok(())
            }
            Some(_) => Err(ProtoError::value("a boolean or a JSON schema")),
        }
    }
}
