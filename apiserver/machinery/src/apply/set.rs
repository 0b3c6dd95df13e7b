//! Sets of field paths, as tries: the fields that a manager owns.

use super::element::Element;
use super::typed::Type;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// A path from the root of an object.
pub type Path = Vec<Element>;

/// Shows a path as messages do: `.spec.containers[name="a"].image`.
#[must_use]
pub fn path_text(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}

/// A set of field paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Invariant: sorted. Last steps of paths in the set.
    members: Vec<Element>,
    /// Invariant: sorted by element. What is in the set below a step; a step may be member and have children.
    children: Vec<(Element, Set)>,
}

/// Walks two sorted lists side by side.
fn zip<'a, A, B>(
    left: &'a [A],
    right: &'a [B],
    order: impl Fn(&A, &B) -> Ordering,
    mut visit: impl FnMut(Option<&'a A>, Option<&'a B>),
) {
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        let which = match (left.get(i), right.get(j)) {
            (Some(a), Some(b)) => order(a, b),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match which {
            Ordering::Less => visit(left.get(i), None),
            Ordering::Equal => visit(left.get(i), right.get(j)),
            Ordering::Greater => visit(None, right.get(j)),
        }
        if which != Ordering::Greater {
            i += 1;
        }
        if which != Ordering::Less {
            j += 1;
        }
    }
}

fn by_element(left: &(Element, Set), right: &(Element, Set)) -> Ordering {
    left.0.cmp(&right.0)
}

