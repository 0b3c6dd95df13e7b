//! What needs a running pod, and says that none runs here; and binding, which is only data.

use crate::call::Call;
use crate::catalog;
use crate::codec;
use crate::http::info::Verb;
use crate::http::query::{OptionsKind, WriteOptions};
use crate::resource::Served;
use crate::verbs::reply::Reply;
use crate::verbs::write::{self, Update};
use crate::verbs::{get, input};
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::field_error::FieldError;
use kplex_machinery::status::{GroupResource, Status};
use serde_json::{Value, json};
use std::sync::Arc;

/// Says that exec, logs and the like have nothing to reach; a missing object is still 404.
pub(super) async fn no_pods_run(call: &Call, served: &Arc<Served>, name: &str, subresource: &str) -> Status {
    if let Err(status) = get::find(call, served, name).await {
        return status;
    }
    let resource = served.group_resource();
    let why = format!(
        "a denatured control plane stores {resource} but runs no pods, so \"{subresource}\" has nothing to connect to"
    );
    let mut status = Status::new(501, "NotImplemented", format!("{resource} \"{name}\": {why}"));
    status.name = name.to_owned();
    status.kind = served.plural.clone();
    status
}

fn builtin(version: &str, plural: &str) -> Result<Arc<Served>, Status> {
    let key = (String::new(), version.to_owned(), plural.to_owned());
    catalog::builtin().get(&key).cloned().ok_or_else(Status::no_such_path)
}

/// `pods/NAME/binding` and `bindings`: sets `spec.nodeName` once, with the condition PodScheduled.
pub(super) async fn bind(call: &Call, name: &str, body: &[u8]) -> Result<Reply, Status> {
    if call.info.verb != Verb::Create {
        return Err(Status::no_such_method());
    }
    let options = WriteOptions::parse(&call.query, OptionsKind::Create)?;
    let binding = input::object(call, &*builtin("v1", "bindings")?, body, options.field_validation)?;
    let given = codec::meta_str(&binding, "name").to_owned();
    let name = if name.is_empty() { given.as_str() } else { name };
    let node = check(&binding)?;
    let pods = builtin("v1", "pods")?;
    let request = Update {
        served: &pods,
        name,
        part: Subresource::Status,
        options: &options,
        may_create: false,
        managed: false,
        whole: false,
    };
    let timestamp = call.timestamp();
    let resource = GroupResource { group: String::new(), resource: "pods/binding".to_owned() };
    write::rewrite(call, &request, |pod| {
        let uid = codec::meta_str(&binding, "uid");
        if !uid.is_empty() && uid != codec::meta_str(pod, "uid") {
            let is = codec::meta_str(pod, "uid").to_owned();
            return Err(Status::conflict(
                &resource,
                name,
                &format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {is}"),
            ));
        }
        assign(pod, name, &node, &binding, &timestamp).map_err(|why| Status::conflict(&resource, name, &why))
    })
    .await?;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Reply::Document(201, crate::encode::STATUS, status))
}

fn check(binding: &Value) -> Result<String, Status> {
    let target = |field: &str| binding.pointer(&format!("/target/{field}")).and_then(Value::as_str).unwrap_or("");
    let mut errors = Vec::new();
    if !matches!(target("kind"), "" | "Node") {
        errors.push(FieldError::not_supported_in_order("target.kind", target("kind"), &["Node", "<empty>"]));
    }
    if target("name").is_empty() {
        errors.push(FieldError::required("target.name", ""));
    }
    // Upstream's errors here are none of its API's.
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [] => Ok(target("name").to_owned()),
        [one] => Err(Status::plain(one)),
        many => Err(Status::plain(format!("[{}]", many.join(", ")))),
    }
}

fn assign(pod: &mut Value, name: &str, node: &str, binding: &Value, now: &str) -> Result<(), String> {
    if !codec::meta_str(pod, "deletionTimestamp").is_empty() {
        return Err(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let assigned = pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or("");
    if !assigned.is_empty() {
        return Err(format!("pod {name} is already assigned to node \"{assigned}\""));
    }
    if pod.pointer("/spec/schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty()) {
        return Err(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    pod["spec"]["nodeName"] = Value::from(node);
    for field in ["annotations", "labels"] {
        if let Some(extra) =
            codec::metadata(binding).and_then(|metadata| metadata.get(field)).and_then(Value::as_object)
        {
            let own = codec::metadata_mut(pod).entry(field).or_insert_with(|| json!({}));
            if let Some(own) = own.as_object_mut() {
                own.extend(extra.clone());
            }
        }
    }
    let condition = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    let conditions =
        pod["status"].as_object_mut().map(|status| status.entry("conditions").or_insert_with(|| json!([])));
    if let Some(list) = conditions.and_then(Value::as_array_mut) {
        list.retain(|other| other["type"] != "PodScheduled");
        list.push(condition);
    }
    Ok(())
}
