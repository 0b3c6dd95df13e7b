//! The rules of ownership: what a change does to the managers of an object, and what an applied configuration does to
//! the object.

use super::compare::{Comparison, compare, field_set};
use super::element::Element;
use super::managed::{Entry, Managers};
use super::merge::{merge, remove};
use super::set::{Path, Set};
use super::typed::{Shape, Type};
use crate::schema::{NodeId, Schema};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The versions of a kind, for entries of managed fields that were made through another one than the request's.
pub trait Versions<'a> {
    /// Converts an object; `None` when the version is not served any more, which ends its managers.
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, &'a Schema, NodeId)>;
}

/// The version of a request, and the way to others.
#[derive(Clone, Copy)]
pub(super) struct Context<'a, 'v> {
    pub(super) at: Type<'a>,
    pub(super) api_version: &'a str,
    /// `None`: all versions look the same.
    pub(super) versions: Option<&'v dyn Versions<'a>>,
}

impl<'a> Context<'a, '_> {
    fn is_own(&self, api_version: &str) -> bool {
        api_version == self.api_version || self.versions.is_none()
    }

    /// Returns an object in another version.
    fn view<'o>(&self, object: &'o Value, api_version: &str) -> Option<(Cow<'o, Value>, Type<'a>)> {
        match self.versions.filter(|_| object.get("apiVersion").and_then(Value::as_str) != Some(api_version)) {
            Some(versions) => {
                let (converted, schema, node) = versions.convert(object, api_version)?;
                Some((Cow::Owned(converted), Type::new(schema, node)))
            }
            None if self.is_own(api_version) => Some((Cow::Borrowed(object), self.at)),
            None => {
                // It is in that version already; converting tells the type.
                let (converted, schema, node) = self.versions?.convert(object, api_version)?;
                Some((Cow::Owned(converted), Type::new(schema, node)))
            }
        }
    }

    fn compare(&self, live: &Value, new: &Value, api_version: &str, reset: &Set) -> Option<Comparison> {
        let (live, at) = self.view(live, api_version)?;
        let (new, _) = self.view(new, api_version)?;
        Some(filtered(compare(at, &live, &new), reset))
    }
}

/// A field that an applied configuration may not take.
#[derive(Clone, Debug)]
pub(super) struct Conflict {
    /// [`Entry::id`] of its manager.
    pub(super) id: String,
    /// The manager, as messages name it.
    pub(super) manager: String,
    pub(super) path: Path,
}

/// Fields that no manager owns.
static STRIPPED: LazyLock<Set> = LazyLock::new(|| {
    let top = |name: &str| vec![Element::Field(name.to_owned())];
    let meta = |name: &str| vec![Element::Field("metadata".to_owned()), Element::Field(name.to_owned())];
    let mut paths = vec![top("apiVersion"), top("kind"), top("metadata")];
    paths.extend(
        [
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        ]
        .map(meta),
    );
    Set::from_paths(&paths)
});

/// Takes fields from a manager that no manager owns; an empty entry goes.
fn strip(managers: &mut Managers, id: &str) {
    let Some(entry) = managers.get_mut(id) else { return };
    let kept = entry.set().difference(&STRIPPED);
    if kept.is_empty() {
        managers.remove(id);
    } else {
        entry.replace_set(kept);
    }
}

fn filtered(comparison: Comparison, reset: &Set) -> Comparison {
    if reset.is_empty() {
        return comparison;
    }
    Comparison {
        removed: comparison.removed.recursive_difference(reset),
        modified: comparison.modified.recursive_difference(reset),
        added: comparison.added.recursive_difference(reset),
    }
}

/// What a change does to the other managers.
struct Change<'c> {
    live: &'c Value,
    new: &'c Value,
    /// The change in the request's version.
    comparison: &'c Comparison,
    reset: &'c Set,
}

