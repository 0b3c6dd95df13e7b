//! Tests of printing: one sparse and one full object for kinds whose cells are computed.

use super::{
    IncludeObject, columns, crd_columns, crd_row, definitions, print_order, row, row_conditions, shown_metadata, table,
    table_row,
};
use jiff::Timestamp;
use serde_json::{Value, json};

fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().expect("is a time")
}

/// Checks the cells of an object that was created an hour before.
fn check(group: &str, kind: &str, object: Value, cells: Value) {
    let mut object = object;
    object["metadata"]["name"] = json!("n");
    object["metadata"]["creationTimestamp"] = json!("2026-01-01T23:00:00Z");
    assert_eq!(Value::Array(row(group, "v1", kind, &object, now())), cells, "{group} {kind}");
}

fn check_pod(spec: Value, status: Value, ready: &str, reason: &str, restarts: &str) {
    let pod = json!({ "metadata": {}, "spec": spec, "status": status });
    check("", "Pod", pod, json!(["n", ready, reason, restarts, "60m", "<none>", "<none>", "<none>", "<none>"]));
}

#[test]
fn every_row_has_a_cell_for_every_column() {
    for printer in super::printers() {
        let cells = row(printer.group, "v1", printer.kind, &json!({ "metadata": { "name": "n" } }), now());
        let columns = columns(printer.group, "v1", printer.resource);
        // Addresses have an age and no column for it.
        let extra = usize::from(printer.resource == "ipaddresses");
        assert_eq!(cells.len(), columns.len() + extra, "{} {}", printer.group, printer.resource);
        let names: std::collections::BTreeSet<_> = columns.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), columns.len(), "{} {}", printer.group, printer.resource);
    }
}

#[test]
fn pods_say_what_their_containers_do() {
    let one = || json!({ "containers": [{ "name": "a" }] });
    let two = || json!({ "containers": [{ "name": "a" }, { "name": "b" }] });
    let init = || json!({ "containers": [{ "name": "a" }], "initContainers": [{ "name": "i" }, { "name": "j" }] });
    let done = json!({ "name": "a", "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } });
    let runs = json!({ "name": "b", "ready": true, "state": { "running": {} } });
    let ready = json!([{ "type": "Ready", "status": "True" }]);

    check_pod(one(), json!({ "phase": "Pending" }), "0/1", "Pending", "0");
    check_pod(one(), json!({ "phase": "Failed", "reason": "Evicted" }), "0/1", "Evicted", "0");
    check_pod(one(), json!({ "phase": "Running", "containerStatuses": [runs] }), "1/1", "Running", "0");
    check_pod(two(), json!({ "phase": "Running", "containerStatuses": [done, runs] }), "1/2", "NotReady", "0");
    let status = json!({ "phase": "Running", "conditions": ready, "containerStatuses": [done, runs] });
    check_pod(two(), status, "1/2", "Running", "0");
    let gated = json!([{ "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" }]);
    check_pod(one(), json!({ "phase": "Pending", "conditions": gated }), "0/1", "SchedulingGated", "0");
    let killed = json!([{ "name": "a", "restartCount": 2, "state": { "terminated": { "exitCode": 137, "signal": 9 } },
                          "lastState": { "terminated": { "finishedAt": "2026-01-01T00:00:00Z" } } }]);
    check_pod(one(), json!({ "phase": "Running", "containerStatuses": killed }), "0/1", "Signal:9", "2 (24h ago)");
    let status = json!({ "phase": "Pending", "initContainerStatuses": [
        { "name": "i", "state": { "terminated": { "exitCode": 0 } } }, { "name": "j", "state": { "running": {} } } ] });
    check_pod(init(), status, "0/1", "Init:1/2", "0");
    let failed = json!([{ "name": "i", "restartCount": 4, "state": { "terminated": { "exitCode": 5 } } }]);
    check_pod(init(), json!({ "phase": "Pending", "initContainerStatuses": failed }), "0/1", "Init:ExitCode:5", "4");
    let waits = json!([{ "name": "i", "state": { "waiting": { "reason": "ImagePullBackOff" } } }]);
    let status = json!({ "phase": "Pending", "initContainerStatuses": waits });
    check_pod(init(), status, "0/1", "Init:ImagePullBackOff", "0");
}

#[test]
fn sidecars_count_as_containers() {
    let spec = json!({ "containers": [{ "name": "a" }], "initContainers": [
        { "name": "i" }, { "name": "s", "restartPolicy": "Always" } ] });
    let status = json!({ "phase": "Running",
        "initContainerStatuses": [
            { "name": "i", "restartCount": 3, "state": { "terminated": { "exitCode": 0 } } },
            { "name": "s", "restartCount": 1, "ready": true, "started": true, "state": { "running": {} } } ],
        "containerStatuses": [{ "name": "a", "ready": true, "restartCount": 1, "state": { "running": {} } }] });
    check_pod(spec, status, "2/2", "Running", "2");
}

#[test]
fn deleted_pods_terminate_unless_they_have_ended() {
    for (phase, reason, shown) in
        [("Running", "", "Terminating"), ("Succeeded", "", "Succeeded"), ("Running", "NodeLost", "Unknown")]
    {
        let pod = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" },
                          "status": { "phase": phase, "reason": reason } });
        assert_eq!(row("", "v1", "Pod", &pod, now())[2], shown);
    }
    let ended = row_conditions("", "Pod", &json!({ "status": { "phase": "Succeeded" } })).expect("has ended");
    assert_eq!(ended[0]["type"], "Completed");
    assert!(row_conditions("", "Pod", &json!({ "status": { "phase": "Running" } })).is_none());
}

