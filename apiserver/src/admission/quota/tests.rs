use super::*;
use kplex_storage::{Revision, Stamp};
use serde_json::json;

fn quota(hard: Value, used: Value) -> (Entry, Value) {
    let key = Key::new("", "resourcequotas", Some("a"), "q");
    let entry =
        Entry { key, revision: Revision::new(1), stamp: Stamp { schema: 0, splice: 0 }, value: Vec::new().into() };
    (entry, json!({"metadata": {"name": "q"}, "status": {"hard": hard, "used": used}}))
}

fn check(evaluator: &Evaluator, quota: (Entry, Value), old: Option<&Value>, new: &Value) -> Result<Vec<Value>, String> {
    let request = Request { evaluator, new, old, enforce: true };
    let quotas = [quota];
    let charged = request.check(&quotas, jiff::Timestamp::UNIX_EPOCH)?;
    Ok(charged.iter().map(|(_, used)| to_value(used)).collect())
}

fn pod(cpu: &str) -> Value {
    json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}})
}

#[test]
fn a_pod_is_charged_and_refused_when_it_does_not_fit() {
    let of = |used: &str| quota(json!({"pods": "2", "requests.cpu": "1"}), json!({"pods": "1", "requests.cpu": used}));
    let used = check(&Evaluator::Pods, of("400m"), None, &pod("500m")).expect("it fits");
    assert_eq!(used, [json!({"pods": "2", "requests.cpu": "900m"})]);
    assert_eq!(
        check(&Evaluator::Pods, of("600m"), None, &pod("500m")),
        Err("exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1"
            .to_owned())
    );
}

#[test]
fn quotas_on_cpu_want_every_container_to_say() {
    let silent = json!({"spec": {"containers": [{"name": "b"}, {"name": "a"}]}});
    let quota = quota(json!({"limits.cpu": "1", "cpu": "1"}), json!({"limits.cpu": "0", "cpu": "0"}));
    let why = "failed quota: q: must specify cpu for: a,b; limits.cpu for: a,b";
    assert_eq!(check(&Evaluator::Pods, quota, None, &silent), Err(why.to_owned()));
}

#[test]
fn a_quota_that_was_not_counted_yet_is_unknown() {
    let unknown = quota(json!({"pods": "1"}), json!({}));
    assert_eq!(
        check(&Evaluator::Pods, unknown, None, &pod("1")),
        Err("status unknown for quota: q, resources: pods".to_owned())
    );
    let fresh = quota(json!({}), json!({}));
    assert_eq!(check(&Evaluator::Pods, fresh, None, &pod("1")), Ok(Vec::new()));
}

#[test]
fn an_update_is_charged_for_the_difference() {
    let service = |kind: &str| json!({"spec": {"type": kind, "ports": [{"port": 1}, {"port": 2}]}});
    let quota =
        quota(json!({"services": "1", "services.nodeports": "2"}), json!({"services": "1", "services.nodeports": "0"}));
    let used = check(&Evaluator::Services, quota, Some(&service("ClusterIP")), &service("NodePort")).expect("it fits");
    assert_eq!(used, [json!({"services": "1", "services.nodeports": "2"})]);
}

#[test]
fn scopes_choose_pods() {
    let scoped = |scope: &str| json!({"spec": {"scopes": [scope]}});
    assert!(Evaluator::Pods.in_scope(&scoped("NotBestEffort"), &pod("1")));
    assert!(!Evaluator::Pods.in_scope(&scoped("BestEffort"), &pod("1")));
    assert!(Evaluator::Pods.in_scope(&scoped("NotTerminating"), &pod("1")));
    assert!(!Evaluator::Services.in_scope(&scoped("Terminating"), &json!({})));
    let class = json!({"spec": {"scopeSelector": {"matchExpressions": [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}}});
    assert!(!Evaluator::Pods.in_scope(&class, &pod("1")));
    assert!(Evaluator::Pods.in_scope(&class, &json!({"spec": {"priorityClassName": "high"}})));
}

#[test]
fn objects_are_counted_by_their_names() {
    let config_maps = Evaluator::of("", "configmaps").expect("counted");
    let used = config_maps.usage(&json!({}), jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(to_value(&used), json!({"configmaps": "1", "count/configmaps": "1"}));
    let widgets = Evaluator::of("example.com", "widgets").expect("counted");
    assert_eq!(widgets.matching(["count/widgets.example.com", "pods"]).len(), 1);
    assert_eq!(Evaluator::of("", "events"), None);
}

#[test]
fn claims_are_counted_by_class_too() {
    let claim = json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}}});
    let used = to_value(&Evaluator::VolumeClaims.usage(&claim, jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(used["gold.storageclass.storage.k8s.io/requests.storage"], "1Gi");
    assert_eq!(used["requests.storage"], "1Gi");
    assert_eq!(used["gold.storageclass.storage.k8s.io/persistentvolumeclaims"], "1");
}
