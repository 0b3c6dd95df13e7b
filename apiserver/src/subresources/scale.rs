//! `/scale`: one view of replicas for built-in workloads and custom resources (autoscaling/v1 Scale).

use crate::call::Call;
use crate::codec;
use crate::encode::SCALE;
use crate::http::info::Verb;
use crate::http::query::{OptionsKind, WriteOptions};
use crate::resource::Served;
use crate::verbs::patch::{self, Document, PatchType};
use crate::verbs::reply::Reply;
use crate::verbs::write::{self, Update};
use crate::verbs::{get, input};
use kplex_machinery::api::Api;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::builtin::{Gvk, scale};
use kplex_machinery::crd;
use kplex_machinery::status::Status;
use serde_json::Value;
use std::sync::Arc;

pub(super) async fn serve(call: &Call, served: &Arc<Served>, name: &str, body: &[u8]) -> Result<Reply, Status> {
    match call.info.verb {
        Verb::Get => {
            get::refuse_export(call)?;
            let entry = get::find(call, served, name).await?;
            Ok(Reply::Document(200, SCALE, from_object(served, &codec::load(served, &entry)?)?))
        }
        Verb::Update => {
            let options = WriteOptions::parse(&call.query, OptionsKind::Update)?;
            let wanted = input::definition(call, Api::builtin(), SCALE, "Scale", body)?;
            change(call, served, name, &options, |_| Ok(wanted.clone())).await
        }
        Verb::Patch => {
            let options = WriteOptions::parse(&call.query, OptionsKind::Patch)?;
            let kind = match patch::patch_type(call, served)? {
                // Apply to a Scale sets what a merge would set: its one field.
                PatchType::Apply => PatchType::Merge,
                kind => kind,
            };
            let document = Document::read(kind, body, options.field_validation).map_err(|error| error.to_status())?;
            let api = Api::builtin();
            let node = api
                .definition(SCALE)
                .map(|definition| definition.node)
                .ok_or_else(|| Status::internal("no Scale in the API table"))?;
            change(call, served, name, &options, |scale| {
                let mut new = scale.clone();
                document.apply(&api.schema, node, &mut new).map_err(|error| error.to_status())?;
                Ok(new)
            })
            .await
        }
        _ => Err(Status::no_such_method()),
    }
}

fn gvk(served: &Served) -> Gvk<'_> {
    Gvk::new(&served.group, &served.version, &served.kind)
}

fn from_object(served: &Served, object: &Value) -> Result<Value, Status> {
    match served.definition() {
        Some(version) => {
            let paths = version.scale.as_ref().ok_or_else(Status::no_such_path)?;
            crd::scale_from_object(paths, object)
                .map(|(scale, _)| scale)
                .map_err(|error| Status::internal(error.to_string()))
        }
        None => scale::from(gvk(served), object).map_err(Status::bad_request),
    }
}

fn into_object(served: &Served, wanted: &Value, object: &mut Value) -> Result<(), Status> {
    match served.definition() {
        Some(version) => {
            let paths = version.scale.as_ref().ok_or_else(Status::no_such_path)?;
            let replicas = wanted.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
            crd::set_scale_replicas(paths, object, replicas).map_err(|error| Status::internal(error.to_string()))?;
            for field in ["resourceVersion", "uid"] {
                if let Some(value) = wanted
                    .pointer(&format!("/metadata/{field}"))
                    .filter(|value| value.as_str().is_some_and(|text| !text.is_empty()))
                {
                    codec::metadata_mut(object).insert(field.to_owned(), value.clone());
                }
            }
            Ok(())
        }
        None => {
            scale::into(wanted, object);
            Ok(())
        }
    }
}

async fn change(
    call: &Call,
    served: &Arc<Served>,
    name: &str,
    options: &WriteOptions,
    wanted: impl Fn(&Value) -> Result<Value, Status>,
) -> Result<Reply, Status> {
    let options = &WriteOptions { tracked_as: "scale", ..options.clone() };
    let request =
        Update { served, name, part: Subresource::Main, options, may_create: false, managed: false, whole: false };
    let reply = write::update(call, &request, |old| {
        let Some(old) = old else { return Err(Status::not_found(&served.group_resource(), name)) };
        let scale = wanted(&from_object(served, old)?)?;
        let errors = scale::validate(&scale);
        if !errors.is_empty() {
            return Err(Status::invalid("autoscaling", "Scale", name, &errors));
        }
        let mut new = old.clone();
        into_object(served, &scale, &mut new)?;
        Ok(new)
    })
    .await?;
    let object = match reply {
        Reply::Entry(_, _, entry) => codec::load(served, &entry)?,
        Reply::Object(_, _, value) => value,
        _ => return Err(Status::internal("an update answers with an object")),
    };
    Ok(Reply::Document(200, SCALE, from_object(served, &object)?))
}
