//! The write that plugins judge, and what they may ask about the rest of the control plane.

use super::{Operation, Verb};
use crate::call::Call;
use crate::catalog;
use crate::codec;
use crate::resource::Served;
use crate::respond;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::status::Status;
use kplex_storage::{Key, ListQuery, Prefix};
use serde_json::Value;
use std::sync::Arc;

/// One write on its way through admission.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub(super) call: &'a Call,
    pub(super) served: &'a Served,
    pub(super) operation: Operation,
    /// The object that is there, if any.
    pub(super) old: Option<&'a Value>,
}

impl Write<'_> {
    /// Whether it is about a resource, in any version.
    pub(super) fn is_of(&self, group: &str, plural: &str) -> bool {
        self.served.group == group && self.served.plural == plural
    }

    /// Whether it makes an object of a resource.
    pub(super) fn creates(&self, group: &str, plural: &str) -> bool {
        self.operation.verb == Verb::Create && self.is_of(group, plural)
    }

    /// Whether it changes an object of a resource itself, not a subresource.
    pub(super) fn updates(&self, group: &str, plural: &str) -> bool {
        self.operation.verb == Verb::Update && self.operation.part == Subresource::Main && self.is_of(group, plural)
    }

    /// 403 about the object, which may not have got its name yet.
    pub(super) fn forbidden(&self, object: &Value, why: &str) -> Status {
        let names = [codec::meta_str(object, "name"), codec::meta_str(object, "generateName"), "Unknown"];
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        Status::forbidden(&self.served.group_resource(), name, why)
    }

    /// Reads an object of a built-in resource, as the next write will find it.
    pub(super) async fn find(
        &self,
        group: &str,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Value>, Status> {
        // A name with a slash names nothing, and is no key.
        if name.is_empty()
            || name.contains('/')
            || namespace.is_some_and(|namespace| namespace.is_empty() || namespace.contains('/'))
        {
            return Ok(None);
        }
        let entry =
            self.call.scope.log().current(&Key::new(group, plural, namespace, name)).await.map_err(respond::storage)?;
        entry.map(|entry| codec::parse(&entry)).transpose()
    }

    /// Reads all objects of a built-in resource, of one namespace or of all.
    pub(super) async fn list(&self, group: &str, plural: &str, namespace: Option<&str>) -> Result<Vec<Value>, Status> {
        let prefix = match namespace {
            Some(namespace) => Prefix::namespace(group, plural, namespace),
            None => Prefix::resource(group, plural),
        };
        let query = ListQuery { prefix, after: None, limit: usize::MAX, at: None };
        let page = self.call.scope.log().list(query).await.map_err(respond::storage)?;
        page.entries.iter().map(codec::parse).collect()
    }
}

/// Returns a built-in resource.
///
/// # Panics
/// When there is no such resource: callers name those that every control plane has.
pub(super) fn builtin(group: &str, version: &str, plural: &str) -> &'static Arc<Served> {
    let key = (group.to_owned(), version.to_owned(), plural.to_owned());
    catalog::builtin().get(&key).expect("the resource is in the API table")
}

/// Returns a text inside an object; empty when it is absent.
pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// Returns the items of a list inside an object; none when it is absent.
pub(super) fn items<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the named list of a JSON object, made when absent.
///
/// # Panics
/// When `object` or the field has another type: decoding has checked it.
pub(super) fn list_mut<'v>(object: &'v mut Value, field: &str) -> &'v mut Vec<Value> {
    let map = object.as_object_mut().expect("part of an API object is a JSON object");
    let slot = map.entry(field).or_insert_with(|| Value::Array(Vec::new()));
    if slot.is_null() {
        *slot = Value::Array(Vec::new());
    }
    slot.as_array_mut().expect("decoding has checked that it is a list")
}
