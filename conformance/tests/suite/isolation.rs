//! Control planes are strangers to each other, on every route that is served (D10).
//!
//! The route table is read from the server's own discovery, so a new resource is covered when it is served.

use http::Method;
use kplex_conformance::{Answer, ControlPlane, Server, Wire, eventually};
use serde_json::{Value, json};

/// One way to call the server.
#[derive(Clone, Debug)]
struct Route {
    method: Method,
    path: String,
    body: &'static str,
}

/// Paths that discovery does not list.
const OTHER_PATHS: [&str; 12] = [
    "/",
    "/api",
    "/api/v1",
    "/apis",
    "/apis/apps",
    "/apis/apps/v1",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/api/v1",
    "/metrics",
    "/.well-known/openid-configuration",
    "/openid/v1/jwks",
];

/// Returns every verb of every resource and subresource.
async fn routes(wire: &Wire) -> Vec<Route> {
    let mut routes: Vec<Route> =
        OTHER_PATHS.iter().map(|path| Route { method: Method::GET, path: (*path).to_owned(), body: "" }).collect();
    let mut versions = vec![("/api/v1".to_owned(), wire.get("/api/v1").await.json())];
    for group in wire.get("/apis").await.json()["groups"].as_array().expect("groups") {
        for version in group["versions"].as_array().expect("versions") {
            let path = format!("/apis/{}", version["groupVersion"].as_str().expect("a version has a name"));
            let list = wire.get(&path).await;
            assert_eq!(list.code, 200, "{path}");
            versions.push((path, list.json()));
        }
    }
    for (base, list) in &versions {
        for resource in list["resources"].as_array().expect("resources") {
            routes.extend(resource_routes(base, resource));
        }
    }
    routes
}

fn resource_routes(base: &str, resource: &Value) -> Vec<Route> {
    let name = resource["name"].as_str().expect("a resource has a name");
    let (plural, subresource) = name.split_once('/').map_or((name, ""), |(plural, subresource)| (plural, subresource));
    let namespace = if resource["namespaced"] == true { "/namespaces/default" } else { "" };
    let collection = format!("{base}{namespace}/{plural}");
    let object =
        format!("{collection}/thing{}", if subresource.is_empty() { String::new() } else { format!("/{subresource}") });
    let verbs = resource["verbs"].as_array().expect("verbs").iter().filter_map(Value::as_str);
    let route = |verb: &str| {
        let (method, path, body) = match verb {
            "get" => (Method::GET, object.clone(), ""),
            "list" => (Method::GET, collection.clone(), ""),
            "watch" => (Method::GET, format!("{collection}?watch=1&timeoutSeconds=1"), ""),
            "create" if subresource.is_empty() => (Method::POST, collection.clone(), "{}"),
            "create" => (Method::POST, object.clone(), "{}"),
            "update" => (Method::PUT, object.clone(), "{}"),
            "patch" => (Method::PATCH, object.clone(), "{}"),
            "delete" => (Method::DELETE, object.clone(), ""),
            "deletecollection" => (Method::DELETE, collection.clone(), ""),
            other => panic!("{name}: verb {other} is not known to this suite"),
        };
        Route { method, path, body }
    };
    verbs.map(route).collect()
}

async fn call(wire: &Wire, route: &Route) -> Answer {
    let content_type = match route.method {
        Method::PATCH => "application/merge-patch+json",
        Method::POST | Method::PUT => "application/json",
        _ => "",
    };
    wire.send(route.method.clone(), &route.path, content_type, route.body).await
}

/// Returns a service-account token with cluster-admin rights.
async fn token(plane: &ControlPlane) -> String {
    let wire = plane.wire().await;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "default-is-admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    });
    wire.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await;
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let answer = eventually("the default service account", async || {
        let answer = wire.post(path, &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"})).await;
        (answer.code == 201).then_some(answer)
    });
    answer.await.json()["status"]["token"].as_str().expect("a token").to_owned()
}

/// What two answers may not differ in: everything but the time and the request's id.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let varying = ["date", "audit-id"];
    let headers = answer.headers.iter().filter(|(name, _)| !varying.contains(&name.as_str()));
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    (answer.code, headers.collect(), answer.text())
}

#[tokio::test]
async fn credentials_of_one_control_plane_mean_nothing_in_another() {
    let server = Server::shared();
    let (mine, other) = (server.create("iso-mine"), server.create("iso-other"));
    let token = token(&mine).await;
    let all = routes(&other.wire().await).await;
    assert!(all.len() > 400, "the whole table is here: {}", all.len());

    // The token is good where it comes from.
    let at_home = mine.anonymous_to("iso-mine").await.with_token(&token);
    assert_eq!(at_home.get("/api/v1/nodes").await.code, 200);

    let by_certificate = mine.wire_to("iso-other").await;
    let by_token = mine.anonymous_to("iso-other").await.with_token(&token);
    let before = snapshot(&other).await;
    for route in &all {
        for (how, wire) in [("certificate", &by_certificate), ("token", &by_token)] {
            let answer = call(wire, route).await;
            assert_eq!(answer.code, 401, "{how}: {} {}: {}", route.method, route.path, answer.text());
            assert!(!answer.text().contains("iso-"), "no name is told: {}", answer.text());
        }
    }
    assert_eq!(snapshot(&other).await, before, "nothing has changed");
}

