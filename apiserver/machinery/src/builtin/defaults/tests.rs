//! Tests of defaulting: what is missing is filled, what is given is kept.

use super::default;
use crate::api::Api;
use crate::decode::conform;
use serde_json::{Value, json};

const NOW: &str = "2026-01-02T03:04:05Z";

/// Checks that defaulting `given` adds exactly `added` (merged deeply), that doing it again changes nothing, and that
/// a document in canonical form stays in it.
fn check(group: &str, version: &str, kind: &str, given: Value, added: Value) {
    let mut actual = given.clone();
    default(group, version, kind, &mut actual, NOW);
    let api = Api::builtin();
    let node = api.node_of_kind(group, version, kind).expect("is built in");
    let mut canonical = given.clone();
    assert_eq!(conform(&api.schema, node, &mut canonical), Ok(Vec::new()), "{group}/{version} {kind}");
    default(group, version, kind, &mut canonical, NOW);
    let before = canonical.clone();
    assert_eq!(conform(&api.schema, node, &mut canonical), Ok(Vec::new()), "{group}/{version} {kind}");
    assert_eq!(canonical, before, "{group}/{version} {kind} is canonical");
    let mut expected = given;
    merge(&mut expected, added);
    assert_eq!(actual, expected, "{group}/{version} {kind}");
    let mut again = actual.clone();
    default(group, version, kind, &mut again, NOW);
    assert_eq!(again, actual, "{group}/{version} {kind} defaulted twice");
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) if into.len() == from.len() => {
            into.iter_mut().zip(from).for_each(|(into, from)| merge(into, from));
        }
        (into, from) => *into = from,
    }
}

fn container_defaults() -> Value {
    json!({ "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File" })
}

fn template_defaults(containers: Vec<Value>) -> Value {
    json!({ "spec": {
        "containers": containers, "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "securityContext": {},
        "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler" } })
}

