//! Operations on built-in resources, and the fixed addresses of a server.

use super::operations::{
    ANYTHING, Body, META, Naming, OBJECTS, Operation, PATCHES, Paths, STREAMS, group_tag, group_title, plain, title,
    with_article,
};
use super::parameters::{self, Parameter};
use super::schemas::Schemas;
use crate::api::{Api, GroupVersion, Resource, Subresource};
use crate::schema::Kind;

/// Returns the operations of a built-in group version.
pub(super) fn of_version(api: &Api, schemas: &Schemas<'_>, group: &str, version: &str) -> Paths {
    let naming = Naming::new(group, version);
    let mut paths = Paths::new();
    let answer = Body::Object(format!("{META}APIResourceList"));
    let id = format!("get{}APIResources", naming.title);
    let root = plain(&id, &naming.tag, "get available resources", answer, &OBJECTS);
    paths.insert(format!("{}/", naming.root), vec![root]);
    for resource in api.resources_in(group, version) {
        let maker = Maker { schemas, resource, naming: &naming };
        maker.collection(&mut paths);
        maker.item(&mut paths);
        maker.watches(&mut paths);
        for part in &resource.subresources {
            maker.part(part, &mut paths);
        }
    }
    paths
}

struct Maker<'a> {
    schemas: &'a Schemas<'a>,
    resource: &'a Resource,
    naming: &'a Naming,
}

