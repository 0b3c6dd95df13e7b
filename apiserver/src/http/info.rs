//! What a request asks for: URL and method parsed once, as upstream's `RequestInfo` has it.
//!
//! Paths have the form `/api/v1/…` or `/apis/<group>/<version>/…`, then optionally `namespaces/<namespace>/`, then
//! `<resource>[/<name>[/<subresource>…]]`. Everything else is a non-resource path.

use http::Method;
use kplex_machinery::status::GroupResource;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The verb of a request, as RBAC names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection or an object.
    Watch,
    /// Create an object, or call a subresource with POST.
    Create,
    /// Replace an object.
    Update,
    /// Change an object by a patch.
    Patch,
    /// Delete an object.
    Delete,
    /// Delete a collection.
    DeleteCollection,
    /// HEAD on a non-resource path, or on a resource where upstream has no verb for it.
    Head,
    /// OPTIONS on a non-resource path.
    Options,
    /// A method that stands for no verb: nobody may do it who may not do everything.
    Unknown,
}

impl Verb {
    /// Returns the name that RBAC rules and messages use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Head => "head",
            Self::Options => "options",
            Self::Unknown => "",
        }
    }

    /// Whether the verb only reads.
    #[must_use]
    pub fn is_read_only(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch | Self::Head | Self::Options)
    }
}

/// A parsed request line.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// The verb.
    pub verb: Verb,
    /// Path inside the control plane, decoded; what non-resource rules match.
    pub path: String,
    /// What resource is meant; `None` for a non-resource path.
    pub resource: Option<ResourcePath>,
}

/// The resource part of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePath {
    /// API group; empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Namespace of the path, if any.
    pub namespace: Option<String>,
    /// Plural resource.
    pub resource: String,
    /// Object name, if any.
    pub name: Option<String>,
    /// Subresource, empty when none. More than one segment is joined with `/`.
    pub subresource: String,
    /// The path was under the deprecated `/watch/` prefix.
    pub watch_path: bool,
}

impl ResourcePath {
    /// Returns group and resource, as messages name them.
    #[must_use]
    pub fn group_resource(&self) -> GroupResource {
        GroupResource { group: self.group.clone(), resource: self.resource.clone() }
    }
}

impl RequestInfo {
    /// Parses method, path (already without the `/clusters/<name>` prefix) and query.
    #[must_use]
    pub fn parse(method: &Method, path: &str, query: &str) -> Self {
        let path = &*without_empty_namespace(path);
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let resource = resource_path(&segments);
        let verb = verb(method, resource.as_ref(), query);
        let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
        Self { verb, path, resource }
    }
}

/// A collection in the namespace without a name is that of all namespaces: clients that are given no namespace ask so.
fn without_empty_namespace(path: &str) -> Cow<'_, str> {
    let Some((root, rest)) = path.split_once("/namespaces//") else { return Cow::Borrowed(path) };
    let collection = rest.trim_end_matches('/');
    let version = root.strip_suffix("/watch").unwrap_or(root);
    let is_root = matches!(*version.split('/').collect::<Vec<_>>(), ["", "api", _] | ["", "apis", _, _]);
    if !is_root || collection.is_empty() || collection.contains('/') {
        return Cow::Borrowed(path);
    }
    Cow::Owned(format!("{root}/{collection}"))
}

fn resource_path(segments: &[String]) -> Option<ResourcePath> {
    let (group, version, rest) = match segments.first().map(String::as_str) {
        Some("api") if segments.len() >= 3 => (String::new(), segments[1].clone(), &segments[2..]),
        Some("apis") if segments.len() >= 4 => (segments[1].clone(), segments[2].clone(), &segments[3..]),
        _ => return None,
    };
    let mut path = ResourcePath { group, version, ..ResourcePath::default() };
    let mut rest = rest;
    if rest[0] == "watch" {
        path.watch_path = true;
        rest = &rest[1..];
        if rest.is_empty() {
            return None;
        }
    }
    if rest[0] == "namespaces" && path.group.is_empty() {
        namespaced(&mut path, rest);
    } else if rest[0] == "namespaces" && rest.len() >= 3 {
        path.namespace = Some(rest[1].clone());
        plain(&mut path, &rest[2..]);
    } else {
        plain(&mut path, rest);
    }
    Some(path)
}

