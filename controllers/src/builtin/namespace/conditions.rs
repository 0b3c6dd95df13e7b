//! The conditions of a terminating namespace: what was deleted, what remains and what holds it. Pure.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Finalizers count as an explanation for what remains; so does a grace period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remaining {
    group: String,
    plural: String,
    count: usize,
    finalizers: BTreeMap<String, usize>,
    /// Objects that nothing holds and that were not even marked as deleted.
    unexplained: bool,
}

impl Remaining {
    /// Counts the objects of a resource that are still there.
    pub(super) fn of(group: &str, plural: &str, objects: &[Value]) -> Self {
        let mut remaining =
            Self { group: group.to_owned(), plural: plural.to_owned(), count: objects.len(), ..Self::default() };
        for object in objects {
            let list = object.pointer("/metadata/finalizers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for finalizer in list.iter().filter_map(Value::as_str) {
                *remaining.finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
            remaining.unexplained |= list.is_empty() && object.pointer("/metadata/deletionTimestamp").is_none();
        }
        remaining
    }
}

/// How far the deletion of a namespace's content came.
#[derive(Debug, Default)]
pub(super) struct Progress {
    discovery: Option<String>,
    failures: Vec<String>,
    remaining: Vec<Remaining>,
    /// Every kind was looked at; before that, what remains is not told.
    finished: bool,
}

impl Progress {
    /// Some resources could not be found out.
    pub(super) fn discovery_failed(&mut self, why: String) {
        self.discovery = Some(why);
    }

    /// A kind could not be deleted.
    pub(super) fn deletion_failed(&mut self, why: String) {
        self.failures.push(why);
    }

    /// Adds what is left of a kind.
    pub(super) fn add(&mut self, remaining: Remaining) {
        if remaining.count > 0 {
            self.remaining.push(remaining);
        }
    }

    /// Every kind was looked at.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// Whether anything is left.
    pub(super) fn remains(&self) -> bool {
        !self.remaining.is_empty()
    }

    /// Whether pods are left.
    pub(super) fn has_remaining_pods(&self) -> bool {
        self.remaining.iter().any(|remaining| remaining.group.is_empty() && remaining.plural == "pods")
    }

