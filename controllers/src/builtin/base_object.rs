//! Objects of the shared base that come back (D4): soon after they were deleted or changed, as system namespaces, flow
//! control and the Service of the API server, or at the next start of the server, as RBAC.
//!
//! What comes back soon is seen in the feed. What comes back at a start has a due row, written with the change that called
//! for it: a tenant in which nobody touched the base costs nothing.

use super::process::{Failure, Settled, Tenant};
use super::{resources, root_certificate};
use crate::client::Client;
use kplex_apiserver::bootstrap::base;
use kplex_apiserver::bootstrap::reconcile::{Action, Return, reconcile as decide, returns};
use kplex_apiserver::due;
use kplex_apiserver::resource::Served;
use kplex_storage::{Key, WriteSet};
use serde_json::{Value, json};

/// Controllers of their own look after these, in every namespace.
fn is_anothers(key: &Key) -> bool {
    key.name() == "kube-root-ca.crt" || (key.resource() == "serviceaccounts" && key.name() == "default")
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
    let Some(key) = Key::parse(key.as_bytes()).filter(|key| !is_anothers(key)) else { return Ok(Settled) };
    let Some(mut expected) = base::expected(&key) else { return Ok(Settled) };
    let Some(served) = tenant.resource(key.group(), key.resource()).await? else { return Ok(Settled) };
    let live = tenant.read(&key).await?;
    fill(tenant, &mut expected);
    let client = tenant.server_client();
    let path = resources::object(&served, key.namespace(), key.name());
    match decide(key.group(), key.resource(), &expected, live.as_ref()) {
        Action::Keep => settle(tenant, &key).await?,
        Action::Create => create(&client, &served, &key, &expected).await?,
        Action::Update(wanted) => {
            client.update(&path, &wanted).await?;
        }
        Action::Recreate => {
            let uid = live.as_ref().and_then(|live| live.pointer("/metadata/uid"));
            let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}});
            client.delete(&path, &options).await?;
            create(&client, &served, &key, &expected).await?;
        }
    }
    Ok(Settled)
}

async fn create(client: &Client, served: &Served, key: &Key, expected: &Value) -> Result<(), Failure> {
    match client.create(&resources::collection(served, key.namespace()), expected).await {
        // Somebody was faster, or its namespace goes or is gone: its own return brings this back.
        Err(error) if error.code() == 409 || error.has_cause("NamespaceTerminating") => Ok(()),
        outcome => Ok(outcome.map(|_| ())?),
    }
}

/// Nothing is left to do, so the row that asked for it goes. Writes that bring an object back remove it themselves.
async fn settle(tenant: &Tenant, key: &Key) -> Result<(), Failure> {
    if returns(key.group(), key.resource(), key.name()) == Return::AtStart {
        let set = WriteSet { due_remove: vec![due::base_object(key)], ..WriteSet::default() };
        tenant.scope.log().commit(set).await?;
    }
    Ok(())
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
    fn everything_that_comes_back_soon_is_routed() {
        for row in base::objects() {
            let key = base::key(&row);
            if returns(key.group(), key.resource(), key.name()) == Return::Soon && !is_anothers(&key) {
                assert!(concerns(key.group(), key.resource(), true), "{key:?}");
            }
        }
        assert!(!concerns("rbac.authorization.k8s.io", "clusterroles", true), "comes back at a start");
    }
}
