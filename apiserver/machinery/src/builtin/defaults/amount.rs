//! Quantities as exact counts of billionths: enough arithmetic for defaulting (round up to thousandths, add, compare).
//!
//! Values that need more than 128 bits are not handled; callers leave such quantities as they are.

use std::cmp::Ordering;

const NANO_PER_UNIT: i128 = 1_000_000_000;
const NANO_PER_MILLI: i128 = 1_000_000;
const DECIMAL: &[(&str, i32)] =
    &[("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: &[&str] = &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Which suffixes a quantity is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Decimal,
    Binary,
    Exponent,
}

/// A quantity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    nanos: i128,
    format: Format,
}

impl Amount {
    /// Parses a quantity; `None` when it is malformed, too large or finer than a billionth.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        let (number, suffix) = digits.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
        let places = i32::try_from(fraction.len()).ok()?;
        let (nanos, format) = scale(mantissa, places, suffix)?;
        Some(Self { nanos: if negative { -nanos } else { nanos }, format })
    }

    /// Returns the quantity rounded away from zero to thousandths, or `None` when it needs no rounding.
    pub(super) fn rounded_to_milli(self) -> Option<Self> {
        let rest = self.nanos % NANO_PER_MILLI;
        if rest == 0 {
            return None;
        }
        let nanos = self.nanos - rest + rest.signum() * NANO_PER_MILLI;
        Some(Self { nanos, ..self })
    }

    /// Returns the sum, written the way the first summand is unless that is zero.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Some(Self { nanos: self.nanos.checked_add(other.nanos)?, format })
    }

    /// Compares the values.
    pub(super) fn compare(self, other: Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// Applies a suffix; `None` when it is unknown or the result does not fit or is not whole billionths.
fn scale(mantissa: i128, places: i32, suffix: &str) -> Option<(i128, Format)> {
    if let Some(power) = BINARY.iter().position(|name| *name == suffix && !name.is_empty()) {
        let shifted = mantissa.checked_mul(1_i128 << (10 * power))?.checked_mul(NANO_PER_UNIT)?;
        return ten(shifted, -places).map(|nanos| (nanos, Format::Binary));
    }
    let (exponent, format) = match DECIMAL.iter().find(|(name, _)| *name == suffix) {
        Some((_, exponent)) => (*exponent, Format::Decimal),
        None => (suffix.strip_prefix(['e', 'E'])?.parse().ok()?, Format::Exponent),
    };
    ten(mantissa, exponent.checked_add(9)?.checked_sub(places)?).map(|nanos| (nanos, format))
}

/// Multiplies by a power of ten; `None` when the result is not whole or does not fit.
fn ten(value: i128, exponent: i32) -> Option<i128> {
    let factor = 10_i128.checked_pow(exponent.unsigned_abs())?;
    if exponent >= 0 { value.checked_mul(factor) } else { (value % factor == 0).then(|| value / factor) }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let whole = self.nanos % NANO_PER_UNIT == 0;
        if self.format == Format::Binary && whole && (self.nanos / NANO_PER_UNIT).abs() >= 1024 {
            let mut value = self.nanos / NANO_PER_UNIT;
            let mut power = 0;
            while value % 1024 == 0 && power + 1 < BINARY.len() {
                value /= 1024;
                power += 1;
            }
            return write!(f, "{value}{}", BINARY[power]);
        }
        let mut value = self.nanos;
        let mut step = 0;
        while value % 1000 == 0 && step + 1 < DECIMAL.len() {
            value /= 1000;
            step += 1;
        }
        let (suffix, exponent) = DECIMAL[step];
        match (self.format, exponent) {
            (Format::Exponent, 0) => write!(f, "{value}"),
            (Format::Exponent, _) => write!(f, "{value}e{exponent}"),
            (Format::Decimal | Format::Binary, _) => write!(f, "{value}{suffix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_quantities_are_rounded_away_from_zero_to_thousandths() {
        for (text, rounded) in
            [("100u", "1m"), ("1500u", "2m"), ("-100n", "-1m"), ("1.0005", "1001m"), ("1e-6", "1e-3")]
        {
            let amount = Amount::parse(text).and_then(Amount::rounded_to_milli).map(|amount| amount.to_string());
            assert_eq!(amount.as_deref(), Some(rounded), "{text}");
        }
        for text in ["1", "100m", "1Ki", "1.5Gi", "12e3", "0", "1E"] {
            assert!(Amount::parse(text).expect("parses").rounded_to_milli().is_none(), "{text}");
        }
        for text in ["", "-", ".", "1x", "1..2"] {
            assert!(Amount::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_sum_is_written_like_its_first_summand() {
        for (a, b, sum) in
            [("1Gi", "512Mi", "1536Mi"), ("100m", "1", "1100m"), ("0", "1Ki", "1Ki"), ("500Mi", "1", "524288001")]
        {
            let total = Amount::parse(a).expect("parses").plus(Amount::parse(b).expect("parses")).expect("fits");
            assert_eq!(total.to_string(), sum);
        }
    }
}
