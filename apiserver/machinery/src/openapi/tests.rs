//! Tests of the documents. That they equal upstream's is checked by the differential suite, which asks a kube-apiserver.

use super::*;
use crate::crd::compile;

fn definition() -> Value {
    json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object", "description": "A thing to count.",
                    "properties": {"spec": {"type": "object", "properties": {
                        "size": {"type": "integer", "description": "How large.", "nullable": true},
                        "port": {"x-kubernetes-int-or-string": true},
                        "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "string"}}},
                    }}},
                }},
            }],
        },
    })
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn each_document_of_the_index_exists_under_its_hash() {
    let openapi = OpenApi::new(Api::builtin(), []);
    let index = parse(&openapi.index());
    let paths = index["paths"].as_object().unwrap();
    assert!(paths.len() > 45, "{}", paths.len());
    for (path, hash) in openapi.paths() {
        let address = paths[&path]["serverRelativeURL"].as_str().unwrap();
        assert_eq!(address, format!("/openapi/v3/{path}?hash={hash}"));
        assert_eq!(hash.len(), 128);
    }
    for path in ["api", "apis", "apis/apps", "apis/apps/v1", "version", "openid/v1/jwks"] {
        assert_eq!(parse(&openapi.v3(path, []).unwrap())["openapi"], "3.0.0", "{path}");
    }
    assert_eq!(openapi.v3("apis/nope/v1", []), None);
    assert_eq!(openapi.v3("nope", []), None);
}

#[test]
fn a_document_says_what_kubectl_looks_for() {
    let document = parse(&OpenApi::new(Api::builtin(), []).v3("apis/apps/v1", []).unwrap());
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["operationId"], "patchAppsV1NamespacedDeployment");
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "apps", "version": "v1", "kind": "Deployment"})
    );
    let parameters = patch["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|parameter| parameter["name"] == "fieldValidation"));
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let strategy = &schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"];
    assert_eq!(strategy["x-kubernetes-patch-strategy"], "retainKeys");
    assert_eq!(strategy["allOf"][0]["$ref"], "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy");
    let kinds = &schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"];
    assert_eq!(*kinds, json!([{"group": "apps", "kind": "Deployment", "version": "v1"}]));
    let ports = &schemas["io.k8s.api.core.v1.Container"]["properties"]["ports"];
    assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
    assert!(ports["description"].as_str().is_some_and(|text| text.len() > 20));
}

#[test]
fn all_references_of_a_document_can_be_resolved() {
    fn walk(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let object = definition();
    let compiled = compile(&object).unwrap();
    let openapi = OpenApi::new(Api::builtin(), [&compiled]);
    let mut documents: Vec<Value> =
        openapi.paths().keys().map(|path| parse(&openapi.v3(path, [&object]).unwrap())).collect();
    documents.push(parse(&openapi.v2_json([&object])));
    for document in &documents {
        let mut references = BTreeSet::new();
        walk(document, &mut references);
        for reference in references {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
        }
    }
}

#[test]
fn a_definition_is_published_with_its_descriptions() {
    let object = definition();
    let compiled = compile(&object).unwrap();
    let openapi = OpenApi::new(Api::builtin(), [&compiled]);
    assert_eq!(openapi.needed("apis/example.com/v1").len(), 1);
    assert!(openapi.needed("apis/apps/v1").is_empty());
    let document = parse(&openapi.v3("apis/example.com/v1", [&object]).unwrap());
    let widget = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(widget["description"], "A thing to count.");
    let spec = &widget["properties"]["spec"]["properties"];
    assert_eq!(spec["size"]["description"], "How large.");
    assert_eq!(spec["port"]["anyOf"], json!([{"type": "integer"}, {"type": "string"}]));
    assert!(document["paths"].get("/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status").is_some());
}

#[test]
fn version_2_drops_what_its_clients_cannot_take() {
    let object = definition();
    let compiled = compile(&object).unwrap();
    let document = parse(&OpenApi::new(Api::builtin(), [&compiled]).v2_json([&object]));
    let spec = &document["definitions"]["com.example.v1.Widget"]["properties"]["spec"]["properties"];
    assert_eq!(spec["size"], json!({"description": "How large."}));
    assert_eq!(spec["port"], json!({"x-kubernetes-int-or-string": true}));
    assert_eq!(spec["raw"], json!({"x-kubernetes-preserve-unknown-fields": true}));
    let quantity = &document["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"];
    assert_eq!((&quantity["type"], quantity.get("oneOf")), (&json!("string"), None));
}

#[test]
fn a_changed_definition_changes_its_hash_and_no_other() {
    let first = compile(&definition()).unwrap();
    let mut changed = definition();
    changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = json!("Something else.");
    let second = compile(&changed).unwrap();
    let before = OpenApi::new(Api::builtin(), [&first]);
    let after = OpenApi::new(Api::builtin(), [&second]);
    let changed: Vec<String> =
        before.paths().into_iter().filter(|(path, hash)| after.paths()[path] != *hash).map(|(path, _)| path).collect();
    assert_eq!(changed, ["apis/example.com/v1"]);
    assert_ne!(before.v2_hash(), after.v2_hash());
}

#[test]
fn protobuf_starts_with_version_and_title() {
    let bytes = OpenApi::new(Api::builtin(), []).v2_protobuf([]);
    assert!(bytes.starts_with(b"\x0a\x032.0\x12\x12\x0a\x0aKubernetes\x12\x041.35"));
}

#[test]
fn a_document_of_version_3_has_a_protobuf_form() {
    let openapi = OpenApi::new(Api::builtin(), []);
    let bytes = openapi.v3_protobuf("apis/apps/v1", []).unwrap();
    assert!(bytes.starts_with(b"\x0a\x053.0.0\x12\x12\x0a\x0aKubernetes\x32\x041.35"));
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(has(b"#/components/schemas/io.k8s.api.apps.v1.Deployment"));
    assert!(has(b"fieldValidation"), "kubectl looks for it before it lets the server check fields");
    assert_eq!(openapi.v3_protobuf("apis/nope/v1", []), None);
}

#[test]
fn defaults_of_all_types_are_told_in_protobuf() {
    let encode = |default: Value| {
        let schemas = json!({"X": {"default": default}});
        gnostic_v3::encode(&json!({"components": {"schemas": schemas}}))
    };
    let ends = |default: Value, expected: &[u8]| {
        let bytes = encode(default.clone());
        assert!(bytes.ends_with(expected), "{default}: {bytes:x?}");
    };
    ends(json!(true), b"\x8a\x02\x02\x10\x01");
    ends(json!(""), b"\x8a\x02\x02\x1a\x00");
    ends(json!({}), b"\x8a\x02\x00");
    ends(json!(1), &[b"\x8a\x02\x09\x09".as_slice(), &1f64.to_le_bytes()].concat());
}
