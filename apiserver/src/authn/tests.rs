//! Authentication in real tenants.

use super::*;
use crate::bootstrap::fixture::{create, delete, read, tenants, write};
use crate::http::info::RequestInfo;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method};
use kplex_storage::Key;
use serde_json::json;

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("header"))
        })
        .collect()
}

async fn with_token(scope: &TenantScope, token: &str) -> Result<String, u16> {
    let headers = headers(&[("authorization", &format!("Bearer {token}"))]);
    let user = authenticate(scope, &[], &headers).await;
    user.map(|user| format!("{} {}", user.name, user.quoted_groups())).map_err(|status| status.code)
}

async fn token_for(scope: &TenantScope, name: &str, request: Value) -> String {
    let done = issue_token(scope, "default", name, request, Timestamp::now()).await.expect("token");
    done["status"]["token"].as_str().expect("token").to_owned()
}

fn account(name: &str) -> Key {
    Key::new("", "serviceaccounts", Some("default"), name)
}

fn secret(name: &str) -> Key {
    Key::new("", "secrets", Some("default"), name)
}

fn object(name: &str, uid: &str) -> Value {
    json!({"metadata": {"namespace": "default", "name": name, "uid": uid}})
}

const DEFAULT_ACCOUNT: &str = r#"system:serviceaccount:default:default ["system:serviceaccounts" "system:serviceaccounts:default" "system:authenticated"]"#;

#[tokio::test]
async fn a_service_account_token_is_good_in_its_tenant_only() {
    let tenants = tenants().await;
    let (one, two) = (create(&tenants, "cp1").await, create(&tenants, "cp2").await);
    let token = token_for(&one, "default", json!({})).await;
    assert_eq!(with_token(&one, &token).await.as_deref(), Ok(DEFAULT_ACCOUNT));
    assert_eq!(with_token(&one, &token).await.as_deref(), Ok(DEFAULT_ACCOUNT), "from the cache");
    assert_eq!(with_token(&two, &token).await, Err(401));
    assert_eq!(with_token(&one, "x").await, Err(401));
    let elsewhere = token_for(&one, "default", json!({"spec": {"audiences": ["vault"]}})).await;
    assert_eq!(with_token(&one, &elsewhere).await, Err(401), "for another audience");
}

#[tokio::test]
async fn a_token_ends_at_once_with_what_it_depends_on() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    write(&scope, &account("sa"), &object("sa", "1")).await;
    write(&scope, &secret("s"), &object("s", "2")).await;
    let bound = json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s"}}});
    let (plain, bound) = (token_for(&scope, "sa", json!({})).await, token_for(&scope, "sa", bound).await);
    assert!(with_token(&scope, &plain).await.is_ok());
    assert!(with_token(&scope, &bound).await.is_ok());
    delete(&scope, &secret("s")).await;
    assert_eq!(with_token(&scope, &bound).await, Err(401));
    assert!(with_token(&scope, &plain).await.is_ok());
    write(&scope, &account("sa"), &object("sa", "9")).await;
    assert_eq!(with_token(&scope, &plain).await, Err(401), "another account of that name");
    write(&scope, &account("sa"), &object("sa", "1")).await;
    assert!(with_token(&scope, &plain).await.is_ok());
    delete(&scope, &account("sa")).await;
    assert_eq!(with_token(&scope, &plain).await, Err(401));
}

#[tokio::test]
async fn tokens_of_earlier_keys_and_issuers_stay_good() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    let token = token_for(&scope, "default", json!({})).await;
    tenants.rotate_signing_key("cp").await.expect("rotated");
    tenants.set_issuer("cp", "https://new.example.com").await.expect("changed");
    let scope = tenants.resolve("cp").await.expect("resolved").expect("exists");
    assert!(with_token(&scope, &token).await.is_ok());
    let newer = token_for(&scope, "default", json!({})).await;
    assert!(with_token(&scope, &newer).await.is_ok());
    let document: Value =
        serde_json::from_str(&openid_configuration(&scope, "https://h/openid/v1/jwks")).expect("JSON");
    assert_eq!(document["issuer"], "https://new.example.com");
}

#[tokio::test]
async fn a_certificate_means_something_to_its_own_tenant_only() {
    let tenants = tenants().await;
    let (one, two) = (create(&tenants, "cp1").await, create(&tenants, "cp2").await);
    let chain = [one.keys().issue_admin(Timestamp::now()).expect("a leaf").certificate_der()];
    for _ in 0..2 {
        let user = authenticate(&one, &chain, &HeaderMap::new()).await.expect("admin");
        assert_eq!(
            (&*user.name, user.quoted_groups().as_str()),
            ("kubernetes-admin", r#"["system:masters" "system:authenticated"]"#)
        );
    }
    assert_eq!(authenticate(&two, &chain, &HeaderMap::new()).await.expect_err("stranger").code, 401);
    let token = token_for(&two, "default", json!({})).await;
    let bearer = headers(&[("authorization", &format!("Bearer {token}"))]);
    assert!(authenticate(&two, &chain, &bearer).await.is_ok(), "a good token makes up for it");
    let user = authenticate(&one, &chain, &headers(&[("authorization", "Bearer x")])).await.expect("admin");
    assert_eq!(&*user.name, "kubernetes-admin", "the certificate counts first");
    assert_eq!(authenticate(&one, &[], &HeaderMap::new()).await.expect("nobody"), User::anonymous());
}

#[tokio::test]
async fn bootstrap_tokens_follow_their_secret() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    let token = "abcdef.0123456789abcdef";
    assert_eq!(with_token(&scope, token).await, Err(401));
    let key = Key::new("", "secrets", Some("kube-system"), "bootstrap-token-abcdef");
    let data = json!({
        "token-id": STANDARD.encode("abcdef"), "token-secret": STANDARD.encode("0123456789abcdef"),
        "usage-bootstrap-authentication": STANDARD.encode("true"),
    });
    let mut object = json!({"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token"});
    object["data"] = data;
    write(&scope, &key, &object).await;
    let expected = r#"system:bootstrap:abcdef ["system:bootstrappers" "system:authenticated"]"#;
    assert_eq!(with_token(&scope, token).await.as_deref(), Ok(expected));
    delete(&scope, &key).await;
    assert_eq!(with_token(&scope, token).await, Err(401));
}

