//! NamespaceLifecycle: nothing is made in a namespace that is absent or terminating, and the system namespaces stay.

use super::{Operation, Verb};
use crate::call::Call;
use crate::codec;
use crate::resource::Served;
use crate::respond;
use kplex_machinery::status::{GroupResource, Status};
use kplex_storage::Key;
use serde_json::Value;

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) async fn admit(call: &Call, served: &Served, operation: Operation, new: &Value) -> Result<(), Status> {
    if operation.verb != Verb::Create || !served.namespaced {
        return Ok(());
    }
    let namespace = codec::meta_str(new, "namespace");
    let key = Key::new("", "namespaces", None, namespace);
    let entry = call.scope.log().current(&key).await.map_err(respond::storage)?;
    let namespaces = GroupResource { group: String::new(), resource: "namespaces".to_owned() };
    let entry = entry.ok_or_else(|| Status::not_found(&namespaces, namespace))?;
    let object = codec::parse(&entry)?;
    if codec::meta_str(&object, "deletionTimestamp").is_empty()
        && object.pointer("/status/phase") != Some(&Value::from("Terminating"))
    {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let name = codec::meta_str(new, "name");
    let status = Status::forbidden(&served.group_resource(), name, &why);
    Err(status.with_cause(
        "NamespaceTerminating",
        format!("namespace {namespace} is being terminated"),
        "metadata.namespace",
    ))
}

pub(super) fn validate(call: &Call, served: &Served, operation: Operation, old: &Value) -> Result<(), Status> {
    let _ = call;
    let name = codec::meta_str(old, "name");
    if operation.verb == Verb::Delete && served.is_namespace() && IMMORTAL.contains(&name) {
        return Err(Status::forbidden(&served.group_resource(), name, "this namespace may not be deleted"));
    }
    Ok(())
}
