//! Validation of strings, numbers and enumerations, with kube-openapi's texts.

use super::goregex;
use super::outcome::{Code, Failure, Outcome, Place};
use crate::field_error::go_float;
use crate::schema::Validations;
use serde_json::Value;

pub(super) fn enum_matches(allowed: &Value, value: &Value) -> bool {
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

pub(super) fn string(validations: &Validations, text: &str, place: &Place<'_>, outcome: &mut Outcome) {
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

pub(super) fn number(validations: &Validations, value: &Value, place: &Place<'_>, outcome: &mut Outcome) {
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

pub(super) fn has_duplicates(list: &[Value]) -> bool {
    list.iter().enumerate().any(|(index, item)| list[..index].contains(item))
}
