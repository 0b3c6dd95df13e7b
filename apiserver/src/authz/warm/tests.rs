//! RBAC of real tenants: every acknowledged write counts at the next question.

use super::*;
use crate::authn::User;
use crate::authz::attributes::{Attributes, ResourceTarget, Target};
use crate::bootstrap::fixture::{create, delete, tenants, write};
use serde_json::{Value, json};

fn role_binding(name: &str) -> Key {
    Key::new(RBAC_GROUP, "rolebindings", Some("default"), name)
}

fn bind(role: &str, user: &str) -> Value {
    json!({"roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [{"kind": "User", "name": user}]})
}

async fn may(scope: &TenantScope, user: &str, verb: &str, target: Target<'_>) -> bool {
    let user = User::named(user).authenticated();
    let warm = WarmPolicy::of(scope).await.expect("policy");
    let allowed = warm.with(|policy| policy.authorize(&Attributes { user: &user, verb, target }).allowed());
    // Whoever starts anew must come to the same answer.
    let fresh = WarmPolicy::default();
    fresh.catch_up(scope.log()).await.expect("policy");
    assert_eq!(fresh.with(|policy| policy.authorize(&Attributes { user: &user, verb, target }).allowed()), allowed);
    allowed
}

fn pods() -> Target<'static> {
    Target::Resource(ResourceTarget { namespace: "default", resource: "pods", ..ResourceTarget::default() })
}

#[tokio::test]
async fn a_tenant_without_own_roles_holds_nothing() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    assert!(may(&scope, "jo", "get", Target::Path("/api")).await);
    assert!(!may(&scope, "jo", "list", pods()).await);
    assert!(WarmPolicy::of(&scope).await.expect("policy").own.read().is_empty());
}

#[tokio::test]
async fn writes_count_at_the_next_question() {
    let tenants = tenants().await;
    let (scope, other) = (create(&tenants, "cp").await, create(&tenants, "other").await);
    assert!(!may(&scope, "jo", "list", pods()).await);
    write(&scope, &role_binding("jo"), &bind("view", "jo")).await;
    assert!(may(&scope, "jo", "list", pods()).await);
    assert!(!may(&other, "jo", "list", pods()).await, "another tenant is another world");
    write(&scope, &role_binding("jo"), &bind("view", "eve")).await;
    assert!(!may(&scope, "jo", "list", pods()).await);
    assert!(may(&scope, "eve", "list", pods()).await);
    delete(&scope, &role_binding("jo")).await;
    assert!(!may(&scope, "eve", "list", pods()).await);
}

#[tokio::test]
async fn objects_of_the_base_can_be_changed_and_removed() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    let discovery = Key::new(RBAC_GROUP, "clusterrolebindings", None, "system:discovery");
    delete(&scope, &discovery).await;
    assert!(!may(&scope, "jo", "get", Target::Path("/api")).await);
    write(&scope, &discovery, &bind("system:discovery", "jo")).await;
    assert!(may(&scope, "jo", "get", Target::Path("/api")).await);
    assert!(!may(&scope, "eve", "get", Target::Path("/api")).await);
    let role = Key::new(RBAC_GROUP, "clusterroles", None, "system:discovery");
    write(&scope, &role, &json!({"rules": []})).await;
    assert!(!may(&scope, "jo", "get", Target::Path("/api")).await);
}

#[tokio::test]
async fn an_unreadable_object_grants_nothing() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    let view = Key::new(RBAC_GROUP, "clusterroles", None, "view");
    write(&scope, &role_binding("jo"), &bind("view", "jo")).await;
    assert!(may(&scope, "jo", "list", pods()).await);
    write(&scope, &view, &json!({"rules": 7})).await;
    assert!(!may(&scope, "jo", "list", pods()).await);
}

#[tokio::test]
async fn somebody_far_behind_starts_anew() {
    let tenants = tenants().await;
    let scope = create(&tenants, "cp").await;
    write(&scope, &role_binding("jo"), &bind("view", "jo")).await;
    assert!(may(&scope, "jo", "list", pods()).await);
    delete(&scope, &role_binding("jo")).await;
    let busy = Key::new("", "configmaps", Some("default"), "busy");
    for round in 0..600 {
        write(&scope, &busy, &json!({"metadata": {"name": "busy"}, "data": {"round": round.to_string()}})).await;
    }
    assert!(!may(&scope, "jo", "list", pods()).await);
}
