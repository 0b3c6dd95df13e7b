//! Reading and filling JSON objects the way Go's zero values behave: an absent field, a `null` and, for fields that are
//! not pointers, a zero value all mean "not set".

use serde_json::{Map, Value};

/// A JSON object.
pub(super) type Doc = Map<String, Value>;

/// Returns whether a pointer, slice or map field is not set.
pub(super) fn unset(doc: &Doc, name: &str) -> bool {
    matches!(doc.get(name), None | Some(Value::Null))
}

/// Returns whether a field holds its zero value or is not set.
pub(super) fn blank(doc: &Doc, name: &str) -> bool {
    match doc.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::Bool(flag)) => !flag,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
    }
}

/// Sets a pointer field that is not set.
pub(super) fn fill(doc: &mut Doc, name: &str, value: impl Into<Value>) {
    if unset(doc, name) {
        doc.insert(name.to_owned(), value.into());
    }
}

/// Sets a field that is not a pointer and has its zero value.
pub(super) fn fill_blank(doc: &mut Doc, name: &str, value: impl Into<Value>) {
    if blank(doc, name) {
        doc.insert(name.to_owned(), value.into());
    }
}

/// Sets a field.
pub(super) fn set(doc: &mut Doc, name: &str, value: impl Into<Value>) {
    doc.insert(name.to_owned(), value.into());
}

/// Returns a string field; empty when it is not set.
pub(super) fn text<'a>(doc: &'a Doc, name: &str) -> &'a str {
    doc.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Returns an object field when it is set.
pub(super) fn object<'a>(doc: &'a Doc, name: &str) -> Option<&'a Doc> {
    doc.get(name).and_then(Value::as_object)
}

/// Returns an object field when it is set.
pub(super) fn object_mut<'a>(doc: &'a mut Doc, name: &str) -> Option<&'a mut Doc> {
    doc.get_mut(name).and_then(Value::as_object_mut)
}

/// Returns a field that Go holds as a struct, making it when it is not set. `None` when the field has a wrong type,
/// which decoding refuses before defaults are applied.
pub(super) fn struct_mut<'a>(doc: &'a mut Doc, name: &str) -> Option<&'a mut Doc> {
    fill(doc, name, Value::Object(Doc::new()));
    object_mut(doc, name)
}

/// Returns a nested object when every step of the path is set.
pub(super) fn path_mut<'a>(doc: &'a mut Doc, path: &[&str]) -> Option<&'a mut Doc> {
    path.iter().try_fold(doc, |doc, name| object_mut(doc, name))
}

/// Returns the items of a list field.
pub(super) fn list<'a>(doc: &'a Doc, name: &str) -> &'a [Value] {
    doc.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Calls `each` on every object of a list field.
pub(super) fn each(doc: &mut Doc, name: &str, mut each: impl FnMut(&mut Doc)) {
    if let Some(items) = doc.get_mut(name).and_then(Value::as_array_mut) {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(&mut each);
    }
}

/// Calls `change` on an object field when it is set.
pub(super) fn with(doc: &mut Doc, name: &str, change: impl FnOnce(&mut Doc)) {
    if let Some(inner) = object_mut(doc, name) {
        change(inner);
    }
}

/// Removes annotations, and the map of them when it becomes empty.
pub(super) fn drop_annotations(holder: &mut Doc, doomed: impl Fn(&str, &Value) -> bool) {
    let Some(metadata) = object_mut(holder, "metadata") else { return };
    let Some(annotations) = object_mut(metadata, "annotations") else { return };
    let before = annotations.len();
    annotations.retain(|name, value| !doomed(name, value));
    if annotations.is_empty() && before > 0 {
        metadata.remove("annotations");
    }
}
