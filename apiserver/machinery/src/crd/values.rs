//! Validation of custom resources against a compiled schema, as kube-openapi's `validate` does it and with its texts.
//!
//! Upstream runs a fixed list of validators over each value and counts what matched, because `anyOf` and `oneOf` report
//! the alternative that came closest. The counts are kept here too, so that the same errors are chosen.
//!
//! Hot path: a valid object allocates nothing; paths are built only for errors.

use super::formats;
use super::outcome::{Code, Failure, Outcome, Place, field_errors, general, sized, wrong_type};
use super::ratchet::{field_node, find_by_keys, unchanged};
use super::scalars::{enum_matches, has_duplicates, number, string};
use crate::field_error::FieldErrors;
use crate::json;
use crate::schema::{Kind, ListType, Node, NodeId, Schema, Validations};
use serde_json::{Map, Value};

/// Which formats are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Formats {
    /// Those that upstream supports; others are as if they were not there.
    Supported,
    /// All, as upstream does for the defaults in a definition.
    All,
}

/// The value that a value replaces, with the structural node of both.
#[derive(Clone, Copy)]
struct Old<'a> {
    value: &'a Value,
    node: NodeId,
}

/// Validates a value. `prefix` is put before all paths; without one, errors of the whole value are reported at `<nil>`.
pub(crate) fn validate(schema: &Schema, node: NodeId, value: &Value, prefix: &str, formats: Formats) -> FieldErrors {
    let run = Run { schema, formats };
    field_errors(run.value(node, value, &Place::Root, None), prefix)
}

/// Validates the replacement of a value: what did not change may stay as invalid as it was.
pub(crate) fn validate_update(
    schema: &Schema,
    node: NodeId,
    value: &Value,
    old: Option<&Value>,
    prefix: &str,
) -> FieldErrors {
    let run = Run { schema, formats: Formats::Supported };
    let outcome = match old {
        Some(old) => run.ratcheted(node, value, &Place::Root, Old { value: old, node }),
        None => run.value(node, value, &Place::Root, None),
    };
    field_errors(outcome, prefix)
}

/// Returns the JSON types that a node allows; none when it says nothing about types.
fn allowed_types(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Object | Kind::Map => &["object"],
        Kind::List => &["array"],
        Kind::String | Kind::Bytes | Kind::Quantity | Kind::Time | Kind::MicroTime | Kind::Duration => &["string"],
        Kind::Int32 | Kind::Int64 => &["integer"],
        Kind::Number => &["number"],
        Kind::Boolean => &["boolean"],
        Kind::IntOrString => &["integer", "string"],
        Kind::Any => &[],
    }
}

struct Run<'a> {
    schema: &'a Schema,
    formats: Formats,
}

