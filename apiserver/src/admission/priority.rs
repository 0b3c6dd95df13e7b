//! Priority: a pod's class becomes a number, and only one class is the default.

use super::Verb;
use super::write::{Write, text};
use crate::codec;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::status::Status;
use serde_json::Value;

const GROUP: &str = "scheduling.k8s.io";
const PLURAL: &str = "priorityclasses";

pub(super) async fn admit(write: &Write<'_>, pod: &mut Value) -> Result<(), Status> {
    if write.updates("", "pods") {
        write.old.into_iter().for_each(|old| keep(pod, old));
        return Ok(());
    }
    if !write.creates("", "pods") {
        return Ok(());
    }
    let name = text(pod, "/spec/priorityClassName").to_owned();
    let class = if name.is_empty() {
        default_class(write).await?
    } else {
        let class = write.find(GROUP, PLURAL, None, &name).await?;
        Some(class.ok_or_else(|| write.forbidden(pod, &format!("no PriorityClass with name {name} was found")))?)
    };
    resolve(pod, class.as_ref()).map_err(|why| write.forbidden(pod, &why))
}

pub(super) async fn validate(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    let concerned = write.creates(GROUP, PLURAL) || write.updates(GROUP, PLURAL);
    if !concerned || !is_default(new) {
        return Ok(());
    }
    let Some(other) = default_class(write).await? else { return Ok(()) };
    let other = codec::meta_str(&other, "name");
    if write.operation.verb == Verb::Create || other != codec::meta_str(new, "name") {
        return Err(write.forbidden(
            new,
            &format!("PriorityClass {other} is already marked as default. Only one default can exist"),
        ));
    }
    debug_assert!(write.operation.part == Subresource::Main, "priority classes have no subresources");
    Ok(())
}

/// Clients that know nothing of priorities leave out what was filled in before.
fn keep(pod: &mut Value, old: &Value) {
    for field in ["priority", "preemptionPolicy"] {
        let is_missing = pod["spec"].get(field).is_none_or(Value::is_null);
        if let Some(value) = old["spec"].get(field).filter(|value| is_missing && !value.is_null()) {
            pod["spec"][field] = value.clone();
        }
    }
}

/// Sets priority and preemption policy, which a pod may not choose itself.
fn resolve(pod: &mut Value, class: Option<&Value>) -> Result<(), String> {
    let priority = class.and_then(|class| class.get("value")).and_then(Value::as_i64).unwrap_or(0);
    // Without any class pods preempt those of lower priority.
    let policy = class.map_or("PreemptLowerPriority", |class| text(class, "/preemptionPolicy")).to_owned();
    if let Some(class) = class {
        pod["spec"]["priorityClassName"] = Value::from(codec::meta_str(class, "name"));
    }
    let given = pod.pointer("/spec/priority").and_then(Value::as_i64);
    if let Some(given) = given.filter(|given| *given != priority) {
        return Err(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"
        ));
    }
    pod["spec"]["priority"] = Value::from(priority);
    if policy.is_empty() {
        return Ok(());
    }
    let given = text(pod, "/spec/preemptionPolicy");
    if !given.is_empty() && given != policy {
        return Err(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
        ));
    }
    pod["spec"]["preemptionPolicy"] = Value::from(policy);
    Ok(())
}

fn is_default(class: &Value) -> bool {
    class.get("globalDefault").and_then(Value::as_bool).unwrap_or(false)
}

/// Returns the class of pods that name none; of several the one with the lowest value.
async fn default_class(write: &Write<'_>) -> Result<Option<Value>, Status> {
    let classes = write.list(GROUP, PLURAL, None).await?;
    let value = |class: &Value| class.get("value").and_then(Value::as_i64).unwrap_or(0);
    Ok(classes.into_iter().filter(is_default).min_by_key(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_class_becomes_a_number() {
        let class = json!({"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"});
        let mut pod = json!({"spec": {"priorityClassName": "high"}});
        resolve(&mut pod, Some(&class)).expect("it fits");
        assert_eq!(pod["spec"], json!({"priorityClassName": "high", "priority": 1000, "preemptionPolicy": "Never"}));
        let mut plain = json!({"spec": {}});
        resolve(&mut plain, None).expect("it fits");
        assert_eq!(plain["spec"], json!({"priority": 0, "preemptionPolicy": "PreemptLowerPriority"}));
    }

    #[test]
    fn a_pod_does_not_choose_its_priority() {
        let mut pod = json!({"spec": {"priority": 7}});
        let why = "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name";
        assert_eq!(resolve(&mut pod, None), Err(why.to_owned()));
    }
}
