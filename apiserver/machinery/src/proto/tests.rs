use super::*;
use crate::api::{Api, GroupVersion};
use crate::schema::Kind;
use serde_json::json;
use std::path::Path;

/// Encodes and decodes a document; both directions must agree.
fn check(document: Value) -> Vec<u8> {
    let api = Api::builtin();
    let bytes = encode_object(api, &document).expect("encodes");
    let back = decode_object(api, &bytes, None, Limits::default()).expect("decodes");
    assert_eq!(back, document);
    bytes
}

fn decode_kind(api_version: &str, kind: &str, raw: &[u8]) -> Result<Value, ProtoError> {
    decode_object(Api::builtin(), &wrap(api_version, kind, raw), None, Limits::default())
}

#[test]
fn config_map_is_the_bytes_that_gogo_writes() {
    let bytes = check(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "b"},
        "binaryData": {"z": "AAE="}, "data": {"k": "v"}, "immutable": false,
    }));
    let mut expected = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12".to_vec();
    let raw: &[u8] = b"\x0a\x12\x0a\x01a\x12\0\x1a\x01b\x22\0\x2a\0\x32\0\x38\0\x42\0\
        \x12\x06\x0a\x01k\x12\x01v\x1a\x07\x0a\x01z\x12\x02\0\x01\x20\0";
    expected.push(u8::try_from(raw.len()).unwrap());
    expected.extend_from_slice(raw);
    expected.extend_from_slice(&LIST_TAIL);
    assert_eq!(bytes, expected);
}

#[test]
fn special_forms_survive() {
    check(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "status": {"loadBalancer": {}},
        "spec": {"ports": [
            {"name": "n", "port": 1, "targetPort": "http"},
            {"port": -2, "targetPort": -8080},
        ]},
    }));
    check(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "status": {},
        "metadata": {"creationTimestamp": "2020-02-29T01:02:03Z", "managedFields": [
            {"fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {".": {}}}, "time": "1969-01-01T00:00:00Z"},
        ]},
        "spec": {"hard": {"cpu": "100m", "memory": "1Gi"}},
    }));
    check(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {},
        "spec": {"renewTime": "2020-02-29T01:02:03.000004Z", "leaseTransitions": 0},
    }));
    check(json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {},
        "status": {"user": {"extra": {"a": ["x", "y"], "b": []}, "groups": ["g"]}},
    }));
    check(json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {}, "revision": -3,
        "data": {"spec": {"x": [1, null, 1.5]}},
    }));
    check(json!({
        "apiVersion": "v1", "kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": ["get"]},
            {"name": "x", "singularName": "", "namespaced": false, "kind": "X", "verbs": []},
        ],
    }));
}

#[test]
fn schemas_of_schemas_survive() {
    let schema = json!({
        "type": "object", "default": {"a": 1}, "enum": [null, "x", 2],
        "$schema": "s", "$ref": "r", "maximum": 1.5, "minimum": -2, "nullable": true,
        "items": {"type": "string"}, "additionalProperties": false, "additionalItems": {"type": "integer"},
        "dependencies": {"a": ["b"], "c": {"type": "null"}},
        "properties": {"p": {"items": [{"type": "string"}, {}], "additionalProperties": true}},
        "x-kubernetes-validations": [{"rule": "self.x > 0"}], "x-kubernetes-preserve-unknown-fields": true,
    });
    let version = json!({"name": "v1", "served": true, "storage": false, "schema": {"openAPIV3Schema": schema}});
    check(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {},
        "spec": {"group": "g", "names": {"plural": "p", "kind": "K"}, "scope": "Cluster", "versions": [version]},
        "status": {"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": null},
    }));
}

#[test]
fn an_empty_message_is_what_go_prints_for_the_zero_value() {
    assert_eq!(
        decode_kind("v1", "Pod", b""),
        Ok(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": null}, "status": {}}))
    );
    assert_eq!(
        decode_kind("rbac.authorization.k8s.io/v1", "ClusterRole", b""),
        Ok(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {}, "rules": null}))
    );
}

