//! What is claimed, against a real store: many writes at once over the whole stack.

use crate::authn::User;
use crate::bootstrap;
use crate::catalog;
use crate::in_process::InProcessService;
use crate::shared::Shared;
use crate::stack;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use kplex_storage::{Engine, Store, StoreOptions};
use kplex_tenants::{NewControlPlane, Tenants, TenantsOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt;

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";

async fn control_plane() -> InProcessService {
    let store = Store::open(StoreOptions::new(Engine::Memory, Arc::new(catalog::base()))).await.expect("a store");
    let advertised = SocketAddr::from(([127, 0, 0, 1], 9443));
    let options = TenantsOptions {
        fill_holes: Arc::new(move |facts| bootstrap::holes::fill(facts, advertised)),
        ..TenantsOptions::default()
    };
    let tenants = Tenants::open(store, options).await.expect("tenants");
    let scope = tenants.create(NewControlPlane::named("cp1")).await.expect("a control plane");
    let shared = Shared::new(tenants, None);
    shared.set_ready();
    let user = User::named("admin").with_groups(&["system:masters"]).authenticated();
    InProcessService::new(stack::build(shared), scope, user)
}

async fn ask(service: &InProcessService, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let body = body.map_or_else(String::new, |body| body.to_string());
    let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder().method(method).uri(path).header("content-type", content);
    let request = request.body(Body::from(body)).expect("a request");
    let response = service.clone().oneshot(request).await.expect("in-process calls don't fail");
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// Sends many bodies at once, and returns the answers in order.
async fn ask_all(service: &InProcessService, path: &'static str, bodies: Vec<Value>) -> Vec<(u16, Value)> {
    let tasks: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let service = service.clone();
            tokio::spawn(async move { ask(&service, "POST", path, Some(body)).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("no panic"));
    }
    answers
}

fn service(name: &str, spec: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}});
    object["spec"].as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
    object
}

async fn count(service: &InProcessService, path: &str) -> usize {
    ask(service, "GET", path, None).await.1["items"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_services_get_the_same_port() {
    let cp = control_plane().await;
    let one =
        |n: usize| service(&format!("s{n}"), json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}));
    let answers = ask_all(&cp, SERVICES, (0..12).map(one).collect()).await;
    let winners: Vec<&Value> = answers.iter().filter(|(code, _)| *code == 201).map(|(_, body)| body).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    let loser = answers.iter().find(|(code, _)| *code != 201).expect("losers");
    assert_eq!(loser.0, 422);
    let text = loser.1["message"].as_str().expect("a message");
    assert!(
        text.ends_with("spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"),
        "{text}"
    );
    assert_eq!(count(&cp, ADDRESSES).await, 2, "losers keep no address");
    let name = winners[0]["metadata"]["name"].as_str().expect("a name");
    assert_eq!(ask(&cp, "DELETE", &format!("{SERVICES}/{name}"), None).await.0, 200);
    assert_eq!(ask(&cp, "POST", SERVICES, Some(one(99))).await.0, 201, "the port is free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn addresses_are_unique_and_given_back() {
    let cp = control_plane().await;
    let answers =
        ask_all(&cp, SERVICES, (0..40).map(|n| service(&format!("s{n}"), json!({"type": "NodePort"}))).collect()).await;
    assert!(answers.iter().all(|(code, _)| *code == 201), "{answers:?}");
    let all = |pointer: &str| -> BTreeSet<String> {
        answers.iter().map(|(_, body)| body.pointer(pointer).expect("allocated").to_string()).collect()
    };
    assert_eq!(all("/spec/clusterIP").len(), 40);
    assert_eq!(all("/spec/ports/0/nodePort").len(), 40);
    // The service "kubernetes" has one too.
    assert_eq!(count(&cp, ADDRESSES).await, 41);
    for n in 0..40 {
        ask(&cp, "DELETE", &format!("{SERVICES}/s{n}"), None).await;
    }
    assert_eq!(count(&cp, ADDRESSES).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_gives_up_what_its_new_type_has_no_use_for() {
    let cp = control_plane().await;
    let spec = json!({"type": "NodePort", "clusterIP": "10.96.0.77", "ports": [{"port": 80, "nodePort": 30081}]});
    assert_eq!(ask(&cp, "POST", SERVICES, Some(service("a", spec.clone()))).await.0, 201);
    let (code, taken) = ask(&cp, "POST", SERVICES, Some(service("b", spec.clone()))).await;
    assert_eq!(code, 422, "{taken}");
    let external = json!({"spec": {"type": "ExternalName", "externalName": "x.y"}});
    let (code, changed) = ask(&cp, "PATCH", &format!("{SERVICES}/a"), Some(external)).await;
    assert_eq!((code, changed["spec"].get("clusterIP")), (200, None), "{changed}");
    let (code, second) = ask(&cp, "POST", SERVICES, Some(service("b", spec.clone()))).await;
    assert_eq!(code, 201, "{second}");
    let (code, dry) = ask(&cp, "POST", &format!("{SERVICES}?dryRun=All"), Some(service("c", json!({})))).await;
    assert_eq!((code, &dry["spec"]["clusterIP"]), (201, &json!("10.96.0.0")));
    assert_eq!(count(&cp, ADDRESSES).await, 2, "a dry run claims nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quota_is_not_exceeded_by_many_at_once() {
    let cp = control_plane().await;
    let quotas = "/api/v1/namespaces/default/resourcequotas";
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "25"}}});
    assert_eq!(ask(&cp, "POST", quotas, Some(quota)).await.0, 201);
    let status = json!({"status": {"hard": {"configmaps": "25"}, "used": {"configmaps": "0"}}});
    assert_eq!(ask(&cp, "PATCH", &format!("{quotas}/q/status"), Some(status)).await.0, 200);
    let one = |n: usize| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{n}")}});
    let answers = ask_all(&cp, "/api/v1/namespaces/default/configmaps", (0..60).map(one).collect()).await;
    assert_eq!(answers.iter().filter(|(code, _)| *code == 201).count(), 25, "{answers:?}");
    let refused = answers.iter().find(|(code, _)| *code == 403).expect("some are refused");
    let text = refused.1["message"].as_str().expect("a message");
    assert!(
        text.ends_with("exceeded quota: q, requested: configmaps=1, used: configmaps=25, limited: configmaps=25"),
        "{text}"
    );
    let (_, quota) = ask(&cp, "GET", &format!("{quotas}/q"), None).await;
    assert_eq!(quota["status"]["used"]["configmaps"], "25");
}

