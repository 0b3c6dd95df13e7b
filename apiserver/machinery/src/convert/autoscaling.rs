//! HorizontalPodAutoscalers. Version 1 knows a CPU target only; the rest of version 2 travels in annotations.

use super::ordered;
use crate::builtin::defaults::autoscaling::CPU_PERCENT;
use crate::quantity;
use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// Annotations that belong to conversion; clients cannot set them in version 2.
const ANNOTATIONS: &[&str] = &[
    METRICS,
    CURRENT_METRICS,
    CONDITIONS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];

/// Converts `autoscaling/v2` to `autoscaling/v1`.
pub(crate) fn v2_to_v1(mut object: Value) -> Value {
    let spec = object["spec"].take();
    let status = object["status"].take();
    let metrics = items(&spec["metrics"]);
    let cpu = metrics.iter().find_map(cpu_percent);
    let current = items(&status["currentMetrics"]);
    let current_cpu = current.iter().rev().find_map(current_cpu_percent);

    let mut notes = Vec::new();
    let others: Vec<Value> = metrics
        .iter()
        .filter(|metric| cpu_percent(metric).is_none())
        .map(|metric| metric_to_v1(metric, false))
        .collect();
    if !others.is_empty() {
        notes.push((METRICS, Value::Array(others)));
    }
    if !current.is_empty() {
        notes.push((CURRENT_METRICS, current.iter().map(|metric| metric_to_v1(metric, true)).collect()));
    }
    if spec["behavior"].is_object() {
        notes.push((BEHAVIOR, behavior_to_v1(&spec["behavior"])));
    }
    let conditions: Vec<Value> = items(&status["conditions"]).iter().map(condition).collect();
    if !conditions.is_empty() {
        notes.push((CONDITIONS, Value::Array(conditions)));
    }

    object["apiVersion"] = json!("autoscaling/v1");
    object["spec"] = pick(&spec, &["scaleTargetRef", "minReplicas", "maxReplicas"]);
    set_some(&mut object["spec"], "targetCPUUtilizationPercentage", cpu);
    object["status"] = pick(&status, &["observedGeneration", "lastScaleTime"]);
    for name in ["currentReplicas", "desiredReplicas"] {
        object["status"][name] = json!(status[name].as_i64().unwrap_or(0));
    }
    set_some(&mut object["status"], "currentCPUUtilizationPercentage", current_cpu);
    annotate(&mut object, notes);
    object
}

/// Converts `autoscaling/v1` to `autoscaling/v2`. Annotations that do not parse are dropped.
pub(crate) fn v1_to_v2(mut object: Value) -> Value {
    let spec = object["spec"].take();
    let status = object["status"].take();
    let note = |name: &str| -> Option<Value> {
        serde_json::from_str(object.get("metadata")?.get("annotations")?.get(name)?.as_str()?).ok()
    };
    let list = |name: &str| note(name).and_then(typed_list);
    let metric_list = |name: &str| -> Option<Vec<Value>> {
        list(name).and_then(|metrics| metrics.into_iter().map(readable).collect())
    };

    let mut metrics: Vec<Value> =
        metric_list(METRICS).unwrap_or_default().iter().map(|metric| metric_to_v2(metric, false)).collect();
    let cpu = spec["targetCPUUtilizationPercentage"].as_i64();
    if cpu.is_some() || metrics.is_empty() {
        metrics.push(cpu_metric(
            "target",
            json!({ "type": "Utilization", "averageUtilization": cpu.unwrap_or(CPU_PERCENT) }),
        ));
    }
    let current = match (metric_list(CURRENT_METRICS), status["currentCPUUtilizationPercentage"].as_i64()) {
        (Some(current), _) => current.iter().map(|metric| metric_to_v2(metric, true)).collect(),
        (None, Some(percent)) => json!([cpu_metric("current", json!({ "averageUtilization": percent }))]),
        (None, None) => Value::Null,
    };
    let behavior = note(BEHAVIOR).as_ref().and_then(behavior_to_v2);
    let conditions = list(CONDITIONS).unwrap_or_default();

    object["apiVersion"] = json!("autoscaling/v2");
    object["spec"] = pick(&spec, &["scaleTargetRef", "minReplicas", "maxReplicas"]);
    object["spec"]["metrics"] = Value::Array(metrics);
    set_some(&mut object["spec"], "behavior", behavior);
    object["status"] = pick(&status, &["observedGeneration", "lastScaleTime"]);
    set_some(&mut object["status"], "currentReplicas", status["currentReplicas"].as_i64().filter(|count| *count != 0));
    object["status"]["desiredReplicas"] = json!(status["desiredReplicas"].as_i64().unwrap_or(0));
    object["status"]["currentMetrics"] = current;
    if !conditions.is_empty() {
        object["status"]["conditions"] = conditions.iter().map(condition).collect();
    }
    annotate(&mut object, Vec::new());
    object
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns the items of a list of objects; `None` when it is something else.
fn typed_list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) if items.iter().all(|item| item.is_object() && item["type"].is_string()) => Some(items),
        _ => None,
    }
}

