//! Regular expressions in Go's (RE2) dialect, run by the `regex` crate.
//!
//! The two dialects agree but for a few spellings, which are translated: Go's `\d`, `\s`, `\w` and `\b` are ASCII, `{` and
//! `[` may stand for themselves, and `\Q…\E` quotes.

use regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many compiled patterns the process keeps. They are large (tens of kB), and most are never used again.
const CACHED_PATTERNS_MAX: usize = 256;

/// Largest program that a pattern may compile to.
const PROGRAM_BYTES_MAX: usize = 32 << 20;

/// Lazy DFA states that a pattern may keep.
const DFA_BYTES_MAX: usize = 256 << 10;

/// Memory of compiled patterns, shared by all tenants. Compiling is a pure function, so that sharing shows nothing.
/// Lock order: taken alone, for the length of a lookup.
static CACHE: Mutex<Option<HashMap<String, Regex>>> = Mutex::new(None);

/// Compiles a Go pattern.
///
/// # Errors
/// A text such as Go's when the pattern is malformed.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    if let Some(found) = CACHE.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|map| map.get(pattern))
    {
        return Ok(found.clone());
    }
    let translated = translate(pattern).map_err(|what| format!("error parsing regexp: {what}"))?;
    let compiled = RegexBuilder::new(&translated)
        .size_limit(PROGRAM_BYTES_MAX)
        .dfa_size_limit(DFA_BYTES_MAX)
        .build()
        .map_err(|error| describe(pattern, &error))?;
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let map = cache.get_or_insert_with(HashMap::new);
    if map.len() >= CACHED_PATTERNS_MAX {
        map.clear();
    }
    map.insert(pattern.to_owned(), compiled.clone());
    Ok(compiled)
}

/// Names a mistake as Go's parser does.
fn describe(pattern: &str, error: &regex::Error) -> String {
    let text = error.to_string();
    let what = if text.contains("unclosed group") {
        format!("missing closing ): `{pattern}`")
    } else if text.contains("unopened group") {
        format!("unexpected ): `{pattern}`")
    } else {
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{last}: `{pattern}`")
    };
    format!("error parsing regexp: {what}")
}

