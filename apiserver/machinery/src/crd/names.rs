//! Name rules and version order that CustomResourceDefinitions and embedded objects have to follow.

use std::cmp::Ordering;

const LABEL_FORMAT: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_MESSAGE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                             alphabetic character, and end with an alphanumeric character";
const SUBDOMAIN_FORMAT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_MESSAGE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
                                 or '.', and must start and end with an alphanumeric character";
const QUALIFIED_FORMAT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const QUALIFIED_MESSAGE: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            is_lower_or_digit(first)
                && is_lower_or_digit(last)
                && bytes.iter().all(|&byte| is_lower_or_digit(byte) || byte == b'-')
        }
        _ => false,
    }
}

/// Says what keeps a text from being a DNS-1035 label; empty when it is one.
#[must_use]
pub fn dns1035_label(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 63 {
        errors.push("must be no more than 63 characters".to_owned());
    }
    if !is_label(text) || !text.as_bytes()[0].is_ascii_lowercase() {
        errors.push(format!(
            "{LABEL_MESSAGE} (e.g. 'my-name',  or 'abc-123', regex used for validation is '{LABEL_FORMAT}')"
        ));
    }
    errors
}

/// Says what keeps a text from being a DNS-1123 subdomain; empty when it is one.
pub(crate) fn dns1123_subdomain(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 253 {
        errors.push("must be no more than 253 characters".to_owned());
    }
    if !is_subdomain(text) {
        errors.push(format!(
            "{SUBDOMAIN_MESSAGE} (e.g. 'example.com', regex used for validation is '{SUBDOMAIN_FORMAT}')"
        ));
    }
    errors
}

/// Whether a text has the form of a DNS-1123 subdomain, whatever its length.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// Whether a text has the form of a DNS-1123 label, whatever its length.
pub(crate) fn is_dns1123_label(text: &str) -> bool {
    is_label(text)
}

/// Says what keeps a text from being a qualified name (`prefix/name`); empty when it is one.
pub(crate) fn qualified_name(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                errors.extend(dns1123_subdomain(prefix).into_iter().map(|error| format!("prefix part {error}")));
            }
            *name
        }
        _ => {
            return vec![format!(
                "a qualified name {QUALIFIED_MESSAGE} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
                 validation is '{QUALIFIED_FORMAT}') with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        errors.push("name part must be no more than 63 characters".to_owned());
    }
    let bytes = name.as_bytes();
    let well_formed = bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !well_formed {
        errors.push(format!(
            "name part {QUALIFIED_MESSAGE} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
             '{QUALIFIED_FORMAT}')"
        ));
    }
    errors
}

/// A Kubernetes version such as `v2beta1`: stability, major, minor.
fn parse_version(text: &str) -> Option<(u8, u64, u64)> {
    let rest = text.strip_prefix('v')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let major: u64 = rest[..digits].parse().ok()?;
    let tail = &rest[digits..];
    if rest.starts_with('0') {
        return None;
    }
    let (stability, minor) = match (tail.is_empty(), tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
        (true, _, _) => return Some((2, major, 0)),
        (false, Some(minor), _) => (1, minor),
        (false, None, Some(minor)) => (0, minor),
        (false, None, None) => return None,
    };
    if minor.starts_with('0') || !minor.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((stability, major, minor.parse().ok()?))
}

/// Orders versions as Kubernetes prefers them: `v2`, `v1`, `v1beta1`, `v1alpha2`, then all others by name.
#[must_use]
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    match (parse_version(left), parse_version(right)) {
        (Some(left), Some(right)) => right.cmp(&left),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_kubernetes_prefers_them() {
        let mut versions = [
            "foo1",
            "v1alpha1",
            "v12alpha1",
            "v10",
            "v11beta2",
            "v2",
            "v1",
            "foo10",
            "v3beta1",
            "v11alpha2",
            "v1beta1",
        ];
        versions.sort_by(|left, right| compare_versions(left, right));
        let expected = [
            "v10",
            "v2",
            "v1",
            "v11beta2",
            "v3beta1",
            "v1beta1",
            "v12alpha1",
            "v11alpha2",
            "v1alpha1",
            "foo1",
            "foo10",
        ];
        assert_eq!(versions, expected);
    }

    #[test]
    fn labels_are_checked_with_upstreams_words() {
        assert!(dns1035_label("widgets").is_empty());
        assert_eq!(dns1035_label("").len(), 1);
        assert!(dns1035_label("1a")[0].starts_with("a DNS-1035 label must consist"));
        assert_eq!(dns1035_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
    }
}
