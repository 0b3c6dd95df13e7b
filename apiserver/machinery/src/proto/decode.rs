//! Messages to documents.
//!
//! Input comes from clients: every length is checked, depth and number of values are bounded, unknown fields are
//! skipped. A field that occurs twice is treated as gogo does: the last scalar wins, messages are merged.

use super::forms;
use super::plan::{Entry, Layout, Plans, What, find};
use super::wire::{FIXED64, LENGTH, Reader, VARINT};
use super::{Limits, ProtoError, envelope, zero};
use crate::schema::{Field, Kind, Node, NodeId, Schema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

pub(super) fn document(schema: &Schema, node: NodeId, bytes: &[u8], limits: Limits) -> Result<Value, ProtoError> {
    let mut decoder = Decoder { schema, plans: Plans::of(schema), depth: limits.depth_max, values: limits.values_max };
    decoder.body(node, bytes, None)
}

struct Decoder<'a> {
    schema: &'a Schema,
    plans: &'a Plans,
    /// How many more levels the document may have here.
    depth: usize,
    /// How many more values may be made.
    values: usize,
}

type Object = Map<String, Value>;

impl<'a> Decoder<'a> {
    /// Reads the body of a message. `before` is what the field held already.
    fn body(&mut self, id: NodeId, bytes: &[u8], before: Option<Value>) -> Result<Value, ProtoError> {
        self.deeper(|decoder| decoder.body_in_level(id, bytes, before))
    }

