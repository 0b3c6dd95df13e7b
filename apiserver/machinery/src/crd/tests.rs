//! Tests of the whole path of definitions and custom resources. Expected texts were read off kube-apiserver 1.35.4.

use super::*;
use crate::field_error::FieldErrors;
use serde_json::{Value, json};

fn definition(schema: Value) -> Value {
    let mut definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    default_definition(&mut definition);
    definition
}

fn with_spec(spec: Value) -> Value {
    definition(json!({"type": "object", "properties": {"spec": spec, "status": {"type": "object"}}}))
}

fn texts(errors: &FieldErrors) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn version(definition: &Value) -> CompiledVersion {
    let errors = validate_create(definition);
    assert!(errors.is_empty(), "{:?}", texts(&errors));
    compile(definition).unwrap().versions.remove(0)
}

fn widget(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
}

#[track_caller]
fn check_value(schema: Value, spec: Value, expected: &[&str]) {
    let definition =
        with_spec(json!({"type": "object", "properties": {"x": schema}, "x-kubernetes-preserve-unknown-fields": true}));
    let found = version(&definition).validate_create(&widget(spec));
    assert_eq!(texts(&found), expected);
}

#[test]
fn values_are_refused_with_upstreams_words() {
    let integer = json!({"type": "integer", "minimum": 1, "maximum": 10, "multipleOf": 2});
    check_value(integer.clone(), json!({"x": 4}), &[]);
    check_value(
        integer.clone(),
        json!({"x": "4"}),
        &["spec.x: Invalid value: \"string\": spec.x in body must be of type integer: \"string\""],
    );
    check_value(
        integer.clone(),
        json!({"x": 12}),
        &["spec.x: Invalid value: 12: spec.x in body should be less than or equal to 10"],
    );
    check_value(integer, json!({"x": 3}), &["spec.x: Invalid value: 3: spec.x in body should be a multiple of 2"]);
    check_value(
        json!({"type": "string", "pattern": "^a+$"}),
        json!({"x": "b"}),
        &["spec.x: Invalid value: \"b\": spec.x in body should match '^a+$'"],
    );
    check_value(
        json!({"type": "string", "maxLength": 1}),
        json!({"x": "bb"}),
        &["spec.x: Too long: may not be more than 1 byte"],
    );
    check_value(
        json!({"type": "string", "minLength": 1}),
        json!({"x": ""}),
        &["spec.x: Invalid value: \"\": spec.x in body should be at least 1 chars long"],
    );
    check_value(
        json!({"type": "string", "enum": ["b", "a"]}),
        json!({"x": "c"}),
        &["spec.x: Unsupported value: \"c\": supported values: \"b\", \"a\""],
    );
    check_value(
        json!({"type": "string", "format": "date-time"}),
        json!({"x": "now"}),
        &["spec.x: Invalid value: \"now\": spec.x in body must be of type date-time: \"now\""],
    );
    check_value(
        json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}),
        json!({"x": ["a", 1]}),
        &[
            "spec.x[1]: Invalid value: \"integer\": spec.x[1] in body must be of type string: \"integer\"",
            "spec.x: Too many: 2: must have at most 1 item",
        ],
    );
    check_value(
        json!({"type": "object", "required": ["y"], "properties": {"y": {"type": "string"}}}),
        json!({"x": {}}),
        &["spec.x.y: Required value"],
    );
    check_value(
        json!({"x-kubernetes-int-or-string": true}),
        json!({"x": true}),
        &["spec.x: Invalid value: \"boolean\": spec.x in body must be of type integer,string: \"boolean\""],
    );
}

