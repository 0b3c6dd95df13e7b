//! IP addresses and CIDRs, read as leniently as upstream reads them in fields that predate strict parsing.

use super::at::At;
use crate::field_error::{FieldErrors, go_quote};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: an address with the bits beyond the prefix cleared, and the length of the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Net {
    /// Address as written.
    pub(crate) address: IpAddr,
    /// Masked address.
    pub(crate) base: IpAddr,
    /// Length of the prefix.
    pub(crate) bits: u8,
}

/// Reads an address; IPv4 may have leading zeros. An IPv4-mapped IPv6 address reads as IPv4, as in Go.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        if text.contains('%') {
            return None;
        }
        let head = text.rsplit_once(':').map_or("", |(head, _)| head);
        let tail = &text[head.len()..];
        let address: Ipv6Addr = if tail.contains('.') {
            let v4 = parse_v4(&tail[1..])?;
            format!("{head}:{v4}").parse().ok()?
        } else {
            text.parse().ok()?
        };
        return Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4));
    }
    parse_v4(text).map(IpAddr::V4)
}

fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *octet = part
            .trim_start_matches('0')
            .parse()
            .or_else(|error| if part.bytes().all(|byte| byte == b'0') { Ok(0) } else { Err(error) })
            .ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// Reads a CIDR as leniently as [`parse`].
pub(crate) fn parse_net(text: &str) -> Option<Net> {
    let (head, tail) = text.split_once('/')?;
    let address = parse(head)?;
    if tail.is_empty() || !tail.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let written: u16 = tail.parse().ok()?;
    let six = head.contains(':');
    let most = if six { 128 } else { 32 };
    if written > most {
        return None;
    }
    let shift = if six && address.is_ipv4() { 96 } else { 0 };
    let bits = u8::try_from(written.saturating_sub(shift)).ok()?;
    Some(Net { address, base: mask(address, bits), bits })
}

fn mask(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let keep = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(v4) & keep))
        }
        IpAddr::V6(v6) => {
            let keep = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & keep))
        }
    }
}

impl Net {
    /// Whether an address lies in the network.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.base.is_ipv4() && mask(address, self.bits) == self.base
    }
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

const BAD_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const BAD_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// The rule for addresses in old fields: what was there before passes.
pub(crate) fn legacy_ip(at: &At, text: &str, known: &[&str], errors: &mut FieldErrors) -> bool {
    let good = known.contains(&text) || parse(text).is_some();
    if !good {
        at.invalid(errors, text, BAD_IP);
    }
    good
}

/// The rule for CIDRs in old fields.
pub(crate) fn legacy_cidr(at: &At, text: &str, known: &[&str], errors: &mut FieldErrors) -> bool {
    let good = known.contains(&text) || parse_net(text).is_some();
    if !good {
        at.invalid(errors, text, BAD_CIDR);
    }
    good
}

/// The rule for addresses in new fields: canonical text only.
pub(crate) fn strict_ip(at: &At, text: &str, errors: &mut FieldErrors) {
    let Some(address) = parse(text) else {
        at.invalid(errors, text, BAD_IP);
        return;
    };
    let written: Result<IpAddr, _> = text.parse();
    match written {
        Err(_) => at.invalid(errors, text, "must not have leading 0s"),
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
            at.invalid(errors, text, "must not be an IPv4-mapped IPv6 address");
        }
        Ok(_) => {
            let canonical = address.to_string();
            if canonical != text {
                at.invalid(errors, text, format!("must be in canonical form ({})", go_quote(&canonical)));
            }
        }
    }
}

