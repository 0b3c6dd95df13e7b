//! The two KubeFlex kinds, group `tenancy.kflex.kubestellar.org/v1alpha1`. Their CRDs are generated from these types.

use kplex_apiserver::admission::control_plane::FINALIZER;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a control plane is.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[kube(
    group = "tenancy.kflex.kubestellar.org",
    version = "v1alpha1",
    kind = "ControlPlane",
    plural = "controlplanes",
    singular = "controlplane",
    shortname = "cp",
    shortname = "cps",
    status = "ControlPlaneStatus",
    printcolumn = r#"{"name":"SYNCED","type":"string","jsonPath":".status.conditions[?(@.type==\"Synced\")].status"}"#,
    printcolumn = r#"{"name":"READY","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"TYPE","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"AGE","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneSpec {
    /// Which kind of control plane.
    #[serde(rename = "type")]
    pub type_: ControlPlaneType,
    /// Shared tables, or a database of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// Kubeconfig of a cluster to adopt (type external).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_secret_ref: Option<SecretReference>,
    /// Life of the token made in an adopted cluster, in seconds (type external).
    #[serde(default = "one_year", skip_serializing_if = "Option::is_none")]
    pub token_expiration_seconds: Option<i64>,
    /// Deprecated: one hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_create_hook: Option<String>,
    /// Deprecated: variables of the one hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_create_hook_vars: Option<BTreeMap<String, String>>,
    /// Hooks to apply once the control plane answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_create_hooks: Option<Vec<HookUse>>,
    /// Variables of all hooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_vars: Option<BTreeMap<String, String>>,
    /// Ready waits for the hooks.
    #[serde(default = "no", skip_serializing_if = "Option::is_none")]
    pub wait_for_post_create_hooks: Option<bool>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn one_year() -> Option<i64> {
    Some(31_536_000)
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn no() -> Option<bool> {
    Some(false)
}

/// Types of control planes.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ControlPlaneType {
    /// A tenant of this server.
    #[default]
    K8s,
    /// Open Cluster Management's multicluster control plane.
    Ocm,
    /// A vcluster.
    Vcluster,
    /// The hosting cluster itself.
    Host,
    /// An adopted cluster.
    External,
    /// A k3s server.
    K3s,
}

impl fmt::Display for ControlPlaneType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::K8s => "k8s",
            Self::Ocm => "ocm",
            Self::Vcluster => "vcluster",
            Self::Host => "host",
            Self::External => "external",
            Self::K3s => "k3s",
        })
    }
}

/// Where a control plane's objects lie.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// In tables shared with others.
    Shared,
    /// In a schema of its own.
    Dedicated,
}

/// A hook and its variables.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookUse {
    /// Name of a PostCreateHook.
    pub hook_name: String,
    /// Variables of this use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vars: Option<BTreeMap<String, String>>,
}

/// A key of a Secret for in-cluster use, and maybe one for use from outside.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Key of the kubeconfig for use inside the hosting cluster.
    pub in_cluster_key: String,
    /// Key of the kubeconfig for use from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Name of the Secret.
    pub name: String,
    /// Namespace of the Secret.
    pub namespace: String,
}

/// How a control plane is doing.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneStatus {
    /// Conditions Ready and Synced.
    pub conditions: Vec<Condition>,
    /// Generation of the spec that the conditions are about.
    pub observed_generation: i64,
    /// All hooks are applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_create_hook_completed: Option<bool>,
    /// Hooks that are applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_create_hooks: Option<BTreeMap<String, bool>>,
    /// Where the kubeconfigs are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
}

/// KubeFlex's own condition type; not `metav1.Condition`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// When the status last changed.
    pub last_transition_time: String,
    /// When anything of it last changed.
    pub last_update_time: String,
    /// Explanation.
    pub message: String,
    /// Machine-readable cause.
    pub reason: String,
    /// True, False or Unknown.
    pub status: String,
    /// Ready or Synced.
    #[serde(rename = "type")]
    pub type_: String,
}

impl ControlPlane {
    /// Returns the status of a condition, empty when it is not there.
    #[must_use]
    pub fn condition(&self, type_: &str) -> String {
        let conditions = self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        conditions
            .iter()
            .find(|condition| condition.type_ == type_)
            .map(|condition| condition.status.clone())
            .unwrap_or_default()
    }

    /// Whether the last reconcile has done all that this generation asks for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let observed = self.status.as_ref().map(|status| status.observed_generation);
        let held = self.metadata.finalizers.iter().flatten().any(|name| name == FINALIZER);
        self.metadata.deletion_timestamp.is_none() && held && self.is_ready() && observed == self.metadata.generation
    }

    /// Whether the control plane answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.condition("Ready") == "True"
    }
}

/// Objects to apply in the hosting cluster once a control plane answers.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[kube(
    group = "tenancy.kflex.kubestellar.org",
    version = "v1alpha1",
    kind = "PostCreateHook",
    plural = "postcreatehooks",
    singular = "postcreatehook",
    shortname = "pch",
    shortname = "pchs",
    status = "PostCreateHookStatus",
    printcolumn = r#"{"name":"SYNCED","type":"string","jsonPath":".status.conditions[?(@.type==\"Synced\")].status"}"#,
    printcolumn = r#"{"name":"READY","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"TYPE","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"AGE","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct PostCreateHookSpec {
    /// Values of variables that a use does not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_vars: Option<Vec<Variable>>,
    /// Objects with Go template expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "templates_schema")]
    pub templates: Option<Vec<serde_json::Value>>,
}

fn templates_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "items": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    })
}

/// Name and value of a variable.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
pub struct Variable {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Never written; kept for compatibility.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostCreateHookStatus {
    /// See [`ControlPlaneStatus::conditions`].
    pub conditions: Vec<Condition>,
    /// See [`ControlPlaneStatus::observed_generation`].
    pub observed_generation: i64,
    /// See [`ControlPlaneStatus::secret_ref`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
}