#[test]
fn alternatives_report_what_came_closest() {
    let schema = json!({
        "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    });
    check_value(schema.clone(), json!({"x": {"a": "1"}}), &[]);
    check_value(
        schema.clone(),
        json!({"x": {}}),
        &[
            "<nil>: Invalid value: \"\": \"spec.x\" must validate one and only one schema (oneOf). Found none valid",
            "spec.x.a: Required value",
        ],
    );
    check_value(
        schema,
        json!({"x": {"a": "1", "b": "2"}}),
        &[
            "<nil>: Invalid value: \"\": \"spec.x\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ],
    );
    check_value(
        json!({"type": "string", "not": {"enum": ["a"]}}),
        json!({"x": "a"}),
        &["<nil>: Invalid value: \"\": \"spec.x\" must not validate the schema (not)"],
    );
}

#[test]
fn unknown_fields_are_pruned_and_reported() {
    let definition = with_spec(json!({
        "type": "object",
        "properties": {
            "known": {"type": "string"},
            "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "any": {"type": "object", "additionalProperties": true},
        },
    }));
    let version = version(&definition);
    let mut object = widget(json!({
        "known": "a", "unknown": 1, "raw": {"x": {"y": 1}}, "map": {"k": {"a": "1", "b": 2}},
        "list": [{"a": "1"}, {"c": 3}], "any": {"s": 1, "o": {"x": 1}},
    }));
    object["extra"] = json!({"a": 1});
    object["metadata"]["nope"] = json!(1);
    let unknown = version.coerce(&mut object).unwrap();
    assert_eq!(unknown, ["metadata.nope", "extra", "spec.any.o.x", "spec.list[1].c", "spec.map.k.b", "spec.unknown",]);
    assert_eq!(
        object["spec"],
        json!({
            "known": "a", "raw": {"x": {"y": 1}}, "map": {"k": {"a": "1"}}, "list": [{"a": "1"}, {}],
            "any": {"s": 1, "o": {}},
        })
    );
}

#[test]
fn defaults_replace_nulls_that_are_not_nullable() {
    let definition = with_spec(json!({
        "type": "object", "default": {},
        "properties": {
            "a": {"type": "string", "default": "A"},
            "n": {"type": "string", "nullable": true, "default": "N"},
            "plain": {"type": "string"},
            "o": {"type": "object", "default": {"p": 1}, "properties": {"p": {"type": "integer"}, "q": {"type": "integer", "default": 2}}},
            "l": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "boolean", "default": true}}}},
        },
    }));
    let version = version(&definition);
    let mut object = widget(json!({"a": null, "n": null, "plain": null, "l": [{}]}));
    version.coerce(&mut object).unwrap();
    version.default(&mut object);
    assert_eq!(object["spec"], json!({"a": "A", "n": null, "o": {"p": 1, "q": 2}, "l": [{"d": true}]}));
    let mut empty = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}});
    version.default(&mut empty);
    assert_eq!(empty["spec"], json!({"a": "A", "n": "N", "o": {"p": 1, "q": 2}}));
}

#[test]
fn unchanged_fields_may_stay_invalid() {
    let loose = with_spec(json!({"type": "object", "properties": {
        "color": {"type": "string"}, "size": {"type": "integer"},
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}}},
    }}));
    let mut strict = loose.clone();
    let properties = strict.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties").unwrap();
    properties["color"]["enum"] = json!(["red"]);
    properties["ports"]["items"]["properties"]["port"]["maximum"] = json!(10);
    assert!(validate_update(&strict, &loose).is_empty());
    let version = version(&strict);
    let old = widget(json!({"color": "blue", "size": 1, "ports": [{"name": "a", "port": 99}]}));
    let mut new = old.clone();
    new["spec"]["size"] = json!(2);
    new["spec"]["ports"] = json!([{"name": "b", "port": 1}, {"name": "a", "port": 99}]);
    assert_eq!(texts(&version.validate_update(&new, &old)), Vec::<String>::new());
    new["spec"]["color"] = json!("green");
    new["spec"]["ports"][1]["port"] = json!(98);
    assert_eq!(
        texts(&version.validate_update(&new, &old)),
        [
            "spec.color: Unsupported value: \"green\": supported values: \"red\"",
            "spec.ports[1].port: Invalid value: 98: spec.ports[1].port in body should be less than or equal to 10",
        ]
    );
    assert_eq!(version.validate_create(&old).len(), 2);
}

