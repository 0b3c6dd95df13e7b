//! Groups and resources, from discovery, the OpenAPI paths and the Tables that the server prints.

use super::server::Server;
use super::table::{ColumnRow, GroupRow, ResourceRow, SubresourceRow, TypeRow};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// Reads the built-in groups, in discovery order. Groups of CustomResourceDefinitions and of aggregated servers are
/// left out: their APIServices are not managed `onstart`.
pub(super) fn groups(server: &Server) -> Result<Vec<GroupRow>> {
    let services = server.get("/apis/apiregistration.k8s.io/v1/apiservices")?;
    let mut priorities = BTreeMap::new();
    for service in items(&services["items"]) {
        if service.pointer("/metadata/labels/kube-aggregator.kubernetes.io~1automanaged") == Some(&"onstart".into()) {
            let priority = service.pointer("/spec/groupPriorityMinimum").and_then(Value::as_i64).unwrap_or(0);
            priorities.insert(text(&service["spec"], "group"), priority);
        }
    }
    let core = server.get_as("/api", AGGREGATED)?;
    let named = server.get_as("/apis", AGGREGATED)?;
    let preferred = server.get("/apis")?;
    let mut rows = Vec::new();
    for group in items(&core["items"]).iter().chain(items(&named["items"])) {
        let name = text(&group["metadata"], "name");
        let builtin = name == "apiregistration.k8s.io" || priorities.contains_key(&name);
        if !builtin {
            continue;
        }
        let versions: Vec<String> = items(&group["versions"]).iter().map(|version| text(version, "version")).collect();
        let first = versions.first().cloned().with_context(|| format!("group {name} has no version"))?;
        let legacy = items(&preferred["groups"]).iter().find(|legacy| text(legacy, "name") == name);
        let preferred = legacy.map_or(first, |legacy| text(&legacy["preferredVersion"], "version"));
        let priority = priorities.get(&name).copied().unwrap_or(0);
        rows.push(GroupRow { name, versions, preferred, priority });
    }
    let known = |name: &String| rows.iter().any(|row| row.name == *name);
    let legacy = items(&preferred["groups"]).iter().map(|group| text(group, "name")).filter(known);
    if !legacy.eq(rows.iter().skip(1).map(|row| row.name.clone())) {
        bail!("legacy and aggregated discovery list the groups in different orders; the table keeps only one");
    }
    Ok(rows)
}

/// Reads every resource of the groups.
pub(super) fn resources(
    server: &Server,
    groups: &[GroupRow],
    documents: &BTreeMap<String, Value>,
    types: &[TypeRow],
) -> Result<Vec<ResourceRow>> {
    let definitions = by_kind(types);
    let aggregated = [server.get_as("/api", AGGREGATED)?, server.get_as("/apis", AGGREGATED)?];
    let mut rows = Vec::new();
    for group in groups {
        let found = aggregated.iter().flat_map(|list| items(&list["items"]));
        let mut found = found.filter(|item| text(&item["metadata"], "name") == group.name);
        let discovered = found.next().with_context(|| format!("group {} is not discovered", group.name))?;
        for version in items(&discovered["versions"]) {
            let scope = Scope::new(server, &group.name, &text(version, "version"), documents)?;
            for resource in items(&version["resources"]) {
                rows.push(scope.resource(resource, &definitions)?);
            }
        }
    }
    Ok(rows)
}

/// Definitions by group, version and kind.
type Definitions = BTreeMap<[String; 3], String>;

fn by_kind(types: &[TypeRow]) -> Definitions {
    let mut definitions = Definitions::new();
    for row in types {
        for kind in &row.gvk {
            definitions.entry(kind.clone()).or_insert_with(|| row.name.clone());
        }
    }
    // Kinds of query parameters are not published, so OpenAPI states no kind for them.
    for row in types.iter().filter(|row| row.unpublished) {
        if let Some(kind) = row.name.strip_prefix("io.k8s.api.core.v1.") {
            let key = [String::new(), "v1".to_owned(), kind.to_owned()];
            definitions.entry(key).or_insert_with(|| row.name.clone());
        }
    }
    definitions
}

/// One group and version while its resources are read.
struct Scope<'a> {
    server: &'a Server,
    group: &'a str,
    version: String,
    root: String,
    hashes: BTreeMap<String, String>,
    paths: &'a Value,
}

