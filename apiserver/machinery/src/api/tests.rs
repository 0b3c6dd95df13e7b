use super::Api;
use crate::schema::{Emit, Kind, ListType, Node};
use serde_json::json;

fn field<'a>(api: &'a Api, definition: &str, name: &str) -> (&'a crate::schema::Field, &'a Node) {
    let node = api.schema.node(api.definition(definition).expect(definition).node);
    let field = node.field(name).expect(name);
    (field, api.schema.node(field.node))
}

#[test]
fn table_is_whole() {
    let api = Api::load("1.35").expect("1.35 is built in");
    assert_eq!(api.kubernetes, "1.35.4");
    assert_eq!(api.groups.len(), 21);
    assert_eq!(api.resources.len(), 66);
    assert_eq!(api.resources.iter().map(|resource| resource.subresources.len()).sum::<usize>(), 45);
    assert_eq!(api.definitions().filter(|(_, definition)| definition.published).count(), 570);
    assert_eq!(api.definitions().count(), 643);
    assert!(Api::load("1.2").is_none());
}

#[test]
fn every_field_list_is_sorted_and_points_into_the_schema() {
    let api = Api::builtin();
    for node in &api.schema.nodes {
        assert!(node.fields.is_sorted_by(|a, b| a.name < b.name), "{}", node.name);
        for target in node.fields.iter().map(|field| field.node).chain(node.items) {
            assert!((target.0 as usize) < api.schema.nodes.len());
        }
        assert_eq!(matches!(node.kind, Kind::List | Kind::Map), node.items.is_some() && node.kind != Kind::Any);
    }
}

#[test]
fn every_stored_resource_is_found_by_plural_and_by_kind() {
    let api = Api::builtin();
    for resource in &api.resources {
        let (group, version) = (&resource.group, &resource.version);
        assert_eq!(api.resource(group, version, &resource.plural).map(|found| &found.kind), Some(&resource.kind));
        assert_eq!(
            api.resource_of_kind(group, version, &resource.kind).map(|found| &found.plural),
            Some(&resource.plural)
        );
        assert_eq!(api.node_of_kind(group, version, &resource.kind), Some(resource.node));
        assert_eq!(resource.has_verb("list"), resource.list_node.is_some());
        assert_eq!(resource.has_verb("list"), !resource.columns.is_empty());
        assert_eq!(resource.has_verb("watch"), !resource.storage_version_hash.is_empty(), "{}", resource.plural);
        for part in &resource.subresources {
            assert_eq!(api.node_of_kind(&part.group, &part.version, &part.kind), Some(part.node));
        }
    }
}

#[test]
fn everything_on_the_wire_has_a_type() {
    let api = Api::builtin();
    for kind in [
        "APIGroup",
        "APIGroupList",
        "APIResourceList",
        "APIVersions",
        "CreateOptions",
        "DeleteOptions",
        "GetOptions",
        "List",
        "ListOptions",
        "PartialObjectMetadata",
        "PartialObjectMetadataList",
        "PatchOptions",
        "Status",
        "Table",
        "TableOptions",
        "UpdateOptions",
        "WatchEvent",
    ] {
        assert!(api.meta(kind).is_some(), "{kind}");
        assert_eq!(api.node_of_kind("meta.k8s.io", "v1", kind), api.meta(kind), "{kind}");
    }
    for (group, version, kind) in [
        ("", "v1", "PodExecOptions"),
        ("", "v1", "Status"),
        ("admission.k8s.io", "v1", "AdmissionReview"),
        ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList"),
        ("apidiscovery.k8s.io", "v2beta1", "APIGroupDiscoveryList"),
        ("apiextensions.k8s.io", "v1", "ConversionReview"),
        ("apps", "v1", "DeleteOptions"),
        ("apps", "v1", "DeploymentList"),
        ("authentication.k8s.io", "v1", "TokenRequest"),
        ("autoscaling", "v1", "Scale"),
        ("policy", "v1", "Eviction"),
    ] {
        assert!(api.node_of_kind(group, version, kind).is_some(), "{group}/{version} {kind}");
    }
    assert!(!api.definition("io.k8s.apimachinery.pkg.apis.meta.v1.Table").expect("Table").protobuf);
}