/// Rewrites a pattern for the `regex` crate, and refuses what only Go refuses.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    // The repetition operators that stand just before `rest`.
    let mut repeated = "";
    // Whether there is something that an operator could repeat.
    let mut has_operand = false;
    while let Some(c) = rest.chars().next() {
        if let Some(operator) = repetition(rest)? {
            if !has_operand {
                return Err(format!("missing argument to repetition operator: `{operator}`"));
            }
            let makes_lazy = operator == "?" && !is_lazy(repeated);
            if !repeated.is_empty() && !makes_lazy {
                let from = pattern.len() - rest.len() - repeated.len();
                let whole = &pattern[from..from + repeated.len() + operator.len()];
                return Err(format!("invalid nested repetition operator: `{whole}`"));
            }
            out.push_str(operator);
            let end = pattern.len() - rest.len() + operator.len();
            repeated = &pattern[end - repeated.len() - operator.len()..end];
            rest = &rest[operator.len()..];
            continue;
        }
        repeated = "";
        has_operand = !matches!(c, '(' | '|');
        match c {
            '\\' => rest = escape(&rest[1..], false, &mut out)?,
            '[' => rest = class(rest, &mut out)?,
            '(' if rest.starts_with("(?") => {
                // The flags or the name of a group are no operators.
                let end = rest.find([')', ':', '>']).map_or(rest.len(), |end| end + 1);
                if rest.starts_with("(?=") || rest.starts_with("(?!") {
                    return Err(format!("invalid or unsupported Perl syntax: `{}`", &rest[..3]));
                }
                if rest.starts_with("(?<=") || rest.starts_with("(?<!") {
                    return Err(format!("invalid or unsupported Perl syntax: `{}`", &rest[..4]));
                }
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            '{' => {
                out.push_str("\\{");
                rest = &rest[1..];
            }
            c => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    Ok(out)
}

/// Whether operators end in a lazy mark already.
fn is_lazy(operators: &str) -> bool {
    operators.len() > 1 && operators.ends_with('?')
}

/// Returns the repetition operator that a text starts with.
fn repetition(text: &str) -> Result<Option<&str>, String> {
    if text.starts_with(['*', '+', '?']) {
        return Ok(Some(&text[..1]));
    }
    let Some(body) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(body, _)| body) else {
        return Ok(None);
    };
    let (low, high) = body.split_once(',').unwrap_or((body, body));
    if low.is_empty() || !low.bytes().chain(high.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let operator = &text[..body.len() + 2];
    let count = |digits: &str| digits.parse::<u32>().unwrap_or(u32::MAX);
    let (low, high) = (count(low), if high.is_empty() { count(low) } else { count(high) });
    if low > 1000 || high > 1000 || low > high {
        return Err(format!("invalid repeat count: `{operator}`"));
    }
    Ok(Some(operator))
}

/// Translates a character class and returns the rest.
fn class<'a>(text: &'a str, out: &mut String) -> Result<&'a str, String> {
    let mut rest = &text[1..];
    out.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    if let Some(after) = rest.strip_prefix(']') {
        out.push_str("\\]");
        rest = after;
    }
    while let Some(c) = rest.chars().next() {
        match c {
            ']' => {
                out.push(']');
                return Ok(&rest[1..]);
            }
            '\\' => {
                rest = escape(&rest[1..], true, out)?;
                continue;
            }
            '[' if rest.starts_with("[:") && rest.contains(":]") => {
                let end = rest.find(":]").map_or(rest.len(), |end| end + 2);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '-' if rest[1..].starts_with('-') => out.push_str("\\-"),
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    Err(format!("missing closing ]: `{text}`"))
}

/// Translates what follows a backslash and returns the rest.
fn escape<'a>(rest: &'a str, in_class: bool, out: &mut String) -> Result<&'a str, String> {
    let Some(c) = rest.chars().next() else { return Err("trailing backslash at end of expression: ``".to_owned()) };
    let after = &rest[c.len_utf8()..];
    let class = match c {
        'd' => Some(("0-9", false)),
        'D' => Some(("0-9", true)),
        's' => Some(("\\t\\n\\f\\r ", false)),
        'S' => Some(("\\t\\n\\f\\r ", true)),
        'w' => Some(("0-9A-Za-z_", false)),
        'W' => Some(("0-9A-Za-z_", true)),
        _ => None,
    };
    if let Some((members, negated)) = class {
        match (in_class, negated) {
            (true, false) => out.push_str(members),
            (_, true) => out.push_str(&format!("[^{members}]")),
            (false, false) => out.push_str(&format!("[{members}]")),
        }
        return Ok(after);
    }
    match c {
        'b' | 'B' if !in_class => out.push_str(&format!("(?-u:\\{c})")),
        'A' | 'z' if !in_class => out.push_str(&format!("\\{c}")),
        'Q' if !in_class => {
            let end = after.find("\\E").unwrap_or(after.len());
            out.push_str(&regex::escape(&after[..end]));
            return Ok(after[end..].strip_prefix("\\E").unwrap_or_default());
        }
        '0'..='7' => {
            let digits = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            if c != '0' && digits < 2 {
                return Err(format!("invalid escape sequence: `\\{c}`"));
            }
            let code = u32::from_str_radix(&rest[..digits], 8).unwrap_or_default();
            out.push_str(&format!("\\x{{{code:x}}}"));
            return Ok(&rest[digits..]);
        }
        'a' | 'f' | 't' | 'n' | 'r' | 'v' | 'x' | 'p' | 'P' => {
            out.push('\\');
            out.push(c);
        }
        '<' | '>' => out.push(c),
        c if c.is_ascii_alphanumeric() || !c.is_ascii() => return Err(format!("invalid escape sequence: `\\{c}`")),
        c => {
            out.push('\\');
            out.push(c);
        }
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "٣", false),
            (r"^[\w.-]+$", "a.b-c_", true),
            (r"^[\w.-]+$", "ä", false),
            (r"^{a}$", "{a}", true),
            (r"^a{2}$", "aa", true),
            (r"^[[]$", "[", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]]$", "a", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^[a-z&&x]+$", "a&x", true),
            (r"^\<a\>$", "<a>", true),
            (r"^[\/]$", "/", true),
            (r"^[[:alpha:]-]+$", "a-b", true),
            (r"^[^\s]+$", "ab", true),
            (r"^[\S]+$", "a b", false),
            (r"^a+?b??c{1,2}?$", "aabc", true),
            (r"^(?P<x>a|b)(?i:C)$", "bc", true),
            (r"^\x41\101$", "AA", true),
        ];
        for (pattern, text, matches) in cases {
            assert_eq!(compile(pattern).unwrap().is_match(text), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused_with_gos_words() {
        assert_eq!(compile("(a").unwrap_err(), "error parsing regexp: missing closing ): `(a`");
        assert!(compile("(?=a)").unwrap_err().starts_with("error parsing regexp: invalid or unsupported Perl syntax"));
        assert_eq!(compile("[a").unwrap_err(), "error parsing regexp: missing closing ]: `[a`");
        assert_eq!(compile("a**").unwrap_err(), "error parsing regexp: invalid nested repetition operator: `**`");
        assert_eq!(compile("*a").unwrap_err(), "error parsing regexp: missing argument to repetition operator: `*`");
        assert_eq!(compile("\\8").unwrap_err(), "error parsing regexp: invalid escape sequence: `\\8`");
        assert_eq!(compile("a{2,1}").unwrap_err(), "error parsing regexp: invalid repeat count: `{2,1}`");
        assert_eq!(compile("a{2000}").unwrap_err(), "error parsing regexp: invalid repeat count: `{2000}`");
    }
}
