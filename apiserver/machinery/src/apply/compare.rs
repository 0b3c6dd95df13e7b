//! What differs between two objects of a type, and which fields an object has.
//!
//! Hot path: every create and update is compared. Sets are built from the leaves up, so that a path is never copied.

use super::element::{Element, equal_values};
use super::set::Set;
use super::typed::{Shape, Type};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The fields in which two objects differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

/// What happened at one place.
#[derive(Default)]
struct Difference {
    below: Comparison,
    removed: bool,
    modified: bool,
    added: bool,
}

/// Compares two objects.
pub(super) fn compare(at: Type<'_>, left: &Value, right: &Value) -> Comparison {
    walk(at, Some(left), Some(right)).below
}

fn as_map(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn as_list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn walk(at: Type<'_>, left: Option<&Value>, right: Option<&Value>) -> Difference {
    let mut out = Difference::default();
    let (left_shape, right_shape) = (at.shape(left), at.shape(right));
    let mut leaf = false;
    if right.is_none() {
        leaf |= visit(at, left_shape, left, right, &mut out);
    } else if left.is_none() || left_shape == right_shape {
        leaf |= visit(at, right_shape, left, right, &mut out);
    } else {
        visit(at, left_shape, left, right, &mut out);
        leaf |= visit(at, right_shape, left, right, &mut out);
    }
    if !leaf {
        out.added |= left.is_none();
        out.removed |= right.is_none() && left.is_some();
    }
    out
}

/// Compares by one shape; returns whether the place is a leaf.
fn visit(at: Type<'_>, shape: Shape<'_>, left: Option<&Value>, right: Option<&Value>, out: &mut Difference) -> bool {
    let leaf = match shape {
        Shape::Scalar | Shape::AtomicMap | Shape::AtomicList => true,
        Shape::Map => {
            let empty = |value| as_map(value).is_none_or(Map::is_empty);
            empty(left) && empty(right)
        }
        Shape::Keyed(_) | Shape::SetList => as_list(left).is_empty() && as_list(right).is_empty(),
    };
    if leaf {
        match (left, right) {
            (None, _) => out.added = true,
            (_, None) => out.removed = true,
            (Some(left), Some(right)) => out.modified |= !equal_values(left, right),
        }
        return true;
    }
    match shape {
        Shape::Map => fields(at, as_map(left), as_map(right), out),
        _ => items(at, shape, as_list(left), as_list(right), out),
    }
    false
}

/// Adds what happened below an element; elements come in order.
fn attach(out: &mut Comparison, element: Element, child: Difference) {
    let sides = [
        (child.removed, child.below.removed, &mut out.removed),
        (child.modified, child.below.modified, &mut out.modified),
        (child.added, child.below.added, &mut out.added),
    ];
    for (own, below, set) in sides {
        if own {
            set.push_member(element.clone());
        }
        if !below.is_empty() {
            set.push_child(element.clone(), below);
        }
    }
}

fn fields(at: Type<'_>, left: Option<&Map<String, Value>>, right: Option<&Map<String, Value>>, out: &mut Difference) {
    let (mut lefts, mut rights) = (left.into_iter().flatten().peekable(), right.into_iter().flatten().peekable());
    loop {
        let (name, old, new) = match (lefts.peek(), rights.peek()) {
            (None, None) => return,
            (Some((name, old)), None) => (*name, Some(*old), None),
            (None, Some((name, new))) => (*name, None, Some(*new)),
            (Some((left, old)), Some((right, new))) => match left.cmp(right) {
                std::cmp::Ordering::Less => (*left, Some(*old), None),
                std::cmp::Ordering::Equal => (*left, Some(*old), Some(*new)),
                std::cmp::Ordering::Greater => (*right, None, Some(*new)),
            },
        };
        if old.is_some() {
            lefts.next();
        }
        if new.is_some() {
            rights.next();
        }
        // The common case of an unchanged value needs no walk: nothing below it can differ.
        if old.is_some() && old == new {
            continue;
        }
        attach(&mut out.below, Element::Field(name.clone()), walk(at.field(name), old, new));
    }
}

fn items(at: Type<'_>, shape: Shape<'_>, left: &[Value], right: &[Value], out: &mut Difference) {
    let mut by_element: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
    for item in left {
        if let Ok(element) = at.item_element(shape, item) {
            by_element.entry(element).or_default().0.push(item);
        }
    }
    for item in right {
        if let Ok(element) = at.item_element(shape, item) {
            by_element.entry(element).or_default().1.push(item);
        }
    }
    let below = at.item();
    for (element, (old, new)) in by_element {
        let child = match (old.as_slice(), new.as_slice()) {
            (old @ ([] | [_]), new @ ([] | [_])) => walk(below, old.first().copied(), new.first().copied()),
            ([_, _, ..], [_, _, ..]) => {
                let same = old.len() == new.len() && old.iter().zip(&new).all(|(a, b)| equal_values(a, b));
                Difference { modified: !same, ..Difference::default() }
            }
            ([_, _, ..], new) => {
                let mut child = new.first().map_or_else(Difference::default, |new| walk(below, None, Some(new)));
                child.removed = true;
                child
            }
            (old, _) => {
                let mut child = old.first().map_or_else(Difference::default, |old| walk(below, Some(old), None));
                child.added = true;
                child
            }
        };
        attach(&mut out.below, element, child);
    }
}

/// Returns the fields that an applied configuration sets.
pub(super) fn field_set(at: Type<'_>, value: &Value) -> Set {
    leaves(at, value).0
}

/// Returns the fields below a value, and whether the value itself is one.
fn leaves(at: Type<'_>, value: &Value) -> (Set, bool) {
    let mut set = Set::default();
    let shape = at.shape(Some(value));
    match shape {
        Shape::Scalar | Shape::AtomicMap | Shape::AtomicList => return (set, true),
        Shape::Map => {
            for (name, field) in as_map(Some(value)).into_iter().flatten() {
                let (below, own) = leaves(at.field(name), field);
                let empty = field.is_null() || field.as_object().is_some_and(Map::is_empty);
                let element = Element::Field(name.clone());
                if own || empty || !at.declares(name) {
                    set.push_member(element.clone());
                }
                if !below.is_empty() {
                    set.push_child(element, below);
                }
            }
        }
        Shape::Keyed(_) | Shape::SetList => {
            let mut by_element: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
            for item in as_list(Some(value)) {
                if let Ok(element) = at.item_element(shape, item) {
                    by_element.entry(element).or_default().push(item);
                }
            }
            for (element, items) in by_element {
                set.push_member(element.clone());
                if let [item] = items.as_slice() {
                    let below = leaves(at.item(), item).0;
                    if !below.is_empty() {
                        set.push_child(element, below);
                    }
                }
            }
        }
    }
    (set, false)
}
