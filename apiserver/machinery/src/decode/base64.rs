//! Base64 as Go's `encoding/base64` reads it: line breaks are skipped, and errors tell the offset.

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;

/// Returns the bytes of a base64 text.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let stripped: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    // Go ignores the bits that padding leaves over; the crate does not unless told.
    let lenient = ::base64::engine::GeneralPurpose::new(
        &::base64::alphabet::STANDARD,
        ::base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    lenient.decode(stripped).ok()
}

/// Returns the canonical base64 of a base64 text.
///
/// # Errors
/// Returns `illegal base64 data at input byte N`.
pub(super) fn canonical(text: &str) -> Result<String, String> {
    if let Ok(bytes) = STANDARD.decode(text) {
        let canonical = STANDARD.encode(bytes);
        return Ok(canonical);
    }
    match decode(text) {
        Some(bytes) => Ok(STANDARD.encode(bytes)),
        None => Err(format!("illegal base64 data at input byte {}", error_offset(text.as_bytes()))),
    }
}

/// Finds the offset that Go reports: the first bad byte, or where the input stopped too early.
fn error_offset(bytes: &[u8]) -> usize {
    let symbol = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let mut count = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\r' | b'\n' => {}
            byte if symbol(byte) => count += 1,
            b'=' => return padding_offset(bytes, at, count % 4),
            _ => return at,
        }
        at += 1;
    }
    // The input ended within a group: Go points before the symbols of that group.
    bytes.len() - count % 4
}

fn padding_offset(bytes: &[u8], at: usize, filled: usize) -> usize {
    let mut rest = (at + 1..bytes.len()).filter(|index| !matches!(bytes[*index], b'\r' | b'\n'));
    match filled {
        0 | 1 => at,
        2 => match rest.next() {
            None => bytes.len(),
            // Go points at the byte before the one that should have been padding.
            Some(second) if bytes[second] != b'=' => second - 1,
            Some(_) => rest.next().unwrap_or(bytes.len()),
        },
        _ => rest.next().unwrap_or(bytes.len()),
    }
}
