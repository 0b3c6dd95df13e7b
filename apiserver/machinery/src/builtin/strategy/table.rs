//! The table of strategies: one row for each built-in resource.

use super::{Dependents, FieldPath, Generation, NameRule, StatusKeeps, Strategy};

const SPEC: &[&str] = &["spec"];
const RESET_STATUS: &[FieldPath] = &[&["status"]];
const RESET_SPEC: &[FieldPath] = &[&["spec"]];

/// A resource without `/status`.
const PLAIN: Strategy = Strategy {
    group: "",
    resource: "",
    kind: "",
    namespaced: false,
    name_rule: NameRule::DnsSubdomain,
    allow_create_on_update: false,
    allow_unconditional_update: true,
    graceful_delete: false,
    has_status: false,
    clears_status: false,
    main_keeps_status: false,
    status_keeps: StatusKeeps::Spec,
    generation: Generation::Never,
    dependents: Dependents::Delete,
    reset_fields_main: &[],
    reset_fields_status: &[],
};

/// A resource with `/status`.
const WITH_STATUS: Strategy = Strategy {
    has_status: true,
    clears_status: true,
    main_keeps_status: true,
    reset_fields_main: RESET_STATUS,
    reset_fields_status: RESET_SPEC,
    ..PLAIN
};

/// All built-in resources.
pub(super) static ALL: &[Strategy] = &[
    Strategy {
        resource: "pods",
        kind: "Pod",
        namespaced: true,
        generation: Generation::Fields(SPEC),
        graceful_delete: true,
        status_keeps: StatusKeeps::Owners,
        reset_fields_status: &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
        ..WITH_STATUS
    },
    Strategy {
        resource: "podtemplates",
        kind: "PodTemplate",
        namespaced: true,
        generation: Generation::Fields(&["template"]),
        ..PLAIN
    },
    Strategy {
        resource: "services",
        kind: "Service",
        namespaced: true,
        name_rule: NameRule::Dns1035Label,
        allow_create_on_update: true,
        ..WITH_STATUS
    },
    Strategy { resource: "namespaces", kind: "Namespace", name_rule: NameRule::DnsLabel, ..WITH_STATUS },
    Strategy { resource: "nodes", kind: "Node", clears_status: false, ..WITH_STATUS },
    Strategy { resource: "persistentvolumes", kind: "PersistentVolume", ..WITH_STATUS },
    Strategy { resource: "persistentvolumeclaims", kind: "PersistentVolumeClaim", namespaced: true, ..WITH_STATUS },
    Strategy {
        resource: "replicationcontrollers",
        kind: "ReplicationController",
        namespaced: true,
        generation: Generation::Fields(SPEC),
        dependents: Dependents::Orphan,
        ..WITH_STATUS
    },
    Strategy { resource: "secrets", kind: "Secret", namespaced: true, ..PLAIN },
    Strategy { resource: "configmaps", kind: "ConfigMap", namespaced: true, ..PLAIN },
    Strategy { resource: "endpoints", kind: "Endpoints", namespaced: true, allow_create_on_update: true, ..PLAIN },
    Strategy {
        resource: "events",
        kind: "Event",
        namespaced: true,
        name_rule: NameRule::PathSegment,
        allow_create_on_update: true,
        dependents: Dependents::Unsupported,
        ..PLAIN
    },
    Strategy { resource: "limitranges", kind: "LimitRange", namespaced: true, allow_create_on_update: true, ..PLAIN },
    Strategy { resource: "resourcequotas", kind: "ResourceQuota", namespaced: true, ..WITH_STATUS },
    Strategy { resource: "serviceaccounts", kind: "ServiceAccount", namespaced: true, ..PLAIN },
    Strategy {
        resource: "bindings",
        kind: "Binding",
        namespaced: true,
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        resource: "componentstatuses",
        kind: "ComponentStatus",
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "apps",
        resource: "deployments",
        kind: "Deployment",
        namespaced: true,
        generation: Generation::SpecAndAnnotations,
        status_keeps: StatusKeeps::Labels,
        reset_fields_status: &[&["spec"], &["metadata", "labels"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "apps",
        resource: "replicasets",
        kind: "ReplicaSet",
        namespaced: true,
        generation: Generation::Fields(SPEC),
        ..WITH_STATUS
    },
    Strategy {
        group: "apps",
        resource: "statefulsets",
        kind: "StatefulSet",
        namespaced: true,
        name_rule: NameRule::DnsLabel,
        generation: Generation::Fields(SPEC),
        ..WITH_STATUS
    },
    Strategy {
        group: "apps",
        resource: "daemonsets",
        kind: "DaemonSet",
        namespaced: true,
        generation: Generation::Fields(SPEC),
        ..WITH_STATUS
    },
    Strategy { group: "apps", resource: "controllerrevisions", kind: "ControllerRevision", namespaced: true, ..PLAIN },
    Strategy {
        group: "batch",
        resource: "jobs",
        kind: "Job",
        namespaced: true,
        generation: Generation::Fields(SPEC),
        dependents: Dependents::Orphan,
        ..WITH_STATUS
    },
    Strategy {
        group: "batch",
        resource: "cronjobs",
        kind: "CronJob",
        namespaced: true,
        generation: Generation::Fields(SPEC),
        ..WITH_STATUS
    },
    Strategy {
        group: "autoscaling",
        resource: "horizontalpodautoscalers",
        kind: "HorizontalPodAutoscaler",
        namespaced: true,
        ..WITH_STATUS
    },
    Strategy {
        group: "certificates.k8s.io",
        resource: "certificatesigningrequests",
        kind: "CertificateSigningRequest",
        name_rule: NameRule::PathSegment,
        reset_fields_main: &[&["spec"], &["status"]],
        reset_fields_status: &[&["spec"], &["status", "conditions"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "certificates.k8s.io",
        resource: "clustertrustbundles",
        kind: "ClusterTrustBundle",
        name_rule: NameRule::TrustBundle,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "certificates.k8s.io",
        resource: "podcertificaterequests",
        kind: "PodCertificateRequest",
        namespaced: true,
        allow_unconditional_update: false,
        status_keeps: StatusKeeps::Metadata,
        ..WITH_STATUS
    },
    Strategy {
        group: "coordination.k8s.io",
        resource: "leases",
        kind: "Lease",
        namespaced: true,
        allow_create_on_update: true,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "coordination.k8s.io",
        resource: "leasecandidates",
        kind: "LeaseCandidate",
        namespaced: true,
        name_rule: NameRule::ConfigKey,
        allow_create_on_update: true,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "discovery.k8s.io",
        resource: "endpointslices",
        kind: "EndpointSlice",
        namespaced: true,
        generation: Generation::AllButMetadata,
        ..PLAIN
    },
    Strategy {
        group: "events.k8s.io",
        resource: "events",
        kind: "Event",
        namespaced: true,
        allow_create_on_update: true,
        dependents: Dependents::Unsupported,
        ..PLAIN
    },
    Strategy {
        group: "flowcontrol.apiserver.k8s.io",
        resource: "flowschemas",
        kind: "FlowSchema",
        generation: Generation::Fields(SPEC),
        status_keeps: StatusKeeps::AllMetadata,
        reset_fields_status: &[&["metadata"], &["spec"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "flowcontrol.apiserver.k8s.io",
        resource: "prioritylevelconfigurations",
        kind: "PriorityLevelConfiguration",
        generation: Generation::Fields(SPEC),
        status_keeps: StatusKeeps::AllMetadata,
        reset_fields_status: &[&["metadata"], &["spec"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "networking.k8s.io",
        resource: "ingresses",
        kind: "Ingress",
        namespaced: true,
        generation: Generation::Fields(SPEC),
        ..WITH_STATUS
    },
    Strategy {
        group: "networking.k8s.io",
        resource: "ingressclasses",
        kind: "IngressClass",
        generation: Generation::Fields(SPEC),
        ..PLAIN
    },
    Strategy {
        group: "networking.k8s.io",
        resource: "ipaddresses",
        kind: "IPAddress",
        name_rule: NameRule::IpAddress,
        ..PLAIN
    },
    Strategy {
        group: "networking.k8s.io",
        resource: "networkpolicies",
        kind: "NetworkPolicy",
        namespaced: true,
        generation: Generation::Fields(SPEC),
        ..PLAIN
    },
    Strategy {
        group: "networking.k8s.io",
        resource: "servicecidrs",
        kind: "ServiceCIDR",
        clears_status: false,
        main_keeps_status: false,
        status_keeps: StatusKeeps::Metadata,
        reset_fields_main: &[],
        reset_fields_status: &[],
        ..WITH_STATUS
    },
    Strategy {
        group: "node.k8s.io",
        resource: "runtimeclasses",
        kind: "RuntimeClass",
        allow_create_on_update: true,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "policy",
        resource: "poddisruptionbudgets",
        kind: "PodDisruptionBudget",
        namespaced: true,
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        generation: Generation::Fields(SPEC),
        ..WITH_STATUS
    },
    Strategy {
        group: "rbac.authorization.k8s.io",
        resource: "roles",
        kind: "Role",
        namespaced: true,
        name_rule: NameRule::PathSegment,
        allow_create_on_update: true,
        ..PLAIN
    },
    Strategy {
        group: "rbac.authorization.k8s.io",
        resource: "rolebindings",
        kind: "RoleBinding",
        namespaced: true,
        name_rule: NameRule::PathSegment,
        allow_create_on_update: true,
        ..PLAIN
    },
    Strategy {
        group: "rbac.authorization.k8s.io",
        resource: "clusterroles",
        kind: "ClusterRole",
        name_rule: NameRule::PathSegment,
        allow_create_on_update: true,
        ..PLAIN
    },
    Strategy {
        group: "rbac.authorization.k8s.io",
        resource: "clusterrolebindings",
        kind: "ClusterRoleBinding",
        name_rule: NameRule::PathSegment,
        allow_create_on_update: true,
        ..PLAIN
    },
    Strategy {
        group: "resource.k8s.io",
        resource: "deviceclasses",
        kind: "DeviceClass",
        generation: Generation::Fields(SPEC),
        ..PLAIN
    },
    Strategy {
        group: "resource.k8s.io",
        resource: "devicetaintrules",
        kind: "DeviceTaintRule",
        generation: Generation::Fields(SPEC),
        status_keeps: StatusKeeps::Metadata,
        reset_fields_status: &[&["metadata"], &["spec"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "resource.k8s.io",
        resource: "resourceclaims",
        kind: "ResourceClaim",
        namespaced: true,
        status_keeps: StatusKeeps::Metadata,
        reset_fields_status: &[&["metadata"], &["spec"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "resource.k8s.io",
        resource: "resourceclaimtemplates",
        kind: "ResourceClaimTemplate",
        namespaced: true,
        ..PLAIN
    },
    Strategy {
        group: "resource.k8s.io",
        resource: "resourceslices",
        kind: "ResourceSlice",
        generation: Generation::Fields(SPEC),
        ..PLAIN
    },
    Strategy {
        group: "scheduling.k8s.io",
        resource: "priorityclasses",
        kind: "PriorityClass",
        generation: Generation::Fixed,
        ..PLAIN
    },
    Strategy { group: "scheduling.k8s.io", resource: "workloads", kind: "Workload", namespaced: true, ..PLAIN },
    Strategy {
        group: "storage.k8s.io",
        resource: "csidrivers",
        kind: "CSIDriver",
        allow_unconditional_update: false,
        generation: Generation::Raised(SPEC),
        ..PLAIN
    },
    Strategy {
        group: "storage.k8s.io",
        resource: "csinodes",
        kind: "CSINode",
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "storage.k8s.io",
        resource: "csistoragecapacities",
        kind: "CSIStorageCapacity",
        namespaced: true,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy { group: "storage.k8s.io", resource: "storageclasses", kind: "StorageClass", ..PLAIN },
    Strategy {
        group: "storage.k8s.io",
        resource: "volumeattachments",
        kind: "VolumeAttachment",
        allow_unconditional_update: false,
        status_keeps: StatusKeeps::Metadata,
        reset_fields_status: &[&["metadata"], &["spec"]],
        ..WITH_STATUS
    },
    Strategy { group: "storage.k8s.io", resource: "volumeattributesclasses", kind: "VolumeAttributesClass", ..PLAIN },
    Strategy {
        group: "storagemigration.k8s.io",
        resource: "storageversionmigrations",
        kind: "StorageVersionMigration",
        allow_unconditional_update: false,
        status_keeps: StatusKeeps::Metadata,
        reset_fields_status: &[&["metadata"], &["spec"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "admissionregistration.k8s.io",
        resource: "mutatingwebhookconfigurations",
        kind: "MutatingWebhookConfiguration",
        allow_unconditional_update: false,
        generation: Generation::Fields(&["webhooks"]),
        ..PLAIN
    },
    Strategy {
        group: "admissionregistration.k8s.io",
        resource: "validatingwebhookconfigurations",
        kind: "ValidatingWebhookConfiguration",
        allow_unconditional_update: false,
        generation: Generation::Fields(&["webhooks"]),
        ..PLAIN
    },
    Strategy {
        group: "admissionregistration.k8s.io",
        resource: "validatingadmissionpolicies",
        kind: "ValidatingAdmissionPolicy",
        allow_unconditional_update: false,
        generation: Generation::Fields(SPEC),
        status_keeps: StatusKeeps::Metadata,
        reset_fields_status: &[&["metadata"], &["spec"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "admissionregistration.k8s.io",
        resource: "validatingadmissionpolicybindings",
        kind: "ValidatingAdmissionPolicyBinding",
        allow_unconditional_update: false,
        generation: Generation::Fields(SPEC),
        ..PLAIN
    },
    Strategy {
        group: "admissionregistration.k8s.io",
        resource: "mutatingadmissionpolicies",
        kind: "MutatingAdmissionPolicy",
        allow_unconditional_update: false,
        generation: Generation::Fields(SPEC),
        ..PLAIN
    },
    Strategy {
        group: "admissionregistration.k8s.io",
        resource: "mutatingadmissionpolicybindings",
        kind: "MutatingAdmissionPolicyBinding",
        allow_unconditional_update: false,
        generation: Generation::Fields(SPEC),
        ..PLAIN
    },
    Strategy {
        group: "apiextensions.k8s.io",
        resource: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
        allow_unconditional_update: false,
        generation: Generation::Fields(SPEC),
        status_keeps: StatusKeeps::Metadata,
        reset_fields_status: &[&["metadata"], &["spec"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "apiregistration.k8s.io",
        resource: "apiservices",
        kind: "APIService",
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        status_keeps: StatusKeeps::Metadata,
        reset_fields_status: &[&["metadata"], &["spec"]],
        ..WITH_STATUS
    },
    Strategy {
        group: "authentication.k8s.io",
        resource: "tokenreviews",
        kind: "TokenReview",
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "authentication.k8s.io",
        resource: "selfsubjectreviews",
        kind: "SelfSubjectReview",
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "authorization.k8s.io",
        resource: "subjectaccessreviews",
        kind: "SubjectAccessReview",
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "authorization.k8s.io",
        resource: "selfsubjectaccessreviews",
        kind: "SelfSubjectAccessReview",
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "authorization.k8s.io",
        resource: "localsubjectaccessreviews",
        kind: "LocalSubjectAccessReview",
        namespaced: true,
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        ..PLAIN
    },
    Strategy {
        group: "authorization.k8s.io",
        resource: "selfsubjectrulesreviews",
        kind: "SelfSubjectRulesReview",
        name_rule: NameRule::PathSegment,
        allow_unconditional_update: false,
        ..PLAIN
    },
];
