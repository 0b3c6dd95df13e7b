//! How Go shows metadata in an error: as JSON with the fields in the order of its structs.

use crate::json;
use serde_json::Value;

/// Fields of a struct in Go's order, with those of the structs in a list.
struct Order {
    fields: &'static [&'static str],
    lists: &'static [(&'static str, Order)],
}

const OWNER_REFERENCE: Order =
    Order { fields: &["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"], lists: &[] };

const MANAGED_FIELDS: Order = Order {
    fields: &["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"],
    lists: &[],
};

const OBJECT_META: Order = Order {
    fields: &[
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ],
    lists: &[("ownerReferences", OWNER_REFERENCE), ("managedFields", MANAGED_FIELDS)],
};

/// Shows `metadata`.
#[must_use]
pub fn metadata(value: &Value) -> String {
    let mut out = Vec::new();
    write(&mut out, value, &OBJECT_META);
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// Shows `metadata.ownerReferences`.
#[must_use]
pub fn owner_references(references: &[Value]) -> String {
    let mut out = Vec::new();
    write_list(&mut out, references, &OWNER_REFERENCE);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn write(out: &mut Vec<u8>, value: &Value, order: &Order) {
    let Some(map) = value.as_object() else { return json::write(out, value) };
    out.push(b'{');
    let before = out.len();
    for name in order.fields {
        let Some(value) = map.get(*name) else { continue };
        if out.len() > before {
            out.push(b',');
        }
        json::write(out, name);
        out.push(b':');
        match (order.lists.iter().find(|(list, _)| list == name), value.as_array()) {
            (Some((_, order)), Some(items)) => write_list(out, items, order),
            _ => json::write(out, value),
        }
    }
    out.push(b'}');
}

fn write_list(out: &mut Vec<u8>, items: &[Value], order: &Order) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item, order);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_in_the_order_of_gos_structs() {
        let value = json!({
            "labels": {"b": "<", "a": "1"},
            "managedFields": [{"apiVersion": "v1", "manager": "m", "fieldsV1": {}, "operation": "Update"}],
            "name": "x",
            "ownerReferences": [{"uid": "1", "controller": true, "name": "n", "kind": "K", "apiVersion": "v1"}],
        });
        assert_eq!(
            metadata(&value),
            r#"{"name":"x","labels":{"a":"1","b":"\u003c"},"ownerReferences":[{"apiVersion":"v1","kind":"K","name":"n","uid":"1","controller":true}],"managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1","fieldsV1":{}}]}"#
        );
        let references = [json!({"name": "n", "apiVersion": "v1"})];
        assert_eq!(owner_references(&references), r#"[{"apiVersion":"v1","name":"n"}]"#);
    }
}
