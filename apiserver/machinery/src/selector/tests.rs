use super::*;
use serde_json::json;

/// Checks the canonical form of a label selector, or why it is refused.
fn check(text: &str, wanted: Result<&str, &str>) {
    let result = LabelSelector::parse(text).map(|selector| selector.to_string());
    assert_eq!(result.as_deref().map_err(String::as_str), wanted, "{text}");
}

#[test]
fn label_selectors_are_parsed() {
    for (text, wanted) in [
        ("", ""),
        ("a", "a"),
        ("!a", "!a"),
        (" a = b , c ", "a=b,c"),
        ("b==1,a!=2", "a!=2,b==1"),
        ("a in (y,x,y)", "a in (x,y)"),
        ("a notin (b)", "a notin (b)"),
        ("a in ()", "a in ()"),
        ("a in (,)", "a in ()"),
        ("a in (,b)", "a in (,b)"),
        ("a=", "a="),
        ("a=,b", "a=,b"),
        ("a>1,b<2", "a>1,b<2"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("example.com/a=b", "example.com/a=b"),
    ] {
        check(text, Ok(wanted));
    }
}

#[test]
fn label_selector_errors() {
    for (text, wanted) in [
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        (
            "a=-",
            "unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        (
            "-a",
            "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ),
    ] {
        check(text, Err(wanted));
    }
}

#[test]
fn labels_match() {
    let object = json!({"metadata": {"labels": {"a": "1", "b": "x"}}});
    for (text, wanted) in [
        ("", true),
        ("a=1", true),
        ("a=2", false),
        ("a!=2", true),
        ("c!=2", true),
        ("c notin (1)", true),
        ("a notin (1)", false),
        ("a in (0,1)", true),
        ("c in ()", false),
        ("a", true),
        ("!c,b", true),
        ("!a", false),
        ("a>0", true),
        ("a<1", false),
        ("b>0", false),
    ] {
        assert_eq!(LabelSelector::parse(text).unwrap().matches_object(&object), wanted, "{text}");
    }
    assert!(!LabelSelector::nothing().matches_object(&object));
}

#[test]
fn selector_objects() {
    for (object, wanted) in [
        (json!({}), Ok("")),
        (
            json!({"matchLabels": {"b": "2"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "Exists"}]}),
            Ok("a in (x,y),b=2,c"),
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "Is"}]}),
            Err("\"Is\" is not a valid label selector operator"),
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
            Err("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"),
        ),
    ] {
        let result = LabelSelector::from_object(Some(&object)).map(|selector| selector.to_string());
        assert_eq!(result.as_deref().map_err(String::as_str), wanted, "{object}");
    }
    assert!(LabelSelector::from_object(None).unwrap().is_nothing());
}

#[test]
fn field_selectors() {
    for (text, wanted) in [
        ("", Ok("")),
        ("b=1,a==2", Ok("a=2,b=1")),
        ("a!=", Ok("a!=")),
        (r"a=x\,y\=\\", Ok(r"a=x\,y\=\\")),
        (",a=1,", Ok("a=1")),
        ("=,!=b", Ok("!=b")),
        ("a", Err("invalid selector: 'a'; can't understand 'a'")),
        ("a=b=c", Err("invalid field selector: unescaped character in value: 61")),
        (r"a=\x", Err(r"invalid field selector: invalid escape sequence: \x")),
        (r"a=\", Err(r"invalid field selector: invalid escape sequence: \")),
    ] {
        let result = FieldSelector::parse(text).map(|selector| selector.to_string());
        assert_eq!(result.as_deref().map_err(String::as_str), wanted, "{text}");
    }
}

#[test]
fn fields_match() {
    let object = json!({"metadata": {"name": "a", "namespace": "n"}});
    for (text, wanted) in [
        ("metadata.name=a", true),
        ("metadata.name!=a", false),
        ("metadata.name=a,metadata.namespace=n", true),
        ("metadata.name=a,metadata.namespace=m", false),
        ("status.phase=", true),
    ] {
        let selector = FieldSelector::parse(text).unwrap();
        assert_eq!(selector.matches(|field| object_fields(&object, field)), wanted, "{text}");
    }
    assert_eq!(FieldSelector::parse("metadata.name=a").unwrap().exact("metadata.name"), Some("a"));
}
