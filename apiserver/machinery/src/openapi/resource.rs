//! Operations on custom resources. They differ from those on built-in ones in media types, parameters and answers, as
//! upstream's do.

use super::operations::{Body, CUSTOM, CUSTOM_PATCHES, META, Naming, Operation, Paths, title, with_article};
use super::parameters::{self, Parameter};
use crate::api::GroupVersion;

/// What the operations on a custom resource are made from.
pub(super) struct CustomResource<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) plural: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespaced: bool,
    pub(super) status: bool,
    pub(super) scale: bool,
    /// Name of the definition of objects.
    pub(super) object: &'a str,
    /// Name of the definition of lists.
    pub(super) list: &'a str,
}

impl CustomResource<'_> {
    /// Returns the operations by path.
    pub(super) fn paths(&self) -> Paths {
        let maker = Maker { resource: self, naming: Naming::new(self.group, self.version) };
        let root = &maker.naming.root;
        let mut paths = Paths::new();
        let collection = if self.namespaced {
            paths.insert(format!("{root}/{}", self.plural), vec![maker.list_everywhere()]);
            format!("{root}/namespaces/{{namespace}}/{}", self.plural)
        } else {
            format!("{root}/{}", self.plural)
        };
        paths.insert(collection.clone(), maker.collection());
        let object = Body::Object(self.object.to_owned());
        let mut item = maker.item("", &object);
        item.push(maker.delete());
        paths.insert(format!("{collection}/{{name}}"), item);
        if self.status {
            paths.insert(format!("{collection}/{{name}}/status"), maker.item("status", &object));
        }
        if self.scale {
            let scale = Body::Object("io.k8s.api.autoscaling.v1.Scale".to_owned());
            paths.insert(format!("{collection}/{{name}}/scale"), maker.item("scale", &scale));
        }
        paths
    }
}

struct Maker<'a> {
    resource: &'a CustomResource<'a>,
    naming: Naming,
}

impl Maker<'_> {
    fn operation(
        &self,
        method: &'static str,
        id: String,
        action: &'static str,
        text: String,
        answer: &Body,
    ) -> Operation {
        let CustomResource { group, version, kind, namespaced, .. } = *self.resource;
        let mut parameters = vec![parameters::pretty()];
        if namespaced {
            parameters.push(parameters::namespace());
        }
        Operation {
            method,
            id,
            text,
            tag: self.naming.tag.clone(),
            action: Some((action, GroupVersion::new(group, version), kind.to_owned())),
            parameters,
            body: None,
            consumes: CUSTOM.to_vec(),
            produces: CUSTOM.to_vec(),
            answer: answer.clone(),
            codes: &[],
        }
    }

    /// `listExampleComV1NamespacedWidget`.
    fn id(&self, verb: &str, part: &str) -> String {
        let scope = if self.resource.namespaced { "Namespaced" } else { "" };
        format!("{verb}{}{scope}{}{part}", self.naming.title, self.resource.kind)
    }

    fn name(&self) -> Parameter {
        Parameter::path("name", format!("name of the {}", self.resource.kind))
    }

    fn list(&self, id: String) -> Operation {
        let answer = Body::Object(self.resource.list.to_owned());
        let text = format!("list objects of kind {}", self.resource.kind);
        let mut list = self.operation("get", id, "list", text, &answer);
        list.parameters.extend(parameters::list());
        list
    }

    fn list_everywhere(&self) -> Operation {
        let mut list = self.list(format!("list{}{}ForAllNamespaces", self.naming.title, self.resource.kind));
        list.parameters.retain(|parameter| parameter.name != "namespace");
        list
    }

    fn collection(&self) -> Vec<Operation> {
        let kind = self.resource.kind;
        let object = Body::Object(self.resource.object.to_owned());
        let text = format!("create {}", with_article(kind));
        let mut create = self.operation("post", self.id("create", ""), "post", text, &object);
        create.parameters.extend(parameters::write());
        create.body = Some((object, true));
        create.codes = &[201, 202];
        let scope = if self.resource.namespaced { "Namespaced" } else { "" };
        let id = format!("delete{}Collection{scope}{kind}", self.naming.title);
        let text = format!("delete collection of {kind}");
        let status = Body::Object(format!("{META}Status"));
        let mut delete = self.operation("delete", id, "deletecollection", text, &status);
        delete.parameters.extend(parameters::list());
        vec![self.list(self.id("list", "")), create, delete]
    }

    /// `get`, `update` and `patch` of an object or of a part of it.
    fn item(&self, part: &str, object: &Body) -> Vec<Operation> {
        let kind = self.resource.kind;
        let of = if part.is_empty() { String::new() } else { format!("{part} of ") };
        let part = title(part);
        let text = format!("read {of}the specified {kind}");
        let mut read = self.operation("get", self.id("read", &part), "get", text, object);
        read.parameters.extend(parameters::get());
        let text = format!("replace {of}the specified {kind}");
        let mut replace = self.operation("put", self.id("replace", &part), "put", text, object);
        replace.parameters.extend(parameters::write());
        replace.body = Some((object.clone(), true));
        replace.codes = &[201];
        let text = format!("partially update {of}the specified {kind}");
        let mut patch = self.operation("patch", self.id("patch", &part), "patch", text, object);
        patch.parameters.extend(parameters::patch());
        patch.body = Some((Body::Object(format!("{META}Patch")), true));
        patch.consumes = CUSTOM_PATCHES.to_vec();
        let mut operations = vec![read, replace, patch];
        for operation in &mut operations {
            operation.parameters.push(self.name());
        }
        operations
    }

    fn delete(&self) -> Operation {
        let text = format!("delete {}", with_article(self.resource.kind));
        let status = Body::Object(format!("{META}Status"));
        let mut delete = self.operation("delete", self.id("delete", ""), "delete", text, &status);
        delete.parameters.extend(parameters::delete());
        delete.parameters.push(self.name());
        delete.body = Some((Body::Object(format!("{META}DeleteOptions")), false));
        delete.codes = &[202];
        delete
    }
}
