//! Validation of custom resources against a compiled schema, as kube-openapi's `validate` does it and with its texts.
//!
//! Upstream runs a fixed list of validators over each value and counts what matched, because `anyOf` and `oneOf` report
//! the alternative that came closest. The counts are kept here too, so that the same errors are chosen.
//!
//! Hot path: a valid object allocates nothing; paths are built only for errors.

use super::{formats, goregex};
use crate::field_error::{ErrorType, FieldError, FieldErrors, go_float, go_quote};
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

/// Where a value is.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'a str),
    /// A value of `additionalProperties`: at the root upstream's path starts with a dot.
    Extra(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn render(&self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Field(parent, name) => {
                let parent = parent.render();
                if parent.is_empty() { (*name).to_owned() } else { format!("{parent}.{name}") }
            }
            Place::Extra(parent, name) => format!("{}.{name}", parent.render()),
            Place::Index(parent, index) => format!("{}[{index}]", parent.render()),
        }
    }
}

/// The value that a value replaces, with the structural node of both.
#[derive(Clone, Copy)]
struct Old<'a> {
    value: &'a Value,
    node: NodeId,
}

/// What is known about an error before it becomes a [`FieldError`].
enum Code {
    Required,
    Enum(Vec<String>),
    TooLong(i64),
    TooMany(i64),
    Type,
    Other,
    /// Not bound to a field: upstream reports it at the root.
    General,
}

struct Failure {
    code: Code,
    name: String,
    value: Option<Value>,
    message: String,
}

#[derive(Default)]
struct Outcome {
    failures: Vec<Failure>,
    matches: usize,
}

impl Outcome {
    fn fail(&mut self, failure: Failure) {
        if !self.failures.iter().any(|found| found.message == failure.message) {
            self.failures.push(failure);
        }
    }

    fn merge(&mut self, other: Outcome) {
        self.matches += other.matches;
        for failure in other.failures {
            self.fail(failure);
        }
    }

    fn is_valid(&self) -> bool {
        self.failures.is_empty()
    }
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

fn field_errors(outcome: Outcome, prefix: &str) -> FieldErrors {
    let root = if prefix.is_empty() { "<nil>" } else { prefix };
    let convert = |failure: Failure| {
        let name = failure.name.strip_prefix('.').unwrap_or(&failure.name);
        let field = match (name.is_empty() || matches!(failure.code, Code::General), prefix.is_empty()) {
            (true, _) => root.to_owned(),
            (false, true) => name.to_owned(),
            (false, false) => format!("{prefix}.{name}"),
        };
        let value = failure.value.unwrap_or_else(|| Value::from(""));
        match failure.code {
            Code::Required => FieldError::required(field, ""),
            Code::Enum(allowed) => {
                let quoted: Vec<String> = allowed.iter().map(|text| go_quote(text)).collect();
                let mut error = FieldError::not_supported(field, value, &[]);
                error.detail = format!("supported values: {}", quoted.join(", "));
                error
            }
            Code::TooLong(max) => FieldError::too_long(field, usize::try_from(max).unwrap_or_default()),
            Code::TooMany(max) => {
                let actual = value.as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
                FieldError::too_many(field, actual, usize::try_from(max).unwrap_or_default())
            }
            Code::Type => {
                let mut error = FieldError::type_invalid(field, value, failure.message);
                error.kind = ErrorType::TypeInvalid;
                error
            }
            Code::Other | Code::General => FieldError::invalid(field, value, failure.message),
        }
    };
    outcome.failures.into_iter().map(convert).collect()
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
            Value::Number(number) if number.is_f64() => ("number", "float64"),
            Value::Number(_) => ("integer", "int64"),
            Value::Array(_) => ("array", ""),
            Value::Object(_) => ("object", ""),
        };
        let is_numeric = types.contains(&"number") || types.contains(&"integer");
        let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
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

/// Returns the schema of a field; values of `additionalProperties: true` have none.
fn field_node(schema: &Schema, node: &Node, name: &str) -> Option<NodeId> {
    let is_known = |id: &NodeId| schema.node(*id).kind != Kind::Any || schema.node(*id).preserve_unknown;
    match (node.field(name), node.kind) {
        (Some(field), _) => Some(field.node),
        (None, Kind::Object | Kind::Map) => node.items.filter(is_known),
        (None, _) => None,
    }
}

fn find_by_keys<'v>(list: &'v [Value], keys: &[String], item: &Value) -> Option<&'v Value> {
    let key = |value: &Value, name: &str| -> Option<Value> {
        value.get(name).filter(|found| !matches!(found, Value::Null | Value::Array(_) | Value::Object(_))).cloned()
    };
    let wanted: Option<Vec<Value>> = keys.iter().map(|name| key(item, name)).collect();
    let wanted = wanted?;
    list.iter().find(|old| keys.iter().zip(&wanted).all(|(name, wanted)| key(old, name).as_ref() == Some(wanted)))
}

/// Whether a value equals the one it replaces, as far as the schema lets the two be compared: the items of a map list are
/// found by their keys, and fields without a schema count as changed.
fn unchanged(schema: &Schema, id: NodeId, new: &Value, old: &Value) -> bool {
    let node = schema.node(id);
    match (new, old) {
        (Value::Array(new), Value::Array(old)) => {
            if new.len() != old.len() {
                return false;
            }
            let (ListType::Map(keys), Some(items)) = (&node.list_type, node.items) else { return new == old };
            new.iter().all(|item| find_by_keys(old, keys, item).is_some_and(|old| unchanged(schema, items, item, old)))
        }
        (Value::Object(new), Value::Object(old)) => {
            new.len() == old.len()
                && new.iter().all(|(name, value)| match (old.get(name), field_node(schema, node, name)) {
                    (Some(old), Some(id)) => unchanged(schema, id, value, old),
                    _ => false,
                })
        }
        _ => new == old,
    }
}

