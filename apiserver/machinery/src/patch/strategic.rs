//! Strategic merge patch: lists are merged by key, and directives in the patch delete, replace and order their items.
//!
//! The order of merged lists has a file of its own, `order.rs`.

use super::order::{check_order, deduplicate, element_kind, normalize};
use super::{PatchError, go_map};
use crate::decode::{self, FieldValidation, Limits};
use crate::schema::{Field, Kind, NodeId, Schema};
use serde_json::{Map, Value};

pub(super) const DIRECTIVE: &str = "$patch";
const DELETE_PREFIX: &str = "$deleteFromPrimitiveList";
pub(super) const ORDER_PREFIX: &str = "$setElementOrder";
const RETAIN_KEYS: &str = "$retainKeys";

type Object = Map<String, Value>;

/// Reads the body of a strategic merge patch and returns its duplicate fields too.
///
/// # Errors
/// When the body is not a JSON object.
pub fn read_strategic_patch(
    body: &[u8],
    limits: &Limits,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), PatchError> {
    let (patch, duplicates) = decode::json(body, limits).map_err(|error| PatchError::BadRequest(error.to_string()))?;
    let word = match &patch {
        Value::Object(_) => {
            let kept = if validation == FieldValidation::Ignore { Vec::new() } else { duplicates };
            return Ok((patch, kept));
        }
        Value::Null => return Ok((Value::Object(Map::new()), Vec::new())),
        Value::Array(_) => "array",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
    };
    Err(PatchError::BadRequest(format!(
        "json: cannot unmarshal {word} into Go value of type map[string]interface {{}}"
    )))
}

/// Applies a strategic merge patch to a document of a type. After an error the document must be thrown away.
///
/// # Errors
/// When the patch contradicts the schema or itself.
pub fn strategic_merge(schema: &Schema, node: NodeId, document: &mut Value, patch: Value) -> Result<(), PatchError> {
    let Value::Object(patch) = patch else { return Err(bad("invalid JSON document")) };
    let original = match document.take() {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    *document = Value::Object(Merger { schema }.map(original, patch, Type::Node(node))?);
    Ok(())
}

fn bad(text: &str) -> PatchError {
    PatchError::BadRequest(text.to_owned())
}

pub(super) fn broken(text: impl Into<String>) -> PatchError {
    PatchError::Broken(text.into())
}

fn bad_order() -> PatchError {
    bad("invalid patch format of setElementOrder list")
}

pub(super) fn no_merge_key(item: &Value, key: &str) -> PatchError {
    broken(format!("map: {} does not contain declared merge key: {key}", go_map(item)))
}

fn bad_directive(directive: &Value, item: &Value) -> PatchError {
    broken(format!("unknown patch type: {} in map: {}", go_map(directive), go_map(item)))
}

pub(super) fn kind_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

pub(super) fn wrong_kind(wanted: &str, got: &Value) -> PatchError {
    broken(format!("expected a {wanted}, but received a {}", kind_word(got)))
}

/// Where in the schema a map is.
#[derive(Clone, Copy)]
enum Type {
    Node(NodeId),
    /// Below a list whose items have no description.
    Unknown,
}

/// How a field is merged.
struct Meta<'a> {
    strategy: &'a str,
    merge_key: &'a str,
    below: Type,
}

struct Merger<'a> {
    schema: &'a Schema,
}

