//! The ConfigMap `kube-root-ca.crt`, in every active namespace: the authorities that clients inside trust.

use super::process::{Failure, Settled, Tenant};
use super::{namespace, resources};
use kplex_storage::Key;
use serde_json::{Value, json};

const ACCOUNT: &str = "root-ca-cert-publisher";
const NAME: &str = "kube-root-ca.crt";
const ANNOTATION: &str = "kubernetes.io/description";
/// Upstream's words: tools show them.
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// Makes or repairs the ConfigMap.
///
/// # Errors
/// When a request or the store fails.
pub(super) async fn reconcile(tenant: &Tenant, space: &str) -> Result<Settled, Failure> {
    if !namespace::is_active(tenant, space).await? {
        return Ok(Settled);
    }
    let data = json!({"ca.crt": bundle(tenant)});
    let collection = format!("/api/v1/namespaces/{}/configmaps", resources::escape(space));
    let client = tenant.client(ACCOUNT);
    let Some(mut object) = tenant.read(&Key::new("", "configmaps", Some(space), NAME)).await? else {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": {"name": NAME, "namespace": space, "annotations": {ANNOTATION: DESCRIPTION}},
        });
        namespace::ignore_terminating(client.create(&collection, &object).await)?;
        return Ok(Settled);
    };
    let described = object["metadata"]["annotations"][ANNOTATION].as_str().is_some_and(|text| !text.is_empty());
    if object["data"] == data && described {
        return Ok(Settled);
    }
    object["data"] = data;
    if let Value::Null = object["metadata"]["annotations"] {
        object["metadata"]["annotations"] = json!({});
    }
    object["metadata"]["annotations"][ANNOTATION] = Value::from(DESCRIPTION);
    client.update(&format!("{collection}/{NAME}"), &object).await?;
    Ok(Settled)
}

/// Returns the authorities of both forms of address: the tenant's, for host names, and the server's, for paths.
pub(super) fn bundle(tenant: &Tenant) -> String {
    let own = tenant.scope.keys().authority().certificate_pem();
    own + &tenant.process.controllers.shared.tenants.server_authority().certificate_pem()
}
