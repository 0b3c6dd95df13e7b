//! Objects as stored bytes and as documents.
//!
//! The store keeps the JSON that a client is sent, without `metadata.resourceVersion`: that is the revision of the
//! entry, and is spliced in when the bytes are read. Hot path: a read of an object in its stored version never parses.

use crate::resource::Served;
use bytes::Bytes;
use kplex_machinery::json;
use kplex_machinery::status::Status;
use kplex_storage::{Entry, Revision, Stamp};
use serde_json::{Map, Value};

/// Serialises an object for the store. The resourceVersion is left out.
///
/// # Panics
/// When the document is not an object with a non-empty `metadata`: who writes has prepared it.
#[must_use]
pub fn pack(object: &Value, schema: u64) -> (Bytes, Stamp) {
    let map = object.as_object().expect("an API object is a JSON object");
    let mut out = Vec::with_capacity(1024);
    let mut splice = 0;
    // Type first: items of built-in lists are sent without it, and can then be cut rather than parsed.
    let kind = ["apiVersion", "kind"].into_iter().filter_map(|key| map.get_key_value(key));
    let rest = map.iter().filter(|(key, _)| *key != "apiVersion" && *key != "kind");
    for (key, value) in kind.chain(rest) {
        out.push(if out.is_empty() { b'{' } else { b',' });
        write_json(&mut out, key);
        out.push(b':');
        if key == "metadata" {
            splice = out.len() + 1;
            write_metadata(&mut out, value);
        } else {
            write_json(&mut out, value);
        }
    }
    out.push(b'}');
    assert!(splice > 0, "an object to store has metadata");
    let splice = u32::try_from(splice).expect("objects are smaller than 4 GiB");
    (Bytes::from(out), Stamp { schema, splice })
}

fn write_metadata(out: &mut Vec<u8>, metadata: &Value) {
    let map = metadata.as_object().expect("metadata is a JSON object");
    out.push(b'{');
    let start = out.len();
    for (key, value) in map.iter().filter(|(key, _)| *key != "resourceVersion") {
        if out.len() > start {
            out.push(b',');
        }
        write_json(out, key);
        out.push(b':');
        write_json(out, value);
    }
    assert!(out.len() > start, "metadata of a stored object is not empty");
    out.push(b'}');
}

/// Writes anything as JSON, as Go writes it.
pub fn write_json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    json::write(out, value);
}

/// Appends stored bytes with the revision as `resourceVersion`.
pub fn splice_into(out: &mut Vec<u8>, entry: &Entry, revision: Revision) {
    let at = entry.stamp.splice as usize;
    out.extend_from_slice(&entry.value[..at]);
    out.extend_from_slice(b"\"resourceVersion\":\"");
    out.extend_from_slice(revision.get().to_string().as_bytes());
    out.extend_from_slice(b"\",");
    out.extend_from_slice(&entry.value[at..]);
}

/// Parses stored bytes as they are, in their stored version, with `resourceVersion`.
///
/// # Errors
/// 500 when the bytes are not an object.
pub fn parse(entry: &Entry) -> Result<Value, Status> {
    let mut value: Value = serde_json::from_slice(&entry.value)
        .map_err(|error| Status::internal(format!("decode stored object: {error}")))?;
    set_revision(&mut value, entry.revision);
    Ok(value)
}

/// Sets `metadata.resourceVersion`.
pub fn set_revision(object: &mut Value, revision: Revision) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), Value::from(revision.get().to_string()));
    }
}

/// Appends an entry as JSON in the served version: stored bytes where the stamp is equal, else converted.
///
/// # Errors
/// 500 when the stored object can't be read.
pub fn json_into(out: &mut Vec<u8>, served: &Served, entry: &Entry, revision: Revision) -> Result<(), Status> {
    if entry.stamp.schema == served.stamp {
        splice_into(out, entry, revision);
        return Ok(());
    }
    let mut object = load(served, entry)?;
    set_revision(&mut object, revision);
    write_json(out, &object);
    Ok(())
}

/// Decodes an entry in the served version, converted, pruned and defaulted as upstream does on read.
///
/// # Errors
/// 500 when the stored object can't be read or converted.
pub fn load(served: &Served, entry: &Entry) -> Result<Value, Status> {
    let object = parse(entry)?;
    if entry.stamp.schema == served.stamp { Ok(object) } else { served.upgrade(object) }
}

/// As [`load`], with the resourceVersion of the entry.
///
/// # Errors
/// As [`load`].
pub fn load_at(served: &Served, entry: &Entry) -> Result<Value, Status> {
    let mut object = load(served, entry)?;
    set_revision(&mut object, entry.revision);
    Ok(object)
}

/// Returns `metadata` of an object.
#[must_use]
pub fn metadata(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata").and_then(Value::as_object)
}

/// Returns a string of `metadata`, empty when absent.
#[must_use]
pub fn meta_str<'a>(object: &'a Value, field: &str) -> &'a str {
    metadata(object).and_then(|map| map.get(field)).and_then(Value::as_str).unwrap_or("")
}

/// Returns `metadata`, made when absent.
///
/// # Panics
/// When the document or its metadata is not an object: decoding has checked it.
pub fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    object
        .as_object_mut()
        .expect("an API object is a JSON object")
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
        .expect("metadata is a JSON object")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kplex_storage::Key;
    use serde_json::json;

    #[test]
    fn the_revision_is_spliced_into_stored_bytes() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
            "metadata": {"name": "x", "resourceVersion": "7"}});
        let (value, stamp) = pack(&object, 1);
        assert!(!value.windows(15).any(|window| window == b"resourceVersion"));
        let entry = Entry { key: Key::new("", "configmaps", Some("d"), "x"), revision: Revision::new(9), stamp, value };
        let mut out = Vec::new();
        splice_into(&mut out, &entry, entry.revision);
        let mut expected = object;
        expected["metadata"]["resourceVersion"] = json!("9");
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
        assert_eq!(parse(&entry).unwrap(), expected);
    }
}
