//! One RBAC policy rule: its compact form, how it is read from JSON, and what it allows.

use super::attributes::{Attributes, ResourceTarget, Target};
use kplex_machinery::field_error::go_quote;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A list of words without spare capacity; most rules live as long as their tenant is warm.
pub type Words = Box<[Box<str>]>;

/// `PolicyRule` of rbac.authorization.k8s.io/v1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// API groups; `*` is any.
    #[serde(deserialize_with = "words_or_null")]
    pub api_groups: Words,
    /// Resources, `resource/subresource`, `*/subresource` or `*`.
    #[serde(deserialize_with = "words_or_null")]
    pub resources: Words,
    /// Object names; empty is any.
    #[serde(deserialize_with = "words_or_null")]
    pub resource_names: Words,
    /// Paths; a trailing `*` matches any suffix.
    #[serde(rename = "nonResourceURLs", deserialize_with = "words_or_null")]
    pub non_resource_urls: Words,
    /// Verbs; `*` is any.
    #[serde(deserialize_with = "words_or_null")]
    pub verbs: Words,
}

fn words_or_null<'de, D: Deserializer<'de>>(input: D) -> Result<Words, D::Error> {
    Ok(Option::<Words>::deserialize(input)?.unwrap_or_default())
}

/// Tells whether `list` has `word`.
#[must_use]
pub fn has(list: &[Box<str>], word: &str) -> bool {
    list.iter().any(|item| **item == *word)
}

fn has_or_star(list: &[Box<str>], word: &str) -> bool {
    list.iter().any(|item| **item == *word || &**item == "*")
}

impl Rule {
    /// Tells whether this rule allows what is asked, whoever asks.
    #[must_use]
    pub fn allows(&self, attributes: &Attributes<'_>) -> bool {
        match attributes.target {
            Target::Resource(target) => self.allows_resource(attributes.verb, &target),
            Target::Path(path) => has_or_star(&self.verbs, attributes.verb) && self.matches_path(path),
        }
    }

    fn allows_resource(&self, verb: &str, target: &ResourceTarget<'_>) -> bool {
        has_or_star(&self.verbs, verb)
            && has_or_star(&self.api_groups, target.group)
            && self.resources.iter().any(|pattern| matches_resource(pattern, target.resource, target.subresource))
            && (self.resource_names.is_empty() || has(&self.resource_names, target.name))
    }

    fn matches_path(&self, path: &str) -> bool {
        self.non_resource_urls.iter().any(|pattern| path_covers(pattern, path))
    }

    /// Returns the rule as upstream prints it in escalation errors.
    #[must_use]
    pub fn compact_string(&self) -> String {
        let parts: Vec<String> = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ]
        .into_iter()
        .filter(|(_, words)| !words.is_empty())
        .map(|(label, words)| format!("{label}:{}", quote_list(words)))
        .collect();
        format!("{{{}}}", parts.join(", "))
    }

    /// Returns the rule as an API object; empty lists are left out, except the verbs.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        for (key, words) in [
            ("apiGroups", &self.api_groups),
            ("resources", &self.resources),
            ("resourceNames", &self.resource_names),
            ("nonResourceURLs", &self.non_resource_urls),
        ] {
            if !words.is_empty() {
                map.insert(key.to_owned(), words_value(words));
            }
        }
        map.insert("verbs".to_owned(), words_value(&self.verbs));
        Value::Object(map)
    }
}

/// Returns the words as a JSON array.
#[must_use]
pub fn words_value(words: &[Box<str>]) -> Value {
    words.iter().map(|word| Value::from(&**word)).collect()
}

/// Returns the words as Go prints a quoted list: `["a" "b"]`.
#[must_use]
pub fn quote_list<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| go_quote(word.as_ref())).collect();
    format!("[{}]", quoted.join(" "))
}

/// Tells whether a path pattern of a rule covers a path (or a narrower pattern).
#[must_use]
pub fn path_covers(pattern: &str, path: &str) -> bool {
    pattern == path || (pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*')))
}

fn matches_resource(pattern: &str, resource: &str, subresource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    if subresource.is_empty() {
        return pattern == resource;
    }
    let main_matches = |main: &str| {
        pattern.strip_prefix(main).and_then(|rest| rest.strip_prefix('/')).is_some_and(|sub| sub == subresource)
    };
    main_matches(resource) || main_matches("*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::user::User;
    use serde_json::json;

    fn rule(value: Value) -> Rule {
        serde_json::from_value(value).expect("test rule")
    }

    fn resource<'a>(group: &'a str, path: &'a str, name: &'a str) -> Target<'a> {
        let (resource, subresource) = path.split_once('/').unwrap_or((path, ""));
        Target::Resource(ResourceTarget { namespace: "", group, resource, subresource, name })
    }

    fn check(rule_value: Value, verb: &str, target: Target<'_>, expected: bool) {
        let user = User::named("u");
        let got = rule(rule_value.clone()).allows(&Attributes { user: &user, verb, target });
        assert_eq!(got, expected, "{rule_value} {verb} {target:?}");
    }

    #[test]
    fn rules_match_as_upstream() {
        let pods = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]});
        check(pods.clone(), "get", resource("", "pods", "a"), true);
        check(pods.clone(), "delete", resource("", "pods", "a"), false);
        check(pods.clone(), "get", resource("apps", "pods", "a"), false);
        check(pods.clone(), "get", resource("", "pods/log", "a"), false);
        check(pods, "get", Target::Path("/pods"), false);
        let scale = json!({"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["*"]});
        check(scale.clone(), "patch", resource("apps", "deployments/scale", "a"), true);
        check(scale.clone(), "patch", resource("apps", "deployments/status", "a"), false);
        check(scale, "patch", resource("apps", "deployments", "a"), false);
        let all = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]});
        check(all.clone(), "x", resource("g", "a/b", ""), true);
        check(all, "get", Target::Path("/version"), false);
        let named = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s"], "verbs": ["get"]});
        check(named.clone(), "get", resource("", "secrets", "s"), true);
        check(named.clone(), "get", resource("", "secrets", "t"), false);
        check(named, "get", resource("", "secrets", ""), false);
        let paths = json!({"nonResourceURLs": ["/healthz", "/apis/*"], "verbs": ["get"]});
        check(paths.clone(), "get", Target::Path("/healthz"), true);
        check(paths.clone(), "get", Target::Path("/healthz/etcd"), false);
        check(paths.clone(), "get", Target::Path("/apis/apps"), true);
        check(paths, "post", Target::Path("/apis/apps"), false);
        check(json!({"nonResourceURLs": ["*"], "verbs": ["*"]}), "post", Target::Path("/x"), true);
        check(json!({"verbs": null, "resources": null}), "get", resource("", "pods", ""), false);
    }

    #[test]
    fn compact_string_is_gos() {
        let text =
            rule(json!({"apiGroups": ["", "apps"], "resources": ["a"], "resourceNames": ["n"], "verbs": ["get"]}));
        assert_eq!(
            text.compact_string(),
            r#"{APIGroups:["" "apps"], Resources:["a"], ResourceNames:["n"], Verbs:["get"]}"#
        );
    }
}
