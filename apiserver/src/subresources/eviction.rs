//! `pods/NAME/eviction`: a deletion that PodDisruptionBudgets may refuse (policy/v1 Eviction).

use crate::call::Call;
use crate::catalog;
use crate::codec;
use crate::http::info::Verb;
use crate::http::query::{OptionsKind, WriteOptions};
use crate::respond;
use crate::verbs::delete::{self, DeleteOptions};
use crate::verbs::reply::Reply;
use crate::verbs::{get, input};
use kplex_machinery::api::Api;
use kplex_machinery::selector::LabelSelector;
use kplex_machinery::status::Status;
use kplex_storage::{ListQuery, Prefix};
use serde_json::{Value, json};

/// Evicts a pod.
///
/// # Errors
/// 404 for an absent pod, 429 while a budget forbids it, 500 when several budgets match.
pub(super) async fn evict(call: &Call, name: &str, body: &[u8]) -> Result<Reply, Status> {
    if call.info.verb != Verb::Create {
        return Err(Status::no_such_method());
    }
    let write = WriteOptions::parse(&call.query, OptionsKind::Create)?;
    let eviction = decode(call, body)?;
    let given = codec::meta_str(&eviction, "name");
    if !given.is_empty() && given != name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let key = (String::new(), "v1".to_owned(), "pods".to_owned());
    let pods = catalog::builtin().get(&key).cloned().ok_or_else(Status::no_such_path)?;
    let mut options = DeleteOptions::from_value(eviction.get("deleteOptions").unwrap_or(&Value::Null))?;
    options.dry_run |= write.dry_run;
    let entry = get::find(call, &pods, name).await?;
    let pod = codec::load(&pods, &entry)?;
    if !finished(&pod) {
        check_budgets(call, &pod).await?;
    }
    delete::delete_one(call, &pods, name, &options).await?;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Reply::Document(201, crate::encode::STATUS, status))
}

fn decode(call: &Call, body: &[u8]) -> Result<Value, Status> {
    input::definition(call, Api::builtin(), "io.k8s.api.policy.v1.Eviction", "Eviction", body)
}

/// Pods that are done, on their way out or not scheduled may always go.
fn finished(pod: &Value) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or("");
    matches!(phase, "Succeeded" | "Failed" | "Pending") || !codec::meta_str(pod, "deletionTimestamp").is_empty()
}

async fn check_budgets(call: &Call, pod: &Value) -> Result<(), Status> {
    let namespace = codec::meta_str(pod, "namespace");
    let prefix = Prefix::namespace("policy", "poddisruptionbudgets", namespace);
    let query = ListQuery { prefix, after: None, limit: usize::MAX, at: None };
    let page = call.scope.log().list(query).await.map_err(respond::storage)?;
    let mut matching = Vec::new();
    for entry in &page.entries {
        let budget = codec::parse(entry)?;
        let selects = budget.pointer("/spec/selector").is_some_and(|selector| {
            LabelSelector::from_object(Some(selector)).is_ok_and(|selector| selector.matches_object(pod))
        });
        if selects {
            matching.push(budget);
        }
    }
    match matching.as_slice() {
        [] => Ok(()),
        [budget] => allowed(budget),
        _ => Err(Status::internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        )),
    }
}

fn allowed(budget: &Value) -> Result<(), Status> {
    let name = codec::meta_str(budget, "name");
    let number = |field: &str| budget.pointer(&format!("/status/{field}")).and_then(Value::as_i64).unwrap_or(0);
    let generation = budget.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let text = "Cannot evict pod as it would violate the pod's disruption budget.";
    if number("observedGeneration") < generation {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(Status::too_many_requests(text, 10).with_cause("DisruptionBudget", why, ""));
    }
    if number("disruptionsAllowed") > 0 {
        return Ok(());
    }
    let why = format!(
        "The disruption budget {name} needs {} healthy pods and has {} currently",
        number("desiredHealthy"),
        number("currentHealthy")
    );
    Err(Status::too_many_requests(text, 0).with_cause("DisruptionBudget", why, ""))
}
