//! A document of version 3 in protobuf, as gnostic's `OpenAPIv3.proto` defines it.
//!
//! Only the messages and fields that our documents use are written.

use super::gnostic::{Message, any, entries, items, named};
use serde_json::Value;

/// Encodes a document of version 3.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, document, "openapi");
    if let Some(info) = document.get("info") {
        let mut message = Message::default();
        message.text(1, info, "title");
        message.text(6, info, "version");
        out.message(2, message);
    }
    let mut paths = Message::default();
    for (name, item) in entries(document, "paths") {
        paths.message(1, named(name, path_item(item)));
    }
    out.message(4, paths);
    if let Some(found) = document.get("components") {
        out.message(5, components(found));
    }
    out.into_bytes()
}

fn components(found: &Value) -> Message {
    let mut message = Message::default();
    if found.get("schemas").is_some() {
        let mut schemas = Message::default();
        for (name, found) in entries(found, "schemas") {
            schemas.message(1, named(name, schema_or_reference(found)));
        }
        message.message(1, schemas);
    }
    let mut schemes = Message::default();
    for (name, found) in entries(found, "securitySchemes") {
        let mut scheme = Message::default();
        for (number, field) in [(1, "type"), (2, "description"), (3, "name"), (4, "in")] {
            scheme.text(number, found, field);
        }
        schemes.message(1, named(name, either(1, scheme)));
    }
    if found.get("securitySchemes").is_some() {
        message.message(7, schemes);
    }
    message
}

fn path_item(item: &Value) -> Message {
    const METHODS: [(u64, &str); 7] =
        [(4, "get"), (5, "put"), (6, "post"), (7, "delete"), (8, "options"), (9, "head"), (10, "patch")];
    let mut message = Message::default();
    for (number, method) in METHODS {
        if let Some(found) = item.get(method) {
            message.message(number, operation(found));
        }
    }
    for found in items(item, "parameters") {
        message.message(13, either(1, parameter(found)));
    }
    message.extensions(14, item);
    message
}

fn operation(operation: &Value) -> Message {
    let mut message = Message::default();
    message.texts(1, operation.get("tags").unwrap_or(&Value::Null));
    message.text(3, operation, "description");
    message.text(5, operation, "operationId");
    for found in items(operation, "parameters") {
        message.message(6, either(1, parameter(found)));
    }
    if let Some(found) = operation.get("requestBody") {
        let mut body = Message::default();
        body.text(1, found, "description");
        content(2, &mut body, found);
        body.flag(3, found, "required");
        message.message(7, either(1, body));
    }
    let mut responses = Message::default();
    for (code, found) in entries(operation, "responses") {
        let mut response = Message::default();
        response.text(1, found, "description");
        content(3, &mut response, found);
        responses.message(2, named(code, either(1, response)));
    }
    message.message(8, responses);
    message.flag(10, operation, "deprecated");
    message.extensions(13, operation);
    message
}

/// `…OrReference`: one of two messages.
fn either(number: u64, message: Message) -> Message {
    let mut choice = Message::default();
    choice.message(number, message);
    choice
}

fn parameter(found: &Value) -> Message {
    let mut message = Message::default();
    for (number, field) in [(1, "name"), (2, "in"), (3, "description")] {
        message.text(number, found, field);
    }
    message.flag(4, found, "required");
    if let Some(schema) = found.get("schema") {
        message.message(10, schema_or_reference(schema));
    }
    message.extensions(14, found);
    message
}

fn content(number: u64, message: &mut Message, found: &Value) {
    if found.get("content").is_none() {
        return;
    }
    let mut types = Message::default();
    for (name, media) in entries(found, "content") {
        let mut message = Message::default();
        if let Some(schema) = media.get("schema") {
            message.message(1, schema_or_reference(schema));
        }
        types.message(1, named(name, message));
    }
    message.message(number, types);
}

fn schema_or_reference(found: &Value) -> Message {
    if found.get("$ref").is_none() {
        return either(1, schema(found));
    }
    let mut reference = Message::default();
    reference.text(1, found, "$ref");
    either(2, reference)
}

fn schema(found: &Value) -> Message {
    let mut message = Message::default();
    message.flag(1, found, "nullable");
    message.text(9, found, "title");
    message.double(10, found, "multipleOf");
    message.double(11, found, "maximum");
    message.flag(12, found, "exclusiveMaximum");
    message.double(13, found, "minimum");
    message.flag(14, found, "exclusiveMinimum");
    message.integer(15, found, "maxLength");
    message.integer(16, found, "minLength");
    message.text(17, found, "pattern");
    message.integer(18, found, "maxItems");
    message.integer(19, found, "minItems");
    message.flag(20, found, "uniqueItems");
    message.integer(21, found, "maxProperties");
    message.integer(22, found, "minProperties");
    message.texts(23, found.get("required").unwrap_or(&Value::Null));
    for value in items(found, "enum") {
        message.message(24, any(value));
    }
    message.text(25, found, "type");
    for (number, field) in [(26, "allOf"), (27, "oneOf"), (28, "anyOf")] {
        for inner in items(found, field) {
            message.message(number, schema_or_reference(inner));
        }
    }
    if let Some(inner) = found.get("not") {
        message.message(29, schema(inner));
    }
    if let Some(inner) = found.get("items") {
        message.message(30, either(1, schema_or_reference(inner)));
    }
    if found.get("properties").is_some_and(Value::is_object) {
        let mut properties = Message::default();
        for (name, property) in entries(found, "properties") {
            properties.message(1, named(name, schema_or_reference(property)));
        }
        message.message(31, properties);
    }
    match found.get("additionalProperties") {
        Some(Value::Bool(allowed)) => message.message(32, boolean(*allowed)),
        Some(inner) => message.message(32, either(1, schema_or_reference(inner))),
        None => {}
    }
    if let Some(value) = found.get("default") {
        message.message(33, default_type(value));
    }
    message.text(34, found, "description");
    message.text(35, found, "format");
    message.extensions(36, found);
    message
}

/// `AdditionalPropertiesItem` and `DefaultType` both have their boolean in field 2.
fn boolean(value: bool) -> Message {
    let mut message = Message::default();
    message.number(2, u64::from(value));
    message
}

/// `DefaultType`. It knows no objects and no lists: those are told by an empty message.
fn default_type(value: &Value) -> Message {
    let mut message = Message::default();
    match value {
        Value::Number(number) => message.fixed(1, number.as_f64().unwrap_or(0.0)),
        Value::Bool(value) => return boolean(*value),
        Value::String(text) => message.bytes(3, text.as_bytes()),
        Value::Null | Value::Array(_) | Value::Object(_) => {}
    }
    message
}