#[test]
fn sets_and_maps_hold_each_item_once() {
    let definition = with_spec(json!({"type": "object", "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
            "items": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "integer", "default": 1}}}},
    }}));
    let object = widget(
        json!({"set": ["x", "y", "x", "x"], "map": [{"a": "1", "b": 1}, {"a": "1", "b": 2}, {"a": "1", "b": 1}]}),
    );
    assert_eq!(
        texts(&version(&definition).validate_create(&object)),
        ["spec.map[2]: Duplicate value: {\"a\":\"1\",\"b\":1}", "spec.set[2]: Duplicate value: \"x\"",]
    );
}

#[test]
fn embedded_resources_keep_their_metadata() {
    let definition = with_spec(json!({"type": "object", "properties": {
        "template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    }}));
    let version = version(&definition);
    let mut object = widget(json!({"template": {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "creationTimestamp": null, "labels": {"a": "b"}, "nope": 1}, "spec": {"x": 1},
    }}));
    assert_eq!(version.coerce(&mut object).unwrap(), ["spec.template.metadata.nope"]);
    assert_eq!(object["spec"]["template"]["metadata"], json!({"name": "p", "labels": {"a": "b"}}));
    assert!(version.validate_create(&object).is_empty());
    let bare = widget(json!({"template": {"metadata": {"labels": {"a b": "c"}}}}));
    let found = texts(&version.validate_create(&bare));
    assert_eq!(found[0], "spec.template.apiVersion: Required value");
    assert_eq!(found[1], "spec.template.kind: Required value");
    assert!(
        found[2].starts_with("spec.template.metadata.labels: Invalid value: \"a b\": name part must consist of"),
        "{}",
        found[2]
    );
}

#[test]
fn definitions_without_structure_are_refused() {
    let spec = json!({"properties": {"a": {"type": "string"}}, "anyOf": [{"type": "object", "properties": {"z": {"minimum": 1}}}]});
    let path = "spec.validation.openAPIV3Schema.properties[spec]";
    assert_eq!(
        texts(&validate_create(&with_spec(spec))),
        [
            format!("{path}.anyOf[0].type: Forbidden: must be empty to be structural"),
            format!("{path}.type: Required value: must not be empty for specified object fields"),
        ]
    );
    let incomplete = definition(json!({"type": "object", "not": {"properties": {"z": {"minimum": 1}}}}));
    let path = "spec.validation.openAPIV3Schema";
    assert_eq!(
        texts(&validate_create(&incomplete)),
        [format!("{path}.properties[z]: Required value: because it is defined in {path}.not.properties[z]"),]
    );
}

#[test]
fn features_that_are_not_there_are_refused() {
    let rules = with_spec(json!({"type": "object", "x-kubernetes-validations": [{"rule": "true"}]}));
    assert_eq!(
        texts(&validate_create(&rules)),
        [
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations: Forbidden: CEL validation rules are not \
         supported by this server yet",
        ]
    );
    let mut webhook = with_spec(json!({"type": "object"}));
    webhook["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://example.com"},
    }});
    assert_eq!(
        texts(&validate_create(&webhook)),
        [
            "spec.conversion.strategy: Forbidden: conversion webhooks are not supported by this server yet; use strategy None",
        ]
    );
}

#[test]
fn defaults_in_definitions_must_be_valid_and_pruned() {
    let definition = with_spec(json!({"type": "object", "properties": {
        "a": {"type": "integer", "default": "x"},
        "o": {"type": "object", "default": {"q": 1}, "properties": {"p": {"type": "integer"}}},
    }}));
    let path = "spec.validation.openAPIV3Schema.properties[spec].properties";
    assert_eq!(texts(&validate_create(&definition)), [
        format!("{path}[a].default: Invalid value: \"string\": {path}[a].default in body must be of type integer: \"string\"")
            .replace(&format!("{path}[a].default in body"), " in body"),
        format!("{path}[o].default: Invalid value: {{\"q\":1}}: must not have unknown fields"),
    ]);
}

#[test]
fn equal_definitions_are_compiled_once() {
    let interner = Interner::default();
    let first = interner.intern(&with_spec(json!({"type": "object"}))).unwrap();
    let second = interner.intern(&with_spec(json!({"type": "object"}))).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    let mut other = with_spec(json!({"type": "object"}));
    other["spec"]["names"]["plural"] = json!("others");
    let third = interner.intern(&other).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first.versions[0].schema, &third.versions[0].schema));
    drop((first, second, third));
    assert_eq!(interner.definition_count(), 0);
}

