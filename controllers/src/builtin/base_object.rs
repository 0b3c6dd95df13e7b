//! Objects of the shared base that upstream puts back soon after they were deleted or changed (D4): system namespaces,
//! flow control, the Service of the API server.
//!
//! What upstream puts back only at its start, such as RBAC, is left as it is here.

use super::process::{Failure, Settled, Tenant};
use super::{resources, root_certificate};
use kplex_apiserver::bootstrap::base;
use kplex_apiserver::bootstrap::reconcile::{Action, Return, reconcile as decide, returns};
use kplex_storage::Key;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The objects that come back soon, by storage key; some dozens.
fn objects() -> &'static HashMap<String, Value> {
    static OBJECTS: OnceLock<HashMap<String, Value>> = OnceLock::new();
    OBJECTS.get_or_init(|| {
        let all = base::objects().into_iter().map(|row| (base::key(&row), row.object));
        let soon = all
            .filter(|(key, _)| returns(key.group(), key.resource(), key.name()) == Return::Soon && !is_anothers(key));
        soon.map(|(key, object)| (key.as_str().to_owned(), object)).collect()
    })
}

/// Controllers of their own look after these, in every namespace.
fn is_anothers(key: &Key) -> bool {
    matches!(key.resource(), "serviceaccounts") || key.name() == "kube-root-ca.crt"
}

/// Whether a change of an object may call for work here; cheap, before the objects are looked at.
pub(crate) fn concerns(group: &str, resource: &str, deleted: bool) -> bool {
    match (group, resource) {
        ("flowcontrol.apiserver.k8s.io", "flowschemas" | "prioritylevelconfigurations") => true,
        ("", "namespaces" | "services" | "endpoints" | "configmaps")
        | ("discovery.k8s.io", "endpointslices")
        | ("networking.k8s.io", "ipaddresses" | "servicecidrs") => deleted,
        _ => false,
    }
}

/// Puts an object of the base back.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant, key: &str) -> Result<Settled, Failure> {
    let Some(expected) = objects().get(key) else { return Ok(Settled) };
    let Some(key) = Key::parse(key.as_bytes()) else { return Ok(Settled) };
    let Some(served) = tenant.resource(key.group(), key.resource()).await? else { return Ok(Settled) };
    let live = tenant.read(&key).await?;
    let mut expected = expected.clone();
    fill(tenant, &mut expected);
    let client = tenant.server_client();
    match decide(key.group(), key.resource(), &expected, live.as_ref()) {
        Action::Keep | Action::Recreate => {}
        Action::Create => match client.create(&resources::collection(&served, key.namespace()), &expected).await {
            // Somebody was faster, or its namespace goes or is gone: its own return brings this back.
            Err(error) if error.code() == 409 || error.has_cause("NamespaceTerminating") => {}
            outcome => {
                outcome?;
            }
        },
        Action::Update(wanted) => {
            client.update(&resources::object(&served, key.namespace(), key.name()), &wanted).await?;
        }
    }
    Ok(Settled)
}

/// Fills the holes as the base of a new tenant is filled.
fn fill(tenant: &Tenant, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value.as_str() {
                    Some("${ca}") if key == "client-ca-file" => {
                        *value = Value::from(tenant.scope.keys().authority().certificate_pem())
                    }
                    Some(text) if text.starts_with("${") => *value = hole(tenant, text),
                    _ => fill(tenant, value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(tenant, item)),
        Value::String(text) if text.starts_with("${") => *value = hole(tenant, text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn hole(tenant: &Tenant, name: &str) -> Value {
    let address = tenant.process.controllers.endpoint.address;
    match name {
        "${ca}" => Value::from(root_certificate::bundle(tenant)),
        "${time}" => Value::from(tenant.timestamp()),
        "${date}" => Value::from(tenant.timestamp()[..10].to_owned()),
        "${address}" => Value::from(address.map_or_else(|| "127.0.0.1".to_owned(), |address| address.ip().to_string())),
        "${port}" => json!(address.map_or(9443, |address| address.port())),
        other => Value::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_namespaces_and_flow_control_come_back_and_rbac_does_not() {
        for key in [
            "/namespaces/kube-system",
            "flowcontrol.apiserver.k8s.io/flowschemas/catch-all",
            "/services/default/kubernetes",
        ] {
            assert!(objects().contains_key(key), "{key}");
        }
        for key in [
            "rbac.authorization.k8s.io/clusterroles/admin",
            "/serviceaccounts/default/default",
            "/configmaps/default/kube-root-ca.crt",
        ] {
            assert!(!objects().contains_key(key), "{key}");
        }
        for key in objects().keys() {
            let key = Key::parse(key.as_bytes()).unwrap();
            assert!(concerns(key.group(), key.resource(), true), "{key:?} is routed");
        }
    }
}
