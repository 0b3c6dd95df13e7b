//! Which requests a rule, a namespace selector and an object selector are about.

use super::super::Verb;
use super::super::write::{Write, items, text};
use crate::catalog;
use crate::codec;
use kplex_machinery::selector::LabelSelector;
use kplex_machinery::status::{GroupResource, Status};
use serde_json::Value;

/// The request that is matched.
pub(super) struct Subject<'a> {
    pub(super) write: &'a Write<'a>,
    pub(super) new: &'a Value,
    subresource: &'a str,
}

impl<'a> Subject<'a> {
    /// # Errors
    /// 404 when the request is about no resource.
    pub(super) fn of(write: &'a Write<'a>, new: &'a Value) -> Result<Subject<'a>, Status> {
        Ok(Subject { write, new, subresource: &write.call.path()?.subresource })
    }

    /// Whether a webhook or the constraints of a policy (`MatchResources`) are about the request. `rules` names the field
    /// with the rules.
    ///
    /// # Errors
    /// 404 when the namespace of the request is not there, 500 when a selector can't be read.
    pub(super) async fn is_matched_by(&self, constraints: &Value, rules: &str) -> Result<bool, Status> {
        let equivalent = text(constraints, "/matchPolicy") != "Exact";
        let one_of = |rules: &str| items(constraints, rules).iter().any(|rule| self.matches_rule(rule, equivalent));
        if !one_of(rules) || one_of("/excludeResourceRules") {
            return Ok(false);
        }
        Ok(self.is_selected(constraints.get("objectSelector"))?
            && self.namespace_is_selected(constraints.get("namespaceSelector")).await?)
    }

    fn matches_rule(&self, rule: &Value, equivalent: bool) -> bool {
        let served = self.write.served;
        let lists = |field: &str, wanted: &str| {
            items(rule, field).iter().filter_map(Value::as_str).any(|item| item == "*" || item == wanted)
        };
        let version = lists("/apiVersions", &served.version) || equivalent && self.matches_other_version(rule);
        let operation = match self.write.operation.verb {
            Verb::Create => "CREATE",
            Verb::Update => "UPDATE",
            Verb::Delete => "DELETE",
        };
        let scope = match text(rule, "/scope") {
            "Namespaced" => served.namespaced,
            "Cluster" => !served.namespaced,
            _ => true,
        };
        let resource = |item: &str| {
            let (resource, subresource) = item.split_once('/').unwrap_or((item, ""));
            let name = resource == "*" || resource == served.plural;
            name && (subresource == "*" || subresource == self.subresource)
        };
        let names = items(rule, "/resourceNames");
        scope
            && lists("/operations", operation)
            && lists("/apiGroups", &served.group)
            && version
            && items(rule, "/resources").iter().filter_map(Value::as_str).any(resource)
            && (names.is_empty() || names.iter().any(|name| name == codec::meta_str(self.new, "name")))
    }

    /// Whether a rule names another version in which the resource is served.
    fn matches_other_version(&self, rule: &Value) -> bool {
        let served = self.write.served;
        items(rule, "/apiVersions").iter().filter_map(Value::as_str).any(|version| {
            let key = (served.group.clone(), version.to_owned(), served.plural.clone());
            served.is_custom() || catalog::builtin().get(&key).is_some()
        })
    }

    /// Whether the object, as it is or as it was, has the labels.
    fn is_selected(&self, selector: Option<&Value>) -> Result<bool, Status> {
        let selector = parse(selector)?;
        Ok(selector.matches_object(self.new) || self.write.old.is_some_and(|old| selector.matches_object(old)))
    }

    /// Whether the namespace has the labels. Cluster-scoped objects are never exempt, and a namespace stands for itself.
    async fn namespace_is_selected(&self, selector: Option<&Value>) -> Result<bool, Status> {
        let selector = parse(selector)?;
        let served = self.write.served;
        if served.is_namespace() {
            return Ok(selector.matches_object(self.new));
        }
        if !served.namespaced || selector.is_empty() {
            return Ok(true);
        }
        let name = codec::meta_str(self.new, "namespace");
        let namespaces = GroupResource { group: String::new(), resource: "namespaces".to_owned() };
        let found = self.write.find("", "namespaces", None, name).await?;
        Ok(selector.matches_object(&found.ok_or_else(|| Status::not_found(&namespaces, name))?))
    }
}

fn parse(selector: Option<&Value>) -> Result<LabelSelector, Status> {
    let Some(selector) = selector.filter(|selector| !selector.is_null()) else {
        return Ok(LabelSelector::everything());
    };
    LabelSelector::from_object(Some(selector)).map_err(Status::internal)
}
