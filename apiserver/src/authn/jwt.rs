//! Service-account tokens as JSON Web Tokens: reading, verifying, signing. What the claims mean is not known here.

use super::keys::{TokenKeys, VerifyingKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde_json::Value;

/// Issuer of tokens that a Secret of type `kubernetes.io/service-account-token` holds.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";

/// Clocks may differ by this much.
pub const LEEWAY_SECONDS: i64 = 60;

/// The registered claims, and the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
    /// `aud`; empty in legacy tokens.
    pub audiences: Vec<String>,
    /// `exp`, Unix seconds.
    pub expiry: Option<i64>,
    /// `nbf`, Unix seconds.
    pub not_before: Option<i64>,
    /// `iat`, Unix seconds.
    pub issued_at: Option<i64>,
    /// `jti`
    pub id: String,
    /// All claims.
    pub all: Value,
}

impl Claims {
    fn from_value(all: Value) -> Self {
        let text = |key: &str| all[key].as_str().unwrap_or_default().to_owned();
        let time = |key: &str| {
            // A claim of 0 means nothing, as upstream's library has it.
            all[key].as_i64().or_else(|| all[key].as_f64().map(|seconds| seconds as i64)).filter(|time| *time != 0)
        };
        let audiences = match &all["aud"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(many) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        };
        Self {
            issuer: text("iss"),
            subject: text("sub"),
            audiences,
            expiry: time("exp"),
            not_before: time("nbf"),
            issued_at: time("iat"),
            id: text("jti"),
            all,
        }
    }

    /// Checks the times of the token.
    ///
    /// # Errors
    /// Upstream's words for a token that is too old or too young.
    pub fn check_times(&self, now: i64) -> Result<(), &'static str> {
        if self.not_before.is_some_and(|time| now.saturating_add(LEEWAY_SECONDS) < time) {
            return Err("service account token is not valid yet");
        }
        if self.expiry.is_some_and(|time| now.saturating_sub(LEEWAY_SECONDS) > time) {
            return Err("service account token has expired");
        }
        if self.issued_at.is_some_and(|time| now.saturating_add(LEEWAY_SECONDS) < time) {
            return Err("service account token is issued in the future");
        }
        Ok(())
    }
}

/// Verifies the signature of a token.
///
/// Returns `None` for what is no token of ours at all, so that others may look at it.
///
/// # Errors
/// Upstream's words for a token that claims one of our issuers but was not signed by our keys.
pub fn verify(token: &str, keys: &TokenKeys) -> Result<Option<Claims>, String> {
    let Some(claimed) = unverified_issuer(token) else { return Ok(None) };
    if claimed != LEGACY_ISSUER && !keys.issuers.contains(&claimed) {
        return Ok(None);
    }
    let Ok(header) = jsonwebtoken::decode_header(token) else { return Err(bad_signature()) };
    let mut known = false;
    for key in keys.candidates(header.kid.as_deref().filter(|id| !id.is_empty())) {
        known = true;
        if let Some(claims) = verify_with(token, header.alg, key) {
            return Ok(Some(claims));
        }
    }
    Err(if known { bad_signature() } else { "invalid signature, no keys found".to_owned() })
}

fn bad_signature() -> String {
    "go-jose/go-jose: error in cryptographic primitive".to_owned()
}

fn verify_with(token: &str, algorithm: Algorithm, key: &VerifyingKey) -> Option<Claims> {
    if !key.algorithms().contains(&algorithm) {
        return None;
    }
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    // Times and audiences are judged by the caller, whose answers must be upstream's.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Value>(token, key.key(), &validation).ok()?.claims;
    claims.is_object().then(|| Claims::from_value(claims))
}

/// Reads the issuer that a token claims, without believing it.
fn unverified_issuer(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims["iss"].as_str().map(str::to_owned)
}

/// Signs claims with the tenant's current key.
///
/// # Errors
/// The key is unusable.
pub fn sign(claims: &Value, keys: &TokenKeys) -> Result<String, jsonwebtoken::errors::Error> {
    let mut header = Header::new(Algorithm::ES256);
    header.typ = None;
    header.kid = Some(keys.signing.id().to_owned());
    jsonwebtoken::encode(&header, claims, keys.signing.key())
}

/// Keys for the tests of this and the neighbouring files.
#[cfg(test)]
pub(super) mod test_keys {
    use super::super::keys::{SigningKey, TokenKeys, VerifyingKey};
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

    pub(in crate::authn) fn fresh(issuer: &str) -> TokenKeys {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).expect("key");
        let spki = pair.public_key().as_der().expect("public key");
        let verifying = VerifyingKey::from_spki(spki.as_ref()).expect("public key");
        TokenKeys {
            signing: SigningKey::from_p256_pkcs8(verifying.id().to_owned(), pkcs8.as_ref()),
            verifying: vec![verifying],
            issuers: vec![issuer.to_owned()],
            audiences: vec![issuer.to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_signed_token_is_read_back_and_a_changed_one_is_not() {
        let keys = test_keys::fresh("https://a");
        let token =
            sign(&json!({"iss": "https://a", "sub": "s", "aud": "x", "exp": 100, "nbf": 50.5}), &keys).expect("token");
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("header")).expect("base64");
        let expected = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, keys.signing.id());
        assert_eq!(String::from_utf8_lossy(&header), expected);
        let claims = verify(&token, &keys).expect("good").expect("ours");
        assert_eq!((claims.subject.as_str(), claims.audiences.as_slice()), ("s", &["x".to_owned()][..]));
        assert_eq!((claims.expiry, claims.not_before, claims.issued_at), (Some(100), Some(50), None));
        let (body, signature) = token.rsplit_once('.').expect("three parts");
        let reversed: String = signature.chars().rev().collect();
        assert_eq!(verify(&format!("{body}.{reversed}"), &keys), Err(bad_signature()));
        let other = test_keys::fresh("https://a");
        assert_eq!(verify(&token, &other), Err("invalid signature, no keys found".to_owned()));
        assert_eq!(verify(&token, &test_keys::fresh("https://b")), Ok(None));
        for junk in ["", "a.b", "a.b.c", "a.b.c.d", "{}"] {
            assert_eq!(verify(junk, &keys), Ok(None), "{junk}");
        }
    }

    #[test]
    fn algorithms_other_than_the_keys_are_refused() {
        let keys = test_keys::fresh("https://a");
        let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://a","sub":"s"}"#);
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256"}"#, r#"{"alg":"RS256"}"#, r#"{"alg":"ES384"}"#] {
            let header = URL_SAFE_NO_PAD.encode(header);
            for signature in ["", "AAAA"] {
                assert_eq!(verify(&format!("{header}.{payload}.{signature}"), &keys), Err(bad_signature()));
            }
        }
    }

    #[test]
    fn times_have_a_minute_of_leeway() {
        let claims = |value: Value| Claims::from_value(value);
        let check = |value: Value, expected: Result<(), &'static str>| {
            assert_eq!(claims(value.clone()).check_times(1000), expected, "{value}");
        };
        check(json!({}), Ok(()));
        check(json!({"exp": 940}), Ok(()));
        check(json!({"exp": 939}), Err("service account token has expired"));
        check(json!({"nbf": 1060}), Ok(()));
        check(json!({"nbf": 1061}), Err("service account token is not valid yet"));
        check(json!({"iat": 1061}), Err("service account token is issued in the future"));
        check(json!({"exp": 0}), Ok(()));
    }
}
