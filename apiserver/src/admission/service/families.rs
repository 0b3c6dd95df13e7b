//! The dual-stack fields of a service, as a cluster with IPv4 services alone settles them.

use super::super::write::{items, text};
use super::{is_external_name, is_headless};
use kplex_machinery::builtin::validation;
use kplex_machinery::field_error::FieldError;
use serde_json::{Value, json};

const IPV4: &str = "IPv4";
const IPV6: &str = "IPv6";
const SINGLE: &str = "SingleStack";
const PREFER: &str = "PreferDualStack";
const REQUIRE: &str = "RequireDualStack";

/// Fills in `ipFamilyPolicy` and `ipFamilies`, or says why what is asked for can't be had here.
pub(super) fn settle(new: &mut Value, old: Option<&Value>) -> Result<(), Vec<FieldError>> {
    if is_external_name(new) || old.is_some_and(|old| keeps_dual_stack(new, old)) {
        return Ok(());
    }
    if policy(new).is_empty() {
        let inherited = old.map(policy).filter(|policy| !policy.is_empty());
        let default = if is_bare_headless(new) { REQUIRE } else { SINGLE };
        new["spec"]["ipFamilyPolicy"] = Value::from(inherited.unwrap_or(default));
    }
    fail(validation::service_addresses(new, old))?;
    let mut errors = Vec::new();
    if let Some(old) = old {
        shrink(new, old, &mut errors);
    }
    check_policy(new, &mut errors);
    infer_families(new, &mut errors);
    fail(errors)?;
    if is_bare_headless(new) {
        settle_bare_headless(new);
        return Ok(());
    }
    fail(unavailable(new))?;
    if families(new).is_empty() {
        new["spec"]["ipFamilies"] = json!([IPV4]);
    }
    Ok(())
}

fn fail(errors: Vec<FieldError>) -> Result<(), Vec<FieldError>> {
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// A service that prefers dual-stack is left as it is until its owner decides otherwise.
pub(super) fn keeps_dual_stack(new: &Value, old: &Value) -> bool {
    policy(new) == PREFER
        && matches!(text(new, "/spec/type"), "ClusterIP" | "NodePort" | "LoadBalancer")
        && text(new, "/spec/type") == text(old, "/spec/type")
        && matches!(policy(old), PREFER | "")
        && items(new, "/spec/clusterIPs") == items(old, "/spec/clusterIPs")
        && families(new) == families(old)
}

fn policy(service: &Value) -> &str {
    text(service, "/spec/ipFamilyPolicy")
}

fn families(service: &Value) -> &[Value] {
    items(service, "/spec/ipFamilies")
}

/// Headless without a selector: somebody else says where it leads, so every family may be meant.
fn is_bare_headless(service: &Value) -> bool {
    is_headless(service)
        && service.pointer("/spec/selector").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty)
}

/// Going single-stack gives up the second family; giving it up otherwise needs the policy.
fn shrink(new: &mut Value, old: &Value, errors: &mut Vec<FieldError>) {
    let same = |field: &str| items(new, field) == items(old, field);
    let (same_addresses, same_families) = (same("/spec/clusterIPs"), same("/spec/ipFamilies"));
    if policy(new) == SINGLE {
        for (field, same) in [("clusterIPs", same_addresses), ("ipFamilies", same_families)] {
            if let Some(list) = new["spec"].get_mut(field).and_then(Value::as_array_mut).filter(|_| same) {
                list.truncate(1);
            }
        }
        return;
    }
    let reduced = |field: &str| {
        let (now, then) = (items(new, field), items(old, field));
        !now.is_empty() && now.len() == 1 && then.len() == 2
    };
    for (field, what) in [("/spec/clusterIPs", "cluster IP"), ("/spec/ipFamilies", "IP family")] {
        if reduced(field) {
            let why = format!("must be 'SingleStack' to release the secondary {what}");
            errors.push(FieldError::invalid("spec.ipFamilyPolicy", policy(new), why));
        }
    }
}