#[test]
fn merge_facts_are_upstreams() {
    let api = Api::builtin();
    let (ports, list) = field(api, "io.k8s.api.core.v1.ServiceSpec", "ports");
    assert_eq!(list.list_type, ListType::Map(vec!["port".to_owned(), "protocol".to_owned()]));
    assert_eq!(
        (ports.patch_strategy.as_slice(), ports.patch_merge_key.as_deref()),
        (&["merge".to_owned()][..], Some("port"))
    );
    let (protocol, node) = field(api, "io.k8s.api.core.v1.ServicePort", "protocol");
    assert_eq!(protocol.default, Some(json!("TCP")));
    assert_eq!(node.enums, [json!("SCTP"), json!("TCP"), json!("UDP")]);
    let (volumes, _) = field(api, "io.k8s.api.core.v1.PodSpec", "volumes");
    assert_eq!(volumes.patch_strategy, ["merge", "retainKeys"]);
    let (finalizers, list) = field(api, "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "finalizers");
    assert_eq!((&list.list_type, finalizers.patch_strategy.len()), (&ListType::Set, 1));
    let (_, selector) = field(api, "io.k8s.api.apps.v1.DeploymentSpec", "selector");
    assert!(selector.atomic_map);
    let (_, claim) = field(api, "io.k8s.api.core.v1.PersistentVolumeSpec", "claimRef");
    assert!(!claim.atomic_map && claim.declared && claim.name == "io.k8s.api.core.v1.ObjectReference");
}

#[test]
fn zero_values_are_written_where_go_writes_them() {
    let api = Api::builtin();
    let cases = [
        ("io.k8s.api.core.v1.Container", "name", Emit::Always, false),
        ("io.k8s.api.core.v1.Container", "resources", Emit::Always, false),
        ("io.k8s.api.core.v1.Container", "command", Emit::OmitEmpty, false),
        ("io.k8s.api.core.v1.PodSpec", "containers", Emit::Always, false),
        ("io.k8s.api.core.v1.PodSpec", "hostNetwork", Emit::OmitEmpty, false),
        ("io.k8s.api.core.v1.PodSpec", "securityContext", Emit::OmitEmpty, true),
        ("io.k8s.api.apps.v1.DeploymentSpec", "replicas", Emit::OmitEmpty, true),
        ("io.k8s.api.rbac.v1.ClusterRole", "rules", Emit::Always, false),
        ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "creationTimestamp", Emit::OmitEmpty, false),
    ];
    for (definition, name, emit, pointer) in cases {
        let (field, _) = field(api, definition, name);
        assert_eq!((field.emit, field.pointer), (emit, pointer), "{definition}.{name}");
    }
}

#[test]
fn protobuf_numbers_lead_through_embedded_structs() {
    let api = Api::builtin();
    let cases: [(&str, &str, &[u16]); 5] = [
        ("io.k8s.api.core.v1.Pod", "metadata", &[1]),
        ("io.k8s.api.core.v1.Pod", "apiVersion", &[]),
        ("io.k8s.api.core.v1.Volume", "configMap", &[2, 19]),
        ("io.k8s.api.core.v1.Probe", "httpGet", &[1, 2]),
        ("io.k8s.api.core.v1.EphemeralContainer", "image", &[1, 2]),
    ];
    for (definition, name, numbers) in cases {
        assert_eq!(field(api, definition, name).0.proto, numbers, "{definition}.{name}");
    }
}

#[test]
fn table_stays_small() {
    let api = Api::builtin();
    let nodes: usize =
        api.schema.nodes.iter().map(|node| size_of::<Node>() + size_of_val(node.fields.as_slice())).sum();
    assert!(nodes < 1_600_000, "{} nodes take {nodes} bytes", api.schema.nodes.len());
}
