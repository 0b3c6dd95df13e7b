//! ResourceQuota: what a write would use is charged to the quotas of its namespace in the commit that stores it.
//!
//! [`evaluator`] knows what an object uses; the controller that counts anew what a namespace uses asks it too. A quota
//! without status has not been counted yet and restricts nothing, as upstream.

pub mod evaluator;

use super::write::{Write, builtin};
use super::{Claims, Verb};
use crate::verbs::write::tracking;
use crate::{codec, respond};
use evaluator::Evaluator;
use kplex_machinery::apply;
use kplex_machinery::builtin::resources::{Amounts, add, amounts, to_value};
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::quantity::Quantity;
use kplex_machinery::status::Status;
use kplex_storage::{Change, Entry, Expect, Key, ListQuery, Op, Prefix};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Who manages the fields of a status that is charged here.
const MANAGER: &str = "kube-apiserver";

/// Writes of one tenant that are charged to quotas take turns: all of them change the same few objects, and would only
/// make each other try again.
#[derive(Default)]
struct Turns(Arc<tokio::sync::Mutex<()>>);

pub(super) async fn charge(write: &Write<'_>, new: &Value, claims: &mut Claims) -> Result<(), Status> {
    let namespace = codec::meta_str(new, "namespace");
    let Some(evaluator) = Evaluator::of(&write.served.group, &write.served.plural) else { return Ok(()) };
    if namespace.is_empty() || !is_counted(write, &evaluator, new) {
        return Ok(());
    }
    if quotas(write, namespace).await?.is_empty() {
        return Ok(());
    }
    if !write.operation.dry_run {
        let turns = write.call.scope.state(Turns::default).0.clone();
        claims.turn = Some(turns.lock_owned().await);
    }
    let quotas = quotas(write, namespace).await?;
    let request =
        Request { evaluator: &evaluator, new, old: write.old, enforce: write.operation.part != Subresource::Status };
    for (quota, used) in request.check(&quotas, write.call.now).map_err(|why| write.forbidden(new, &why))? {
        if !write.operation.dry_run {
            claims.changes.push(record(write, quota, &used)?);
        }
    }
    Ok(())
}

/// Whether the write can change what is used.
fn is_counted(write: &Write<'_>, evaluator: &Evaluator, new: &Value) -> bool {
    let (verb, part) = (write.operation.verb, write.operation.part);
    match (evaluator, verb, part) {
        (_, Verb::Create, Subresource::Main) | (Evaluator::Pods, Verb::Update, Subresource::Resize) => true,
        (Evaluator::Pods, Verb::Update, Subresource::Main) => {
            write.old.is_some_and(|old| evaluator::is_terminating(old) != evaluator::is_terminating(new))
        }
        (Evaluator::Services | Evaluator::ResourceClaims, Verb::Update, Subresource::Main) => true,
        (Evaluator::VolumeClaims, Verb::Update, Subresource::Main | Subresource::Status) => true,
        _ => false,
    }
}

/// Reads the quotas of a namespace as the next write will find them.
async fn quotas(write: &Write<'_>, namespace: &str) -> Result<Vec<(Entry, Value)>, Status> {
    let log = write.call.scope.log();
    let prefix = Prefix::namespace("", "resourcequotas", namespace);
    let page =
        log.list(ListQuery { prefix, after: None, limit: usize::MAX, at: None }).await.map_err(respond::storage)?;
    let mut quotas = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        let key: &Key = &entry.key;
        if let Some(entry) = log.current(key).await.map_err(respond::storage)? {
            let quota = codec::parse(&entry)?;
            quotas.push((entry, quota));
        }
    }
    Ok(quotas)
}

fn record(write: &Write<'_>, quota: &(Entry, Value), used: &Amounts) -> Result<Change, Status> {
    let (entry, old) = quota;
    let served = builtin("", "v1", "resourcequotas");
    let mut new = old.clone();
    new["status"]["used"] = to_value(used);
    let now = write.call.timestamp();
    let reset = served.reset_fields(Subresource::Status);
    apply::track_update(&tracking(served, Subresource::Status, MANAGER, &now, &reset), Some(old), &mut new);
    let (value, stamp) = served.pack(&new).map_err(respond::storage)?;
    Ok(Change { key: entry.key.clone(), expect: Expect::At(entry.revision), op: Op::Put { stamp, value } })
}

