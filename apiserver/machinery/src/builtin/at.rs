//! A cursor over a document: a value together with the path that leads to it.
//!
//! The path is a chain of borrowed steps, so walking a valid object allocates nothing; it is rendered only when an
//! error is written. Accessors never fail: what is absent or of another type reads as its zero value.

use crate::field_error::{ErrorType, FieldError, FieldErrors, go_quote};
use serde_json::Value;
use std::fmt::Write as _;

/// What absent values point to.
pub(crate) static ABSENT: Value = Value::Null;

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Index(usize),
    Key(&'p str),
}

/// A value and the path to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'p, 'v> {
    value: &'v Value,
    parent: Option<&'p At<'p, 'v>>,
    step: Step<'p>,
}

impl<'v> At<'v, 'v> {
    /// A document.
    pub(crate) fn root(value: &'v Value) -> Self {
        Self { value, parent: None, step: Step::Root }
    }
}

impl<'p, 'v> At<'p, 'v> {
    pub(crate) fn value(&self) -> &'v Value {
        self.value
    }

    /// A field of this object.
    pub(crate) fn get<'s>(&'s self, name: &'s str) -> At<'s, 'v> {
        let value = self.value.as_object().and_then(|map| map.get(name)).unwrap_or(&ABSENT);
        At { value, parent: Some(self), step: Step::Field(name) }
    }

    /// A child whose path differs from where its value lies.
    pub(crate) fn named<'s>(&'s self, name: &'s str, value: &'v Value) -> At<'s, 'v> {
        At { value, parent: Some(self), step: Step::Field(name) }
    }

    /// An item of this list.
    pub(crate) fn item(&self, index: usize) -> At<'_, 'v> {
        let value = self.value.as_array().and_then(|list| list.get(index)).unwrap_or(&ABSENT);
        At { value, parent: Some(self), step: Step::Index(index) }
    }

    /// An entry of this map.
    pub(crate) fn key<'s>(&'s self, key: &'s str) -> At<'s, 'v> {
        let value = self.value.as_object().and_then(|map| map.get(key)).unwrap_or(&ABSENT);
        At { value, parent: Some(self), step: Step::Key(key) }
    }

    /// An entry of this map whose key is shown differently.
    pub(crate) fn keyed<'s>(&'s self, key: &'s str, value: &'v Value) -> At<'s, 'v> {
        At { value, parent: Some(self), step: Step::Key(key) }
    }

    /// All items of this list.
    pub(crate) fn items<'s>(&'s self) -> impl Iterator<Item = At<'s, 'v>> + use<'s, 'p, 'v> {
        let list: &'v [Value] = self.value.as_array().map_or(&[], Vec::as_slice);
        list.iter().enumerate().map(move |(index, value)| At { value, parent: Some(self), step: Step::Index(index) })
    }

    /// All entries of this map in key order.
    pub(crate) fn entries<'s>(&'s self) -> impl Iterator<Item = (&'v str, At<'s, 'v>)> + use<'s, 'p, 'v> {
        self.value
            .as_object()
            .into_iter()
            .flatten()
            .map(move |(key, value)| (key.as_str(), At { value, parent: Some(self), step: Step::Key(key) }))
    }

    /// The string here, or `""`.
    pub(crate) fn str(&self) -> &'v str {
        self.value.as_str().unwrap_or("")
    }

    /// The string here, if there is one.
    pub(crate) fn text(&self) -> Option<&'v str> {
        self.value.as_str()
    }

    /// The integer here, or 0.
    pub(crate) fn int(&self) -> i64 {
        self.number().unwrap_or(0)
    }

    /// The integer here, if there is one.
    pub(crate) fn number(&self) -> Option<i64> {
        self.value.as_i64().or_else(|| self.value.as_u64().map(|_| i64::MAX))
    }

    /// The boolean here, or `false`.
    pub(crate) fn flag(&self) -> bool {
        self.value.as_bool().unwrap_or(false)
    }

    /// The boolean here, if there is one.
    pub(crate) fn flag_opt(&self) -> Option<bool> {
        self.value.as_bool()
    }

    /// Whether anything is here: neither absent nor `null`.
    pub(crate) fn has(&self) -> bool {
        !self.value.is_null()
    }

    /// Number of items, entries or bytes.
    pub(crate) fn len(&self) -> usize {
        match self.value {
            Value::Array(list) => list.len(),
            Value::Object(map) => map.len(),
            Value::String(text) => text.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }

    /// Whether there are no items, entries or bytes.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All strings of this list.
    pub(crate) fn strings(&self) -> impl Iterator<Item = &'v str> + use<'v> {
        self.value.as_array().into_iter().flatten().map(|value| value.as_str().unwrap_or(""))
    }

    /// Whether this list of strings contains one.
    pub(crate) fn contains(&self, wanted: &str) -> bool {
        self.strings().any(|text| text == wanted)
    }

    /// Renders the path, as `spec.containers[0].name`.
    pub(crate) fn path(&self) -> String {
        let mut out = self.parent.map(At::path).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Field(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Step::Index(index) => write!(out, "[{index}]").expect("a String takes any text"),
            Step::Key(key) => write!(out, "[{key}]").expect("a String takes any text"),
        }
        out
    }
}

/// Errors about the place a cursor points to.
impl At<'_, '_> {
    pub(crate) fn required(&self, errors: &mut FieldErrors, detail: &str) {
        errors.push(FieldError::required(self.path(), detail));
    }

    /// `Required value` when the string, list or map here is empty; returns whether it was.
    pub(crate) fn require(&self, errors: &mut FieldErrors) -> bool {
        let empty = self.is_empty();
        if empty {
            self.required(errors, "");
        }
        empty
    }

