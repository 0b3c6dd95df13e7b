//! Syntax of names, ports, keys and the like, with upstream's complaints (k8s.io/apimachinery/pkg/util/validation).
//!
//! Each function returns nothing for a good value and one text for each complaint otherwise.

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const KEY_TEXT: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// Longest DNS subdomain.
pub(crate) const SUBDOMAIN_MAX: usize = 253;
/// Longest DNS label, label name and label value.
pub(crate) const LABEL_MAX: usize = 63;

fn too_many_characters(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn too_many_bytes(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// A complaint that shows examples and the expression.
pub(crate) fn regex_error(message: &str, expression: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{expression}')");
    }
    let shown: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{expression}')", shown.join(" or "))
}

/// `must be between lo and hi, inclusive`.
pub(crate) fn range_error(lo: i64, hi: i64) -> String {
    format!("must be between {lo} and {hi}, inclusive")
}

/// Whether the text is `edge (middle* edge)?`.
fn framed(text: &str, edge: fn(u8) -> bool, middle: fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        [only] => edge(*only),
        [first, rest @ .., last] => edge(*first) && edge(*last) && rest.iter().all(|byte| middle(*byte)),
    }
}

fn lower_alnum(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn lower_alnum_dash(byte: u8) -> bool {
    lower_alnum(byte) || byte == b'-'
}

fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn key_byte(byte: u8) -> bool {
    alnum(byte) || matches!(byte, b'-' | b'_' | b'.')
}

fn is_label(text: &str) -> bool {
    framed(text, lower_alnum, lower_alnum_dash)
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_key(text: &str) -> bool {
    framed(text, alnum, key_byte)
}

/// RFC 1123 label.
pub(crate) fn dns_label(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > LABEL_MAX {
        out.push(too_many_characters(LABEL_MAX));
    }
    if !is_label(text) {
        out.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            regex_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character",
                LABEL,
                &["my-name", "123-abc"],
            )
        });
    }
    out
}

fn subdomain_regex_error() -> String {
    regex_error(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
         and end with an alphanumeric character",
        &format!("{LABEL}(\\.{LABEL})*"),
        &["example.com"],
    )
}

/// RFC 1123 subdomain.
pub(crate) fn dns_subdomain(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        out.push(too_many_characters(SUBDOMAIN_MAX));
    }
    if !is_subdomain(text) {
        out.push(subdomain_regex_error());
    }
    out
}

/// RFC 1123 subdomain whose labels may hold underscores.
pub(crate) fn dns_subdomain_underscore(text: &str) -> Vec<String> {
    const SEARCH: &str = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        out.push(too_many_characters(SUBDOMAIN_MAX));
    }
    let good = text.split('.').all(|label| {
        let label = label.strip_prefix('_').unwrap_or(label);
        framed(label, lower_alnum, |byte| lower_alnum_dash(byte) || byte == b'_')
    });
    if !good {
        out.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and \
             must start and end with an alphanumeric character",
            &format!("{SEARCH}(\\.{SEARCH})*"),
            &["example.com"],
        ));
    }
    out
}

/// RFC 1035 label.
pub(crate) fn dns1035_label(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > LABEL_MAX {
        out.push(too_many_characters(LABEL_MAX));
    }
    if !is_label(text) || !text.as_bytes()[0].is_ascii_lowercase() {
        out.push(regex_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    out
}

/// `*.` and an RFC 1123 subdomain.
pub(crate) fn wildcard_subdomain(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        out.push(too_many_characters(SUBDOMAIN_MAX));
    }
    if !text.strip_prefix("*.").is_some_and(is_subdomain) {
        out.push(regex_error(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist \
             of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{LABEL}(\\.{LABEL})*"),
            &["*.example.com"],
        ));
    }
    out
}

/// Label key, which is what other places call a qualified name.
pub(crate) fn qualified_name(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let expression = || regex_error(KEY_TEXT, KEY, &["MyName", "my.name", "123-abc"]);
    let name = match text.split_once('/') {
        None => text,
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                expression()
            )];
        }
        Some((prefix, name)) => {
            if prefix.is_empty() {
                out.push("prefix part must be non-empty".to_owned());
            } else {
                if prefix.len() > SUBDOMAIN_MAX {
                    out.push(format!("prefix part {}", too_many_bytes(SUBDOMAIN_MAX)));
                }
                if !is_subdomain(prefix) {
                    out.push(format!("prefix part {}", subdomain_regex_error()));
                }
            }
            name
        }
    };
    if name.is_empty() {
        out.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        out.push(format!("name part {}", too_many_bytes(LABEL_MAX)));
    }
    if !is_key(name) {
        out.push(format!("name part {}", expression()));
    }
    out
}