/// A quota as stored, and what would be used of it.
type Charge<'q> = (&'q (Entry, Value), Amounts);

/// A write, as quotas see it.
struct Request<'a> {
    evaluator: &'a Evaluator,
    new: &'a Value,
    old: Option<&'a Value>,
    enforce: bool,
}

impl Request<'_> {
    /// Returns what the quotas that are concerned would have used, or why the write must not be.
    fn check<'q>(&self, quotas: &'q [(Entry, Value)], now: jiff::Timestamp) -> Result<Vec<Charge<'q>>, String> {
        let mut concerned = Vec::new();
        for quota in quotas {
            let hard = amounts(quota.1.pointer("/status/hard"));
            let matching = self.evaluator.matching(hard.keys().map(String::as_str));
            if matching.is_empty() || !self.evaluator.in_scope(&quota.1, self.new) {
                continue;
            }
            let name = codec::meta_str(&quota.1, "name");
            self.evaluator.constrain(&matching, self.new).map_err(|why| format!("failed quota: {name}: {why}"))?;
            let used = amounts(quota.1.pointer("/status/used"));
            if !matching.iter().all(|resource| used.contains_key(*resource)) {
                let list = matching.into_iter().collect::<Vec<_>>().join(",");
                return Err(format!("status unknown for quota: {name}, resources: {list}"));
            }
            concerned.push((quota, hard.clone(), used));
        }
        let usage = self.evaluator.usage(self.new, now);
        let negative: Vec<&str> =
            usage.iter().filter(|(_, amount)| amount.sign() < 0).map(|(name, _)| name.as_str()).collect();
        if !negative.is_empty() {
            return Err(format!("quota usage is negative for resource(s): {}", negative.join(",")));
        }
        let before = self.old.map(|old| self.evaluator.usage(old, now));
        let mut charged = Vec::new();
        for (quota, hard, mut used) in concerned {
            let counted_before = self.old.is_some_and(|old| self.evaluator.in_scope(&quota.1, old));
            let mut delta = match &before {
                Some(before) if counted_before => grown(&usage, before),
                _ => usage.clone(),
            };
            delta.retain(|name, amount| !amount.is_zero() && hard.contains_key(name));
            if delta.is_empty() {
                continue;
            }
            let earlier = used.clone();
            add(&mut used, &delta);
            if self.enforce {
                fits(codec::meta_str(&quota.1, "name"), &delta, &earlier, &used, &hard)?;
            }
            charged.push((quota, used));
        }
        Ok(charged)
    }
}

/// What is used more than before; less counts as nothing, as the controller will find out.
fn grown(now: &Amounts, before: &Amounts) -> Amounts {
    let difference = |(name, amount): (&String, &Quantity)| {
        let mut amount = amount.clone();
        if let Some(before) = before.get(name) {
            amount.sub(before);
        }
        (amount.sign() > 0).then(|| (name.clone(), amount))
    };
    now.iter().filter_map(difference).collect()
}

fn fits(name: &str, delta: &Amounts, earlier: &Amounts, used: &Amounts, hard: &Amounts) -> Result<(), String> {
    let exceeded: BTreeSet<&String> = delta
        .keys()
        .filter(|resource| used.get(*resource).zip(hard.get(*resource)).is_some_and(|(used, hard)| used > hard))
        .collect();
    if exceeded.is_empty() {
        return Ok(());
    }
    let shown = |amounts: &Amounts| {
        let texts = exceeded.iter().filter_map(|resource| Some(format!("{resource}={}", amounts.get(*resource)?)));
        texts.collect::<Vec<_>>().join(",")
    };
    Err(format!(
        "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
        shown(delta),
        shown(earlier),
        shown(hard)
    ))
}

#[cfg(test)]
mod tests;
