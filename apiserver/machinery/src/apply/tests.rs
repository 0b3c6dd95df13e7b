use super::*;
use crate::api::Api;
use crate::decode::{FieldValidation, Limits, conform};
use crate::patch::{merge_patch, read_strategic_patch, strategic_merge};
use crate::schema::{Emit, Field, Kind, ListType, Node};
use serde_json::{Value, json};

/// Compiles the part of OpenAPI that these tests' custom resource uses.
fn compile(schema: &mut Schema, spec: &Value) -> NodeId {
    let text = |name: &str| spec.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut node = Node {
        preserve_unknown: spec.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true)),
        atomic_map: text("x-kubernetes-map-type") == "atomic",
        ..Node::default()
    };
    node.kind = match text("type") {
        "string" => Kind::String,
        "integer" => Kind::Int64,
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        "array" => Kind::List,
        "object" if spec.get("additionalProperties").is_some() => Kind::Map,
        _ => Kind::Object,
    };
    node.list_type = match text("x-kubernetes-list-type") {
        "set" => ListType::Set,
        "map" => {
            let keys = spec["x-kubernetes-list-map-keys"].as_array().unwrap();
            ListType::Map(keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect())
        }
        _ => ListType::Atomic,
    };
    node.items = spec.get("items").or(spec.get("additionalProperties")).map(|items| compile(schema, items));
    for (name, spec) in spec.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let default = spec.get("default").cloned();
        let below = compile(schema, spec);
        node.fields.push(Field {
            name: name.clone(),
            node: below,
            required: false,
            emit: Emit::OmitEmpty,
            pointer: false,
            default,
            patch_strategy: Vec::new(),
            patch_merge_key: None,
            proto: Vec::new(),
        });
    }
    schema.add(node)
}

/// The custom resource of the recorded cases.
fn widget() -> (Schema, NodeId) {
    let spec: Value = serde_json::from_str(include_str!("testdata/widget.json")).unwrap();
    let mut schema = Schema::default();
    let root = compile(&mut schema, &spec);
    (schema, root)
}

/// Removes what the server fills in after tracking.
fn forget_system_fields(object: &mut Value) {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for name in ["uid", "resourceVersion", "generation", "creationTimestamp", "namespace"] {
        metadata.remove(name);
    }
}

fn latest_time(object: &Value) -> String {
    let entries = object["metadata"]["managedFields"].as_array();
    let times = entries.into_iter().flatten().filter_map(|entry| entry["time"].as_str());
    times.max().unwrap_or("2026-01-01T00:00:00Z").to_owned()
}

