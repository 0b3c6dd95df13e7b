//! Tests of validation: complaints are those of a real server.

use super::*;
use serde_json::json;

fn texts(errors: &FieldErrors) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn pod() -> Value {
    json!({
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {
            "containers": [{
                "name": "a", "image": "b", "imagePullPolicy": "Always", "terminationMessagePolicy": "File",
                "terminationMessagePath": "/dev/termination-log",
            }],
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30,
            "enableServiceLinks": true, "schedulerName": "default-scheduler", "securityContext": {},
        },
    })
}

#[test]
fn a_good_pod_passes_and_a_bad_one_is_refused_in_upstream_words() {
    let gvk = Gvk::new("", "v1", "Pod");
    assert_eq!(texts(&validate_create(gvk, &pod())), Vec::<String>::new());
    let mut bad = pod();
    bad["spec"]["restartPolicy"] = json!("Sometimes");
    bad["spec"]["containers"][0]["image"] = json!("");
    assert_eq!(
        texts(&validate_create(gvk, &bad)),
        [
            "spec.containers[0].image: Required value",
            "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ]
    );
}

#[test]
fn a_pod_keeps_most_of_its_spec() {
    let gvk = Gvk::new("", "v1", "Pod");
    let (old, mut new) = (pod(), pod());
    new["spec"]["containers"][0]["image"] = json!("c");
    assert_eq!(texts(&validate_update(gvk, &new, &old)), Vec::<String>::new());
    new["spec"]["schedulerName"] = json!("other");
    let complaints = texts(&validate_update(gvk, &new, &old));
    assert_eq!(complaints.len(), 1);
    let start = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`";
    assert!(complaints[0].starts_with(start), "{}", complaints[0]);
}

#[test]
fn selectors_of_workloads_match_their_templates_and_stay() {
    let gvk = Gvk::new("apps", "v1", "ReplicaSet");
    let mut template = pod();
    template["metadata"] = json!({"labels": {"app": "y"}});
    let set = json!({
        "metadata": {"name": "r", "namespace": "n"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": template},
    });
    let message = "spec.template.metadata.labels: Invalid value: {\"app\":\"y\"}: `selector` does not match template \
                   `labels`";
    assert_eq!(texts(&validate_create(gvk, &set)), [message]);
    let mut old = set.clone();
    old["spec"]["selector"] = json!({"matchLabels": {"app": "y"}});
    let complaints = texts(&validate_update(gvk, &set, &old));
    let message = "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"x\"}}: field is immutable";
    assert!(complaints.iter().any(|text| text == message), "{complaints:?}");
}

#[test]
fn malformed_documents_do_not_stop_the_server() {
    for kind in ["Pod", "Service", "Node", "PersistentVolume", "Secret", "LimitRange", "Endpoints", "ResourceQuota"] {
        for spec in [json!(null), json!([]), json!({"ports": 1, "containers": {}, "limits": [1], "hard": "x"})] {
            let object = json!({"metadata": [], "spec": spec, "data": 7, "subsets": [{"ports": [null]}]});
            let gvk = Gvk::new("", "v1", kind);
            drop(validate_create(gvk, &object));
            drop(validate_update(gvk, &object, &json!({})));
            drop(validate_status_update(gvk, &object, &json!({})));
        }
    }
}

#[test]
fn bindings_of_roles_keep_their_role() {
    let gvk = Gvk::new("rbac.authorization.k8s.io", "v1", "RoleBinding");
    let binding = |name: &str| {
        json!({"metadata": {"name": "b"}, "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name,
        }})
    };
    let shown = r#"{"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"b"}"#;
    let message = format!("roleRef: Invalid value: {shown}: cannot change roleRef");
    assert_eq!(texts(&validate_update(gvk, &binding("b"), &binding("a"))), [message]);
}

#[test]
fn metadata_of_updates_is_told_as_often_as_a_kind_looks_at_it() {
    let old = json!({"metadata": {"name": "x", "namespace": "n", "resourceVersion": "1"}});
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({"a": "b c"});
    new["metadata"]["finalizers"] = json!(["x y"]);
    for (group, kind, part, fields) in [
        ("", "ConfigMap", Subresource::Main, &["labels", "finalizers[0]", "labels", "finalizers", "finalizers[0]"][..]),
        ("", "Node", Subresource::Status, &["labels", "finalizers[0]"]),
        ("", "Event", Subresource::Main, &[]),
        ("events.k8s.io", "Event", Subresource::Main, &["labels", "finalizers[0]"]),
        ("coordination.k8s.io", "Lease", Subresource::Main, &["labels"]),
    ] {
        let errors = validate_metadata_update(Gvk::new(group, "v1", kind), &new, &old, part);
        let told: Vec<&str> = errors.iter().map(|error| error.field.trim_start_matches("metadata.")).collect();
        let told: Vec<&str> = told.into_iter().filter(|field| *field != "namespace").collect();
        assert_eq!(told, fields, "{kind}");
    }
}
