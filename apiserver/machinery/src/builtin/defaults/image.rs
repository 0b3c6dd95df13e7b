//! Container image references, as far as defaulting needs them: is the tag `latest`?
//!
//! An image without tag and digest means `latest`. A reference that does not parse has no tag at all.

/// Returns whether an image reference is well formed and names the tag `latest`, openly or by leaving the tag out.
pub(super) fn is_latest(image: &str) -> bool {
    tag(image) == Some("latest")
}

/// Returns the pull policy that goes with an image.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if is_latest(image) { "Always" } else { "IfNotPresent" }
}

/// Returns the tag of a reference, empty when only a digest is given, `None` when the reference is malformed.
fn tag(image: &str) -> Option<&str> {
    if image.len() == 64 && image.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return None;
    }
    let (domain, remainder) = split_domain(rest);
    if domain.is_some_and(|domain| !is_domain(domain)) {
        return None;
    }
    let (path, tag) = match remainder.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (remainder, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) || !path.split('/').all(is_path_component) || path.len() > 255 {
        return None;
    }
    Some(tag.unwrap_or(if digest.is_some() { "" } else { "latest" }))
}

/// Splits off the registry: the part before the first slash, when it looks like a host.
fn split_domain(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first => {
            (Some(first), rest)
        }
        Some(_) | None => (None, name),
    }
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = if let Some(inner) = domain.strip_prefix('[') {
        let Some((address, rest)) = inner.split_once(']') else { return false };
        if address.is_empty() || !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
            return false;
        }
        match rest.strip_prefix(':') {
            Some(port) => (None, Some(port)),
            None if rest.is_empty() => (None, None),
            None => return false,
        }
    } else {
        match domain.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(domain), None),
        }
    };
    port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
        && host.is_none_or(|host| host.split('.').all(is_domain_component))
}

fn is_domain_component(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !part.starts_with('-')
        && !part.ends_with('-')
}

/// Lower-case letters and digits, in groups that a dot, one or two underscores, or dashes separate.
fn is_path_component(part: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    if bytes.is_empty() || !word(bytes[0]) || !word(bytes[bytes.len() - 1]) {
        return false;
    }
    part.split(|c: char| c.is_ascii() && word(c as u8))
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_latest_images_are_pulled_always() {
        let digest = format!("@sha256:{}", "a".repeat(64));
        let cases = [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.0", "IfNotPresent"),
            ("localhost:5000/nginx", "Always"),
            ("Registry/nginx", "Always"),
            ("[::1]:5000/a/b__c", "Always"),
            ("example.com/a/b:v1", "IfNotPresent"),
            ("nginx/", "IfNotPresent"),
            ("Nginx", "IfNotPresent"),
            ("a_-b", "IfNotPresent"),
            ("", "IfNotPresent"),
            (" nginx", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
        ];
        for (image, policy) in cases {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
        assert_eq!(pull_policy(&format!("nginx{digest}")), "IfNotPresent");
        assert_eq!(pull_policy(&format!("nginx:latest{digest}")), "Always");
        assert_eq!(pull_policy(&"a".repeat(64)), "IfNotPresent");
    }
}
