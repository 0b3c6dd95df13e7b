//! FlowSchemas: the condition that tells whether the priority level that one names exists.
//!
//! Nothing else follows from them: fairness is between control planes (D7). Tools read the condition all the same.

use super::process::{Failure, Settled, Tenant};
use super::resources;
use kplex_storage::Prefix;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Who upstream says has written the condition.
const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";
const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const TYPE: &str = "Dangling";

/// Looks at all FlowSchemas: they and the levels are a dozen.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant) -> Result<Settled, Failure> {
    let levels = tenant.list(&Prefix::resource(GROUP, "prioritylevelconfigurations")).await?;
    let levels: HashSet<&str> = levels.iter().filter_map(|level| level.pointer("/metadata/name")?.as_str()).collect();
    for schema in tenant.list(&Prefix::resource(GROUP, "flowschemas")).await? {
        let text = |pointer: &str| schema.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let mut wanted = condition(text("/spec/priorityLevelConfiguration/name"), &levels);
        if holds(&schema, &wanted) {
            continue;
        }
        wanted["lastTransitionTime"] = Value::from(tenant.timestamp());
        let name = text("/metadata/name");
        let object = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "FlowSchema",
            "metadata": {"name": name}, "status": {"conditions": [wanted]},
        });
        let path = format!("/apis/{GROUP}/v1/flowschemas/{}/status", resources::escape(name));
        match tenant.server_client().apply(&path, MANAGER, &object).await {
            Err(error) if error.code() == 404 => {}
            outcome => {
                outcome?;
            }
        }
    }
    Ok(Settled)
}

/// Returns the condition about a priority level, without its time.
fn condition(level: &str, levels: &HashSet<&str>) -> Value {
    let (status, reason, what) = match levels.contains(level) {
        true => ("False", "Found", "and it exists"),
        false => ("True", "NotFound", "but there is no such object"),
    };
    let message = format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?} {what}");
    json!({"type": TYPE, "status": status, "reason": reason, "message": message})
}

/// Whether a FlowSchema says so already.
fn holds(schema: &Value, wanted: &Value) -> bool {
    let conditions = schema.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions
        .into_iter()
        .filter(|condition| condition["type"] == TYPE)
        .any(|condition| ["status", "reason", "message"].into_iter().all(|field| condition[field] == wanted[field]))
}