fn wrong_type(place: &Place<'_>, expected: &str, found: &str) -> Failure {
    let name = place.render();
    let message = format!("{name} in body must be of type {expected}: {}", go_quote(found));
    Failure { code: Code::Type, name, value: Some(Value::from(found)), message }
}

fn sized(code: Code, place: &Place<'_>, size: usize, detail: &str) -> Failure {
    let name = place.render();
    let message = format!("{name} in body {detail}");
    Failure { code, name, value: Some(Value::from(size)), message }
}

fn general(place: &Place<'_>, detail: &str) -> Failure {
    let message = format!("{} {detail}", go_quote(&place.render()));
    Failure { code: Code::General, name: String::new(), value: None, message }
}

fn enum_matches(allowed: &Value, value: &Value) -> bool {
    match (allowed, value) {
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Number(allowed), Value::Number(value)) => {
            if allowed.is_f64() {
                allowed.as_f64() == value.as_f64()
            } else {
                let whole = value.as_f64().map(f64::trunc);
                allowed == value || (value.is_f64() && allowed.as_f64() == whole)
            }
        }
        (allowed, value) => allowed == value,
    }
}

fn string(validations: &Validations, text: &str, place: &Place<'_>, outcome: &mut Outcome) {
    let fail = |code: Code, detail: String| {
        let name = place.render();
        let message = format!("{name} in body {detail}");
        Failure { code, name, value: Some(Value::from(text)), message }
    };
    let bounded = validations.max_length.is_some() || validations.min_length.is_some();
    let length = if bounded { text.chars().count() as u64 } else { 0 };
    if let Some(max) = validations.max_length.filter(|&max| length > max) {
        let code = Code::TooLong(i64::try_from(max).unwrap_or(i64::MAX));
        outcome.fail(fail(code, format!("should be at most {max} chars long")));
    } else if let Some(min) = validations.min_length.filter(|&min| length < min) {
        outcome.fail(fail(Code::Other, format!("should be at least {min} chars long")));
    } else if let Some(pattern) = &validations.pattern {
        match goregex::compile(pattern) {
            Ok(regex) if regex.is_match(text) => {}
            Ok(_) => outcome.fail(fail(Code::Other, format!("should match '{pattern}'"))),
            Err(error) => {
                let detail = format!("should match '{pattern}, but pattern is invalid: {error}'");
                outcome.fail(fail(Code::Other, detail));
            }
        }
    }
}

/// Compares exactly when the value is an integer, as upstream does by truncating the bound.
enum Numeric {
    Integer(i128),
    Float(f64),
}

fn number(validations: &Validations, value: &Value, place: &Place<'_>, outcome: &mut Outcome) {
    let numeric = match (value.as_i64(), value.as_u64(), value.as_f64()) {
        (Some(number), _, _) => Numeric::Integer(i128::from(number)),
        (None, Some(number), _) => Numeric::Integer(i128::from(number)),
        (None, None, number) => Numeric::Float(number.unwrap_or_default()),
    };
    let fail = |detail: String| {
        let name = place.render();
        let message = format!("{name} in body {detail}");
        Failure { code: Code::Other, name, value: Some(value.clone()), message }
    };
    let show = |bound: f64| match numeric {
        #[allow(clippy::cast_possible_truncation)]
        Numeric::Integer(_) => (bound as i64).to_string(),
        Numeric::Float(_) => go_float(bound),
    };
    if let Some(factor) = validations.multiple_of {
        // For integers upstream cuts the factor off, so that 0.5 becomes 0 and is refused.
        let (factor, shown) = match numeric {
            Numeric::Integer(_) => (factor.trunc(), Value::from(factor.trunc() as i64)),
            Numeric::Float(_) => (factor, Value::from(factor)),
        };
        if factor <= 0.0 {
            let name = place.render();
            let message = format!("factor MultipleOf declared for {name} must be positive: {}", show(factor));
            outcome.fail(Failure { code: Code::Other, name, value: Some(shown), message });
        } else if !is_multiple(&numeric, factor) {
            outcome.fail(fail(format!("should be a multiple of {}", show(factor))));
        }
    }
    if let Some((min, exclusive)) = validations.minimum
        && compare(&numeric, min) < if exclusive { 1 } else { 0 }
    {
        let word = if exclusive { "greater than" } else { "greater than or equal to" };
        outcome.fail(fail(format!("should be {word} {}", show(min))));
    }
    if let Some((max, exclusive)) = validations.maximum
        && compare(&numeric, max) > if exclusive { -1 } else { 0 }
    {
        let word = if exclusive { "less than" } else { "less than or equal to" };
        outcome.fail(fail(format!("should be {word} {}", show(max))));
    }
}

fn compare(numeric: &Numeric, bound: f64) -> i32 {
    let ordering = match numeric {
        #[allow(clippy::cast_possible_truncation)]
        Numeric::Integer(number) => number.cmp(&i128::from(bound as i64)),
        Numeric::Float(number) => number.total_cmp(&bound),
    };
    ordering as i32
}

fn is_multiple(numeric: &Numeric, factor: f64) -> bool {
    match numeric {
        #[allow(clippy::cast_possible_truncation)]
        Numeric::Integer(number) => match i128::from(factor as i64) {
            0 => false,
            factor => number % factor == 0,
        },
        Numeric::Float(number) => {
            let quotient = if factor < 1.0 { 1.0 / factor * number } else { number / factor };
            (quotient - quotient.round()).abs() <= f64::EPSILON * quotient.abs().max(1.0)
        }
    }
}

fn has_duplicates(list: &[Value]) -> bool {
    list.iter().enumerate().any(|(index, item)| list[..index].contains(item))
}
