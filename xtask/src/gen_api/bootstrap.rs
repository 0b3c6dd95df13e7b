//! The objects that a fresh server has before anyone used it, without what differs from server to server.
//!
//! What depends on the deployment is replaced by a hole such as `${ca}`. The server may be in use by others: only
//! objects that upstream makes are taken, and a server whose aggregated roles were widened is refused.

use super::server::Server;
use super::table::ResourceRow;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Map, Value};

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";

/// What may stand in place of a value, with its meaning.
const HOLES: [(&str, &str); 7] = [
    ("${address}", "address that the API server advertises"),
    ("${ca}", "PEM of the certificate authority"),
    ("${date}", "day of creation, YYYY-MM-DD"),
    ("${port}", "port of the API server, a number"),
    ("${service_cidr}", "CIDR of service addresses"),
    ("${service_ip}", "address of the Service default/kubernetes"),
    ("${time}", "time of creation, RFC 3339"),
];

/// The file `bootstrap-*.json`.
#[derive(Serialize)]
pub(super) struct Bootstrap {
    pub(super) holes: Vec<Hole>,
    pub(super) objects: Vec<Object>,
}

/// A hole and its meaning.
#[derive(Serialize)]
pub(super) struct Hole {
    name: String,
    meaning: String,
}

/// One object.
#[derive(Serialize)]
pub(super) struct Object {
    group: String,
    version: String,
    resource: String,
    object: Value,
}

/// Reads the bootstrap objects in the preferred version of each group.
pub(super) fn read(server: &Server, resources: &[ResourceRow]) -> Result<Bootstrap> {
    let mut objects = Vec::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    let controllers = controllers(server)?;
    for row in resources {
        let stored = row.verbs.iter().any(|verb| verb == "watch");
        if !stored || seen.contains(&(&row.group, &row.resource)) {
            continue;
        }
        seen.push((&row.group, &row.resource));
        for mut object in list(server, &row.group, &row.version, &row.resource)? {
            refuse_aggregation(row, &object)?;
            if !is_bootstrap(row, &object, &controllers) {
                continue;
            }
            clean(row, &mut object)?;
            let Value::Object(map) = &mut object else { bail!("an item is not an object") };
            map.insert("kind".to_owned(), row.kind.as_str().into());
            let api_version = match row.group.as_str() {
                "" => row.version.clone(),
                group => format!("{group}/{}", row.version),
            };
            map.insert("apiVersion".to_owned(), api_version.into());
            objects.push(Object {
                group: row.group.clone(),
                version: row.version.clone(),
                resource: row.resource.clone(),
                object,
            });
        }
    }
    let sort_key = |object: &Object| {
        let (group, resource) = (object.group.clone(), object.resource.clone());
        (group, resource, text(&object.object, "/metadata/namespace"), text(&object.object, "/metadata/name"))
    };
    objects.sort_by_key(sort_key);
    let hole = |(name, meaning): &(&str, &str)| Hole { name: (*name).to_owned(), meaning: (*meaning).to_owned() };
    Ok(Bootstrap { holes: HOLES.iter().map(hole).collect(), objects })
}

fn list(server: &Server, group: &str, version: &str, resource: &str) -> Result<Vec<Value>> {
    let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let mut list = server.get(&format!("{root}/{resource}"))?;
    match list["items"].take() {
        Value::Array(items) => Ok(items),
        _ => bail!("{root}/{resource} is not a list"),
    }
}

/// Returns the names of the controllers that have default roles, and so service accounts.
fn controllers(server: &Server) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for resource in ["clusterroles", "roles"] {
        for role in list(server, "rbac.authorization.k8s.io", "v1", resource)? {
            if role["metadata"]["labels"].get(BOOTSTRAPPING).is_some() {
                let name = text(&role, "/metadata/name");
                names.extend(name.strip_prefix("system:controller:").map(str::to_owned));
            }
        }
    }
    Ok(names)
}

