//! What to do about a control plane: a pure function from what is wanted and what is there.

use super::api::{Condition, ControlPlane, ControlPlaneStatus, ControlPlaneType, SecretReference};
use kplex_apiserver::admission::control_plane::FINALIZER;
use kplex_tenants::TenantName;
use kube::ResourceExt;

/// What a reconcile has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The tenant of that name.
    pub tenant: TenantState,
    /// The namespace `<name>-system` exists.
    pub namespace: NamespaceState,
    /// The Secrets are there and hold credentials of this tenant that need no renewal.
    pub secrets: bool,
}

/// Whose the tenant of a control plane's name is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TenantState {
    /// There is none.
    #[default]
    Absent,
    /// It was made for this object.
    Ours,
    /// It was made for an earlier object of the name, which went without its finalizer: its data is nobody's any more.
    Orphan,
    /// It was made without an object: it is left alone.
    Foreign,
}

/// Whose the namespace of a control plane is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamespaceState {
    /// There is none.
    #[default]
    Absent,
    /// It belongs to this control plane.
    Ours,
    /// Somebody else made it: it is left alone.
    Foreign,
    /// It is being deleted.
    Terminating,
}

/// Things to do side by side. Stages run one after the other; a step that fails ends the reconcile.
pub type Stage = Vec<Step>;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Put the finalizer on the object.
    AddFinalizer,
    /// Make the tenant.
    CreateTenant,
    /// Make the namespace.
    CreateNamespace,
    /// Write the Secrets.
    WriteSecrets,
    /// Write the status.
    WriteStatus(ControlPlaneStatus),
    /// Delete the tenant with all that is in it.
    DeleteTenant,
    /// Delete the namespace.
    DeleteNamespace,
    /// Let the object go.
    RemoveFinalizer,
}

/// Decides what to do, in stages none of which is empty. `now` is RFC 3339.
#[must_use]
pub fn plan(plane: &ControlPlane, observed: &Observed, now: &str) -> Vec<Stage> {
    let has_finalizer = plane.finalizers().iter().any(|name| name == FINALIZER);
    if plane.metadata.deletion_timestamp.is_some() {
        return if has_finalizer { teardown(plane, observed) } else { Vec::new() };
    }
    let mut stages = Vec::new();
    if !has_finalizer {
        // The server's own hub has put it there at the create; another hosting cluster has not. It comes first: without
        // it the object could go and leave its tenant behind.
        stages.push(vec![Step::AddFinalizer]);
    }
    let outcome = match (plane.spec.type_, observed.namespace) {
        (ControlPlaneType::K8s, _) if let Err(error) = TenantName::parse_new(&plane.name_any()) => {
            Err(error.to_string())
        }
        (ControlPlaneType::K8s, _) if observed.tenant == TenantState::Foreign => {
            Err(format!("a control plane {} exists and does not belong to this object", plane.name_any()))
        }
        (ControlPlaneType::K8s, NamespaceState::Foreign) => {
            let namespace = namespace(plane);
            Err(format!("namespace {namespace} exists and does not belong to this control plane"))
        }
        (ControlPlaneType::K8s, NamespaceState::Terminating) => {
            Err(format!("namespace {} is still being deleted", namespace(plane)))
        }
        (ControlPlaneType::K8s, NamespaceState::Absent | NamespaceState::Ours) => {
            stages.extend(build(observed));
            Ok(())
        }
        (other, _) => Err(format!("control planes of type {other} are not supported by this server yet")),
    };
    let status = status(plane, outcome, now);
    if plane.status.as_ref() != Some(&status) {
        stages.push(vec![Step::WriteStatus(status)]);
    }
    stages
}

/// The tenant and the namespace know nothing of each other; Secrets need both.
fn build(observed: &Observed) -> Vec<Stage> {
    let orphan = if observed.tenant == TenantState::Orphan { vec![Step::DeleteTenant] } else { Vec::new() };
    let mut places = Vec::new();
    if matches!(observed.tenant, TenantState::Absent | TenantState::Orphan) {
        places.push(Step::CreateTenant);
    }
    if observed.namespace == NamespaceState::Absent {
        places.push(Step::CreateNamespace);
    }
    let secrets = if observed.secrets { Vec::new() } else { vec![Step::WriteSecrets] };
    [orphan, places, secrets].into_iter().filter(|stage| !stage.is_empty()).collect()
}

fn teardown(plane: &ControlPlane, observed: &Observed) -> Vec<Stage> {
    let mut places = Vec::new();
    if plane.spec.type_ == ControlPlaneType::K8s {
        if matches!(observed.tenant, TenantState::Ours | TenantState::Orphan) {
            places.push(Step::DeleteTenant);
        }
        if observed.namespace == NamespaceState::Ours {
            places.push(Step::DeleteNamespace);
        }
    }
    [places, vec![Step::RemoveFinalizer]].into_iter().filter(|stage| !stage.is_empty()).collect()
}

/// Namespace of a control plane in the hosting cluster.
#[must_use]
pub fn namespace(plane: &ControlPlane) -> String {
    format!("{}-system", plane.name_any())
}

