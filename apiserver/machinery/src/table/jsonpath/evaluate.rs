//! Evaluation of paths. `None` stands for upstream's errors: the path does not fit the document.

use super::{End, Step};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

type Found<'a> = Vec<Cow<'a, Value>>;

/// Follows steps from some values.
pub(super) fn walk<'a>(from: Found<'a>, steps: &[Step]) -> Option<Found<'a>> {
    steps.iter().try_fold(from, |found, step| take(found, step))
}

fn take<'a>(from: Found<'a>, step: &Step) -> Option<Found<'a>> {
    match step {
        Step::Constant(value) => Some(from.iter().map(|_| Cow::Owned(value.clone())).collect()),
        Step::Text(text) => Some(vec![Cow::Owned(Value::from(text.as_str()))]),
        Step::Field(name) => Some(from.into_iter().filter_map(|value| field(value, name)).collect()),
        Step::Wildcard => Some(from.into_iter().flat_map(children).collect()),
        Step::Recursive => Some(from.into_iter().flat_map(descend).collect()),
        Step::Union(parts) => {
            let parts: Option<Vec<Found<'a>>> = parts.iter().map(|part| walk(from.clone(), part)).collect();
            Some(parts?.into_iter().flatten().collect())
        }
        Step::Slice { start, end, step } => {
            let slices: Option<Vec<Found<'a>>> = from
                .into_iter()
                .filter(|value| !value.is_null())
                .map(|value| slice(value, *start, *end, *step))
                .collect();
            Some(slices?.into_iter().flatten().collect())
        }
        Step::Filter { left, test } => {
            let kept: Option<Vec<Found<'a>>> =
                from.into_iter().map(|value| filter(value, left, test.as_ref())).collect();
            Some(kept?.into_iter().flatten().collect())
        }
        Step::Word => None,
    }
}

fn field<'a>(value: Cow<'a, Value>, name: &str) -> Option<Cow<'a, Value>> {
    match value {
        Cow::Borrowed(value) => value.as_object()?.get(name).map(Cow::Borrowed),
        Cow::Owned(value) => value.as_object()?.get(name).cloned().map(Cow::Owned),
    }
}

fn children(value: Cow<'_, Value>) -> Found<'_> {
    match value {
        Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Object(fields)) => fields.values().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        Cow::Owned(Value::Object(fields)) => fields.into_iter().map(|(_, value)| Cow::Owned(value)).collect(),
        _ => Vec::new(),
    }
}

/// Returns every container at or below a value, outermost first.
fn descend(value: Cow<'_, Value>) -> Found<'_> {
    let below = children(value.clone());
    if below.is_empty() {
        return Vec::new();
    }
    std::iter::once(value).chain(below.into_iter().flat_map(descend)).collect()
}

fn slice(value: Cow<'_, Value>, start: Option<i64>, end: End, step: Option<i64>) -> Option<Found<'_>> {
    if !value.is_array() {
        return None;
    }
    let items = children(value);
    let length = i64::try_from(items.len()).ok()?;
    let wrap = |index: i64| if index < 0 { index + length } else { index };
    let first = start.unwrap_or(0);
    let last = match end {
        // The item after the last one: -1 stands for the list's last item.
        End::Single if first == -1 => length,
        End::Single => wrap(first + 1),
        End::Open => length,
        End::At(index) => wrap(index),
    };
    let first = wrap(first);
    if first == last {
        return Some(Vec::new());
    }
    if !(0..length).contains(&first) || !(0..=length).contains(&last) || first > last {
        return None;
    }
    let step = usize::try_from(step.unwrap_or(1)).ok().filter(|step| *step > 0)?;
    let (first, last) = (usize::try_from(first).ok()?, usize::try_from(last).ok()?);
    Some(items.into_iter().take(last).skip(first).step_by(step).collect())
}

fn filter<'a>(value: Cow<'a, Value>, left: &[Step], test: Option<&(String, Vec<Step>)>) -> Option<Found<'a>> {
    if !value.is_array() {
        return None;
    }
    let mut kept = Vec::new();
    for item in children(value) {
        let found = walk(vec![item.clone()], left);
        let Some((operator, right)) = test else {
            if found.is_some_and(|found| !found.is_empty()) {
                kept.push(item);
            }
            continue;
        };
        let found = found?;
        let wanted = if found.is_empty() { Vec::new() } else { walk(vec![item.clone()], right)? };
        let passes = match (&found[..], &wanted[..]) {
            ([], _) | (_, []) => false,
            ([left], [right]) => compare(left, operator, right)?,
            _ => return None,
        };
        if passes {
            kept.push(item);
        }
    }
    Some(kept)
}

/// Compares scalars of one type; `None` for anything else.
fn compare(left: &Value, operator: &str, right: &Value) -> Option<bool> {
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) if left.is_f64() == right.is_f64() => match left.as_i64() {
            Some(left) => left.cmp(&right.as_i64()?),
            None => left.as_f64()?.partial_cmp(&right.as_f64()?)?,
        },
        // Booleans are equal or not, but have no order.
        (Value::Bool(left), Value::Bool(right)) if matches!(operator, "==" | "!=") => left.cmp(right),
        _ => return None,
    };
    match operator {
        "==" => Some(order == Ordering::Equal),
        "!=" => Some(order != Ordering::Equal),
        "<" => Some(order == Ordering::Less),
        "<=" => Some(order != Ordering::Greater),
        ">" => Some(order == Ordering::Greater),
        ">=" => Some(order != Ordering::Less),
        _ => None,
    }
}