/// Returns an annotated metric with its quantities in canonical form; `None` when a field has a wrong type.
fn readable(mut metric: Value) -> Option<Value> {
    for (_, source) in metric.as_object_mut()?.iter_mut().filter(|(name, _)| *name != "type") {
        for (name, value) in source.as_object_mut().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            match name.as_str() {
                "averageValue" | "targetValue" | "targetAverageValue" | "currentValue" | "currentAverageValue" => {
                    *value = json!(quantity::canonical(value).ok()?);
                }
                "targetAverageUtilization" | "currentAverageUtilization" => drop(value.as_i64()?),
                "metricName" | "name" | "container" => drop(value.as_str()?),
                _ => drop(value.as_object()?),
            }
        }
    }
    Some(metric)
}

/// Returns an object with some fields of another: those that are set.
fn pick(from: &Value, names: &[&str]) -> Value {
    let set = |name: &&str| Some(((*name).to_owned(), from.get(*name).filter(|value| !value.is_null())?.clone()));
    Value::Object(names.iter().filter_map(set).collect())
}

fn set_some(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object[name] = value.into();
    }
}

/// Replaces the annotations that belong to conversion.
fn annotate(object: &mut Value, notes: Vec<(&str, Value)>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let mut annotations = match metadata.remove("annotations") {
        Some(Value::Object(annotations)) => annotations,
        Some(_) | None => Map::new(),
    };
    annotations.retain(|name, _| !ANNOTATIONS.contains(&name.as_str()));
    for (name, value) in notes {
        annotations.insert(name.to_owned(), json!(ordered::to_string(&value)));
    }
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
}

fn cpu_metric(field: &str, value: Value) -> Value {
    let mut resource = json!({ "name": "cpu" });
    resource[field] = value;
    json!({ "type": "Resource", "resource": resource })
}

fn cpu_percent(metric: &Value) -> Option<i64> {
    let resource = &metric["resource"];
    let is_cpu = metric["type"] == "Resource" && resource["name"] == "cpu";
    resource["target"]["averageUtilization"].as_i64().filter(|_| is_cpu)
}

fn current_cpu_percent(metric: &Value) -> Option<i64> {
    let resource = &metric["resource"];
    let is_cpu = metric["type"] == "Resource" && resource["name"] == "cpu";
    resource["current"]["averageUtilization"].as_i64().filter(|_| is_cpu)
}

/// Returns a condition with its fields; the time is written even when it is not set.
fn condition(from: &Value) -> Value {
    let mut to = pick(from, &["type", "status", "reason", "message"]);
    to["lastTransitionTime"] = from["lastTransitionTime"].clone();
    to
}

/// Converts a metric, or the status of one, to version 1, which has no `target` and `metric` groups.
fn metric_to_v1(metric: &Value, is_status: bool) -> Value {
    let prefix = if is_status { "current" } else { "target" };
    let named = |suffix: &str| format!("{prefix}{suffix}");
    let mut to = json!({ "type": metric["type"] });
    for kind in ["object", "pods", "resource", "containerResource", "external"] {
        let Some(from) = metric.get(kind).filter(|source| source.is_object()) else { continue };
        let (group, identity) = (&from[prefix], &from["metric"]);
        let value = &group["value"];
        let average = &group["averageValue"];
        let zero = |quantity: &Value| if quantity.is_null() { json!("0") } else { quantity.clone() };
        let mut source = json!({});
        match kind {
            "object" => {
                source["target"] = from["describedObject"].clone();
                source[named("Value")] = zero(value);
                copy(average, &mut source, "averageValue");
            }
            "pods" => source[named("AverageValue")] = zero(average),
            "external" if is_status => {
                source[named("Value")] = zero(value);
                copy(average, &mut source, &named("AverageValue"));
            }
            "external" => {
                copy(value, &mut source, &named("Value"));
                copy(average, &mut source, &named("AverageValue"));
            }
            _ => {
                source["name"] = from["name"].clone();
                copy(&group["averageUtilization"], &mut source, &named("AverageUtilization"));
                if is_status {
                    source[named("AverageValue")] = zero(average);
                } else {
                    copy(average, &mut source, &named("AverageValue"));
                }
                copy(&from["container"], &mut source, "container");
            }
        }
        if identity.is_object() {
            source["metricName"] = identity["name"].clone();
            copy(&identity["selector"], &mut source, if kind == "external" { "metricSelector" } else { "selector" });
        }
        to[kind] = source;
    }
    to
}

