//! Distinguished names: a common name and any number of organizations, as Kubernetes maps them to user and groups.

use super::der::{self, tag};

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];

/// Returns the DER of a name. All organizations stand in one RDN, as Go writes them, sorted as DER wants a SET.
pub(crate) fn encode(common_name: &str, organizations: &[&str]) -> Vec<u8> {
    let mut relative_names = Vec::new();
    if !organizations.is_empty() {
        let mut attributes: Vec<_> = organizations.iter().map(|value| attribute(ORGANIZATION, value)).collect();
        attributes.sort();
        relative_names.extend(der::element(tag::SET, &attributes.concat()));
    }
    relative_names.extend(der::element(tag::SET, &attribute(COMMON_NAME, common_name)));
    der::element(tag::SEQUENCE, &relative_names)
}

fn attribute(kind: &[u8], value: &str) -> Vec<u8> {
    der::sequence(&[&der::oid(kind), &der::directory_string(value)])
}