impl<'a> Merger<'a> {
    fn field(&self, at: Type, name: &str) -> Result<&'a Field, PatchError> {
        let Type::Node(id) = at else {
            return Err(broken("merging an object in json but data type is not struct, instead is: interface"));
        };
        let node = self.schema.node(id);
        let word = match node.kind {
            Kind::Object | Kind::Any => {
                return node.field(name).ok_or_else(|| {
                    let type_name = node.name.rsplit('.').next().filter(|name| !name.is_empty());
                    let type_name = type_name.unwrap_or("RawExtension");
                    broken(format!(
                        "unable to find api field in struct {type_name} for the json field {}",
                        crate::field_error::go_quote(name)
                    ))
                });
            }
            Kind::Map => "map",
            Kind::List => "slice",
            Kind::Boolean => "bool",
            Kind::Int32 => "int32",
            Kind::Int64 => "int64",
            _ => "string",
        };
        Err(broken(format!("merging an object in json but data type is not struct, instead is: {word}")))
    }

    fn meta(&self, at: Type, name: &str) -> Result<Meta<'a>, PatchError> {
        let field = self.field(at, name)?;
        let strategy = field.patch_strategy.iter().find(|strategy| strategy.as_str() != "retainKeys");
        Ok(Meta {
            strategy: strategy.map_or("", String::as_str),
            merge_key: field.patch_merge_key.as_deref().unwrap_or(""),
            below: Type::Node(field.node),
        })
    }

    fn list_meta(&self, at: Type, name: &str) -> Result<Meta<'a>, PatchError> {
        let mut meta = self.meta(at, name)?;
        if let Type::Node(id) = meta.below {
            let node = self.schema.node(id);
            if node.kind != Kind::List {
                return Err(broken("expected slice or array type, but got: struct"));
            }
            meta.below = node.items.map_or(Type::Unknown, Type::Node);
        }
        Ok(meta)
    }

    fn map(&self, mut original: Object, mut patch: Object, at: Type) -> Result<Object, PatchError> {
        if let Some(directive) = patch.get(DIRECTIVE) {
            return match directive.as_str() {
                Some("replace") => {
                    patch.remove(DIRECTIVE);
                    Ok(patch)
                }
                Some("delete") => Ok(Map::new()),
                _ => Err(bad_directive(&directive.clone(), &Value::Object(patch))),
            };
        }
        retain_keys(&mut original, &mut patch)?;
        self.ordered_lists(&mut original, &mut patch, at)?;
        for (key, change) in patch {
            self.entry(&mut original, &key, change, at)?;
        }
        Ok(original)
    }

    /// Merges one field of a patch.
    fn entry(&self, original: &mut Object, key: &str, mut change: Value, at: Type) -> Result<(), PatchError> {
        let deletes = key.starts_with(DELETE_PREFIX);
        let name = if deletes {
            directive_field(key, DELETE_PREFIX).ok_or_else(|| bad("invalid patch format of primitive list"))?
        } else {
            key
        };
        if change.is_null() {
            original.remove(name);
            return Ok(());
        }
        let merged = match (original.get_mut(name), &change) {
            (Some(Value::Object(current)), Value::Object(_)) => {
                let Value::Object(change) = change else { unreachable!("matched above") };
                let meta = self.meta(at, name)?;
                if meta.strategy == "replace" { change } else { self.map(std::mem::take(current), change, meta.below)? }
                    .into()
            }
            (Some(Value::Array(current)), Value::Array(_)) => {
                let Value::Array(change) = change else { unreachable!("matched above") };
                let meta = self.list_meta(at, name)?;
                if meta.strategy == "merge" || deletes {
                    self.list(std::mem::take(current), change, &meta, deletes)?.0
                } else {
                    change
                }
                .into()
            }
            _ if deletes => return Ok(()),
            _ => {
                discard_nulls(&mut change);
                match without_directives(change) {
                    Some(value) => value,
                    None => {
                        original.remove(name);
                        return Ok(());
                    }
                }
            }
        };
        original.insert(name.to_owned(), merged);
        Ok(())
    }

    /// Merges two lists. Also returns the order of the original list as upstream sees it afterwards.
    fn list(
        &self,
        original: Vec<Value>,
        patch: Vec<Value>,
        meta: &Meta<'_>,
        deletes: bool,
    ) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
        if original.is_empty() && patch.is_empty() {
            return Ok((original, Vec::new()));
        }
        let before = original.clone();
        if element_kind(&[&original, &patch])? != "map" {
            if deletes {
                let kept = original.into_iter().filter(|item| !patch.contains(item)).collect();
                return Ok((kept, before));
            }
            let mut both = original.clone();
            both.extend(patch.iter().cloned());
            deduplicate(&mut both);
            // A merge key does not apply to scalars.
            return Ok((normalize(both, &patch, &original, "")?, before));
        }
        let key = meta.merge_key;
        if key.is_empty() {
            return Err(broken("cannot merge lists without merge key for struct"));
        }
        let mut order = before;
        let (original, patch) = special_elements(original, patch, key, &mut order)?;
        let deleted = order.len() - original.len().min(order.len());
        let mut merged = original.clone();
        let mut added = 0;
        for item in &patch {
            let wanted = item.get(key).ok_or_else(|| no_merge_key(item, key))?;
            match position_of(&merged, key, wanted)? {
                Some(index) => {
                    let (Value::Object(current), Value::Object(change)) = (merged[index].take(), item.clone()) else {
                        return Err(broken("value for key is not a map"));
                    };
                    merged[index] = Value::Object(self.map(current, change, meta.below)?);
                }
                None => {
                    // Upstream appends into the space that deleted items left, where later ordering still looks.
                    if added < deleted {
                        let slot = order.len() - deleted + added;
                        order[slot] = item.clone();
                    }
                    added += 1;
                    merged.push(item.clone());
                }
            }
        }
        Ok((normalize(merged, &patch, &original, key)?, order))
    }

    /// Handles `$setElementOrder` directives together with the lists they order.
    fn ordered_lists(&self, original: &mut Object, patch: &mut Object, at: Type) -> Result<(), PatchError> {
        let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER_PREFIX)).cloned().collect();
        for directive in directives {
            let Some(order) = patch.remove(&directive) else { continue };
            let Value::Array(order) = order else { return Err(wrong_kind("slice", &order)) };
            let name = directive_field(&directive, ORDER_PREFIX).ok_or_else(bad_order)?.to_owned();
            self.ordered_list(original, patch, &name, &order, at)?;
        }
        Ok(())
    }

    fn ordered_list(
        &self,
        original: &mut Object,
        patch: &mut Object,
        name: &str,
        order: &[Value],
        at: Type,
    ) -> Result<(), PatchError> {
        let list = |value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong_kind("slice", &other)),
        };
        let current = list(original.get(name).cloned())?;
        let change = list(patch.get(name).cloned())?;
        let meta = self.list_meta(at, name)?;
        let empty = Vec::new();
        check_order(change.as_ref().unwrap_or(&empty), order, meta.merge_key)?;
        let kind_sources = [current.clone().unwrap_or_default(), change.clone().unwrap_or_default()];
        let (merged, server_order) = match (current, change) {
            (None, None) => return Ok(()),
            (Some(current), None) => (current.clone(), current),
            (None, Some(change)) => {
                let kept = change.into_iter().filter_map(without_directives).collect();
                (kept, Vec::new())
            }
            (Some(current), Some(change)) => {
                if meta.strategy == "merge" {
                    self.list(current, change, &meta, false)?
                } else {
                    (change, current)
                }
            }
        };
        let kind = element_kind(&[&kind_sources[0], &kind_sources[1]])?;
        let key = if kind == "map" { meta.merge_key } else { "" };
        let ordered = normalize(merged, order, &server_order, key)?;
        original.insert(name.to_owned(), Value::Array(ordered));
        patch.remove(name);
        Ok(())
    }
}