impl Set {
    /// Returns the set of the given paths.
    #[must_use]
    pub fn from_paths(paths: &[Path]) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(path);
        }
        set
    }

    /// Is no path in the set?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.iter().all(|(_, child)| child.is_empty())
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            if let Err(at) = self.members.binary_search(first) {
                self.members.insert(at, first.clone());
            }
            return;
        }
        let at = match self.children.binary_search_by(|(element, _)| element.cmp(first)) {
            Ok(at) => at,
            Err(at) => {
                self.children.insert(at, (first.clone(), Self::default()));
                at
            }
        };
        self.children[at].1.insert(rest);
    }

    /// Is a path in the set?
    #[must_use]
    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.has_member(last),
            [first, rest @ ..] => self.child(first).is_some_and(|child| child.has(rest)),
        }
    }

    pub(super) fn has_member(&self, element: &Element) -> bool {
        self.members.binary_search(element).is_ok()
    }

    pub(super) fn child(&self, element: &Element) -> Option<&Self> {
        let at = self.children.binary_search_by(|(other, _)| other.cmp(element)).ok()?;
        Some(&self.children[at].1)
    }

    pub(super) fn children(&self) -> &[(Element, Set)] {
        &self.children
    }

    /// Adds a member that is greater than all others; the caller knows the order.
    pub(super) fn push_member(&mut self, element: Element) {
        debug_assert!(self.members.last().is_none_or(|last| *last < element));
        self.members.push(element);
    }

    /// Adds a child that is greater than all others; the caller knows the order.
    pub(super) fn push_child(&mut self, element: Element, child: Self) {
        debug_assert!(self.children.last().is_none_or(|(last, _)| *last < element));
        self.children.push((element, child));
    }

    /// Returns the paths in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = Self::default();
        zip(&self.members, &other.members, Ord::cmp, |a, b| out.members.extend(a.or(b).cloned()));
        zip(&self.children, &other.children, by_element, |a, b| {
            out.children.extend(match (a, b) {
                (Some((element, a)), Some((_, b))) => Some((element.clone(), a.union(b))),
                (a, b) => a.or(b).cloned(),
            });
        });
        out
    }

    /// Returns the paths in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Self::default();
        zip(&self.members, &other.members, Ord::cmp, |a, b| out.members.extend(b.and(a).cloned()));
        zip(&self.children, &other.children, by_element, |a, b| {
            if let (Some((element, a)), Some((_, b))) = (a, b) {
                let both = a.intersection(b);
                if !both.is_empty() {
                    out.children.push((element.clone(), both));
                }
            }
        });
        out
    }

    /// Returns the paths of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.minus(other, false)
    }

    /// Like [`Self::difference`], but a path in the other set takes everything below it away too.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        self.minus(other, true)
    }

    fn minus(&self, other: &Self, recursive: bool) -> Self {
        let mut out = Self::default();
        zip(&self.members, &other.members, Ord::cmp, |a, b| {
            if b.is_none() {
                out.members.extend(a.cloned());
            }
        });
        zip(&self.children, &other.children, by_element, |a, b| {
            let Some((element, child)) = a else { return };
            if recursive && other.has_member(element) {
                return;
            }
            match b {
                None => out.children.push((element.clone(), child.clone())),
                Some((_, taken)) => {
                    let rest = child.minus(taken, recursive);
                    if !rest.is_empty() {
                        out.children.push((element.clone(), rest));
                    }
                }
            }
        });
        out
    }

    /// Adds every declared field that has something in the set below it.
    pub(super) fn with_named_fields(&self, at: Type<'_>) -> Self {
        let mut out = Self { members: self.members.clone(), children: Vec::with_capacity(self.children.len()) };
        for (element, child) in &self.children {
            let below = at.below(element);
            if let Element::Field(name) = element
                && at.declares(name)
                && let Err(place) = out.members.binary_search(element)
            {
                out.members.insert(place, element.clone());
            }
            out.children.push((element.clone(), child.with_named_fields(below)));
        }
        out
    }

    /// Calls a function with every path: members first, then what is below, each in order.
    pub fn for_each(&self, visit: &mut impl FnMut(&[Element])) {
        self.walk(&mut Vec::new(), visit);
    }

    fn walk(&self, prefix: &mut Path, visit: &mut impl FnMut(&[Element])) {
        for member in &self.members {
            prefix.push(member.clone());
            visit(prefix);
            prefix.pop();
        }
        for (element, child) in &self.children {
            prefix.push(element.clone());
            child.walk(prefix, visit);
            prefix.pop();
        }
    }

    /// Returns the set as a `FieldsV1` document.
    #[must_use]
    pub fn to_fields(&self) -> Value {
        Value::Object(self.fields(false))
    }

    fn fields(&self, include_self: bool) -> Map<String, Value> {
        let mut map = Map::new();
        if include_self && !(self.members.is_empty() && self.children.is_empty()) {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for member in &self.members {
            map.insert(member.serialize(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            let below = child.fields(self.has_member(element));
            map.insert(element.serialize(), Value::Object(below));
        }
        map
    }

    /// Writes the set as `FieldsV1` bytes in upstream's order, in which item keys are sorted by value and not as text.
    #[must_use]
    pub fn to_fields_json(&self) -> String {
        let mut out = String::new();
        self.write(false, &mut out);
        out
    }

    fn write(&self, include_self: bool, out: &mut String) {
        out.push('{');
        let mut first = true;
        let mut name = |out: &mut String, text: &str| {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            out.push_str(&Value::from(text).to_string());
            out.push(':');
        };
        if include_self && !(self.members.is_empty() && self.children.is_empty()) {
            name(out, ".");
            out.push_str("{}");
        }
        zip(
            &self.members,
            &self.children,
            |member, child| member.cmp(&child.0),
            |member, child| match (member, child) {
                (member, Some((element, below))) => {
                    name(out, &element.serialize());
                    below.write(member.is_some(), out);
                }
                (Some(member), None) => {
                    name(out, &member.serialize());
                    out.push_str("{}");
                }
                (None, None) => {}
            },
        );
        out.push('}');
    }

    /// Reads a `FieldsV1` document.
    ///
    /// # Errors
    /// When a name in it is malformed.
    pub fn from_fields(fields: &Value) -> Result<Self, String> {
        Ok(Self::read(fields)?.0.unwrap_or_default())
    }

    /// Returns what is below a step and whether the step itself is in the set.
    fn read(fields: &Value) -> Result<(Option<Self>, bool), String> {
        let mut set: Option<Self> = None;
        let mut is_member = false;
        for (name, below) in fields.as_object().into_iter().flatten() {
            if name == "." {
                is_member = true;
                continue;
            }
            let Some(element) = Element::parse(name)? else { continue };
            let (grandchildren, child_is_member) = Self::read(below)?;
            let set = set.get_or_insert_default();
            if child_is_member && let Err(at) = set.members.binary_search(&element) {
                set.members.insert(at, element.clone());
            }
            if let Some(grandchildren) = grandchildren {
                match set.children.binary_search_by(|(other, _)| other.cmp(&element)) {
                    Ok(at) => set.children[at].1 = grandchildren,
                    Err(at) => set.children.insert(at, (element, grandchildren)),
                }
            }
        }
        let is_member = is_member || set.is_none();
        Ok((set, is_member))
    }
}
