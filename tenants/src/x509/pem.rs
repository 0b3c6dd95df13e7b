//! PEM armour around DER.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Returns `der` as one PEM block with 64 characters a line.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut out = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 40);
    out.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// Returns the content of the first PEM block with this label.
pub(crate) fn decode(label: &str, text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let start = text.find(&begin)? + begin.len();
    let stop = start + text[start..].find(&end)?;
    let body: String = text[start..stop].split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_round_trips() {
        for length in [0_usize, 1, 47, 48, 49, 500] {
            let der: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let text = encode("THING", &der);
            assert!(text.lines().all(|line| line.len() <= 64));
            assert_eq!(decode("THING", text.as_bytes()).unwrap(), der);
        }
        assert_eq!(decode("THING", b"-----BEGIN THING-----\n!!\n-----END THING-----"), None);
        assert_eq!(decode("OTHER", encode("THING", b"x").as_bytes()), None);
    }
}
