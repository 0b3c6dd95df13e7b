//! ResourceQuota: what a namespace may use and what it uses, in the quota's status.
//!
//! Admission charges writes to quotas in their own commits; here a quota is counted anew: when it is made or changes, and
//! when something that is counted goes or shrinks. Whoever was charged meanwhile changed the quota, so a count that is
//! older than a charge is never written.

use super::process::{Failure, Settled, Tenant};
use super::resources;
use super::route::Change;
use kplex_apiserver::admission::quota::evaluator::Evaluator;
use kplex_apiserver::resource::Served;
use kplex_machinery::builtin::resources::{Amounts, add, amounts, to_value};
use kplex_machinery::quantity::{Format, Quantity};
use kplex_storage::{Entry, Key, Prefix};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const ACCOUNT: &str = "resourcequota-controller";
/// Counts in a row that a charge may overtake.
const ATTEMPTS: usize = 10;

/// Returns the namespace whose quotas a change may concern.
pub(super) fn concerned<'k>(change: Change<'k>) -> Option<&'k str> {
    let key = change.key;
    let space = key.namespace()?;
    let concerns = match (key.group(), key.resource()) {
        ("", "resourcequotas") => asks_anew(change.before, change.after),
        ("", "pods" | "services" | "persistentvolumeclaims") | ("resource.k8s.io", "resourceclaims") => {
            change.before.is_some()
        }
        (group, plural) => change.after.is_none() && Evaluator::of(group, plural).is_some(),
    };
    concerns.then_some(space)
}

/// What a quota says but for what is used.
#[derive(Default, Deserialize, PartialEq)]
struct Terms {
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Hard,
}

#[derive(Default, Deserialize, PartialEq)]
struct Hard {
    #[serde(default)]
    hard: Value,
}

/// Whether a change of a quota is more than a charge. The limits being in force is such a change: what was made before
/// then was not charged.
fn asks_anew(before: Option<&Entry>, after: Option<&Entry>) -> bool {
    let terms = |entry: &Entry| serde_json::from_slice::<Terms>(&entry.value).unwrap_or_default();
    before.map(terms) != after.map(terms)
}

/// Counts what the quotas of a namespace are about.
///
/// # Errors
/// When a request or the store fails, or a quota is charged all the time.
pub(super) async fn reconcile(tenant: &Tenant, space: &str) -> Result<Settled, Failure> {
    for quota in tenant.list(&Prefix::namespace("", "resourcequotas", space)).await? {
        let name = quota.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let key = Key::new("", "resourcequotas", Some(space), name);
        let mut outcome = sync(tenant, &key, quota.clone()).await;
        for _ in 1..ATTEMPTS {
            match (&outcome, tenant.read(&key).await?) {
                (Err(error), Some(quota)) if error.is_conflict() => outcome = sync(tenant, &key, quota).await,
                _ => break,
            }
        }
        outcome?;
    }
    Ok(Settled)
}

async fn sync(tenant: &Tenant, key: &Key, mut quota: Value) -> Result<(), Failure> {
    let (space, name) = (key.namespace().unwrap_or_default(), key.name());
    let hard = amounts(quota.pointer("/spec/hard"));
    let before = quota.pointer("/status/used").map(|used| amounts(Some(used)));
    let mut used = before.clone().unwrap_or_default();
    used.retain(|name, _| hard.contains_key(name));
    used.extend(count(tenant, space, &quota, &hard).await?);
    let in_force = quota.pointer("/status/hard").is_some_and(|status| amounts(Some(status)) == hard);
    if in_force && before.as_ref() == Some(&used) {
        return Ok(());
    }
    quota["status"] = json!({"hard": quota.pointer("/spec/hard").unwrap_or(&json!({})), "used": to_value(&used)});
    let path =
        format!("/api/v1/namespaces/{}/resourcequotas/{}/status", resources::escape(space), resources::escape(name));
    match tenant.client(ACCOUNT).update(&path, &quota).await {
        Err(error) if error.code() == 404 => Ok(()),
        outcome => Ok(outcome.map(|_| ())?),
    }
}

/// Returns what is used of the resources that a quota limits and that can be counted.
async fn count(tenant: &Tenant, space: &str, quota: &Value, hard: &Amounts) -> Result<Amounts, Failure> {
    let custom = resources::custom(tenant).await?;
    let mut used = Amounts::new();
    let all = resources::all_builtin().cloned().chain(custom);
    for served in all.filter(|served| served.namespaced) {
        let Some(evaluator) = Evaluator::of(&served.group, &served.plural) else { continue };
        let matching = evaluator.matching(hard.keys().map(String::as_str));
        if matching.is_empty() {
            continue;
        }
        let mut found = usage(tenant, space, quota, &served, &evaluator).await?;
        for name in matching {
            let amount = found.remove(name).unwrap_or_else(|| Quantity::from_i64(0, Format::DecimalSi));
            add(&mut used, &Amounts::from([(name.to_owned(), amount)]));
        }
    }
    Ok(used)
}

/// Returns what the objects of one resource use.
async fn usage(
    tenant: &Tenant,
    space: &str,
    quota: &Value,
    served: &Arc<Served>,
    evaluator: &Evaluator,
) -> Result<Amounts, Failure> {
    let prefix = served.prefix(Some(space));
    let now = tenant.process.controllers.shared.tenants.now();
    if let Evaluator::Count(names) = evaluator {
        let counts = evaluator.in_scope(quota, &Value::Null);
        let number = if counts { tenant.scope.log().count(&prefix).await? } else { 0 };
        let number = Quantity::from_i64(i64::try_from(number).unwrap_or(i64::MAX), Format::DecimalSi);
        return Ok(names.iter().map(|name| (name.clone(), number.clone())).collect());
    }
    let mut used = Amounts::new();
    for object in tenant.list(&prefix).await?.iter().filter(|object| evaluator.in_scope(quota, object)) {
        add(&mut used, &evaluator.usage(object, now));
    }
    Ok(used)
}