/// Does to one recorded request what the server did, and compares.
fn replay(case: &Value) -> Result<(), String> {
    let (widgets, widget_root) = widget();
    let (kind, api_version) = (case["kind"].as_str().unwrap(), case["apiVersion"].as_str().unwrap());
    let api = Api::builtin();
    let custom = kind == "Widget";
    let (schema, node) =
        if custom { (&widgets, widget_root) } else { (&api.schema, api.node_of_kind("", "v1", kind).unwrap()) };
    let op = case["op"].as_str().unwrap();
    let result = case.get("result");
    let now = result.map_or_else(|| latest_time(&case["live"]), latest_time);
    let field = |name: &str| vec![Element::Field(name.to_owned())];
    let reset = match (custom, op) {
        (true, "status" | "applystatus") => Set::from_paths(&[field("spec")]),
        (true, _) => Set::from_paths(&[field("status")]),
        (false, _) => Set::default(),
    };
    let tracking = Tracking {
        schema,
        node,
        api_version,
        kind,
        subresource: if op.ends_with("status") { "status" } else { "" },
        manager: case["manager"].as_str().unwrap(),
        now: &now,
        reset: &reset,
    };
    let live = case.get("live").filter(|live| !live.is_null());
    let body = &case["body"];
    let finish = |object: &mut Value| {
        if custom {
            let map = object.as_object_mut().unwrap();
            match (live, op) {
                (Some(live), "status" | "applystatus") => {
                    let status = map.get("status").cloned();
                    let managed = map["metadata"].get("managedFields").cloned();
                    *map = live.as_object().unwrap().clone();
                    map.extend(status.map(|status| ("status".to_owned(), status)));
                    let metadata = map["metadata"].as_object_mut().unwrap();
                    metadata.remove("managedFields");
                    metadata.extend(managed.map(|managed| ("managedFields".to_owned(), managed)));
                }
                (live, _) => {
                    map.remove("status");
                    map.extend(
                        live.and_then(|live| live.get("status")).map(|status| ("status".to_owned(), status.clone())),
                    );
                }
            }
            default_keys(object);
        } else {
            conform(schema, node, object).unwrap();
            crate::builtin::defaults::default("", "v1", kind, object, &now);
        }
    };
    let mut made = match op {
        "apply" | "applystatus" => {
            let request = ApplyRequest { tracking, live, config: body, force: case["force"] == json!(true) };
            match apply(&request) {
                Ok(object) => object,
                Err(error) => return compare_error(case, &error),
            }
        }
        "smp" | "merge" => {
            let mut object = live.unwrap().clone();
            let bytes = body.to_string();
            if op == "smp" {
                let (patch, _) =
                    read_strategic_patch(bytes.as_bytes(), &Limits::default(), FieldValidation::Ignore).unwrap();
                if let Err(error) = strategic_merge(schema, node, &mut object, patch) {
                    return if result.is_none() { Ok(()) } else { Err(error.to_string()) };
                }
            } else {
                merge_patch(&mut object, body.clone());
            }
            object
        }
        _ => body.clone(),
    };
    if custom && op.starts_with("apply") {
        default_keys(&mut made);
    }
    let Some(result) = result else { return Ok(()) };
    if !op.starts_with("apply") {
        if !custom {
            conform(schema, node, &mut made).unwrap();
            crate::builtin::defaults::default("", "v1", kind, &mut made, &now);
        } else {
            default_keys(&mut made);
            if op != "status" && live.is_none() {
                made.as_object_mut().unwrap().remove("status");
            }
        }
        track_update(&tracking, live, &mut made);
    }
    finish(&mut made);
    if let Some(live) = live {
        ignore_timestamps(live, &mut made);
    }
    let mut wanted = result.clone();
    if !custom {
        conform(schema, node, &mut wanted).unwrap();
    }
    for object in [&mut made, &mut wanted] {
        forget_system_fields(object);
    }
    if made == wanted {
        return Ok(());
    }
    let mut out = String::new();
    differences("", &made, &wanted, &mut out);
    Err(out)
}

/// Lists where two documents differ.
fn differences(path: &str, made: &Value, wanted: &Value, out: &mut String) {
    match (made, wanted) {
        (Value::Object(made), Value::Object(wanted)) => {
            let names: std::collections::BTreeSet<&String> = made.keys().chain(wanted.keys()).collect();
            for name in names {
                let side = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or(Value::from("(absent)"));
                differences(&format!("{path}/{name}"), &side(made), &side(wanted), out);
            }
        }
        (Value::Array(made), Value::Array(wanted)) if made.len() == wanted.len() => {
            for (index, (made, wanted)) in made.iter().zip(wanted).enumerate() {
                differences(&format!("{path}/{index}"), made, wanted, out);
            }
        }
        _ if made == wanted => {}
        _ => out.push_str(&format!("{path}: made {made} wanted {wanted}\n")),
    }
}

/// Does what decoding a custom resource does: empty metadata goes, and the default of the second key comes.
fn default_keys(object: &mut Value) {
    let empty = |value: &Value| value == &json!([]) || value == &json!({});
    object["metadata"].as_object_mut().unwrap().retain(|name, value| name == "managedFields" || !empty(value));
    for item in object.pointer_mut("/spec/two").and_then(Value::as_array_mut).into_iter().flatten() {
        item.as_object_mut().unwrap().entry("b").or_insert_with(|| json!("dd"));
    }
}