/// Converts a metric of version 1, or the status of one, to version 2.
fn metric_to_v2(metric: &Value, is_status: bool) -> Value {
    let prefix = if is_status { "current" } else { "target" };
    let mut to = json!({ "type": metric["type"] });
    for kind in ["object", "pods", "resource", "containerResource", "external"] {
        let Some(from) = metric.get(kind).filter(|source| source.is_object()) else { continue };
        let named = |suffix: &str| &from[format!("{prefix}{suffix}")];
        let zero = |quantity: &Value| if quantity.is_null() { json!("0") } else { quantity.clone() };
        let average = if kind == "object" { &from["averageValue"] } else { named("AverageValue") };
        let (value, percent) = (named("Value"), named("AverageUtilization"));
        let mut group = json!({});
        copy(average, &mut group, "averageValue");
        let target_type = match kind {
            "object" => {
                group["value"] = zero(value);
                if average.is_null() { "Value" } else { "AverageValue" }
            }
            "pods" => {
                group["averageValue"] = zero(average);
                "AverageValue"
            }
            "external" => {
                copy(value, &mut group, "value");
                if is_status {
                    group["value"] = zero(value);
                }
                if value.is_null() { "AverageValue" } else { "Value" }
            }
            _ => {
                if is_status {
                    group["averageValue"] = zero(average);
                }
                copy(percent, &mut group, "averageUtilization");
                if percent.is_null() { "AverageValue" } else { "Utilization" }
            }
        };
        let mut source = json!({});
        if !is_status {
            group["type"] = json!(target_type);
        }
        source[prefix] = group;
        match kind {
            "resource" | "containerResource" => {
                source["name"] = from["name"].clone();
                copy(&from["container"], &mut source, "container");
            }
            _ => {
                source["metric"] = json!({ "name": from["metricName"] });
                let selector = if kind == "external" { "metricSelector" } else { "selector" };
                copy(&from[selector], &mut source["metric"], "selector");
            }
        }
        if kind == "object" {
            source["describedObject"] = from["target"].clone();
        }
        to[kind] = source;
    }
    to
}

fn copy(from: &Value, to: &mut Value, name: &str) {
    if !from.is_null() {
        to[name] = from.clone();
    }
}

/// Fields of scaling rules by their names in version 2 and in the annotation.
const RULES: &[(&str, &str)] = &[
    ("stabilizationWindowSeconds", "StabilizationWindowSeconds"),
    ("selectPolicy", "SelectPolicy"),
    ("tolerance", "Tolerance"),
];
/// The same for policies.
const POLICY: &[(&str, &str)] = &[("type", "Type"), ("value", "Value"), ("periodSeconds", "PeriodSeconds")];

/// Returns the behavior as the annotation holds it: with everything that is not set.
fn behavior_to_v1(behavior: &Value) -> Value {
    let policy = |policy: &Value| -> Value {
        Value::Object(POLICY.iter().map(|(from, to)| ((*to).to_owned(), policy[from].clone())).collect())
    };
    let rules = |rules: &Value| -> Value {
        if !rules.is_object() {
            return Value::Null;
        }
        let mut to: Map<String, Value> =
            RULES.iter().map(|(from, to)| ((*to).to_owned(), rules[from].clone())).collect();
        let policies = rules["policies"].as_array().map(|policies| policies.iter().map(policy).collect());
        to.insert("Policies".to_owned(), policies.unwrap_or(Value::Null));
        Value::Object(to)
    };
    json!({ "ScaleUp": rules(&behavior["scaleUp"]), "ScaleDown": rules(&behavior["scaleDown"]) })
}

/// Reads the behavior from the annotation; `None` when it says nothing.
fn behavior_to_v2(behavior: &Value) -> Option<Value> {
    let policy = |policy: &Value| -> Value {
        let zero = |name: &str| if name == "type" { json!("") } else { json!(0) };
        let field =
            |(to, from): &(&str, &str)| ((*to).to_owned(), field(policy, from).cloned().unwrap_or_else(|| zero(to)));
        Value::Object(POLICY.iter().map(field).collect())
    };
    let rules = |rules: &Value| -> Value {
        let set = |(to, from): &(&str, &str)| Some(((*to).to_owned(), field(rules, from)?.clone()));
        let mut to: Map<String, Value> = RULES.iter().filter_map(set).collect();
        if let Some(policies) = field(rules, "Policies").and_then(Value::as_array) {
            to.insert("policies".to_owned(), policies.iter().map(policy).collect());
        }
        Value::Object(to)
    };
    let mut to = Map::new();
    for (name, annotated) in [("scaleUp", "ScaleUp"), ("scaleDown", "ScaleDown")] {
        if let Some(from) = field(behavior, annotated).filter(|from| from.is_object()) {
            to.insert(name.to_owned(), rules(from));
        }
    }
    if to.is_empty() { None } else { Some(Value::Object(to)) }
}

/// Returns a field that is set; Go matches names regardless of case.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = object.as_object()?;
    let same = || fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    fields.get(name).or_else(same).filter(|value| !value.is_null())
}
