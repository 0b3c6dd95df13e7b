//! Volumes, claims and attribute classes stay while they are in use: their finalizer goes when nobody uses them.

use super::process::{Failure, Settled, Tenant};
use super::resources;
use super::work::{Controller, Work};
use kplex_apiserver::due;
use kplex_storage::{Key, Prefix};
use serde_json::Value;

/// Gives an object its finalizer, or takes it away when the object is deleted and not in use.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant, key: &str) -> Result<Settled, Failure> {
    let Some(key) = Key::parse(key.as_bytes()) else { return Ok(Settled) };
    let Some(finalizer) = due::protection(&key) else { return Ok(Settled) };
    let Some(served) = tenant.resource(key.group(), key.resource()).await? else { return Ok(Settled) };
    let Some(mut object) = tenant.load(&served, &key).await? else { return Ok(Settled) };
    let mut finalizers: Vec<Value> = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let held = finalizers.iter().any(|other| other == finalizer);
    let deleting = !object["metadata"]["deletionTimestamp"].is_null();
    match (deleting, held) {
        (false, true) | (true, false) => return Ok(Settled),
        (false, false) => finalizers.push(Value::from(finalizer)),
        (true, true) => {
            // Users that go bring us back.
            tenant.process.waiting.add(&Work::new(tenant.scope.id(), Controller::Protection, key.as_str()));
            if is_used(tenant, &key, &object).await? {
                return Ok(Settled);
            }
            finalizers.retain(|other| other != finalizer);
        }
    }
    object["metadata"]["finalizers"] = Value::Array(finalizers);
    let account = match key.resource() {
        "persistentvolumes" => "pv-protection-controller",
        "persistentvolumeclaims" => "pvc-protection-controller",
        _ => "volumeattributesclass-protection-controller",
    };
    // Their roles allow them to update, not to patch.
    let path = resources::object(&served, key.namespace(), key.name());
    match tenant.client(account).update(&path, &object).await {
        Err(error) if error.code() == 404 => {}
        outcome => {
            outcome?;
        }
    }
    Ok(Settled)
}

async fn is_used(tenant: &Tenant, key: &Key, object: &Value) -> Result<bool, Failure> {
    match key.resource() {
        "persistentvolumes" => Ok(object["status"]["phase"] == "Bound"),
        "persistentvolumeclaims" => {
            let pods = tenant.list(&Prefix::namespace("", "pods", key.namespace().unwrap_or_default())).await?;
            Ok(pods.iter().any(|pod| uses_claim(pod, object)))
        }
        _ => {
            let volumes = tenant.list(&Prefix::resource("", "persistentvolumes")).await?;
            let claims = tenant.list(&Prefix::resource("", "persistentvolumeclaims")).await?;
            Ok(volumes.iter().chain(&claims).any(|user| uses_class(user, key.name())))
        }
    }
}

/// A pod uses a claim from when it has a node: before that no kubelet starts it with a claim that is deleted.
fn uses_claim(pod: &Value, claim: &Value) -> bool {
    if pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
        return false;
    }
    let name = claim["metadata"]["name"].as_str().unwrap_or_default();
    let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let shut_down =
        !pod["metadata"]["deletionTimestamp"].is_null() && pod["metadata"]["deletionGracePeriodSeconds"] == 0;
    let owned = claim["metadata"]["ownerReferences"]
        .as_array()
        .is_some_and(|list| list.iter().any(|owner| owner["uid"] == pod["metadata"]["uid"]));
    pod["spec"]["volumes"].as_array().into_iter().flatten().any(|volume| {
        let ephemeral = || volume["name"].as_str().is_some_and(|volume| format!("{pod_name}-{volume}") == name);
        volume["persistentVolumeClaim"]["claimName"] == name
            || (!shut_down && owned && volume["ephemeral"].is_object() && ephemeral())
    })
}

fn uses_class(user: &Value, name: &str) -> bool {
    [
        "/spec/volumeAttributesClassName",
        "/status/currentVolumeAttributesClassName",
        "/status/modifyVolumeStatus/targetVolumeAttributesClassName",
    ]
    .iter()
    .any(|pointer| user.pointer(pointer).is_some_and(|class| class == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_is_used_by_pods_that_have_a_node() {
        let claim = json!({"metadata": {"name": "c"}});
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}});
        assert!(!uses_claim(&pod, &claim));
        pod["spec"]["nodeName"] = json!("n");
        assert!(uses_claim(&pod, &claim));
        assert!(!uses_claim(&pod, &json!({"metadata": {"name": "d"}})));
    }

    #[test]
    fn an_ephemeral_claim_is_used_until_its_pod_ends() {
        let claim = json!({"metadata": {"name": "p-v", "ownerReferences": [{"uid": "u"}]}});
        let mut pod = json!({"metadata": {"name": "p", "uid": "u"}, "spec": {"nodeName": "n", "volumes": [{"name": "v", "ephemeral": {}}]}});
        assert!(uses_claim(&pod, &claim));
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        assert!(!uses_claim(&pod, &claim));
    }

    #[test]
    fn a_class_is_used_by_what_names_it() {
        assert!(uses_class(&json!({"spec": {"volumeAttributesClassName": "c"}}), "c"));
        assert!(uses_class(&json!({"status": {"currentVolumeAttributesClassName": "c"}}), "c"));
        assert!(!uses_class(&json!({"spec": {}}), "c"));
    }
}