fn check_policy(new: &Value, errors: &mut Vec<FieldError>) {
    if policy(new) != SINGLE {
        return;
    }
    for (field, what) in [("/spec/clusterIPs", "cluster IPs"), ("/spec/ipFamilies", "IP families")] {
        if items(new, field).len() == 2 {
            let why = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            errors.push(FieldError::invalid("spec.ipFamilyPolicy", policy(new), why));
        }
    }
}

/// Asked-for addresses say which families are meant.
fn infer_families(new: &mut Value, errors: &mut Vec<FieldError>) {
    let addresses = items(new, "/spec/clusterIPs").to_vec();
    for (index, address) in addresses.iter().filter_map(Value::as_str).enumerate() {
        if address == "None" {
            break;
        }
        if index < families(new).len() {
            continue;
        }
        if address.contains(':') {
            let why = format!("{IPV6} is not configured on this cluster");
            errors.push(FieldError::invalid(format!("spec.clusterIPs[{index}]"), Value::Array(addresses.clone()), why));
        } else {
            super::super::write::list_mut(&mut new["spec"], "ipFamilies").push(Value::from(IPV4));
        }
    }
}

fn settle_bare_headless(new: &mut Value) {
    let single = policy(new) == SINGLE;
    let list = super::super::write::list_mut(&mut new["spec"], "ipFamilies");
    if list.is_empty() {
        list.push(Value::from(IPV4));
    }
    if list.len() < 2 && !single {
        let other = if list[0] == IPV4 { IPV6 } else { IPV4 };
        list.push(Value::from(other));
    }
}

/// What a cluster with one family does not have.
fn unavailable(new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if policy(new) == REQUIRE {
        errors.push(FieldError::invalid(
            "spec.ipFamilyPolicy",
            REQUIRE,
            "this cluster is not configured for dual-stack services",
        ));
    }
    for (index, family) in families(new).iter().enumerate().filter(|(_, family)| **family != IPV4) {
        errors.push(FieldError::invalid(
            format!("spec.ipFamilies[{index}]"),
            family.clone(),
            "not configured on this cluster",
        ));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(mut service: Value, old: Option<&Value>) -> Value {
        settle(&mut service, old).unwrap_or_else(|errors| panic!("{errors:?}"));
        service["spec"].take()
    }

    fn refusal(mut service: Value) -> String {
        let errors = settle(&mut service, None).expect_err("this cluster can't");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_plain_service_is_single_stack_ipv4() {
        let spec = settled(json!({"spec": {"type": "ClusterIP"}}), None);
        assert_eq!((&spec["ipFamilyPolicy"], &spec["ipFamilies"]), (&json!("SingleStack"), &json!(["IPv4"])));
    }

    #[test]
    fn a_headless_service_without_selector_is_of_both_families() {
        let service = json!({"spec": {"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]}});
        let spec = settled(service, None);
        assert_eq!(
            (&spec["ipFamilyPolicy"], &spec["ipFamilies"]),
            (&json!("RequireDualStack"), &json!(["IPv4", "IPv6"]))
        );
    }

    #[test]
    fn dual_stack_and_ipv6_are_refused() {
        let required = json!({"spec": {"type": "ClusterIP", "ipFamilyPolicy": "RequireDualStack"}});
        assert_eq!(
            refusal(required),
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services"
        );
        let six = json!({"spec": {"type": "ClusterIP", "ipFamilies": ["IPv6"]}});
        assert_eq!(refusal(six), "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster");
    }

    #[test]
    fn preferring_dual_stack_gets_what_there_is() {
        let spec = settled(json!({"spec": {"type": "ClusterIP", "ipFamilyPolicy": "PreferDualStack"}}), None);
        assert_eq!(spec["ipFamilies"], json!(["IPv4"]));
    }
}