#[test]
fn absent_fields_are_written_as_zero_values() {
    let api = Api::builtin();
    let mut sparse = Vec::new();
    let mut full = Vec::new();
    let node = api.node_of_kind("", "v1", "Event").unwrap();
    encode(&api.schema, node, &json!({}), &mut sparse).unwrap();
    let zero = decode(&api.schema, node, b"", Limits::default()).unwrap();
    encode(&api.schema, node, &zero, &mut full).unwrap();
    assert_eq!(sparse, full);
    assert!(sparse.len() > 20);
}

#[test]
fn pointers_keep_explicit_zero_values() {
    check(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "status": {},
        "spec": {
            "replicas": 0, "selector": null, "paused": true, "strategy": {"rollingUpdate": {"maxSurge": 0}},
            "template": {"metadata": {}, "spec": {"containers": null, "automountServiceAccountToken": false}},
        },
    }));
}

#[test]
fn repeated_messages_merge_and_packed_numbers_unpack() {
    // Two 'metadata' fields: the name of the first and the namespace of the second.
    let twice = b"\x0a\x03\x0a\x01a\x0a\x03\x1a\x01b";
    let found = decode_kind("v1", "ConfigMap", twice).unwrap();
    assert_eq!(found["metadata"], json!({"name": "a", "namespace": "b"}));
    // Two 'spec' fields of which the first has no containers: an absent list may be filled in later.
    let found = decode_kind("v1", "Pod", b"\x12\0\x12\x05\x12\x03\x0a\x01c").unwrap();
    assert_eq!(found["spec"]["containers"], json!([{"name": "c", "resources": {}}]));
    // PodSecurityContext.supplementalGroups = 4, packed; spec = 2, securityContext = 14.
    let packed = b"\x12\x06\x72\x04\x22\x02\x07\x08";
    let found = decode_kind("v1", "Pod", packed).unwrap();
    assert_eq!(found["spec"]["securityContext"]["supplementalGroups"], json!([7, 8]));
}

#[test]
fn unknown_fields_are_skipped() {
    let raw =
        b"\xa2\x06\x01x\x0a\x03\x0a\x01a\xa8\x06\x05\xb1\x06\0\0\0\0\0\0\0\0\xbd\x06\0\0\0\0\xa3\x06\x08\x01\xa4\x06";
    let found = decode_kind("v1", "ConfigMap", raw).unwrap();
    assert_eq!(found["metadata"], json!({"name": "a"}));
}

#[test]
fn hostile_messages_are_refused() {
    let cases: [(&[u8], ProtoError); 7] = [
        (b"\x0a", ProtoError::Truncated),
        (b"\x0a\x05a", ProtoError::Truncated),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", ProtoError::Truncated),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ProtoError::Overflow),
        (b"\x02\0", ProtoError::IllegalTag { number: 0, wire: 2 }),
        (b"\x0e\0", ProtoError::IllegalTag { number: 1, wire: 6 }),
        (b"\x08\x01", ProtoError::WireType { field: "metadata".to_owned(), wire: 0 }),
    ];
    for (raw, error) in cases {
        assert_eq!(decode_kind("v1", "ConfigMap", raw), Err(error), "{raw:02x?}");
    }
    // JSONSchemaProps.default = 8 around JSON of 125 levels: each part is within bounds, the whole is not.
    let mut json = Vec::new();
    wire::put_bytes(&mut json, 1, format!("{}{}", "[".repeat(125), "]".repeat(125)).as_bytes());
    let mut props_bytes = Vec::new();
    wire::put_bytes(&mut props_bytes, 8, &json);
    // JSONSchemaProps.not = 28, nested.
    let api = Api::builtin();
    let props = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
    let node = api.definition(props).unwrap().node;
    let mut deep = Vec::new();
    for _ in 0..400 {
        let inner = std::mem::take(&mut deep);
        wire::put_bytes(&mut deep, 28, &inner);
    }
    assert_eq!(decode(&api.schema, node, &deep, Limits::default()), Err(ProtoError::TooDeep));
    let error = decode(&api.schema, node, &props_bytes, Limits::default());
    assert_eq!(error, Err(ProtoError::TooDeep));
    // Two bytes for each container.
    let many: Vec<u8> = [0x12, 0].repeat(1000);
    let node = api.definition("io.k8s.api.core.v1.PodSpec").unwrap().node;
    let limits = Limits { values_max: 5000, ..Limits::default() };
    assert_eq!(decode(&api.schema, node, &many, limits), Err(ProtoError::TooMany));
}

