//! Work that must go on without a request, written in the commit that causes it (D8).
//!
//! The kinds are named here and handled by the controllers; storage keeps them as opaque rows.

use crate::codec;
use crate::resource::Served;
use kplex_storage::{Due, WriteSet};
use serde_json::Value;

/// A namespace is terminating: its content has to go. The key is its name.
pub const NAMESPACE: &str = "namespace";
/// An object waits for the garbage collector. The key is the object's.
pub const COLLECT: &str = "collect";
/// A CustomResourceDefinition is terminating. The key is its name.
pub const DEFINITION: &str = "definition";
/// Work of a controller that failed, or that waits for its time. The key is the controller's; it also removes the row.
pub const RETRY: &str = "retry";

/// Adds the rows that a change calls for, and removes those that it settles.
pub fn add(set: &mut WriteSet, served: &Served, old: Option<&Value>, new: Option<&Value>) {
    let (was, is) = (wanted(served, old), wanted(served, new));
    for kind in is.iter().filter(|kind| !was.contains(kind)) {
        set.due_add.push(row(served, kind, new));
    }
    for kind in was.iter().filter(|kind| !is.contains(kind)) {
        set.due_remove.push(row(served, kind, old));
    }
}

fn row(served: &Served, kind: &'static str, object: Option<&Value>) -> Due {
    let object = object.expect("a row is about an object");
    let name = codec::meta_str(object, "name");
    let key = match kind {
        COLLECT => {
            let namespace = Some(codec::meta_str(object, "namespace")).filter(|namespace| !namespace.is_empty());
            served.key(namespace, name).as_bytes().to_vec()
        }
        _ => name.as_bytes().to_vec(),
    };
    Due { minute: 0, kind: kind.to_owned(), key }
}

/// Which rows the state of an object calls for.
fn wanted(served: &Served, object: Option<&Value>) -> Vec<&'static str> {
    let Some(object) = object else { return Vec::new() };
    let mut kinds = Vec::new();
    if codec::meta_str(object, "deletionTimestamp").is_empty() {
        return kinds;
    }
    match (served.group.as_str(), served.plural.as_str()) {
        ("", "namespaces") => kinds.push(NAMESPACE),
        ("apiextensions.k8s.io", "customresourcedefinitions") => kinds.push(DEFINITION),
        _ => {}
    }
    let waits = object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|name| name == "orphan" || name == "foregroundDeletion"));
    if waits {
        kinds.push(COLLECT);
    }
    kinds
}
