//! JSON patch (RFC 6902) with the habits of the library that upstream uses: negative indices count from the end,
//! `replace` of an absent field adds it, and a missing `value` is null.

use super::PatchError;
use crate::decode::{self, DecodeError, FieldValidation, Limits};
use serde_json::{Map, Value};

/// Most operations in one patch.
pub const OPERATIONS_MAX: usize = 10_000;
/// Most bytes that the `copy` operations of one patch may add to a document.
const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A list of operations that was read but not yet checked: each is checked when its turn comes, as upstream does.
#[derive(Clone, Debug)]
pub struct JsonPatch {
    operations: Vec<Map<String, Value>>,
    /// Unknown and duplicate fields of the operations, such as `json patch unknown field "[0].foo"`.
    pub findings: Vec<String>,
}

fn wrong_type(word: &str, place: &str) -> String {
    format!("json: cannot unmarshal {word} into Go {place}")
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl JsonPatch {
    /// Reads the body of a JSON patch.
    ///
    /// # Errors
    /// When the body is not a list of operations, or has too many.
    pub fn read(body: &[u8], limits: &Limits, validation: FieldValidation) -> Result<Self, PatchError> {
        let strict = validation != FieldValidation::Ignore;
        let bad =
            |text: String| PatchError::BadRequest(if strict { format!("error decoding patch: {text}") } else { text });
        let (document, duplicates) = decode::json(body, limits).map_err(|error: DecodeError| bad(error.to_string()))?;
        let items = match document {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            other => {
                let wanted =
                    if strict { "value of type []handlers.jsonPatchOp" } else { "value of type jsonpatch.Patch" };
                return Err(bad(wrong_type(word(&other), wanted)));
            }
        };
        let mut unknown = Vec::new();
        let mut operations = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let Value::Object(operation) = item else {
                let wanted = if strict { "handlers.jsonPatchOp" } else { "jsonpatch.Operation" };
                return Err(bad(wrong_type(word(&item), &format!("value of type {wanted}"))));
            };
            for (name, value) in &operation {
                let known = matches!(name.as_str(), "op" | "path" | "from");
                if strict && known && !value.is_string() && !value.is_null() {
                    let place = format!("struct field jsonPatchOp.{name} of type string");
                    return Err(bad(wrong_type(word(value), &place)));
                }
                if !known && name != "value" {
                    unknown.push(format!("json patch unknown field \"[{index}].{name}\""));
                }
            }
            operations.push(operation);
        }
        if operations.len() > OPERATIONS_MAX {
            let count = operations.len();
            return Err(PatchError::TooLarge(format!(
                "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {count}"
            )));
        }
        let mut findings: Vec<String> = duplicates.iter().map(|text| format!("json patch {text}")).collect();
        findings.extend(unknown);
        Ok(Self { operations, findings: if strict { findings } else { Vec::new() } })
    }

    /// Applies the operations in turn. After an error the document is half changed and must be thrown away.
    ///
    /// # Errors
    /// When an operation cannot be applied.
    pub fn apply(&self, document: &mut Value) -> Result<(), PatchError> {
        let mut copied = 0;
        for operation in &self.operations {
            apply(operation, document, &mut copied).map_err(PatchError::Rejected)?;
        }
        Ok(())
    }
}

fn text<'a>(operation: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    operation.get(name).and_then(Value::as_str)
}

fn decode_key(key: &str) -> String {
    if key.contains('~') { key.replace("~1", "/").replace("~0", "~") } else { key.to_owned() }
}

/// Finds the container that a path's last segment is in.
fn container<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (_, rest) = path.split_once('/')?;
    let (parents, key) = match rest.rsplit_once('/') {
        Some((parents, key)) => (Some(parents), key),
        None => (None, rest),
    };
    let mut at = document;
    for part in parents.into_iter().flat_map(|parents| parents.split('/')) {
        let part = decode_key(part);
        at = match at {
            Value::Object(map) => map.get_mut(&part)?,
            Value::Array(items) => {
                let index = existing_index(&part, items.len()).ok()?;
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    (at.is_object() || at.is_array()).then(|| (at, decode_key(key)))
}

fn parse_index(key: &str) -> Result<i64, String> {
    let unsigned = key.strip_prefix(['+', '-']).unwrap_or(key);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing {}: invalid syntax", crate::field_error::go_quote(key)));
    }
    key.parse().map_err(|_| format!("strconv.Atoi: parsing {}: value out of range", crate::field_error::go_quote(key)))
}

/// Turns an index, which may count from the end, into a position below `length`.
fn position(index: i64, length: usize) -> Result<usize, String> {
    let size = i64::try_from(length).expect("documents are small");
    let absolute = if index < 0 { index + size } else { index };
    if (0..size).contains(&absolute) {
        return Ok(usize::try_from(absolute).expect("it is not negative"));
    }
    Err(format!("Unable to access invalid index: {index}: invalid index referenced"))
}

fn existing_index(key: &str, length: usize) -> Result<usize, String> {
    position(parse_index(key)?, length)
}

fn get<'a>(container: &'a Value, key: &str) -> Result<Option<&'a Value>, String> {
    match container {
        Value::Object(map) => Ok(map.get(key)),
        Value::Array(items) => Ok(items.get(existing_index(key, items.len())?)),
        _ => Ok(None),
    }
}

