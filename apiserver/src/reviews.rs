//! Resources that are questions: token and access reviews, and token requests. Nothing is stored.

use crate::authn;
use crate::authz;
use crate::call::Call;
use crate::http::info::{ResourcePath, Verb};
use crate::http::query::{OptionsKind, WriteOptions};
use crate::resource::Served;
use crate::subresources;
use crate::verbs::reply::Reply;
use crate::verbs::{input, write};
use kplex_machinery::api::Api;
use kplex_machinery::apply;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::status::Status;
use serde_json::Value;
use std::sync::Arc;

const TOKEN_REQUEST: &str = "io.k8s.api.authentication.v1.TokenRequest";

/// Answers a review or a token request.
///
/// # Errors
/// 404 for what is none, 405 for other verbs than create, 400 and 422 for bad questions.
pub async fn serve(call: &Call, served: &Arc<Served>, path: &ResourcePath, body: &[u8]) -> Result<Reply, Status> {
    if call.info.verb != Verb::Create {
        // Reviews have no names, so their objects have no path.
        let named = path.name.is_some() && path.subresource.is_empty();
        return Err(if named { Status::no_such_path() } else { Status::no_such_method() });
    }
    if (served.plural.as_str(), path.subresource.as_str()) == ("serviceaccounts", "token") {
        let (namespace, name) = (path.namespace.as_deref().unwrap_or(""), path.name.as_deref().unwrap_or(""));
        let mut request = input::definition(call, Api::builtin(), TOKEN_REQUEST, "TokenRequest", body)?;
        track_token_request(call, &mut request)?;
        let mut token = authn::issue_token(&call.scope, namespace, name, request, call.now).await?;
        token["apiVersion"] = Value::from("authentication.k8s.io/v1");
        token["kind"] = Value::from("TokenRequest");
        return Ok(Reply::Document(201, TOKEN_REQUEST, token));
    }
    let (mut review, options) = subresources::decode(call, served, body)?;
    // Nothing is stored, but the answer tells who manages which fields of the question.
    write::track(call, served, &options, None, &mut review, Subresource::Main);
    let answer = answer(call, served, path, review).await?;
    Ok(Reply::Object(201, served.clone(), answer))
}

/// As for reviews: managed fields of the request, with its default.
fn track_token_request(call: &Call, request: &mut Value) -> Result<(), Status> {
    let options = WriteOptions::parse(&call.query, OptionsKind::Create)?;
    let api = Api::builtin();
    let definition =
        api.definition(TOKEN_REQUEST).ok_or_else(|| Status::internal("no TokenRequest in the API table"))?;
    if let Some(spec) = request.get_mut("spec").and_then(Value::as_object_mut) {
        spec.entry("expirationSeconds").or_insert(Value::from(authn::token_request::DEFAULT_SECONDS));
    }
    let tracking = apply::Tracking {
        schema: &api.schema,
        node: definition.node,
        api_version: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        subresource: "token",
        manager: &call.field_manager(&options.field_manager),
        now: &call.timestamp(),
        reset: &apply::Set::default(),
    };
    apply::track_update(&tracking, None, request);
    Ok(())
}

async fn answer(call: &Call, served: &Served, path: &ResourcePath, review: Value) -> Result<Value, Status> {
    let user = &call.user;
    match served.plural.as_str() {
        "tokenreviews" => return authn::review_token(&call.scope, review, call.now).await,
        "selfsubjectreviews" => return Ok(authn::review::self_subject_review(user, call.now)),
        _ => {}
    }
    let policy = authz::policy(&call.scope).await?;
    policy.with(|policy| match served.plural.as_str() {
        "subjectaccessreviews" => authz::review::subject_access(policy, review),
        "localsubjectaccessreviews" => {
            authz::review::local_subject_access(policy, path.namespace.as_deref().unwrap_or(""), review)
        }
        "selfsubjectaccessreviews" => authz::review::self_subject_access(policy, user, review),
        "selfsubjectrulesreviews" => authz::review::self_subject_rules(policy, user, &review),
        _ => Err(Status::no_such_path()),
    })
}
