//! RuntimeClass: a pod's runtime says what it costs on top and where it may run.

use super::tolerations::merge;
use super::write::{Write, items, text};
use kplex_machinery::field_error::go_quote;
use kplex_machinery::quantity::Quantity;
use kplex_machinery::status::Status;
use serde_json::{Value, json};

pub(super) async fn admit(write: &Write<'_>, pod: &mut Value) -> Result<(), Status> {
    let Some(class) = class_of(write, pod).await? else { return Ok(()) };
    set_overhead(pod, &class).and_then(|()| set_scheduling(pod, &class)).map_err(|why| write.forbidden(pod, &why))
}

pub(super) async fn validate(write: &Write<'_>, pod: &Value) -> Result<(), Status> {
    if !write.creates("", "pods") {
        return Ok(());
    }
    let class = class_of(write, pod).await?;
    check_overhead(pod, class.as_ref()).map_err(|why| write.forbidden(pod, why))
}

async fn class_of(write: &Write<'_>, pod: &Value) -> Result<Option<Value>, Status> {
    let name = pod.pointer("/spec/runtimeClassName").and_then(Value::as_str);
    let Some(name) = name.filter(|_| write.creates("", "pods")) else { return Ok(None) };
    let class = write.find("node.k8s.io", "runtimeclasses", None, name).await?;
    let why = format!("pod rejected: RuntimeClass {} not found", go_quote(name));
    class.map(Some).ok_or_else(|| write.forbidden(pod, &why))
}

const MISMATCH: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

fn set_overhead(pod: &mut Value, class: &Value) -> Result<(), String> {
    let Some(overhead) = class.get("overhead").filter(|overhead| !overhead.is_null()) else { return Ok(()) };
    let fixed = &overhead["podFixed"];
    let own = &pod["spec"]["overhead"];
    if own.as_object().is_some_and(|map| !map.is_empty()) && !same_amounts(own, fixed) {
        return Err(MISMATCH.to_owned());
    }
    if !fixed.is_null() {
        pod["spec"]["overhead"] = fixed.clone();
    }
    Ok(())
}

fn check_overhead(pod: &Value, class: Option<&Value>) -> Result<(), &'static str> {
    let own = pod.pointer("/spec/overhead").unwrap_or(&Value::Null);
    match class.and_then(|class| class.get("overhead")).filter(|overhead| !overhead.is_null()) {
        Some(overhead) if !same_amounts(own, &overhead["podFixed"]) => Err(MISMATCH),
        None if !own.is_null() => {
            Err("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")
        }
        _ => Ok(()),
    }
}

/// Whether two lists of resources say the same.
fn same_amounts(left: &Value, right: &Value) -> bool {
    let amounts = |list: &Value| -> Vec<(String, Quantity)> {
        let entries = list.as_object().into_iter().flatten();
        entries
            .map(|(name, value)| (name.clone(), Quantity::parse(value.as_str().unwrap_or("")).unwrap_or_default()))
            .collect()
    };
    let (left, right) = (amounts(left), amounts(right));
    left.len() == right.len()
        && left.iter().zip(&right).all(|(left, right)| left.0 == right.0 && left.1.cmp(&right.1).is_eq())
}

fn set_scheduling(pod: &mut Value, class: &Value) -> Result<(), String> {
    let Some(scheduling) = class.get("scheduling").filter(|scheduling| !scheduling.is_null()) else { return Ok(()) };
    for (key, value) in scheduling.get("nodeSelector").and_then(Value::as_object).into_iter().flatten() {
        let own = pod.pointer("/spec/nodeSelector").and_then(|selector| selector.get(key));
        if let Some(own) = own.filter(|own| *own != value) {
            let (own, value) = (own.as_str().unwrap_or(""), value.as_str().unwrap_or(""));
            return Err(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {own}"
            ));
        }
        if pod["spec"]["nodeSelector"].is_null() {
            pod["spec"]["nodeSelector"] = json!({});
        }
        pod["spec"]["nodeSelector"][key] = value.clone();
    }
    let tolerations = merge(items(pod, "/spec/tolerations"), items(scheduling, "/tolerations"));
    if !tolerations.is_empty() {
        pod["spec"]["tolerations"] = Value::Array(tolerations);
    }
    debug_assert!(!text(pod, "/spec/runtimeClassName").is_empty(), "only pods with a class come here");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class() -> Value {
        json!({"overhead": {"podFixed": {"cpu": "250m"}}, "scheduling": {"nodeSelector": {"kata": "yes"}}})
    }

    #[test]
    fn a_class_adds_overhead_and_where_to_run() {
        let mut pod = json!({"spec": {"runtimeClassName": "kata", "nodeSelector": {"a": "b"}}});
        set_overhead(&mut pod, &class()).and_then(|()| set_scheduling(&mut pod, &class())).expect("it fits");
        assert_eq!(pod["spec"]["overhead"], json!({"cpu": "250m"}));
        assert_eq!(pod["spec"]["nodeSelector"], json!({"a": "b", "kata": "yes"}));
        assert_eq!(check_overhead(&pod, Some(&class())), Ok(()));
    }

    #[test]
    fn what_contradicts_the_class_is_refused() {
        let mut other = json!({"spec": {"runtimeClassName": "kata", "overhead": {"cpu": "1"}}});
        assert_eq!(set_overhead(&mut other, &class()), Err(MISMATCH.to_owned()));
        let mut elsewhere = json!({"spec": {"runtimeClassName": "kata", "nodeSelector": {"kata": "no"}}});
        let why = "conflict: runtimeClass.scheduling.nodeSelector[kata] = yes; pod.spec.nodeSelector[kata] = no";
        assert_eq!(set_scheduling(&mut elsewhere, &class()), Err(why.to_owned()));
        assert!(check_overhead(&json!({"spec": {"overhead": {"cpu": "1"}}}), None).is_err());
    }
}