fn compare_error(case: &Value, error: &ApplyError) -> Result<(), String> {
    if case.get("result").is_some() {
        return Err(format!("refused: {error}"));
    }
    let status = error.to_status();
    let mut causes: Vec<String> =
        status.causes.iter().map(|cause| format!("{} {}", cause.message, cause.field)).collect();
    let mut wanted: Vec<String> = case["causes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|cause| format!("{} {}", cause["message"].as_str().unwrap(), cause["field"].as_str().unwrap()))
        .collect();
    // Upstream walks managers in random order.
    causes.sort();
    wanted.sort();
    let message = case["message"].as_str().unwrap();
    if status.message == message && causes == wanted {
        return Ok(());
    }
    Err(format!("made   {}\nwanted {message}", status.message))
}

fn replay_all(cases: &str) {
    let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
    let mut failures = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if let Err(why) = replay(case) {
            failures.push(format!(
                "case {index} {} {} by {}\nlive   {}\nbody   {}\n{why}\n",
                case["kind"], case["op"], case["manager"], case["live"], case["body"]
            ));
        }
    }
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} of {} differ:\n{}",
        cases.len(),
        failures.into_iter().take(8).collect::<Vec<_>>().join("\n")
    );
}

/// Requests that were sent to kube-apiserver 1.35, with what it made of them.
#[test]
fn recorded_requests_have_the_recorded_outcome() {
    replay_all(include_str!("testdata/recorded.json"));
}

/// Replays a file of more recorded requests, when `KPLEX_APPLY_CASES` names one.
#[test]
fn more_recorded_requests_have_the_recorded_outcome() {
    if let Ok(path) = std::env::var("KPLEX_APPLY_CASES") {
        replay_all(&std::fs::read_to_string(path).unwrap());
    }
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

/// Tracks ConfigMaps for a manager at a time.
fn tracking<'a>(manager: &'a str, now: &'a str, reset: &'a Set) -> Tracking<'a> {
    let api = Api::builtin();
    let node = api.node_of_kind("", "v1", "ConfigMap").unwrap();
    Tracking { schema: &api.schema, node, api_version: "v1", kind: "ConfigMap", subresource: "", manager, now, reset }
}

const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-01-02T00:00:00Z";

#[test]
fn applying_the_same_again_changes_nothing() {
    let reset = Set::default();
    let config = config_map(json!({"x": "1"}));
    let first = ApplyRequest { tracking: tracking("m", EARLY, &reset), live: None, config: &config, force: false };
    let live = apply(&first).unwrap();
    let again = ApplyRequest { tracking: tracking("m", LATE, &reset), live: Some(&live), ..first };
    assert_eq!(apply(&again).unwrap(), live);
}

#[test]
fn updates_that_change_nothing_keep_their_times() {
    let reset = Set::default();
    let mut live = config_map(json!({"x": "1"}));
    track_update(&tracking("m", EARLY, &reset), None, &mut live);
    let mut same = live.clone();
    track_update(&tracking("n", LATE, &reset), Some(&live), &mut same);
    assert_eq!(same, live);
    let mut retimed = live.clone();
    retimed["metadata"]["managedFields"][0]["time"] = json!(LATE);
    ignore_timestamps(&live, &mut retimed);
    assert_eq!(retimed, live);
}

#[test]
fn objects_without_managers_get_one_by_their_first_apply() {
    let reset = Set::default();
    let mut live = config_map(json!({"x": "1"}));
    let mut updated = config_map(json!({"x": "2"}));
    track_update(&tracking("m", EARLY, &reset), Some(&live), &mut updated);
    assert!(managed::of(&updated).is_none(), "updates do not start tracking");
    live["metadata"]["uid"] = json!("u");
    let config = config_map(json!({"x": "1", "y": "2"}));
    let request =
        ApplyRequest { tracking: tracking("m", EARLY, &reset), live: Some(&live), config: &config, force: false };
    let entries = managed::of(&apply(&request).unwrap()).unwrap().clone();
    assert_eq!(entries[0]["manager"], "m");
    assert_eq!(entries[1]["manager"], "before-first-apply");
    assert_eq!(entries[1]["fieldsV1"], json!({"f:data": {".": {}, "f:x": {}}}));
}

