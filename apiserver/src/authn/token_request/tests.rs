//! Requests for tokens, good and bad; texts as a real kube-apiserver's.

use super::*;
use crate::authn::jwt::{test_keys, verify};

const ISSUER: &str = "https://issuer";

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("time")
}

fn account() -> Value {
    json!({"metadata": {"namespace": "ns", "name": "sa", "uid": "1"}})
}

fn ask(request: Value, objects: &[(Resource, Value)]) -> Result<(Value, Value), Status> {
    let keys = test_keys::fresh(ISSUER);
    check_names(&request, "ns", "sa")?;
    let request = TokenRequest::new(request, &account(), &keys, now())?;
    let mut found = Found::default();
    let fetch = |lookup: &Lookup| {
        let same = |(resource, object): &&(Resource, Value)| {
            *resource == lookup.resource && metadata_text(object, "name") == &*lookup.name
        };
        objects.iter().find(same).map(|(_, object)| object.clone())
    };
    if let Some(lookup) = request.lookup() {
        let object = fetch(&lookup);
        found.insert(lookup, object);
    }
    if let Some(lookup) = request.node_lookup(&found) {
        let object = fetch(&lookup);
        found.insert(lookup, object);
    }
    let done = request.issue(&found, &keys, now(), "j")?;
    let claims = verify(done["status"]["token"].as_str().expect("token"), &keys).expect("good").expect("ours");
    Ok((done, claims.all))
}

fn bound(kind: &str, uid: &str) -> Value {
    json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": "x", "uid": uid}}})
}

fn named(name: &str, uid: &str) -> Value {
    json!({"metadata": {"name": name, "uid": uid}})
}

#[test]
fn an_empty_request_gets_a_token_of_an_hour_for_the_server() {
    let (done, claims) = ask(json!({"spec": {}}), &[]).expect("token");
    assert_eq!(done["spec"], json!({"audiences": [ISSUER], "expirationSeconds": 3600, "boundObjectRef": null}));
    let metadata = json!({"namespace": "ns", "name": "sa", "uid": "1", "creationTimestamp": "2026-11-23T12:00:00Z"});
    assert_eq!(done["metadata"], metadata);
    assert_eq!(done["status"]["expirationTimestamp"], "2026-11-23T13:00:00Z");
    let start = now().as_second();
    let expected = json!({
        "aud": [ISSUER], "exp": start + 3600, "iat": start, "nbf": start, "iss": ISSUER, "jti": "j",
        "kubernetes.io": {"namespace": "ns", "serviceaccount": {"name": "sa", "uid": "1"}},
        "sub": "system:serviceaccount:ns:sa",
    });
    assert_eq!(claims, expected);
}

#[test]
fn tokens_are_bound_to_objects() {
    for (kind, resource) in [("Secret", Resource::Secret), ("Node", Resource::Node)] {
        let (_, claims) = ask(bound(kind, ""), &[(resource, named("x", "7"))]).expect("token");
        assert_eq!(claims["kubernetes.io"][kind.to_lowercase()], json!({"name": "x", "uid": "7"}));
    }
    let mut pod = named("x", "7");
    pod["spec"] = json!({"serviceAccountName": "sa", "nodeName": "n"});
    let mut request = bound("Pod", "7");
    request["spec"]["expirationSeconds"] = json!(3607);
    let (done, claims) =
        ask(request.clone(), &[(Resource::Pod, pod.clone()), (Resource::Node, named("n", "9"))]).expect("token");
    let start = now().as_second();
    assert_eq!(claims["exp"], start + 365 * 24 * 3600);
    assert_eq!(done["status"]["expirationTimestamp"], "2026-11-23T13:00:07Z");
    let private = &claims["kubernetes.io"];
    assert_eq!((&private["warnafter"], &private["node"]), (&json!(start + 3607), &json!({"name": "n", "uid": "9"})));
    request["spec"]["audiences"] = json!(["elsewhere"]);
    let (_, claims) = ask(request, &[(Resource::Pod, pod)]).expect("token");
    assert_eq!((&claims["exp"], &claims["kubernetes.io"]["node"]), (&json!(start + 3607), &json!({"name": "n"})));
}

#[test]
fn senseless_requests_are_refused_in_upstreams_words() {
    let seconds = |seconds: i64| json!({"spec": {"expirationSeconds": seconds}});
    let mut pod = named("x", "7");
    pod["spec"] = json!({"serviceAccountName": "other"});
    let cases = [
        (
            seconds(10),
            422,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 10: \
            may not specify a duration less than 10 minutes",
        ),
        (
            seconds(1 << 33),
            422,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: \
            8589934592: may not specify a duration larger than 2^32 seconds",
        ),
        (
            json!({"metadata": {"name": "x"}}),
            422,
            "TokenRequest.authentication.k8s.io \"sa\" is invalid: metadata.name: \
            Invalid value: \"x\": must match the service account name if specified",
        ),
        (
            json!({"metadata": {"uid": "x"}}),
            409,
            "Operation cannot be fulfilled on TokenRequest.authentication.k8s.io \"sa\": \
            the UID in the token request (x) does not match the UID of the service account (1)",
        ),
        (
            json!({"spec": {"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Foo"}}}),
            400,
            "cannot bind token to object of type apps/v1, Kind=Foo",
        ),
        (bound("Secret", ""), 404, "secrets \"x\" not found"),
        (
            bound("Node", "8"),
            409,
            "Operation cannot be fulfilled on Node \"x\": the UID in the bound object reference (8) \
            does not match the UID in record. The object might have been deleted and then recreated",
        ),
        (
            bound("Pod", ""),
            400,
            "cannot bind token for serviceaccount \"sa\" to pod running with different serviceaccount name.",
        ),
    ];
    for (request, code, message) in cases {
        let refused = ask(request.clone(), &[(Resource::Pod, pod.clone()), (Resource::Node, named("x", "7"))]);
        let refused = refused.expect_err("refused");
        assert_eq!((refused.code, refused.message.as_str()), (code, message), "{request}");
    }
}