#[test]
fn wide_pods_show_address_node_and_gates() {
    let pod = json!({
        "metadata": {},
        "spec": { "nodeName": "node", "readinessGates": [{ "conditionType": "a" }, { "conditionType": "b" }] },
        "status": { "podIPs": [{ "ip": "10.0.0.1" }], "nominatedNodeName": "other",
                    "conditions": [{ "type": "a", "status": "True" }] },
    });
    check("", "Pod", pod, json!(["n", "0/0", "", "0", "60m", "10.0.0.1", "node", "other", "1/2"]));
}

#[test]
fn workloads_compare_wanted_and_present() {
    let template = json!({ "spec": { "containers": [{ "name": "a", "image": "i" }, { "name": "b", "image": "j" }] } });
    let selector = json!({ "matchLabels": { "x": "y" } });
    let spec = json!({ "replicas": 3, "selector": selector, "template": template });
    let status = json!({ "replicas": 2, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1 });
    let object = || json!({ "metadata": {}, "spec": spec, "status": status });
    check("apps", "Deployment", object(), json!(["n", "1/3", 2, 1, "60m", "a,b", "i,j", "x=y"]));
    check("apps", "ReplicaSet", object(), json!(["n", 3, 2, 1, "60m", "a,b", "i,j", "x=y"]));
    check("apps", "StatefulSet", object(), json!(["n", "1/3", "60m", "a,b", "i,j"]));
    check("apps", "DaemonSet", object(), json!(["n", 0, 0, 0, 0, 0, "<none>", "60m", "a,b", "i,j", "x=y"]));
    let job = json!({ "metadata": {}, "spec": { "parallelism": 2 },
        "status": { "startTime": "2026-01-01T23:59:00Z", "conditions": [{ "type": "Suspended", "status": "True" }] } });
    check("batch", "Job", job, json!(["n", "Suspended", "0/1 of 2", "60s", "60m", "", "", "<none>"]));
    let cron = json!({ "metadata": {}, "spec": { "schedule": "* * * * *", "suspend": true },
                       "status": { "active": [{}], "lastScheduleTime": "2026-01-01T23:59:00Z" } });
    let cells = json!(["n", "* * * * *", "<none>", "True", 1, "60s", "60m", "", "", "<none>"]);
    check("batch", "CronJob", cron, cells);
    let owner = json!([{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "D", "controller": true }]);
    let revision = json!({ "metadata": { "ownerReferences": owner }, "revision": 4 });
    check("apps", "ControllerRevision", revision, json!(["n", "daemonset.apps/D", 4, "60m"]));
    let budget = json!({ "metadata": {}, "spec": { "minAvailable": "50%" } });
    check("policy", "PodDisruptionBudget", budget, json!(["n", "50%", "N/A", 0, "60m"]));
}