impl Maker<'_> {
    fn name_of(&self, id: crate::schema::NodeId) -> String {
        self.schemas.api.schema.node(id).name.clone()
    }

    fn object(&self) -> Body {
        Body::Object(self.name_of(self.resource.node))
    }

    /// Path of the collection that objects are made in.
    fn collection_path(&self) -> String {
        let Naming { root, .. } = self.naming;
        let plural = &self.resource.plural;
        if self.resource.namespaced {
            format!("{root}/namespaces/{{namespace}}/{plural}")
        } else {
            format!("{root}/{plural}")
        }
    }

    fn scope(&self) -> &'static str {
        if self.resource.namespaced { "Namespaced" } else { "" }
    }

    /// An operation on this resource; `verb` begins its id, `rest` ends it.
    fn operation(&self, method: &'static str, verb: &str, rest: &str, action: &'static str, text: String) -> Operation {
        let Resource { kind, .. } = self.resource;
        let mut parameters = vec![parameters::pretty()];
        if self.resource.namespaced {
            parameters.push(parameters::namespace());
        }
        Operation {
            method,
            id: format!("{verb}{}{rest}", self.naming.title),
            text,
            tag: self.naming.tag.clone(),
            action: Some((action, self.resource.group_version(), kind.clone())),
            parameters,
            body: None,
            consumes: ANYTHING.to_vec(),
            produces: OBJECTS.to_vec(),
            answer: self.object(),
            codes: &[],
        }
    }

    fn collection(&self, paths: &mut Paths) {
        let kind = &self.resource.kind;
        let scope = self.scope();
        let has = |verb: &str| self.resource.has_verb(verb);
        let mut operations = Vec::new();
        if let (true, Some(list)) = (has("list"), self.resource.list_node) {
            let make = |rest: &str| {
                let text = format!("{} objects of kind {kind}", if has("watch") { "list or watch" } else { "list" });
                let mut operation = self.operation("get", "list", rest, "list", text);
                operation.parameters.extend(parameters::list());
                operation.produces.extend(STREAMS);
                operation.answer = Body::Object(self.name_of(list));
                operation
            };
            operations.push(make(&format!("{scope}{kind}")));
            if self.resource.namespaced {
                let mut all = make(&format!("{kind}ForAllNamespaces"));
                all.parameters.retain(|parameter| parameter.name != "namespace");
                paths.insert(format!("{}/{}", self.naming.root, self.resource.plural), vec![all]);
            }
        }
        if has("create") {
            let text = format!("create {}", with_article(kind));
            let mut operation = self.operation("post", "create", &format!("{scope}{kind}"), "post", text);
            operation.parameters.extend(parameters::write());
            operation.body = Some((self.object(), true));
            operation.codes = &[201, 202];
            operations.push(operation);
        }
        if has("deletecollection") {
            let text = format!("delete collection of {kind}");
            let rest = format!("Collection{scope}{kind}");
            let mut operation = self.operation("delete", "delete", &rest, "deletecollection", text);
            operation.parameters.extend(parameters::delete_collection());
            operation.body = Some((Body::Object(format!("{META}DeleteOptions")), false));
            operation.answer = Body::Object(format!("{META}Status"));
            operations.push(operation);
        }
        if !operations.is_empty() {
            paths.insert(self.collection_path(), operations);
        }
    }

    fn name_parameter(&self) -> Parameter {
        Parameter::path("name", format!("name of the {}", self.resource.kind))
    }

    fn item(&self, paths: &mut Paths) {
        let kind = &self.resource.kind;
        let rest = format!("{}{kind}", self.scope());
        let mut operations = Vec::new();
        if self.resource.has_verb("get") {
            operations.push(self.operation("get", "read", &rest, "get", format!("read the specified {kind}")));
        }
        operations.extend(self.writes(&self.resource.verbs, &rest, "", &self.object()));
        if self.resource.has_verb("delete") {
            let text = format!("delete {}", with_article(kind));
            let mut operation = self.operation("delete", "delete", &rest, "delete", text);
            operation.parameters.extend(parameters::delete());
            operation.body = Some((Body::Object(format!("{META}DeleteOptions")), false));
            operation.codes = &[202];
            if !self.resource.delete_returns_object {
                operation.answer = Body::Object(format!("{META}Status"));
            }
            operations.push(operation);
        }
        if operations.is_empty() {
            return;
        }
        for operation in &mut operations {
            operation.parameters.push(self.name_parameter());
        }
        paths.insert(format!("{}/{{name}}", self.collection_path()), operations);
    }

    /// `update` and `patch` of an object or a subresource.
    fn writes(&self, verbs: &[String], rest: &str, of: &str, object: &Body) -> Vec<Operation> {
        let kind = &self.resource.kind;
        let mut operations = Vec::new();
        for verb in verbs {
            let mut operation = match verb.as_str() {
                "update" => {
                    let mut operation =
                        self.operation("put", "replace", rest, "put", format!("replace {of}the specified {kind}"));
                    operation.parameters.extend(parameters::write());
                    operation.body = Some((object.clone(), true));
                    operation
                }
                "patch" => {
                    let text = format!("partially update {of}the specified {kind}");
                    let mut operation = self.operation("patch", "patch", rest, "patch", text);
                    operation.parameters.extend(parameters::patch());
                    operation.body = Some((Body::Object(format!("{META}Patch")), true));
                    operation.consumes = PATCHES.to_vec();
                    operation
                }
                _ => continue,
            };
            operation.codes = &[201];
            operation.answer = object.clone();
            operations.push(operation);
        }
        operations
    }

    fn watches(&self, paths: &mut Paths) {
        if !self.resource.has_verb("watch") {
            return;
        }
        let kind = &self.resource.kind;
        let Naming { root, .. } = self.naming;
        let scope = self.scope();
        let instead = "deprecated: use the 'watch' parameter with a list operation instead";
        let list_text = format!("watch individual changes to a list of {kind}. {instead}.");
        let make = |rest: &str, action: &'static str, text: String| {
            let mut operation = self.operation("get", "watch", rest, action, text);
            operation.parameters.extend(parameters::list());
            operation.produces.extend(STREAMS);
            operation.answer = Body::Object(format!("{META}WatchEvent"));
            operation
        };
        let below = self.collection_path()[root.len()..].to_owned();
        let list = make(&format!("{scope}{kind}List"), "watchlist", list_text.clone());
        paths.insert(format!("{root}/watch{below}"), vec![list]);
        if self.resource.has_verb("get") {
            let text = format!(
                "watch changes to an object of kind {kind}. {instead}, filtered to a single item with the 'fieldSelector' \
                 parameter."
            );
            let mut one = make(&format!("{scope}{kind}"), "watch", text);
            one.parameters.push(self.name_parameter());
            paths.insert(format!("{root}/watch{below}/{{name}}"), vec![one]);
        }
        if self.resource.namespaced {
            let mut all = make(&format!("{kind}ListForAllNamespaces"), "watchlist", list_text);
            all.parameters.retain(|parameter| parameter.name != "namespace");
            paths.insert(format!("{root}/watch/{}", self.resource.plural), vec![all]);
        }
    }

    fn part(&self, part: &Subresource, paths: &mut Paths) {
        let path = format!("{}/{{name}}/{}", self.collection_path(), part.name);
        if part.connect {
            self.connects(part, &path, paths);
            return;
        }
        let Resource { kind, .. } = self.resource;
        let rest = format!("{}{kind}{}", self.scope(), title(&part.name));
        let object = Body::Object(self.name_of(part.node));
        let of = format!("{} of ", part.name);
        let mut operations = Vec::new();
        for verb in &part.verbs {
            match verb.as_str() {
                "get" => {
                    let text = format!("read {of}the specified {kind}");
                    let mut operation = self.operation("get", "read", &rest, "get", text);
                    operation.answer = object.clone();
                    if part.text {
                        operation.answer = Body::Text;
                        operation.produces.insert(0, "text/plain");
                        operation.parameters.extend(self.options("PodLogOptions"));
                    }
                    operations.push(operation);
                }
                "create" => {
                    let text = format!("create {of}{}", with_article(kind));
                    let mut operation = self.operation("post", "create", &rest, "post", text);
                    operation.parameters.extend(parameters::write());
                    operation.body = Some((object.clone(), true));
                    operation.answer = object.clone();
                    operation.codes = &[201, 202];
                    operations.push(operation);
                }
                _ => {}
            }
        }
        operations.extend(self.writes(&part.verbs, &rest, &of, &object));
        for operation in &mut operations {
            operation.parameters.push(self.name_parameter());
            if let Some((_, version, own)) = &mut operation.action
                && !part.text
            {
                *version = GroupVersion::new(&part.group, &part.version);
                part.kind.clone_into(own);
            }
        }
        if !operations.is_empty() {
            paths.insert(path, operations);
        }
    }

    fn connects(&self, part: &Subresource, path: &str, paths: &mut Paths) {
        let is_proxy = part.name == "proxy";
        let methods: &[&'static str] =
            if is_proxy { &["delete", "get", "head", "options", "patch", "post", "put"] } else { &["get", "post"] };
        let Resource { kind, .. } = self.resource;
        let make = |method: &'static str, with_path: bool| {
            let suffix = if with_path { "WithPath" } else { "" };
            let rest = format!("{}{}{kind}{}{suffix}", title(method), self.scope(), title(&part.name));
            let text = format!("connect {} requests to {} of {kind}", method.to_uppercase(), part.name);
            let mut operation = self.operation(method, "connect", &rest, "connect", text);
            operation.parameters.retain(|parameter| parameter.name != "pretty");
            operation.parameters.push(Parameter::path("name", format!("name of the {}", part.kind)));
            operation.parameters.extend(self.options(&part.kind));
            if with_path {
                operation.parameters.push(Parameter::path("path", "Path to the resource.".to_owned()));
            }
            operation.produces = ANYTHING.to_vec();
            operation.answer = Body::Text;
            operation.action = Some(("connect", GroupVersion::new(&part.group, &part.version), part.kind.clone()));
            operation
        };
        paths.insert(path.to_owned(), methods.iter().map(|method| make(method, false)).collect());
        if is_proxy {
            paths.insert(format!("{path}/{{path}}"), methods.iter().map(|method| make(method, true)).collect());
        }
    }

    /// Returns the fields of an options kind of the core group as parameters.
    fn options(&self, kind: &str) -> Vec<Parameter> {
        let name = format!("io.k8s.api.core.v1.{kind}");
        let api = self.schemas.api;
        let Some(definition) = api.definition(&name) else { return Vec::new() };
        let node = api.schema.node(definition.node);
        let parameter = |field: &crate::schema::Field| {
            let mut of = api.schema.node(field.node);
            if let (Kind::List, Some(items)) = (of.kind, of.items) {
                of = api.schema.node(items);
            }
            let type_name = match of.kind {
                Kind::Boolean => "boolean",
                Kind::Int32 | Kind::Int64 => "integer",
                Kind::String => "string",
                // Times cannot be given in a query.
                _ => return None,
            };
            let text = self.schemas.descriptions.field(&name, &field.name).unwrap_or_default();
            Some(parameters::option(&field.name, type_name, text))
        };
        let fields = node.fields.iter().filter(|field| !matches!(field.name.as_str(), "apiVersion" | "kind"));
        fields.filter_map(parameter).collect()
    }
}

