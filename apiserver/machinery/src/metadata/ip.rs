//! IP addresses and CIDR ranges as the API accepts them.
//!
//! Fields that are older than strict validation also take addresses with leading zeros and IPv4-mapped IPv6 addresses;
//! that lenient reading is [`parse_ip_sloppy`] and [`parse_cidr_sloppy`].

use crate::field_error::{FieldError, FieldErrors, go_quote};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads a decimal number with any number of leading zeros; `None` above `max`.
fn number(text: &str, max: u32) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u32, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        let next = value * 10 + digit;
        (next <= max).then_some(next)
    })
}

fn parse_v4_sloppy(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = u8::try_from(number(parts.next()?, 255)?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// Removes zeros that the strict parser of the standard library would stumble over.
fn parse_v6_sloppy(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut groups: Vec<String> = text.split(':').map(str::to_owned).collect();
    let last = groups.pop()?;
    for group in &mut groups {
        if group.len() > 4 {
            *group = format!("{:0>4}", group.trim_start_matches('0'));
        }
    }
    let tail = if last.contains('.') {
        parse_v4_sloppy(&last)?.to_string()
    } else if last.len() > 4 {
        format!("{:0>4}", last.trim_start_matches('0'))
    } else {
        last
    };
    groups.push(tail);
    groups.join(":").parse().ok()
}

/// Reads an address, also with leading zeros. IPv4-mapped IPv6 addresses stay IPv6.
#[must_use]
pub fn parse_ip_sloppy(text: &str) -> Option<IpAddr> {
    if text.contains(':') { parse_v6_sloppy(text).map(IpAddr::V6) } else { parse_v4_sloppy(text).map(IpAddr::V4) }
}

/// Writes an address as Go's `net.IP` does: IPv4-mapped IPv6 addresses as IPv4.
#[must_use]
pub fn go_string(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

fn is_mapped(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    }
}

/// An address with a prefix length, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address, with all its bits.
    pub address: IpAddr,
    /// The prefix length.
    pub prefix_len: u8,
}

impl Cidr {
    /// Returns the address without the bits beyond the prefix.
    #[must_use]
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_len)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_len)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
        }
    }

    /// Reads an IPv4-mapped IPv6 range as IPv4, as Go does.
    #[must_use]
    pub fn unmapped(self) -> Self {
        let mapped = is_mapped(self.address);
        let prefix_len = if mapped { self.prefix_len.saturating_sub(96) } else { self.prefix_len };
        Self { address: self.address.to_canonical(), prefix_len }
    }

    /// Writes the network as Go's `net.IPNet` does.
    #[must_use]
    pub fn network_string(&self) -> String {
        let network = self.network();
        let len = if is_mapped(network) { self.prefix_len.saturating_sub(96) } else { self.prefix_len };
        format!("{}/{len}", go_string(network))
    }

    /// Does the range contain an address of the same family?
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (network, address) = (self.network(), address);
        network.is_ipv4() == address.is_ipv4() && Self { address, prefix_len: self.prefix_len }.network() == network
    }
}

/// Reads `address/length`, also with leading zeros.
#[must_use]
pub fn parse_cidr_sloppy(text: &str) -> Option<Cidr> {
    let (address, len) = text.split_once('/')?;
    let address = parse_ip_sloppy(address)?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let prefix_len = u8::try_from(number(len, max)?).ok()?;
    Some(Cidr { address, prefix_len })
}

/// Reads an address as fields do that predate strict validation.
///
/// # Errors
/// When the text is no address.
pub fn read_ip(field: &str, value: &str) -> Result<IpAddr, FieldError> {
    let text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
    parse_ip_sloppy(value).ok_or_else(|| FieldError::invalid(field, value, text))
}

/// Reads a range as fields do that predate strict validation.
///
/// # Errors
/// When the text is no range.
pub fn read_cidr(field: &str, value: &str) -> Result<Cidr, FieldError> {
    let text = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    parse_cidr_sloppy(value).ok_or_else(|| FieldError::invalid(field, value, text))
}

/// Complains of a value that is not in canonical form.
fn canonical(field: &str, value: &str, form: &str) -> FieldErrors {
    if form == value {
        return Vec::new();
    }
    vec![FieldError::invalid(field, value, format!("must be in canonical form ({})", go_quote(form)))]
}

/// Checks an address in canonical form.
#[must_use]
pub fn is_valid_ip(field: &str, value: &str) -> FieldErrors {
    let address = match read_ip(field, value) {
        Ok(address) => address,
        Err(error) => return vec![error],
    };
    let text = match value.parse::<IpAddr>() {
        Err(_) => "must not have leading 0s",
        Ok(strict) if is_mapped(strict) => "must not be an IPv4-mapped IPv6 address",
        Ok(_) => return canonical(field, value, &go_string(address)),
    };
    vec![FieldError::invalid(field, value, text)]
}

fn leading_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0')
}

/// Checks a range in canonical form.
#[must_use]
pub fn is_valid_cidr(field: &str, value: &str) -> FieldErrors {
    let cidr = match read_cidr(field, value) {
        Ok(cidr) => cidr,
        Err(error) => return vec![error],
    };
    let (address, len) = value.split_once('/').expect("it was parsed");
    let text = if address.parse::<IpAddr>().is_err() || leading_zero(len) {
        "must not have leading 0s in IP or prefix length"
    } else if is_mapped(cidr.address) {
        "must not have an IPv4-mapped IPv6 address"
    } else if cidr.address != cidr.network() {
        "must not have bits set beyond the prefix length"
    } else {
        return canonical(field, value, &cidr.network_string());
    };
    vec![FieldError::invalid(field, value, text)]
}

