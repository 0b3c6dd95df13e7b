//! The document of version 2 in protobuf, as gnostic's `OpenAPIv2.proto` defines it.
//!
//! Only the messages and fields that our documents use are written. Free-form values travel as YAML text; JSON is YAML.

use serde_json::{Map, Value};

/// Encodes a document of version 2.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, document, "swagger");
    if let Some(info) = document.get("info") {
        let mut message = Message::default();
        message.text(1, info, "title");
        message.text(2, info, "version");
        out.message(2, message);
    }
    let mut paths = Message::default();
    for (name, item) in entries(document, "paths") {
        paths.message(2, named(name, path_item(item)));
    }
    out.message(8, paths);
    let mut definitions = Message::default();
    for (name, definition) in entries(document, "definitions") {
        definitions.message(1, named(name, schema(definition)));
    }
    out.message(9, definitions);
    let mut shared = Message::default();
    for (name, found) in entries(document, "parameters") {
        shared.message(1, named(name, parameter(found)));
    }
    out.message(10, shared);
    for requirement in items(document, "security") {
        let mut message = Message::default();
        for (name, scopes) in requirement.as_object().into_iter().flatten() {
            let mut list = Message::default();
            list.texts(1, scopes);
            message.message(1, named(name, list));
        }
        out.message(12, message);
    }
    let mut security = Message::default();
    for (name, found) in entries(document, "securityDefinitions") {
        let mut key = Message::default();
        for (number, field) in [(1, "type"), (2, "name"), (3, "in"), (4, "description")] {
            key.text(number, found, field);
        }
        let mut item = Message::default();
        item.message(2, key);
        security.message(1, named(name, item));
    }
    out.message(13, security);
    out.into_bytes()
}

/// A message that is being written.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).expect("seven bits fit a byte") | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).expect("the loop ends below 128"));
    }

    /// Writes a string field, even an empty one.
    pub(super) fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.varint(number << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn message(&mut self, number: u64, message: Message) {
        self.bytes(number, &message.0);
    }

    /// Writes a string field, if it is there.
    pub(super) fn text(&mut self, number: u64, value: &Value, field: &str) {
        if let Some(text) = value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()) {
            self.bytes(number, text.as_bytes());
        }
    }

    /// Writes a list of strings.
    pub(super) fn texts(&mut self, number: u64, list: &Value) {
        for text in list.as_array().into_iter().flatten().filter_map(Value::as_str) {
            self.bytes(number, text.as_bytes());
        }
    }

    /// Writes a boolean field, if it is true.
    pub(super) fn flag(&mut self, number: u64, value: &Value, field: &str) {
        if value.get(field) == Some(&Value::Bool(true)) {
            self.varint(number << 3);
            self.varint(1);
        }
    }

    /// Writes an `int64` field.
    pub(super) fn integer(&mut self, number: u64, value: &Value, field: &str) {
        if let Some(integer) = value.get(field).and_then(Value::as_u64).filter(|&integer| integer != 0) {
            self.varint(number << 3);
            self.varint(integer);
        }
    }

    /// Writes a `double` field.
    pub(super) fn double(&mut self, number: u64, value: &Value, field: &str) {
        if let Some(double) = value.get(field).and_then(Value::as_f64).filter(|&double| double != 0.0) {
            self.fixed(number, double);
        }
    }

    /// Writes a `double`, even zero.
    pub(super) fn fixed(&mut self, number: u64, double: f64) {
        self.varint(number << 3 | 1);
        self.0.extend_from_slice(&double.to_le_bytes());
    }

    /// Writes a number, even zero.
    pub(super) fn number(&mut self, number: u64, value: u64) {
        self.varint(number << 3);
        self.varint(value);
    }

    /// Writes all `x-` fields as vendor extensions.
    pub(super) fn extensions(&mut self, number: u64, value: &Value) {
        for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-")) {
            self.message(number, named(name, any(value)));
        }
    }
}

pub(super) fn items<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn entries<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.get(field).and_then(Value::as_object).map(Map::iter).into_iter().flatten()
}

/// `NamedSchema`, `NamedPathItem` …: a name and a value.
pub(super) fn named(name: &str, value: Message) -> Message {
    let mut message = Message::default();
    message.bytes(1, name.as_bytes());
    message.message(2, value);
    message
}

/// `Any`, with YAML only.
pub(super) fn any(value: &Value) -> Message {
    let mut message = Message::default();
    message.bytes(2, format!("{value}\n").as_bytes());
    message
}

