//! Tests of conversion: nothing is lost, and texts are upstream's.

use super::{GroupVersionKind, convert, storage_version};
use crate::api::Api;
use crate::decode::conform;
use serde_json::{Value, json};

const fn gvk(group: &'static str, version: &'static str, kind: &'static str) -> GroupVersionKind<'static> {
    GroupVersionKind { group, version, kind }
}

const V1: GroupVersionKind<'_> = gvk("autoscaling", "v1", "HorizontalPodAutoscaler");
const V2: GroupVersionKind<'_> = gvk("autoscaling", "v2", "HorizontalPodAutoscaler");
const CORE: GroupVersionKind<'_> = gvk("", "v1", "Event");
const NEW: GroupVersionKind<'_> = gvk("events.k8s.io", "v1", "Event");

fn check(from: GroupVersionKind<'_>, given: &Value, to: GroupVersionKind<'_>, expected: &Value) {
    assert_eq!(convert(given.clone(), from, to).as_ref(), Ok(expected), "{from} to {to}");
    check_canonical(to, expected);
}

/// Checks that a document is as decoding and encoding it again would leave it.
fn check_canonical(kind: GroupVersionKind<'_>, document: &Value) {
    let api = Api::builtin();
    let node = api.node_of_kind(kind.group, kind.version, kind.kind).expect("is built in");
    let mut conformed = document.clone();
    assert_eq!(conform(&api.schema, node, &mut conformed), Ok(Vec::new()), "{kind}");
    assert_eq!(&conformed, document, "{kind}");
}

/// Returns every kind of metric in version 2.
fn metrics() -> Value {
    json!([
        { "type": "Resource", "resource": {
            "name": "memory", "target": { "type": "Utilization", "averageUtilization": 40 } } },
        { "type": "Pods", "pods": {
            "metric": { "name": "rps", "selector": { "matchLabels": { "type": "x", "a": "b" } } },
            "target": { "type": "AverageValue", "averageValue": "1500m" } } },
        { "type": "Object", "object": {
            "describedObject": { "kind": "Service", "name": "s", "apiVersion": "v1" },
            "metric": { "name": "load" }, "target": { "type": "Value", "value": "2" } } },
        { "type": "External", "external": {
            "metric": { "name": "queue<" }, "target": { "type": "AverageValue", "averageValue": "5" } } },
        { "type": "ContainerResource", "containerResource": {
            "name": "cpu", "container": "c", "target": { "type": "Utilization", "averageUtilization": 60 } } },
        { "type": "Resource", "resource": {
            "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } },
    ])
}

fn autoscaler_v2() -> Value {
    let policy = json!({ "type": "Percent", "value": 100, "periodSeconds": 15 });
    json!({
        "kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2",
        "metadata": { "name": "h", "annotations": { "keep": "me" } },
        "spec": {
            "scaleTargetRef": { "kind": "Deployment", "name": "d", "apiVersion": "apps/v1" },
            "minReplicas": 1, "maxReplicas": 3, "metrics": metrics(),
            "behavior": { "scaleDown": { "selectPolicy": "Max", "policies": [policy], "tolerance": "10m" } },
        },
        "status": {
            "currentReplicas": 2, "desiredReplicas": 3, "observedGeneration": 4,
            "currentMetrics": [
                { "type": "Resource", "resource": {
                    "name": "cpu", "current": { "averageValue": "10m", "averageUtilization": 3 } } },
                { "type": "External", "external": { "metric": { "name": "q" }, "current": { "value": "7" } } },
            ],
            "conditions": [
                { "type": "AbleToScale", "status": "True", "lastTransitionTime": null },
                { "type": "ScalingActive", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z",
                  "reason": "r", "message": "a & b" },
            ],
        },
    })
}

#[test]
fn an_autoscaler_survives_version_1() {
    let old = convert(autoscaler_v2(), V2, V1).expect("converts");
    check_canonical(V1, &old);
    check(V1, &old, V2, &autoscaler_v2());
    assert_eq!(old["spec"]["targetCPUUtilizationPercentage"], 70);
    assert_eq!(old["status"]["currentCPUUtilizationPercentage"], 3);
    let notes = &old["metadata"]["annotations"];
    assert_eq!(notes["keep"], "me");
    let prefix = "autoscaling.alpha.kubernetes.io/";
    let metrics = concat!(
        r#"[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":40}},"#,
        r#"{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"1500m","#,
        r#""selector":{"matchLabels":{"a":"b","type":"x"}}}},"#,
        r#"{"type":"Object","object":{"target":{"kind":"Service","name":"s","apiVersion":"v1"},"#,
        r#""metricName":"load","targetValue":"2"}},"#,
        r#"{"type":"External","external":{"metricName":"queue\u003c","targetAverageValue":"5"}},"#,
        r#"{"type":"ContainerResource","containerResource":{"name":"cpu","targetAverageUtilization":60,"container":"c"}}]"#,
    );
    assert_eq!(notes[format!("{prefix}metrics")], metrics);
    let behavior = concat!(
        r#"{"ScaleUp":null,"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","#,
        r#""Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":"10m"}}"#,
    );
    assert_eq!(notes[format!("{prefix}behavior")], behavior);
    let current = concat!(
        r#"[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":3,"currentAverageValue":"10m"}},"#,
        r#"{"type":"External","external":{"metricName":"q","currentValue":"7"}}]"#,
    );
    assert_eq!(notes[format!("{prefix}current-metrics")], current);
    let conditions = concat!(
        r#"[{"type":"AbleToScale","status":"True","lastTransitionTime":null},"#,
        r#"{"type":"ScalingActive","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z","#,
        r#""reason":"r","message":"a \u0026 b"}]"#,
    );
    assert_eq!(notes[format!("{prefix}conditions")], conditions);
}

/// Returns a version 1 autoscaler with a metrics annotation, and its version 2 form with these metrics.
fn annotated(note: &str, metrics: Value) -> (Value, Value) {
    let target = json!({ "kind": "Deployment", "name": "d" });
    let given = json!({ "metadata": { "annotations": { "autoscaling.alpha.kubernetes.io/metrics": note } },
                        "spec": { "maxReplicas": 3, "scaleTargetRef": target } });
    let expected = json!({ "apiVersion": "autoscaling/v2", "metadata": {},
        "spec": { "maxReplicas": 3, "scaleTargetRef": target, "metrics": metrics },
        "status": { "desiredReplicas": 0, "currentMetrics": null } });
    (given, expected)
}

#[test]
fn a_version_1_autoscaler_without_target_aims_at_the_default() {
    let metric = json!({ "type": "Resource", "resource": {
        "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } });
    for note in ["garbage", "{}", "[1]", r#"[{"type":"Pods","pods":{"targetAverageValue":"x"}}]"#] {
        let (given, expected) = annotated(note, json!([metric]));
        check(V1, &given, V2, &expected);
    }
}

#[test]
fn quantities_in_annotations_become_canonical() {
    let metric = json!({ "type": "Pods", "pods": {
        "metric": { "name": "q" }, "target": { "type": "AverageValue", "averageValue": "1500m" } } });
    let (given, expected) =
        annotated(r#"[{"type":"Pods","pods":{"metricName":"q","targetAverageValue":1.5}}]"#, json!([metric]));
    check(V1, &given, V2, &expected);
}

#[test]
fn version_2_drops_annotations_that_belong_to_conversion() {
    let given = json!({ "metadata": { "annotations": { "autoscaling.alpha.kubernetes.io/behavior": "{}" } },
                        "spec": { "maxReplicas": 1 } });
    let old = convert(given, V2, V1).expect("converts");
    assert_eq!(old["metadata"], json!({}));
}

#[test]
fn events_keep_everything_under_other_names() {
    let core = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": { "name": "e" }, "action": "A", "count": 2,
        "eventTime": "2026-01-02T03:04:05.123456Z", "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": null,
        "involvedObject": { "kind": "Pod" }, "message": "m", "reason": "R", "related": { "kind": "Node" },
        "reportingComponent": "c", "reportingInstance": "i", "source": { "component": "s" }, "type": "Normal",
        "series": { "count": 3, "lastObservedTime": null },
    });
    let new = json!({
        "kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": { "name": "e" }, "action": "A",
        "deprecatedCount": 2, "eventTime": "2026-01-02T03:04:05.123456Z",
        "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z", "deprecatedLastTimestamp": null,
        "regarding": { "kind": "Pod" }, "note": "m", "reason": "R", "related": { "kind": "Node" },
        "reportingController": "c", "reportingInstance": "i", "deprecatedSource": { "component": "s" },
        "type": "Normal", "series": { "count": 3, "lastObservedTime": null },
    });
    check(CORE, &core, NEW, &new);
    check(NEW, &new, CORE, &core);
}

#[test]
fn absent_fields_of_events_are_written_as_each_version_writes_them() {
    let new = json!({ "kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {}, "eventTime": null,
        "regarding": {}, "deprecatedSource": {}, "deprecatedFirstTimestamp": null, "deprecatedLastTimestamp": null });
    let core = json!({ "kind": "Event", "apiVersion": "v1", "metadata": {}, "involvedObject": {}, "source": {},
        "firstTimestamp": null, "lastTimestamp": null, "eventTime": null, "reportingComponent": "",
        "reportingInstance": "" });
    check(CORE, &json!({ "metadata": {} }), NEW, &new);
    check(NEW, &json!({ "metadata": {} }), CORE, &core);
    check(NEW, &new, CORE, &core);
}

#[test]
fn storage_has_one_version_of_every_resource() {
    assert_eq!(storage_version("events.k8s.io", "events"), ("", "v1"));
    assert_eq!(storage_version("", "events"), ("", "v1"));
    assert_eq!(storage_version("autoscaling", "horizontalpodautoscalers"), ("autoscaling", "v2"));
    assert_eq!(storage_version("apps", "deployments"), ("apps", "v1"));
}

#[test]
fn unknown_conversions_are_refused() {
    let error = convert(json!({}), gvk("apps", "v1", "Deployment"), gvk("apps", "v2", "Deployment"));
    let text = error.expect_err("there is no apps/v2").to_string();
    assert_eq!(text, "convert apps/v1, Kind=Deployment to apps/v2, Kind=Deployment: no such conversion");
    assert!(convert(json!({}), gvk("apps", "v1", "Deployment"), gvk("apps", "v1", "Deployment")).is_ok());
}
