//! Bootstrap tokens: `id.secret`, kept in Secrets of kube-system.

use super::objects::deleted_at;
use super::user::User;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Namespace of the Secrets.
pub const NAMESPACE: &str = "kube-system";

const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
const DEFAULT_GROUP: &str = "system:bootstrappers";
const GROUP_PREFIX: &str = "system:bootstrappers:";
const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;

/// A bearer token of the right form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootstrapToken<'t> {
    id: &'t str,
    secret: &'t str,
}

impl<'t> BootstrapToken<'t> {
    /// Reads a token; `None` if it has another form.
    #[must_use]
    pub fn parse(token: &'t str) -> Option<Self> {
        let (id, secret) = token.split_once('.')?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let good = id.len() == ID_LENGTH && secret.len() == SECRET_LENGTH && plain(id) && plain(secret);
        good.then_some(Self { id, secret })
    }

    /// Returns the name of the Secret that vouches for the token.
    #[must_use]
    pub fn secret_name(&self) -> String {
        format!("bootstrap-token-{}", self.id)
    }

    /// Returns the identity, if the Secret vouches for the token now.
    #[must_use]
    pub fn user(&self, secret: &Value, now: jiff::Timestamp) -> Option<User> {
        let data = |key: &str| {
            let bytes = secret["data"][key].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
            String::from_utf8(bytes).unwrap_or_default()
        };
        let same_secret =
            aws_lc_rs::constant_time::verify_slices_are_equal(data("token-secret").as_bytes(), self.secret.as_bytes());
        let vouches = deleted_at(secret).is_none()
            && secret["type"] == SECRET_TYPE
            && same_secret.is_ok()
            && data("token-id") == self.id
            && !has_expired(&data("expiration"), now)
            && data("usage-bootstrap-authentication") == "true";
        if !vouches {
            return None;
        }
        let groups = groups(&data("auth-extra-groups"))?;
        Some(User::named(&format!("system:bootstrap:{}", self.id)).with_groups(&groups))
    }
}

/// A time that cannot be read counts as past.
fn has_expired(expiration: &str, now: jiff::Timestamp) -> bool {
    !expiration.is_empty() && expiration.parse::<jiff::Timestamp>().map_or(true, |time| time <= now)
}

fn groups(extra: &str) -> Option<Vec<String>> {
    let mut groups = vec![DEFAULT_GROUP.to_owned()];
    if !extra.is_empty() {
        for group in extra.split(',') {
            groups.push(valid_group(group)?.to_owned());
        }
    }
    groups.sort();
    groups.dedup();
    Some(groups)
}

fn valid_group(group: &str) -> Option<&str> {
    let name = group.strip_prefix(GROUP_PREFIX)?.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = (1..=256).contains(&name.len())
        && name.last().is_some_and(alphanumeric)
        && name.iter().all(|byte| alphanumeric(byte) || matches!(byte, b':' | b'-'));
    good.then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(edit: &[(&str, &str)]) -> Value {
        let mut data = vec![
            ("token-id", "abcdef"),
            ("token-secret", "0123456789abcdef"),
            ("usage-bootstrap-authentication", "true"),
        ];
        data.retain(|(key, _)| !edit.iter().any(|(edited, _)| edited == key));
        data.extend_from_slice(edit);
        let data: serde_json::Map<_, _> =
            data.iter().map(|(key, value)| ((*key).to_owned(), Value::from(STANDARD.encode(value)))).collect();
        json!({"metadata": {"name": "bootstrap-token-abcdef"}, "type": SECRET_TYPE, "data": data})
    }

    fn ask(edit: &[(&str, &str)]) -> Option<String> {
        let token = BootstrapToken::parse("abcdef.0123456789abcdef").expect("a token");
        let now = "2026-11-23T12:00:00Z".parse().expect("time");
        token.user(&secret(edit), now).map(|user| format!("{} {}", user.name, user.quoted_groups()))
    }

    #[test]
    fn only_ids_and_secrets_are_tokens() {
        assert_eq!(
            BootstrapToken::parse("abcdef.0123456789abcdef").expect("good").secret_name(),
            "bootstrap-token-abcdef"
        );
        for bad in ["abcdef", "abcdef.0123456789abcde", "Abcdef.0123456789abcdef", "abcde.0123456789abcdeff", "a.b.c"] {
            assert_eq!(BootstrapToken::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_secret_must_vouch() {
        let plain = r#"system:bootstrap:abcdef ["system:bootstrappers"]"#;
        assert_eq!(ask(&[]).as_deref(), Some(plain));
        let groups =
            r#"system:bootstrap:abcdef ["system:bootstrappers" "system:bootstrappers:a:b" "system:bootstrappers:z"]"#;
        let extra = "system:bootstrappers:z,system:bootstrappers:a:b,system:bootstrappers:z";
        assert_eq!(ask(&[("auth-extra-groups", extra)]).as_deref(), Some(groups));
        assert_eq!(ask(&[("expiration", "2026-11-23T12:00:01Z")]).as_deref(), Some(plain));
        for bad in [
            ("expiration", "2026-11-23T12:00:00Z"),
            ("expiration", "tomorrow"),
            ("token-secret", "0123456789abcdee"),
            ("token-id", "abcdee"),
            ("usage-bootstrap-authentication", "yes"),
            ("auth-extra-groups", "system:masters"),
            ("auth-extra-groups", "system:bootstrappers:-"),
        ] {
            assert_eq!(ask(&[bad]), None, "{bad:?}");
        }
    }
}