fn path_item(item: &Value) -> Message {
    const METHODS: [(u64, &str); 7] =
        [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "options"), (7, "head"), (8, "patch")];
    let mut message = Message::default();
    for (number, method) in METHODS {
        if let Some(found) = item.get(method) {
            message.message(number, operation(found));
        }
    }
    for found in items(item, "parameters") {
        message.message(9, parameters_item(found));
    }
    message.extensions(10, item);
    message
}

fn operation(operation: &Value) -> Message {
    let mut message = Message::default();
    let list = |field: &str| operation.get(field).unwrap_or(&Value::Null);
    message.texts(1, list("tags"));
    message.text(3, operation, "description");
    message.text(5, operation, "operationId");
    message.texts(6, list("produces"));
    message.texts(7, list("consumes"));
    for found in items(operation, "parameters") {
        message.message(8, parameters_item(found));
    }
    let mut responses = Message::default();
    for (code, found) in entries(operation, "responses") {
        let mut response = Message::default();
        response.text(1, found, "description");
        if let Some(found) = found.get("schema") {
            let mut item = Message::default();
            item.message(1, schema(found));
            response.message(2, item);
        }
        let mut value = Message::default();
        value.message(1, response);
        responses.message(1, named(code, value));
    }
    message.message(9, responses);
    message.texts(10, list("schemes"));
    message.extensions(13, operation);
    message
}

/// A parameter in place, or a reference to one.
fn parameters_item(found: &Value) -> Message {
    let mut message = Message::default();
    if found.get("$ref").is_some() {
        let mut reference = Message::default();
        reference.text(1, found, "$ref");
        message.message(2, reference);
    } else {
        message.message(1, parameter(found));
    }
    message
}

fn parameter(found: &Value) -> Message {
    let place = found.get("in").and_then(Value::as_str).unwrap_or_default();
    let mut message = Message::default();
    if place == "body" {
        let mut body = Message::default();
        for (number, field) in [(1, "description"), (2, "name"), (3, "in")] {
            body.text(number, found, field);
        }
        body.flag(4, found, "required");
        if let Some(found) = found.get("schema") {
            body.message(5, schema(found));
        }
        message.message(1, body);
        return message;
    }
    let is_query = place == "query";
    let mut inner = Message::default();
    inner.flag(1, found, "required");
    for (number, field) in [(2, "in"), (3, "description"), (4, "name")] {
        inner.text(number, found, field);
    }
    inner.text(if is_query { 6 } else { 5 }, found, "type");
    inner.flag(if is_query { 20 } else { 19 }, found, "uniqueItems");
    let mut other = Message::default();
    other.message(if is_query { 3 } else { 4 }, inner);
    message.message(2, other);
    message
}

fn schema(found: &Value) -> Message {
    let mut message = Message::default();
    for (number, field) in [(1, "$ref"), (2, "format"), (3, "title"), (4, "description")] {
        message.text(number, found, field);
    }
    if let Some(default) = found.get("default") {
        message.message(5, any(default));
    }
    message.double(6, found, "multipleOf");
    message.double(7, found, "maximum");
    message.flag(8, found, "exclusiveMaximum");
    message.double(9, found, "minimum");
    message.flag(10, found, "exclusiveMinimum");
    message.integer(11, found, "maxLength");
    message.integer(12, found, "minLength");
    message.text(13, found, "pattern");
    message.integer(14, found, "maxItems");
    message.integer(15, found, "minItems");
    message.flag(16, found, "uniqueItems");
    message.integer(17, found, "maxProperties");
    message.integer(18, found, "minProperties");
    message.texts(19, found.get("required").unwrap_or(&Value::Null));
    for value in items(found, "enum") {
        message.message(20, any(value));
    }
    match found.get("additionalProperties") {
        Some(Value::Bool(allowed)) => {
            let mut item = Message::default();
            item.number(2, u64::from(*allowed));
            message.message(21, item);
        }
        Some(inner) => {
            let mut item = Message::default();
            item.message(1, schema(inner));
            message.message(21, item);
        }
        None => {}
    }
    if found.get("type").is_some() {
        let mut item = Message::default();
        item.text(1, found, "type");
        message.message(22, item);
    }
    if let Some(inner) = found.get("items") {
        let mut item = Message::default();
        item.message(1, schema(inner));
        message.message(23, item);
    }
    if found.get("properties").is_some_and(Value::is_object) {
        let mut properties = Message::default();
        for (name, property) in entries(found, "properties") {
            properties.message(1, named(name, schema(property)));
        }
        message.message(25, properties);
    }
    message.extensions(31, found);
    message
}
