//! PUT of an object.

use super::reply::Reply;
use super::write::{self, Update};
use super::{create, input};
use crate::call::Call;
use crate::codec;
use crate::http::query::{OptionsKind, WriteOptions};
use crate::resource::Served;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::status::Status;
use serde_json::Value;
use std::sync::Arc;

/// Replaces an object, or its status.
///
/// # Errors
/// 400 for a body that does not fit, 404 when it is absent, 409 for conflicts, 422 from validation.
pub async fn update(
    call: &Call,
    served: &Arc<Served>,
    name: &str,
    part: Subresource,
    body: &[u8],
) -> Result<Reply, Status> {
    let options = WriteOptions::parse(&call.query, OptionsKind::Update)?;
    let object = input::object(call, served, body, options.field_validation)?;
    replace(call, served, name, part, &options, object).await
}

/// Replaces an object by a decoded one.
///
/// # Errors
/// As [`update`].
pub async fn replace(
    call: &Call,
    served: &Arc<Served>,
    name: &str,
    part: Subresource,
    options: &WriteOptions,
    mut object: Value,
) -> Result<Reply, Status> {
    create::check_name(&object, name)?;
    if codec::meta_str(&object, "name").is_empty() {
        return Err(create::no_name(name));
    }
    let namespace = call.path()?.namespace.as_deref().filter(|_| served.namespaced);
    match (namespace, codec::meta_str(&object, "namespace")) {
        (Some(namespace), given) if !given.is_empty() && given != namespace => {
            return Err(create::other_namespace());
        }
        (Some(namespace), _) => {
            codec::metadata_mut(&mut object).insert("namespace".to_owned(), Value::from(namespace));
        }
        (None, _) => {}
    }
    let request = Update {
        served,
        name,
        part,
        options,
        may_create: served.allows_create_on_update() && part == Subresource::Main,
        managed: false,
        whole: true,
    };
    write::update(call, &request, |_| Ok(object.clone())).await
}