/// Returns the document of fixed addresses: discovery of groups, version, OpenID.
pub(super) fn fixed(api: &Api, path: &str) -> Option<(String, Operation)> {
    let object = |kind: &str| Body::Object(format!("{META}{kind}"));
    Some(match path {
        "api" => {
            let text = "get available API versions";
            ("/api/".to_owned(), plain("getCoreAPIVersions", "core", text, object("APIVersions"), &OBJECTS))
        }
        "apis" => {
            let text = "get available API versions";
            ("/apis/".to_owned(), plain("getAPIVersions", "apis", text, object("APIGroupList"), &OBJECTS))
        }
        "version" => {
            let body = Body::Object("io.k8s.apimachinery.pkg.version.Info".to_owned());
            let text = "get the version information for this server";
            ("/version/".to_owned(), plain("getCodeVersion", "version", text, body, &OBJECTS[..1]))
        }
        ".well-known/openid-configuration" => {
            let id = "getServiceAccountIssuerOpenIDConfiguration";
            let text = "get the OpenID configuration of the service account issuer";
            let operation = plain(id, "WellKnown", text, Body::Text, &OBJECTS[..1]);
            ("/.well-known/openid-configuration/".to_owned(), operation)
        }
        "openid/v1/jwks" => {
            let id = "getServiceAccountIssuerOpenIDKeyset";
            let text = "get the public keys of the service account issuer";
            let operation = plain(id, "openid", text, Body::Text, &["application/jwk-set+json"]);
            ("/openid/v1/jwks/".to_owned(), operation)
        }
        other => {
            let group = other.strip_prefix("apis/").filter(|rest| !rest.contains('/'))?;
            api.group(group)?;
            let id = format!("get{}APIGroup", group_title(group));
            let text = "get information of a group";
            (format!("/apis/{group}/"), plain(&id, &group_tag(group), text, object("APIGroup"), &OBJECTS))
        }
    })
}