/// The rule for CIDRs in new fields: canonical text only.
pub(crate) fn strict_cidr(at: &At, text: &str, errors: &mut FieldErrors) {
    let Some(net) = parse_net(text) else {
        at.invalid(errors, text, BAD_CIDR);
        return;
    };
    let (head, tail) = text.split_once('/').unwrap_or((text, ""));
    let written: Result<IpAddr, _> = head.parse();
    match written {
        Err(_) => at.invalid(errors, text, "must not have leading 0s in IP or prefix length"),
        Ok(_) if tail.len() > 1 && tail.starts_with('0') => {
            at.invalid(errors, text, "must not have leading 0s in IP or prefix length");
        }
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
            at.invalid(errors, text, "must not have an IPv4-mapped IPv6 address");
        }
        Ok(_) if net.address != net.base => {
            at.invalid(errors, text, "must not have bits set beyond the prefix length");
        }
        Ok(_) => {
            let canonical = net.to_string();
            if canonical != text {
                at.invalid(errors, text, format!("must be in canonical form ({})", go_quote(&canonical)));
            }
        }
    }
}

/// Whether there is one address of each family at most; `None` when one is malformed.
pub(crate) fn is_dual_stack(families: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let (mut four, mut six) = (false, false);
    for is_six in families {
        if is_six? {
            six = true;
        } else {
            four = true;
        }
    }
    Some(four && six)
}

/// Warnings about an address that will not be accepted for ever.
pub(crate) fn ip_warnings(path: &str, text: &str, out: &mut Vec<String>) {
    let Some(address) = parse(text) else { return };
    let written: Result<IpAddr, _> = text.parse();
    match written {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
            if v6.to_string() != text {
                let canonical = go_quote(&v6.to_string());
                out.push(format!(
                    "{path}: IPv6 address {} should be in RFC 5952 canonical format ({canonical})",
                    go_quote(text)
                ));
            }
        }
        Ok(IpAddr::V4(_)) => {}
        Ok(IpAddr::V6(_)) | Err(_) => out.push(format!(
            "{path}: non-standard IP address {} will be considered invalid in a future Kubernetes release: use {}",
            go_quote(text),
            go_quote(&address.to_string())
        )),
    }
}

/// Warnings about a CIDR that will not be accepted for ever.
pub(crate) fn cidr_warnings(path: &str, text: &str, out: &mut Vec<String>) {
    let Some(net) = parse_net(text) else { return };
    let before = out.len();
    if net.address != net.base {
        let all = if net.base.is_ipv4() { 32 } else { 128 };
        let single = format!("{}/{all}", net.address);
        out.push(format!(
            "{path}: CIDR value {} is ambiguous in this context (should be {} or {}?)",
            go_quote(text),
            go_quote(&net.to_string()),
            go_quote(&single)
        ));
    }
    let (head, tail) = text.split_once('/').unwrap_or((text, ""));
    let written: Option<IpAddr> = head.parse().ok().filter(|_| tail.len() < 2 || !tail.starts_with('0'));
    let mapped = matches!(written, Some(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some());
    if written.is_none() || mapped {
        out.push(format!(
            "{path}: non-standard CIDR value {} will be considered invalid in a future Kubernetes release: use {}",
            go_quote(text),
            go_quote(&net.to_string())
        ));
    }
    if let Some(IpAddr::V6(v6)) = written
        && out.len() == before
    {
        let canonical = format!("{v6}/{tail}");
        if canonical != text {
            out.push(format!(
                "{path}: IPv6 CIDR value {} should be in RFC 5952 canonical format ({})",
                go_quote(text),
                go_quote(&canonical)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_fields_read_leniently() {
        assert_eq!(parse("010.0.0.001"), Some("10.0.0.1".parse().expect("an address")));
        assert_eq!(parse("::ffff:1.2.3.4"), Some("1.2.3.4".parse().expect("an address")));
        for bad in ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "a", "1.2.3.-4", "fe80::1%eth0", ":"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse_net("10.1.2.3/8").map(|net| net.to_string()), Some("10.0.0.0/8".to_owned()));
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/a", "::/129"] {
            assert_eq!(parse_net(bad), None, "{bad}");
        }
    }
}