#[test]
fn old_update_managers_are_merged() {
    let reset = Set::default();
    let at = |index: usize, live: Option<&Value>| {
        let mut new = live.cloned().unwrap_or_else(|| config_map(json!({})));
        new["data"][format!("k{index}")] = json!("1");
        let now = format!("2026-01-01T00:00:{index:02}Z");
        track_update(&tracking(&format!("m{index}"), &now, &reset), live, &mut new);
        new
    };
    let mut live = at(0, None);
    for index in 1..12 {
        live = at(index, Some(&live));
    }
    let entries = managed::of(&live).unwrap().as_array().unwrap();
    assert_eq!(entries.len(), 10);
    assert_eq!(entries[0]["manager"], "ancient-changes");
    assert_eq!(entries[0]["time"], "2026-01-01T00:00:02Z");
    assert_eq!(entries[0]["fieldsV1"], json!({"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}}}));
}

#[test]
fn managers_can_be_forgotten() {
    let reset = Set::default();
    let mut live = config_map(json!({"x": "1"}));
    track_update(&tracking("m", EARLY, &reset), None, &mut live);
    for forget in [json!([]), json!([{}])] {
        let mut new = live.clone();
        new["metadata"]["managedFields"] = forget;
        track_update(&tracking("m", LATE, &reset), Some(&live), &mut new);
        assert!(managed::of(&new).is_none());
    }
}

#[test]
fn configurations_must_fit() {
    let reset = Set::default();
    for (config, wanted) in [
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "foo": 1}),
            "failed to create typed patch object (/b; /v1, Kind=ConfigMap): .foo: field not declared in schema",
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"a": 1}}),
            "failed to create typed patch object (/b; /v1, Kind=ConfigMap): .data.a: expected string, got &value.valueUnstructured{Value:1}",
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "finalizers": ["a.b/c", "a.b/c"]}}),
            r#"failed to create typed patch object (/b; /v1, Kind=ConfigMap): .metadata.finalizers: duplicate entries for key [="a.b/c"]"#,
        ),
        (json!({"apiVersion": "v2", "kind": "ConfigMap"}), "invalid object type: /v2, Kind=ConfigMap"),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "managedFields": []}}),
            "metadata.managedFields must be nil",
        ),
    ] {
        let request =
            ApplyRequest { tracking: tracking("m", EARLY, &reset), live: None, config: &config, force: false };
        assert_eq!(apply(&request).unwrap_err().to_string(), wanted);
    }
}

#[test]
fn client_side_apply_counts_as_ownership_for_kubectl() {
    let reset = Set::default();
    let mut last = config_map(json!({"x": "1"}));
    last["metadata"]["annotations"] = json!({});
    let mut live = config_map(json!({"x": "1"}));
    live["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": last.to_string()});
    track_update(&tracking("kubectl-client-side-apply", EARLY, &reset), None, &mut live);
    let config = config_map(json!({"x": "2", "y": "<&>"}));
    let attempt = |manager| {
        apply(&ApplyRequest {
            tracking: tracking(manager, LATE, &reset),
            live: Some(&live),
            config: &config,
            force: false,
        })
    };
    let conflict = attempt("other").unwrap_err();
    assert_eq!(
        conflict.to_string(),
        r#"Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.x"#
    );
    let migrated = attempt("kubectl").unwrap();
    assert_eq!(migrated["data"]["x"], "2");
    let annotation = migrated["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].as_str();
    let written = format!("{config}\n").replace("<&>", r"\u003c\u0026\u003e");
    assert_eq!(annotation, Some(written.as_str()));
}

#[test]
fn sets_are_written_in_the_order_of_their_values() {
    let fields = json!({"f:ports": {"k:{\"containerPort\":443}": {".": {}, "f:name": {}}, "k:{\"containerPort\":80}": {}}, "f:a": {}});
    let set = Set::from_fields(&fields).unwrap();
    assert_eq!(set.to_fields(), fields);
    let json =
        r#"{"f:a":{},"f:ports":{"k:{\"containerPort\":80}":{},"k:{\"containerPort\":443}":{".":{},"f:name":{}}}}"#;
    assert_eq!(set.to_fields_json(), json);
    let mut paths = Vec::new();
    set.for_each(&mut |path| paths.push(path_text(path)));
    assert_eq!(
        paths,
        [".a", ".ports[containerPort=80]", ".ports[containerPort=443]", ".ports[containerPort=443].name"]
    );
    assert!(Set::from_fields(&json!({"x": {}})).is_err());
}

#[test]
fn manager_names_come_from_user_agents() {
    assert_eq!(manager_name("", "kubectl/v1.32.4 (linux/amd64)"), "kubectl");
    assert_eq!(manager_name("me", "kubectl/v1"), "me");
    assert_eq!(manager_name("", &"ä".repeat(100)).len(), 128);
}