/// Returns the field that a directive such as `$setElementOrder/containers` is about.
fn directive_field<'a>(key: &'a str, prefix: &str) -> Option<&'a str> {
    key.split_once('/').filter(|(start, _)| *start == prefix).map(|(_, field)| field)
}

/// Applies `$retainKeys`: fields of the original that it does not list go.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), PatchError> {
    let Some(kept) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let malformed = || bad("invalid patch format of retainKeys");
    let kept = kept.as_array().ok_or_else(malformed)?;
    let lists = |name: &str| kept.iter().any(|item| item.as_str() == Some(name));
    let directive = |name: &str| name.starts_with(DELETE_PREFIX) || name.starts_with(ORDER_PREFIX);
    if patch.iter().any(|(name, value)| !value.is_null() && !directive(name) && !lists(name)) {
        return Err(malformed());
    }
    original.retain(|name, _| lists(name));
    Ok(())
}

/// Removes null fields of maps, also within lists.
fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Removes maps that carry a `$patch` directive: there is nothing for them to apply to.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(
            map.into_iter().filter_map(|(key, value)| Some((key, without_directives(value)?))).collect(),
        )),
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        scalar => Some(scalar),
    }
}

fn position_of(items: &[Value], key: &str, wanted: &Value) -> Result<Option<usize>, PatchError> {
    for (index, item) in items.iter().enumerate() {
        if !item.is_object() {
            return Err(broken(format!("value for key {index} is not a map")));
        }
        if item.get(key) == Some(wanted) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Applies items with a `$patch` directive and returns the remaining original and patch.
fn special_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
    order: &mut [Value],
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let wanted = item.get(key).ok_or_else(|| no_merge_key(&item, key))?;
                while let Some(index) = position_of(&original, key, wanted)? {
                    original.remove(index);
                    // What upstream's list looks like after its items moved up: the tail stays as it was.
                    let length = original.len();
                    order[..length].clone_from_slice(&original);
                }
            }
            Some("replace") => replace = true,
            Some("merge") => return Err(broken("merging lists cannot yet be specified in the patch")),
            _ => return Err(bad_directive(directive, &item)),
        }
    }
    if replace { Ok((plain, Vec::new())) } else { Ok((original, plain)) }
}