#[test]
fn services_show_addresses_and_ports() {
    let ports = json!([{ "port": 80, "protocol": "TCP" }, { "port": 81, "nodePort": 30081, "protocol": "UDP" }]);
    let service = |kind: &str, external: Value, ingress: Value| {
        json!({ "metadata": {}, "spec": { "type": kind, "clusterIPs": ["10.0.0.1"], "ports": ports,
                "externalIPs": external, "externalName": "x.y" }, "status": { "loadBalancer": { "ingress": ingress } } })
    };
    let cells =
        |kind: &str, external: &str| json!(["n", kind, "10.0.0.1", external, "80/TCP,81:30081/UDP", "60m", "<none>"]);
    check("", "Service", service("ClusterIP", json!([]), json!([])), cells("ClusterIP", "<none>"));
    check("", "Service", service("NodePort", json!(["1.1.1.1"]), json!([])), cells("NodePort", "1.1.1.1"));
    check("", "Service", service("LoadBalancer", json!([]), json!([])), cells("LoadBalancer", "<pending>"));
    let ingress = json!([{ "hostname": "b" }, { "ip": "a" }]);
    check("", "Service", service("LoadBalancer", json!(["1.1.1.1"]), ingress), cells("LoadBalancer", "a,b,1.1.1.1"));
    check("", "Service", service("ExternalName", json!([]), json!([])), cells("ExternalName", "x.y"));
}

