//! Reads JSON as Go's decoder does, with its messages.
//!
//! Hot path: every request body passes here. A parser of our own is needed because duplicate fields must be seen, with
//! their full path and in the order of the document, and because clients read the messages.

use super::{DecodeError, FINDINGS_MAX, Limits};
use crate::field_error::go_quote;
use crate::schema::{Kind, NodeId, Schema};
use serde_json::{Map, Number, Value};

/// What is known about the value that comes next.
#[derive(Clone, Copy)]
enum Shape {
    /// No type; duplicate fields are reported.
    Untyped,
    /// A type; unknown and duplicate fields are reported.
    Typed(NodeId),
    /// Nothing is reported.
    Opaque,
}

/// An unknown or duplicate field; the path grows to the left while the parser returns.
struct Finding {
    kind: &'static str,
    path: String,
    /// The path starts with an index, before which no dot comes.
    indexed: bool,
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    limits: Limits,
    nodes: usize,
    schema: Option<&'a Schema>,
    findings: Vec<Finding>,
}

/// Reads a JSON document. The texts are those of its duplicate fields, such as `duplicate field "spec.replicas"`; the
/// last value of a field wins.
///
/// # Errors
/// When the bytes are not JSON or the document exceeds the limits.
pub fn json(bytes: &[u8], limits: &Limits) -> Result<(Value, Vec<String>), DecodeError> {
    parse(bytes, limits, None, Shape::Untyped)
}

/// Reads a JSON document of a built-in type. The texts are those of its unknown and duplicate fields in document order.
///
/// # Errors
/// When the bytes are not JSON or the document exceeds the limits. Values of the wrong type are found by `conform`.
pub fn json_typed(
    bytes: &[u8],
    limits: &Limits,
    schema: &Schema,
    node: NodeId,
) -> Result<(Value, Vec<String>), DecodeError> {
    parse(bytes, limits, Some(schema), Shape::Typed(node))
}

fn parse(
    bytes: &[u8],
    limits: &Limits,
    schema: Option<&Schema>,
    shape: Shape,
) -> Result<(Value, Vec<String>), DecodeError> {
    let mut parser = Parser { bytes, at: 0, limits: *limits, nodes: 0, schema, findings: Vec::new() };
    parser.skip_space();
    let value = parser.value(shape, 0)?;
    parser.skip_space();
    if parser.at < bytes.len() {
        return Err(parser.unexpected("after top-level value"));
    }
    let mut texts = Vec::with_capacity(parser.findings.len());
    for finding in parser.findings {
        let text = format!("{} {}", finding.kind, go_quote(&finding.path));
        if texts.len() < FINDINGS_MAX && !texts.contains(&text) {
            texts.push(text);
        }
    }
    Ok((value, texts))
}

const DUPLICATE: &str = "duplicate field";
const UNKNOWN: &str = "unknown field";