fn status(plane: &ControlPlane, outcome: Result<(), String>, now: &str) -> ControlPlaneStatus {
    let mut status = plane.status.clone().unwrap_or_default();
    status.observed_generation = plane.metadata.generation.unwrap_or(0);
    match outcome {
        Ok(()) => {
            status.secret_ref = Some(SecretReference {
                in_cluster_key: "kubeconfig-incluster".to_owned(),
                key: Some("kubeconfig".to_owned()),
                name: "admin-kubeconfig".to_owned(),
                namespace: namespace(plane),
            });
            set(&mut status, ("Synced", "True", "ReconcileSuccess", ""), now);
            set(&mut status, ("Ready", "True", "Available", ""), now);
        }
        Err(why) => {
            set(&mut status, ("Synced", "False", "ReconcileError", &why), now);
            set(&mut status, ("Ready", "False", "Unavailable", ""), now);
        }
    }
    status
}

/// Sets a condition; times change only with what they are about.
fn set(status: &mut ControlPlaneStatus, (type_, value, reason, message): (&str, &str, &str, &str), now: &str) {
    let new = Condition {
        type_: type_.to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: now.to_owned(),
        last_update_time: now.to_owned(),
    };
    match status.conditions.iter_mut().find(|condition| condition.type_ == type_) {
        None => status.conditions.push(new),
        Some(old) if old.status == value && old.reason == reason && old.message == message => {}
        Some(old) => {
            let transition = if old.status == value { old.last_transition_time.clone() } else { now.to_owned() };
            *old = Condition { last_transition_time: transition, ..new };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::api::ControlPlaneSpec;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn plane(type_: ControlPlaneType) -> ControlPlane {
        ControlPlane::new("cp", ControlPlaneSpec { type_, ..ControlPlaneSpec::default() })
    }

    fn names(stages: &[Stage]) -> String {
        let name = |step: &Step| match step {
            Step::AddFinalizer => "finalizer",
            Step::CreateTenant => "tenant",
            Step::CreateNamespace => "namespace",
            Step::WriteSecrets => "secrets",
            Step::WriteStatus(_) => "status",
            Step::DeleteTenant => "delete tenant",
            Step::DeleteNamespace => "delete namespace",
            Step::RemoveFinalizer => "let go",
        };
        let stage = |stage: &Stage| stage.iter().map(name).collect::<Vec<_>>().join(" + ");
        stages.iter().map(stage).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_new_control_plane_gets_everything_and_a_finished_one_nothing() {
        let mut plane = plane(ControlPlaneType::K8s);
        let stages = plan(&plane, &Observed::default(), NOW);
        assert_eq!(names(&stages), "finalizer, tenant + namespace, secrets, status");
        let [Step::WriteStatus(status)] = &stages[3][..] else { panic!("no status") };
        plane.status = Some(status.clone());
        plane.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        let done = Observed { tenant: TenantState::Ours, namespace: NamespaceState::Ours, secrets: true };
        assert_eq!(names(&plan(&plane, &done, "2027-01-01T00:00:00Z")), "");
        let lost = Observed { secrets: false, ..done };
        assert_eq!(names(&plan(&plane, &lost, NOW)), "secrets", "what is missing is made again");
        let orphan = Observed { tenant: TenantState::Orphan, ..lost };
        assert_eq!(names(&plan(&plane, &orphan, NOW)), "delete tenant, tenant, secrets", "nobody gets another's data");
    }

    #[test]
    fn a_deleted_control_plane_takes_its_own_namespace_along_but_no_other() {
        let mut plane = plane(ControlPlaneType::K8s);
        plane.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        plane.metadata.deletion_timestamp = Some(Time(Default::default()));
        let ours = Observed { tenant: TenantState::Ours, namespace: NamespaceState::Ours, secrets: true };
        assert_eq!(names(&plan(&plane, &ours, NOW)), "delete tenant + delete namespace, let go");
        let foreign = Observed { namespace: NamespaceState::Foreign, ..ours };
        assert_eq!(names(&plan(&plane, &foreign, NOW)), "delete tenant, let go");
        let foreign = Observed { tenant: TenantState::Foreign, ..foreign };
        assert_eq!(names(&plan(&plane, &foreign, NOW)), "let go");
    }

    #[test]
    fn a_name_that_no_control_plane_can_have_is_told_in_a_condition() {
        for (name, text) in [("a.b", "must consist of"), ("hub", "is reserved"), (&"x".repeat(57), "56 characters")] {
            let mut plane = plane(ControlPlaneType::K8s);
            plane.metadata.name = Some(name.to_owned());
            let stages = plan(&plane, &Observed::default(), NOW);
            assert_eq!(names(&stages), "finalizer, status", "nothing is tried that can't succeed");
            let [Step::WriteStatus(status)] = &stages[1][..] else { panic!("no status") };
            assert!(status.conditions[0].message.contains(text), "{status:?}");
        }
    }

    #[test]
    fn other_types_and_foreign_namespaces_are_told_in_a_condition() {
        for (type_, namespace, text) in [
            (ControlPlaneType::Vcluster, NamespaceState::Absent, "type vcluster"),
            (ControlPlaneType::K8s, NamespaceState::Foreign, "does not belong"),
        ] {
            let stages = plan(&plane(type_), &Observed { namespace, ..Observed::default() }, NOW);
            assert_eq!(names(&stages), "finalizer, status");
            let [Step::WriteStatus(status)] = &stages[1][..] else { panic!("no status") };
            assert!(status.conditions[0].message.contains(text), "{status:?}");
        }
    }
}
