//! The string formats that custom resources are checked against, as in kube-openapi's `strfmt`.
//!
//! Names are compared without dashes. A format that is not listed here is not checked, as upstream does.

use super::goregex;
use crate::metadata::ip::{parse_cidr_sloppy, parse_ip_sloppy};
use crate::metadata::names::{is_dns1123_label, is_dns1123_subdomain};

const FORMATS: [&str; 27] = [
    "bsonobjectid",
    "byte",
    "cidr",
    "creditcard",
    "date",
    "datetime",
    "duration",
    "email",
    "hexcolor",
    "hostname",
    "ipv4",
    "ipv6",
    "isbn",
    "isbn10",
    "isbn13",
    "k8slongname",
    "k8sshortname",
    "mac",
    "password",
    "rgbcolor",
    "ssn",
    "uri",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "",
];

/// Whether a format is one that upstream checks.
pub(crate) fn is_supported(format: &str) -> bool {
    !format.is_empty() && FORMATS.contains(&format.replace('-', "").as_str())
}

/// Whether a text has a format; true for formats that are not checked.
pub(crate) fn matches(format: &str, text: &str) -> bool {
    match format.replace('-', "").as_str() {
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "byte" => is_base64(text),
        "cidr" => parse_cidr_sloppy(text).is_some(),
        "creditcard" => is_credit_card(text),
        "date" => is_date(text),
        "datetime" => is_date_time(text),
        "duration" => is_duration(text),
        "email" => is_email(text),
        "hexcolor" => is_hex_color(text),
        "hostname" => is_hostname(text),
        "ipv4" => text.contains('.') && parse_ip_sloppy(text).is_some(),
        "ipv6" => text.contains(':') && parse_ip_sloppy(text).is_some(),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "k8slongname" => is_dns1123_subdomain(text).is_empty(),
        "k8sshortname" => is_dns1123_label(text).is_empty(),
        "mac" => is_mac(text),
        "rgbcolor" => is_rgb_color(text),
        "ssn" => text.len() == 11 && pattern(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$", text),
        "uri" => is_request_uri(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some('3')),
        "uuid4" => is_uuid(text, Some('4')),
        "uuid5" => is_uuid(text, Some('5')),
        _ => true,
    }
}

fn pattern(pattern: &str, text: &str) -> bool {
    goregex::compile(pattern).is_ok_and(|regex| regex.is_match(text))
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && padding <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let issuers = "^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|\
                   3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$";
    if !pattern(issuers, &digits) {
        return false;
    }
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(position, digit)| {
            let value = u32::from(digit - b'0') * if position % 2 == 1 { 2 } else { 1 };
            if value >= 10 { value % 10 + 1 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        bytes[range.clone()].iter().all(u8::is_ascii_digit).then(|| text[range].parse().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    if text.len() < 4 || !is_date(date) {
        return false;
    }
    let form = "^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$";
    let Some(captures) = goregex::compile(form).ok().and_then(|regex| regex.captures(time)) else { return false };
    &captures[1] <= "23" && &captures[2] <= "59" && &captures[3] <= "59"
}

/// Go's `time.ParseDuration`, or numbers with units as Scala writes them.
fn is_duration(text: &str) -> bool {
    let go = r"^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
    if pattern(go, text) {
        return true;
    }
    const EXACT: [&str; 16] =
        ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk", "nano", "micro", "milli", "sec", "min"];
    const PREFIXES: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
    let Ok(regex) = goregex::compile(r"((\d+)\s*([A-Za-zµ]+))") else { return false };
    regex.captures_iter(text).any(|captures| {
        let unit = captures[3].to_lowercase();
        captures[2].parse::<i64>().is_ok()
            && (EXACT.contains(&unit.as_str()) || PREFIXES.iter().any(|prefix| unit.starts_with(prefix)))
    })
}

/// An address as `net/mail` reads it: `local@domain`, or `Name <local@domain>`.
fn is_email(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']);
    let address = match (text.find('<'), text.strip_suffix('>')) {
        (Some(start), Some(body)) => &body[start + 1..],
        (None, None) => text,
        _ => return false,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_atom = |part: &str, extra: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || !c.is_ascii() || extra.contains(c))
    };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let local_ok = quoted || local.split('.').all(|part| is_atom(part, "!#$%&'*+-/=?^_`{|}~"));
    let literal = domain.starts_with('[') && domain.ends_with(']');
    local_ok && (literal || domain.split('.').all(|part| is_atom(part, "!#$%&'*+-/=?^_`{|}~")))
}

fn is_hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_rgb_color(text: &str) -> bool {
    let part = r"(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])";
    pattern(&format!(r"^rgb\(\s*{part}\s*,\s*{part}\s*,\s*{part}\s*\)$"), text)
}

fn is_hostname(text: &str) -> bool {
    if text.len() > 255 || text.split('.').any(|part| part.len() > 63) {
        return false;
    }
    let symbols = r"a-zA-Z0-9\p{S}\p{L}";
    let single = format!(r"[{symbols}]((-?[{symbols}]{{0,62}})?)");
    let dotted = format!(r"([{symbols}](([{symbols}-]{{0,61}}[{symbols}])?)(\.)){{1,}}([a-zA-Z\p{{L}}]){{2,63}}");
    pattern(&format!("^({single}|{dotted})$"), text)
}

fn without_separators(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}' | '-')).collect()
}

fn is_isbn10(text: &str) -> bool {
    let text = without_separators(text);
    if !pattern("^(?:[0-9]{9}X|[0-9]{10})$", &text) {
        return false;
    }
    let sum: u32 = text
        .bytes()
        .zip(1..)
        .map(|(digit, weight)| weight * if digit == b'X' { 10 } else { u32::from(digit - b'0') })
        .sum();
    sum.is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let text = without_separators(text);
    if text.len() != 13 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let digit = |position: usize| u32::from(text.as_bytes()[position] - b'0');
    let sum: u32 = (0..12).map(|position| digit(position) * if position % 2 == 0 { 1 } else { 3 }).sum();
    digit(12) == (10 - sum % 10) % 10
}

fn is_mac(text: &str) -> bool {
    let groups = |separator: char, width: usize, counts: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len())
            && parts.iter().all(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    groups(':', 2, &[6, 8, 20]) || groups('-', 2, &[6, 8, 20]) || groups('.', 4, &[3, 4, 10])
}

/// Go's `url.ParseRequestURI`: an absolute URI or an absolute path.
pub(crate) fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.chars().any(|c| c.is_ascii_control()) {
        return false;
    }
    if text.starts_with('/') {
        return percent_escapes_are_whole(text.split('?').next().unwrap_or_default());
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_ok = scheme.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !scheme_ok {
        return false;
    }
    let Some(after) = rest.strip_prefix("//") else {
        // `scheme:opaque` is absolute; `scheme:/path` too.
        return true;
    };
    let authority = after.split(['/', '?']).next().unwrap_or_default();
    let path = &after[authority.len()..];
    let host = authority.rsplit('@').next().unwrap_or_default();
    host_is_well_formed(host) && percent_escapes_are_whole(path.split('?').next().unwrap_or_default())
}

fn host_is_well_formed(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => (name, port),
            None => return false,
        },
        None => match host.rfind(':') {
            Some(colon) => (&host[..colon], &host[colon..]),
            None => (host, ""),
        },
    };
    let port_ok = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    port_ok && !name.contains([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}'])
}

fn percent_escapes_are_whole(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(position, &byte)| {
        byte != b'%' || bytes.get(position + 1..position + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    })
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let third = version.map_or("[0-9a-f]{4}".to_owned(), |version| format!("{version}[0-9a-f]{{3}}"));
    let fourth = if matches!(version, Some('4' | '5')) { "[89ab][0-9a-f]{3}" } else { "[0-9a-f]{4}" };
    pattern(&format!("(?i)^[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{third}-?{fourth}-?[0-9a-f]{{12}}$"), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_and_refuse_what_upstream_does() {
        let cases = [
            ("date-time", "2026-11-23T15:00:00Z", true),
            ("date-time", "2026-11-23T15:00:00.123+02:00", true),
            ("date-time", "2026-11-23 15:00:00Z", false),
            ("date-time", "2026-02-30T15:00:00Z", false),
            ("date", "2024-02-29", true),
            ("date", "2023-02-29", false),
            ("email", "a@b.c", true),
            ("email", "Joe <joe@example.com>", true),
            ("email", "nobody", false),
            ("ipv4", "10.0.0.1", true),
            ("ipv4", "10.0.0.256", false),
            ("ipv6", "fe80::1", true),
            ("ipv6", "10.0.0.1", false),
            ("cidr", "10.0.0.0/8", true),
            ("cidr", "10.0.0.0/33", false),
            ("mac", "01:23:45:67:89:ab", true),
            ("mac", "0123.4567.89ab", true),
            ("mac", "01:23", false),
            ("uri", "https://example.com/x?y", true),
            ("uri", "/absolute", true),
            ("uri", "relative", false),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", true),
            ("uuid4", "123e4567-e89b-12d3-a456-426614174000", false),
            ("hostname", "www.example.com", true),
            ("hostname", "-a", false),
            ("duration", "1h30m", true),
            ("duration", "22 ns", true),
            ("duration", "soon", false),
            ("byte", "YWJj", true),
            ("byte", "YWJ", false),
            ("isbn10", "0321751043", true),
            ("isbn13", "978-0321751041", true),
            ("creditcard", "4111111111111111", true),
            ("creditcard", "4111111111111112", false),
            ("ssn", "111-11-1111", true),
            ("hexcolor", "#FFF", true),
            ("rgbcolor", "rgb(255, 0,1)", true),
            ("k8s-short-name", "a-b", true),
            ("k8s-short-name", "A", false),
            ("int32", "anything", true),
        ];
        for (format, text, expected) in cases {
            assert_eq!(matches(format, text), expected, "{format} of {text}");
        }
    }
}