/// Returns all revisions of what a control plane holds.
async fn snapshot(plane: &ControlPlane) -> Vec<String> {
    let wire = plane.wire().await;
    let mut seen = Vec::new();
    for path in [
        "/api/v1/namespaces",
        "/api/v1/secrets",
        "/api/v1/configmaps",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    ] {
        for item in wire.get(path).await.json()["items"].as_array().expect("items") {
            seen.push(format!("{path} {} {}", item["metadata"]["name"], item["metadata"]["resourceVersion"]));
        }
    }
    seen
}

#[tokio::test]
async fn a_name_that_does_not_exist_answers_like_one_that_does() {
    let server = Server::shared();
    let (mine, other) = (server.create("iso-asker"), server.create("iso-there"));
    let all = routes(&other.wire().await).await;
    let pairs = [
        ("certificate", mine.wire_to("iso-there").await, mine.wire_to("iso-none").await),
        ("anonymous", mine.anonymous_to("iso-there").await, mine.anonymous_to("iso-none").await),
        (
            "token",
            mine.anonymous_to("iso-there").await.with_token("x.y.z"),
            mine.anonymous_to("iso-none").await.with_token("x.y.z"),
        ),
    ];
    for (who, there, none) in &pairs {
        for route in &all {
            let (there, none) = (call(there, route).await, call(none, route).await);
            assert_eq!(comparable(&there), comparable(&none), "{who}: {} {}", route.method, route.path);
        }
        for path in ["/healthz", "/livez", "/readyz", "/version"] {
            assert_eq!(comparable(&there.get(path).await), comparable(&none.get(path).await), "{who}: {path}");
        }
    }
}

#[tokio::test]
async fn strangers_see_the_probes_and_the_version_and_nothing_else() {
    let server = Server::shared();
    let plane = server.create("iso-open");
    let anonymous = plane.anonymous_to("iso-open").await;
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        assert_eq!(anonymous.get(path).await.code, 200, "{path}");
    }
    for route in &routes(&plane.wire().await).await {
        let answer = call(&anonymous, route).await;
        assert_eq!(answer.code, 403, "{} {}: {}", route.method, route.path, answer.text());
        assert!(answer.message().contains("system:anonymous"), "{}", answer.text());
    }
}

#[tokio::test]
async fn equal_names_are_different_objects() {
    let server = Server::shared();
    let planes = [server.create("iso-red"), server.create("iso-blue")];
    let path = "/api/v1/namespaces/default/configmaps";
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "wants.iso.example.com"},
        "spec": {"group": "iso.example.com", "scope": "Namespaced", "names": {"plural": "wants", "kind": "Want"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    });
    for plane in &planes {
        let object = json!({"metadata": {"name": "whose"}, "data": {"plane": plane.name()}});
        plane.wire().await.create(path, &object).await;
    }
    let red = planes[0].wire().await;
    red.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).await;
    let custom = "/apis/iso.example.com/v1/namespaces/default/wants";
    eventually("the custom resource in red", async || (red.get(custom).await.code == 200).then_some(())).await;
    assert_eq!(planes[1].wire().await.get(custom).await.code, 404, "definitions are one control plane's own");

    let mut watch = planes[1].wire().await.watch(&format!("{path}?watch=1&fieldSelector=metadata.name%3Dwhose")).await;
    assert_eq!(watch.event().await.2["data"]["plane"], "iso-blue");
    red.merge(&format!("{path}/whose"), &json!({"data": {"plane": "changed"}})).await;
    let blue = planes[1].wire().await;
    blue.merge(&format!("{path}/whose"), &json!({"data": {"plane": "still blue"}})).await;
    assert_eq!(watch.event().await.2["data"]["plane"], "still blue", "a watch sees its own control plane only");

    assert_eq!(red.delete(&format!("{path}/whose")).await.code, 200);
    assert_eq!(blue.get(&format!("{path}/whose")).await.code, 200);
}

#[tokio::test]
async fn an_administrator_of_the_hub_is_nobody_in_a_control_plane() {
    let server = Server::shared();
    let plane = server.create("iso-hosted");
    let from_hub = server.hub().wire_to("iso-hosted").await;
    assert_eq!(from_hub.get("/api/v1/namespaces").await.code, 401);
    assert_eq!(plane.wire_to("hub").await.get("/api/v1/secrets").await.code, 401);
}
