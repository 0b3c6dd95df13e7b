//! LimitRanger: what a namespace lets containers, pods and claims ask for, and what they get when they don't ask.

use super::Verb;
use super::write::{Write, items, text};
use crate::authz::join_errors;
use crate::codec;
use kplex_machinery::builtin::resources::{Amounts, Side, amounts, of_container, of_pod};
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::quantity::Quantity;
use kplex_machinery::status::Status;
use serde_json::{Value, json};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

pub(super) async fn admit(write: &Write<'_>, new: &mut Value) -> Result<(), Status> {
    // Upstream also fills in defaults on a resize; containers there keep what they had.
    let fills = write.creates("", "pods") || is_resize(write);
    if !fills {
        return Ok(());
    }
    for range in ranges(write, new).await? {
        fill_in(new, &range);
    }
    Ok(())
}

pub(super) async fn validate(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    let claims = "persistentvolumeclaims";
    let concerned =
        write.creates("", "pods") || is_resize(write) || write.creates("", claims) || write.updates("", claims);
    let going = write.old.is_some_and(|old| !codec::meta_str(old, "deletionTimestamp").is_empty());
    if !concerned || going {
        return Ok(());
    }
    for range in ranges(write, new).await? {
        let errors = if write.is_of("", claims) { check_claim(new, &range) } else { check_pod(new, &range) };
        if !errors.is_empty() {
            return Err(write.forbidden(new, &join_errors(&errors)));
        }
    }
    Ok(())
}

fn is_resize(write: &Write<'_>) -> bool {
    write.is_of("", "pods") && write.operation.verb == Verb::Update && write.operation.part == Subresource::Resize
}

async fn ranges(write: &Write<'_>, new: &Value) -> Result<Vec<Value>, Status> {
    write.list("", "limitranges", Some(codec::meta_str(new, "namespace"))).await
}

/// Gives containers the defaults of a range, and says so in an annotation.
fn fill_in(pod: &mut Value, range: &Value) {
    let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
    for limit in items(range, "/spec/limits").iter().filter(|limit| text(limit, "/type") == "Container") {
        requests.extend(amounts(limit.get("defaultRequest")));
        limits.extend(amounts(limit.get("default")));
    }
    let mut said = Vec::new();
    for (list, word) in [("containers", "container"), ("initContainers", "init container")] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = text(container, "/name").to_owned();
            let set_limits = merge(container, Side::Limits, &limits);
            let set_requests = merge(container, Side::Requests, &requests);
            for (set, side) in [(set_requests, "request"), (set_limits, "limit")] {
                if !set.is_empty() {
                    said.push(format!("{} {side} for {word} {name}", set.join(", ")));
                }
            }
        }
    }
    if !said.is_empty() {
        let annotations = codec::metadata_mut(pod).entry("annotations").or_insert_with(|| json!({}));
        if annotations.is_null() {
            *annotations = json!({});
        }
        annotations[ANNOTATION] = Value::from(format!("LimitRanger plugin set: {}", said.join("; ")));
    }
}

/// Adds what is missing on one side, and returns the names of what was added.
fn merge(container: &mut Value, side: Side, defaults: &Amounts) -> Vec<String> {
    let own = of_container(container, side);
    let missing: Vec<String> = defaults.keys().filter(|name| !own.contains_key(*name)).cloned().collect();
    for name in &missing {
        if container["resources"].is_null() {
            container["resources"] = json!({});
        }
        if container["resources"][side.field()].is_null() {
            container["resources"][side.field()] = json!({});
        }
        container["resources"][side.field()][name] = Value::from(defaults[name].to_string());
    }
    missing
}

fn check_pod(pod: &Value, range: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    for limit in items(range, "/spec/limits") {
        match text(limit, "/type") {
            "Container" => {
                for container in items(pod, "/spec/containers").iter().chain(items(pod, "/spec/initContainers")) {
                    let (requests, limits) =
                        (of_container(container, Side::Requests), of_container(container, Side::Limits));
                    constrain(limit, &requests, &limits, &mut errors);
                }
            }
            "Pod" => constrain(limit, &of_pod(pod, Side::Requests), &of_pod(pod, Side::Limits), &mut errors),
            _ => {}
        }
    }
    errors
}

fn constrain(limit: &Value, requests: &Amounts, limits: &Amounts, errors: &mut Vec<String>) {
    let kind = text(limit, "/type");
    let mut check = |field: &str, rule: fn(&Rule<'_>) -> Option<String>| {
        for (resource, enforced) in &amounts(limit.get(field)) {
            let rule_input =
                Rule { kind, resource, enforced, request: requests.get(resource), limit: limits.get(resource) };
            errors.extend(rule(&rule_input));
        }
    };
    check("min", |rule| rule.min());
    check("max", |rule| rule.max());
    check("maxLimitRequestRatio", |rule| rule.ratio());
}

