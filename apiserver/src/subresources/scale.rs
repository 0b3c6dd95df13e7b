//! `/scale`: one view of replicas for built-in workloads and custom resources (autoscaling/v1 Scale).

use crate::call::Call;
use crate::codec;
use crate::encode::SCALE;
use crate::http::info::Verb;
use crate::http::query::{OptionsKind, WriteOptions};
use crate::resource::Served;
use crate::verbs::patch::{self, Document, PatchType, Wanted};
use crate::verbs::reply::Reply;
use crate::verbs::write::{self, Update};
use crate::verbs::{get, input};
use kplex_machinery::api::Api;
use kplex_machinery::apply;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::builtin::{Gvk, scale};
use kplex_machinery::crd;
use kplex_machinery::decode;
use kplex_machinery::schema::{NodeId, Schema};
use kplex_machinery::status::Status;
use serde_json::Value;
use std::sync::Arc;

const API_VERSION: &str = "autoscaling/v1";
const KIND: &str = "Scale";

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
            change(call, served, name, &options, |live| {
                let mut new = wanted.clone();
                Tracked::new(call, &options)?.update(live, &mut new);
                Ok(new)
            })
            .await
        }
        Verb::Patch => {
            let options = WriteOptions::parse(&call.query, OptionsKind::Patch)?;
            match patch::patch_type(call, served)? {
                PatchType::Apply => apply(call, served, name, &options, body).await,
                kind => patch(call, served, name, &options, (kind, body)).await,
            }
        }
        _ => Err(Status::no_such_method()),
    }
}

async fn patch(
    call: &Call,
    served: &Arc<Served>,
    name: &str,
    options: &WriteOptions,
    (kind, body): (PatchType, &[u8]),
) -> Result<Reply, Status> {
    let document = Document::read(kind, body, options.field_validation).map_err(|error| error.to_status())?;
    let tracked = Tracked::new(call, options)?;
    change(call, served, name, options, |live| {
        let mut new = live.clone();
        document.apply(tracked.schema, tracked.node, &mut new).map_err(|error| error.to_status())?;
        decode::conform(tracked.schema, tracked.node, &mut new)
            .map_err(|error| document.refuse(tracked.schema, tracked.node, live, error.to_string()))?;
        tracked.update(live, &mut new);
        Ok(new)
    })
    .await
}

async fn apply(
    call: &Call,
    served: &Arc<Served>,
    name: &str,
    options: &WriteOptions,
    body: &[u8],
) -> Result<Reply, Status> {
    let wanted = Wanted { api_version: API_VERSION, kind: KIND, one_version: false };
    let (config, duplicates) = patch::configuration(&wanted, name, options, body)?;
    let tracked = Tracked::new(call, options)?;
    change(call, served, name, options, |live| {
        let request = apply::ApplyRequest {
            tracking: tracked.tracking(&options.field_manager),
            live: Some(live),
            config: &config,
            force: options.force.unwrap_or(false),
        };
        let new = apply::apply(&request).map_err(|error| error.to_status())?;
        patch::judge_duplicates(call, &duplicates, options.field_validation)?;
        Ok(new)
    })
    .await
}

/// What a write needs to record who manages the fields of a Scale.
struct Tracked {
    schema: &'static Schema,
    node: NodeId,
    manager: String,
    now: String,
    reset: apply::Set,
}

impl Tracked {
    fn new(call: &Call, options: &WriteOptions) -> Result<Self, Status> {
        let api = Api::builtin();
        let definition = api.definition(SCALE).ok_or_else(|| Status::internal("no Scale in the API table"))?;
        let manager = call.field_manager(&options.field_manager);
        let (now, reset) = (call.timestamp(), apply::Set::default());
        Ok(Self { schema: &api.schema, node: definition.node, manager, now, reset })
    }

    fn tracking<'a>(&'a self, manager: &'a str) -> apply::Tracking<'a> {
        apply::Tracking {
            schema: self.schema,
            node: self.node,
            api_version: API_VERSION,
            kind: KIND,
            subresource: "scale",
            manager,
            now: &self.now,
            reset: &self.reset,
        }
    }

    fn update(&self, live: &Value, new: &mut Value) {
        apply::track_update(&self.tracking(&self.manager), Some(live), new);
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

/// Changes the replicas of an object; `wanted` gets its Scale with managed fields and returns the new one with new ones.
async fn change(
    call: &Call,
    served: &Arc<Served>,
    name: &str,
    options: &WriteOptions,
    wanted: impl Fn(&Value) -> Result<Value, Status>,
) -> Result<Reply, Status> {
    let request =
        Update { served, name, part: Subresource::Main, options, may_create: false, managed: true, whole: false };
    let path = |api_version: &str| served.replicas_path(api_version);
    let replicas = apply::Replicas { api_version: &served.api_version, path: &path };
    let reply = write::update(call, &request, |old| {
        let Some(old) = old else { return Err(Status::not_found(&served.group_resource(), name)) };
        let mut live = from_object(served, old)?;
        replicas.to_scale(old, &mut live).map_err(Status::plain)?;
        let mut scale = wanted(&live)?;
        check(&mut scale, name)?;
        let mut new = old.clone();
        into_object(served, &scale, &mut new)?;
        replicas.from_scale(&scale, &mut new).map_err(Status::plain)?;
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

fn check(scale: &mut Value, name: &str) -> Result<(), Status> {
    let api = Api::builtin();
    if let Some(definition) = api.definition(SCALE) {
        decode::conform(&api.schema, definition.node, scale).map_err(|error| Status::bad_request(error.to_string()))?;
    }
    let errors = scale::validate(scale);
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("autoscaling", KIND, name, &errors)) }
}
