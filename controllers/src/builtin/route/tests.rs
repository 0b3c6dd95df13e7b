use super::*;
use bytes::Bytes;
use kplex_storage::{Revision, Stamp};
use serde_json::{Value, json};

const TENANT: TenantId = TenantId::new(1);

fn entry(key: &Key, object: &Value) -> Entry {
    let value = Bytes::from(object.to_string());
    Entry { key: key.clone(), revision: Revision::new(1), stamp: Stamp::default(), value }
}

/// Routes a change and returns the work as `controller key`.
fn works(key: &Key, before: Option<Value>, after: Option<Value>, waiting: &Waiting) -> Vec<String> {
    let (before, after) = (before.map(|object| entry(key, &object)), after.map(|object| entry(key, &object)));
    let change = Change { key, before: before.as_ref(), after: after.as_ref() };
    let works = route(TENANT, change, waiting);
    works.iter().map(|work| format!("{} {}", work.controller.name(), work.key)).collect()
}

fn object(fields: Value) -> Option<Value> {
    let mut object = json!({"metadata": {"uid": "u"}});
    for (field, value) in fields.as_object().unwrap() {
        object["metadata"][field] = value.clone();
    }
    Some(object)
}

#[test]
fn a_change_that_concerns_nobody_costs_no_work() {
    let key = Key::new("", "configmaps", Some("a"), "b");
    let waiting = Waiting::default();
    assert!(works(&key, None, object(json!({})), &waiting).is_empty());
    assert!(works(&key, object(json!({})), object(json!({"labels": {"a": "b"}})), &waiting).is_empty());
}

#[test]
fn namespaces_are_kept_up_and_emptied() {
    let (key, waiting) = (Key::new("", "namespaces", None, "a"), Waiting::default());
    let active = object(json!({}));
    assert_eq!(works(&key, None, active.clone(), &waiting), ["default-account a", "root-certificate a"]);
    let deleted = object(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
    assert_eq!(works(&key, active, deleted.clone(), &waiting), ["namespace a"]);
    let content = Key::new("", "secrets", Some("a"), "b");
    let departed = works(&content, object(json!({})), None, &waiting);
    assert_eq!(
        departed,
        ["owner-gone u//secrets/a/b", "quota a", "namespace a"],
        "what goes brings the namespace back"
    );
    assert_eq!(works(&key, deleted, None, &waiting), ["owner-gone u//namespaces/a", "base-object /namespaces/a"]);
    assert!(waiting.is_idle(TENANT));
}

#[test]
fn owners_and_dependents_are_looked_at_when_they_change() {
    let (owner, dependent) = (Key::new("", "secrets", Some("a"), "o"), Key::new("apps", "replicasets", Some("a"), "d"));
    let waiting = Waiting::default();
    let owned = object(json!({"uid": "d", "ownerReferences": [{"uid": "u"}]}));
    assert_eq!(works(&dependent, None, owned.clone(), &waiting), ["collect apps/replicasets/a/d"]);
    assert!(works(&dependent, owned.clone(), owned.clone(), &waiting).is_empty(), "nothing changed");
    let waits = object(json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}));
    assert_eq!(works(&owner, object(json!({})), waits.clone(), &waiting), ["collect /secrets/a/o"]);
    let gone = works(&dependent, owned, None, &waiting);
    assert_eq!(gone, ["owner-gone d/apps/replicasets/a/d", "collect /secrets/a/o", "quota a"]);
    assert_eq!(works(&owner, waits, None, &waiting), ["owner-gone u//secrets/a/o", "quota a"]);
    assert!(waiting.is_idle(TENANT));
}

#[test]
fn quotas_are_counted_anew_when_they_change_and_not_when_they_are_charged() {
    let (key, waiting) = (Key::new("", "resourcequotas", Some("a"), "q"), Waiting::default());
    let quota =
        |hard: &str, used: &str| Some(json!({"spec": {"hard": {"pods": hard}}, "status": {"used": {"pods": used}}}));
    assert_eq!(works(&key, None, quota("1", "0"), &waiting), ["quota a"]);
    assert_eq!(works(&key, quota("1", "0"), quota("2", "0"), &waiting), ["quota a"]);
    assert!(works(&key, quota("1", "0"), quota("1", "1"), &waiting).is_empty(), "a charge");
    let pod = Key::new("", "pods", Some("a"), "p");
    assert!(works(&pod, None, object(json!({})), &waiting).is_empty(), "admission has charged it");
    assert_eq!(works(&pod, object(json!({})), object(json!({})), &waiting), ["quota a"], "it may use less now");
}

#[test]
fn a_control_plane_is_looked_at_when_it_changes_or_loses_what_was_made_for_it() {
    let waiting = Waiting::default();
    let plane = Key::new("tenancy.kflex.kubestellar.org", "controlplanes", None, "cp");
    assert_eq!(works(&plane, None, object(json!({})), &waiting), ["control-plane cp"]);
    let secret = Key::new("", "secrets", Some("cp-system"), "admin-kubeconfig");
    let ours = || object(json!({"annotations": {"kplex.kubestellar.org/tenant-uid": "t"}}));
    assert!(works(&secret, None, ours(), &waiting).is_empty(), "the operator makes it");
    assert_eq!(works(&secret, ours(), object(json!({})), &waiting), ["control-plane cp"]);
    assert!(works(&secret, None, object(json!({})), &waiting).is_empty(), "somebody else's");
    let space = Key::new("", "namespaces", None, "cp-system");
    assert!(works(&space, object(json!({})), None, &waiting).contains(&"control-plane cp".to_owned()));
}

#[test]
fn events_own_nothing() {
    let key = Key::new("", "events", Some("a"), "e");
    assert!(works(&key, object(json!({})), None, &Waiting::default()).is_empty());
}