    /// Why it has to be tried again, if it has.
    pub(super) fn failure(&self) -> Option<String> {
        let unexplained = self.remaining.iter().filter(|remaining| remaining.unexplained);
        let unexplained = unexplained
            .map(|remaining| format!("unexpected items still remain: {}.{}", remaining.plural, remaining.group));
        let all: Vec<String> = self.discovery.iter().chain(&self.failures).cloned().chain(unexplained).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// Writes the conditions into a status.
    pub(super) fn write(&self, status: &mut Value, now: &str) {
        let old = status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut list = old;
        for (kind, value, reason, message) in self.conditions() {
            set(&mut list, kind, value, reason, &message, now);
        }
        status["conditions"] = Value::Array(list);
    }

    fn conditions(&self) -> [(&'static str, bool, &'static str, String); 5] {
        let discovery = match &self.discovery {
            Some(why) => (true, "DiscoveryFailed", why.clone()),
            None => (false, "ResourcesDiscovered", "All resources successfully discovered".to_owned()),
        };
        let parsing = (false, "ParsedGroupVersions", "All legacy kube types successfully parsed".to_owned());
        let content = self.content();
        let remaining = self.remaining_text();
        let finalizers = self.finalizers_text();
        [
            ("NamespaceDeletionDiscoveryFailure", discovery.0, discovery.1, discovery.2),
            ("NamespaceDeletionGroupVersionParsingFailure", parsing.0, parsing.1, parsing.2),
            ("NamespaceDeletionContentFailure", content.0, content.1, content.2),
            ("NamespaceContentRemaining", remaining.0, remaining.1, remaining.2),
            ("NamespaceFinalizersRemaining", finalizers.0, finalizers.1, finalizers.2),
        ]
    }

    fn content(&self) -> (bool, &'static str, String) {
        if self.failures.is_empty() {
            let text = "All content successfully deleted, may be waiting on finalization";
            return (false, "ContentDeleted", text.to_owned());
        }
        let mut failures = self.failures.clone();
        failures.sort();
        let text =
            format!("Failed to delete all resource types, {} remaining: {}", failures.len(), failures.join(", "));
        (true, "ContentDeletionFailed", text)
    }

    fn remaining_text(&self) -> (bool, &'static str, String) {
        let told = self.remaining.iter().filter(|_| self.finished);
        let mut list: Vec<String> =
            told.map(|left| format!("{}.{} has {} resource instances", left.plural, left.group, left.count)).collect();
        if list.is_empty() {
            return (false, "ContentRemoved", "All content successfully removed".to_owned());
        }
        list.sort();
        (true, "SomeResourcesRemain", format!("Some resources are remaining: {}", list.join(", ")))
    }

    fn finalizers_text(&self) -> (bool, &'static str, String) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (finalizer, count) in self.remaining.iter().filter(|_| self.finished).flat_map(|left| &left.finalizers) {
            *counts.entry(finalizer).or_default() += count;
        }
        if counts.is_empty() {
            return (false, "ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned());
        }
        let mut list: Vec<String> =
            counts.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances")).collect();
        list.sort();
        let text = format!("Some content in the namespace has finalizers remaining: {}", list.join(", "));
        (true, "SomeFinalizersRemain", text)
    }
}

/// Sets a condition; its time changes with its status only.
fn set(list: &mut Vec<Value>, kind: &str, value: bool, reason: &str, message: &str, now: &str) {
    let value = if value { "True" } else { "False" };
    let fresh = json!({"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": now});
    match list.iter_mut().find(|condition| condition["type"] == kind) {
        None => list.push(fresh),
        Some(condition) => {
            let since = condition["lastTransitionTime"].clone();
            let same = condition["status"] == value;
            *condition = fresh;
            if same && !since.is_null() {
                condition["lastTransitionTime"] = since;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(finalizers: &[&str]) -> Value {
        json!({"metadata": {"finalizers": finalizers, "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    }

    fn text<'s>(status: &'s Value, kind: &str) -> (&'s str, &'s str) {
        let list = status["conditions"].as_array().unwrap();
        let found = list.iter().find(|condition| condition["type"] == kind).unwrap();
        (found["status"].as_str().unwrap(), found["message"].as_str().unwrap())
    }

    #[test]
    fn what_remains_and_what_holds_it_is_told_in_upstreams_words() {
        let mut progress = Progress::default();
        progress.add(Remaining::of("", "configmaps", &[object(&["a/b"]), object(&["a/b", "c/d"])]));
        progress.add(Remaining::of("apps", "deployments", &[object(&["c/d"])]));
        progress.finish();
        let mut status = json!({"phase": "Terminating"});
        progress.write(&mut status, "2026-01-01T00:00:00Z");
        let remaining = "Some resources are remaining: configmaps. has 2 resource instances, deployments.apps has 1 resource instances";
        assert_eq!(text(&status, "NamespaceContentRemaining"), ("True", remaining));
        let held = "Some content in the namespace has finalizers remaining: a/b in 2 resource instances, c/d in 2 resource instances";
        assert_eq!(text(&status, "NamespaceFinalizersRemaining"), ("True", held));
        assert_eq!(text(&status, "NamespaceDeletionContentFailure").0, "False");
        assert_eq!(progress.failure(), None, "finalizers are no failure");
        let mut done = Progress::default();
        done.finish();
        done.write(&mut status, "2027-01-01T00:00:00Z");
        assert_eq!(text(&status, "NamespaceContentRemaining"), ("False", "All content successfully removed"));
        assert_eq!(status["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:00Z", "unchanged");
        assert_eq!(status["conditions"][3]["lastTransitionTime"], "2027-01-01T00:00:00Z");
    }

    #[test]
    fn objects_that_nothing_holds_are_tried_again() {
        let mut progress = Progress::default();
        progress.add(Remaining::of("", "pods", &[json!({"metadata": {}})]));
        assert!(progress.has_remaining_pods());
        assert!(progress.failure().unwrap().contains("pods."));
        let mut grace = Progress::default();
        grace.add(Remaining::of("", "pods", &[json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})]));
        assert_eq!(grace.failure(), None);
    }
}
