//! DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or can't be reached. And how tolerations
//! of two sources are merged.

use super::Verb;
use super::write::{Write, items, list_mut, text};
use kplex_machinery::builtin::strategy::Subresource;
use serde_json::{Value, json};

const SECONDS: i64 = 300;

pub(super) fn admit(write: &Write<'_>, pod: &mut Value) {
    let wanted =
        matches!(write.operation.verb, Verb::Create | Verb::Update) && write.operation.part == Subresource::Main;
    if wanted && write.is_of("", "pods") {
        tolerate(pod);
    }
}

fn tolerate(pod: &mut Value) {
    let missing: Vec<&str> = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
        .into_iter()
        .filter(|key| !items(pod, "/spec/tolerations").iter().any(|toleration| covers(toleration, key)))
        .collect();
    for key in missing {
        let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS});
        list_mut(&mut pod["spec"], "tolerations").push(toleration);
    }
}

fn covers(toleration: &Value, taint: &str) -> bool {
    let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
    (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
}

/// Joins two lists of tolerations, leaving out those that another one includes.
pub(super) fn merge(first: &[Value], second: &[Value]) -> Vec<Value> {
    let all: Vec<&Value> = first.iter().chain(second).collect();
    let mut merged: Vec<Value> = Vec::with_capacity(all.len());
    for (index, toleration) in all.iter().enumerate() {
        let before = merged.iter().any(|other| includes(other, toleration));
        let after = all[index + 1..].iter().any(|other| other != toleration && includes(other, toleration));
        if !before && !after {
            merged.push((*toleration).clone());
        }
    }
    merged
}

/// Whether whatever `small` tolerates, `large` tolerates too.
fn includes(large: &Value, small: &Value) -> bool {
    if large == small {
        return true;
    }
    let (large_key, operator) = (text(large, "/key"), text(large, "/operator"));
    if text(small, "/key") != large_key && (!large_key.is_empty() || operator != "Exists") {
        return false;
    }
    let effect = text(large, "/effect");
    if text(small, "/effect") != effect && !effect.is_empty() {
        return false;
    }
    let seconds = |toleration: &Value| toleration.get("tolerationSeconds").and_then(Value::as_i64);
    if effect == "NoExecute"
        && let Some(limit) = seconds(large)
        && seconds(small).is_none_or(|seconds| seconds > limit)
    {
        return false;
    }
    match operator {
        "Equal" | "" => text(small, "/operator") == "Equal" && text(small, "/value") == text(large, "/value"),
        "Exists" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_tolerate_lost_nodes_for_five_minutes() {
        let mut pod = json!({"spec": {"tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]}});
        tolerate(&mut pod);
        let keys: Vec<&str> =
            items(&pod, "/spec/tolerations").iter().map(|toleration| text(toleration, "/key")).collect();
        assert_eq!(keys, ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]);
        let mut all = json!({"spec": {"tolerations": [{"operator": "Exists"}]}});
        tolerate(&mut all);
        assert_eq!(items(&all, "/spec/tolerations").len(), 1);
    }

    #[test]
    fn merging_drops_what_is_included() {
        let narrow = json!({"key": "a", "operator": "Equal", "value": "1", "effect": "NoSchedule"});
        let wide = json!({"key": "a", "operator": "Exists"});
        let both = [narrow, wide];
        let (narrow, wide) = both.split_at(1);
        assert_eq!(merge(narrow, wide), wide);
        assert_eq!(merge(wide, narrow), wide);
        assert_eq!(merge(wide, wide), wide);
    }
}
