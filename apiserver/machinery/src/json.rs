//! Writes JSON as Go's `encoding/json` does, which is what clients of upstream get: `<`, `>`, `&` and the two line
//! separators of Unicode are escaped in strings, and floats are printed as Go prints them.
//!
//! Upstream does so for built-in types, custom resources and Status messages alike. Objects are stored as clients get
//! them, so the work is done once, when they are written, and copied with the bytes afterwards.
//!
//! Hot path: every stored object is written here. What there is to do beyond `serde_json` is a look at each byte of a
//! string.

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// Appends a value as compact JSON.
///
/// # Panics
/// When the value has keys that are no strings, or a `Serialize` of its own that fails.
pub fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    value.serialize(&mut Serializer::with_formatter(out, GoFormatter)).expect("writing to memory does not fail");
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        let mut done = 0;
        let mut at = 0;
        while at < bytes.len() {
            let (escape, width) = match bytes[at] {
                b'<' => ("\\u003c", 1),
                b'>' => ("\\u003e", 1),
                b'&' => ("\\u0026", 1),
                0xe2 if bytes[at..].starts_with(b"\xe2\x80\xa8") => ("\\u2028", 3),
                0xe2 if bytes[at..].starts_with(b"\xe2\x80\xa9") => ("\\u2029", 3),
                _ => {
                    at += 1;
                    continue;
                }
            };
            writer.write_all(&bytes[done..at])?;
            writer.write_all(escape.as_bytes())?;
            at += width;
            done = at;
        }
        writer.write_all(&bytes[done..])
    }
}

/// Prints a finite float: the fewest digits that read back as it, with an exponent where it is very small or large.
#[must_use]
pub fn float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

/// Replaces floats without a fraction by the integers that they are printed as, so that a document equals what is stored
/// of it: those below 2^53, and those that are read back as unsigned integers.
pub fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let Some(number) = number.as_f64() else { return };
            if let Some(whole) = whole(number) {
                *value = Value::from(whole);
            } else if let Some(whole) = float(number).parse::<u64>().ok().filter(|whole| i64::try_from(*whole).is_err())
            {
                *value = Value::from(whole);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns the integer that a float is. Those at 2^53 and beyond are none: upstream's validation refuses them as
/// integers, because they may stand for others.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
pub fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then_some(float as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(value: &Value) -> String {
        let mut out = Vec::new();
        write(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let value = json!({"<k>": "<b>&\u{2028}\u{2029}\u{7f}\u{1}é😀\u{8}\u{c}/\"\u{2027}"});
        let expected =
            "{\"\\u003ck\\u003e\":\"\\u003cb\\u003e\\u0026\\u2028\\u2029\u{7f}\\u0001é😀\\b\\f/\\\"\u{2027}\"}";
        assert_eq!(text(&value), expected);
        assert_eq!(serde_json::from_str::<Value>(&text(&value)).unwrap(), value);
    }

    #[test]
    fn floats_are_printed_as_go_prints_them() {
        for (value, expected) in [
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1.5e300, "1.5e+300"),
            (0.1, "0.1"),
            (1.0, "1"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (5e-324, "5e-324"),
            (0.300_000_000_000_000_04, "0.30000000000000004"),
            (12_345_678_901_234_567_890.0, "12345678901234567000"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(text(&json!(value)), expected);
        }
    }

    #[test]
    fn whole_floats_are_what_they_are_read_back_as() {
        let mut value = json!({"a": [1.0, -0.0, 1e3, 2.5, 1e21], "b": 1e-7});
        whole_numbers(&mut value);
        assert_eq!(value, serde_json::from_str::<Value>(&text(&value)).unwrap());
        assert_eq!(value["a"][0], json!(1));
        let mut large = json!([9_007_199_254_740_992.0, 12_345_678_901_234_567_890.0]);
        whole_numbers(&mut large);
        assert!(large[0].is_f64());
        assert_eq!(large[1], serde_json::from_str::<Value>(&text(&large[1])).unwrap());
    }
}
