//! Moving from client-side to server-side apply: kubectl's last-applied annotation counts as ownership.

use super::compare::{compare, field_set};
use super::set::Set;
use super::typed::Type;
use super::update::Conflict;
use crate::metadata::object_meta::ANNOTATIONS_BYTES_MAX;
use serde_json::{Map, Value};

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.get("annotations")?.as_object()
}

/// Returns the conflicts that client-side apply does not explain: those about fields that are not as it set them.
pub(super) fn remaining(at: Type<'_>, live: &Value, api_version: &str, conflicts: Vec<Conflict>) -> Vec<Conflict> {
    let Some(allowed) = allowed(at, live, api_version) else { return conflicts };
    conflicts.into_iter().filter(|conflict| !allowed.has(&conflict.path)).collect()
}

/// Returns the fields that client-side apply set and that are still as it set them.
fn allowed(at: Type<'_>, live: &Value, api_version: &str) -> Option<Set> {
    let text = annotations(live)?.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last.get("apiVersion")?.as_str()? != api_version {
        return None;
    }
    super::validate::validate(at, &last).ok()?;
    let changed = compare(at, &last, live);
    Some(field_set(at, &last).difference(&changed.modified).difference(&changed.added).difference(&changed.removed))
}

/// Keeps an existing annotation up to date, so that client-side apply still works.
pub(super) fn refresh(object: &mut Value, config: &Value) {
    let present = annotations(object).and_then(|map| map.get(ANNOTATION)).and_then(Value::as_str);
    if present.is_none_or(str::is_empty) {
        return;
    }
    let mut config = config.clone();
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(map) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        map.remove(ANNOTATION);
        if map.is_empty() {
            metadata.remove("annotations");
        }
    }
    // Go's encoder hides what HTML would take for markup.
    let text = format!("{config}\n").replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let Some(map) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    map.insert(ANNOTATION.to_owned(), Value::from(text));
    let size: usize = map.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    if size > ANNOTATIONS_BYTES_MAX {
        map.remove(ANNOTATION);
    }
}