fn add(container: &mut Value, key: String, value: Value) -> Result<(), String> {
    match container {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let index =
                parse_index(&key).map_err(|error| format!("value was not a proper array index: '{key}': {error}"))?;
            items.insert(position(index, items.len() + 1)?, value);
        }
        _ => {}
    }
    Ok(())
}

fn remove(container: &mut Value, key: &str) -> Result<Value, String> {
    match container {
        Value::Object(map) => {
            map.remove(key).ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value"))
        }
        Value::Array(items) => {
            let index = existing_index(key, items.len())?;
            Ok(items.remove(index))
        }
        _ => Ok(Value::Null),
    }
}

fn set(container: &mut Value, key: String, value: Value) -> Result<(), String> {
    match container {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(items) => {
            let index = existing_index(&key, items.len())?;
            items[index] = value;
        }
        _ => {}
    }
    Ok(())
}

fn apply(operation: &Map<String, Value>, document: &mut Value, copied: &mut usize) -> Result<(), String> {
    let kind = text(operation, "op").unwrap_or("unknown");
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let path =
        || text(operation, "path").ok_or_else(|| format!("{kind} operation failed to decode path: missing value"));
    match kind {
        "add" => {
            let path = path()?;
            let (container, key) = container(document, path).ok_or_else(|| {
                format!("add operation does not apply: doc is missing path: \"{path}\": missing value")
            })?;
            add(container, key, value()).map_err(|error| format!("error in add for path: '{path}': {error}"))
        }
        "remove" => {
            let path = path()?;
            let (container, key) = container(document, path).ok_or_else(|| {
                format!("remove operation does not apply: doc is missing path: \"{path}\": missing value")
            })?;
            remove(container, &key).map_err(|error| format!("error in remove for path: '{path}': {error}"))?;
            Ok(())
        }
        "replace" => replace(document, path()?, value()),
        "move" => relocate(operation, document),
        "test" => test(document, path()?, operation.get("value")),
        "copy" => copy(operation, document, copied),
        other => Err(format!("Unexpected kind: {other}")),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array".to_owned());
        }
        *document = value;
        return Ok(());
    }
    let (container, key) = container(document, path)
        .ok_or_else(|| format!("replace operation does not apply: doc is missing path: {path}: missing value"))?;
    get(container, &key)
        .map_err(|_| format!("replace operation does not apply: doc is missing key: {path}: missing value"))?;
    set(container, key, value).map_err(|error| format!("error in remove for path: '{path}': {error}"))
}

fn source<'a>(operation: &'a Map<String, Value>, kind: &str) -> Result<(&'a str, &'a str), String> {
    let from = text(operation, "from").ok_or_else(|| {
        format!("{kind} operation failed to decode from: operation, missing from field: missing value")
    })?;
    let path = text(operation, "path").ok_or_else(|| {
        format!("{kind} operation failed to decode path: operation missing path field: missing value")
    })?;
    Ok((from, path))
}

fn relocate(operation: &Map<String, Value>, document: &mut Value) -> Result<(), String> {
    let (from, path) = source(operation, "move")?;
    let (origin, key) = container(document, from)
        .ok_or_else(|| format!("move operation does not apply: doc is missing from path: {from}: missing value"))?;
    let value = remove(origin, &key).map_err(|error| format!("error in move for path: '{key}': {error}"))?;
    let (target, key) = container(document, path).ok_or_else(|| {
        format!("move operation does not apply: doc is missing destination path: {path}: missing value")
    })?;
    add(target, key, value).map_err(|error| format!("error in move for path: '{path}': {error}"))
}

fn copy(operation: &Map<String, Value>, document: &mut Value, copied: &mut usize) -> Result<(), String> {
    let (from, path) = source(operation, "copy")?;
    let (origin, key) = container(document, from)
        .ok_or_else(|| format!("copy operation does not apply: doc is missing from path: {from}: missing value"))?;
    let value = get(origin, &key).map_err(|error| format!("error in copy for from: '{from}': {error}"))?;
    let value = value.cloned().unwrap_or(Value::Null);
    *copied += value.to_string().len();
    if *copied > COPIED_BYTES_MAX {
        return Err(format!(
            "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {COPIED_BYTES_MAX}"
        ));
    }
    let (target, key) = container(document, path).ok_or_else(|| {
        format!("copy operation does not apply: doc is missing destination path: {path}: missing value")
    })?;
    add(target, key, value).map_err(|error| format!("error while adding value during copy: {error}"))
}

fn test(document: &mut Value, path: &str, wanted: Option<&Value>) -> Result<(), String> {
    let failed = || Err(format!("testing value {path} failed: test failed"));
    let wanted = wanted.unwrap_or(&Value::Null);
    if path.is_empty() {
        return if document == wanted { Ok(()) } else { failed() };
    }
    let (container, key) = container(document, path)
        .ok_or_else(|| format!("test operation does not apply: is missing path: {path}: missing value"))?;
    let value = get(container, &key).map_err(|error| format!("error in test for path: '{path}': {error}"))?;
    if value.unwrap_or(&Value::Null) == wanted { Ok(()) } else { failed() }
}
