//! One control plane, from its name to what it should be. Idempotent; may run at any time.

use super::Operator;
use super::api::ControlPlane;
use super::definitions::MANAGER;
use super::plan::{NamespaceState, Observed, Step, TenantState, namespace, plan};
use super::secrets;
use anyhow::Context;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kplex_apiserver::admission::control_plane::FINALIZER;
use kplex_tenants::{NewControlPlane, TenantScope};
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tokio::task::spawn_blocking;
use uuid::Uuid;

impl Operator {
    fn planes(&self) -> Api<ControlPlane> {
        Api::all(self.client.clone())
    }

    /// Brings a control plane to what its object says.
    ///
    /// # Errors
    /// The first step that failed; the caller tries again later.
    pub(crate) async fn reconcile(&self, name: &str) -> anyhow::Result<()> {
        let Some(plane) = self.planes().get_opt(name).await.context("read the control plane")? else {
            return self.bury(name).await;
        };
        let observed = self.observe(&plane).await?;
        let now = self.controllers.shared.tenants.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        for stage in plan(&plane, &observed, &now) {
            try_join_all(stage.into_iter().map(|step| self.take(&plane, step))).await?;
        }
        Ok(())
    }

    /// Deletes a tenant whose object is gone: somebody took the finalizer off by force.
    async fn bury(&self, name: &str) -> anyhow::Result<()> {
        let tenants = &self.controllers.shared.tenants;
        let left = tenants.resolve(name).await.context("look for the tenant")?;
        if left.is_some_and(|scope| scope.owner().is_some()) {
            tenants.delete(name).await.context("delete a tenant without an object")?;
        }
        Ok(())
    }

    /// Looks at what there is. Secrets are only looked for where they can be: in the control plane's own namespace.
    async fn observe(&self, plane: &ControlPlane) -> anyhow::Result<Observed> {
        let name = plane.name_any();
        let tenants = &self.controllers.shared.tenants;
        let spaces = Api::<Namespace>::all(self.client.clone());
        let system = namespace(plane);
        let (scope, space) =
            tokio::try_join!(async { tenants.resolve(&name).await.context("look for the tenant") }, async {
                spaces.get_opt(&system).await.context("look for the namespace")
            },)?;
        let namespace = whose(space.as_ref(), plane);
        let secrets = match (&scope, namespace) {
            (Some(scope), NamespaceState::Ours) => self.has_current_secrets(plane, scope).await?,
            _ => false,
        };
        let tenant = match scope.map(|scope| scope.owner()) {
            None => TenantState::Absent,
            Some(None) => TenantState::Foreign,
            Some(owner) if owner == uid(plane) => TenantState::Ours,
            Some(Some(_)) => TenantState::Orphan,
        };
        Ok(Observed { tenant, namespace, secrets })
    }

    async fn has_current_secrets(&self, plane: &ControlPlane, scope: &TenantScope) -> anyhow::Result<bool> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &namespace(plane));
        let now = self.controllers.shared.tenants.now();
        for name in secrets::NAMES {
            let found = api.get_opt(name).await.context("look for a Secret")?;
            if !found.is_some_and(|secret| secrets::is_current(&secret, scope, now)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn take(&self, plane: &ControlPlane, step: Step) -> anyhow::Result<()> {
        let what = format!("{step:?}").split(['(', ' ']).next().unwrap_or("").to_owned();
        self.try_to(plane, step).await.with_context(|| format!("{what} of control plane {}", plane.name_any()))
    }

    async fn try_to(&self, plane: &ControlPlane, step: Step) -> anyhow::Result<()> {
        let name = plane.name_any();
        let tenants = &self.controllers.shared.tenants;
        match step {
            Step::AddFinalizer => {
                let mut finalizers = plane.finalizers().to_vec();
                finalizers.push(FINALIZER.to_owned());
                self.set_finalizers(plane, finalizers).await
            }
            Step::RemoveFinalizer => {
                let finalizers = plane.finalizers().iter().filter(|name| *name != FINALIZER).cloned().collect();
                self.set_finalizers(plane, finalizers).await
            }
            Step::CreateTenant => {
                let new = NewControlPlane { owner: uid(plane), ..NewControlPlane::named(&name) };
                Ok(tenants.create(new).await.map(|_| ())?)
            }
            Step::DeleteTenant => Ok(tenants.delete(&name).await?),
            Step::CreateNamespace => self.create_namespace(plane).await,
            Step::DeleteNamespace => {
                let api: Api<Namespace> = Api::all(self.client.clone());
                ignore_absent(api.delete(&namespace(plane), &DeleteParams::background()).await.map(|_| ()))
            }
            Step::WriteSecrets => self.write_secrets(plane).await,
            Step::WriteStatus(status) => {
                let patch = json!({"status": status});
                self.planes()
                    .patch_status(
                        &name,
                        &PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() },
                        &Patch::Merge(&patch),
                    )
                    .await?;
                Ok(())
            }
        }
    }

    async fn set_finalizers(&self, plane: &ControlPlane, finalizers: Vec<String>) -> anyhow::Result<()> {
        let patch = json!({"metadata": {"uid": plane.metadata.uid, "finalizers": finalizers}});
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        ignore_absent(self.planes().patch(&plane.name_any(), &parameters, &Patch::Merge(&patch)).await.map(|_| ()))
    }

    async fn create_namespace(&self, plane: &ControlPlane) -> anyhow::Result<()> {
        let object = Namespace {
            metadata: ObjectMeta {
                name: Some(namespace(plane)),
                owner_references: plane.controller_owner_ref(&()).map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::all(self.client.clone()).create(&PostParams::default(), &object).await?;
        Ok(())
    }

    async fn write_secrets(&self, plane: &ControlPlane) -> anyhow::Result<()> {
        let tenants = &self.controllers.shared.tenants;
        let scope = tenants.resolve(&plane.name_any()).await?.context("the tenant is gone")?;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &namespace(plane));
        let (plane, endpoint, tenants) = (plane.clone(), self.controllers.endpoint.clone(), tenants.clone());
        // A millisecond of arithmetic.
        let made = spawn_blocking(move || secrets::make(&plane, &endpoint, &tenants, &scope)).await??;
        try_join_all(made.iter().map(|secret| write_secret(&api, secret))).await?;
        Ok(())
    }
}

fn uid(plane: &ControlPlane) -> Option<Uuid> {
    plane.metadata.uid.as_ref()?.parse().ok()
}

fn whose(space: Option<&Namespace>, plane: &ControlPlane) -> NamespaceState {
    let Some(space) = space else { return NamespaceState::Absent };
    if space.metadata.deletion_timestamp.is_some() {
        return NamespaceState::Terminating;
    }
    match space.owner_references().iter().any(|owner| Some(&owner.uid) == plane.metadata.uid.as_ref()) {
        true => NamespaceState::Ours,
        false => NamespaceState::Foreign,
    }
}

async fn write_secret(api: &Api<Secret>, secret: &Secret) -> anyhow::Result<()> {
    match api.create(&PostParams::default(), secret).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {
            api.patch(&secret.name_any(), &PatchParams::default(), &Patch::Merge(secret)).await?;
            Ok(())
        }
        outcome => Ok(outcome.map(|_| ())?),
    }
}

fn ignore_absent(outcome: Result<(), kube::Error>) -> anyhow::Result<()> {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        outcome => Ok(outcome?),
    }
}