#[test]
fn the_generation_counts_what_is_not_metadata() {
    let mut definition = with_spec(json!({"type": "object", "properties": {"a": {"type": "integer"}}}));
    definition["spec"]["versions"][0]["subresources"] = json!({"status": {}});
    let version = version(&definition);
    let mut created = widget(json!({"a": 1}));
    created["status"] = json!({"x": 1});
    version.prepare_create(&mut created);
    assert_eq!((&created["metadata"]["generation"], created.get("status")), (&json!(1), None));
    let mut updated = created.clone();
    updated["metadata"]["labels"] = json!({"a": "b"});
    updated["status"] = json!({"y": 1});
    version.prepare_update(&mut updated, &created);
    assert_eq!((&updated["metadata"]["generation"], updated.get("status")), (&json!(1), None));
    updated["spec"]["a"] = json!(2);
    version.prepare_update(&mut updated, &created);
    assert_eq!(updated["metadata"]["generation"], json!(2));
    let mut status = updated.clone();
    status["spec"] = json!({});
    status["status"] = json!({"done": true});
    version.prepare_status_update(&mut status, &updated);
    assert_eq!((&status["spec"], &status["status"]), (&json!({"a": 2}), &json!({"done": true})));
}

#[test]
fn names_are_accepted_once_per_group() {
    let now = "2026-11-23T15:00:00Z";
    let mut first = with_spec(json!({"type": "object"}));
    let status = conditions::update(&first, &[], now).unwrap();
    first["status"] = status;
    assert!(conditions::is_true(&first, "Established"));
    assert_eq!(
        first["status"]["acceptedNames"],
        json!({
            "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList",
        })
    );
    assert_eq!(conditions::update(&first, &[], "2026-11-24T15:00:00Z"), None);
    let mut second = with_spec(json!({"type": "object"}));
    second["spec"]["names"]["plural"] = json!("gadgets");
    let status = conditions::update(&second, &[&first], now).unwrap();
    assert_eq!(status["acceptedNames"], json!({"plural": "gadgets", "kind": ""}));
    assert_eq!(
        status["conditions"],
        json!([
            {"type": "NamesAccepted", "status": "False", "reason": "ListKindConflict", "message": "\"WidgetList\" is already in use", "lastTransitionTime": now},
            {"type": "Established", "status": "False", "reason": "NotAccepted", "message": "not all names are accepted", "lastTransitionTime": now},
        ])
    );
}

#[test]
fn a_scale_is_read_and_written_through_its_paths() {
    let scale = Scale {
        spec_replicas_path: ".spec.replicas".to_owned(),
        status_replicas_path: ".status.replicas".to_owned(),
        label_selector_path: Some(".status.selector".to_owned()),
    };
    let mut object = widget(json!({"replicas": 3}));
    object["status"] = json!({"replicas": 2, "selector": "a=b"});
    let (document, found) = scale_from_object(&scale, &object).unwrap();
    assert!(found);
    assert_eq!(document["spec"], json!({"replicas": 3}));
    assert_eq!(document["status"], json!({"replicas": 2, "selector": "a=b"}));
    set_scale_replicas(&scale, &mut object, 5).unwrap();
    assert_eq!(object["spec"]["replicas"], json!(5));
    object["spec"]["replicas"] = json!("x");
    let error = scale_from_object(&scale, &object).unwrap_err().to_string();
    assert_eq!(error, ".spec.replicas accessor error: x is of the type string, expected int64");
}

#[test]
fn versions_are_shown_in_upstreams_internal_form() {
    let mut definition = with_spec(json!({"type": "object"}));
    definition["spec"]["versions"][0]["storage"] = json!(false);
    assert_eq!(
        texts(&validate_create(&definition))[0],
        "spec.versions: Invalid value: [{\"Name\":\"v1\",\"Served\":true,\"Storage\":false,\"Deprecated\":false,\
         \"DeprecationWarning\":null,\"Schema\":null,\"Subresources\":null,\"AdditionalPrinterColumns\":null,\
         \"SelectableFields\":null}]: must have exactly one version marked as storage version"
    );
}