fn check_claim(claim: &Value, range: &Value) -> Vec<String> {
    let requests = amounts(claim.pointer("/spec/resources/requests"));
    let mut errors = Vec::new();
    for limit in items(range, "/spec/limits").iter().filter(|limit| text(limit, "/type") == "PersistentVolumeClaim") {
        let kind = "PersistentVolumeClaim";
        for (resource, enforced) in &amounts(limit.get("min")) {
            errors.extend(Rule { kind, resource, enforced, request: requests.get(resource), limit: None }.min());
        }
        for (resource, enforced) in &amounts(limit.get("max")) {
            errors
                .extend(Rule { kind, resource, enforced, request: requests.get(resource), limit: None }.max_request());
        }
    }
    errors
}

/// One bound on one resource, and what is asked for.
struct Rule<'a> {
    kind: &'a str,
    resource: &'a str,
    enforced: &'a Quantity,
    request: Option<&'a Quantity>,
    limit: Option<&'a Quantity>,
}

impl Rule<'_> {
    fn usage(&self, bound: &str, rest: &str) -> Option<String> {
        Some(format!("{bound} {} usage per {} is {}{rest}", self.resource, self.kind, self.enforced))
    }

    fn min(&self) -> Option<String> {
        match (self.request, self.limit) {
            (None, _) => self.usage("minimum", ".  No request is specified"),
            (Some(request), _) if request < self.enforced => {
                self.usage("minimum", &format!(", but request is {request}"))
            }
            (_, Some(limit)) if limit < self.enforced => self.usage("minimum", &format!(", but limit is {limit}")),
            _ => None,
        }
    }

    fn max(&self) -> Option<String> {
        match (self.request, self.limit) {
            (_, None) => self.usage("maximum", ".  No limit is specified"),
            (_, Some(limit)) if limit > self.enforced => self.usage("maximum", &format!(", but limit is {limit}")),
            (Some(request), _) if request > self.enforced => {
                self.usage("maximum", &format!(", but request is {request}"))
            }
            _ => None,
        }
    }

    fn max_request(&self) -> Option<String> {
        match self.request {
            None => self.usage("maximum", ".  No request is specified"),
            Some(request) if request > self.enforced => self.usage("maximum", &format!(", but request is {request}")),
            Some(_) => None,
        }
    }

    fn ratio(&self) -> Option<String> {
        let start = format!("{} max limit to request ratio per {} is {}", self.resource, self.kind, self.enforced);
        let zero = |amount: Option<&Quantity>| amount.is_none_or(Quantity::is_zero);
        if zero(self.request) {
            return Some(format!("{start}, but no request is specified or request is 0"));
        }
        if zero(self.limit) {
            return Some(format!("{start}, but no limit is specified or limit is 0"));
        }
        let number = |amount: Option<&Quantity>| amount.map_or(0.0, Quantity::as_f64);
        let ratio = number(self.limit) / number(self.request);
        (ratio > self.enforced.as_f64()).then(|| format!("{start}, but provided ratio is {ratio:.6}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(limit: Value) -> Value {
        json!({"spec": {"limits": [limit]}})
    }

    #[test]
    fn defaults_are_filled_in_and_named() {
        let range = range(
            json!({"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "500m"}}),
        );
        let mut pod =
            json!({"metadata": {}, "spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "2"}}}]}});
        fill_in(&mut pod, &range);
        let resources = json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "500m"}});
        assert_eq!(pod["spec"]["containers"][0]["resources"], resources);
        assert_eq!(
            pod["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu request for container a; memory limit for container a"
        );
    }

    #[test]
    fn bounds_are_worded_as_upstream() {
        let range = range(
            json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "2"}}),
        );
        let pod = |requests: Value, limits: Value| json!({"spec": {"containers": [{"name": "a", "resources": {"requests": requests, "limits": limits}}]}});
        assert_eq!(check_pod(&pod(json!({"cpu": "500m"}), json!({"cpu": "1"})), &range), Vec::<String>::new());
        assert_eq!(
            check_pod(&pod(json!({"cpu": "50m"}), json!({"cpu": "2"})), &range),
            [
                "minimum cpu usage per Container is 100m, but request is 50m",
                "maximum cpu usage per Container is 1, but limit is 2",
                "cpu max limit to request ratio per Container is 2, but provided ratio is 40.000000",
            ]
        );
        assert_eq!(
            check_pod(&pod(json!({}), json!({})), &range)[0],
            "minimum cpu usage per Container is 100m.  No request is specified"
        );
    }

    #[test]
    fn claims_are_bound_by_their_request() {
        let range =
            range(json!({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}));
        let claim = |size: &str| json!({"spec": {"resources": {"requests": {"storage": size}}}});
        assert!(check_claim(&claim("1Gi"), &range).is_empty());
        assert_eq!(
            check_claim(&claim("3Gi"), &range),
            ["maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"]
        );
    }
}