#[tokio::test]
async fn tokens_in_secrets_are_good_while_they_lie_there() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    let live = read(&scope, &account("default")).await.expect("the account");
    let token = legacy_token(&scope, &live, "s").expect("token");
    assert_eq!(with_token(&scope, &token).await, Err(401));
    let mut object = object("s", "2");
    object["data"] = json!({"token": STANDARD.encode(&token)});
    write(&scope, &secret("s"), &object).await;
    assert_eq!(with_token(&scope, &token).await.as_deref(), Ok(DEFAULT_ACCOUNT));
    delete(&scope, &secret("s")).await;
    assert_eq!(with_token(&scope, &token).await, Err(401));
}

#[tokio::test]
async fn tokens_are_reviewed_as_upstream_does() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    let token = token_for(&scope, "default", json!({})).await;
    let ask = |spec: Value| review_token(&scope, json!({"spec": spec}), Timestamp::now());
    let done = ask(json!({"token": token})).await.expect("answer");
    assert_eq!(done["status"]["authenticated"], true);
    assert_eq!(done["status"]["audiences"], json!([scope.keys().issuer()]));
    assert_eq!(done["status"]["user"]["username"], "system:serviceaccount:default:default");
    let done = ask(json!({"token": token, "audiences": ["x"]})).await.expect("answer");
    let error = format!(
        r#"[invalid bearer token, token audiences ["{}"] is invalid for the target audiences ["x"]]"#,
        scope.keys().issuer()
    );
    assert_eq!(done["status"], json!({"user": {}, "error": error}));
    let done = ask(json!({"token": "x"})).await.expect("answer");
    assert_eq!(done["status"], json!({"user": {}, "error": "invalid bearer token"}));
    assert_eq!(ask(json!({})).await.expect_err("no token").code, 400);
}

#[tokio::test]
async fn impersonation_is_allowed_by_the_tenants_rules() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    let token = token_for(&scope, "default", json!({})).await;
    let bearer = format!("Bearer {token}");
    let as_eve = headers(&[("authorization", &bearer), ("impersonate-user", "eve")]);
    let refused = authenticate(&scope, &[], &as_eve).await.expect_err("not allowed");
    assert_eq!(
        refused.message,
        r#"users "eve" is forbidden: User "system:serviceaccount:default:default" cannot impersonate resource "users" in API group "" at the cluster scope"#
    );
    let binding = json!({"roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]});
    write(&scope, &Key::new(authz::RBAC_GROUP, "clusterrolebindings", None, "sa"), &binding).await;
    let user = authenticate(&scope, &[], &as_eve).await.expect("allowed");
    assert_eq!((&*user.name, user.quoted_groups().as_str()), ("eve", r#"["system:authenticated"]"#));
}

#[tokio::test]
async fn a_fresh_tenant_answers_a_stranger_as_a_name_that_does_not_exist() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    for (headers, url) in [
        (headers(&[]), "/api/v1/pods?fieldSelector=metadata.name%3Dx"),
        (headers(&[]), "/api"),
        (headers(&[("impersonate-user", "u")]), "/api"),
        (headers(&[("impersonate-group", "u")]), "/api"),
        (headers(&[("authorization", "Bearer x")]), "/api"),
        (headers(&[("authorization", "Basic x")]), "/api"),
    ] {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let info = RequestInfo::parse(&Method::GET, path, query);
        let there = match authenticate(&scope, &[], &headers).await {
            Ok(user) => authz::authorize_request(&scope, &user, &info, query).await.expect_err("refused"),
            Err(status) => status,
        };
        assert_eq!(refuse_stranger(false, &headers, &info, query), there, "{url} {headers:?}");
    }
}

#[test]
fn a_stranger_learns_nothing() {
    let ask = |name: &'static str, value: &str, certificate: bool| {
        let info = RequestInfo::parse(&Method::GET, "/api/v1/nodes", "");
        let status = refuse_stranger(certificate, &headers(&[(name, value)]), &info, "");
        (status.code, status.message)
    };
    let anonymous = r#"nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope"#;
    assert_eq!(ask("x", "y", false), (403, anonymous.to_owned()));
    assert_eq!(ask("authorization", "Bearer x", false), (401, "Unauthorized".to_owned()));
    assert_eq!(ask("authorization", "Bearer \u{fc}", false).0, 401);
    assert_eq!(ask("x", "y", true).0, 401);
    assert_eq!(ask("impersonate-group", "g", false).0, 400);
}
