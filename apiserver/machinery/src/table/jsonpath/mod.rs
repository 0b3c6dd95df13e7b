//! JSONPath in the dialect of Kubernetes (`k8s.io/client-go/util/jsonpath`), as printer columns use it.
//!
//! Covered: fields with escaped dots, `['key']`, indexes, slices and unions, `*`, `..`, and filters. Ranges and text
//! around paths make sense in templates only and select nothing.

mod evaluate;
mod parse;

pub use parse::SyntaxError;

use serde_json::Value;
use std::borrow::Cow;

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

/// One step: from the values found so far to the next ones.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// Replaces each value by a constant.
    Constant(Value),
    /// A quoted text, once however many values there are.
    Text(String),
    Field(String),
    Slice {
        start: Option<i64>,
        end: End,
        step: Option<i64>,
    },
    Filter {
        left: Vec<Step>,
        test: Option<(String, Vec<Step>)>,
    },
    Wildcard,
    Recursive,
    Union(Vec<Vec<Step>>),
    /// A bare word, which only templates know.
    Word,
}

/// The end of a slice.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// One item, from an index without a colon.
    Single,
    /// Up to the end of the list.
    Open,
    /// Up to an index, which counts from the end when negative.
    At(i64),
}

impl JsonPath {
    /// Parses a path such as `.spec.containers[0].name`, without the braces around it.
    ///
    /// # Errors
    /// When the path is malformed.
    pub fn parse(path: &str) -> Result<Self, SyntaxError> {
        parse::parse(path).map(|steps| Self { steps })
    }

    /// Returns the first value that the path leads to; `None` when there is none, or when the path does not fit the
    /// document.
    #[must_use]
    pub fn first<'a>(&self, document: &'a Value) -> Option<Cow<'a, Value>> {
        self.find(document)?.into_iter().next()
    }

    /// Returns all values that the path leads to; `None` when the path does not fit the document.
    #[must_use]
    pub fn find<'a>(&self, document: &'a Value) -> Option<Vec<Cow<'a, Value>>> {
        evaluate::walk(vec![Cow::Borrowed(document)], &self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(path: &str, expected: Option<Value>) {
        let document = json!({
            "metadata": { "name": "n", "annotations": { "a.b/c": "dotted" } },
            "spec": { "n": 3, "f": 1.5, "t": true, "nothing": null, "list": [1, 2, 3, 4],
                      "items": [{ "name": "x", "v": 1 }, { "name": "y", "v": 2, "tag": "t)" }] },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }, { "type": "Other", "status": "False" }] },
        });
        let found = JsonPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let found: Option<Vec<Value>> =
            found.find(&document).map(|values| values.into_iter().map(Cow::into_owned).collect());
        assert_eq!(found.map(Value::Array), expected, "{path}");
    }

    #[test]
    fn paths_select_what_client_go_selects() {
        check(".metadata.name", Some(json!(["n"])));
        check("$.metadata.name", Some(json!(["n"])));
        check(".metadata['name']", Some(json!(["n"])));
        check(r".metadata.annotations.a\.b/c", Some(json!(["dotted"])));
        check(r".metadata.annotations['a\.b/c']", Some(json!(["dotted"])));
        check(".spec.missing.deeper", Some(json!([])));
        check(".spec.nothing", Some(json!([null])));
        check(".spec.list[1]", Some(json!([2])));
        check(".spec.list[-1]", Some(json!([4])));
        check(".spec.list[1:3]", Some(json!([2, 3])));
        check(".spec.list[:2]", Some(json!([1, 2])));
        check(".spec.list[0:4:2]", Some(json!([1, 3])));
        check(".spec.list[*]", Some(json!([1, 2, 3, 4])));
        check(".spec.list[0,2]", Some(json!([1, 3])));
        check(".spec.list[9]", None);
        check(".spec.n[0]", None);
        check(".spec.items[*].name", Some(json!(["x", "y"])));
        check(".spec.items[*]['name','v']", Some(json!(["x", "y", 1, 2])));
        check(".spec.items[?(@.v>1)].name", Some(json!(["y"])));
        check(".spec.items[?(@.v>=1)].name", Some(json!(["x", "y"])));
        check(".spec.items[?(@.tag)].name", Some(json!(["y"])));
        check(r#".spec.items[?(@.tag=="t)")].name"#, Some(json!(["y"])));
        check(r#".spec.items[?(@.v=="1")].name"#, None);
        check(".status.conditions[?(@.type=='Ready')].status", Some(json!(["True"])));
        check(r#".status.conditions[?(@.type == "Ready")].status"#, Some(json!(["True"])));
        check(".status.conditions[?(@.type!=\"Ready\")].status", Some(json!(["False"])));
        check("..name", Some(json!(["n", "x", "y"])));
        check(".metadata.annotations.*", Some(json!(["dotted"])));
    }

    #[test]
    fn malformed_paths_are_refused() {
        for path in [".a[", ".a[x]", ".a[?(@.b", ".a[?(@.b)", ".a['b", "....", ".a%", "#"] {
            let parsed = JsonPath::parse(path);
            if path == ".a%" {
                assert!(parsed.is_ok(), "fields may have any character but terminators");
            } else {
                assert!(parsed.is_err(), "{path}: {parsed:?}");
            }
        }
    }
}