/// Flips bytes of good messages; what still decodes must be a document that encodes. The seed is in the message.
#[test]
fn mutilated_messages_never_panic() {
    let api = Api::builtin();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"a": "b"}, "finalizers": ["f"]},
        "spec": {
            "containers": [{"name": "c", "ports": [{"containerPort": 1}], "livenessProbe": {"httpGet": {"port": "x"}}}],
            "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}], "securityContext": {"supplementalGroups": [1, 2]},
        },
    });
    let schema = json!({"type": "object", "default": [1], "properties": {"p": {"items": {"enum": ["x"]}}}});
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {},
        "spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]},
    });
    for document in [pod, crd] {
        let good = encode_object(api, &document).unwrap();
        for seed in 0..4000_u64 {
            let mut bytes = good.clone();
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            for _ in 0..=seed % 4 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (random >> 33) as usize % bytes.len();
                bytes[at] = (random >> 16) as u8;
            }
            let Ok(decoded) = decode_object(api, &bytes, None, Limits::default()) else { continue };
            assert!(encode_object(api, &decoded).is_ok(), "seed {seed}: {decoded}");
        }
    }
}

#[test]
fn envelopes_say_what_is_wrong() {
    let api = Api::builtin();
    let decode = |bytes: &[u8]| decode_object(api, bytes, None, Limits::default());
    assert_eq!(decode(b""), Err(ProtoError::Empty));
    assert_eq!(decode(b"{}"), Err(ProtoError::NoMagic));
    assert_eq!(decode(&MAGIC), Err(ProtoError::Empty));
    assert_eq!(decode(&wrap("v1", "", b"")), Err(ProtoError::NoKind));
    for (api_version, kind) in [("v1", "Nothing"), ("meta.k8s.io/v1", "Table"), ("example.com/v1", "Pod")] {
        let unknown = ProtoError::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() };
        assert_eq!(decode(&wrap(api_version, kind, b"")), Err(unknown));
    }
    let defaulted = decode_object(api, &wrap("", "", b""), Some(("v1", "Secret")), Limits::default()).unwrap();
    assert_eq!(defaulted, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {}}));
    let options = decode(&wrap("example.com/v1", "DeleteOptions", b"\x08\x05")).unwrap();
    assert_eq!(options["gracePeriodSeconds"], 5);
}

#[test]
fn values_of_the_wrong_type_are_named() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}, {"name": 1}]}});
    let error = encode_object(Api::builtin(), &pod).unwrap_err();
    assert_eq!(error.to_string(), "spec.containers[1].name: expected a string");
}

#[test]
fn list_from_encoded_items_is_the_list_encoded_whole() {
    let api = Api::builtin();
    let item = |name: &str| json!({"metadata": {"name": name}, "data": {"k": "v".repeat(200)}});
    let whole = json!({
        "apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": "7"},
        "items": [item("a"), item("b")],
    });
    let part = |node, value: &Value| {
        let mut out = Vec::new();
        encode(&api.schema, node, value, &mut out).unwrap();
        out
    };
    let node = api.node_of_kind("", "v1", "ConfigMap").unwrap();
    let items = [part(node, &item("a")), part(node, &item("b"))];
    let metadata = part(api.meta("ListMeta").unwrap(), &whole["metadata"]);
    let list = encode_list("v1", "ConfigMapList", &metadata, items.iter().map(Vec::as_slice));
    assert_eq!(list, encode_object(api, &whole).unwrap());
    assert_eq!(decode_object(api, &list, None, Limits::default()), Ok(whole));
}