/// HorizontalPodAutoscalers, which are served in two versions.
struct Autoscaling;

impl<'a> Versions<'a> for Autoscaling {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, &'a Schema, NodeId)> {
        use crate::convert::{GroupVersionKind, convert};
        let version = |api_version: &'static str| GroupVersionKind {
            group: "autoscaling",
            version: api_version,
            kind: "HorizontalPodAutoscaler",
        };
        let known = |text: &str| match text {
            "autoscaling/v1" => Some("v1"),
            "autoscaling/v2" => Some("v2"),
            _ => None,
        };
        let (from, to) = (known(object["apiVersion"].as_str()?)?, known(api_version)?);
        let api: &'static Api = Api::builtin();
        let node = api.node_of_kind("autoscaling", to, "HorizontalPodAutoscaler")?;
        let converted =
            if from == to { object.clone() } else { convert(object.clone(), version(from), version(to)).ok()? };
        Some((converted, &api.schema, node))
    }
}

/// Applies an autoscaler in one version on top of one that may be stored in another.
fn apply_autoscaler(
    version: &'static str,
    manager: &str,
    live: Option<&Value>,
    spec: Value,
    force: bool,
) -> Result<Value, String> {
    let api: &'static Api = Api::builtin();
    let node = api.node_of_kind("autoscaling", version, "HorizontalPodAutoscaler").unwrap();
    let api_version = format!("autoscaling/{version}");
    let config =
        json!({"apiVersion": api_version, "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h1"}, "spec": spec});
    let reset = Set::default();
    let tracking = Tracking {
        schema: &api.schema,
        node,
        api_version: &api_version,
        kind: "HorizontalPodAutoscaler",
        subresource: "",
        manager,
        now: EARLY,
        reset: &reset,
    };
    let live = live.map(|live| Versions::convert(&Autoscaling, live, &api_version).unwrap().0);
    let request = ApplyRequest { tracking, live: live.as_ref(), config: &config, force };
    let mut made = apply_with(&request, &Autoscaling).map_err(|error| error.to_string())?;
    conform(&api.schema, node, &mut made).unwrap();
    crate::builtin::defaults::default("autoscaling", version, "HorizontalPodAutoscaler", &mut made, EARLY);
    Ok(made)
}

/// As kube-apiserver 1.35 answered the same requests.
#[test]
fn managers_of_other_versions_are_judged_in_their_version() {
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"});
    let cpu = json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]);
    let second = json!({"maxReplicas": 3, "minReplicas": 1, "scaleTargetRef": target, "metrics": cpu});
    let first = json!({"maxReplicas": 4, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 60});
    let live = apply_autoscaler("v2", "a", None, second, false).unwrap();
    assert_eq!(
        apply_autoscaler("v1", "b", Some(&live), first.clone(), false),
        Err("Apply failed with 2 conflicts: conflicts with \"a\":\n- .spec.maxReplicas\n- .spec.metrics".to_owned())
    );
    let live = apply_autoscaler("v1", "b", Some(&live), first, true).unwrap();
    let entry = |fields: Value, manager: &str, version: &str| json!({"manager": manager, "operation": "Apply", "apiVersion": version, "time": EARLY, "fieldsType": "FieldsV1", "fieldsV1": fields});
    let b = entry(
        json!({"f:spec": {"f:maxReplicas": {}, "f:scaleTargetRef": {}, "f:targetCPUUtilizationPercentage": {}}}),
        "b",
        "autoscaling/v1",
    );
    let a =
        json!({"f:spec": {"f:minReplicas": {}, "f:scaleTargetRef": {"f:apiVersion": {}, "f:kind": {}, "f:name": {}}}});
    assert_eq!(managed::of(&live), Some(&json!([entry(a, "a", "autoscaling/v2"), b])));
    let moved =
        apply_autoscaler("v1", "a", Some(&live), json!({"maxReplicas": 4, "scaleTargetRef": target}), false).unwrap();
    let a = entry(json!({"f:spec": {"f:maxReplicas": {}, "f:scaleTargetRef": {}}}), "a", "autoscaling/v1");
    assert_eq!(managed::of(&moved), Some(&json!([a, b])));
    let spec =
        json!({"maxReplicas": 4, "minReplicas": 1, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 60});
    assert_eq!(moved["spec"], spec);
}
