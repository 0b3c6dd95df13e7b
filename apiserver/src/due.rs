//! Work that must go on without a request, written in the commit that causes it (D8).
//!
//! The kinds are named here and handled by the controllers; storage keeps them as opaque rows. What rows an object calls
//! for follows from the object alone, so that the commit that changes it also removes the rows of its former state.

use crate::bootstrap::reconcile::wants_start;
use crate::codec;
use crate::resource::Served;
use jiff::{SignedDuration, Timestamp};
use kplex_storage::{Due, Key, WriteSet};
use serde_json::Value;

/// A namespace is terminating: its content has to go. The key is its name.
pub const NAMESPACE: &str = "namespace";
/// An object waits for the garbage collector. The key is the object's.
pub const COLLECT: &str = "collect";
/// A CustomResourceDefinition is terminating. The key is its name.
pub const DEFINITION: &str = "definition";
/// A volume, claim or attribute class waits until nobody uses it. The key is the object's.
pub const PROTECTION: &str = "protection";
/// A certificate signing request has had its time. The key is its name.
pub const CERTIFICATE: &str = "certificate";
/// A bootstrap token expires. The key is the Secret's name.
pub const BOOTSTRAP_TOKEN: &str = "bootstrap-token";
/// An event has had its time. The key is the object's.
pub const EVENT_EXPIRY: &str = "event-expiry";
/// Credentials in a Secret are to be renewed. The key is the Secret's.
pub const RENEWAL: &str = "renewal";
/// An object of the base that upstream's next start would bring back. The key is the object's.
pub const BASE_OBJECT: &str = "base-object";
/// Work of a controller that failed, or that waits for its time. The key is the controller's; it also removes the row.
pub const RETRY: &str = "retry";

/// Annotation of a Secret that holds credentials: when they want to be renewed, RFC 3339.
pub const RENEW_AT: &str = "kplex.kubestellar.org/renew-at";

/// How long events are kept; upstream's `--event-ttl`.
pub const EVENT_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// How long a certificate signing request is kept after it was issued, denied or failed; upstream's.
const SETTLED_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// How long a certificate signing request is kept that nobody settled; upstream's.
const PENDING_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// Adds the rows that a change calls for, and removes those that it settles.
pub fn add(set: &mut WriteSet, served: &Served, old: Option<&Value>, new: Option<&Value>) {
    let Some(object) = new.or(old) else { return };
    let namespace = Some(codec::meta_str(object, "namespace")).filter(|namespace| !namespace.is_empty());
    let key = served.key(namespace, codec::meta_str(object, "name"));
    let (was, is) = (wanted(&key, old), wanted(&key, new));
    set.due_remove.extend(was.iter().filter(|row| !is.contains(row)).cloned());
    set.due_add.extend(is.into_iter().filter(|row| !was.contains(row)));
}

/// Which rows the state of a key calls for.
fn wanted(key: &Key, object: Option<&Value>) -> Vec<Due> {
    let mut wanted = object.map(|object| rows(key, object)).unwrap_or_default();
    // Absence calls for it too.
    if wants_start(key, object) {
        wanted.push(base_object(key));
    }
    wanted
}

/// Returns the row that has an object of the base looked at by the next start.
#[must_use]
pub fn base_object(key: &Key) -> Due {
    Due { minute: 0, kind: BASE_OBJECT.to_owned(), key: key.as_bytes().to_vec() }
}

/// Returns the rows that the state of an object calls for.
#[must_use]
pub fn rows(key: &Key, object: &Value) -> Vec<Due> {
    let mut rows = Vec::new();
    let mut add =
        |kind: &str, minute: u64, key: &[u8]| rows.push(Due { minute, kind: kind.to_owned(), key: key.to_vec() });
    let (name, whole) = (key.name().as_bytes(), key.as_bytes());
    let deleting = !codec::meta_str(object, "deletionTimestamp").is_empty();
    let held_by = |finalizer: &str| {
        object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|list| list.iter().any(|held| held == finalizer))
    };
    match (key.group(), key.resource()) {
        ("", "namespaces") if deleting => add(NAMESPACE, 0, name),
        ("apiextensions.k8s.io", "customresourcedefinitions") if deleting => add(DEFINITION, 0, name),
        ("", "events") => add(EVENT_EXPIRY, minute(event_end(object)), whole),
        ("certificates.k8s.io", "certificatesigningrequests") => add(CERTIFICATE, minute(request_end(object)), name),
        ("", "secrets") => {
            if let Some(end) = token_end(object) {
                add(BOOTSTRAP_TOKEN, minute(end), name);
            }
            if let Some(time) = object["metadata"]["annotations"][RENEW_AT].as_str().and_then(|text| text.parse().ok())
            {
                add(RENEWAL, minute(time), whole);
            }
        }
        _ => {}
    }
    if deleting && protection(key).is_some_and(held_by) {
        add(PROTECTION, 0, whole);
    }
    if deleting && (held_by("orphan") || held_by("foregroundDeletion")) {
        add(COLLECT, 0, whole);
    }
    rows
}