#[test]
fn long_lists_are_shortened() {
    let addresses: Vec<Value> = (1..=5).map(|last| json!({ "ip": format!("10.0.0.{last}") })).collect();
    let endpoints = json!({ "metadata": {}, "subsets": [{ "addresses": addresses, "ports": [{ "port": 80 }] }] });
    check("", "Endpoints", endpoints, json!(["n", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...", "60m"]));
    check("", "Endpoints", json!({ "metadata": {} }), json!(["n", "<none>", "60m"]));
    let slice = json!({ "metadata": {}, "addressType": "IPv4", "ports": [{ "name": "http" }, {}] });
    check("discovery.k8s.io", "EndpointSlice", slice, json!(["n", "IPv4", "http,*", "<unset>", "60m"]));
    let rules: Vec<Value> = (1..=4).map(|host| json!({ "host": format!("h{host}") })).collect();
    let ingress = json!({ "metadata": {}, "spec": { "rules": rules, "tls": [{}] } });
    check(
        "networking.k8s.io",
        "Ingress",
        ingress,
        json!(["n", "<none>", "h1,h2,h3 + 1 more...", "", "80, 443", "60m"]),
    );
}

#[test]
fn volumes_show_modes_in_short() {
    let volume = json!({ "metadata": {}, "spec": { "capacity": { "storage": "1Gi" },
        "accessModes": ["ReadWriteMany", "ReadWriteOnce"], "claimRef": { "namespace": "a", "name": "b" },
        "persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Block" }, "status": { "phase": "Bound" } });
    let cells = json!(["n", "1Gi", "RWO,RWX", "Retain", "Bound", "a/b", "", "<unset>", "", "60m", "Block"]);
    check("", "PersistentVolume", volume, cells);
    let claim = json!({ "metadata": { "annotations": { "volume.beta.kubernetes.io/storage-class": "old" },
                                      "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    check(
        "",
        "PersistentVolumeClaim",
        claim,
        json!(["n", "Terminating", "", "", "", "old", "<unset>", "60m", "<unset>"]),
    );
    let class = json!({ "metadata": { "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } } });
    check("storage.k8s.io", "StorageClass", class, json!(["n (default)", "", "Delete", "Immediate", false, "60m"]));
}

#[test]
fn nodes_show_readiness_and_roles() {
    let node = json!({ "metadata": { "labels": { "node-role.kubernetes.io/b": "", "kubernetes.io/role": "a" } },
        "spec": { "unschedulable": true }, "status": { "conditions": [{ "type": "Ready", "status": "True" }],
        "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }] } });
    let none = "<unknown>";
    let cells = json!(["n", "Ready,SchedulingDisabled", "a,b", "60m", "", "10.0.0.1", "<none>", none, none, none]);
    check("", "Node", node, cells);
}

#[test]
fn both_forms_of_events_print_alike() {
    let core = json!({ "metadata": {}, "involvedObject": { "kind": "Pod", "name": "P" }, "reason": "R", "type": "Normal",
        "message": " m ", "count": 2, "firstTimestamp": "2026-01-01T00:00:00Z", "source": { "component": "c" } });
    let new = json!({ "metadata": {}, "regarding": { "kind": "Pod", "name": "P" }, "reason": "R", "type": "Normal",
        "note": " m ", "deprecatedCount": 2, "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z",
        "deprecatedSource": { "component": "c" } });
    let cells = json!(["24h", "Normal", "R", "pod/P", "", "c", "m", "24h", 2, "n"]);
    check("", "Event", core, cells.clone());
    check("events.k8s.io", "Event", new, cells);
}

#[test]
fn autoscalers_show_metrics_in_either_version() {
    let metrics = json!([
        { "type": "Resource", "resource": { "name": "cpu", "target": { "averageUtilization": 70 } } },
        { "type": "Pods", "pods": { "target": { "averageValue": "5" } } },
        { "type": "External", "external": { "target": { "value": "5" } } },
    ]);
    let current =
        json!([{ "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": 3 } } }]);
    let new = json!({ "metadata": {}, "spec": { "scaleTargetRef": { "kind": "K", "name": "k" }, "minReplicas": 1,
        "maxReplicas": 2, "metrics": metrics }, "status": { "currentMetrics": current } });
    let cells = json!(["n", "K/k", "cpu: 3%/70%, <unknown>/5 + 1 more...", "1", 2, 0, "60m"]);
    check("autoscaling", "HorizontalPodAutoscaler", new, cells);
    let old = json!({ "apiVersion": "autoscaling/v1", "metadata": {}, "spec": {
        "scaleTargetRef": { "kind": "K", "name": "k" }, "maxReplicas": 2, "targetCPUUtilizationPercentage": 9 } });
    let cells = json!(["n", "K/k", "cpu: <unknown>/9%", "<unset>", 2, 0, "60m"]);
    check("autoscaling", "HorizontalPodAutoscaler", old, cells);
}

#[test]
fn quotas_bindings_and_services_of_apis_are_summed_up() {
    let hard = json!({ "limits.cpu": "4", "pods": "10", "requests.cpu": "2" });
    let quota = json!({ "metadata": {}, "status": { "hard": hard, "used": { "pods": "3" } } });
    check("", "ResourceQuota", quota, json!(["n", "pods: 3/10, requests.cpu: 0/2", "limits.cpu: 0/4", "60m"]));
    let subjects =
        json!([{ "kind": "User", "name": "u" }, { "kind": "ServiceAccount", "namespace": "s", "name": "a" }]);
    let binding = json!({ "metadata": {}, "roleRef": { "kind": "Role", "name": "r" }, "subjects": subjects });
    check("rbac.authorization.k8s.io", "RoleBinding", binding, json!(["n", "Role/r", "60m", "u", "", "s/a"]));
    let service = json!({ "metadata": {}, "spec": { "service": { "namespace": "a", "name": "b" } },
        "status": { "conditions": [{ "type": "Available", "status": "False", "reason": "R" }] } });
    check("apiregistration.k8s.io", "APIService", service, json!(["n", "a/b", "False (R)", "60m"]));
    let conditions = json!([{ "type": "Approved" }, { "type": "Failed" }]);
    let request = json!({ "metadata": {}, "spec": { "signerName": "s", "username": "u", "expirationSeconds": 3600 },
                          "status": { "conditions": conditions, "certificate": "AA==" } });
    let cells = json!(["n", "60m", "s", "u", "60m", "Approved,Failed,Issued"]);
    check("certificates.k8s.io", "CertificateSigningRequest", request, cells);
}

#[test]
fn kinds_without_a_printer_show_their_creation_time() {
    check("rbac.authorization.k8s.io", "Role", json!({ "metadata": {} }), json!(["n", "2026-01-01T23:00:00Z"]));
    let names: Vec<&str> =
        columns("rbac.authorization.k8s.io", "v1", "roles").iter().map(|column| column.name).collect();
    assert_eq!(names, ["Name", "Created At"]);
}

#[test]
fn flow_schemas_are_printed_in_the_order_they_are_tried() {
    let order = print_order("flowcontrol.apiserver.k8s.io", "FlowSchema").expect("has an order");
    let early = json!({ "spec": { "matchingPrecedence": 1 }, "metadata": { "name": "z" } });
    let late = json!({ "spec": { "matchingPrecedence": 2 }, "metadata": { "name": "a" } });
    assert!(order(&early, &late).is_lt());
    assert!(print_order("", "Pod").is_none());
}

#[test]
fn custom_resources_show_their_printer_columns() {
    let columns = crd_columns(&json!({ "additionalPrinterColumns": [
        { "name": "S", "type": "string", "jsonPath": ".spec.s" },
        { "name": "I", "type": "integer", "jsonPath": ".spec.i", "description": "d", "priority": 1, "format": "int32" },
        { "name": "N", "type": "number", "jsonPath": ".spec.i" },
        { "name": "B", "type": "boolean", "jsonPath": ".spec.b" },
        { "name": "D", "type": "date", "jsonPath": ".spec.d" },
        { "name": "O", "type": "string", "jsonPath": ".spec.o" },
        { "name": "F", "type": "string", "jsonPath": ".spec.f" },
        { "name": "Bad", "type": "string", "jsonPath": ".spec[" },
        { "name": "After", "type": "string", "jsonPath": ".spec.s" },
    ] }));
    let object = json!({ "metadata": { "name": "n" }, "spec": { "s": null, "i": 2.7, "b": true,
        "d": "2026-01-01T00:00:00Z", "o": { "k": ["<"] }, "f": 1_234_567.5 } });
    let cells = crd_row(&columns, &object, now());
    assert_eq!(
        Value::Array(cells),
        json!(["n", "<no value>", 2, 2.7, true, "24h", r#"{"k":["\u003c"]}"#, "1.2345675e+06"])
    );
    let definitions = columns.definitions();
    assert_eq!(definitions[1]["description"], "Custom resource definition column (in JSONPath format): .spec.s");
    let expected = json!({ "name": "I", "type": "integer", "format": "int32", "description": "d", "priority": 1 });
    assert_eq!(definitions[2], expected);
    let empty = crd_row(&columns, &json!({ "metadata": { "name": "n" } }), now());
    assert!(empty[1..].iter().all(Value::is_null));
}

#[test]
fn custom_resources_without_columns_show_their_age() {
    let columns = crd_columns(&json!({}));
    let object = json!({ "metadata": { "name": "n", "creationTimestamp": "2026-01-01T23:00:00Z" } });
    assert_eq!(crd_row(&columns, &object, now()), [json!("n"), json!("60m")]);
}

#[test]
fn rows_carry_as_much_of_the_object_as_was_asked_for() {
    let object = json!({ "kind": "Pod", "metadata": { "name": "n" }, "spec": {} });
    let carried = |include| table_row(vec![json!("n")], None, &object, include)["object"].clone();
    assert_eq!(carried(IncludeObject::None), Value::Null);
    let partial =
        json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": { "name": "n" } });
    assert_eq!(carried(IncludeObject::Metadata), partial);
    assert_eq!(carried(IncludeObject::Object), object);
}

#[test]
fn a_table_is_headed_by_its_columns() {
    let document =
        table(definitions(columns("", "v1", "serviceaccounts")), Vec::new(), json!({ "resourceVersion": "7" }));
    assert_eq!(document["kind"], "Table");
    assert_eq!(document["apiVersion"], "meta.k8s.io/v1");
    assert_eq!(document["metadata"]["resourceVersion"], "7");
    assert_eq!(document["columnDefinitions"][0]["format"], "name");
    assert_eq!(document["rows"], json!([]));
}

#[test]
fn metadata_of_daemon_sets_has_no_annotation_of_the_server() {
    let daemon_set = |annotations: Value| json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "annotations": annotations}});
    let own = json!({"deprecated.daemonset.template.generation": "1"});
    assert_eq!(shown_metadata(&daemon_set(own)), json!({"name": "d"}));
    let both = json!({"deprecated.daemonset.template.generation": "1", "a": "b"});
    assert_eq!(shown_metadata(&daemon_set(both))["annotations"], json!({"a": "b"}));
}
