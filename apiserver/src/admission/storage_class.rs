//! DefaultStorageClass: a claim that names no class gets the one that is marked as default.

use super::write::Write;
use crate::codec;
use kplex_machinery::status::Status;
use serde_json::Value;

const MARKS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) async fn admit(write: &Write<'_>, claim: &mut Value) -> Result<(), Status> {
    if !write.creates("", "persistentvolumeclaims") || has_class(claim) {
        return Ok(());
    }
    let classes = write.list("storage.k8s.io", "storageclasses", None).await?;
    if let Some(class) = newest_marked(&classes, &MARKS) {
        claim["spec"]["storageClassName"] = Value::from(class);
    }
    Ok(())
}

fn has_class(claim: &Value) -> bool {
    annotation(claim, CLASS_ANNOTATION).is_some()
        || claim.pointer("/spec/storageClassName").is_some_and(|class| !class.is_null())
}

/// Returns the class of a claim: the annotation of old times wins.
pub(super) fn class_of(claim: &Value) -> &str {
    annotation(claim, CLASS_ANNOTATION).unwrap_or_else(|| super::write::text(claim, "/spec/storageClassName"))
}

/// Returns an annotation of an object.
pub(super) fn annotation<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

/// Returns the name of the newest object that is marked as default; of equally old ones the first by name.
pub(super) fn newest_marked<'v>(objects: &'v [Value], marks: &[&str]) -> Option<&'v str> {
    let marked = objects.iter().filter(|object| marks.iter().any(|mark| annotation(object, mark) == Some("true")));
    let order = |object: &&Value| {
        let name = codec::meta_str(object, "name").to_owned();
        (codec::meta_str(object, "creationTimestamp").to_owned(), std::cmp::Reverse(name))
    };
    marked.max_by_key(order).map(|object| codec::meta_str(object, "name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn class(name: &str, created: &str, mark: &str) -> Value {
        json!({"metadata": {"name": name, "creationTimestamp": created, "annotations": {(MARKS[0]): mark}}})
    }

    #[test]
    fn the_newest_default_wins_then_the_first_name() {
        let classes = [
            class("old", "2026-01-01T00:00:00Z", "true"),
            class("b", "2026-01-02T00:00:00Z", "true"),
            class("a", "2026-01-02T00:00:00Z", "true"),
            class("new", "2026-01-03T00:00:00Z", "false"),
        ];
        assert_eq!(newest_marked(&classes, &MARKS), Some("a"));
        assert_eq!(newest_marked(&classes[3..], &MARKS), None);
    }

    #[test]
    fn an_empty_class_is_a_class() {
        assert!(has_class(&json!({"spec": {"storageClassName": ""}})));
        assert!(!has_class(&json!({"spec": {}})));
    }
}
