//! The Secrets of a control plane, with KubeFlex's names and keys (kubeflex.md 2.1).

use super::api::ControlPlane;
use super::plan::namespace;
use crate::Endpoint;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kplex_apiserver::due::RENEW_AT;
use kplex_tenants::{Leaf, TenantScope, Tenants, TenantsError};
use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;

/// Annotation: uid of the tenant whose credentials these are.
pub(super) const TENANT: &str = "kplex.kubestellar.org/tenant-uid";
/// Names of the Secrets.
pub(super) const NAMES: [&str; 3] = ["admin-kubeconfig", "k8s-certs", "cm-kubeconfig"];

/// Makes the Secrets with fresh certificates.
pub(super) fn make(
    plane: &ControlPlane,
    endpoint: &Endpoint,
    tenants: &Tenants,
    scope: &TenantScope,
) -> Result<Vec<Secret>, TenantsError> {
    let now = tenants.now();
    let keys = scope.keys();
    let off_cluster = keys.issue_admin(now)?;
    let in_cluster = keys.issue_admin(now)?;
    let manager = keys.authority().issue_client("system:kube-controller-manager", &[], now)?;
    let serving = tenants.endpoints().serving_names(&scope.tenant_name(), scope.hosts());
    let serving = keys.issue_serving(&serving, now)?;
    let kubelet_client = keys.authority().issue_client("kube-apiserver-kubelet-client", &["system:masters"], now)?;
    let front_proxy = keys.issue_front_proxy_client(now)?;
    let renew_at = [&off_cluster, &in_cluster, &manager, &serving, &kubelet_client, &front_proxy]
        .map(Leaf::renew_at)
        .into_iter()
        .min()
        .unwrap_or(now);
    let secret = |name: &str, data: BTreeMap<String, String>| wrap(plane, scope, name, data, renew_at);
    let admin = [
        ("kubeconfig", endpoint.kubeconfig(tenants, scope, &off_cluster)),
        ("kubeconfig-incluster", Endpoint::in_cluster_kubeconfig(scope, &in_cluster)),
    ];
    let certs = [
        ("ca.key", keys.authority().key_pem()),
        ("ca.crt", keys.authority().certificate_pem()),
        ("apiserver.key", serving.key_pem()),
        ("apiserver.crt", serving.certificate_pem()),
        ("apiserver-kubelet-client.key", kubelet_client.key_pem()),
        ("apiserver-kubelet-client.crt", kubelet_client.certificate_pem()),
        ("front-proxy-ca.crt", keys.front_proxy().certificate_pem()),
        ("front-proxy-client.key", front_proxy.key_pem()),
        ("front-proxy-client.crt", front_proxy.certificate_pem()),
        ("sa.key", keys.signing_key().key_pem()),
        ("sa.pub", keys.signing_key().public().pem()),
    ];
    let manager = [("kubeconfig", Endpoint::in_cluster_kubeconfig(scope, &manager))];
    Ok(vec![secret(NAMES[0], owned(admin)), secret(NAMES[1], owned(certs)), secret(NAMES[2], owned(manager))])
}

fn owned<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn wrap(
    plane: &ControlPlane,
    scope: &TenantScope,
    name: &str,
    data: BTreeMap<String, String>,
    renew_at: Timestamp,
) -> Secret {
    let annotations = [(RENEW_AT.to_owned(), renew_at.to_string()), (TENANT.to_owned(), scope.uid().to_string())];
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace(plane)),
            annotations: Some(annotations.into()),
            owner_references: plane.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(data.into_iter().map(|(key, value)| (key, ByteString(value.into_bytes()))).collect()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// Whether a Secret holds credentials of this tenant that need no renewal yet.
pub(super) fn is_current(secret: &Secret, scope: &TenantScope, now: Timestamp) -> bool {
    let annotation = |name: &str| secret.annotations().get(name).map(String::as_str).unwrap_or("");
    let fresh = annotation(RENEW_AT).parse::<Timestamp>().is_ok_and(|renew_at| now < renew_at);
    fresh && annotation(TENANT) == scope.uid().to_string() && secret.data.as_ref().is_some_and(|data| !data.is_empty())
}
