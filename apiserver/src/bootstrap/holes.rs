//! The holes of the base: what differs between control planes.
//!
//! A hole's number is stored with every tenant and every base, so numbers are never reused or reordered.

use bytes::Bytes;
use kplex_tenants::HoleFacts;
use std::net::SocketAddr;

/// A value that a base object takes from its tenant. What fills it goes into JSON as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Hole {
    /// Time of creation, RFC 3339, without quotes.
    Created = 0,
    /// Day of creation, `YYYY-MM-DD`, without quotes.
    Day = 1,
    /// PEM of the authorities that clients inside trust: the tenant's own and the server's; escaped, without quotes.
    Trust = 2,
    /// PEM of the authority of client certificates: the tenant's own; escaped, without quotes.
    ClientAuthority = 3,
    /// Address of the API server, without quotes.
    Address = 4,
    /// Port of the API server, a number.
    Port = 5,
}

impl Hole {
    /// All holes, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Day, Self::Trust, Self::ClientAuthority, Self::Address, Self::Port];

    /// Returns the number of the hole in the store.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    fn fill(self, facts: &HoleFacts<'_>, advertised: SocketAddr) -> String {
        match self {
            Self::Created => facts.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Self::Day => facts.created.strftime("%Y-%m-%d").to_string(),
            Self::Trust => escape(&format!(
                "{}{}",
                facts.keys.authority().certificate_pem(),
                facts.server_authority.certificate_pem()
            )),
            Self::ClientAuthority => escape(&facts.keys.authority().certificate_pem()),
            Self::Address => advertised.ip().to_string(),
            Self::Port => advertised.port().to_string(),
        }
    }
}

/// Fills the holes for a new tenant. `advertised` is where the Service `kubernetes` leads.
#[must_use]
pub fn fill(facts: &HoleFacts<'_>, advertised: SocketAddr) -> Vec<Bytes> {
    Hole::ALL.iter().map(|hole| Bytes::from(hole.fill(facts, advertised))).collect()
}

fn escape(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places() {
        for (place, hole) in Hole::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(hole.number()), place);
        }
        assert_eq!(escape("a\n\"b\""), r#"a\n\"b\""#);
    }
}
