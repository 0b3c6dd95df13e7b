//! Rules for names and other short strings, with the messages clients know.
//!
//! Every function returns what is wrong with its argument, in upstream's order; an empty list means valid. Lengths are
//! in bytes. The rules are checked by hand, not with the regular expressions that the messages quote, because they run
//! on every write.

/// Longest DNS label, label value and name part of a label key.
pub const LABEL_LENGTH_MAX: usize = 63;
/// Longest DNS subdomain.
pub const SUBDOMAIN_LENGTH_MAX: usize = 253;
/// Message for numbers that must not be negative.
pub const IS_NEGATIVE: &str = "must be greater than or equal to 0";

const LABEL_FMT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_FMT: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const UNDERSCORE_SUBDOMAIN_FMT: &str = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
const LABEL_1035_FMT: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_KEY_FMT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE_FMT: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const LABEL_KEY_TEXT: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// Returns `must be no more than N characters`.
#[must_use]
pub fn max_len_error(length: usize) -> String {
    format!("must be no more than {length} characters")
}

/// Returns `must be no more than N bytes`, as upstream's newer rules say.
#[must_use]
pub fn max_bytes_error(length: usize) -> String {
    format!("must be no more than {length} bytes")
}

/// Returns `must be between LOW and HIGH, inclusive`.
#[must_use]
pub fn inclusive_range_error(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// Returns a message that ends in the examples and the regular expression of a rule.
#[must_use]
pub fn regex_error(message: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{regex}')");
    }
    let shown: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{regex}')", shown.join(" or "))
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Is every byte `middle`, and do the first and last satisfy `ends`? False for empty input.
fn bounded(value: &str, ends: fn(u8) -> bool, middle: fn(u8) -> bool) -> bool {
    match value.as_bytes() {
        [] => false,
        [only] => ends(*only),
        [first, inner @ .., last] => ends(*first) && ends(*last) && inner.iter().all(|byte| middle(*byte)),
    }
}

fn label_matches(value: &str) -> bool {
    bounded(value, lower, |byte| lower(byte) || byte == b'-')
}

fn subdomain_matches(value: &str) -> bool {
    value.split('.').all(label_matches)
}

/// Checks a DNS label (RFC 1123).
#[must_use]
pub fn is_dns1123_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_LENGTH_MAX {
        errors.push(max_len_error(LABEL_LENGTH_MAX));
    }
    if !label_matches(value) {
        if subdomain_matches(value) {
            errors.push("must not contain dots".to_owned());
        } else {
            let text = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                        start and end with an alphanumeric character";
            errors.push(regex_error(text, LABEL_FMT, &["my-name", "123-abc"]));
        }
    }
    errors
}

/// Checks a DNS subdomain (RFC 1123).
#[must_use]
pub fn is_dns1123_subdomain(value: &str) -> Vec<String> {
    subdomain_errors(value, max_len_error)
}

fn subdomain_errors(value: &str, too_long: fn(usize) -> String) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_LENGTH_MAX {
        errors.push(too_long(SUBDOMAIN_LENGTH_MAX));
    }
    if !subdomain_matches(value) {
        let text = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
                    must start and end with an alphanumeric character";
        errors.push(regex_error(text, SUBDOMAIN_FMT, &["example.com"]));
    }
    errors
}

/// Checks a DNS subdomain whose labels may also start with, and contain, underscores.
#[must_use]
pub fn is_dns1123_subdomain_with_underscore(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_LENGTH_MAX {
        errors.push(max_len_error(SUBDOMAIN_LENGTH_MAX));
    }
    let label = |label: &str| {
        let rest = label.strip_prefix('_').unwrap_or(label);
        bounded(rest, lower, |byte| lower(byte) || byte == b'-' || byte == b'_')
    };
    if !value.split('.').all(label) {
        let text = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', \
                    and must start and end with an alphanumeric character";
        errors.push(regex_error(text, UNDERSCORE_SUBDOMAIN_FMT, &["example.com"]));
    }
    errors
}

/// Checks a DNS label (RFC 1035), which starts with a letter.
#[must_use]
pub fn is_dns1035_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_LENGTH_MAX {
        errors.push(max_len_error(LABEL_LENGTH_MAX));
    }
    if !(label_matches(value) && value.as_bytes()[0].is_ascii_lowercase()) {
        let text = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                    character, and end with an alphanumeric character";
        errors.push(regex_error(text, LABEL_1035_FMT, &["my-name", "abc-123"]));
    }
    errors
}

