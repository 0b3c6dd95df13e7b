//! Quantities as numbers: just enough to compare and add them while validating.
//!
//! The quantity module owns parsing and canonical text for documents; this reads values that it already accepted.

use std::cmp::Ordering;

/// A quantity in billionths, saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Amount(pub(crate) i128);

const NANO: i128 = 1_000_000_000;

impl Amount {
    /// Reads a quantity; `None` when it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (multiplier, divisor) = scale(suffix)?;
        let mut mantissa: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa.saturating_mul(10).saturating_add(i128::from(digit - b'0'));
        }
        let below = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let numerator = mantissa.saturating_mul(multiplier).saturating_mul(NANO);
        let denominator = below.saturating_mul(divisor);
        let nanos = numerator / denominator + i128::from(numerator % denominator != 0);
        Some(Self(if negative { -nanos } else { nanos }))
    }

    /// The amount of a text that may be absent or malformed.
    pub(crate) fn of(text: &str) -> Self {
        Self::parse(text).unwrap_or_default()
    }

    pub(crate) fn is_negative(self) -> bool {
        self.0 < 0
    }

    pub(crate) fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whole units, rounded up as upstream's `Value()`.
    pub(crate) fn units(self) -> i128 {
        round_up(self.0, NANO)
    }

    /// Thousandths, rounded up as upstream's `MilliValue()`.
    pub(crate) fn millis(self) -> i128 {
        round_up(self.0, NANO / 1000)
    }

    pub(crate) fn is_whole(self) -> bool {
        self.millis() % 1000 == 0
    }
}

fn round_up(nanos: i128, unit: i128) -> i128 {
    if nanos >= 0 { nanos / unit + i128::from(nanos % unit != 0) } else { nanos / unit - i128::from(nanos % unit != 0) }
}

fn scale(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, NANO),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (NANO, 1),
        "T" => (NANO * 1000, 1),
        "P" => (NANO * 1_000_000, 1),
        "E" => (NANO * NANO, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => return exponent(suffix),
    })
}

fn exponent(suffix: &str) -> Option<(i128, i128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let size = 10_i128.checked_pow(power.unsigned_abs())?;
    Some(if power < 0 { (1, size) } else { (size, 1) })
}

/// Whether two texts are the same quantity.
pub(crate) fn equal(a: &str, b: &str) -> bool {
    matches!((Amount::parse(a), Amount::parse(b)), (Some(a), Some(b)) if a == b)
}

/// Compares two quantities given as text.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    Amount::of(a).cmp(&Amount::of(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_numbers() {
        for (text, nanos) in [
            ("1", NANO),
            ("100m", NANO / 10),
            ("1.5Gi", 3 * (1 << 29) * NANO),
            ("-2k", -2000 * NANO),
            ("1e3", 1000 * NANO),
            ("5E-1", NANO / 2),
            ("1E", NANO * NANO * NANO),
        ] {
            assert_eq!(Amount::parse(text), Some(Amount(nanos)), "{text}");
        }
        for text in ["", "abc", "1.2.3", "1X", "-"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
        assert_eq!(Amount::of("1500m").units(), 2);
        assert!(equal("1", "1000m"));
    }
}
