use super::*;
use crate::schema::{Emit, Field, Kind, Node, NodeId, Schema};
use serde_json::json;

fn read(text: &str) -> Result<(Value, Vec<String>), String> {
    json(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())
}

#[test]
fn json_documents() {
    for (text, wanted) in [
        (r#" {"a":[1,-2,3.5,1e2,true,false,null,"x"]} "#, json!({"a": [1, -2, 3.5, 100.0, true, false, null, "x"]})),
        (r#""\u00e4\ud83d\ude00\n\/""#, json!("ä😀\n/")),
        (r#""\ud800x""#, json!("\u{fffd}x")),
        ("9223372036854775807", json!(i64::MAX)),
        ("18446744073709551615", json!(18_446_744_073_709_551_615.0)),
        ("-0", json!(0)),
    ] {
        assert_eq!(read(text), Ok((wanted, Vec::new())), "{text}");
    }
    assert_eq!(json(b"\"\xff\"", &Limits::default()).unwrap().0, json!("\u{fffd}"));
}

#[test]
fn json_errors_read_like_go() {
    for (text, wanted) in [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        (r#"{"a""#, "unexpected end of JSON input"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{x", "invalid character 'x' looking for beginning of object key string"),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (r#"{"a":1 "b"}"#, "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("01", "invalid character '1' after top-level value"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1ex", "invalid character 'x' in exponent of numeric literal"),
        ("trux", "invalid character 'x' in literal true (expecting 'e')"),
        ("\"\n\"", "invalid character '\\n' in string literal"),
        (r#""\x""#, "invalid character 'x' in string escape code"),
        (r#""\u00gg""#, "invalid character 'g' in \\u hexadecimal character escape"),
        ("'a'", r"invalid character '\'' looking for beginning of value"),
        ("nul", "invalid character ' ' in literal null (expecting 'l')"),
        ("-", "invalid character ' ' in numeric literal"),
        ("\"\\", "invalid character ' ' in string escape code"),
        ("1e999", "json: cannot unmarshal number 1e999 into Go value of type float64"),
    ] {
        assert_eq!(read(text), Err(wanted.to_owned()), "{text}");
    }
}

#[test]
fn duplicate_fields_are_reported_with_their_path() {
    let (value, texts) = read(r#"{"a":1,"b":[{"c":1,"c":2,"c":3}],"a":{"d":0,"d":1,"[x":{"e":0,"e":0}}}"#).unwrap();
    assert_eq!(value, json!({"a": {"d": 1, "[x": {"e": 0}}, "b": [{"c": 3}]}));
    let wanted = ["b[0].c", "a", "a.d", "a.[x.e"].map(|path| format!("duplicate field \"{path}\""));
    assert_eq!(texts, wanted);
}

#[test]
fn limits_hold() {
    let limits = Limits { depth: 3, nodes: 5 };
    assert_eq!(json(b"[[[1]]]", &limits).unwrap().0, json!([[[1]]]));
    let error = json(b"[[[[1]]]]", &limits).unwrap_err().to_string();
    assert_eq!(error, "invalid character '[' exceeded max depth");
    assert_eq!(json(b"[1,2,3,4,5]", &limits), Err(DecodeError::TooManyNodes));
    assert_eq!(yaml(b"[[[[1]]]]", &limits), Err(DecodeError::TooDeep));
    let bomb = b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c]\n";
    assert_eq!(yaml(bomb, &Limits { depth: 50, nodes: 2000 }), Err(DecodeError::TooManyNodes));
}

#[test]
fn yaml_documents() {
    for (text, wanted) in [
        ("", json!(null)),
        ("a: 1\nb: [x, y, 'y', \"1\", 1.0, 1.5, ~, ]\n", json!({"a": 1, "b": ["x", true, "y", "1", 1, 1.5, null]})),
        (
            "a: 0777\nb: 0o10\nc: 0x1F\nd: 0b11\ne: 1_000\nf: 08\n",
            json!({"a": 511, "b": 8, "c": 31, "d": 3, "e": 1000, "f": 8}),
        ),
        (
            "a: yes\nb: Off\nc: 2020-01-01\nd: 1e3\ne: 12:30\n",
            json!({"a": true, "b": false, "c": "2020-01-01", "d": 1000, "e": "12:30"}),
        ),
        ("1: a\ntrue: b\n1.5: c\n", json!({"1": "a", "true": "b", "1.5": "c"})),
        ("a: &x {b: 1}\nd: {<<: *x, c: 3}\n", json!({"a": {"b": 1}, "d": {"b": 1, "c": 3}})),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", json!({"a": "x\ny\n", "b": "x y"})),
        ("a: !!binary aGVsbG8=\n", json!({"a": "hello"})),
        ("a: !!str 1\nb: !!int \"2\"\n", json!({"a": "1", "b": 2})),
        ("a: 1\n---\nb: 2\n", json!({"a": 1})),
        (r#"{"a": "\ud83d\ude00", "b": 1}"#, json!({"a": "😀", "b": 1})),
        ("a: -.5\nb: +1\nc: -0x10\n", json!({"a": -0.5, "b": 1, "c": -16})),
    ] {
        let (value, duplicates) = yaml(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(value, wanted, "{text}");
        assert_eq!(duplicates, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn yaml_duplicates_tell_the_line_of_the_value() {
    let text = "a: 1\nb:\n  c: 1\n  c: 2\na:\n  d: 1\n1: x\n1: z\n";
    let (value, duplicates) = yaml(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(value, json!({"a": {"d": 1}, "b": {"c": 2}, "1": "z"}));
    let wanted = [
        "line 4: key \"c\" already set in map",
        "line 6: key \"a\" already set in map",
        "line 8: key 1 already set in map",
    ];
    assert_eq!(duplicates, wanted);
}

#[test]
fn findings_become_an_error_or_warnings() {
    let mut findings =
        Findings { yaml: vec!["line 6: key \"name\" already set in map".to_owned()], fields: Vec::new() };
    findings.extend([r#"unknown field "foo""#.to_owned(), r#"unknown field "foo""#.to_owned()]);
    let text = "strict decoding error: yaml: unmarshal errors:\n  line 6: key \"name\" already set in map, unknown field \"foo\"";
    assert_eq!(findings.judge(FieldValidation::Strict), Err(text.to_owned()));
    assert_eq!(findings.judge(FieldValidation::Warn).unwrap().len(), 2);
    assert_eq!(findings.judge(FieldValidation::Ignore), Ok(Vec::new()));
    assert_eq!(
        cannot_be_handled("ConfigMap", "v1", "ConfigMap", "why"),
        r#"ConfigMap in version "v1" cannot be handled as a ConfigMap: why"#
    );
}

fn field(name: &str, node: NodeId, emit: Emit, pointer: bool) -> Field {
    Field {
        name: name.to_owned(),
        node,
        required: false,
        emit,
        pointer,
        default: None,
        patch_strategy: Vec::new(),
        patch_merge_key: None,
        proto: Vec::new(),
    }
}

/// A type with one field of every sort, in the manner of built-in types.
fn sample() -> (Schema, NodeId) {
    let mut schema = Schema::default();
    let mut leaf = |kind| schema.add(Node { kind, ..Node::default() });
    let kinds = [
        ("any", leaf(Kind::Any)),
        ("bool", leaf(Kind::Boolean)),
        ("bytes", leaf(Kind::Bytes)),
        ("duration", leaf(Kind::Duration)),
        ("float", leaf(Kind::Number)),
        ("int", leaf(Kind::Int32)),
        ("long", leaf(Kind::Int64)),
        ("micro", leaf(Kind::MicroTime)),
        ("port", leaf(Kind::IntOrString)),
        ("quantity", leaf(Kind::Quantity)),
        ("string", leaf(Kind::String)),
        ("time", leaf(Kind::Time)),
    ];
    let mut fields: Vec<Field> = kinds.iter().map(|(name, node)| field(name, *node, Emit::OmitEmpty, false)).collect();
    let (string, int) = (kinds[10].1, kinds[5].1);
    let labels = schema.add(Node { kind: Kind::Map, items: Some(string), ..Node::default() });
    let item = schema.add(Node {
        kind: Kind::Object,
        name: "io.k8s.api.core.v1.Item".to_owned(),
        fields: vec![field("count", int, Emit::OmitEmpty, true), field("name", string, Emit::Always, false)],
        ..Node::default()
    });
    let items = schema.add(Node { kind: Kind::List, items: Some(item), ..Node::default() });
    fields.push(field("item", item, Emit::OmitEmpty, true));
    fields.push(field("items", items, Emit::Always, false));
    fields.push(field("labels", labels, Emit::OmitEmpty, false));
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    let root =
        schema.add(Node { kind: Kind::Object, name: "io.k8s.api.core.v1.Root".to_owned(), fields, ..Node::default() });
    (schema, root)
}

#[test]
fn conforming_reads_back_as_go_writes() {
    let (schema, root) = sample();
    for (document, wanted, unknown) in [
        (json!({}), json!({"items": null}), vec![]),
        (json!({"items": [], "labels": {}, "int": 0, "string": "", "bool": false}), json!({"items": null}), vec![]),
        (json!({"item": {}}), json!({"item": {"name": ""}, "items": null}), vec![]),
        (json!({"item": {"count": 0}}), json!({"item": {"count": 0, "name": ""}, "items": null}), vec![]),
        (json!({"item": null, "items": [null]}), json!({"items": [{"name": ""}]}), vec![]),
        (
            json!({"items": [{"name": "a", "x": 1}], "Int": 1, "foo": {"bar": 1}}),
            json!({"items": [{"name": "a"}]}),
            vec![r#"unknown field "Int""#, r#"unknown field "foo""#, r#"unknown field "items[0].x""#],
        ),
        (
            json!({"quantity": 1.5, "time": "2020-01-01T01:00:00.5+01:00", "micro": "2020-01-01T00:00:00.000001Z"}),
            json!({"quantity": "1500m", "time": "2020-01-01T00:00:00Z", "micro": "2020-01-01T00:00:00.000001Z", "items": null}),
            vec![],
        ),
        (
            json!({"duration": "90m", "bytes": "YQ==\n", "port": "http", "labels": {"a": null}, "long": i64::MAX}),
            json!({"duration": "1h30m0s", "bytes": "YQ==", "port": "http", "labels": {"a": ""}, "long": i64::MAX, "items": null}),
            vec![],
        ),
        (json!({"any": {"x": null}}), json!({"any": {"x": null}, "items": null}), vec![]),
    ] {
        let mut value = document.clone();
        let texts = conform(&schema, root, &mut value).unwrap();
        assert_eq!(value, wanted, "{document}");
        assert_eq!(texts, unknown, "{document}");
        let mut again = value.clone();
        conform(&schema, root, &mut again).unwrap();
        assert_eq!(again, value, "conforming twice changes nothing");
    }
}

#[test]
fn wrong_types_are_told_in_the_words_of_go() {
    let (schema, root) = sample();
    for (document, wanted) in [
        (json!([]), "json: cannot unmarshal array into Go value of type v1.Root"),
        (json!({"int": "x"}), "json: cannot unmarshal string into Go struct field Root.int of type int32"),
        (json!({"int": 1.0}), "json: cannot unmarshal number 1.0 into Go struct field Root.int of type int32"),
        (
            json!({"int": 2_147_483_648_i64}),
            "json: cannot unmarshal number 2147483648 into Go struct field Root.int of type int32",
        ),
        (
            json!({"labels": []}),
            "json: cannot unmarshal array into Go struct field Root.labels of type map[string]string",
        ),
        (json!({"labels": {"a": 1}}), "json: cannot unmarshal number into Go struct field Root.labels of type string"),
        (json!({"items": {}}), "json: cannot unmarshal object into Go struct field Root.items of type []v1.Item"),
        (
            json!({"items": [{"name": 1}]}),
            "json: cannot unmarshal number into Go struct field Item.items.name of type string",
        ),
        (json!({"item": "x"}), "json: cannot unmarshal string into Go struct field Root.item of type v1.Item"),
        (json!({"port": 1.5}), "json: cannot unmarshal number 1.5 into Go struct field Root.port of type int32"),
        (json!({"port": true}), "json: cannot unmarshal bool into Go struct field Root.port of type int32"),
        (
            json!({"quantity": "x"}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (json!({"time": "xx"}), r#"parsing time "xx" as "2006-01-02T15:04:05Z07:00": cannot parse "xx" as "2006""#),
        (json!({"time": "2020-13-01T00:00:00Z"}), r#"parsing time "2020-13-01T00:00:00Z": month out of range"#),
        (json!({"time": "2021-02-29T00:00:00Z"}), r#"parsing time "2021-02-29T00:00:00Z": day out of range"#),
        (
            json!({"micro": "2020-01-01T00:00:00Z"}),
            r#"parsing time "2020-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000""#,
        ),
        (
            json!({"int": "x", "quantity": "x"}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (json!({"int": "x", "labels": 1}), "json: cannot unmarshal string into Go struct field Root.int of type int32"),
        (json!({"duration": "1"}), r#"time: missing unit in duration "1""#),
        (json!({"bytes": "x"}), "illegal base64 data at input byte 0"),
        (json!({"bytes": "YQ=*="}), "illegal base64 data at input byte 2"),
        (json!({"duration": "1ä"}), r#"time: unknown unit "\xc3\xa4" in duration "1\xc3\xa4""#),
        (json!({"bytes": "YWJj*"}), "illegal base64 data at input byte 4"),
    ] {
        let error = conform(&schema, root, &mut document.clone()).unwrap_err();
        assert_eq!(error.message, wanted, "{document}");
    }
}

#[test]
fn wrong_types_are_told_in_the_words_of_the_converter() {
    let (schema, root) = sample();
    for (document, wanted) in [
        (json!([]), "cannot restore struct from: slice"),
        (json!({"int": "x"}), "unrecognized type: int32"),
        (json!({"int": 1.5}), "cannot convert float64 to int32"),
        (json!({"labels": []}), "cannot restore map from slice"),
        (json!({"labels": {"a": 1}}), "cannot convert int64 to string"),
        (json!({"items": {}}), "cannot restore slice from map"),
        (json!({"duration": "1"}), r#"time: missing unit in duration "1""#),
    ] {
        let error = conform(&schema, root, &mut document.clone()).unwrap_err();
        assert_eq!(error.restoring, wanted, "{document}");
    }
}

#[test]
fn typed_json_finds_fields_in_document_order() {
    let (schema, root) = sample();
    let text = br#"{"zoo":1,"items":[{"x":1,"name":"a","name":"b"}],"labels":{"a":"","a":""},"any":{"b":1,"b":2},"zoo":{"c":1,"c":2}}"#;
    let (_, texts) = json_typed(text, &Limits::default(), &schema, root).unwrap();
    let wanted = [
        r#"unknown field "zoo""#,
        r#"unknown field "items[0].x""#,
        r#"duplicate field "items[0].name""#,
        r#"duplicate field "labels.a""#,
    ];
    assert_eq!(texts, wanted);
}

#[test]
fn durations_and_times_round_trip() {
    for (text, canonical) in [
        ("0", "0s"),
        ("1.5h", "1h30m0s"),
        ("-1m", "-1m0s"),
        ("100ms", "100ms"),
        ("1s500ms", "1.5s"),
        ("1us", "1µs"),
        ("1h0m0.001s", "1h0m0.001s"),
        ("9223372036854775807ns", "2562047h47m16.854775807s"),
    ] {
        assert_eq!(parse_duration(text).map(format_duration).as_deref(), Ok(canonical), "{text}");
    }
    assert!(parse_duration("").is_err() && parse_duration("1x").is_err() && parse_duration("9999999h").is_err());
    for text in ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        assert_eq!(format_time(parse_time(text).unwrap()), text);
    }
    assert_eq!(parse_time("2026-11-23T15:57:06Z"), Ok(1_795_449_426));
}

#[test]
fn type_meta_of_any_document() {
    assert_eq!(type_meta(&json!({"apiVersion": "v1", "kind": "Pod"})), Ok(("v1", "Pod")));
    assert_eq!(type_meta(&json!({})), Ok(("", "")));
    let text = "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string";
    assert_eq!(type_meta(&json!({"kind": 5})), Err(text.to_owned()));
}

#[test]
fn embedded_structs_show_in_errors_about_types() {
    let api = crate::api::Api::builtin();
    let pod = api.node_of_kind("", "v1", "Pod").unwrap();
    let mut document = json!({"spec": {"volumes": [{"name": "x", "emptyDir": {"sizeLimit": null, "medium": 5}}]}});
    let error = conform(&api.schema, pod, &mut document).unwrap_err();
    let wanted = "json: cannot unmarshal number into Go struct field EmptyDirVolumeSource.spec.volumes.VolumeSource.emptyDir.medium of type string";
    assert_eq!(error.message, wanted);
}
