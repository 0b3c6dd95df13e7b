use super::*;
use crate::decode::{FieldValidation, Limits};
use serde_json::{Value, json};

/// Applies a JSON patch and checks the result or the reason for refusing it.
fn check(document: Value, operations: Value, wanted: Result<Value, &str>) {
    let body = operations.to_string();
    let patch = JsonPatch::read(body.as_bytes(), &Limits::default(), FieldValidation::Strict).unwrap();
    let mut patched = document;
    let result = patch.apply(&mut patched).map(|()| patched).map_err(|error| error.to_string());
    assert_eq!(result, wanted.map_err(str::to_owned), "{operations}");
}

#[test]
fn json_patch_operations() {
    let document = || json!({"a": {"b/c": [1, 2, 3]}, "n": null});
    for (operations, wanted) in [
        (json!([{"op": "add", "path": "/x", "value": 1}]), Ok(json!({"a": {"b/c": [1, 2, 3]}, "n": null, "x": 1}))),
        (json!([{"op": "add", "path": "/a/b~1c/-", "value": 4}]), Ok(json!({"a": {"b/c": [1, 2, 3, 4]}, "n": null}))),
        (json!([{"op": "add", "path": "/a/b~1c/0", "value": 0}]), Ok(json!({"a": {"b/c": [0, 1, 2, 3]}, "n": null}))),
        (json!([{"op": "add", "path": "/a/b~1c/-1", "value": 4}]), Ok(json!({"a": {"b/c": [1, 2, 3, 4]}, "n": null}))),
        (json!([{"op": "remove", "path": "/a/b~1c/-1"}]), Ok(json!({"a": {"b/c": [1, 2]}, "n": null}))),
        (
            json!([{"op": "replace", "path": "/new", "value": 1}]),
            Ok(json!({"a": {"b/c": [1, 2, 3]}, "n": null, "new": 1})),
        ),
        (json!([{"op": "replace", "path": "", "value": {}}]), Ok(json!({}))),
        (
            json!([{"op": "move", "from": "/a/b~1c/0", "path": "/m"}]),
            Ok(json!({"a": {"b/c": [2, 3]}, "n": null, "m": 1})),
        ),
        (
            json!([{"op": "copy", "from": "/a", "path": "/c"}, {"op": "remove", "path": "/a"}]),
            Ok(json!({"c": {"b/c": [1, 2, 3]}, "n": null})),
        ),
        (
            json!([{"op": "test", "path": "/a/b~1c/1", "value": 2}, {"op": "test", "path": "/n"}, {"op": "test", "path": "/absent", "value": null}]),
            Ok(document()),
        ),
        (json!([{"op": "add", "path": "/x"}]), Ok(json!({"a": {"b/c": [1, 2, 3]}, "n": null, "x": null}))),
        (json!([{"op": "test", "path": "/a", "value": 1}]), Err("testing value /a failed: test failed")),
        (
            json!([{"op": "add", "path": "/q/r", "value": 1}]),
            Err(r#"add operation does not apply: doc is missing path: "/q/r": missing value"#),
        ),
        (
            json!([{"op": "remove", "path": "/q"}]),
            Err("error in remove for path: '/q': Unable to remove nonexistent key: q: missing value"),
        ),
        (
            json!([{"op": "remove", "path": "/a/b~1c/3"}]),
            Err("error in remove for path: '/a/b~1c/3': Unable to access invalid index: 3: invalid index referenced"),
        ),
        (
            json!([{"op": "add", "path": "/a/b~1c/x", "value": 1}]),
            Err(
                "error in add for path: '/a/b~1c/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
            ),
        ),
        (
            json!([{"op": "replace", "path": "/a/b~1c/9", "value": 1}]),
            Err("replace operation does not apply: doc is missing key: /a/b~1c/9: missing value"),
        ),
        (json!([{"op": "jump", "path": "/a"}]), Err("Unexpected kind: jump")),
    ] {
        check(document(), operations, wanted);
    }
}

#[test]
fn json_patch_bodies() {
    let read = |body: &str, validation| {
        JsonPatch::read(body.as_bytes(), &Limits::default(), validation).map(|patch| patch.findings)
    };
    let bad = |text: &str| Err(PatchError::BadRequest(text.to_owned()));
    assert_eq!(
        read(r#"{"op":"add"}"#, FieldValidation::Warn),
        bad("error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp")
    );
    assert_eq!(
        read(r#"{"op":"add"}"#, FieldValidation::Ignore),
        bad("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    );
    assert_eq!(read("[", FieldValidation::Warn), bad("error decoding patch: unexpected end of JSON input"));
    let findings = read(r#"[{"op":"add","path":"/a","op":"add","foo":1}]"#, FieldValidation::Strict).unwrap();
    assert_eq!(findings, [r#"json patch duplicate field "[0].op""#, r#"json patch unknown field "[0].foo""#]);
    let many = format!("[{}{{}}]", "{},".repeat(OPERATIONS_MAX));
    let error = read(&many, FieldValidation::Warn).unwrap_err();
    assert_eq!(error.to_status().code, 413);
    assert_eq!(error.to_string(), "The allowed maximum operations in a JSON patch is 10000, got 10001");
}

#[test]
fn copies_are_bounded() {
    let doubling: Vec<Value> =
        (0..40).map(|step| json!({"op": "copy", "from": "/a", "path": format!("/a/{step}")})).collect();
    let body = Value::Array(doubling).to_string();
    let patch = JsonPatch::read(body.as_bytes(), &Limits::default(), FieldValidation::Ignore).unwrap();
    let error = patch.apply(&mut json!({"a": {"x": "y"}})).unwrap_err().to_string();
    assert!(error.starts_with("Unable to complete the copy"), "{error}");
}

#[test]
fn merge_patches() {
    for (document, patch, wanted) in [
        (
            json!({"a": 1, "b": {"c": 1, "d": 2}}),
            json!({"a": null, "b": {"c": null, "e": 3}}),
            json!({"b": {"d": 2, "e": 3}}),
        ),
        (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
        (json!({"a": 1}), json!({"a": {"b": null, "c": 1}}), json!({"a": {"c": 1}})),
        (json!({}), json!({"a": {"b": {"c": null}}}), json!({"a": {"b": {}}})),
        (json!({"a": {"b": 1}}), json!({"a": [null, {"x": null}]}), json!({"a": [null, {}]})),
    ] {
        let mut patched = document.clone();
        merge_patch(&mut patched, patch.clone());
        assert_eq!(patched, wanted, "{document} {patch}");
    }
}

#[test]
fn go_notation() {
    assert_eq!(go_map(&json!({"data": {"y": 2}, "l": [1, "a", null]})), "map[data:map[y:2] l:[1 a <nil>]]");
}

/// Random patches of pods, with what `k8s.io/apimachinery/pkg/util/strategicpatch` 0.35 made of them.
#[test]
fn strategic_merges_agree_with_upstream() {
    let api = crate::api::Api::builtin();
    let pod = api.node_of_kind("", "v1", "Pod").unwrap();
    let cases: Vec<Value> = serde_json::from_str(include_str!("testdata/strategic.json")).unwrap();
    for case in cases {
        let mut made = case["original"].clone();
        let result = strategic_merge(&api.schema, pod, &mut made, case["patch"].clone());
        let wanted = case.get("error").and_then(Value::as_str);
        assert_eq!(result.err().map(|error| error.to_string()).as_deref(), wanted, "{case}");
        if wanted.is_none() {
            assert_eq!(made, case["result"], "{case}");
        }
    }
}

#[test]
fn strategic_patch_bodies_must_be_objects() {
    let read = |body: &str, validation| read_strategic_patch(body.as_bytes(), &Limits::default(), validation);
    let error = read("[]", FieldValidation::Warn).unwrap_err();
    assert_eq!(error.to_string(), "json: cannot unmarshal array into Go value of type map[string]interface {}");
    assert_eq!(read("{", FieldValidation::Warn).unwrap_err().to_status().code, 400);
    let duplicate = r#"{"a":1,"a":2}"#;
    assert_eq!(read(duplicate, FieldValidation::Warn).unwrap().1, [r#"duplicate field "a""#]);
    assert!(read(duplicate, FieldValidation::Ignore).unwrap().1.is_empty());
}

#[test]
fn merge_patch_bodies_must_be_objects() {
    let read = |body: &str, validation| {
        read_merge_patch(body.as_bytes(), &Limits::default(), validation).map_err(|error| error.to_string())
    };
    let not_a_map = "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}";
    assert_eq!(read("[]", FieldValidation::Warn).unwrap_err(), not_a_map);
    assert_eq!(read("null", FieldValidation::Warn).unwrap_err(), "Invalid JSON Patch");
    assert_eq!(read("{", FieldValidation::Warn).unwrap_err(), "error decoding patch: unexpected end of JSON input");
    assert_eq!(read("{", FieldValidation::Ignore).unwrap_err(), "Invalid JSON Patch");
    assert_eq!(read("[]", FieldValidation::Ignore).unwrap().0, json!([]));
}

#[test]
fn refused_patches_have_a_status() {
    let status = PatchError::Rejected("testing value /a failed: test failed".to_owned()).to_status();
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(status.message, "the server rejected our request due to an error in our request");
    let status = invalid_result("{}", "why");
    assert_eq!(status.message, r#" "" is invalid: patch: Invalid value: "{}": why"#);
    assert_eq!(status.causes[0].field, "patch");
}