/// Shows a byte as Go's scanner does.
fn quote_byte(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        0x80..=0x9f | 0xad => format!("'\\u{byte:04x}'"),
        _ => {
            let quoted = go_quote(char::from(byte).encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

impl Parser<'_> {
    fn syntax(&self, text: String) -> DecodeError {
        DecodeError::Syntax(text)
    }

    /// The error of the byte at the current position, or of the end of the input.
    fn unexpected(&self, context: &str) -> DecodeError {
        self.syntax(match self.bytes.get(self.at) {
            Some(byte) => format!("invalid character {} {context}", quote_byte(*byte)),
            None => "unexpected end of JSON input".to_owned(),
        })
    }

    /// Like [`Self::unexpected`] within a number, a literal or an escape, where Go's scanner takes the end for a space.
    fn unexpected_in_token(&self, context: &str) -> DecodeError {
        if self.at < self.bytes.len() {
            return self.unexpected(context);
        }
        self.syntax(format!("invalid character ' ' {context}"))
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn value(&mut self, shape: Shape, depth: usize) -> Result<Value, DecodeError> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(DecodeError::TooManyNodes);
        }
        match self.peek() {
            Some(b'{') => self.object(shape, depth + 1),
            Some(b'[') => self.array(shape, depth + 1),
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, DecodeError> {
        for wanted in word.bytes() {
            if self.peek() != Some(wanted) {
                return Err(self.unexpected_in_token(&format!("in literal {word} (expecting {})", quote_byte(wanted))));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self, context: &str) -> Result<(), DecodeError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.unexpected_in_token(context));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, DecodeError> {
        let start = self.at;
        let mut whole = true;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            whole = false;
            self.digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            whole = false;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).expect("digits are ASCII");
        if whole && let Ok(integer) = text.parse::<i64>() {
            return Ok(Value::from(integer));
        }
        let float: f64 = text.parse().expect("the scanner accepted it");
        Number::from_f64(float)
            .map(Value::Number)
            .ok_or_else(|| self.syntax(format!("json: cannot unmarshal number {text} into Go value of type float64")))
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.at += 1;
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    let text = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => return self.escaped_string(start),
                0..=0x1f => return Err(self.unexpected("in string literal")),
                _ => self.at += 1,
            }
        }
        Err(self.unexpected(""))
    }

    /// Reads on from the first escape of a string that began at `start`.
    fn escaped_string(&mut self, start: usize) -> Result<String, DecodeError> {
        let mut out = self.bytes[start..self.at].to_vec();
        loop {
            match self.peek() {
                None => return Err(self.unexpected("")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match String::from_utf8(out) {
                        Ok(text) => text,
                        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                    });
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut out)?;
                }
                Some(0..=0x1f) => return Err(self.unexpected("in string literal")),
                Some(byte) => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.at += 1;
                let unit = self.hex4()?;
                let decoded = self.surrogates(unit)?;
                out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.unexpected_in_token("in string escape code")),
        };
        out.push(plain);
        self.at += 1;
        Ok(())
    }

    /// Joins a UTF-16 unit with the one that follows; lone surrogates become U+FFFD.
    fn surrogates(&mut self, unit: u32) -> Result<char, DecodeError> {
        if !(0xd800..0xdc00).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let before = self.at;
        self.at += 2;
        let low = self.hex4()?;
        if (0xdc00..0xe000).contains(&low) {
            let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at = before;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, DecodeError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected_in_token("in \\u hexadecimal character escape"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn check_depth(&self, depth: usize) -> Result<(), DecodeError> {
        if depth > self.limits.depth { Err(self.unexpected("exceeded max depth")) } else { Ok(()) }
    }

    fn array(&mut self, shape: Shape, depth: usize) -> Result<Value, DecodeError> {
        self.check_depth(depth)?;
        let item_shape = self.item_shape(shape, Kind::List);
        let mut items = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            let before = self.findings.len();
            items.push(self.value(item_shape, depth)?);
            self.prefix(before, true, || format!("[{}]", items.len() - 1));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return Err(self.unexpected("after array element")),
            }
            self.skip_space();
        }
    }

    /// Puts a step before the paths of the findings since `from`.
    fn prefix(&mut self, from: usize, indexed: bool, step: impl Fn() -> String) {
        for finding in &mut self.findings[from..] {
            let dot = if finding.indexed { "" } else { "." };
            finding.path = format!("{}{dot}{}", step(), finding.path);
            finding.indexed = indexed;
        }
    }

    /// Returns the shape of what a list or map contains.
    fn item_shape(&self, shape: Shape, wanted: Kind) -> Shape {
        match (shape, self.schema) {
            (Shape::Typed(id), Some(schema)) => {
                let node = schema.node(id);
                match node.items {
                    Some(items) if node.kind == wanted => Shape::Typed(items),
                    _ => Shape::Opaque,
                }
            }
            (shape, _) => shape,
        }
    }

    /// Returns the shape of a field and whether its name is known.
    fn field_shape(&self, shape: Shape, name: &str) -> (Shape, bool) {
        let (Shape::Typed(id), Some(schema)) = (shape, self.schema) else { return (shape, true) };
        let node = schema.node(id);
        match node.kind {
            Kind::Object => match node.field(name) {
                Some(field) => (Shape::Typed(field.node), true),
                None => (Shape::Opaque, node.preserve_unknown),
            },
            Kind::Map => (self.item_shape(shape, Kind::Map), true),
            _ => (Shape::Opaque, true),
        }
    }

    fn reports(&self, shape: Shape) -> bool {
        match (shape, self.schema) {
            (Shape::Untyped, _) => true,
            (Shape::Typed(id), Some(schema)) => matches!(schema.node(id).kind, Kind::Object | Kind::Map),
            (Shape::Typed(_) | Shape::Opaque, _) => false,
        }
    }

    fn object(&mut self, shape: Shape, depth: usize) -> Result<Value, DecodeError> {
        self.check_depth(depth)?;
        let reports = self.reports(shape);
        let mut map = Map::new();
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.skip_space();
            let before = self.findings.len();
            let (field_shape, known) = self.field_shape(shape, &key);
            let value = self.value(field_shape, depth)?;
            self.prefix(before, false, || key.clone());
            if reports && (!known || map.contains_key(&key)) && self.findings.len() < 10 * FINDINGS_MAX {
                let kind = if known { DUPLICATE } else { UNKNOWN };
                self.findings.insert(before, Finding { kind, path: key.clone(), indexed: false });
            }
            map.insert(key, value);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(map));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
            self.skip_space();
        }
    }
}