#[test]
fn a_pod_is_filled_and_what_it_says_is_kept() {
    let given = json!({ "spec": {
        "hostNetwork": true, "serviceAccount": "runner", "dnsPolicy": "Default", "terminationGracePeriodSeconds": -5,
        "containers": [{
            "name": "a", "image": "web:1",
            "ports": [{ "containerPort": 80 }],
            "env": [{ "name": "N", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
            "resources": { "limits": { "cpu": "1500u", "memory": "1Gi" }, "requests": { "memory": "1Mi" } },
            "livenessProbe": { "httpGet": { "port": 80 }, "periodSeconds": 3 },
            "startupProbe": { "grpc": { "port": 81 } },
            "lifecycle": { "preStop": { "httpGet": { "port": 82, "path": "/x" } } },
        }],
        "volumes": [
            { "name": "empty" },
            { "name": "secret", "secret": { "secretName": "s" } },
            { "name": "mixed", "projected": { "sources": [
                { "serviceAccountToken": { "path": "t" } },
                { "downwardAPI": { "items": [{ "path": "p", "fieldRef": { "fieldPath": "metadata.uid" } }] } } ] } },
            { "name": "own", "ephemeral": { "volumeClaimTemplate": { "spec": { "accessModes": ["ReadWriteOnce"] } } } },
            { "name": "host", "hostPath": { "path": "/x" } },
            { "name": "oci", "image": { "reference": "data" } },
        ],
    } });
    let added = json!({ "spec": {
        "serviceAccountName": "runner", "enableServiceLinks": true, "restartPolicy": "Always", "securityContext": {},
        "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 1,
        "containers": [{
            "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "ports": [{ "protocol": "TCP", "hostPort": 80 }],
            "env": [{ "valueFrom": { "fieldRef": { "apiVersion": "v1" } } }],
            "resources": { "limits": { "cpu": "2m" }, "requests": { "cpu": "2m" } },
            "livenessProbe": { "httpGet": { "path": "/", "scheme": "HTTP" }, "timeoutSeconds": 1,
                               "successThreshold": 1, "failureThreshold": 3 },
            "startupProbe": { "grpc": { "service": "" }, "timeoutSeconds": 1, "periodSeconds": 10,
                              "successThreshold": 1, "failureThreshold": 3 },
            "lifecycle": { "preStop": { "httpGet": { "scheme": "HTTP" } } },
        }],
        "volumes": [
            { "emptyDir": {} },
            { "secret": { "defaultMode": 420 } },
            { "projected": { "defaultMode": 420, "sources": [
                { "serviceAccountToken": { "expirationSeconds": 3600 } },
                { "downwardAPI": { "items": [{ "fieldRef": { "apiVersion": "v1" } }] } } ] } },
            { "ephemeral": { "volumeClaimTemplate": { "spec": { "volumeMode": "Filesystem" } } } },
            { "hostPath": { "type": "" } },
            { "image": { "pullPolicy": "Always" } },
        ],
    } });
    check("", "v1", "Pod", given, added);
}

#[test]
fn pod_level_requests_come_from_containers_then_from_limits() {
    let mut pod = json!({ "spec": {
        "resources": { "limits": { "cpu": "4", "memory": "1Gi" } },
        "containers": [
            { "name": "a", "image": "a:1", "resources": { "requests": { "cpu": "100m" }, "limits": { "hugepages-2Mi": "4Mi" } } },
            { "name": "b", "image": "b:1", "resources": { "requests": { "cpu": "1" } } } ],
        "initContainers": [
            { "name": "side", "image": "s:1", "restartPolicy": "Always", "resources": { "requests": { "cpu": "1" } } },
            { "name": "init", "image": "i:1", "resources": { "requests": { "cpu": "2" } } } ],
    } });
    default("", "v1", "Pod", &mut pod, NOW);
    let expected = json!({ "limits": { "cpu": "4", "memory": "1Gi", "hugepages-2Mi": "4Mi" },
                           "requests": { "cpu": "3", "memory": "1Gi", "hugepages-2Mi": "4Mi" } });
    assert_eq!(pod["spec"]["resources"], expected);
}

#[test]
fn workloads_get_strategies_and_filled_templates() {
    let given = || json!({ "spec": { "template": { "spec": { "containers": [{ "name": "a", "image": "a:1" }] } } } });
    let template = || template_defaults(vec![container_defaults()]);
    check(
        "apps",
        "v1",
        "Deployment",
        given(),
        json!({ "spec": {
        "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "template": template(),
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } } } }),
    );
    check(
        "apps",
        "v1",
        "DaemonSet",
        given(),
        json!({ "metadata": { "annotations": { "deprecated.daemonset.template.generation": "0" } }, "spec": {
        "revisionHistoryLimit": 10, "template": template(),
        "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } } } }),
    );
    check("apps", "v1", "ReplicaSet", given(), json!({ "spec": { "replicas": 1, "template": template() } }));
    check(
        "apps",
        "v1",
        "StatefulSet",
        given(),
        json!({ "spec": {
        "replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady", "template": template(),
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } } } }),
    );
    check(
        "batch",
        "v1",
        "Job",
        given(),
        json!({ "spec": {
        "completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": false,
        "manualSelector": false, "podReplacementPolicy": "TerminatingOrFailed", "template": template() } }),
    );
    check("", "v1", "ReplicationController", given(), json!({ "spec": { "replicas": 1, "template": template() } }));
    check(
        "",
        "v1",
        "PodTemplate",
        json!({ "template": given()["spec"]["template"] }),
        json!({ "template": template() }),
    );
    check(
        "batch",
        "v1",
        "CronJob",
        json!({ "spec": { "jobTemplate": given() } }),
        json!({ "spec": {
        "concurrencyPolicy": "Allow", "suspend": false, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
        "jobTemplate": { "spec": { "template": template() } } } }),
    );
}

#[test]
fn other_strategies_get_no_rolling_update() {
    let given = json!({ "spec": { "strategy": { "type": "Recreate" } } });
    let mut deployment = given;
    default("apps", "v1", "Deployment", &mut deployment, NOW);
    assert_eq!(deployment["spec"]["strategy"], json!({ "type": "Recreate" }));
    let mut set = json!({ "spec": { "updateStrategy": { "type": "RollingUpdate" } } });
    default("apps", "v1", "StatefulSet", &mut set, NOW);
    assert_eq!(
        set["spec"]["updateStrategy"],
        json!({ "type": "RollingUpdate" }),
        "only an unset type implies a partition"
    );
}

#[test]
fn a_replication_controller_takes_selector_and_labels_from_its_template() {
    let mut controller = json!({ "spec": { "template": { "metadata": { "labels": { "a": "b" } } } } });
    default("", "v1", "ReplicationController", &mut controller, NOW);
    assert_eq!(controller["metadata"]["labels"], json!({ "a": "b" }));
    assert_eq!(controller["spec"]["selector"], json!({ "a": "b" }));
}

#[test]
fn services_are_filled_by_type() {
    check(
        "",
        "v1",
        "Service",
        json!({ "spec": { "ports": [{ "port": 80 }] } }),
        json!({ "spec": {
        "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        "ports": [{ "protocol": "TCP", "targetPort": 80 }] } }),
    );
    check(
        "",
        "v1",
        "Service",
        json!({ "spec": { "type": "LoadBalancer", "sessionAffinity": "ClientIP" },
                                       "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } }),
        json!({ "spec": { "internalTrafficPolicy": "Cluster", "externalTrafficPolicy": "Cluster",
                          "allocateLoadBalancerNodePorts": true,
                          "sessionAffinityConfig": { "clientIP": { "timeoutSeconds": 10800 } } },
                "status": { "loadBalancer": { "ingress": [{ "ipMode": "VIP" }] } } }),
    );
    check(
        "",
        "v1",
        "Service",
        json!({ "spec": { "type": "ExternalName" } }),
        json!({ "spec": { "sessionAffinity": "None" } }),
    );
    check(
        "",
        "v1",
        "Service",
        json!({ "spec": { "externalIPs": ["192.0.2.2"], "type": "ClusterIP" } }),
        json!({ "spec": {
        "sessionAffinity": "None", "internalTrafficPolicy": "Cluster", "externalTrafficPolicy": "Cluster" } }),
    );
}

#[test]
fn core_kinds_are_filled() {
    check(
        "",
        "v1",
        "Namespace",
        json!({ "metadata": { "name": "n" } }),
        json!({
        "metadata": { "labels": { "kubernetes.io/metadata.name": "n" } }, "status": { "phase": "Active" } }),
    );
    check(
        "",
        "v1",
        "PersistentVolumeClaim",
        json!({}),
        json!({
        "spec": { "volumeMode": "Filesystem" }, "status": { "phase": "Pending" } }),
    );
    check(
        "",
        "v1",
        "PersistentVolume",
        json!({ "spec": { "rbd": { "monitors": ["m"], "image": "i" } } }),
        json!({
        "spec": { "volumeMode": "Filesystem", "persistentVolumeReclaimPolicy": "Retain",
                  "rbd": { "pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring" } },
        "status": { "phase": "Pending" } }),
    );
    check(
        "",
        "v1",
        "Node",
        json!({ "spec": { "podCIDR": "10.0.0.0/24" }, "status": { "capacity": { "cpu": "1" } } }),
        json!({ "spec": { "podCIDRs": ["10.0.0.0/24"] }, "status": { "allocatable": { "cpu": "1" } } }),
    );
    check(
        "",
        "v1",
        "LimitRange",
        json!({ "spec": { "limits": [{ "type": "Container", "max": { "cpu": "2" }, "min": { "memory": "1Mi" } },
                                     { "type": "Pod", "max": { "cpu": "2" } }] } }),
        json!({ "spec": { "limits": [{ "default": { "cpu": "2" }, "defaultRequest": { "cpu": "2", "memory": "1Mi" } }, {}] } }),
    );
    let mut secret = json!({ "data": { "a": "AA==" }, "stringData": { "b": "x" } });
    default("", "v1", "Secret", &mut secret, NOW);
    assert_eq!(secret, json!({ "type": "Opaque", "data": { "a": "AA==", "b": "eA==" } }));
}

#[test]
fn autoscalers_get_a_metric_and_complete_behavior() {
    check(
        "autoscaling",
        "v1",
        "HorizontalPodAutoscaler",
        json!({ "spec": {} }),
        json!({ "spec": { "minReplicas": 1 } }),
    );
    let metric = json!({ "type": "Resource", "resource": {
        "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } });
    check(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        json!({ "spec": { "behavior": { "scaleDown": { "selectPolicy": "Min" } } } }),
        json!({ "spec": { "minReplicas": 1, "metrics": [metric], "behavior": {
            "scaleDown": { "policies": [{ "type": "Percent", "value": 100, "periodSeconds": 15 }] },
            "scaleUp": { "selectPolicy": "Max", "stabilizationWindowSeconds": 0, "policies": [
                { "type": "Pods", "value": 4, "periodSeconds": 15 },
                { "type": "Percent", "value": 100, "periodSeconds": 15 } ] } } } }),
    );
}

#[test]
fn cluster_kinds_are_filled() {
    let subjects = json!([{ "kind": "User", "name": "u" }, { "kind": "ServiceAccount", "name": "s" }]);
    check(
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        json!({ "roleRef": { "kind": "Role" }, "subjects": subjects }),
        json!({ "roleRef": { "apiGroup": "rbac.authorization.k8s.io" },
                "subjects": [{ "apiGroup": "rbac.authorization.k8s.io" }, {}] }),
    );
    check(
        "storage.k8s.io",
        "v1",
        "StorageClass",
        json!({}),
        json!({ "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate" }),
    );
    check(
        "storage.k8s.io",
        "v1",
        "CSIDriver",
        json!({ "spec": { "attachRequired": false } }),
        json!({ "spec": {
        "podInfoOnMount": false, "storageCapacity": false, "fsGroupPolicy": "ReadWriteOnceWithFSType",
        "volumeLifecycleModes": ["Persistent"], "requiresRepublish": false, "seLinuxMount": false } }),
    );
    check(
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        json!({ "spec": { "egress": [{ "ports": [{ "port": 1 }] }] } }),
        json!({ "spec": { "policyTypes": ["Ingress", "Egress"], "egress": [{ "ports": [{ "protocol": "TCP" }] }] } }),
    );
    check(
        "networking.k8s.io",
        "v1",
        "IngressClass",
        json!({ "spec": { "parameters": {} } }),
        json!({ "spec": { "parameters": { "scope": "Cluster" } } }),
    );
    check(
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        json!({ "ports": [{ "port": 1 }] }),
        json!({ "ports": [{ "name": "", "protocol": "TCP" }] }),
    );
    check("scheduling.k8s.io", "v1", "PriorityClass", json!({}), json!({ "preemptionPolicy": "PreemptLowerPriority" }));
    check(
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "FlowSchema",
        json!({}),
        json!({ "spec": { "matchingPrecedence": 1000 } }),
    );
    check(
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "PriorityLevelConfiguration",
        json!({ "spec": { "limited": { "limitResponse": { "queuing": { "queues": 1 } } } } }),
        json!({ "spec": { "limited": { "nominalConcurrencyShares": 30, "lendablePercent": 0,
                                       "limitResponse": { "queuing": { "handSize": 8, "queueLengthLimit": 50 } } } } }),
    );
    check(
        "resource.k8s.io",
        "v1",
        "ResourceClaim",
        json!({ "spec": { "devices": { "requests": [{ "exactly": { "tolerations": [{}] } },
                                                    { "firstAvailable": [{ "allocationMode": "All" }] }] } } }),
        json!({ "spec": { "devices": { "requests": [
            { "exactly": { "allocationMode": "ExactCount", "count": 1, "tolerations": [{ "operator": "Equal" }] } }, {}] } } }),
    );
    check(
        "resource.k8s.io",
        "v1",
        "ResourceSlice",
        json!({ "spec": { "devices": [{ "taints": [{ "key": "k" }] }] } }),
        json!({ "spec": { "devices": [{ "taints": [{ "timeAdded": NOW }] }] } }),
    );
    check("authentication.k8s.io", "v1", "TokenRequest", json!({}), json!({ "spec": { "expirationSeconds": 3600 } }));
}

#[test]
fn extensions_are_filled() {
    let given = json!({ "webhooks": [{ "clientConfig": { "service": {} }, "rules": [{}] }] });
    let filled = json!({ "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {},
        "objectSelector": {}, "timeoutSeconds": 10, "clientConfig": { "service": { "port": 443 } }, "rules": [{ "scope": "*" }] });
    let group = "admissionregistration.k8s.io";
    check(group, "v1", "ValidatingWebhookConfiguration", given.clone(), json!({ "webhooks": [filled.clone()] }));
    let mut mutating = filled;
    mutating["reinvocationPolicy"] = json!("Never");
    check(group, "v1", "MutatingWebhookConfiguration", given, json!({ "webhooks": [mutating] }));
    let matching = json!({ "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
        "resourceRules": [{ "scope": "*" }] });
    check(
        group,
        "v1",
        "ValidatingAdmissionPolicy",
        json!({ "spec": { "matchConstraints": { "resourceRules": [{}] } } }),
        json!({ "spec": { "failurePolicy": "Fail", "matchConstraints": matching } }),
    );
    check(
        group,
        "v1",
        "ValidatingAdmissionPolicyBinding",
        json!({ "spec": { "matchResources": { "resourceRules": [{}] } } }),
        json!({ "spec": { "matchResources": matching } }),
    );
    check(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        json!({ "spec": { "names": { "kind": "Foo" }, "versions": [{ "name": "v1", "storage": true }] } }),
        json!({ "spec": { "names": { "singular": "foo", "listKind": "FooList" }, "conversion": { "strategy": "None" } },
                "status": { "storedVersions": ["v1"] } }),
    );
    check(
        "apiregistration.k8s.io",
        "v1",
        "APIService",
        json!({ "spec": { "service": {} } }),
        json!({ "spec": { "service": { "port": 443 } } }),
    );
}

#[test]
fn a_budget_loses_the_old_selector_marker_unless_it_stands_alone() {
    let marker = json!({ "key": "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match", "operator": "Exists" });
    check(
        "policy",
        "v1",
        "PodDisruptionBudget",
        json!({ "spec": { "selector": { "matchExpressions": [marker] } } }),
        json!({}),
    );
    let mut budget = json!({ "spec": { "selector": { "matchLabels": { "a": "b" }, "matchExpressions": [marker] } } });
    default("policy", "v1", "PodDisruptionBudget", &mut budget, NOW);
    assert_eq!(budget["spec"]["selector"], json!({ "matchLabels": { "a": "b" } }));
}

#[test]
fn annotations_of_older_versions_are_dropped() {
    let old = json!({ "metadata": { "annotations": { "deprecated.deployment.rollback.to": "" } } });
    let mut deployment = old;
    default("apps", "v1", "Deployment", &mut deployment, NOW);
    assert_eq!(deployment["metadata"], json!({}));
    let annotations = json!({ "pod.beta.kubernetes.io/init-containers": "x", "keep": "me" });
    let mut pod = json!({ "metadata": { "annotations": annotations } });
    default("", "v1", "Pod", &mut pod, NOW);
    assert_eq!(pod["metadata"], json!({ "annotations": { "keep": "me" } }));
}

#[test]
fn addresses_of_pods_have_a_first_one() {
    let cases = [
        (json!({ "podIP": "a" }), json!({ "podIP": "a", "podIPs": [{ "ip": "a" }] })),
        (json!({ "podIPs": [{ "ip": "a" }] }), json!({ "podIP": "a", "podIPs": [{ "ip": "a" }] })),
        (json!({ "podIP": "b", "podIPs": [{ "ip": "a" }] }), json!({ "podIP": "b", "podIPs": [{ "ip": "b" }] })),
    ];
    for (given, expected) in cases {
        let mut pod = json!({ "status": given });
        default("", "v1", "Pod", &mut pod, NOW);
        assert_eq!(pod["status"], expected);
    }
}

#[test]
fn documents_of_other_shapes_are_left_alone() {
    for kind in ["Pod", "Service", "Namespace"] {
        for given in [json!(null), json!("x"), json!({ "spec": 5, "metadata": [], "status": "x" })] {
            let mut value = given.clone();
            default("", "v1", kind, &mut value, NOW);
            assert_eq!(value, given, "{kind}");
        }
    }
}

#[test]
fn fine_quantities_are_rounded_away_from_zero_to_thousandths() {
    let hard = json!({ "a": "100u", "b": "1500u", "c": "-100n", "d": "1500m", "e": "1e-6", "f": "1Ki", "g": "1E" });
    let mut quota = json!({ "spec": { "hard": hard } });
    default("", "v1", "ResourceQuota", &mut quota, NOW);
    let rounded = json!({ "a": "1m", "b": "2m", "c": "-1m", "d": "1500m", "e": "1e-3", "f": "1Ki", "g": "1E" });
    assert_eq!(quota["spec"]["hard"], rounded);
}
