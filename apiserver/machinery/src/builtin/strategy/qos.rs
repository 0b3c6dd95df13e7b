//! The quality-of-service class of a pod.

use crate::builtin::amount::Amount;
use crate::builtin::at::At;
use serde_json::Value;
use std::collections::BTreeMap;

const COMPUTE: [&str; 2] = ["cpu", "memory"];

type Sums = BTreeMap<&'static str, Amount>;

/// Adds the positive compute resources of a list; returns whether it had all of them.
fn add(list: &At, sums: &mut Sums) -> bool {
    let mut found = 0;
    for name in COMPUTE {
        let amount = Amount::of(list.get(name).str());
        if amount.is_positive() {
            found += 1;
            let sum = sums.entry(name).or_default();
            sum.0 = sum.0.saturating_add(amount.0);
        }
    }
    found == COMPUTE.len()
}

/// Computes the class from the spec of a pod: `Guaranteed`, `Burstable` or `BestEffort`.
#[must_use]
pub fn pod_qos(pod: &Value) -> &'static str {
    let root = At::root(pod);
    let spec = root.get("spec");
    let (mut requests, mut limits) = (Sums::new(), Sums::new());
    let mut guaranteed = true;
    let pod_level = spec.get("resources");
    if pod_level.has() {
        add(&pod_level.get("requests"), &mut requests);
        let list = pod_level.get("limits");
        if !list.is_empty() && !add(&list, &mut limits) {
            guaranteed = false;
        }
    } else {
        for name in ["containers", "initContainers"] {
            for container in spec.get(name).items() {
                let resources = container.get("resources");
                add(&resources.get("requests"), &mut requests);
                if !add(&resources.get("limits"), &mut limits) {
                    guaranteed = false;
                }
            }
        }
    }
    if requests.is_empty() && limits.is_empty() {
        return "BestEffort";
    }
    if guaranteed && requests == limits { "Guaranteed" } else { "Burstable" }
}
