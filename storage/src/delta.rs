//! The way back from a new value to the previous one, as one replaced middle.
//!
//! JSON documents change in one place most of the time (and in `metadata` near the front), so a common prefix and a
//! common suffix catch nearly everything at the price of one comparison.

use bytes::Bytes;

use crate::codec::{Reader, put_varint};

/// Encodes how to get from `new` to `previous`: prefix length, suffix length, the previous middle.
pub(crate) fn way_back(new: &[u8], previous: &[u8]) -> Bytes {
    let prefix = common(new.iter(), previous.iter());
    let suffix = common(new[prefix..].iter().rev(), previous[prefix..].iter().rev());
    let middle = &previous[prefix..previous.len() - suffix];
    let mut out = Vec::with_capacity(middle.len() + 8);
    put_varint(&mut out, prefix as u64);
    put_varint(&mut out, suffix as u64);
    out.extend_from_slice(middle);
    Bytes::from(out.into_boxed_slice())
}

/// Applies what [`way_back`] made; `None` when it does not fit `new`.
pub(crate) fn go_back(new: &[u8], back: &[u8]) -> Option<Bytes> {
    let mut reader = Reader::new(back);
    let prefix = usize::try_from(reader.varint()?).ok()?;
    let suffix = usize::try_from(reader.varint()?).ok()?;
    let middle = reader.rest();
    if prefix.checked_add(suffix)? > new.len() {
        return None;
    }
    let mut out = Vec::with_capacity(prefix + middle.len() + suffix);
    out.extend_from_slice(&new[..prefix]);
    out.extend_from_slice(middle);
    out.extend_from_slice(&new[new.len() - suffix..]);
    Some(Bytes::from(out.into_boxed_slice()))
}

fn common<'a>(left: impl Iterator<Item = &'a u8>, right: impl Iterator<Item = &'a u8>) -> usize {
    left.zip(right).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(new: &str, previous: &str, size_max: usize) {
        let back = way_back(new.as_bytes(), previous.as_bytes());
        assert_eq!(go_back(new.as_bytes(), &back).as_deref(), Some(previous.as_bytes()), "{new:?} -> {previous:?}");
        assert!(back.len() <= size_max, "{new:?} -> {previous:?}: {} bytes", back.len());
    }

    #[test]
    fn way_back_returns_to_the_previous_value() {
        check("", "", 2);
        check("abc", "abc", 2);
        check("abc", "", 2);
        check("", "abc", 5);
        check(r#"{"a":1,"b":2}"#, r#"{"a":17,"b":2}"#, 3);
        check("aaaa", "aa", 2);
        check("aa", "aaaa", 4);
        check("abab", "ab", 2);
    }

    #[test]
    fn way_back_that_does_not_fit_is_refused() {
        let back = way_back(b"a long enough value", b"a long little value");
        assert_eq!(go_back(b"short", &back), None);
        assert_eq!(go_back(b"short", b""), None);
    }
}
