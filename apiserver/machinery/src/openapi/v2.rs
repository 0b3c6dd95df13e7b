//! The document of OpenAPI 2 (Swagger): one for all groups, custom resources included.

use super::operations::{self, Body, Operation, Paths};
use super::parameters::Parameter;
use super::schemas::{Flavor, Schemas};
use super::{Custom, builtin, builtin_list, custom};
use crate::api::Api;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kplex_descriptions::Descriptions;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Returns the document.
pub(super) fn document(api: &Api, descriptions: &Descriptions, definitions: &[Custom<'_>]) -> Value {
    let mut schemas = Schemas::new(api, descriptions, Flavor::V2);
    let mut paths = Paths::new();
    for path in builtin_list(api) {
        if let Some((path, operation)) = builtin::fixed(api, &path) {
            paths.insert(path, vec![operation]);
        }
    }
    for group in &api.groups {
        for version in &group.versions {
            paths.extend(builtin::of_version(api, &schemas, &group.name, version));
        }
    }
    let mut own = Map::new();
    for custom in definitions {
        let served = custom.definition.versions.iter().filter(|version| version.served);
        for version in served {
            paths.extend(custom::operations_of(custom, &version.name));
            own.extend(custom::definitions_of(&mut schemas, custom, &version.name));
        }
    }
    let mut writer = Writer { schemas, parameters: Map::new() };
    let paths = writer.paths(&paths);
    let Writer { schemas, parameters } = writer;
    let mut definitions = schemas.closure();
    definitions.extend(own);
    let version = api.kubernetes.rsplit_once('.').map_or(api.kubernetes.as_str(), |(minor, _)| minor);
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": paths,
        "definitions": definitions,
        "parameters": parameters,
        "securityDefinitions": {"BearerToken": {
            "description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header",
        }},
        "security": [{"BearerToken": []}],
    })
}

struct Writer<'a> {
    schemas: Schemas<'a>,
    /// Parameters that operations refer to.
    parameters: Map<String, Value>,
}

impl Writer<'_> {
    fn paths(&mut self, paths: &Paths) -> Map<String, Value> {
        let mut written = Map::new();
        for (path, operations) in paths {
            let common = operations::common_parameters(operations);
            let mut item = Map::new();
            for operation in operations {
                item.insert(operation.method.to_owned(), self.operation(operation, &common));
            }
            if !common.is_empty() {
                item.insert("parameters".to_owned(), common.iter().map(|found| self.parameter(found)).collect());
            }
            written.insert(path.clone(), Value::Object(item));
        }
        written
    }

    fn operation(&mut self, operation: &Operation, common: &[Parameter]) -> Value {
        let mut value = Map::new();
        value.insert("description".to_owned(), Value::from(operation.text.as_str()));
        if !operation.consumes.is_empty() {
            value.insert("consumes".to_owned(), json!(operation.consumes));
        }
        value.insert("produces".to_owned(), json!(operation.produces));
        value.insert("schemes".to_owned(), json!(["https"]));
        value.insert("tags".to_owned(), json!([operation.tag]));
        value.insert("operationId".to_owned(), Value::from(operation.id.as_str()));
        let mut parameters: Vec<Value> = Vec::new();
        if let Some((body, required)) = &operation.body {
            parameters.push(self.body(body, *required));
        }
        let own = operations::own_parameters(operation, common);
        parameters.extend(own.iter().map(|found| self.parameter(found)));
        if !parameters.is_empty() {
            value.insert("parameters".to_owned(), Value::Array(parameters));
        }
        let mut responses = Map::new();
        for &code in [200].iter().chain(operation.codes) {
            let schema = operations::body_schema(&mut self.schemas, &operation.answer);
            responses.insert(code.to_string(), json!({"description": operations::code_text(code), "schema": schema}));
        }
        responses.insert("401".to_owned(), json!({"description": operations::code_text(401)}));
        value.insert("responses".to_owned(), Value::Object(responses));
        operations::add_action(operation, &mut value);
        Value::Object(value)
    }

    fn body(&mut self, body: &Body, required: bool) -> Value {
        let schema = operations::body_schema(&mut self.schemas, body);
        let mut value = json!({"name": "body", "in": "body", "schema": schema});
        if required {
            value["required"] = Value::Bool(true);
        }
        let is_shared = matches!(body, Body::Object(name) if name.starts_with("io.k8s.apimachinery."));
        if is_shared { self.share("body", value) } else { value }
    }

    /// Writes a parameter in place, or a reference to it. kubectl looks for dryRun and fieldValidation in place.
    fn parameter(&mut self, parameter: &Parameter) -> Value {
        let value = parameter.v2();
        match (parameter.place, parameter.name.as_str()) {
            ("path", "name") | (_, "dryRun" | "fieldValidation") => value,
            _ => self.share(&parameter.name, value),
        }
    }

    fn share(&mut self, name: &str, value: Value) -> Value {
        let bytes = serde_json::to_vec(&value).expect("a Value has string keys and finite numbers");
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..6]);
        let key = format!("{name}-{hash}");
        let reference = json!({"$ref": format!("#/parameters/{key}")});
        self.parameters.insert(key, value);
        reference
    }
}