/// Checks a DNS subdomain that starts with `*.`.
#[must_use]
pub fn is_wildcard_dns1123_subdomain(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_LENGTH_MAX {
        errors.push(max_len_error(SUBDOMAIN_LENGTH_MAX));
    }
    if !value.strip_prefix("*.").is_some_and(subdomain_matches) {
        let text = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
                    consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
        errors.push(regex_error(text, &format!(r"\*\.{SUBDOMAIN_FMT}"), &["*.example.com"]));
    }
    errors
}

fn key_name_matches(value: &str) -> bool {
    bounded(
        value,
        |byte| byte.is_ascii_alphanumeric(),
        |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
    )
}

/// Checks a qualified name: a label key, annotation key or finalizer such as `example.com/name`.
#[must_use]
pub fn is_qualified_name(value: &str) -> Vec<String> {
    let examples = ["MyName", "my.name", "123-abc"];
    let mut errors = Vec::new();
    let mut parts = value.split('/');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if third.is_some() {
        let text = regex_error(LABEL_KEY_TEXT, LABEL_KEY_FMT, &examples);
        return vec![format!(
            "a valid label key {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )];
    }
    let name = second.unwrap_or(first);
    if second.is_some() {
        if first.is_empty() {
            errors.push("prefix part must be non-empty".to_owned());
        } else {
            let texts = subdomain_errors(first, max_bytes_error);
            errors.extend(texts.into_iter().map(|text| format!("prefix part {text}")));
        }
    }
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_LENGTH_MAX {
        errors.push(format!("name part {}", max_bytes_error(LABEL_LENGTH_MAX)));
    }
    if !key_name_matches(name) {
        errors.push(format!("name part {}", regex_error(LABEL_KEY_TEXT, LABEL_KEY_FMT, &examples)));
    }
    errors
}

/// Checks the value of a label.
#[must_use]
pub fn is_valid_label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_LENGTH_MAX {
        errors.push(max_bytes_error(LABEL_LENGTH_MAX));
    }
    if !value.is_empty() && !key_name_matches(value) {
        let text = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                    must start and end with an alphanumeric character";
        errors.push(regex_error(text, LABEL_VALUE_FMT, &["MyValue", "my_value", "12345"]));
    }
    errors
}

/// Checks a C identifier.
#[must_use]
pub fn is_c_identifier(value: &str) -> Vec<String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = value.bytes().all(word) && value.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    if good {
        return Vec::new();
    }
    let text = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric \
                characters or '_'";
    vec![regex_error(text, "[A-Za-z_][A-Za-z0-9_]*", &["my_name", "MY_NAME", "MyName"])]
}

/// Checks a port number.
#[must_use]
pub fn is_valid_port_num(port: i64) -> Vec<String> {
    is_in_range(port, 1, 65535)
}

/// Checks that a number lies between two bounds, inclusive.
#[must_use]
pub fn is_in_range(value: i64, low: i64, high: i64) -> Vec<String> {
    if (low..=high).contains(&value) { Vec::new() } else { vec![inclusive_range_error(low, high)] }
}

/// Checks a Unix group id.
#[must_use]
pub fn is_valid_group_id(gid: i64) -> Vec<String> {
    is_in_range(gid, 0, i64::from(i32::MAX))
}

/// Checks a Unix user id.
#[must_use]
pub fn is_valid_user_id(uid: i64) -> Vec<String> {
    is_in_range(uid, 0, i64::from(i32::MAX))
}

/// Checks the name of a port (IANA service name).
#[must_use]
pub fn is_valid_port_name(port: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if port.len() > 15 {
        errors.push(max_len_error(15));
    }
    if port.is_empty() || !port.bytes().all(|byte| lower(byte) || byte == b'-') {
        errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !port.bytes().any(|byte| byte.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".to_owned());
    }
    if port.contains("--") {
        errors.push("must not contain consecutive hyphens".to_owned());
    }
    if port.starts_with('-') || port.ends_with('-') {
        errors.push("must not begin or end with a hyphen".to_owned());
    }
    errors
}

/// Checks a percentage such as `25%`.
#[must_use]
pub fn is_valid_percent(percent: &str) -> Vec<String> {
    let digits = percent.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    let text = "a valid percent string must be a numeric string followed by an ending '%'";
    vec![regex_error(text, "[0-9]+%", &["1%", "93%"])]
}

/// Checks the name of an HTTP header.
#[must_use]
pub fn is_http_header_name(value: &str) -> Vec<String> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Vec::new();
    }
    let text = "a valid HTTP header must consist of alphanumeric characters or '-'";
    vec![regex_error(text, "[-A-Za-z0-9]+", &["X-Header-Name"])]
}

