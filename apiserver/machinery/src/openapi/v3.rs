//! Documents of OpenAPI 3.

use super::builtin;
use super::operations::{self, Body, Operation, Paths};
use super::parameters::Parameter;
use super::schemas::{Flavor, Schemas};
use crate::api::Api;
use kplex_descriptions::Descriptions;
use serde_json::{Map, Value, json};

/// Returns a built-in document by its path in the index.
pub(super) fn of_builtin(api: &Api, descriptions: &Descriptions, path: &str) -> Value {
    let mut schemas = Schemas::new(api, descriptions, Flavor::V3);
    let paths = match builtin::fixed(api, path) {
        Some((path, operation)) => Paths::from_iter([(path, vec![operation])]),
        None => {
            let (group, version) = match path.strip_prefix("api/") {
                Some(version) => ("", version),
                None => path.strip_prefix("apis/").and_then(|rest| rest.split_once('/')).unwrap_or_default(),
            };
            builtin::of_version(api, &schemas, group, version)
        }
    };
    let paths = write_paths(&mut schemas, &paths);
    let version = api.kubernetes.rsplit_once('.').map_or(api.kubernetes.as_str(), |(minor, _)| minor);
    let mut components = Map::new();
    let definitions = schemas.closure();
    if !definitions.is_empty() {
        components.insert("schemas".to_owned(), Value::Object(definitions));
    }
    let token = json!({"BearerToken": {
        "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header",
    }});
    components.insert("securitySchemes".to_owned(), token);
    json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": version}, "paths": paths, "components": components,
    })
}

/// Writes operations.
pub(super) fn write_paths(schemas: &mut Schemas<'_>, paths: &Paths) -> Map<String, Value> {
    let mut written = Map::new();
    for (path, operations) in paths {
        let common = operations::common_parameters(operations);
        let mut item = Map::new();
        for operation in operations {
            item.insert(operation.method.to_owned(), write_operation(schemas, operation, &common));
        }
        if !common.is_empty() {
            item.insert("parameters".to_owned(), common.iter().map(Parameter::v3).collect());
        }
        written.insert(path.clone(), Value::Object(item));
    }
    written
}

fn write_operation(schemas: &mut Schemas<'_>, operation: &Operation, common: &[Parameter]) -> Value {
    let mut value = Map::new();
    value.insert("tags".to_owned(), json!([operation.tag]));
    value.insert("description".to_owned(), Value::from(operation.text.as_str()));
    value.insert("operationId".to_owned(), Value::from(operation.id.as_str()));
    let own = operations::own_parameters(operation, common);
    if !own.is_empty() {
        value.insert("parameters".to_owned(), own.iter().map(Parameter::v3).collect());
    }
    if let Some((body, required)) = &operation.body {
        let mut request = Map::from_iter([("content".to_owned(), content(schemas, &operation.consumes, body))]);
        if *required {
            request.insert("required".to_owned(), Value::Bool(true));
        }
        value.insert("requestBody".to_owned(), Value::Object(request));
    }
    let mut responses = Map::new();
    for &code in [200].iter().chain(operation.codes) {
        let content = content(schemas, &operation.produces, &operation.answer);
        let response = json!({"description": operations::code_text(code), "content": content});
        responses.insert(code.to_string(), response);
    }
    responses.insert("401".to_owned(), json!({"description": operations::code_text(401)}));
    value.insert("responses".to_owned(), Value::Object(responses));
    operations::add_action(operation, &mut value);
    Value::Object(value)
}

fn content(schemas: &mut Schemas<'_>, media: &[&str], body: &Body) -> Value {
    let mut content = Map::new();
    for media in media {
        let schema = operations::body_schema(schemas, body);
        content.insert((*media).to_owned(), json!({"schema": schema}));
    }
    Value::Object(content)
}