impl Run<'_> {
    /// Validates a value that replaces another one.
    fn ratcheted(&self, id: NodeId, value: &Value, place: &Place<'_>, old: Old<'_>) -> Outcome {
        let mut outcome = self.value(id, value, place, Some(old));
        if !outcome.is_valid() && unchanged(self.schema, old.node, value, old.value) {
            outcome.failures.clear();
        }
        outcome
    }

    fn value(&self, id: NodeId, value: &Value, place: &Place<'_>, old: Option<Old<'_>>) -> Outcome {
        let node = self.schema.node(id);
        let mut outcome = Outcome::default();
        let format = self.format(node);
        let types = match (node.kind, self.formats) {
            // Upstream's schema for checking defaults says nothing about the types of these.
            (Kind::IntOrString, Formats::All) => &[],
            (kind, _) => allowed_types(kind),
        };
        if value.is_null() {
            if !types.is_empty() && !node.nullable {
                outcome.fail(wrong_type(place, &types.join(","), "null"));
            } else {
                outcome.matches += 1;
            }
            self.enumeration(node, value, place, &mut outcome);
            return outcome;
        }
        if !types.is_empty() || !format.is_empty() {
            self.types(types, format, value, place, &mut outcome);
            outcome.matches += 1;
        }
        if let Some(validations) = &node.validations {
            self.junctors(validations, value, place, &mut outcome);
        } else {
            outcome.matches += 1;
        }
        outcome.matches += 1;
        match value {
            Value::String(text) => {
                if let Some(validations) = &node.validations {
                    string(validations, text, place, &mut outcome);
                }
                outcome.matches += 1;
                if formats::is_supported(format) {
                    if !formats::matches(format, text) {
                        outcome.fail(wrong_type(place, format, text));
                    }
                    outcome.matches += 1;
                }
            }
            Value::Number(_) => {
                if let Some(validations) = &node.validations {
                    number(validations, value, place, &mut outcome);
                }
                outcome.matches += 2;
            }
            Value::Array(list) => {
                self.list(node, list, place, old, &mut outcome);
                outcome.matches += 2;
            }
            Value::Null | Value::Bool(_) | Value::Object(_) => {}
        }
        self.enumeration(node, value, place, &mut outcome);
        outcome.matches += 1;
        if let Value::Object(map) = value {
            self.object(node, map, place, old, &mut outcome);
            outcome.matches += 1;
        }
        outcome.matches += 1;
        outcome
    }

    fn format<'n>(&self, node: &'n Node) -> &'n str {
        match self.formats {
            Formats::Supported if !formats::is_supported(&node.format) => "",
            Formats::Supported | Formats::All => &node.format,
        }
    }

    fn types(&self, types: &[&str], format: &str, value: &Value, place: &Place<'_>, outcome: &mut Outcome) {
        let (found, found_format) = match value {
            Value::Null => ("null", ""),
            Value::Bool(_) => ("boolean", ""),
            Value::String(_) => ("string", ""),
            Value::Number(number) if number.is_i64() => ("integer", "int64"),
            Value::Number(_) => ("number", "float64"),
            Value::Array(_) => ("array", ""),
            Value::Object(_) => ("object", ""),
        };
        let is_numeric = types.contains(&"number") || types.contains(&"integer");
        let whole = value.as_f64().and_then(json::whole).is_some();
        let float_as_integer = found == "number" && whole && types.contains(&"integer");
        let integer_as_number = found == "integer" && types.contains(&"number");
        let matches = types.contains(&found) || float_as_integer || integer_as_number;
        let is_text = matches!(value, Value::String(_) | Value::Array(_));
        if !(is_text || format.is_empty() || matches || found_format == format) {
            outcome.fail(wrong_type(place, format, found_format));
            return;
        }
        if is_text && !is_numeric && !format.is_empty() {
            outcome.matches += 1;
            return;
        }
        if matches {
            outcome.matches += 1;
        } else {
            outcome.fail(wrong_type(place, &types.join(","), found));
        }
    }

    fn enumeration(&self, node: &Node, value: &Value, place: &Place<'_>, outcome: &mut Outcome) {
        if node.enums.is_empty() || node.enums.iter().any(|allowed| enum_matches(allowed, value)) {
            return;
        }
        let shown = |allowed: &Value| match allowed {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let allowed: Vec<String> = node.enums.iter().map(shown).collect();
        let name = place.render();
        let message = format!("{name} in body should be one of [{}]", allowed.join(" "));
        outcome.fail(Failure { code: Code::Enum(allowed), name, value: Some(value.clone()), message });
    }

    fn list(&self, node: &Node, list: &[Value], place: &Place<'_>, old: Option<Old<'_>>, outcome: &mut Outcome) {
        if matches!(node.kind, Kind::List | Kind::Any)
            && let Some(items) = node.items
        {
            for (index, item) in list.iter().enumerate() {
                let place = Place::Index(place, index);
                outcome.merge(match old.and_then(|old| self.old_item(old, item)) {
                    Some(old) => self.ratcheted(items, item, &place, old),
                    None => self.value(items, item, &place, None),
                });
            }
        }
        let Some(validations) = &node.validations else { return };
        let size = list.len() as u64;
        if let Some(min) = validations.min_items.filter(|&min| size < min) {
            let detail = format!("should have at least {min} items");
            outcome.fail(sized(Code::Other, place, list.len(), &detail));
        }
        if let Some(max) = validations.max_items.filter(|&max| size > max) {
            let code = Code::TooMany(i64::try_from(max).unwrap_or(i64::MAX));
            outcome.fail(sized(code, place, list.len(), &format!("should have at most {max} items")));
        }
        if validations.unique_items && has_duplicates(list) {
            let name = place.render();
            let message = format!("{name} in body shouldn't contain duplicates");
            outcome.fail(Failure { code: Code::Other, name, value: None, message });
        }
    }

    fn object(
        &self,
        node: &Node,
        map: &Map<String, Value>,
        place: &Place<'_>,
        old: Option<Old<'_>>,
        outcome: &mut Outcome,
    ) {
        let size = map.len() as u64;
        let validations = node.validations.as_deref();
        if let Some(min) = validations.and_then(|found| found.min_properties).filter(|&min| size < min) {
            outcome.fail(sized(Code::Other, place, map.len(), &format!("should have at least {min} properties")));
        }
        if let Some(max) = validations.and_then(|found| found.max_properties).filter(|&max| size > max) {
            let code = Code::TooMany(i64::try_from(max).unwrap_or(i64::MAX));
            outcome.fail(sized(code, place, map.len(), &format!("should have at most {max} properties")));
        }
        for (name, value) in map {
            let (id, place) = match (node.field(name), node.kind, node.items) {
                (Some(field), _, _) => (field.node, Place::Field(place, name)),
                (None, Kind::Object | Kind::Map, Some(items)) => (items, Place::Extra(place, name)),
                (None, Kind::Map, None) => {
                    let path = place.render();
                    let message = format!("{path}.{name} in body is a forbidden property");
                    let value = Some(Value::from(name.as_str()));
                    outcome.fail(Failure { code: Code::Other, name: path, value, message });
                    continue;
                }
                (None, _, _) => continue,
            };
            outcome.merge(match old.and_then(|old| self.old_field(old, name, &place)) {
                Some(old) => self.ratcheted(id, value, &place, old),
                None => self.value(id, value, &place, None),
            });
        }
        for name in validations.map(|found| found.required.as_slice()).unwrap_or_default() {
            if !map.contains_key(name) {
                let name = Place::Extra(place, name).render();
                let message = format!("{name} in body is required");
                outcome.fail(Failure { code: Code::Required, name, value: None, message });
            }
        }
    }

    /// Alternatives are checked without regard to the old value, as upstream does.
    fn junctors(&self, validations: &Validations, value: &Value, place: &Place<'_>, outcome: &mut Outcome) {
        let mut result = Outcome::default();
        if !validations.any_of.is_empty() {
            self.any_of(validations, value, place, &mut result);
        }
        if !validations.one_of.is_empty() {
            self.one_of(validations, value, place, &mut result);
        }
        if !validations.all_of.is_empty() {
            let mut validated = 0;
            for &id in &validations.all_of {
                let alternative = self.value(id, value, place, None);
                validated += usize::from(alternative.is_valid());
                result.merge(alternative);
            }
            if validated != validations.all_of.len() {
                let none = if validated == 0 { ". None validated" } else { "" };
                result.fail(general(place, &format!("must validate all the schemas (allOf){none}")));
            }
        }
        if let Some(id) = validations.not
            && self.value(id, value, place, None).is_valid()
        {
            result.fail(general(place, "must not validate the schema (not)"));
        }
        result.matches += 1;
        outcome.merge(result);
    }

    fn any_of(&self, validations: &Validations, value: &Value, place: &Place<'_>, result: &mut Outcome) {
        let mut best: Option<Outcome> = None;
        for &id in &validations.any_of {
            let alternative = self.value(id, value, place, None);
            if alternative.is_valid() {
                result.merge(alternative);
                return;
            }
            if best.as_ref().is_none_or(|best| alternative.matches > best.matches) {
                best = Some(alternative);
            }
        }
        result.fail(general(place, "must validate at least one schema (anyOf)"));
        if let Some(best) = best {
            result.merge(best);
        }
    }

    fn one_of(&self, validations: &Validations, value: &Value, place: &Place<'_>, result: &mut Outcome) {
        let mut best: Option<Outcome> = None;
        let mut first: Option<Outcome> = None;
        let mut validated = 0;
        for &id in &validations.one_of {
            let alternative = self.value(id, value, place, None);
            if alternative.is_valid() {
                validated += 1;
                best = None;
                first.get_or_insert(alternative);
            } else if validated == 0 && best.as_ref().is_none_or(|best| alternative.matches > best.matches) {
                best = Some(alternative);
            }
        }
        if validated == 1 {
            if let Some(first) = first {
                result.merge(first);
            }
            return;
        }
        let found = match validated {
            0 => "Found none valid".to_owned(),
            count => format!("Found {count} valid alternatives"),
        };
        result.fail(general(place, &format!("must validate one and only one schema (oneOf). {found}")));
        if let Some(best) = best {
            result.merge(best);
        }
    }

    fn old_field<'o>(&self, old: Old<'o>, name: &str, place: &Place<'_>) -> Option<Old<'o>> {
        let at_root = matches!(place, Place::Field(Place::Root, _) | Place::Extra(Place::Root, _));
        if at_root && matches!(name, "apiVersion" | "kind") {
            return None;
        }
        let value = old.value.as_object()?.get(name)?;
        Some(Old { value, node: field_node(self.schema, self.schema.node(old.node), name)? })
    }

    fn old_item<'o>(&self, old: Old<'o>, item: &Value) -> Option<Old<'o>> {
        let node = self.schema.node(old.node);
        let ListType::Map(keys) = &node.list_type else { return None };
        let value = find_by_keys(old.value.as_array()?, keys, item)?;
        Some(Old { value, node: node.items? })
    }
}