fn key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn change_directory_errors(value: &str) -> Option<String> {
    match value {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if value.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// Checks the name of an environment variable by the strict, older rule.
#[must_use]
pub fn is_env_var_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let good = value.bytes().all(key_byte) && value.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    if !good {
        let text = "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', \
                    and must not start with a digit";
        let examples = ["my.env-name", "MY_ENV.NAME", "MyEnvName1"];
        errors.push(regex_error(text, "[-._a-zA-Z][-._a-zA-Z0-9]*", &examples));
    }
    errors.extend(change_directory_errors(value));
    errors
}

/// Checks the name of an environment variable: printable ASCII without `=`.
#[must_use]
pub fn is_relaxed_env_var_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.is_empty() {
        errors.push("environment variable name must be non-empty".to_owned());
    }
    if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'=') {
        let text = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        errors.push(text.to_owned());
    }
    errors
}

/// Checks a key of a ConfigMap or Secret.
#[must_use]
pub fn is_config_map_key(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_LENGTH_MAX {
        errors.push(max_len_error(SUBDOMAIN_LENGTH_MAX));
    }
    if value.is_empty() || !value.bytes().all(key_byte) {
        let text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        errors.push(regex_error(text, "[-._a-zA-Z0-9]+", &["key.name", "KEY_NAME", "key-name"]));
    }
    errors.extend(change_directory_errors(value));
    errors
}

/// Does a string consist of the characters of an HTTP path (RFC 3986)? False when empty.
#[must_use]
pub fn is_http_path(path: &str) -> bool {
    !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte))
}

/// Checks the reason of a `metav1.Condition`.
#[must_use]
pub fn is_valid_condition_reason(value: &str) -> Vec<String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = match value.as_bytes() {
        [] => false,
        [only] => only.is_ascii_alphabetic(),
        [first, inner @ .., last] => {
            first.is_ascii_alphabetic()
                && word(*last)
                && inner.iter().all(|byte| word(*byte) || matches!(byte, b',' | b':'))
        }
    };
    if good {
        return Vec::new();
    }
    let text = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric \
                characters or '_,:', and must end with an alphanumeric character or '_'";
    let examples = ["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"];
    vec![regex_error(text, "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", &examples)]
}

/// Whether a name rule judges a whole name or a `generateName`, to which a suffix will be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameUse {
    /// The whole `metadata.name`.
    Name,
    /// `metadata.generateName`.
    Prefix,
}

/// A rule for the names of a kind.
pub type NameRule = fn(&str, NameUse) -> Vec<String>;

/// Replaces a trailing dash of a prefix, as the suffix will hide it.
///
/// Upstream cuts the character before the dash too; lengths are judged the same way here.
fn mask_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let cut = rest.char_indices().next_back().map_or(0, |(index, _)| index);
            format!("{}a", &rest[..cut])
        }
        Some(_) | None => name.to_owned(),
    }
}

fn masked(name: &str, name_use: NameUse, rule: fn(&str) -> Vec<String>) -> Vec<String> {
    match name_use {
        NameUse::Name => rule(name),
        NameUse::Prefix => rule(&mask_trailing_dash(name)),
    }
}

/// The rule of most kinds: a DNS subdomain.
#[must_use]
pub fn name_is_dns_subdomain(name: &str, name_use: NameUse) -> Vec<String> {
    masked(name, name_use, is_dns1123_subdomain)
}

/// The rule of namespaces and some others: a DNS label.
#[must_use]
pub fn name_is_dns_label(name: &str, name_use: NameUse) -> Vec<String> {
    masked(name, name_use, is_dns1123_label)
}

/// The rule of services: a DNS label (RFC 1035).
#[must_use]
pub fn name_is_dns1035_label(name: &str, name_use: NameUse) -> Vec<String> {
    masked(name, name_use, is_dns1035_label)
}

/// The rule of RBAC objects and others: anything that is one segment of a URL path.
#[must_use]
pub fn name_is_path_segment(name: &str, name_use: NameUse) -> Vec<String> {
    if name_use == NameUse::Name && (name == "." || name == "..") {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"].iter().filter(|part| name.contains(**part)).map(|part| format!("may not contain '{part}'")).collect()
}

#[cfg(test)]
mod tests;