#[test]
fn watch_frames_read_back() {
    let object =
        encode_object(Api::builtin(), &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}));
    let object = object.unwrap();
    let mut stream = watch_event("ADDED", &object);
    assert_eq!(usize::from(stream[3]), stream.len() - 4);
    stream.extend(watch_event("DELETED", &object));
    let (event, found, rest) = read_watch_event(&stream).unwrap().unwrap();
    assert_eq!((event.as_str(), found), ("ADDED", object.as_slice()));
    let (event, _, rest) = read_watch_event(rest).unwrap().unwrap();
    assert_eq!((event.as_str(), rest), ("DELETED", &[][..]));
    assert_eq!(read_watch_event(&stream[..20]), Ok(None));
}

/// Compares both directions with upstream's fixtures: `KPLEX_K8S_TESTDATA` lists folders with `*.json` and `*.pb`,
/// separated by colons (`k8s.io/api@…/testdata/HEAD`). Without it there is nothing to compare.
#[test]
fn upstream_fixtures_are_byte_equal() {
    let Ok(folders) = std::env::var("KPLEX_K8S_TESTDATA") else { return };
    let api = Api::builtin();
    let mut compared = 0;
    for folder in folders.split(':') {
        for entry in std::fs::read_dir(folder).expect("a folder of fixtures") {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "pb") && is_ours(api, &path) {
                compare(api, &path);
                compared += 1;
            }
        }
    }
    assert!(compared > 0, "no fixtures in {folders}");
}

/// Served versions must be known whole; of the others only some kinds are on the wire.
fn is_ours(api: &Api, path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    let found = unwrap(&bytes).unwrap();
    let GroupVersion { group, version } = GroupVersion::parse(&found.api_version);
    let served = api.group(&group).is_some_and(|group| group.versions.contains(&version));
    is_bare(path) || served || api.node_of_kind(&group, &version, &found.kind).is_some()
}

/// A WatchEvent has no apiVersion and kind, not even in its envelope.
fn is_bare(path: &Path) -> bool {
    path.ends_with("core.v1.WatchEvent.pb")
}

/// Nested objects (list items, volumeClaimTemplates) may state their kind in JSON; messages have no place for it.
fn strip(schema: &Schema, node: NodeId, value: &mut Value) {
    let node = schema.node(node);
    match value {
        // An empty list cannot be told from none in a message.
        Value::Array(items) if items.is_empty() && !node.wrapped => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(|item| strip(schema, node.items.unwrap(), item)),
        Value::Object(object) if node.kind == Kind::Map => {
            object.values_mut().for_each(|item| strip(schema, node.items.unwrap(), item));
        }
        Value::Object(object) if node.kind == Kind::Object => {
            object.retain(|name, _| node.field(name).is_some_and(|field| !field.proto.is_empty()));
            for (name, item) in object {
                strip(schema, node.field(name).unwrap().node, item);
            }
        }
        _ => {}
    }
}

fn as_in_protobuf(api: &Api, document: &Value) -> Value {
    let text = |key: &str| document[key].as_str().unwrap_or_default();
    let GroupVersion { group, version } = GroupVersion::parse(text("apiVersion"));
    let Some(node) = api.node_of_kind(&group, &version, text("kind")) else { return document.clone() };
    let mut stripped = document.clone();
    strip(&api.schema, node, &mut stripped);
    for key in ["apiVersion", "kind"] {
        stripped[key] = document[key].clone();
    }
    stripped
}

fn compare(api: &Api, path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    let json: Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
    let (decoded, encoded) = if is_bare(path) {
        let node = api.meta("WatchEvent").unwrap();
        let mut raw = Vec::new();
        let encoded = encode(&api.schema, node, &json, &mut raw).map(|()| wrap("", "", &raw));
        (decode(&api.schema, node, unwrap(&bytes).unwrap().raw, Limits::default()), encoded)
    } else {
        (decode_object(api, &bytes, None, Limits::default()), encode_object(api, &json))
    };
    assert_eq!(decoded, Ok(as_in_protobuf(api, &json)), "{path:?}");
    assert_eq!(encoded, Ok(bytes), "{path:?}");
}
