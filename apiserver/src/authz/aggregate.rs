//! Aggregated cluster roles: the rules that a role with an `aggregationRule` should have.

use kplex_machinery::selector::LabelSelector;
use serde_json::Value;

/// A cluster role whose rules are not what its selectors gather.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregated {
    /// Name of the cluster role.
    pub name: String,
    /// The rules it should have.
    pub rules: Vec<Value>,
}

/// Returns the aggregating roles among `roles` (whole ClusterRole objects) that must change.
///
/// One pass need not be the last: a role that gathers from a changed one follows in the next pass, as upstream's
/// controller does on the event of the first change.
#[must_use]
pub fn aggregate(roles: &[Value]) -> Vec<Aggregated> {
    let mut by_name: Vec<&Value> = roles.iter().collect();
    by_name.sort_by_key(|role| name_of(role));
    let mut changes = Vec::new();
    for role in &by_name {
        let Some(rule) = role.get("aggregationRule").filter(|rule| !rule.is_null()) else { continue };
        let selectors = rule["clusterRoleSelectors"].as_array().map_or(&[][..], Vec::as_slice);
        let Some(rules) = gather(name_of(role), selectors, &by_name) else { continue };
        if !same_rules(&rules, &role["rules"]) {
            changes.push(Aggregated { name: name_of(role).to_owned(), rules });
        }
    }
    changes
}

/// Returns `None` when a selector cannot be understood; such a role stays as it is.
fn gather(own_name: &str, selectors: &[Value], by_name: &[&Value]) -> Option<Vec<Value>> {
    let mut rules: Vec<Value> = Vec::new();
    for selector in selectors {
        let selector = LabelSelector::from_object(Some(selector)).ok()?;
        for role in by_name {
            if name_of(role) == own_name || !selector.matches_object(role) {
                continue;
            }
            for rule in role["rules"].as_array().into_iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    Some(rules)
}

fn name_of(role: &Value) -> &str {
    role["metadata"]["name"].as_str().unwrap_or_default()
}

fn same_rules(rules: &[Value], current: &Value) -> bool {
    current.as_array().map_or(&[][..], Vec::as_slice) == rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn role(name: &str, labels: Value, rules: Value) -> Value {
        json!({"metadata": {"name": name, "labels": labels}, "rules": rules})
    }

    fn aggregating(name: &str, selectors: Value, rules: Value) -> Value {
        json!({"metadata": {"name": name}, "aggregationRule": {"clusterRoleSelectors": selectors}, "rules": rules})
    }

    #[test]
    fn rules_are_gathered_by_name_once_each() {
        let (a, b) = (json!({"verbs": ["a"]}), json!({"verbs": ["b"]}));
        let roles = [
            aggregating("admin", json!([{"matchLabels": {"to": "admin"}}]), Value::Null),
            role("z", json!({"to": "admin"}), json!([a])),
            role("c", json!({"to": "admin"}), json!([b, a])),
            role("d", json!({"to": "edit"}), json!([{"verbs": ["d"]}])),
        ];
        let changes = aggregate(&roles);
        assert_eq!(changes, [Aggregated { name: "admin".to_owned(), rules: vec![b.clone(), a.clone()] }]);
        let settled = aggregating("admin", json!([{"matchLabels": {"to": "admin"}}]), json!([b, a]));
        assert_eq!(aggregate(&[&[settled], &roles[1..]].concat()), []);
    }

    #[test]
    fn expressions_select_and_unknown_operators_change_nothing() {
        let other = role("o", json!({"x": "1"}), json!([{"verbs": ["o"]}]));
        let ask = |operator: &str| {
            let values = if operator.ends_with("In") { json!(["1"]) } else { json!([]) };
            let selector = json!([{"matchExpressions": [{"key": "x", "operator": operator, "values": values}]}]);
            aggregate(&[aggregating("a", selector, json!([])), other.clone()]).len()
        };
        assert_eq!([ask("In"), ask("NotIn"), ask("Exists"), ask("DoesNotExist"), ask("Near")], [1, 0, 1, 0, 0]);
    }
}
