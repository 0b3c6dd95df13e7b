//! IP addresses and CIDRs, read as leniently as upstream reads them in fields that predate strict parsing.

use super::at::At;
use crate::field_error::FieldErrors;
use crate::metadata::ip::{
    Cidr, is_valid_cidr, is_valid_interface_address, is_valid_ip, parse_cidr_sloppy, parse_ip_sloppy, read_cidr,
    read_ip,
};
use std::net::IpAddr;

/// Reads an address; IPv4 may have leading zeros. An IPv4-mapped IPv6 address reads as IPv4, as in Go.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    parse_ip_sloppy(text).map(|address| address.to_canonical())
}

/// Reads a CIDR as leniently as [`parse`].
pub(crate) fn parse_net(text: &str) -> Option<Cidr> {
    parse_cidr_sloppy(text).map(Cidr::unmapped)
}

/// The rule for addresses in old fields: what was there before passes. Returns whether it is good.
pub(crate) fn legacy_ip(at: &At, text: &str, known: &[&str], errors: &mut FieldErrors) -> bool {
    let error = if known.contains(&text) { None } else { read_ip(&at.path(), text).err() };
    let good = error.is_none();
    errors.extend(error);
    good
}

/// The rule for CIDRs in old fields. Returns whether it is good.
pub(crate) fn legacy_cidr(at: &At, text: &str, known: &[&str], errors: &mut FieldErrors) -> bool {
    let error = if known.contains(&text) { None } else { read_cidr(&at.path(), text).err() };
    let good = error.is_none();
    errors.extend(error);
    good
}

/// The rule for addresses in new fields: canonical text only.
pub(crate) fn strict_ip(at: &At, text: &str, errors: &mut FieldErrors) {
    errors.extend(is_valid_ip(&at.path(), text));
}

/// The rule for CIDRs in new fields: canonical text only.
pub(crate) fn strict_cidr(at: &At, text: &str, errors: &mut FieldErrors) {
    errors.extend(is_valid_cidr(&at.path(), text));
}

/// The rule for addresses of interfaces: an address with the length of its network's prefix.
pub(crate) fn interface_address(at: &At, text: &str, errors: &mut FieldErrors) {
    errors.extend(is_valid_interface_address(&at.path(), text));
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
        assert_eq!(parse_net("10.1.2.3/8").map(|net| net.network().to_string()), Some("10.0.0.0".to_owned()));
        assert_eq!(parse_net("::ffff:1.2.3.4/120").map(|net| net.prefix_len), Some(24));
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/a", "::/129"] {
            assert_eq!(parse_net(bad), None, "{bad}");
        }
    }
}
