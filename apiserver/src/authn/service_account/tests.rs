//! Tokens against the objects they name, as a table of what goes wrong.

use super::*;
use crate::authn::jwt::{sign, test_keys, verify};
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

const ISSUER: &str = "https://issuer";
const NOW: i64 = 10_000;

fn object(name: &str, uid: &str) -> Value {
    json!({"metadata": {"namespace": "ns", "name": name, "uid": uid}})
}

fn bound_claims(extra: &Value) -> Value {
    let mut private = json!({"namespace": "ns", "serviceaccount": {"name": "sa", "uid": "1"}});
    for (key, value) in extra.as_object().into_iter().flatten() {
        private[key] = value.clone();
    }
    json!({"iss": ISSUER, "sub": "system:serviceaccount:ns:sa", "aud": [ISSUER], "jti": "j", "exp": NOW + 100,
        "kubernetes.io": private})
}

fn ask(claims: &Value, objects: &[(Resource, Value)]) -> Result<User, String> {
    let keys = test_keys::fresh(ISSUER);
    let text = sign(claims, &keys).expect("token");
    let claims = verify(&text, &keys).expect("good").expect("ours");
    let token = ServiceAccountToken::new(claims)?;
    let mut found = Found::default();
    for lookup in token.lookups() {
        let same = |(resource, object): &&(Resource, Value)| {
            *resource == lookup.resource && metadata_text(object, "name") == &*lookup.name
        };
        let object = objects.iter().find(same).map(|(_, object)| object.clone());
        found.insert(lookup, object);
    }
    token.user(&text, &found, NOW)
}

fn check(extra: &Value, objects: &[(Resource, Value)], expected: &str) {
    let got = ask(&bound_claims(extra), objects).map(|user| user.name.to_string()).unwrap_or_else(|error| error);
    assert_eq!(got, expected, "{extra}");
}

#[test]
fn bound_tokens_live_as_long_as_what_they_are_bound_to() {
    let good = "system:serviceaccount:ns:sa";
    let sa = (Resource::ServiceAccount, object("sa", "1"));
    check(&json!({}), std::slice::from_ref(&sa), good);
    check(&json!({}), &[], r#"serviceaccounts "sa" not found"#);
    let reborn = [(Resource::ServiceAccount, object("sa", "2"))];
    check(&json!({}), &reborn, "service account UID (2) does not match claim (1)");
    let mut going = object("sa", "1");
    going["metadata"]["deletionTimestamp"] = json!("1970-01-01T02:46:00Z");
    check(&json!({}), &[(Resource::ServiceAccount, going.clone())], good);
    going["metadata"]["deletionTimestamp"] = json!("1970-01-01T02:45:00Z");
    check(&json!({}), &[(Resource::ServiceAccount, going)], "service account ns/sa has been deleted");
    for (key, resource) in [("secret", Resource::Secret), ("pod", Resource::Pod), ("node", Resource::Node)] {
        let extra = json!({key: {"name": "x", "uid": "7"}});
        check(&extra, std::slice::from_ref(&sa), "service account token has been invalidated");
        check(&extra, &[sa.clone(), (resource, object("x", "7"))], good);
        let other = format!("{key} UID (8) does not match service account {key} ref claim (7)");
        check(&extra, &[sa.clone(), (resource, object("x", "8"))], &other);
    }
    // The node of a pod is told, not checked.
    let on_node = json!({"pod": {"name": "p", "uid": "7"}, "node": {"name": "n", "uid": "9"}});
    let user = ask(&bound_claims(&on_node), &[sa, (Resource::Pod, object("p", "7"))]).expect("good");
    let extra: Vec<String> = user.extra.iter().map(|(key, list)| format!("{key}={}", list.join(","))).collect();
    assert_eq!(
        extra.join(" "),
        "authentication.kubernetes.io/credential-id=JTI=j authentication.kubernetes.io/node-name=n \
         authentication.kubernetes.io/node-uid=9 authentication.kubernetes.io/pod-name=p \
         authentication.kubernetes.io/pod-uid=7"
    );
    assert_eq!(user.quoted_groups(), r#"["system:serviceaccounts" "system:serviceaccounts:ns"]"#);
}

#[test]
fn an_expired_token_is_refused() {
    let mut claims = bound_claims(&json!({}));
    claims["exp"] = json!(NOW - 100);
    let refused = ask(&claims, &[(Resource::ServiceAccount, object("sa", "1"))]);
    assert_eq!(refused, Err("service account token has expired".to_owned()));
}

#[test]
fn legacy_tokens_must_lie_in_their_secret() {
    let keys = test_keys::fresh(ISSUER);
    let account = object("sa", "1");
    let text = sign(&legacy_claims(&account, "s"), &keys).expect("token");
    let token = ServiceAccountToken::new(verify(&text, &keys).expect("good").expect("ours")).expect("claims");
    let ask = |secret: Option<Value>, account: Option<Value>| {
        let mut found = Found::default();
        found.insert(Lookup::new(Resource::Secret, "ns", "s"), secret);
        found.insert(Lookup::new(Resource::ServiceAccount, "ns", "sa"), account);
        token.user(&text, &found, NOW).map(|user| user.name.to_string()).unwrap_or_else(|error| error)
    };
    let mut secret = object("s", "5");
    secret["data"] = json!({"token": STANDARD.encode(&text)});
    assert_eq!(ask(Some(secret.clone()), Some(account.clone())), "system:serviceaccount:ns:sa");
    assert_eq!(ask(None, Some(account.clone())), "Token has been invalidated");
    assert_eq!(ask(Some(object("s", "5")), Some(account.clone())), "Token does not match server's copy");
    assert_eq!(ask(Some(secret.clone()), None), r#"serviceaccounts "sa" not found"#);
    secret["metadata"]["labels"] = json!({INVALID_SINCE_LABEL: "2020-01-01"});
    assert!(
        ask(Some(secret), Some(account)).starts_with("the token in secret ns/s for service account ns/sa has been")
    );
    assert_eq!(token.audiences(&keys.audiences, &keys), Ok(keys.audiences.clone()));
    assert_eq!(
        token.audiences(&["x".to_owned()], &keys),
        Err(r#"token audiences ["https://issuer"] is invalid for the target audiences ["x"]"#.to_owned())
    );
}

#[test]
fn legacy_claims_must_be_whole() {
    let keys = test_keys::fresh(ISSUER);
    let whole = legacy_claims(&object("sa", "1"), "s");
    let ask = |claims: &Value| {
        let text = sign(claims, &keys).expect("token");
        ServiceAccountToken::new(verify(&text, &keys).expect("good").expect("ours")).map(|_| ())
    };
    assert_eq!(ask(&whole), Ok(()));
    let mut other = whole.clone();
    other["sub"] = json!("system:serviceaccount:ns:other");
    assert_eq!(ask(&other), Err("sub claim is invalid".to_owned()));
    let mut short = whole;
    short.as_object_mut().expect("object").remove("kubernetes.io/serviceaccount/secret.name");
    assert_eq!(ask(&short), Err("secretName claim is missing".to_owned()));
}