/// Takes changed fields from all managers but `id`. Returns the conflicts instead when there are any and `force` is not
/// set.
fn take_over(
    context: &Context<'_, '_>,
    change: &Change<'_>,
    managers: &mut Managers,
    id: &str,
    force: bool,
) -> Result<(), Vec<Conflict>> {
    let mut others: BTreeMap<String, Option<(Comparison, Set)>> = BTreeMap::new();
    let with_changed = |comparison: Comparison| {
        let changed = comparison.modified.union(&comparison.added);
        (comparison, changed)
    };
    if managers.is_empty() {
        return Ok(());
    }
    let own_changed = change.comparison.modified.union(&change.comparison.added);
    let mut conflicts = Vec::new();
    let mut losses: Vec<(String, Set)> = Vec::new();
    for (other, entry) in managers.iter().filter(|(other, _)| other.as_str() != id) {
        let version = &entry.api_version;
        let compared = if context.is_own(version) {
            Some((change.comparison, &own_changed))
        } else {
            let compare = || context.compare(change.live, change.new, version, change.reset).map(with_changed);
            let compared = others.entry(version.clone()).or_insert_with(compare);
            compared.as_ref().map(|(comparison, changed)| (comparison, changed))
        };
        let Some((comparison, changed)) = compared else {
            losses.push((other.clone(), Set::default()));
            continue;
        };
        let contested = entry.set().intersection(changed);
        if !contested.is_empty() {
            contested.for_each(&mut |path| {
                conflicts.push(Conflict { id: other.clone(), manager: entry.describe(), path: path.to_vec() });
            });
        }
        let mut left = entry.set().difference(&contested);
        if !comparison.removed.is_empty() {
            left = left.difference(&comparison.removed);
        }
        if left != *entry.set() {
            losses.push((other.clone(), left));
        }
    }
    if !force && !conflicts.is_empty() {
        return Err(conflicts);
    }
    for (other, left) in losses {
        if let Some(entry) = managers.get_mut(&other) {
            entry.replace_set(left);
        }
    }
    managers.retain(|_, entry| !entry.set().is_empty());
    Ok(())
}

/// A write that is to be recorded.
pub(super) struct Write<'w> {
    /// Who writes; its set is not read.
    pub(super) entry: Entry,
    pub(super) reset: &'w Set,
    pub(super) now: &'w str,
}

/// Records an update from `live` to `new` under a manager.
pub(super) fn update(context: &Context<'_, '_>, live: &Value, new: &Value, managers: &mut Managers, write: Write<'_>) {
    let Write { mut entry, reset, now } = write;
    reconcile(context, live, managers);
    let comparison = filtered(compare(context.at, live, new), reset);
    let id = entry.id();
    let change = Change { live, new, comparison: &comparison, reset };
    // No manager has the empty id: the fields of the very manager that writes are contested like all others.
    let forced = take_over(context, &change, managers, "", true);
    debug_assert!(forced.is_ok());
    let owned = comparison.modified.union(&comparison.added).recursive_difference(reset).difference(&STRIPPED);
    if owned.is_empty() {
        return;
    }
    entry.time = Some(now.to_owned());
    match managers.get(&id) {
        Some(previous) => entry.replace_set(owned.union(previous.set())),
        None => entry.replace_set(owned),
    }
    managers.insert(id, entry);
}

/// What applying a configuration comes to.
pub(super) enum Applied {
    /// The object changes.
    Changed(Value),
    /// The object stays as it is; owners may have changed.
    Same,
}

/// Why a configuration was not applied.
pub(super) enum Failure {
    Conflicts(Vec<Conflict>),
    Merge(String),
}

/// Applies a configuration under a manager.
pub(super) fn apply(
    context: &Context<'_, '_>,
    live: &Value,
    config: &Value,
    managers: &mut Managers,
    write: Write<'_>,
    force: bool,
) -> Result<Applied, Failure> {
    let Write { mut entry, reset, .. } = write;
    let at = context.at;
    reconcile(context, live, managers);
    let merged = merge(at, live, config).map_err(Failure::Merge)?;
    let id = entry.id();
    let last = managers.get(&id).cloned();
    entry.time = last.as_ref().and_then(|last| last.time.clone());
    entry.replace_set(field_set(at, config).recursive_difference(reset));
    managers.insert(id.clone(), entry);
    let new = match last {
        Some(last) if !last.set().is_empty() => prune(context, merged, managers, &id, &last),
        _ => merged,
    };
    let comparison = filtered(compare(at, live, &new), reset);
    let change = Change { live, new: &new, comparison: &comparison, reset };
    take_over(context, &change, managers, &id, force).map_err(Failure::Conflicts)?;
    strip(managers, &id);
    if super::element::equal_values(live, &new) { Ok(Applied::Same) } else { Ok(Applied::Changed(new)) }
}