/// Returns the finalizer that protects objects of this kind while they are in use.
#[must_use]
pub fn protection(key: &Key) -> Option<&'static str> {
    match (key.group(), key.resource()) {
        ("", "persistentvolumes") => Some("kubernetes.io/pv-protection"),
        ("", "persistentvolumeclaims") => Some("kubernetes.io/pvc-protection"),
        ("storage.k8s.io", "volumeattributesclasses") => Some("kubernetes.io/vac-protection"),
        _ => None,
    }
}

/// Returns the minute in which a time is past. Rows whose minute has come are read once a minute.
#[must_use]
pub fn minute(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0).div_ceil(60).max(1)
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn created(object: &Value) -> Timestamp {
    time(&object["metadata"]["creationTimestamp"]).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Returns when an event has had its time: a while after it was last written.
#[must_use]
pub fn event_end(event: &Value) -> Timestamp {
    let writes =
        event["metadata"]["managedFields"].as_array().into_iter().flatten().filter_map(|entry| time(&entry["time"]));
    writes.chain([created(event)]).max().unwrap_or(Timestamp::UNIX_EPOCH) + EVENT_LIFE
}

/// Returns when a certificate signing request has had its time.
#[must_use]
pub fn request_end(request: &Value) -> Timestamp {
    let issued = request["status"]["certificate"].as_str().is_some_and(|text| !text.is_empty());
    let conditions = request["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let ends = conditions.iter().filter_map(|condition| {
        let life = match condition["type"].as_str()? {
            "Denied" | "Failed" => SETTLED_LIFE,
            "Approved" if issued => SETTLED_LIFE,
            "Approved" => PENDING_LIFE,
            _ => return None,
        };
        Some(time(&condition["lastUpdateTime"])? + life)
    });
    ends.min().unwrap_or_else(|| created(request) + PENDING_LIFE)
}

/// Returns when a bootstrap token expires, if the object is one that does.
#[must_use]
pub fn token_end(secret: &Value) -> Option<Timestamp> {
    use base64::Engine as _;
    if secret["type"] != "bootstrap.kubernetes.io/token" {
        return None;
    }
    let text = secret["data"]["expiration"].as_str().filter(|text| !text.is_empty())?;
    let text = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let end = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    // A time that can't be read has passed, as upstream has it.
    Some(end.unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kinds(key: &Key, object: &Value) -> Vec<(String, u64)> {
        rows(key, object).into_iter().map(|row| (row.kind, row.minute)).collect()
    }

    #[test]
    fn an_object_that_waits_calls_for_a_row_and_others_do_not() {
        let key = Key::new("", "namespaces", None, "a");
        let mut object = json!({"metadata": {"name": "a", "finalizers": ["foregroundDeletion"]}});
        assert_eq!(kinds(&key, &object), []);
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(kinds(&key, &object), [(NAMESPACE.to_owned(), 0), (COLLECT.to_owned(), 0)]);
    }

    #[test]
    fn events_end_an_hour_after_their_last_write() {
        let key = Key::new("", "events", Some("a"), "b");
        let mut object = json!({"metadata": {"creationTimestamp": "1970-01-01T00:00:30Z"}});
        assert_eq!(kinds(&key, &object), [(EVENT_EXPIRY.to_owned(), 61)]);
        object["metadata"]["managedFields"] = json!([{"time": "1970-01-01T01:00:00Z"}]);
        assert_eq!(kinds(&key, &object), [(EVENT_EXPIRY.to_owned(), 120)]);
    }

    #[test]
    fn certificate_requests_end_an_hour_after_they_are_settled_or_a_day_after_they_are_made() {
        let mut object = json!({"metadata": {"creationTimestamp": "1970-01-01T00:00:00Z"}});
        assert_eq!(minute(request_end(&object)), 24 * 60);
        let condition =
            |kind: &str| json!([{"type": kind, "status": "True", "lastUpdateTime": "1970-01-01T02:00:00Z"}]);
        object["status"] = json!({"conditions": condition("Approved")});
        assert_eq!(minute(request_end(&object)), 26 * 60);
        object["status"]["certificate"] = json!("eA==");
        assert_eq!(minute(request_end(&object)), 3 * 60);
        object["status"] = json!({"conditions": condition("Denied")});
        assert_eq!(minute(request_end(&object)), 3 * 60);
    }

    #[test]
    fn bootstrap_tokens_end_when_they_say_so() {
        let token = |text: &str| {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(text);
            json!({"type": "bootstrap.kubernetes.io/token", "data": {"expiration": text}})
        };
        assert_eq!(token_end(&token("1970-01-01T00:10:00Z")).map(minute), Some(10));
        assert_eq!(token_end(&token("soon")), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(token_end(&json!({"type": "bootstrap.kubernetes.io/token", "data": {}})), None);
        assert_eq!(token_end(&json!({"type": "Opaque"})), None);
    }
}
