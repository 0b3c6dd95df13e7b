//! Outcomes of value validation: what failed, how much matched, and how failures become field errors.

use crate::field_error::{ErrorType, FieldError, FieldErrors, go_quote};
use serde_json::Value;

/// Where a value is.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'a str),
    /// A value of `additionalProperties`: at the root upstream's path starts with a dot.
    Extra(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    pub(super) fn render(&self) -> String {
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

/// What is known about an error before it becomes a [`FieldError`].
pub(super) enum Code {
    Required,
    Enum(Vec<String>),
    TooLong(i64),
    TooMany(i64),
    Type,
    Other,
    /// Not bound to a field: upstream reports it at the root.
    General,
}

pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) name: String,
    pub(super) value: Option<Value>,
    pub(super) message: String,
}

#[derive(Default)]
pub(super) struct Outcome {
    pub(super) failures: Vec<Failure>,
    pub(super) matches: usize,
}

impl Outcome {
    pub(super) fn fail(&mut self, failure: Failure) {
        if !self.failures.iter().any(|found| found.message == failure.message) {
            self.failures.push(failure);
        }
    }

    pub(super) fn merge(&mut self, other: Outcome) {
        self.matches += other.matches;
        for failure in other.failures {
            self.fail(failure);
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        self.failures.is_empty()
    }
}

pub(super) fn field_errors(outcome: Outcome, prefix: &str) -> FieldErrors {
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

pub(super) fn wrong_type(place: &Place<'_>, expected: &str, found: &str) -> Failure {
    let name = place.render();
    let message = format!("{name} in body must be of type {expected}: {}", go_quote(found));
    Failure { code: Code::Type, name, value: Some(Value::from(found)), message }
}

pub(super) fn sized(code: Code, place: &Place<'_>, size: usize, detail: &str) -> Failure {
    let name = place.render();
    let message = format!("{name} in body {detail}");
    Failure { code, name, value: Some(Value::from(size)), message }
}

pub(super) fn general(place: &Place<'_>, detail: &str) -> Failure {
    let message = format!("{} {detail}", go_quote(&place.render()));
    Failure { code: Code::General, name: String::new(), value: None, message }
}
