//! What a pod asks for, summed up over its containers.

use crate::quantity::Quantity;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Amounts by resource name.
pub type Amounts = BTreeMap<String, Quantity>;

/// Reads a list of resources.
#[must_use]
pub fn amounts(list: Option<&Value>) -> Amounts {
    let entries = list.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), Quantity::parse(value.as_str()?).ok()?))).collect()
}

/// Writes a list of resources.
#[must_use]
pub fn to_value(amounts: &Amounts) -> Value {
    Value::Object(amounts.iter().map(|(name, amount)| (name.clone(), Value::from(amount.to_string()))).collect())
}

/// Adds to a list of resources.
pub fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        match sum.get_mut(name) {
            Some(own) => own.add(amount),
            None => {
                sum.insert(name.clone(), amount.clone());
            }
        }
    }
}

/// Raises each amount to at least that of the other list.
pub fn raise(sum: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        if sum.get(name).is_none_or(|own| own < amount) {
            sum.insert(name.clone(), amount.clone());
        }
    }
}

/// Which side of a container's resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What it needs.
    Requests,
    /// What it gets at most.
    Limits,
}

impl Side {
    /// Returns the name of the field.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Limits => "limits",
        }
    }
}

/// Returns what one container asks for.
#[must_use]
pub fn of_container(container: &Value, side: Side) -> Amounts {
    amounts(container.get("resources").and_then(|resources| resources.get(side.field())))
}

/// Returns what the containers of a pod need at once: they run together, and init containers one after the other before
/// them, except sidecars, which stay (KEP-753).
#[must_use]
pub fn of_containers(spec: &Map<String, Value>, side: Side) -> Amounts {
    let list = |field: &str| spec.get(field).and_then(Value::as_array).into_iter().flatten();
    let mut sum = Amounts::new();
    for container in list("containers") {
        add(&mut sum, &of_container(container, side));
    }
    let (mut sidecars, mut highest) = (Amounts::new(), Amounts::new());
    for container in list("initContainers") {
        let own = of_container(container, side);
        if container.get("restartPolicy").is_some_and(|policy| policy == "Always") {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            raise(&mut highest, &sidecars);
        } else {
            let mut moment = own;
            add(&mut moment, &sidecars);
            raise(&mut highest, &moment);
        }
    }
    raise(&mut sum, &highest);
    sum
}

/// Returns what a pod asks for: what its containers need, replaced by what it asks for as a whole (KEP-2837).
#[must_use]
pub fn of_pod(pod: &Value, side: Side) -> Amounts {
    let Some(spec) = pod.get("spec").and_then(Value::as_object) else { return Amounts::new() };
    let mut sum = of_containers(spec, side);
    let whole = amounts(spec.get("resources").and_then(|resources| resources.get(side.field())));
    sum.extend(whole.into_iter().filter(|(name, _)| is_of_pods(name)));
    sum
}

/// Resources that a pod may ask for as a whole.
#[must_use]
pub fn is_of_pods(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn init_containers_count_where_they_need_most() {
        let with = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = with("1");
        sidecar["restartPolicy"] = json!("Always");
        let pod = json!({"spec": {"containers": [with("1"), with("500m")], "initContainers": [sidecar, with("2")]}});
        let sum = of_pod(&pod, Side::Requests);
        assert_eq!(sum["cpu"].to_string(), "3");
    }

    #[test]
    fn the_pods_own_wish_replaces_the_sum() {
        let pod = json!({"spec": {"containers": [{"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}],
            "resources": {"requests": {"cpu": "5"}}}});
        assert_eq!(to_value(&of_pod(&pod, Side::Requests)), json!({"cpu": "5", "memory": "1Gi"}));
    }
}
