//! What plain YAML scalars mean: the rules of go-yaml v2, which follow YAML 1.1.

use serde_json::{Number, Value};

/// Reads an integer with Go's prefixes: `0x`, `0o`, `0b`, a leading zero for octal; underscores are gone already.
fn integer(text: &str) -> Option<Value> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    if let Ok(number) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Value::from(number));
    }
    if sign.is_empty() { u64::from_str_radix(digits, radix).ok().map(Value::from) } else { None }
}

/// Has a text the shape of a decimal floating-point number?
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_good = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_good = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_good && exponent_good
}

/// Makes the number that Go's JSON would make of a float: integers lose their fraction.
fn float(text: &str) -> Option<Value> {
    let float: f64 = text.parse().ok()?;
    let mut value = Value::Number(Number::from_f64(float)?);
    crate::json::whole_numbers(&mut value);
    Some(value)
}

/// A scalar that JSON cannot express.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotJson(pub(super) &'static str);

/// Returns the value of a plain scalar.
pub(super) fn resolve(text: &str) -> Result<Value, NotJson> {
    let value = match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        ".nan" | ".NaN" | ".NAN" => return Err(NotJson("NaN")),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Err(NotJson("+Inf")),
        "-.inf" | "-.Inf" | "-.INF" => return Err(NotJson("-Inf")),
        _ => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    };
    Ok(value)
}

fn number(text: &str) -> Option<Value> {
    match text.as_bytes().first()? {
        b'.' => float(text).filter(|_| is_float(text)),
        b'0'..=b'9' | b'+' | b'-' => {
            let plain: String = text.chars().filter(|c| *c != '_').collect();
            integer(&plain).or_else(|| float(&plain).filter(|_| is_float(&plain)))
        }
        _ => None,
    }
}

/// Returns the text of a scalar that is used as a key; `None` for null.
pub(super) fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
