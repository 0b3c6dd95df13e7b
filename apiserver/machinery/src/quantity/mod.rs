//! Quantities, as in k8s.io/apimachinery/pkg/api/resource.
//!
//! A quantity is a decimal number with a suffix. Its canonical form, which is what clients read back, keeps no fraction
//! and uses the largest suffix that fits; text that is canonical in upstream's eyes is kept as it was written.

mod decimal;
mod text;

use decimal::Decimal;
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;

/// Which family of suffixes a quantity is written with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// `12e6`.
    #[default]
    DecimalExponent,
    /// `12Mi`.
    BinarySi,
    /// `12M`.
    DecimalSi,
}

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// The text has the wrong shape.
    Format,
    /// The digits cannot be read.
    Numeric,
    /// The suffix is unknown.
    Suffix,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Self::Numeric => "unable to parse numeric part of quantity",
            Self::Suffix => "unable to parse quantity's suffix",
        })
    }
}

impl std::error::Error for ParseError {}

/// A number such as `100m` or `2Gi`. Equality and order are by amount, whatever the suffix.
#[derive(Clone, Debug, Default)]
pub struct Quantity {
    amount: Decimal,
    format: Format,
    /// The text it was parsed from, when that is to be written back unchanged.
    text: Option<String>,
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// When the text is not a quantity.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        text::parse(text)
    }

    /// Makes a quantity from a whole number.
    #[must_use]
    pub fn from_i64(value: i64, format: Format) -> Self {
        Self { amount: Decimal::new(i128::from(value), 0), format, text: None }
    }

    /// Makes a quantity from thousandths.
    #[must_use]
    pub fn from_milli(value: i64, format: Format) -> Self {
        Self { amount: Decimal::new(i128::from(value), -3), format, text: None }
    }

    /// Returns the family of suffixes.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Is the amount zero?
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.amount.is_zero()
    }

    /// Returns -1, 0 or 1.
    #[must_use]
    pub fn sign(&self) -> i32 {
        self.amount.sign()
    }

    /// Returns the amount in whole units, rounded away from zero; limits of `i64` are not exceeded.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.amount.scaled(0)
    }

    /// Returns the amount in thousandths, rounded away from zero; limits of `i64` are not exceeded.
    #[must_use]
    pub fn milli_value(&self) -> i64 {
        self.amount.scaled(-3)
    }

    /// Returns the amount when it is a whole number that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.amount.whole()
    }

    /// Returns the nearest floating-point number.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        self.amount.as_f64()
    }

    /// Is the amount a whole number of units?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.amount.is_multiple_of_scale(0)
    }

    /// Is the amount a whole number of thousandths?
    #[must_use]
    pub fn is_whole_milli(&self) -> bool {
        self.amount.is_multiple_of_scale(-3)
    }

    /// Adds another quantity; zero takes over the format of what is added.
    pub fn add(&mut self, other: &Self) {
        self.text = None;
        if self.is_zero() {
            self.format = other.format;
        }
        self.amount = self.amount.add(other.amount);
    }

    /// Subtracts another quantity; zero takes over the format of what is subtracted.
    pub fn sub(&mut self, other: &Self) {
        self.text = None;
        if self.is_zero() {
            self.format = other.format;
        }
        self.amount = self.amount.add(other.amount.neg());
    }

    /// Multiplies by a whole number.
    pub fn mul(&mut self, factor: i64) {
        self.text = None;
        self.amount = self.amount.mul(factor);
    }

    /// Changes the sign.
    pub fn neg(&mut self) {
        self.text = None;
        self.amount = self.amount.neg();
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.amount.compare(&other.amount) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.amount.compare(&other.amount)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => f.write_str(&text::canonical(&self.amount, self.format)),
        }
    }
}

/// Returns what a JSON value reads back as when its type is a quantity: strings and numbers are accepted.
///
/// # Errors
/// When the value is no quantity.
pub fn canonical(value: &Value) -> Result<String, ParseError> {
    match value {
        Value::String(text) => Quantity::parse(text.trim()).map(|quantity| quantity.to_string()),
        Value::Null => Ok("0".to_owned()),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Quantity::parse(&value.to_string()).map(|quantity| quantity.to_string())
        }
    }
}

#[cfg(test)]
mod tests;
