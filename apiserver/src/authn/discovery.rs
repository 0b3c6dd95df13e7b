//! OpenID Connect discovery: how others verify the tenant's service-account tokens.
//!
//! The key set itself (`/openid/v1/jwks`, `application/jwk-set+json`) is `TenantKeys::jwks`.

use super::keys::TokenKeys;
use serde_json::Value;

/// Path of the configuration document.
pub const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
/// Path of the key set.
pub const KEYS_PATH: &str = "/openid/v1/jwks";
/// Media type of the key set.
pub const KEYS_MEDIA_TYPE: &str = "application/jwk-set+json";
/// `Cache-Control` of both.
pub const CACHE_CONTROL: &str = "public, max-age=3600";

/// Returns the configuration document; `keys_url` is the absolute address of [`KEYS_PATH`] as clients reach it.
#[must_use]
pub fn configuration(keys: &TokenKeys, keys_url: &str) -> String {
    let mut algorithms: Vec<String> = keys.verifying.iter().map(|key| format!("{:?}", key.algorithms()[0])).collect();
    algorithms.sort();
    algorithms.dedup();
    let quoted = |text: &str| Value::from(text).to_string();
    let algorithms: Vec<String> = algorithms.iter().map(|name| quoted(name)).collect();
    // Written by hand to keep upstream's order of members.
    format!(
        r#"{{"issuer":{},"jwks_uri":{},"response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":[{}]}}"#,
        quoted(keys.issuer()),
        quoted(keys_url),
        algorithms.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::jwt::test_keys;

    #[test]
    fn the_document_is_upstreams() {
        assert_eq!(
            configuration(&test_keys::fresh("https://i"), "https://h/openid/v1/jwks"),
            "{\"issuer\":\"https://i\",\"jwks_uri\":\"https://h/openid/v1/jwks\",\"response_types_supported\":[\"id_token\"],\
             \"subject_types_supported\":[\"public\"],\"id_token_signing_alg_values_supported\":[\"ES256\"]}"
        );
    }
}
