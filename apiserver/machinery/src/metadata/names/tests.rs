use super::*;

/// Checks a rule against names it accepts and names it refuses.
fn check(rule: fn(&str) -> Vec<String>, good: &[&str], bad: &[(&str, &str)]) {
    for name in good {
        assert_eq!(rule(name), Vec::<String>::new(), "{name}");
    }
    for (name, part) in bad {
        let errors = rule(name);
        assert!(errors.iter().any(|error| error.contains(part)), "{name}: {errors:?} lacks {part}");
    }
}

#[test]
fn dns_labels() {
    let long = "a".repeat(64);
    check(
        is_dns1123_label,
        &["a", "0", "a-b", "my-name"],
        &[
            ("", "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'"),
            ("-a", "lowercase RFC 1123 label"),
            ("a.b", "must not contain dots"),
            ("A", "(e.g. 'my-name',  or '123-abc', regex used"),
            (&long, "must be no more than 63 characters"),
            ("ä", "lowercase"),
        ],
    );
    check(is_dns1035_label, &["a", "a0", "a-b"], &[("0a", "DNS-1035"), ("", "DNS-1035"), ("a.b", "DNS-1035")]);
}

#[test]
fn dns_subdomains() {
    let long = "a.".repeat(127);
    check(
        is_dns1123_subdomain,
        &["a", "a.b.c", "0.a-b"],
        &[
            ("a..b", "lowercase RFC 1123 subdomain"),
            (".a", "(e.g. 'example.com', regex used for validation is '"),
            ("a_b", "'-' or '.'"),
            (&long, "must be no more than 253 characters"),
        ],
    );
    check(is_dns1123_subdomain_with_underscore, &["_a.b_c", "a"], &[("a_", "'_', '-' or '.'"), ("__a", "'_'")]);
    check(is_wildcard_dns1123_subdomain, &["*.a.b"], &[("*", "'*.'"), ("a.b", "'*.'"), ("*.*.b", "'*.'")]);
}

#[test]
fn label_keys_and_values() {
    check(
        is_qualified_name,
        &["a", "A.b_c-1", "example.com/Name"],
        &[
            ("", "name part must be non-empty"),
            ("/a", "prefix part must be non-empty"),
            ("a/", "name part must be non-empty"),
            ("A/b", "prefix part a lowercase RFC 1123 subdomain"),
            ("a/b/c", "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"),
            ("-a", "name part must consist of alphanumeric characters"),
            (&"a".repeat(64), "name part must be no more than 63 bytes"),
        ],
    );
    check(
        is_valid_label_value,
        &["", "a", "A_b.c-1"],
        &[("-", "a valid label must be an empty string"), ("a b", "'MyValue'")],
    );
}

#[test]
fn other_words() {
    check(is_c_identifier, &["_a1", "A"], &[("1a", "C identifier"), ("", "C identifier"), ("a-b", "C identifier")]);
    check(
        is_valid_port_name,
        &["http", "a-1"],
        &[
            ("", "must contain only"),
            ("123", "at least one letter"),
            ("a--b", "consecutive"),
            ("-a", "begin or end"),
            ("abcdefghijklmnop", "no more than 15"),
        ],
    );
    check(is_valid_percent, &["0%", "100%"], &[("%", "percent string"), ("1", "percent string"), ("-1%", "'93%'")]);
    check(is_env_var_name, &["a.b-c", "_X1"], &[("1a", "must not start with a digit"), ("..", "must not be '..'")]);
    check(is_relaxed_env_var_name, &["a b", "1"], &[("", "must be non-empty"), ("a=b", "other than '='")]);
    check(
        is_config_map_key,
        &["a", ".a", "A_B"],
        &[(".", "must not be '.'"), ("..a", "must not start with '..'"), ("a b", "config key")],
    );
    check(is_http_header_name, &["X-A"], &[("", "HTTP header"), ("a_b", "HTTP header")]);
    check(is_valid_condition_reason, &["A", "A_", "a:b,c_"], &[("1", "condition reason"), ("a,", "condition reason")]);
}

#[test]
fn prefixes_may_end_in_a_dash() {
    assert!(name_is_dns_subdomain("a-", NameUse::Prefix).is_empty());
    assert!(!name_is_dns_subdomain("a-", NameUse::Name).is_empty());
    assert!(!name_is_dns_label("-", NameUse::Prefix).is_empty());
    assert!(name_is_path_segment("..", NameUse::Prefix).is_empty());
    assert_eq!(name_is_path_segment("..", NameUse::Name), ["may not be '..'"]);
    assert_eq!(name_is_path_segment("a/%", NameUse::Name), ["may not contain '/'", "may not contain '%'"]);
}