    /// Runs `read` one level deeper in the document.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, ProtoError>) -> Result<T, ProtoError> {
        self.depth = self.depth.checked_sub(1).ok_or(ProtoError::TooDeep)?;
        let value = read(self)?;
        self.depth += 1;
        Ok(value)
    }

    fn body_in_level(&mut self, id: NodeId, bytes: &[u8], before: Option<Value>) -> Result<Value, ProtoError> {
        self.charge(1)?;
        let (schema, plans) = (self.schema, self.plans);
        let node = schema.node(id);
        match &plans.nodes[id.0 as usize] {
            Layout::Message(entries) => {
                let mut object = match before {
                    Some(Value::Object(object)) => object,
                    Some(_) | None => Object::new(),
                };
                self.entries(entries, node, bytes, &mut object)?;
                self.charge(node.fields.len() / 4)?;
                zero::finish(schema, node, &mut object);
                Ok(Value::Object(object))
            }
            Layout::Raw => raw(bytes, self.depth),
            Layout::SchemaOrArray => self.schema_or_list(node, bytes),
            Layout::SchemaOrStrings => self.schema_or_list(node, bytes),
            Layout::SchemaOrBool => self.schema_or_bool(node, bytes),
            Layout::Plain => self.plain(node, bytes, before),
        }
    }

    fn entries(
        &mut self,
        entries: &[Entry],
        node: &'a Node,
        bytes: &[u8],
        object: &mut Object,
    ) -> Result<(), ProtoError> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let (number, wire) = reader.tag()?;
            match find(entries, number) {
                None => reader.skip(wire)?,
                Some(What::Embedded(inner)) => {
                    expect(wire, LENGTH, "an embedded struct")?;
                    let inner_bytes = reader.bytes()?;
                    self.entries(inner, node, inner_bytes, object)?;
                }
                Some(What::Field(index)) => {
                    let field = &node.fields[*index];
                    self.field(field, wire, &mut reader, object).map_err(|error| error.within(&field.name))?;
                }
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &Field,
        wire: u8,
        reader: &mut Reader<'_>,
        object: &mut Object,
    ) -> Result<(), ProtoError> {
        let node = self.schema.node(field.node);
        match node.kind {
            Kind::List if !node.wrapped => {
                // A message that is merged into may hold the 'null' of an absent list.
                let mut list = match object.remove(&field.name) {
                    Some(Value::Array(list)) => list,
                    Some(_) | None => Vec::new(),
                };
                self.deeper(|decoder| decoder.items(field, node, wire, reader, &mut list))?;
                object.insert(field.name.clone(), Value::Array(list));
                Ok(())
            }
            Kind::Map => {
                expect(wire, LENGTH, &field.name)?;
                let bytes = reader.bytes()?;
                let (key, value) = self.deeper(|decoder| decoder.map_entry(node, bytes))?;
                let slot = object.entry(field.name.as_str()).or_insert(Value::Null);
                match slot {
                    Value::Object(map) => drop(map.insert(key, value)),
                    _ => *slot = Value::Object(Object::from_iter([(key, value)])),
                }
                Ok(())
            }
            _ => {
                let before = object.remove(&field.name);
                let value = self.single(&field.name, field.node, wire, reader, before)?;
                object.insert(field.name.clone(), value);
                Ok(())
            }
        }
    }

    /// Reads one item, or many when numbers are packed.
    fn items(
        &mut self,
        field: &Field,
        node: &Node,
        wire: u8,
        reader: &mut Reader<'_>,
        list: &mut Vec<Value>,
    ) -> Result<(), ProtoError> {
        let items = node.items.expect("a list has items");
        let plain = match self.schema.node(items).kind {
            Kind::Int32 | Kind::Int64 | Kind::Boolean => VARINT,
            Kind::Number => FIXED64,
            _ => LENGTH,
        };
        if wire != LENGTH || plain == LENGTH {
            list.push(self.single(&field.name, items, wire, reader, None)?);
            return Ok(());
        }
        let mut packed = Reader::new(reader.bytes()?);
        while !packed.is_empty() {
            list.push(self.single(&field.name, items, plain, &mut packed, None)?);
        }
        Ok(())
    }

    fn map_entry(&mut self, node: &Node, bytes: &[u8]) -> Result<(String, Value), ProtoError> {
        let items = node.items.expect("a map has values");
        let mut key = String::new();
        let mut value = None;
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, LENGTH) => key = text(reader.bytes()?),
                (2, wire) => value = Some(self.single("value", items, wire, &mut reader, None)?),
                (_, wire) => reader.skip(wire)?,
            }
        }
        self.charge(1)?;
        Ok((key, value.unwrap_or_else(|| zero::zero(self.schema, self.schema.node(items)))))
    }

    /// Reads one value.
    fn single(
        &mut self,
        name: &str,
        id: NodeId,
        wire: u8,
        reader: &mut Reader<'_>,
        before: Option<Value>,
    ) -> Result<Value, ProtoError> {
        let kind = self.schema.node(id).kind;
        let wanted = match kind {
            Kind::Int32 | Kind::Int64 | Kind::Boolean => VARINT,
            Kind::Number => FIXED64,
            _ => LENGTH,
        };
        expect(wire, wanted, name)?;
        self.charge(1)?;
        Ok(match kind {
            Kind::String => Value::from(text(reader.bytes()?)),
            Kind::Bytes => Value::from(STANDARD.encode(reader.bytes()?)),
            // Go reads a varint into an int32 by dropping the upper half.
            Kind::Int32 => Value::from(reader.varint()? as i32),
            Kind::Int64 => Value::from(reader.varint()?.cast_signed()),
            Kind::Boolean => Value::from(reader.varint()? != 0),
            Kind::Number => forms::float(f64::from_bits(reader.fixed64()?)),
            _ => self.body(id, reader.bytes()?, before)?,
        })
    }

    /// Reads the messages of types that JSON writes as scalars, and wrapped lists.
    fn plain(&mut self, node: &Node, bytes: &[u8], before: Option<Value>) -> Result<Value, ProtoError> {
        match node.kind {
            Kind::List if node.wrapped => {
                let items = node.items.expect("a list has items");
                let mut list = match before {
                    Some(Value::Array(list)) => list,
                    Some(_) | None => Vec::new(),
                };
                let mut reader = Reader::new(bytes);
                while !reader.is_empty() {
                    match reader.tag()? {
                        (1, wire) => list.push(self.single("items", items, wire, &mut reader, None)?),
                        (_, wire) => reader.skip(wire)?,
                    }
                }
                Ok(Value::Array(list))
            }
            Kind::Quantity => {
                let fields = Fields::read(bytes)?;
                Ok(Value::from(fields.text(1).unwrap_or_else(|| "0".to_owned())))
            }
            Kind::IntOrString => {
                let fields = Fields::read(bytes)?;
                match fields.number(1) {
                    0 => Ok(Value::from(fields.number(2) as i32)),
                    1 => Ok(Value::from(fields.text(3).unwrap_or_default())),
                    _ => Err(ProtoError::value("an IntOrString of type 0 or 1")),
                }
            }
            Kind::Time | Kind::MicroTime if bytes.is_empty() => Ok(Value::Null),
            Kind::Time | Kind::MicroTime => {
                let fields = Fields::read(bytes)?;
                let nanos = i64::from(fields.number(2) as i32);
                forms::time(fields.number(1).cast_signed(), nanos, node.kind == Kind::MicroTime)
            }
            Kind::Duration => Ok(forms::duration(Fields::read(bytes)?.number(1).cast_signed())),
            _ => Err(ProtoError::value("a type that has a protobuf form")),
        }
    }

    /// `JSONSchemaPropsOrArray` and `JSONSchemaPropsOrStringArray`.
    fn schema_or_list(&mut self, node: &Node, bytes: &[u8]) -> Result<Value, ProtoError> {
        let props = node.items.expect("it names JSONSchemaProps");
        let strings = node.name.ends_with("OrStringArray");
        let mut schema = None;
        let mut list = Vec::new();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, LENGTH) => schema = Some(self.body(props, reader.bytes()?, schema.take())?),
                (2, LENGTH) if strings => list.push(Value::from(text(reader.bytes()?))),
                (2, LENGTH) => list.push(self.body(props, reader.bytes()?, None)?),
                (_, wire) => reader.skip(wire)?,
            }
        }
        if list.is_empty() { Ok(schema.unwrap_or(Value::Null)) } else { Ok(Value::Array(list)) }
    }

    fn schema_or_bool(&mut self, node: &Node, bytes: &[u8]) -> Result<Value, ProtoError> {
        let props = node.items.expect("it names JSONSchemaProps");
        let mut value = Value::from(false);
        let mut schema = None;
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, VARINT) => value = Value::from(reader.varint()? != 0),
                (2, LENGTH) => schema = Some(self.body(props, reader.bytes()?, schema.take())?),
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(schema.unwrap_or(value))
    }

    fn charge(&mut self, values: usize) -> Result<(), ProtoError> {
        self.values = self.values.checked_sub(values).ok_or(ProtoError::TooMany)?;
        Ok(())
    }
}

