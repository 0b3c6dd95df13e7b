//! Field selectors: `status.phase=Running,spec.nodeName!=`.

use serde_json::Value;
use std::fmt;

/// One condition of a field selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldRequirement {
    /// Name of the field, such as `metadata.name`.
    pub field: String,
    /// The field must differ from the value instead of being equal.
    pub negated: bool,
    /// The value, without escapes.
    pub value: String,
}

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

/// Escapes a value for use in a selector.
#[must_use]
pub fn escape_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn unescape_value(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => out.push(escaped),
                other => {
                    let other = other.map(String::from).unwrap_or_default();
                    return Err(format!("invalid field selector: invalid escape sequence: \\{other}"));
                }
            },
            ',' | '=' => {
                return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Splits at commas that are not escaped.
fn terms(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

impl FieldSelector {
    /// Returns the selector that every object matches.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Reads a selector, as in the `fieldSelector` parameter. Which fields exist is not checked here.
    ///
    /// # Errors
    /// Returns upstream's message.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = terms(text);
        parts.sort_unstable();
        let mut requirements = Vec::new();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let misunderstood = || format!("invalid selector: '{text}'; can't understand '{part}'");
            let at = part
                .char_indices()
                .map(|(index, _)| index)
                .find(|index| part[*index..].starts_with("!=") || part[*index..].starts_with('='))
                .ok_or_else(misunderstood)?;
            let (field, rest) = part.split_at(at);
            let negated = rest.starts_with('!');
            let value = rest.strip_prefix("!=").or_else(|| rest.strip_prefix("==")).unwrap_or_else(|| &rest[1..]);
            let value = unescape_value(value)?;
            if !field.is_empty() || !value.is_empty() {
                requirements.push(FieldRequirement { field: field.to_owned(), negated, value });
            }
        }
        Ok(Self { requirements })
    }

    /// Makes a selector from requirements, as in `LabelSelector`-like review objects.
    #[must_use]
    pub fn new(requirements: Vec<FieldRequirement>) -> Self {
        Self { requirements }
    }

    /// Does every object match?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Returns the conditions.
    #[must_use]
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// Returns the value that a field must have, when the selector asks for one.
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<&str> {
        let asks = |requirement: &&FieldRequirement| requirement.field == field && !requirement.negated;
        self.requirements.iter().find(asks).map(|requirement| requirement.value.as_str())
    }

    /// Do the fields that `lookup` finds match? Absent fields are empty.
    pub fn matches<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let equal = lookup(&requirement.field).unwrap_or_default() == requirement.value;
            equal != requirement.negated
        })
    }

    /// Like [`Self::matches`] for fields that are computed.
    pub fn matches_owned(&self, lookup: impl Fn(&str) -> Option<String>) -> bool {
        self.requirements.iter().all(|requirement| {
            let equal = lookup(&requirement.field).unwrap_or_default() == requirement.value;
            equal != requirement.negated
        })
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let operator = if requirement.negated { "!=" } else { "=" };
            write!(f, "{comma}{}{operator}{}", requirement.field, escape_value(&requirement.value))?;
        }
        Ok(())
    }
}

/// Returns the value of a field that every object has: `metadata.name` or `metadata.namespace`.
#[must_use]
pub fn object_fields<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    let name = match field {
        "metadata.name" => "name",
        "metadata.namespace" => "namespace",
        _ => return None,
    };
    object.get("metadata")?.get(name)?.as_str()
}