    pub(crate) fn forbidden(&self, errors: &mut FieldErrors, detail: impl Into<String>) {
        errors.push(FieldError::forbidden(self.path(), detail));
    }

    pub(crate) fn invalid(&self, errors: &mut FieldErrors, value: impl Into<Value>, detail: impl Into<String>) {
        errors.push(FieldError::invalid(self.path(), value, detail));
    }

    /// `Invalid value` that shows what is here.
    pub(crate) fn invalid_here(&self, errors: &mut FieldErrors, detail: impl Into<String>) {
        self.invalid(errors, self.value.clone(), detail);
    }

    /// `Invalid value` that shows a text as it is: for documents whose field order matters.
    pub(crate) fn invalid_shown(&self, errors: &mut FieldErrors, shown: &str, detail: &str) {
        errors.push(FieldError::invalid_shown(self.path(), shown, detail));
    }

    /// `Duplicate value` that shows a text as it is.
    pub(crate) fn duplicate_shown(&self, errors: &mut FieldErrors, shown: &str) {
        let mut error = FieldError::duplicate(self.path(), self.value.clone());
        error.omit_value = true;
        shown.clone_into(&mut error.detail);
        errors.push(error);
    }

    /// `Unsupported value` that shows a text as it is.
    pub(crate) fn unsupported_shown(&self, errors: &mut FieldErrors, shown: &str, supported: &[&str]) {
        self.unsupported_value(errors, self.value.clone(), supported);
        if let Some(error) = errors.last_mut() {
            error.omit_value = true;
            error.detail = format!("{shown}: {}", error.detail);
        }
    }

    /// `Unsupported value` that shows the string here. The supported ones are listed in the order given.
    pub(crate) fn unsupported(&self, errors: &mut FieldErrors, supported: &[&str]) {
        self.unsupported_value(errors, self.str(), supported);
    }

    pub(crate) fn unsupported_value(&self, errors: &mut FieldErrors, value: impl Into<Value>, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(|value| go_quote(value)).collect();
        let mut error = FieldError::not_supported(self.path(), value, &[]);
        error.detail = format!("supported values: {}", quoted.join(", "));
        errors.push(error);
    }

    /// `Unsupported value` unless the string here is one of these.
    pub(crate) fn one_of(&self, errors: &mut FieldErrors, supported: &[&str]) {
        if !supported.contains(&self.str()) {
            self.unsupported(errors, supported);
        }
    }

    /// `Required value` when empty, else as [`At::one_of`].
    pub(crate) fn require_one_of(&self, errors: &mut FieldErrors, supported: &[&str]) {
        if self.str().is_empty() {
            self.required(errors, "");
        } else {
            self.one_of(errors, supported);
        }
    }

    pub(crate) fn duplicate(&self, errors: &mut FieldErrors, value: impl Into<Value>) {
        errors.push(FieldError::duplicate(self.path(), value));
    }

    pub(crate) fn not_found(&self, errors: &mut FieldErrors, value: impl Into<Value>) {
        errors.push(FieldError::not_found(self.path(), value));
    }

    pub(crate) fn too_long(&self, errors: &mut FieldErrors, max_bytes: usize) {
        errors.push(FieldError::too_long(self.path(), max_bytes));
    }

    pub(crate) fn too_many(&self, errors: &mut FieldErrors, actual: usize, max: usize) {
        errors.push(FieldError::too_many(self.path(), actual, max));
    }

    pub(crate) fn internal(&self, errors: &mut FieldErrors, detail: &str) {
        errors.push(FieldError { kind: ErrorType::InternalError, ..FieldError::required(self.path(), detail) });
    }

    /// `Invalid value` for each complaint about the string here.
    pub(crate) fn check(&self, errors: &mut FieldErrors, format: fn(&str) -> Vec<String>) {
        for message in format(self.str()) {
            self.invalid(errors, self.str(), message);
        }
    }

    /// As [`At::check`], when a string is here and not empty.
    pub(crate) fn check_set(&self, errors: &mut FieldErrors, format: fn(&str) -> Vec<String>) {
        if !self.str().is_empty() {
            self.check(errors, format);
        }
    }

    /// As [`At::check`], about a string from elsewhere.
    pub(crate) fn check_text(&self, errors: &mut FieldErrors, text: &str, format: fn(&str) -> Vec<String>) {
        for message in format(text) {
            self.invalid(errors, text, message);
        }
    }

    /// `Required value` when empty, else as [`At::check`].
    pub(crate) fn require_check(&self, errors: &mut FieldErrors, format: fn(&str) -> Vec<String>) {
        if !self.require(errors) {
            self.check(errors, format);
        }
    }

    /// `Invalid value` for each complaint about the integer here.
    pub(crate) fn check_int(&self, errors: &mut FieldErrors, format: fn(i64) -> Vec<String>) {
        for message in format(self.int()) {
            self.invalid(errors, self.int(), message);
        }
    }

    /// `must be greater than or equal to 0`.
    pub(crate) fn non_negative(&self, errors: &mut FieldErrors) {
        if self.int() < 0 {
            self.invalid(errors, self.int(), "must be greater than or equal to 0");
        }
    }

    /// `must be greater than zero`.
    pub(crate) fn positive(&self, errors: &mut FieldErrors) {
        if self.int() <= 0 {
            self.invalid(errors, self.int(), "must be greater than zero");
        }
    }

    /// `field is immutable` when this differs from another value.
    pub(crate) fn immutable(&self, errors: &mut FieldErrors, old: &Value) {
        if !super::same::same(self.value, old) {
            self.invalid_here(errors, "field is immutable");
        }
    }
}
