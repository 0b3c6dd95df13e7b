//! Writes DER. Only the handful of ASN.1 types that certificates need; reading is x509-parser's work.

/// The universal and context tags that certificates use.
pub(crate) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// Returns the tag of an implicitly tagged primitive value.
    pub(crate) const fn implicit(number: u8) -> u8 {
        0x80 | number
    }

    /// Returns the tag of an explicitly tagged (so constructed) value.
    pub(crate) const fn explicit(number: u8) -> u8 {
        0xa0 | number
    }
}

/// Returns `content` under `tag` with a definite length.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    match content.len() {
        length @ 0..=0x7f => out.push(length as u8),
        length => {
            let bytes = length.to_be_bytes();
            let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
            let significant = &bytes[first..];
            out.push(0x80 | significant.len() as u8);
            out.extend_from_slice(significant);
        }
    }
    out.extend_from_slice(content);
    out
}

/// Returns a constructed value made of `parts`, in order.
pub(crate) fn constructed(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// Returns a SEQUENCE of `parts`.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    constructed(tag::SEQUENCE, parts)
}

/// Returns the INTEGER with this big-endian unsigned value.
pub(crate) fn unsigned(value: &[u8]) -> Vec<u8> {
    let first = value.iter().position(|byte| *byte != 0);
    let digits = first.map_or(&[0_u8][..], |first| &value[first..]);
    match digits[0] & 0x80 {
        0 => element(tag::INTEGER, digits),
        _ => element(tag::INTEGER, &[&[0], digits].concat()),
    }
}

/// Returns a BIT STRING whose bits fill whole bytes.
pub(crate) fn bit_string(content: &[u8]) -> Vec<u8> {
    element(tag::BIT_STRING, &[&[0], content].concat())
}

/// Returns a BIT STRING of named bits, bit 0 first, without trailing zeros as DER wants it.
pub(crate) fn named_bits(bits: u16) -> Vec<u8> {
    let bytes = bits.reverse_bits().to_be_bytes();
    let used = match bytes {
        [0, 0] => 0,
        [_, 0] => 1,
        [_, _] => 2,
    };
    let unused = if used == 0 { 0 } else { bytes[used - 1].trailing_zeros() as u8 };
    element(tag::BIT_STRING, &[&[unused], &bytes[..used]].concat())
}

/// Returns an OCTET STRING.
pub(crate) fn octet_string(content: &[u8]) -> Vec<u8> {
    element(tag::OCTET_STRING, content)
}

/// Returns an OBJECT IDENTIFIER from its encoded content bytes.
pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    element(tag::OBJECT_IDENTIFIER, content)
}

/// Returns a directory string: PrintableString where the characters allow it, else UTF8String.
pub(crate) fn directory_string(text: &str) -> Vec<u8> {
    let printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
    match text.bytes().all(printable) {
        true => element(tag::PRINTABLE_STRING, text.as_bytes()),
        false => element(tag::UTF8_STRING, text.as_bytes()),
    }
}

/// Returns a point in time, to the second: UTCTime until 2049, GeneralizedTime after, as RFC 5280 says.
pub(crate) fn time(at: jiff::Timestamp) -> Vec<u8> {
    let civil = at.to_zoned(jiff::tz::TimeZone::UTC);
    match civil.year() {
        1950..=2049 => element(tag::UTC_TIME, civil.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()),
        _ => element(tag::GENERALIZED_TIME, civil.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_short_and_the_long_form() {
        assert_eq!(element(4, &[7; 3]), [4, 3, 7, 7, 7]);
        assert_eq!(element(4, &[7; 200])[..3], [4, 0x81, 200]);
        assert_eq!(element(4, &[7; 300])[..4], [4, 0x82, 1, 44]);
    }

    #[test]
    fn integers_are_minimal_and_never_negative() {
        assert_eq!(unsigned(&[0, 0]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80]);
    }

    #[test]
    fn named_bits_drop_trailing_zeros() {
        assert_eq!(named_bits(0b1), [3, 2, 7, 0x80]); // digitalSignature
        assert_eq!(named_bits(0b101), [3, 2, 5, 0xa0]); // + keyEncipherment
        assert_eq!(named_bits(1 << 8), [3, 3, 7, 0, 0x80]); // decipherOnly
        assert_eq!(named_bits(0), [3, 1, 0]);
    }

    #[test]
    fn times_change_form_in_2050() {
        let early: jiff::Timestamp = "2049-12-31T23:59:59Z".parse().unwrap();
        let late: jiff::Timestamp = "2050-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(time(early), element(tag::UTC_TIME, b"491231235959Z"));
        assert_eq!(time(late), element(tag::GENERALIZED_TIME, b"20500101000000Z"));
    }
}
