//! The CRDs of the hub, generated from the Rust types.

use super::api::{ControlPlane, PostCreateHook};
use anyhow::Context;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::core::crd::CustomResourceExt;
use kube::{Api, Client, ResourceExt};
use std::time::Duration;

/// Field manager of everything the operator writes.
pub(super) const MANAGER: &str = "kplex-operator";
/// How long the hub may take to serve a CRD; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the CRDs.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 2] {
    [ControlPlane::crd(), PostCreateHook::crd()]
}

/// Applies the CRDs and waits until they are served. An unchanged CRD is not written.
pub(super) async fn apply(client: &Client) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in definitions() {
        let name = definition.name_any();
        let parameters = PatchParams::apply(MANAGER).force();
        api.patch(&name, &parameters, &Patch::Apply(&definition)).await.with_context(|| format!("apply {name}"))?;
        let established = kube::runtime::wait::await_condition(
            api.clone(),
            &name,
            kube::runtime::wait::conditions::is_crd_established(),
        );
        tokio::time::timeout(PATIENCE, established)
            .await
            .with_context(|| format!("{name} was not established in time"))?
            .with_context(|| format!("watch {name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn version(index: usize) -> Value {
        serde_json::to_value(&definitions()[index]).unwrap()["spec"]["versions"][0].clone()
    }

    #[test]
    fn names_and_columns_are_kubeflexs() {
        let names = [
            ("ControlPlane", "controlplanes", "controlplane", ["cp", "cps"]),
            ("PostCreateHook", "postcreatehooks", "postcreatehook", ["pch", "pchs"]),
        ];
        for (index, (kind, plural, singular, short)) in names.into_iter().enumerate() {
            let definition = serde_json::to_value(&definitions()[index]).unwrap();
            let spec = &definition["spec"];
            assert_eq!(spec["group"], "tenancy.kflex.kubestellar.org");
            assert_eq!(spec["scope"], "Cluster");
            assert_eq!(
                spec["names"],
                json!({"kind": kind, "plural": plural, "singular": singular, "shortNames": short})
            );
            let version = &spec["versions"][0];
            assert_eq!(
                (&version["name"], &version["served"], &version["storage"]),
                (&json!("v1alpha1"), &json!(true), &json!(true))
            );
            assert_eq!(version["subresources"], json!({"status": {}}));
            let columns: Vec<_> = version["additionalPrinterColumns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["name"].as_str().unwrap())
                .collect();
            assert_eq!(columns, ["SYNCED", "READY", "TYPE", "AGE"]);
        }
    }

    /// Path, type, and what else the contract says of the field (kubeflex.md 1.1).
    #[test]
    fn control_planes_have_kubeflexs_fields() {
        let schema = version(0)["schema"]["openAPIV3Schema"].clone();
        let spec = &schema["properties"]["spec"];
        assert_eq!(spec["required"], json!(["type"]));
        let fields = [
            ("type", "string"),
            ("backend", "string"),
            ("bootstrapSecretRef", "object"),
            ("tokenExpirationSeconds", "integer"),
            ("postCreateHook", "string"),
            ("postCreateHookVars", "object"),
            ("postCreateHooks", "array"),
            ("globalVars", "object"),
            ("waitForPostCreateHooks", "boolean"),
        ];
        let properties = spec["properties"].as_object().unwrap();
        assert_eq!(properties.len(), fields.len());
        for (field, kind) in fields {
            assert_eq!(properties[field]["type"], kind, "{field}");
        }
        let kinds = properties["type"]["enum"].as_array().unwrap();
        for kind in ["k8s", "ocm", "vcluster", "host", "external", "k3s"] {
            assert!(kinds.contains(&json!(kind)), "{kind}");
        }
        assert_eq!(kinds.len(), 6);
        let backends = properties["backend"]["enum"].as_array().unwrap();
        assert!(backends.contains(&json!("shared")) && backends.contains(&json!("dedicated")));
        assert_eq!(properties["tokenExpirationSeconds"]["default"], 31_536_000);
        assert_eq!(properties["waitForPostCreateHooks"]["default"], false);
        assert_eq!(properties["bootstrapSecretRef"]["required"], json!(["inClusterKey", "name", "namespace"]));
        assert_eq!(properties["postCreateHooks"]["items"]["required"], json!(["hookName"]));
        let status = &schema["properties"]["status"];
        assert_eq!(status["required"], json!(["conditions", "observedGeneration"]));
        let condition = &status["properties"]["conditions"]["items"]["required"];
        assert_eq!(*condition, json!(["lastTransitionTime", "lastUpdateTime", "message", "reason", "status", "type"]));
    }

    #[test]
    fn templates_of_hooks_are_embedded_objects() {
        let schema = version(1)["schema"]["openAPIV3Schema"].clone();
        let items = &schema["properties"]["spec"]["properties"]["templates"]["items"];
        assert_eq!(items["x-kubernetes-embedded-resource"], true);
        assert_eq!(items["x-kubernetes-preserve-unknown-fields"], true);
        let variables = &schema["properties"]["spec"]["properties"]["defaultVars"]["items"]["required"];
        assert_eq!(*variables, json!(["name", "value"]));
    }
}
