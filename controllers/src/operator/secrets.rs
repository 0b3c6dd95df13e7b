//! The Secrets of a control plane, with KubeFlex's names and keys (kubeflex.md 2.1).

use super::api::ControlPlane;
use super::plan::namespace;
use crate::Endpoint;
use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kplex_apiserver::due::RENEW_AT;
use kplex_tenants::{Leaf, TenantScope, Tenants, TenantsError};
use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;

/// Annotation: uid of the tenant whose credentials these are.
pub(crate) const TENANT: &str = "kplex.kubestellar.org/tenant-uid";
/// Annotation: keys of a Secret, each with the start of the SHA-256 of its value, so that damage is noticed.
const DIGESTS: &str = "kplex.kubestellar.org/digests";
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
    let data: Data = data.into_iter().map(|(key, value)| (key, ByteString(value.into_bytes()))).collect();
    let annotations =
        [(RENEW_AT, renew_at.to_string()), (TENANT, scope.uid().to_string()), (DIGESTS, digests(&data, data.keys()))];
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace(plane)),
            annotations: Some(annotations.map(|(name, value)| (name.to_owned(), value)).into()),
            owner_references: plane.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

type Data = BTreeMap<String, ByteString>;

/// Writes what [`DIGESTS`] holds about these keys: `key=digest,key=digest`.
fn digests<'k>(data: &Data, keys: impl Iterator<Item = &'k String>) -> String {
    let digest = |key: &String| {
        let value = data.get(key).map_or(&[][..], |value| &value.0);
        let sum = digest(&SHA256, value);
        let hex: String = sum.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{key}={hex}")
    };
    keys.map(digest).collect::<Vec<_>>().join(",")
}

/// Whether what the operator wrote is still there. What others have added is left alone.
fn is_whole(data: &Data, written: &str) -> bool {
    let keys: Vec<String> = written.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect();
    !keys.is_empty() && digests(data, keys.iter()) == written
}

/// Whether a Secret holds credentials of this tenant, undamaged, that need no renewal yet.
pub(super) fn is_current(secret: &Secret, scope: &TenantScope, now: Timestamp) -> bool {
    let annotation = |name: &str| secret.annotations().get(name).map(String::as_str).unwrap_or("");
    let fresh = annotation(RENEW_AT).parse::<Timestamp>().is_ok_and(|renew_at| now < renew_at);
    let whole = secret.data.as_ref().is_some_and(|data| is_whole(data, annotation(DIGESTS)));
    fresh && whole && annotation(TENANT) == scope.uid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_noticed_and_additions_are_not() {
        let mut data: Data = [("a", "1"), ("b", "2")].map(|(k, v)| (k.to_owned(), ByteString(v.into()))).into();
        let written = digests(&data, data.keys());
        assert!(is_whole(&data, &written));
        data.insert("c".to_owned(), ByteString("3".into()));
        assert!(is_whole(&data, &written), "somebody else's");
        data.insert("a".to_owned(), ByteString("x".into()));
        assert!(!is_whole(&data, &written), "changed");
        data.remove("a");
        assert!(!is_whole(&data, &written), "lost");
        assert!(!is_whole(&data, ""), "never written by the operator");
    }
}
