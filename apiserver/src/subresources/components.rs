//! `componentstatuses`: the parts of a control plane, as upstream's deprecated kind tells them.
//!
//! They are one process, which answers this: so the controllers run, and the store does if it tells its head. There is no
//! scheduler, and none is shown.

use crate::call::Call;
use crate::http::query::ListOptions;
use crate::resource::Served;
use crate::respond;
use crate::verbs::filter::Filter;
use crate::verbs::reply::Reply;
use kplex_machinery::status::{GroupResource, Status};
use kplex_storage::{Entry, Revision};
use serde_json::{Value, json};
use std::sync::Arc;

/// Returns one component or all that are selected.
///
/// # Errors
/// 404 for an unknown name, 400 for bad selectors.
pub(super) async fn serve(call: &Call, served: &Arc<Served>, name: &str) -> Result<Reply, Status> {
    let store = call.scope.log().head().await.map(|_| ()).map_err(|error| respond::storage(error).message);
    let mut found = [("controller-manager", Ok(())), ("etcd-0", store)].map(|(name, health)| component(name, health));
    if !name.is_empty() {
        let of_name = found.iter_mut().find(|component| component["metadata"]["name"] == name);
        let resource = GroupResource { group: String::new(), resource: "componentstatus".to_owned() };
        let component = of_name.map(Value::take).ok_or_else(|| Status::not_found(&resource, name))?;
        return Ok(Reply::Object(200, served.clone(), component));
    }
    let filter = Filter::new(served, &ListOptions::parse(&call.query, false)?, None)?;
    let mut items = Vec::new();
    for component in found {
        if filter.matches(served, &entry(served, &component)?)? {
            items.push(component);
        }
    }
    Ok(Reply::Objects(served.clone(), items))
}

fn component(name: &str, health: Result<(), String>) -> Value {
    let (status, message) = match health {
        Ok(()) => ("True", "ok".to_owned()),
        Err(why) => ("False", why),
    };
    json!({"apiVersion": "v1", "kind": "ComponentStatus", "metadata": {"name": name},
        "conditions": [{"type": "Healthy", "status": status, "message": message}]})
}

/// Selectors read what is stored, so a component takes that form for them.
fn entry(served: &Served, component: &Value) -> Result<Entry, Status> {
    let name = component["metadata"]["name"].as_str().unwrap_or("");
    let (value, stamp) = served.pack(component).map_err(respond::storage)?;
    Ok(Entry { key: served.key(None, name), revision: Revision::new(0), stamp, value })
}
