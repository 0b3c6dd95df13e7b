//! Merging an applied configuration into an object, and removing fields from an object.

use super::element::Element;
use super::set::Set;
use super::typed::{Shape, Type};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Merges a configuration into the live object: the configuration wins, what it does not mention stays.
///
/// # Errors
/// When a list of the configuration has two items with the same key.
pub(super) fn merge(at: Type<'_>, live: &Value, config: &Value) -> Result<Value, String> {
    walk(at, Some(live), Some(config)).map(|merged| merged.unwrap_or(Value::Null))
}

fn walk(at: Type<'_>, live: Option<&Value>, config: Option<&Value>) -> Result<Option<Value>, String> {
    let shape = if config.is_some() { at.shape(config) } else { at.shape(live) };
    let keep = || config.or(live).cloned();
    match shape {
        Shape::Scalar | Shape::AtomicMap | Shape::AtomicList => Ok(keep()),
        Shape::Map => {
            let (live_map, config_map) = (as_fields(live), as_fields(config));
            if live_map.is_empty() && config_map.is_empty() {
                return Ok(keep());
            }
            fields(at, &live_map, &config_map).map(|merged| (!merged.is_empty()).then_some(Value::Object(merged)))
        }
        Shape::Keyed(_) | Shape::SetList => {
            let (live_items, config_items) = (as_items(live), as_items(config));
            if live_items.is_empty() && config_items.is_empty() {
                return Ok(keep());
            }
            items(at, shape, &live_items, &config_items)
                .map(|merged| (!merged.is_empty()).then_some(Value::Array(merged)))
        }
    }
}

type Fields<'a> = BTreeMap<&'a String, &'a Value>;

fn as_fields(value: Option<&Value>) -> Fields<'_> {
    value.and_then(Value::as_object).into_iter().flatten().collect()
}

fn as_items(value: Option<&Value>) -> Vec<&Value> {
    value.and_then(Value::as_array).into_iter().flatten().collect()
}

fn fields(at: Type<'_>, live: &Fields<'_>, config: &Fields<'_>) -> Result<Map<String, Value>, String> {
    let mut out = Map::new();
    let names: BTreeSet<&String> = live.keys().chain(config.keys()).copied().collect();
    for name in names {
        let merged = walk(at.field(name), live.get(name).copied(), config.get(name).copied())?;
        if let Some(value) = merged {
            out.insert(name.clone(), value);
        }
    }
    Ok(out)
}

/// Merges lists whose items have identities. Items keep the live order, except that the configuration's order wins among
/// its own items.
fn items(at: Type<'_>, shape: Shape<'_>, live: &[&Value], config: &[&Value]) -> Result<Vec<Value>, String> {
    let below = at.item();
    let elements = |items: &[&Value]| -> Result<Vec<Element>, String> {
        let element = |(index, item): (usize, &&Value)| {
            at.item_element(shape, item).map_err(|error| format!("element {index}: {error}"))
        };
        items.iter().enumerate().map(element).collect()
    };
    let (live_elements, config_elements) = (elements(live)?, elements(config)?);
    let mut live_by: BTreeMap<&Element, &Value> = BTreeMap::new();
    for (element, item) in live_elements.iter().zip(live) {
        // An item whose key occurs twice counts as null: it is replaced, not merged.
        live_by.entry(element).and_modify(|seen| *seen = &Value::Null).or_insert(item);
    }
    let mut config_by: BTreeMap<&Element, &Value> = BTreeMap::new();
    for (element, item) in config_elements.iter().zip(config) {
        if config_by.insert(element, item).is_some() {
            return Err(format!("duplicate entries for key {element}"));
        }
    }
    let mut shared = config_elements.iter().filter(|element| live_by.contains_key(element));
    let mut next_shared = shared.next();
    let mut merged: BTreeSet<&Element> = BTreeSet::new();
    let mut out = Vec::with_capacity(live.len().max(config.len()));
    let (mut i, mut j) = (0, 0);
    while i < live.len() || j < config.len() {
        if let (Some(ours), Some(theirs)) = (live_elements.get(i), config_elements.get(j)) {
            if ours == theirs {
                merged.insert(ours);
                let item = walk(below, live_by.get(ours).copied(), config_by.get(theirs).copied())?;
                out.extend(item);
                i += 1;
                j += 1;
                next_shared = shared.next();
                continue;
            }
            if config_by.contains_key(ours) && next_shared.is_some_and(|next| next != ours) {
                // It comes later, where the configuration has it.
                i += 1;
                continue;
            }
        }
        if let Some(ours) = live_elements.get(i) {
            if !config_by.contains_key(ours) {
                out.extend(walk(below, Some(live[i]), None)?);
                i += 1;
                continue;
            }
            if merged.contains(ours) {
                i += 1;
            }
        }
        if let Some(theirs) = config_elements.get(j) {
            merged.insert(theirs);
            out.extend(walk(below, live_by.get(theirs).copied(), config_by.get(theirs).copied())?);
            j += 1;
            if next_shared == Some(theirs) {
                next_shared = shared.next();
            }
        }
    }
    Ok(out)
}

/// Returns a value without the given fields.
pub(super) fn remove(at: Type<'_>, value: &Value, fields: &Set) -> Value {
    if fields.is_empty() {
        return value.clone();
    }
    let shape = at.shape(Some(value));
    match (shape, value) {
        (Shape::Scalar, _) => value.clone(),
        (Shape::Map, Value::Object(map)) => {
            let mut out = Map::new();
            for (name, item) in map {
                let element = Element::Field(name.clone());
                if fields.has_member(&element) {
                    continue;
                }
                let kept = match fields.child(&element) {
                    Some(below) if !below.is_empty() => remove(at.field(name), item, below),
                    _ => item.clone(),
                };
                out.insert(name.clone(), kept);
            }
            if out.is_empty() { Value::Null } else { Value::Object(out) }
        }
        (Shape::Keyed(_) | Shape::SetList, Value::Array(items)) => {
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                let kept = match at.item_element(shape, item) {
                    Ok(element) if fields.has_member(&element) => continue,
                    Ok(element) => match fields.child(&element) {
                        Some(below) if !below.is_empty() => remove(at.item(), item, below),
                        _ => item.clone(),
                    },
                    Err(_) => item.clone(),
                };
                out.push(kept);
            }
            if out.is_empty() { Value::Null } else { Value::Array(out) }
        }
        _ => Value::Null,
    }
}
