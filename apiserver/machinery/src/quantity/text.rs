//! Quantities from and to text.

use super::decimal::Decimal;
use super::{Format, ParseError, Quantity};
use std::cmp::Ordering;

/// Smallest unit; anything below is rounded up to it.
const NANO: i32 = -9;
/// Most digits that upstream handles in an `int64`.
const INT64_DIGITS: i32 = 18;

/// The parts of a quantity's text.
struct Parts<'a> {
    positive: bool,
    /// Whole digits without leading zeros; `0` when there are none.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
    /// There is no digit at all.
    blank: bool,
}

fn leading(text: &str, class: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !class(byte)).unwrap_or(text.len());
    text.split_at(end)
}

fn split(text: &str) -> Result<Parts<'_>, ParseError> {
    let (positive, rest) = match text.as_bytes().first() {
        Some(b'-') => (false, &text[1..]),
        Some(b'+') => (true, &text[1..]),
        _ => (true, text),
    };
    let (zeros, rest) = leading(rest, |byte| byte == b'0');
    let (whole, rest) = leading(rest, |byte| byte.is_ascii_digit());
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => leading(rest, |byte| byte.is_ascii_digit()),
        None => ("", rest),
    };
    let (_, tail) = leading(suffix, |byte| b"eEinumkKMGTP".contains(&byte));
    let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
    if !tail.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseError::Format);
    }
    let blank = zeros.is_empty() && whole.is_empty() && fraction.is_empty();
    Ok(Parts { positive, whole: if whole.is_empty() { "0" } else { whole }, fraction, suffix, blank })
}

/// Returns base, exponent and format of a suffix.
fn interpret(suffix: &str) -> Option<(i32, i32, Format)> {
    let decimal = |exponent| Some((10, exponent, Format::DecimalSi));
    let binary = |exponent| Some((2, exponent, Format::BinarySi));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let digits = suffix.strip_prefix(['e', 'E']).filter(|digits| !digits.is_empty())?;
            let exponent: i64 = digits.parse().ok()?;
            // Amounts of such size compare and print alike; the cut only keeps arithmetic within its types.
            let limit = i64::from(i32::MAX / 2);
            let exponent = i32::try_from(exponent.clamp(-limit, limit)).expect("it was clamped");
            Some((10, exponent, Format::DecimalExponent))
        }
    }
}

/// Reads digits; those beyond what fits are rounded up. Returns the mantissa and how many places were cut.
fn read_digits(whole: &str, fraction: &str) -> (i128, i32) {
    let (mut mantissa, mut cut, mut lost) = (0i128, 0, false);
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = i128::from(byte - b'0');
        let next = if cut > 0 { None } else { mantissa.checked_mul(10).and_then(|next| next.checked_add(digit)) };
        match next {
            Some(next) => mantissa = next,
            None => {
                cut += 1;
                lost |= digit != 0;
            }
        }
    }
    if lost {
        mantissa += 1;
    }
    (mantissa, cut)
}

/// Length of a string of digits as upstream's 32-bit arithmetic can use it.
fn len(digits: &str) -> i32 {
    i32::try_from(digits.len()).unwrap_or(i32::MAX / 4)
}

/// Does upstream write the text back unchanged? `None` when it takes its slow way, which never does.
fn keeps_text(parts: &Parts<'_>, exponent: i32, format: Format) -> Option<bool> {
    let shifted = format!("{}{}", parts.whole, parts.fraction);
    match format {
        Format::DecimalExponent | Format::DecimalSi => {
            let scale = exponent - len(parts.fraction);
            if INT64_DIGITS - len(&shifted) < 0 || scale < NANO {
                return None;
            }
            Some(scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0'))
        }
        Format::BinarySi => {
            if !parts.fraction.is_empty() || 15 - len(parts.whole) - exponent * 3 / 10 - 1 < 0 {
                return None;
            }
            let value: i64 = shifted.parse().ok()?;
            value.checked_mul(1i64 << exponent)?;
            Some(value & 7 != 0)
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Quantity, ParseError> {
    if text.is_empty() {
        return Err(ParseError::Format);
    }
    if text == "0" {
        return Ok(Quantity { amount: Decimal::default(), format: Format::DecimalSi, text: Some(text.to_owned()) });
    }
    let parts = split(text)?;
    let (base, exponent, mut format) = interpret(parts.suffix).ok_or(ParseError::Suffix)?;
    let kept = keeps_text(&parts, exponent, format);
    let (mantissa, cut) = read_digits(parts.whole, parts.fraction);
    let mut amount = Decimal::new(mantissa, cut - len(parts.fraction));
    if base == 10 {
        amount.scale = amount.scale.saturating_add(exponent);
    } else {
        amount = amount.mul(1i64 << exponent);
    }
    if kept.is_none() {
        if parts.blank {
            return Err(ParseError::Numeric);
        }
        amount = amount.round_up(NANO);
        let max = Decimal::new(i128::from(i64::MAX), 0);
        if format == Format::BinarySi && amount.compare(&max) == Ordering::Greater {
            amount = max;
        }
        if format == Format::BinarySi && !amount.is_zero() && amount.compare(&Decimal::new(1, 0)) == Ordering::Less {
            format = Format::DecimalSi;
        }
    }
    if !parts.positive {
        amount = amount.neg();
    }
    let text = kept.unwrap_or(false).then(|| text.to_owned());
    Ok(Quantity { amount, format, text })
}

/// Returns the canonical text of an amount.
pub(super) fn canonical(amount: &Decimal, format: Format) -> String {
    if amount.is_zero() {
        return "0".to_owned();
    }
    if format == Format::BinarySi {
        let small = amount.compare(&Decimal::new(-1024, 0)) == Ordering::Greater
            && amount.compare(&Decimal::new(1024, 0)) == Ordering::Less;
        if let Some(whole) = amount.whole().filter(|_| !small) {
            let (number, times) = Decimal::strip_factors(i128::from(whole), 1024);
            let suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
            let suffix = usize::try_from(times).ok().and_then(|times| suffixes.get(times)).unwrap_or(&"");
            return format!("{number}{suffix}");
        }
    }
    let (mut number, times) = Decimal::strip_factors(amount.mantissa, 10);
    let mut exponent = amount.scale.saturating_add(times);
    let mut zeros = 0;
    while exponent % 3 != 0 {
        exponent -= 1;
        match number.checked_mul(10) {
            Some(next) => number = next,
            None => zeros += 1,
        }
    }
    let zeros = "0".repeat(zeros);
    format!("{number}{zeros}{}", decimal_suffix(exponent, format))
}

fn decimal_suffix(exponent: i32, format: Format) -> String {
    if format == Format::DecimalExponent {
        return if exponent == 0 { String::new() } else { format!("e{exponent}") };
    }
    let suffix = match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        // Upstream has no suffix for larger amounts and writes none.
        _ => "",
    };
    suffix.to_owned()
}
