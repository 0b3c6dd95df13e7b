//! The base's roles and bindings, compiled once for the process and shared by all tenants.

use super::base::{key, objects, type_first};
use crate::authz::RBAC_GROUP;
use crate::authz::layer::{Kind, Layer};
use kplex_storage::Key;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The compiled RBAC objects of the base.
pub struct BaseRbac {
    /// The objects, compiled.
    pub layer: Layer,
    /// What decides about an object: its members outside `metadata`, serialised.
    essence: HashMap<Key, Essence>,
}

/// The bytes of a base object before and after `metadata`, which hold everything that RBAC reads.
struct Essence {
    head: Box<[u8]>,
    tail: Box<[u8]>,
}

impl BaseRbac {
    /// Returns the process's one.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<BaseRbac> = LazyLock::new(BaseRbac::compile);
        &SHARED
    }

    fn compile() -> Self {
        let mut compiled = Self { layer: Layer::default(), essence: HashMap::new() };
        for row in objects().iter().filter(|row| row.group == RBAC_GROUP) {
            let Some(kind) = Kind::of_resource(&row.resource) else { continue };
            let key = key(row);
            let namespace = key.namespace().unwrap_or_default();
            let json = row.object.to_string();
            compiled
                .layer
                .put(kind, namespace, key.name(), json.as_bytes())
                .expect("the base's objects are well formed");
            compiled.essence.insert(key, Essence::of(&row.object));
        }
        compiled
    }

    /// Tells whether stored bytes say the same as the base's object of that key. False negatives only cost memory.
    #[must_use]
    pub fn is_same(&self, key: &Key, value: &[u8]) -> bool {
        self.essence.get(key).is_some_and(|essence| value.starts_with(&essence.head) && value.ends_with(&essence.tail))
    }

    /// Returns the keys of the base's objects.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.essence.keys()
    }
}

impl Essence {
    fn of(object: &Value) -> Self {
        let map = object.as_object().expect("bootstrap objects are objects");
        let (mut head, mut tail) = (b"{".to_vec(), b"}".to_vec());
        let mut after = false;
        for (key, value) in type_first(map) {
            if key == "metadata" {
                head.extend_from_slice(br#""metadata":{"#);
                after = true;
                continue;
            }
            let member = format!("{}:{value}", Value::from(key.as_str()));
            if after {
                tail.extend_from_slice(b",");
                tail.extend_from_slice(member.as_bytes());
            } else {
                head.extend_from_slice(member.as_bytes());
                head.push(b',');
            }
        }
        // Metadata ends before what follows it, and the whole document after that.
        tail.push(b'}');
        Self { head: head.into(), tail: tail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::user::User;
    use crate::authz::attributes::{Attributes, ResourceTarget, Target};
    use crate::authz::policy::Policy;
    use crate::codec;
    use serde_json::json;

    fn may(user: &User, verb: &str, target: Target<'_>) -> (bool, String) {
        let own = Layer::default();
        let policy = Policy { base: &BaseRbac::shared().layer, own: &own };
        let decision = policy.authorize(&Attributes { user, verb, target });
        (decision.allowed(), decision.reason())
    }

    #[test]
    fn the_base_alone_answers_as_a_fresh_cluster() {
        let somebody = User::named("jo").authenticated();
        let pods = |namespace: &'static str| {
            Target::Resource(ResourceTarget { namespace, resource: "pods", ..ResourceTarget::default() })
        };
        let reason = |role: &str, group: &str| {
            format!(r#"RBAC: allowed by ClusterRoleBinding "{role}" of ClusterRole "{role}" to Group "{group}""#)
        };
        assert_eq!(may(&somebody, "list", pods("default")), (false, String::new()));
        assert_eq!(
            may(&somebody, "get", Target::Path("/apis/apps/v1")),
            (true, reason("system:discovery", "system:authenticated"))
        );
        assert_eq!(may(&User::anonymous(), "get", Target::Path("/apis")), (false, String::new()));
        let viewer = reason("system:public-info-viewer", "system:unauthenticated");
        assert_eq!(may(&User::anonymous(), "get", Target::Path("/version")), (true, viewer));
        let collector = User::service_account("kube-system", "generic-garbage-collector", "1").authenticated();
        assert!(may(&collector, "delete", pods("x")).0);
        let cleaner = User::service_account("kube-system", "token-cleaner", "1").authenticated();
        let secrets = ResourceTarget { namespace: "kube-system", resource: "secrets", ..ResourceTarget::default() };
        assert_eq!(
            may(&cleaner, "get", Target::Resource(secrets)).1,
            r#"RBAC: allowed by RoleBinding "system:controller:token-cleaner/kube-system" of Role "system:controller:token-cleaner" to ServiceAccount "token-cleaner/kube-system""#
        );
    }

    /// Answers of a fresh kube-apiserver 1.35.4 to SubjectAccessReviews, drawn at random from its own rules.
    const ANSWERS: &str = include_str!("../authz/testdata/access-1.35.tsv");

    #[test]
    fn the_base_allows_what_a_real_server_allows() {
        let blank = |text: &'static str| if text == "-" { "" } else { text };
        for line in ANSWERS.lines() {
            let columns: Vec<&'static str> = line.split('\t').collect();
            let [answer, name, groups, question] = columns.as_slice() else { panic!("four columns: {line}") };
            let groups: Vec<&str> = blank(groups).split_whitespace().collect();
            let words: Vec<&'static str> = question.split(' ').map(blank).collect();
            let target = match words.as_slice() {
                ["path", _, path] => Target::Path(path),
                ["resource", _, group, resource, namespace, name] => {
                    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                    Target::Resource(ResourceTarget { namespace, group, resource, subresource, name })
                }
                other => panic!("a question: {other:?}"),
            };
            let user = User::named(name).with_groups(&groups);
            assert_eq!(may(&user, words[1], target).0, *answer == "allowed", "{line}");
        }
    }

    #[test]
    fn a_rendered_object_is_the_bases_and_a_changed_one_is_not() {
        let shared = BaseRbac::shared();
        for row in objects().iter().filter(|row| row.group == RBAC_GROUP) {
            let mut object = row.object.clone();
            object["metadata"]["uid"] = json!("1");
            object["metadata"]["creationTimestamp"] = json!("2026-11-23T00:00:00Z");
            assert!(shared.is_same(&key(row), &codec::pack(&object, 0).0), "{}", key(row));
            let member = if row.resource.ends_with("roles") { "rules" } else { "subjects" };
            object[member] = json!([]);
            let empty_before = row.object[member].as_array().is_none_or(Vec::is_empty);
            assert!(empty_before || !shared.is_same(&key(row), &codec::pack(&object, 0).0), "{}", key(row));
        }
    }
}
