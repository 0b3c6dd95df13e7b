//! Lists of completion indexes such as `1,3-5`.

use crate::field_error::go_quote;

/// Reads `a` or `a-b`.
fn interval(text: &str, completions: i64) -> Result<(i64, i64), String> {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.len() > 2 {
        let quoted = go_quote(text);
        return Err(format!(
            "the fragment {quoted} violates the requirement that an index interval can have at most two parts \
             separated by '-'"
        ));
    }
    let read = |part: &str| {
        let number: i64 =
            part.parse().map_err(|_| format!("cannot convert string to integer for index: {}", go_quote(part)))?;
        if number >= completions {
            return Err(format!("too large index: {}", go_quote(part)));
        }
        Ok(number)
    };
    let first = read(parts[0])?;
    let Some(last) = parts.get(1) else { return Ok((first, first)) };
    let last = read(last)?;
    if first >= last {
        return Err(format!("non-increasing order, previous: {first}, current: {last}"));
    }
    Ok((first, last))
}

/// Number of indexes in a list.
///
/// # Errors
/// When the list is malformed; the text is upstream's.
pub(super) fn count(text: &str, completions: i64) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let (mut total, mut previous) = (0, None);
    for part in text.split(',') {
        let (first, last) = interval(part, completions)?;
        if let Some(previous) = previous
            && previous >= first
        {
            return Err(format!("non-increasing order, previous: {previous}, current: {first}"));
        }
        total += last - first + 1;
        previous = Some(last);
    }
    Ok(total)
}

/// The first index that two lists have in common; malformed parts are passed over.
pub(super) fn overlap(a: &str, b: &str, completions: i64) -> Option<i64> {
    let read = |text: &str| -> Vec<(i64, i64)> {
        text.split(',').filter_map(|part| interval(part, completions).ok()).collect()
    };
    let (a, b) = (read(a), read(b));
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i].0 <= b[j].1 && b[j].0 <= a[i].1 {
            return Some(a[i].0.max(b[j].0));
        }
        if a[i].0 <= b[j].0 { i += 1 } else { j += 1 }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_counted_and_compared() {
        assert_eq!(count("1,3-5", 6), Ok(4));
        assert_eq!(count("", 6), Ok(0));
        for bad in ["6", "2,1", "3-3", "a", "1-2-3", "1,"] {
            assert!(count(bad, 6).is_err(), "{bad}");
        }
        assert_eq!(overlap("1,3-5", "0,4", 6), Some(4));
        assert_eq!(overlap("1,3", "0,2", 6), None);
    }
}
