//! Whether one set of rules covers another: what a user must already hold before granting it.

use super::rule::{Rule, Words, has, path_covers};
use std::collections::BTreeMap;

/// Returns the parts of `wanted`, broken down to single permissions, that no rule of `held` covers.
#[must_use]
pub fn uncovered(held: &[&Rule], wanted: &[Rule]) -> Vec<Rule> {
    let mut missing = Vec::new();
    for rule in wanted {
        for part in break_down(rule) {
            if !held.iter().any(|owner| covers(owner, &part)) {
                missing.push(part);
            }
        }
    }
    missing
}

/// Joins single permissions that differ only in their verb, for a shorter message.
#[must_use]
pub fn compact(parts: Vec<Rule>) -> Vec<Rule> {
    let mut simple: BTreeMap<(Words, Words, Words), Vec<Box<str>>> = BTreeMap::new();
    let mut compacted = Vec::new();
    for part in parts {
        let is_simple = part.api_groups.len() == 1
            && part.resources.len() == 1
            && part.resource_names.len() <= 1
            && part.non_resource_urls.is_empty();
        if is_simple {
            let key = (part.api_groups, part.resources, part.resource_names);
            simple.entry(key).or_default().extend(part.verbs);
        } else {
            compacted.push(part);
        }
    }
    compacted.extend(simple.into_iter().map(|((api_groups, resources, resource_names), verbs)| Rule {
        api_groups,
        resources,
        resource_names,
        non_resource_urls: Words::default(),
        verbs: verbs.into(),
    }));
    compacted
}

fn one(word: &str) -> Words {
    Box::new([word.into()])
}

fn break_down(rule: &Rule) -> Vec<Rule> {
    let mut parts = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let part =
                    Rule { api_groups: one(group), resources: one(resource), verbs: one(verb), ..Rule::default() };
                if rule.resource_names.is_empty() {
                    parts.push(part);
                } else {
                    let named = |name| Rule { resource_names: one(name), ..part.clone() };
                    parts.extend(rule.resource_names.iter().map(|name| named(name)));
                }
            }
        }
    }
    for url in &rule.non_resource_urls {
        for verb in &rule.verbs {
            parts.push(Rule { non_resource_urls: one(url), verbs: one(verb), ..Rule::default() });
        }
    }
    parts
}

/// Tells whether `owner` covers `part`, which names at most one thing of each sort.
fn covers(owner: &Rule, part: &Rule) -> bool {
    let word = |words: &Words, wanted: &Words| has(words, "*") || wanted.iter().all(|item| has(words, item));
    let names = match (owner.resource_names.is_empty(), part.resource_names.is_empty()) {
        (true, _) => true,
        (false, true) => false,
        (false, false) => part.resource_names.iter().all(|name| has(&owner.resource_names, name)),
    };
    names
        && word(&owner.verbs, &part.verbs)
        && word(&owner.api_groups, &part.api_groups)
        && (has(&owner.resources, "*") || part.resources.iter().all(|item| covers_resource(&owner.resources, item)))
        && part.non_resource_urls.iter().all(|url| owner.non_resource_urls.iter().any(|own| path_covers(own, url)))
}

fn covers_resource(owned: &Words, wanted: &str) -> bool {
    has(owned, wanted)
        || wanted.split_once('/').is_some_and(|(_, sub)| {
            owned.iter().any(|own| own.strip_prefix("*/").is_some_and(|owned_sub| owned_sub == sub))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rules(value: Value) -> Vec<Rule> {
        serde_json::from_value(value).expect("test rules")
    }

    fn check(held: Value, wanted: Value, missing: &[&str]) {
        let held = rules(held);
        let held: Vec<&Rule> = held.iter().collect();
        let mut got: Vec<String> = compact(uncovered(&held, &rules(wanted))).iter().map(Rule::compact_string).collect();
        got.sort();
        assert_eq!(got, missing);
    }

    #[test]
    fn coverage_is_upstreams() {
        let pods = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]);
        check(pods.clone(), pods.clone(), &[]);
        check(json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]), pods.clone(), &[]);
        check(json!([]), pods.clone(), &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#]);
        let two = json!([
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        ]);
        check(two, pods.clone(), &[]);
        let named = json!([{"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["get"]}]);
        check(pods.clone(), named.clone(), &[]);
        check(named, pods, &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#]);
        let status = json!([{"apiGroups": ["apps"], "resources": ["x/status"], "verbs": ["get"]}]);
        check(json!([{"apiGroups": ["apps"], "resources": ["*/status"], "verbs": ["get"]}]), status.clone(), &[]);
        check(
            json!([{"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["get"]}]),
            status,
            &[r#"{APIGroups:["apps"], Resources:["x/status"], Verbs:["get"]}"#],
        );
        let urls = json!([{"nonResourceURLs": ["/api/*", "/x"], "verbs": ["get"]}]);
        check(
            json!([{"nonResourceURLs": ["/api/*"], "verbs": ["*"]}]),
            urls,
            &[r#"{NonResourceURLs:["/x"], Verbs:["get"]}"#],
        );
    }
}