/// Returns the fields of an object, with the named fields on the way to them.
fn all_fields(at: Type<'_>, object: &Value) -> Set {
    field_set(at, object).with_named_fields(at)
}

/// Removes the fields that the manager owned, no longer sets, and nobody else owns.
fn prune(context: &Context<'_, '_>, merged: Value, managers: &Managers, id: &str, last: &Entry) -> Value {
    if let Some(entry) = managers.get(id)
        && entry.api_version == last.api_version
        && last.set().difference(entry.set()).is_empty()
    {
        // Everything that was owned still is.
        return merged;
    }
    let version = last.api_version.as_str();
    let Some((before, at)) = context.view(&merged, version) else { return merged };
    let mut pruned = remove(at, &before, &last.set().with_named_fields(at));
    let mut owned: BTreeMap<&str, Set> = BTreeMap::new();
    for entry in managers.values() {
        let version = if context.is_own(&entry.api_version) { context.api_version } else { &entry.api_version };
        let set = owned.entry(version).or_default();
        *set = set.union(entry.set());
    }
    // The version of the last configuration comes first, as upstream has it.
    let first = if context.is_own(version) { context.api_version } else { version };
    let (mine, others): (Vec<_>, Vec<_>) = owned.into_iter().partition(|(version, _)| *version == first);
    for (version, set) in mine.into_iter().chain(others) {
        let (Some((whole, at)), Some((part, _))) = (context.view(&before, version), context.view(&pruned, version))
        else {
            continue;
        };
        let kept = all_fields(at, &part).union(&set.with_named_fields(at));
        pruned = remove(at, &whole, &all_fields(at, &whole).difference(&kept));
    }
    // Only what this manager owned may go; what dangles without an owner stays.
    let Some((part, _)) = context.view(&pruned, version) else { return merged };
    let gone = all_fields(at, &before).difference(&all_fields(at, &part));
    let result = remove(at, &before, &gone.intersection(&last.set().with_named_fields(at)));
    match context.view(&result, context.api_version) {
        Some((Cow::Owned(converted), _)) => converted,
        _ => result,
    }
}

/// Adapts sets to types that became atomic: who owned something inside owns the whole.
fn reconcile(context: &Context<'_, '_>, live: &Value, managers: &mut Managers) {
    let mut types: BTreeMap<String, Option<Type<'_>>> = BTreeMap::new();
    for entry in managers.values_mut() {
        let at = if context.is_own(&entry.api_version) {
            Some(context.at)
        } else {
            let at = || context.view(live, &entry.api_version).map(|(_, at)| at);
            *types.entry(entry.api_version.clone()).or_insert_with(at)
        };
        let Some(at) = at else { continue };
        let mut replaced = Set::default();
        collect_atomic(at, entry.set(), &mut Vec::new(), &mut replaced);
        if !replaced.is_empty() {
            let set = entry.set().recursive_difference(&replaced).union(&replaced);
            entry.replace_set(set);
        }
    }
}

fn collect_atomic(at: Type<'_>, set: &Set, path: &mut Path, out: &mut Set) {
    let atomic = matches!(at, Type::Node(..)) && matches!(at.shape(None), Shape::AtomicList | Shape::AtomicMap);
    if atomic && !path.is_empty() {
        out.insert(path);
        return;
    }
    for (element, child) in set.children() {
        path.push(element.clone());
        collect_atomic(at.below(element), child, path, out);
        path.pop();
    }
}
