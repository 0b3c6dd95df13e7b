//! Decimal numbers: an `i128` times a power of ten.
//!
//! Amounts with more than about 38 significant digits lose the last ones, rounded away from zero. Every operation is
//! bounded: a scale of a million does not make a number of a million digits.

use std::cmp::Ordering;

/// `mantissa` × 10^`scale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) mantissa: i128,
    pub(super) scale: i32,
}

fn pow10(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}

/// Divides, rounding away from zero.
fn divide_up(value: i128, divisor: i128) -> i128 {
    let quotient = value / divisor;
    if value % divisor == 0 { quotient } else { quotient + value.signum() }
}

impl Decimal {
    pub(super) fn new(mantissa: i128, scale: i32) -> Self {
        Self { mantissa, scale }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    pub(super) fn sign(&self) -> i32 {
        i32::try_from(self.mantissa.signum()).expect("it is -1, 0 or 1")
    }

    pub(super) fn neg(self) -> Self {
        Self { mantissa: -self.mantissa, scale: self.scale }
    }

    /// Position of the highest digit: 10^magnitude <= |self| × 10 < 10^(magnitude + 1). Zero has the lowest.
    fn magnitude(&self) -> i64 {
        match self.mantissa.unsigned_abs().checked_ilog10() {
            Some(digits) => i64::from(digits) + i64::from(self.scale),
            None => i64::MIN,
        }
    }

    /// Rounds away from zero so that no digit is below `scale`.
    pub(super) fn round_up(self, scale: i32) -> Self {
        if self.scale >= scale || self.mantissa == 0 {
            return self;
        }
        let drop = scale.saturating_sub(self.scale).unsigned_abs();
        let mantissa = match pow10(drop) {
            Some(divisor) => divide_up(self.mantissa, divisor),
            None => self.mantissa.signum(),
        };
        Self { mantissa, scale }
    }

    pub(super) fn is_multiple_of_scale(&self, scale: i32) -> bool {
        self.round_up(scale).compare(self) == Ordering::Equal
    }

    /// Returns |self| in units of 10^`scale`, exactly or not at all.
    fn shifted(&self, scale: i32) -> Option<i128> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let up = u32::try_from(self.scale.checked_sub(scale)?).ok()?;
        self.mantissa.checked_mul(pow10(up)?)
    }

    /// Returns the amount in units of 10^`scale`, rounded away from zero and kept within `i64`.
    pub(super) fn scaled(&self, scale: i32) -> i64 {
        let limit = if self.mantissa < 0 { i64::MIN } else { i64::MAX };
        let wide = self.round_up(scale).shifted(scale);
        wide.and_then(|wide| i64::try_from(wide).ok()).unwrap_or(limit)
    }

    pub(super) fn whole(&self) -> Option<i64> {
        if !self.is_multiple_of_scale(0) {
            return None;
        }
        self.round_up(0).shifted(0).and_then(|wide| i64::try_from(wide).ok())
    }

    pub(super) fn as_f64(self) -> f64 {
        // Through text, because that rounds once.
        format!("{}e{}", self.mantissa, self.scale).parse().unwrap_or(f64::NAN)
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let signs = self.sign().cmp(&other.sign());
        if signs != Ordering::Equal || self.mantissa == 0 {
            return signs;
        }
        let by_magnitude = match self.magnitude().cmp(&other.magnitude()) {
            Ordering::Equal => self.compare_digits(other),
            unequal => unequal,
        };
        if self.mantissa < 0 { by_magnitude.reverse() } else { by_magnitude }
    }

    /// Compares absolute values that have the same magnitude.
    fn compare_digits(&self, other: &Self) -> Ordering {
        let digits = |value: &Self| value.mantissa.unsigned_abs().checked_ilog10().unwrap_or(0);
        let most = digits(self).max(digits(other));
        // What does not fit is larger than any mantissa.
        let align =
            |value: &Self| value.mantissa.unsigned_abs().saturating_mul(10u128.saturating_pow(most - digits(value)));
        align(self).cmp(&align(other))
    }

    /// Adds; digits too far below the larger operand to be held are rounded away from zero.
    pub(super) fn add(self, other: Self) -> Self {
        if other.mantissa == 0 {
            return self;
        }
        if self.mantissa == 0 {
            return other;
        }
        let (mut high, mut low) = if self.scale >= other.scale { (self, other) } else { (other, self) };
        while high.scale > low.scale {
            match high.mantissa.checked_mul(10) {
                Some(mantissa) => high = Self { mantissa, scale: high.scale - 1 },
                None => low = low.round_up(high.scale),
            }
        }
        match high.mantissa.checked_add(low.mantissa) {
            Some(mantissa) => Self { mantissa, scale: high.scale },
            None => {
                let scale = high.scale.saturating_add(1);
                let mantissa = divide_up(high.mantissa, 10) + divide_up(low.mantissa, 10);
                Self { mantissa, scale }
            }
        }
    }

    /// Multiplies; digits that cannot be held are rounded away from zero.
    pub(super) fn mul(self, factor: i64) -> Self {
        let mut value = self;
        loop {
            match value.mantissa.checked_mul(i128::from(factor)) {
                Some(mantissa) => return Self { mantissa, scale: value.scale },
                None => value = value.round_up(value.scale.saturating_add(1)),
            }
        }
    }

    /// Removes factors of `base` from the mantissa and returns how many there were.
    pub(super) fn strip_factors(mantissa: i128, base: i128) -> (i128, i32) {
        let (mut rest, mut times) = (mantissa, 0);
        while rest != 0 && rest % base == 0 {
            rest /= base;
            times += 1;
        }
        (rest, times)
    }
}