/// Label value.
pub(crate) fn label_value(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > LABEL_MAX {
        out.push(too_many_bytes(LABEL_MAX));
    }
    if !text.is_empty() && !is_key(text) {
        out.push(regex_error(
            &format!("a valid label must be an empty string or {}", &KEY_TEXT["must ".len()..]),
            &format!("({KEY})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    out
}

/// Whether a label value is well formed.
pub(crate) fn is_label_value(text: &str) -> bool {
    text.len() <= LABEL_MAX && (text.is_empty() || is_key(text))
}

/// A port number.
pub(crate) fn port_number(port: i64) -> Vec<String> {
    in_range(port, 1, 65535)
}

/// Nothing when the number lies in the range.
pub(crate) fn in_range(number: i64, lo: i64, hi: i64) -> Vec<String> {
    if (lo..=hi).contains(&number) { Vec::new() } else { vec![range_error(lo, hi)] }
}

/// A user or group id.
pub(crate) fn user_id(id: i64) -> Vec<String> {
    in_range(id, 0, i64::from(i32::MAX))
}

/// An IANA service name.
pub(crate) fn port_name(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 15 {
        out.push(too_many_characters(15));
    }
    if text.is_empty() || !text.bytes().all(lower_alnum_dash) {
        out.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        out.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        out.push("must not begin or end with a hyphen".to_owned());
    }
    out
}

/// `N%`.
pub(crate) fn percent(text: &str) -> Vec<String> {
    let good =
        text.strip_suffix('%').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    if good {
        return Vec::new();
    }
    vec![regex_error(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// HTTP header name.
pub(crate) fn http_header_name(text: &str) -> Vec<String> {
    if !text.is_empty() && text.bytes().all(|byte| alnum(byte) || byte == b'-') {
        return Vec::new();
    }
    vec![regex_error(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// Environment variable name: printable ASCII without `=`.
pub(crate) fn env_name(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.is_empty() {
        out.push("environment variable name must be non-empty".to_owned());
    }
    if text.bytes().any(|byte| !(0x20..0x7f).contains(&byte) || byte == b'=') {
        out.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    out
}

/// Key of a ConfigMap or Secret.
pub(crate) fn config_key(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        out.push(too_many_characters(SUBDOMAIN_MAX));
    }
    if text.is_empty() || !text.bytes().all(key_byte) {
        out.push(regex_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match text {
        "." => out.push("must not be '.'".to_owned()),
        ".." => out.push("must not be '..'".to_owned()),
        _ if text.starts_with("..") => out.push("must not start with '..'".to_owned()),
        _ => {}
    }
    out
}

/// C identifier.
pub(crate) fn c_identifier(text: &str) -> Vec<String> {
    let good = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && text.bytes().all(|byte| alnum(byte) || byte == b'_');
    if good {
        return Vec::new();
    }
    vec![regex_error(
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric \
         characters or '_'",
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

/// Reason of a condition.
pub(crate) fn condition_reason(text: &str) -> Vec<String> {
    let word = |byte: u8| alnum(byte) || byte == b'_';
    let good = match text.as_bytes() {
        [] => false,
        [only] => only.is_ascii_alphabetic(),
        [first, rest @ .., last] => {
            first.is_ascii_alphabetic()
                && word(*last)
                && rest.iter().all(|byte| word(*byte) || matches!(byte, b',' | b':'))
        }
    };
    if good {
        return Vec::new();
    }
    vec![regex_error(
        "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric \
         characters or '_,:', and must end with an alphanumeric character or '_'",
        "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?",
        &["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"],
    )]
}

/// Name of a path segment, as RBAC objects have.
pub(crate) fn path_segment(text: &str) -> Vec<String> {
    match text {
        "." | ".." => vec![format!("may not be '{text}'")],
        _ => ["/", "%"]
            .iter()
            .filter(|part| text.contains(**part))
            .map(|part| format!("may not contain '{part}'"))
            .collect(),
    }
}

/// Whether a sysctl name is well formed.
pub(crate) fn is_sysctl(text: &str) -> bool {
    text.len() <= SUBDOMAIN_MAX
        && text
            .split(['.', '/'])
            .all(|segment| framed(segment, lower_alnum, |byte| lower_alnum_dash(byte) || byte == b'_'))
}

/// A decimal integer in canonical form.
pub(crate) fn decimal_integer(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec!["must be non-empty".to_owned()];
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let good = text == "0"
        || (!digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if good { Vec::new() } else { vec!["must be a valid decimal integer in canonical form".to_owned()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Format = fn(&str) -> Vec<String>;

    #[test]
    fn good_values_pass_and_bad_values_do_not() {
        let table: &[(Format, &[&str], &[&str])] = &[
            (dns_label, &["a", "a-b", "0"], &["", "A", "a.b", "-a", "a-"]),
            (dns_subdomain, &["a.b", "a-b.c"], &["", "a..b", "a.-b"]),
            (dns1035_label, &["a1"], &["1a", ""]),
            (qualified_name, &["a", "x.io/A_b.c"], &["", "/a", "a/", "a/b/c", "_a"]),
            (label_value, &["", "A_b"], &["-", "a "]),
            (port_name, &["http", "a-1"], &["", "1", "a--b", "-a", "HTTP", "aaaaaaaaaaaaaaaa"]),
            (config_key, &["a.b_C-1", ".a"], &["", ".", "..", "..a", "a/b"]),
            (decimal_integer, &["0", "-12"], &["", "-0", "01", "1a", "-"]),
            (wildcard_subdomain, &["*.a.b"], &["*", "a.b", "*.*"]),
        ];
        for (format, good, bad) in table {
            for text in *good {
                assert_eq!(format(text), Vec::<String>::new(), "{text}");
            }
            for text in *bad {
                assert!(!format(text).is_empty(), "{text}");
            }
        }
    }

    #[test]
    fn complaints_read_as_upstream_writes_them() {
        assert_eq!(
            dns_label("A"),
            ["a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                 '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"]
        );
        assert_eq!(
            label_value("a "),
            ["a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                 must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', \
                 regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"]
        );
    }
}