/// Checks an interface address: canonical form, with bits beyond the prefix allowed.
#[must_use]
pub fn is_valid_interface_address(field: &str, value: &str) -> FieldErrors {
    let Some(cidr) = parse_cidr_sloppy(value) else {
        let text = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
        return vec![FieldError::invalid(field, value, text)];
    };
    let len = if is_mapped(cidr.address) && cidr.prefix_len > 32 {
        cidr.prefix_len.saturating_sub(96)
    } else {
        cidr.prefix_len
    };
    canonical(field, value, &format!("{}/{len}", go_string(cidr.address)))
}

/// Returns the warnings for an address in a legacy field, already known to be valid there.
#[must_use]
pub fn warnings_for_ip(field: &str, value: &str) -> Vec<String> {
    let Some(address) = parse_ip_sloppy(value) else { return Vec::new() };
    let quoted = go_quote(value);
    match value.parse::<IpAddr>() {
        Ok(strict) if !is_mapped(strict) => {
            if strict.is_ipv6() && strict.to_string() != value {
                let canonical = go_quote(&strict.to_string());
                return vec![format!(
                    "{field}: IPv6 address {quoted} should be in RFC 5952 canonical format ({canonical})"
                )];
            }
            Vec::new()
        }
        Ok(_) | Err(_) => vec![format!(
            "{field}: non-standard IP address {quoted} will be considered invalid in a future Kubernetes release: use {}",
            go_quote(&go_string(address))
        )],
    }
}

/// Returns the warnings for a range in a legacy field, already known to be valid there.
#[must_use]
pub fn warnings_for_cidr(field: &str, value: &str) -> Vec<String> {
    let Some(cidr) = parse_cidr_sloppy(value) else { return Vec::new() };
    let mut warnings = Vec::new();
    let quoted = go_quote(value);
    let network = go_quote(&cidr.network_string());
    if cidr.address != cidr.network() {
        let bits = if cidr.address.is_ipv4() { 32 } else { 128 };
        let single = go_quote(&format!("{}/{bits}", go_string(cidr.address)));
        warnings.push(format!(
            "{field}: CIDR value {quoted} is ambiguous in this context (should be {network} or {single}?)"
        ));
    }
    let (address, len) = value.split_once('/').expect("it was parsed");
    if address.parse::<IpAddr>().is_err() || leading_zero(len) || is_mapped(cidr.address) {
        warnings.push(format!(
            "{field}: non-standard CIDR value {quoted} will be considered invalid in a future Kubernetes release: use {network}"
        ));
    }
    let written = format!("{}/{}", cidr.address, cidr.prefix_len);
    if warnings.is_empty() && cidr.address.is_ipv6() && written != value {
        let canonical = go_quote(&written);
        warnings
            .push(format!("{field}: IPv6 CIDR value {quoted} should be in RFC 5952 canonical format ({canonical})"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks one value against the detail of its only error; empty means valid.
    fn check(errors: FieldErrors, value: &str, detail: &str) {
        let details: Vec<&str> = errors.iter().map(|error| error.detail.as_str()).collect();
        let wanted: Vec<&str> = if detail.is_empty() { Vec::new() } else { vec![detail] };
        assert_eq!(details, wanted, "{value}");
    }

    #[test]
    fn strict_addresses() {
        for (value, detail) in [
            ("10.0.0.1", ""),
            ("::1", ""),
            ("010.0.0.1", "must not have leading 0s"),
            ("::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"),
            ("FE80::1", r#"must be in canonical form ("fe80::1")"#),
            ("00001::1", "must not have leading 0s"),
            ("1.2.3", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
            ("fe80::1%eth0", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
            ("256.0.0.1", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ] {
            check(is_valid_ip("f", value), value, detail);
        }
        assert_eq!(read_ip("f", "010.0.0.1"), Ok(IpAddr::from([10, 0, 0, 1])));
    }

    #[test]
    fn strict_ranges() {
        for (value, detail) in [
            ("10.0.0.0/8", ""),
            ("2001:db8::/64", ""),
            ("0.0.0.0/0", ""),
            ("10.0.0.1/8", "must not have bits set beyond the prefix length"),
            ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
            ("::ffff:1.2.3.0/120", "must not have an IPv4-mapped IPv6 address"),
            ("2001:DB8::/64", r#"must be in canonical form ("2001:db8::/64")"#),
            ("10.0.0.0", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
            ("10.0.0.0/33", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
        ] {
            check(is_valid_cidr("f", value), value, detail);
        }
        check(is_valid_interface_address("f", "192.168.1.5/24"), "", "");
        check(is_valid_interface_address("f", "::ffff:1.2.3.4/120"), "", r#"must be in canonical form ("1.2.3.4/24")"#);
    }

    #[test]
    fn legacy_forms_warn() {
        assert_eq!(warnings_for_ip("f", "10.0.0.1"), Vec::<String>::new());
        assert!(warnings_for_ip("f", "010.0.0.1")[0].ends_with(r#"use "10.0.0.1""#));
        assert!(warnings_for_ip("f", "FE80::1")[0].ends_with(r#"canonical format ("fe80::1")"#));
        assert!(warnings_for_cidr("f", "10.0.0.1/8")[0].contains(r#"should be "10.0.0.0/8" or "10.0.0.1/32"?"#));
    }
}