/// The fields of a small message whose numbers are all below 4.
#[derive(Default)]
struct Fields<'a> {
    numbers: [u64; 4],
    texts: [Option<&'a [u8]>; 4],
}

impl<'a> Fields<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ProtoError> {
        let mut fields = Self::default();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            match reader.tag()? {
                (number @ 1..=3, VARINT) => fields.numbers[number as usize] = reader.varint()?,
                (number @ 1..=3, LENGTH) => fields.texts[number as usize] = Some(reader.bytes()?),
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(fields)
    }

    fn number(&self, number: usize) -> u64 {
        self.numbers[number]
    }

    fn text(&self, number: usize) -> Option<String> {
        self.texts[number].map(text)
    }
}

/// Reads JSON text in field 1, which may itself be in an envelope of JSON.
fn raw(bytes: &[u8], depth: usize) -> Result<Value, ProtoError> {
    let fields = Fields::read(bytes)?;
    let json = match fields.texts[1] {
        None | Some([]) => return Ok(Value::Null),
        Some(inner) if inner.starts_with(&envelope::MAGIC) => envelope::unwrap(inner)?.raw,
        Some(json) => json,
    };
    let value = serde_json::from_slice(json).map_err(|_| ProtoError::value("JSON"))?;
    if levels(&value) <= depth { Ok(value) } else { Err(ProtoError::TooDeep) }
}

/// Returns how many objects and arrays are nested in a value.
fn levels(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(levels).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Go keeps any bytes in a string; JSON then shows what is no UTF-8 as U+FFFD.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn expect(wire: u8, wanted: u8, field: &str) -> Result<(), ProtoError> {
    if wire == wanted { Ok(()) } else { Err(ProtoError::WireType { field: field.to_owned(), wire }) }
}
