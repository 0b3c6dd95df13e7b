//! The order of API versions. The rules for names are in [`crate::metadata::names`].

use std::cmp::Ordering;

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
}
