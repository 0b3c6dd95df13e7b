//! Syntax of names, ports, keys and the like, with upstream's complaints.
//!
//! Each function returns nothing for a good value and one text for each complaint otherwise. Most are those of the
//! metadata module under shorter names.

use crate::metadata::names::{NameUse, name_is_path_segment};
pub(crate) use crate::metadata::names::{
    inclusive_range_error as range_error, is_c_identifier as c_identifier, is_config_map_key as config_key,
    is_dns1035_label as dns1035_label, is_dns1123_label as dns_label, is_dns1123_subdomain as dns_subdomain,
    is_dns1123_subdomain_with_underscore as dns_subdomain_underscore, is_http_header_name as http_header_name,
    is_in_range as in_range, is_qualified_name as qualified_name, is_relaxed_env_var_name as env_name,
    is_valid_condition_reason as condition_reason, is_valid_label_value as label_value, is_valid_percent as percent,
    is_valid_port_name as port_name, is_valid_port_num as port_number, is_valid_user_id as user_id,
    is_wildcard_dns1123_subdomain as wildcard_subdomain,
};

/// Longest DNS subdomain.
pub(crate) const SUBDOMAIN_MAX: usize = 253;

/// Whether a text may be the value of a label.
pub(crate) fn is_label_value(text: &str) -> bool {
    label_value(text).is_empty()
}

/// Name of a path segment, as RBAC objects have.
pub(crate) fn path_segment(text: &str) -> Vec<String> {
    name_is_path_segment(text, NameUse::Name)
}

/// Whether a sysctl name is well formed.
pub(crate) fn is_sysctl(text: &str) -> bool {
    let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let middle = |byte: u8| edge(&byte) || matches!(byte, b'-' | b'_');
    text.len() <= SUBDOMAIN_MAX
        && text.split(['.', '/']).all(|segment| {
            let bytes = segment.as_bytes();
            bytes.first().is_some_and(edge) && bytes.last().is_some_and(edge) && segment.bytes().all(middle)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_controls_have_dotted_or_slashed_names() {
        for good in ["kernel.shm_rmid_forced", "net/ipv4/ip_local_port_range", "a"] {
            assert!(is_sysctl(good), "{good}");
        }
        for bad in ["", "a..b", "_a", "a-", "A", "a b"] {
            assert!(!is_sysctl(bad), "{bad}");
        }
    }
}