/// `namespaces/<name>` is the namespace itself; `namespaces/<name>/<resource>` is inside it, except for the two
/// subresources of a namespace.
fn namespaced(path: &mut ResourcePath, rest: &[String]) {
    match rest {
        [_] => "namespaces".clone_into(&mut path.resource),
        [_, name] => {
            path.namespace = Some(name.clone());
            "namespaces".clone_into(&mut path.resource);
            path.name = Some(name.clone());
        }
        [_, name, sub, ..] if sub == "status" || sub == "finalize" => {
            path.namespace = Some(name.clone());
            "namespaces".clone_into(&mut path.resource);
            path.name = Some(name.clone());
            path.subresource = rest[2..].join("/");
        }
        [_, name, ..] => {
            path.namespace = Some(name.clone());
            plain(path, &rest[2..]);
        }
        [] => {}
    }
}

fn plain(path: &mut ResourcePath, rest: &[String]) {
    path.resource.clone_from(&rest[0]);
    path.name = rest.get(1).cloned();
    if rest.len() > 2 {
        path.subresource = rest[2..].join("/");
    }
}

fn verb(method: &Method, resource: Option<&ResourcePath>, query: &str) -> Verb {
    let Some(resource) = resource else {
        return match *method {
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            Method::HEAD => Verb::Head,
            Method::OPTIONS => Verb::Options,
            Method::GET => Verb::Get,
            _ => Verb::Unknown,
        };
    };
    if resource.watch_path {
        return Verb::Watch;
    }
    match *method {
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE if resource.name.is_none() => Verb::DeleteCollection,
        Method::DELETE => Verb::Delete,
        Method::GET | Method::HEAD if resource.name.is_some() => Verb::Get,
        Method::GET | Method::HEAD if asks_watch(query) => Verb::Watch,
        Method::GET | Method::HEAD => Verb::List,
        _ => Verb::Unknown,
    }
}

fn asks_watch(query: &str) -> bool {
    super::query::pairs(query).any(|(key, value)| key == "watch" && super::query::boolean(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, url: &str, expected: &str) {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let info = RequestInfo::parse(&method.parse().unwrap(), path, query);
        let text = match &info.resource {
            None => format!("{} path {}", info.verb.as_str(), info.path),
            Some(r) => format!(
                "{} {}/{} ns={} {} name={} sub={}",
                info.verb.as_str(),
                r.group,
                r.version,
                r.namespace.as_deref().unwrap_or("-"),
                r.resource,
                r.name.as_deref().unwrap_or("-"),
                r.subresource
            ),
        };
        assert_eq!(text, expected, "{method} {url}");
    }

    #[test]
    fn urls_parse_as_upstream_parses_them() {
        check("GET", "/api/v1/pods", "list /v1 ns=- pods name=- sub=");
        check("GET", "/api/v1/pods?watch=true", "watch /v1 ns=- pods name=- sub=");
        check("GET", "/api/v1/namespaces/a", "get /v1 ns=a namespaces name=a sub=");
        check("PUT", "/api/v1/namespaces/a/finalize", "update /v1 ns=a namespaces name=a sub=finalize");
        check("GET", "/api/v1/namespaces/a/pods/p/log", "get /v1 ns=a pods name=p sub=log");
        check(
            "DELETE",
            "/apis/apps/v1/namespaces/a/deployments",
            "deletecollection apps/v1 ns=a deployments name=- sub=",
        );
        check("GET", "/apis/apps/v1/watch/namespaces/a/deployments/d", "watch apps/v1 ns=a deployments name=d sub=");
        check("GET", "/apis/apps/v1", "get path /apis/apps/v1");
        check("GET", "/apis/example.com/v1/namespaces", "list example.com/v1 ns=- namespaces name=- sub=");
        check(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "create authorization.k8s.io/v1 ns=- selfsubjectaccessreviews name=- sub=",
        );
        check("GET", "/healthz", "get path /healthz");
        check("GET", "/api/v1/namespaces//pods", "list /v1 ns=- pods name=- sub=");
        check("GET", "/apis/apps/v1/namespaces//deployments?watch=1", "watch apps/v1 ns=- deployments name=- sub=");
        check("OPTIONS", "/api/v1/pods", " /v1 ns=- pods name=- sub=");
        check("FROB", "/healthz", " path /healthz");
    }
}
