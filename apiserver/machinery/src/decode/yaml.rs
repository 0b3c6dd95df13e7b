//! Reads YAML as sigs.k8s.io/yaml does: one document, YAML 1.1 scalars, the result limited to what JSON can say.
//!
//! Aliases are copied; each copy counts against the limits, so that a small text cannot grow into a large document.

use super::scalar::{NotJson, key_text, resolve};
use super::{DecodeError, Limits};
use crate::field_error::go_quote;
use granit_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};
use std::collections::HashMap;

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    limits: Limits,
    nodes: usize,
    anchors: HashMap<usize, Value>,
    duplicates: Vec<String>,
}

/// A value with the line on which it starts.
struct Located {
    value: Value,
    line: usize,
    /// A plain `<<`.
    merge: bool,
}

/// Reads the first document of a YAML stream. The texts are its duplicate keys, such as
/// `line 3: key "a" already set in map`; the last value of a key wins.
///
/// # Errors
/// When the bytes are not YAML, contain what JSON cannot express, or exceed the limits.
pub fn yaml(bytes: &[u8], limits: &Limits) -> Result<(Value, Vec<String>), DecodeError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        DecodeError::Syntax(format!("yaml: invalid UTF-8 sequence at byte {}", error.valid_up_to()))
    })?;
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        limits: *limits,
        nodes: 0,
        anchors: HashMap::new(),
        duplicates: Vec::new(),
    };
    loop {
        let (event, line) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok((Value::Null, Vec::new())),
            event if event.is_node() => {
                let root = reader.node(event, line, 0)?;
                return Ok((root.value, reader.duplicates));
            }
            _ => {}
        }
    }
}

fn line_error(line: usize, text: &str) -> DecodeError {
    DecodeError::Syntax(format!("yaml: line {line}: {text}"))
}

/// What a copy of a value costs; long strings count as several values.
fn cost(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(cost).sum::<usize>(),
        Value::Object(map) => 1 + map.iter().map(|(key, value)| key.len() / 64 + cost(value)).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 64,
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

fn height(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(height).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), DecodeError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => Err(line_error(error.marker().line(), &error.info())),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn spend(&mut self, nodes: usize) -> Result<(), DecodeError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.nodes { Err(DecodeError::TooManyNodes) } else { Ok(()) }
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Located, DecodeError> {
        if depth > self.limits.depth {
            return Err(DecodeError::TooDeep);
        }
        self.spend(1)?;
        let anchor = event.anchor_id();
        let mut merge = false;
        let value = match event {
            Event::Alias(id) => {
                let Some(value) = self.anchors.get(&id) else {
                    return Err(line_error(line, "anchor value contains itself"));
                };
                let (size, tall) = (cost(value), height(value));
                let value = value.clone();
                if depth + tall > self.limits.depth {
                    return Err(DecodeError::TooDeep);
                }
                self.spend(size)?;
                value
            }
            Event::Scalar(text, style, _, ref tag) => {
                let suffix = tag
                    .as_ref()
                    .and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:").map(std::borrow::Cow::into_owned));
                merge = text == "<<" && style == ScalarStyle::Plain && tag.is_none();
                let plain = style == ScalarStyle::Plain && tag.is_none();
                scalar(&text, plain, suffix.as_deref(), line)?
            }
            Event::SequenceStart(..) => self.sequence(depth)?,
            Event::MappingStart(..) => self.mapping(depth)?,
            _ => return Err(line_error(line, "did not find expected node content")),
        };
        if let Some(id) = anchor.filter(|id| *id != 0) {
            self.spend(cost(&value))?;
            self.anchors.insert(id, value.clone());
        }
        Ok(Located { value, line, merge })
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut items = Vec::new();
        loop {
            let (event, line) = self.next()?;
            match event {
                Event::SequenceEnd => return Ok(Value::Array(items)),
                event => items.push(self.node(event, line, depth + 1)?.value),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut map = Map::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Object(map));
            }
            let key = self.node(event, line, depth + 1)?;
            let (event, line) = self.next()?;
            let value = self.node(event, line, depth + 1)?;
            if key.merge {
                self.merge(&mut map, value)?;
                continue;
            }
            let Some(name) = key_text(&key.value) else {
                let kind = match &key.value {
                    Value::Null => "%!s(<nil>), key: <nil>".to_owned(),
                    other => format!("{}, key: {other}", if other.is_array() { "[]interface {}" } else { "map" }),
                };
                return Err(DecodeError::Syntax(format!(
                    "unsupported map key of type: {kind}, value: {}",
                    value.value
                )));
            };
            if map.contains_key(&name) {
                let shown = match &key.value {
                    Value::String(text) => go_quote(text),
                    other => other.to_string(),
                };
                self.duplicates.push(format!("line {}: key {shown} already set in map", value.line));
            }
            map.insert(name, value.value);
        }
    }

    /// Applies a `<<` key: later keys overwrite what it brings, as they do upstream.
    fn merge(&mut self, map: &mut Map<String, Value>, located: Located) -> Result<(), DecodeError> {
        let sources = match located.value {
            Value::Object(source) => vec![source],
            Value::Array(items) => {
                let mut sources = Vec::with_capacity(items.len());
                for item in items.into_iter().rev() {
                    let Value::Object(source) = item else { return Err(want_map()) };
                    sources.push(source);
                }
                sources
            }
            _ => return Err(want_map()),
        };
        for source in sources {
            for (name, value) in source {
                if map.contains_key(&name) {
                    let text = format!("line {}: key {} already set in map", located.line, go_quote(&name));
                    self.duplicates.push(text);
                }
                map.insert(name, value);
            }
        }
        Ok(())
    }
}

fn want_map() -> DecodeError {
    DecodeError::Syntax("yaml: map merge requires map or sequence of maps as the value".to_owned())
}

/// Returns the value of a scalar; only plain ones and those with a type tag are more than strings.
fn scalar(text: &str, plain: bool, tag: Option<&str>, line: usize) -> Result<Value, DecodeError> {
    let string = || Value::String(text.to_owned());
    let wanted: fn(&Value) -> bool = match tag {
        None if plain => |_| true,
        Some("int") => |value| value.is_i64() || value.is_u64(),
        Some("float") => Value::is_number,
        Some("bool") => Value::is_boolean,
        Some("null") => Value::is_null,
        Some("binary") => {
            let why = || DecodeError::Syntax("yaml: !!binary value contains invalid base64 data".to_owned());
            let bytes = super::base64::decode(text).ok_or_else(why)?;
            return Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        }
        _ => return Ok(string()),
    };
    let value =
        resolve(text).map_err(|NotJson(word)| DecodeError::Syntax(format!("json: unsupported value: {word}")))?;
    if wanted(&value) {
        return Ok(value);
    }
    let (got, tag) = (if value.is_string() { "!!str" } else { "!!int" }, tag.unwrap_or_default());
    Err(line_error(line, &format!("cannot decode {got} `{text}` as a !!{tag}")))
}