impl<'a> Scope<'a> {
    fn new(server: &'a Server, group: &'a str, version: &str, documents: &'a BTreeMap<String, Value>) -> Result<Self> {
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let legacy = server.get(&root)?;
        let hash = |item: &Value| (text(item, "name"), text(item, "storageVersionHash"));
        let hashes = items(&legacy["resources"]).iter().map(hash).collect();
        let document = documents.get(root.trim_start_matches('/'));
        let paths = &document.with_context(|| format!("no OpenAPI document for {root}"))?["paths"];
        Ok(Self { server, group, version: version.to_owned(), root, hashes, paths })
    }

    fn resource(&self, found: &Value, definitions: &Definitions) -> Result<ResourceRow> {
        let resource = text(found, "resource");
        let kind = self.kind(&found["responseKind"]);
        let of = definition(definitions, &kind)?;
        let namespaced = text(found, "scope") == "Namespaced";
        let base = if namespaced {
            format!("{}/namespaces/{{namespace}}/{resource}", self.root)
        } else {
            format!("{}/{resource}", self.root)
        };
        let verbs = strings(&found["verbs"]);
        let lists = verbs.iter().any(|verb| verb == "list");
        let list_kind = [kind[0].clone(), kind[1].clone(), format!("{}List", kind[2])];
        let object = format!("{base}/{{name}}");
        let mut subresources = Vec::new();
        for subresource in items(&found["subresources"]) {
            subresources.push(self.subresource(&object, subresource, definitions)?);
        }
        Ok(ResourceRow {
            group: self.group.to_owned(),
            version: self.version.clone(),
            singular: text(found, "singularResource"),
            namespaced,
            list: if lists { definition(definitions, &list_kind)? } else { String::new() },
            short: strings(&found["shortNames"]),
            categories: strings(&found["categories"]),
            hash: self.hashes.get(&resource).cloned().unwrap_or_default(),
            delete_returns_object: self.answer(&object, "delete").is_some_and(|answer| answer == of),
            subresources,
            columns: if lists { self.columns(&resource)? } else { Vec::new() },
            kind: kind[2].clone(),
            of,
            verbs,
            resource,
        })
    }

    fn subresource(&self, object: &str, found: &Value, definitions: &Definitions) -> Result<SubresourceRow> {
        let name = text(found, "subresource");
        let kind = self.kind(&found["responseKind"]);
        let path = format!("{object}/{name}");
        let operations = self.paths[&path].as_object();
        let connect = operations.is_some_and(|operations| {
            operations.values().any(|operation| text(operation, "x-kubernetes-action") == "connect")
        });
        let text_answer = !connect && operations.is_some_and(|_| self.answer(&path, "get").as_deref() == Some(""));
        let of = definition(definitions, &kind)?;
        let [group, version, kind] = kind;
        Ok(SubresourceRow {
            name,
            group,
            version,
            kind,
            of,
            verbs: strings(&found["verbs"]),
            connect,
            text: text_answer,
        })
    }

    /// Empty group and version mean those of the resource.
    fn kind(&self, found: &Value) -> [String; 3] {
        let (group, version) = (text(found, "group"), text(found, "version"));
        if version.is_empty() {
            [self.group.to_owned(), self.version.clone(), text(found, "kind")]
        } else {
            [group, version, text(found, "kind")]
        }
    }

    /// Returns the definition that a method answers with; empty for text.
    fn answer(&self, path: &str, method: &str) -> Option<String> {
        let content = self.paths[path].get(method)?.pointer("/responses/200/content")?.as_object()?;
        let schema = &content.values().next()?["schema"];
        let reference = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
        Some(reference.rsplit('/').next().unwrap_or_default().to_owned())
    }

    fn columns(&self, resource: &str) -> Result<Vec<ColumnRow>> {
        let table = self.server.get_as(&format!("{}/{resource}?limit=1", self.root), TABLE)?;
        let column = |found: &Value| ColumnRow {
            name: text(found, "name"),
            of: text(found, "type"),
            format: text(found, "format"),
            priority: found["priority"].as_i64().and_then(|priority| i32::try_from(priority).ok()).unwrap_or(0),
        };
        Ok(items(&table["columnDefinitions"]).iter().map(column).collect())
    }
}

fn definition(definitions: &Definitions, kind: &[String; 3]) -> Result<String> {
    definitions.get(kind).cloned().with_context(|| format!("no definition for {kind:?}"))
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn strings(list: &Value) -> Vec<String> {
    items(list).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