const CONFIGURATION: &str = "/apis/admissionregistration.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}})
}

fn rule(operations: Value, resources: Value) -> Value {
    json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": resources})
}

async fn configure(service: &InProcessService, plural: &str, kind: &str, name: &str, rest: Value) {
    let mut object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}});
    object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let (code, answer) = ask(service, "POST", &format!("{CONFIGURATION}/{plural}"), Some(object)).await;
    assert_eq!(code, 201, "{answer}");
}

async fn bind_policy(service: &InProcessService, failure: &str, actions: Value) {
    let spec = json!({"spec": {
        "failurePolicy": failure,
        "matchConstraints": {
            "resourceRules": [rule(json!(["CREATE"]), json!(["configmaps"]))],
            "objectSelector": {"matchLabels": {"strict": "yes"}},
        },
        "validations": [{"expression": "false"}],
    }});
    configure(service, "validatingadmissionpolicies", "ValidatingAdmissionPolicy", "policy", spec).await;
    let spec = json!({"spec": {"policyName": "policy", "validationActions": actions}});
    configure(service, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", "binding", spec).await;
}

#[tokio::test]
async fn a_policy_that_cannot_be_evaluated_refuses_what_it_is_about() {
    let service = control_plane().await;
    bind_policy(&service, "Fail", json!(["Deny"])).await;
    let (code, answer) = ask(&service, "POST", MAPS, Some(map("a", json!({"strict": "yes"})))).await;
    assert_eq!((code, &answer["reason"]), (422, &json!("Invalid")), "{answer}");
    let message = answer["message"].as_str().unwrap();
    let begin = "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'policy' with binding 'binding' denied request: \
                 expression 'false' resulted in error: ";
    assert!(message.starts_with(begin), "{message}");
    let (code, answer) = ask(&service, "POST", MAPS, Some(map("a", json!({})))).await;
    assert_eq!(code, 201, "it is about labelled objects: {answer}");
    let labels = json!({"metadata": {"labels": {"strict": "yes"}}});
    let (code, _) = ask(&service, "PATCH", &format!("{MAPS}/a"), Some(labels)).await;
    assert_eq!(code, 200, "and about their creation only");
    let path = format!("{CONFIGURATION}/validatingadmissionpolicybindings/binding");
    assert_eq!(ask(&service, "DELETE", &path, None).await.0, 200);
    let (code, answer) = ask(&service, "POST", MAPS, Some(map("b", json!({"strict": "yes"})))).await;
    assert_eq!(code, 201, "a policy that nothing binds is about nothing: {answer}");
}

#[tokio::test]
async fn errors_of_policies_do_what_their_users_have_chosen() {
    for (failure, actions) in [("Ignore", json!(["Deny"])), ("Fail", json!(["Warn"]))] {
        let service = control_plane().await;
        bind_policy(&service, failure, actions).await;
        let (code, answer) = ask(&service, "POST", MAPS, Some(map("a", json!({"strict": "yes"})))).await;
        assert_eq!(code, 201, "{answer}");
    }
}

#[tokio::test]
async fn a_webhook_that_cannot_be_called_refuses_what_it_is_about() {
    let service = control_plane().await;
    for (plural, kind, operation) in [
        ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "CREATE"),
        ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "DELETE"),
    ] {
        let webhook = |name: &str, failure: &str| {
            json!({
                "name": name, "failurePolicy": failure, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": "https://192.0.2.1/"},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
                "rules": [rule(json!([operation]), json!(["configmaps"]))],
            })
        };
        let webhooks =
            json!({"webhooks": [webhook("soft.example.com", "Ignore"), webhook("hard.example.com", "Fail")]});
        configure(&service, plural, kind, "hooks", webhooks).await;
    }
    let (code, answer) = ask(&service, "POST", MAPS, Some(map("a", json!({})))).await;
    assert_eq!(code, 500, "{answer}");
    let message = answer["message"].as_str().unwrap();
    let begin = "Internal error occurred: failed calling webhook \"hard.example.com\": failed to call webhook: ";
    assert!(message.starts_with(begin), "{message}");
    let elsewhere = "/api/v1/namespaces/kube-system/configmaps";
    assert_eq!(ask(&service, "POST", elsewhere, Some(map("a", json!({})))).await.0, 201);
    let path = format!("{CONFIGURATION}/mutatingwebhookconfigurations/hooks");
    assert_eq!(ask(&service, "DELETE", &path, None).await.0, 200, "nobody locks themselves out");
    assert_eq!(ask(&service, "POST", MAPS, Some(map("a", json!({})))).await.0, 201);
    assert_eq!(ask(&service, "DELETE", &format!("{MAPS}/a"), None).await.0, 500);
}
