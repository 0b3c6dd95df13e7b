//! How upstream keeps the bootstrap objects as they should be: what comes back, and what an update leaves alone.
//!
//! Pure: somebody who knows the tenant decides when to ask and writes the answer.

use super::base;
use crate::authz::RBAC_GROUP;
use crate::authz::coverage::uncovered;
use crate::authz::rule::Rule;
use kplex_storage::Key;
use serde::Deserialize;
use serde_json::{Map, Value};

const RBAC_AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const FLOW_GROUP: &str = "flowcontrol.apiserver.k8s.io";
const FLOW_AUTOUPDATE: &str = "apf.kubernetes.io/autoupdate-spec";
/// Flow-control objects without which the server cannot work; their spec is always put back.
const FLOW_MANDATORY: [&str; 2] = ["exempt", "catch-all"];

/// When upstream makes a bootstrap object again after it was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// A loop in the server or a controller makes it again within about a minute.
    Soon,
    /// It comes back when the server starts.
    AtStart,
}

/// Tells when a bootstrap object comes back.
#[must_use]
pub fn returns(group: &str, resource: &str, name: &str) -> Return {
    match (group, resource) {
        (RBAC_GROUP, _) | ("scheduling.k8s.io", _) | ("apiregistration.k8s.io", _) => Return::AtStart,
        // Controllers ask for their own accounts when they need a token.
        ("", "serviceaccounts") if name != "default" => Return::AtStart,
        _ => Return::Soon,
    }
}

/// Whether upstream's next start would bring an object of a key back, or back to what it should be.
#[must_use]
pub fn wants_start(key: &Key, live: Option<&Value>) -> bool {
    let (group, resource) = (key.group(), key.resource());
    returns(group, resource, key.name()) == Return::AtStart
        && base::expected(key).is_some_and(|expected| reconcile(group, resource, &expected, live) != Action::Keep)
}

/// What to do about a bootstrap object.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Nothing.
    Keep,
    /// Create it; it is not there.
    Create,
    /// Replace it with this.
    Update(Value),
    /// Delete it and create it; a binding's role cannot be changed.
    Recreate,
}

/// Returns what upstream would do, at its start or in its loop, about an object that the base has as `expected`.
#[must_use]
pub fn reconcile(group: &str, resource: &str, expected: &Value, live: Option<&Value>) -> Action {
    let Some(live) = live else { return Action::Create };
    match (group, resource) {
        (RBAC_GROUP, "clusterroles" | "roles") => reconcile_role(expected, live),
        (RBAC_GROUP, "clusterrolebindings" | "rolebindings") => reconcile_binding(expected, live),
        (FLOW_GROUP, "flowschemas" | "prioritylevelconfigurations") => reconcile_flow(resource, expected, live),
        _ => Action::Keep,
    }
}

fn is_protected(live: &Value) -> bool {
    live["metadata"]["annotations"][RBAC_AUTOUPDATE] == "false"
}

fn update(live: &Value, wanted: Value) -> Action {
    if *live == wanted { Action::Keep } else { Action::Update(wanted) }
}

/// Adds the annotations and labels that are expected and absent.
fn merge_metadata(expected: &Value, wanted: &mut Value) {
    for key in ["annotations", "labels"] {
        for (name, value) in expected["metadata"][key].as_object().into_iter().flatten() {
            if !wanted["metadata"][key].is_object() {
                wanted["metadata"][key] = Value::Object(Map::new());
            }
            if wanted["metadata"][key].get(name).is_none() {
                wanted["metadata"][key][name] = value.clone();
            }
        }
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn append(value: &mut Value, items: impl IntoIterator<Item = Value>) {
    let mut items = items.into_iter().peekable();
    if items.peek().is_none() {
        return;
    }
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("made an array above").extend(items);
}

/// Adds missing permissions; what somebody added stays.
fn reconcile_role(expected: &Value, live: &Value) -> Action {
    if is_protected(live) {
        return Action::Keep;
    }
    let mut wanted = live.clone();
    merge_metadata(expected, &mut wanted);
    let rules = |role: &Value| Vec::<Rule>::deserialize(&role["rules"]).unwrap_or_default();
    let held = rules(live);
    let held: Vec<&Rule> = held.iter().collect();
    append(&mut wanted["rules"], uncovered(&held, &rules(expected)).iter().map(Rule::to_value));
    let (has, should) = (&live["aggregationRule"], &expected["aggregationRule"]);
    if should.is_null() {
        if !has.is_null() {
            wanted.as_object_mut().expect("a role is an object").remove("aggregationRule");
        }
    } else {
        let selectors = array(&has["clusterRoleSelectors"]);
        let missing = array(&should["clusterRoleSelectors"]).iter().filter(|selector| !selectors.contains(selector));
        let missing: Vec<Value> = missing.cloned().collect();
        if !missing.is_empty() {
            append(&mut wanted["aggregationRule"]["clusterRoleSelectors"], missing);
        }
    }
    drop_null(&mut wanted, live, "rules");
    update(live, wanted)
}

/// Indexing a document for writing makes absent members null; upstream's objects don't have them.
fn drop_null(wanted: &mut Value, live: &Value, key: &str) {
    if wanted[key].is_null() && live.get(key).is_none() {
        wanted.as_object_mut().expect("an API object is an object").remove(key);
    }
}

fn reconcile_binding(expected: &Value, live: &Value) -> Action {
    if is_protected(live) {
        return Action::Keep;
    }
    if expected["roleRef"] != live["roleRef"] {
        return Action::Recreate;
    }
    let mut wanted = live.clone();
    merge_metadata(expected, &mut wanted);
    let present = array(&live["subjects"]);
    let missing = array(&expected["subjects"]).iter().filter(|subject| !present.contains(subject));
    append(&mut wanted["subjects"], missing.cloned());
    drop_null(&mut wanted, live, "subjects");
    update(live, wanted)
}

/// Puts the spec back where the object may be updated automatically, and says so in its annotation.
fn reconcile_flow(resource: &str, expected: &Value, live: &Value) -> Action {
    let name = expected["metadata"]["name"].as_str().unwrap_or_default();
    let annotation = live["metadata"]["annotations"][FLOW_AUTOUPDATE].as_str().and_then(parse_go_bool);
    let auto_update =
        FLOW_MANDATORY.contains(&name) || annotation.unwrap_or_else(|| live["metadata"]["generation"] == 1);
    let mut spec = expected["spec"].clone();
    if resource == "prioritylevelconfigurations" && name == "exempt" && live["spec"]["exempt"].is_object() {
        // These two may be set freely even here.
        for field in ["nominalConcurrencyShares", "lendablePercent"] {
            spec["exempt"][field] = live["spec"]["exempt"][field].clone();
        }
    }
    let mut wanted = live.clone();
    if auto_update && spec != live["spec"] {
        wanted["spec"] = expected["spec"].clone();
    }
    if annotation != Some(auto_update) {
        if !wanted["metadata"]["annotations"].is_object() {
            wanted["metadata"]["annotations"] = Value::Object(Map::new());
        }
        wanted["metadata"]["annotations"][FLOW_AUTOUPDATE] = Value::from(auto_update.to_string());
    }
    update(live, wanted)
}

fn parse_go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
