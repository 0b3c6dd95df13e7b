use super::*;
use serde_json::json;

fn namespace(labels: Value) -> Value {
    json!({"metadata": {"name": "a", "labels": labels}})
}

fn standard(level: Level) -> LevelVersion {
    LevelVersion { level, ..LevelVersion::default() }
}

#[test]
fn who_enforces_also_warns() {
    let (policy, errors) = Policy::read(&namespace(json!({"pod-security.kubernetes.io/enforce": "baseline",
        "pod-security.kubernetes.io/enforce-version": "v1.30"})));
    assert!(errors.is_empty());
    assert_eq!(
        (policy.enforce.to_string(), policy.warn.to_string()),
        ("baseline:v1.30".to_owned(), "baseline:v1.30".to_owned())
    );
    assert!(Policy::read(&namespace(json!({}))).0.is_privileged());
}

#[test]
fn labels_that_make_no_sense_are_refused() {
    let labels = json!({"pod-security.kubernetes.io/warn": "lax", "pod-security.kubernetes.io/enforce-version": "1.2"});
    let (policy, errors) = Policy::read(&namespace(labels));
    assert!(policy.is_privileged());
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            r#"metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: "1.2": must be "latest" or "v1.x""#,
            r#"metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: "lax": must be one of privileged, baseline, restricted"#,
        ]
    );
}

#[test]
fn a_plain_pod_breaks_the_restricted_standard() {
    let pod = json!({"spec": {"containers": [{"name": "web", "image": "nginx"}]}});
    assert!(evaluate(&standard(Level::Baseline), &Subject::of(&pod)).is_empty());
    assert_eq!(
        evaluate(&standard(Level::Restricted), &Subject::of(&pod)).details(),
        "allowPrivilegeEscalation != false (container \"web\" must set securityContext.allowPrivilegeEscalation=false), \
         unrestricted capabilities (container \"web\" must set securityContext.capabilities.drop=[\"ALL\"]), \
         runAsNonRoot != true (pod or container \"web\" must set securityContext.runAsNonRoot=true), \
         seccompProfile (pod or container \"web\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
    );
}

#[test]
fn a_hardened_pod_keeps_the_restricted_standard() {
    let pod = json!({"spec": {
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "web", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
        "volumes": [{"name": "v", "emptyDir": {}}]}});
    assert!(evaluate(&standard(Level::Restricted), &Subject::of(&pod)).is_empty());
}

#[test]
fn power_over_the_node_breaks_the_baseline_standard() {
    let container = |name: &str| {
        json!({"name": name, "ports": [{"hostPort": 80}], "securityContext": {"privileged": true,
        "capabilities": {"add": ["NET_ADMIN"]}, "seLinuxOptions": {"user": "u"}, "procMount": "Unmasked"}})
    };
    let pod = json!({"spec": {"hostNetwork": true, "hostPID": true, "containers": [container("a"), container("b")],
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
        "securityContext": {"sysctls": [{"name": "kernel.msgmax"}], "seccompProfile": {"type": "Unconfined"}}}});
    assert_eq!(
        evaluate(&standard(Level::Baseline), &Subject::of(&pod)).details(),
        "non-default capabilities (containers \"a\", \"b\" must not include \"NET_ADMIN\" in securityContext.capabilities.add), \
         host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volume \"v\"), \
         hostPort (containers \"a\", \"b\" use hostPort 80), \
         privileged (containers \"a\", \"b\" must not set securityContext.privileged=true), \
         procMount (containers \"a\", \"b\" must not set securityContext.procMount to \"Unmasked\"), \
         seLinuxOptions (containers \"a\", \"b\" set forbidden securityContext.seLinuxOptions: user may not be set), \
         seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\"), \
         forbidden sysctls (kernel.msgmax)"
    );
}

#[test]
fn a_stricter_check_stands_for_the_laxer_one() {
    let pod =
        json!({"spec": {"containers": [{"name": "a", "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}]}});
    let reasons = |minor| {
        let standard = LevelVersion { level: Level::Restricted, version: policy::Version::Minor(minor) };
        evaluate(&standard, &Subject::of(&pod)).reasons()
    };
    assert!(reasons(21).starts_with("non-default capabilities"));
    assert!(!reasons(22).contains("non-default capabilities"));
    assert!(reasons(22).contains("unrestricted capabilities"));
}

#[test]
fn pods_of_one_controller_are_counted_together() {
    let pod = |name: &str| json!({"metadata": {"name": name}, "spec": {"hostNetwork": true, "containers": []}});
    let texts = warnings("ns", &standard(Level::Baseline), &[pod("b"), pod("a"), pod("c")]);
    assert_eq!(
        texts,
        [
            "existing pods in namespace \"ns\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a (and 2 other pods): host namespaces",
        ]
    );
}