/// A foreign ClusterRole that aggregates into a default one would leak into the data.
fn refuse_aggregation(row: &ResourceRow, object: &Value) -> Result<()> {
    let labels = &object["metadata"]["labels"];
    if row.resource != "clusterroles" || labels.get(BOOTSTRAPPING).is_some() {
        return Ok(());
    }
    for role in ["admin", "edit", "view"] {
        if labels.get(format!("rbac.authorization.k8s.io/aggregate-to-{role}")).is_some() {
            let name = text(object, "/metadata/name");
            bail!("ClusterRole {name} widens '{role}'; ask a server that nobody uses");
        }
    }
    Ok(())
}

fn is_bootstrap(row: &ResourceRow, object: &Value, controllers: &[String]) -> bool {
    let metadata = &object["metadata"];
    let namespace = text(object, "/metadata/namespace");
    let name = text(object, "/metadata/name");
    match (row.group.as_str(), row.resource.as_str()) {
        ("rbac.authorization.k8s.io", _) => metadata["labels"].get(BOOTSTRAPPING).is_some(),
        ("apiregistration.k8s.io", "apiservices") => {
            text(metadata, "/labels/kube-aggregator.kubernetes.io~1automanaged") == "onstart"
        }
        ("flowcontrol.apiserver.k8s.io", _) => {
            metadata["annotations"].get("apf.kubernetes.io/autoupdate-spec").is_some()
        }
        ("", "namespaces") => NAMESPACES.contains(&name.as_str()),
        ("", "configmaps") => match name.as_str() {
            "kube-root-ca.crt" => NAMESPACES.contains(&namespace.as_str()),
            "extension-apiserver-authentication" | "kube-apiserver-legacy-service-account-token-tracking" => {
                namespace == "kube-system"
            }
            _ => false,
        },
        ("", "serviceaccounts") if name == "default" => NAMESPACES.contains(&namespace.as_str()),
        ("", "serviceaccounts") => namespace == "kube-system" && controllers.contains(&name),
        ("", "services" | "endpoints") | ("discovery.k8s.io", "endpointslices") => {
            namespace == "default" && name == "kubernetes"
        }
        ("networking.k8s.io", "servicecidrs") => name == "kubernetes",
        ("networking.k8s.io", "ipaddresses") => {
            text(object, "/spec/parentRef/namespace") == "default"
                && text(object, "/spec/parentRef/name") == "kubernetes"
        }
        ("scheduling.k8s.io", "priorityclasses") => name.starts_with("system-"),
        _ => false,
    }
}

/// Removes what the server assigns and digs the holes.
fn clean(row: &ResourceRow, object: &mut Value) -> Result<()> {
    let metadata = object["metadata"].as_object_mut().context("an object without metadata")?;
    for key in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink"] {
        metadata.remove(key);
    }
    blank_times(object);
    let holes: &[(&str, &str)] = match row.resource.as_str() {
        "configmaps" => &[("/data/ca.crt", "${ca}"), ("/data/client-ca-file", "${ca}"), ("/data/since", "${date}")],
        "services" => &[
            ("/spec/clusterIP", "${service_ip}"),
            ("/spec/clusterIPs/0", "${service_ip}"),
            ("/spec/ports/0/targetPort", "${port}"),
        ],
        "endpoints" => &[("/subsets/0/addresses/0/ip", "${address}"), ("/subsets/0/ports/0/port", "${port}")],
        "endpointslices" => &[("/endpoints/0/addresses/0", "${address}"), ("/ports/0/port", "${port}")],
        "servicecidrs" => &[("/spec/cidrs/0", "${service_cidr}")],
        "ipaddresses" => &[("/metadata/name", "${service_ip}")],
        _ => &[],
    };
    for (pointer, hole) in holes {
        if let Some(value) = object.pointer_mut(pointer) {
            *value = Value::from(*hole);
        }
    }
    Ok(())
}

/// Replaces every `lastTransitionTime`.
fn blank_times(value: &mut Value) {
    match value {
        Value::Object(map) => blank_times_in(map),
        Value::Array(items) => items.iter_mut().for_each(blank_times),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn blank_times_in(map: &mut Map<String, Value>) {
    for (key, value) in map {
        if key == "lastTransitionTime" {
            *value = Value::from("${time}");
        } else {
            blank_times(value);
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
