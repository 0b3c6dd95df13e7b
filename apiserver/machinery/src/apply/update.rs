//! The rules of ownership: what a change does to the managers of an object, and what an applied configuration does to
//! the object.

use super::compare::{Comparison, compare, field_set};
use super::element::Element;
use super::managed::{Entry, Managers};
use super::merge::{merge, remove};
use super::set::{Path, Set};
use super::typed::{Shape, Type};
use serde_json::Value;
use std::sync::LazyLock;

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

/// Takes changed fields from all managers but `id`. Returns the conflicts instead when there are any and `force` is not
/// set.
fn take_over(comparison: &Comparison, managers: &mut Managers, id: &str, force: bool) -> Result<(), Vec<Conflict>> {
    let changed = comparison.modified.union(&comparison.added);
    let mut conflicts = Vec::new();
    let mut losses: Vec<(String, Set)> = Vec::new();
    for (other, entry) in managers.iter().filter(|(other, _)| other.as_str() != id) {
        let contested = entry.set().intersection(&changed);
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

/// Records an update from `live` to `new` under a manager.
pub(super) fn update(
    at: Type<'_>,
    live: &Value,
    new: &Value,
    managers: &mut Managers,
    entry: Entry,
    reset: &Set,
    now: &str,
) {
    reconcile(at, managers);
    let comparison = filtered(compare(at, live, new), reset);
    let id = entry.id();
    // No manager has the empty id: the fields of the very manager that writes are contested like all others.
    let forced = take_over(&comparison, managers, "", true);
    debug_assert!(forced.is_ok());
    let owned = comparison.modified.union(&comparison.added).recursive_difference(reset).difference(&STRIPPED);
    if owned.is_empty() {
        return;
    }
    let mut entry = entry;
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
    at: Type<'_>,
    live: &Value,
    config: &Value,
    managers: &mut Managers,
    mut entry: Entry,
    reset: &Set,
    force: bool,
) -> Result<Applied, Failure> {
    reconcile(at, managers);
    let merged = merge(at, live, config).map_err(Failure::Merge)?;
    let id = entry.id();
    let last = managers.get(&id).map(|last| last.set().clone());
    entry.time = managers.get(&id).and_then(|last| last.time.clone());
    entry.replace_set(field_set(at, config).recursive_difference(reset));
    managers.insert(id.clone(), entry);
    let new = match last {
        Some(last) if !last.is_empty() => prune(at, merged, managers, &id, &last),
        _ => merged,
    };
    let comparison = filtered(compare(at, live, &new), reset);
    take_over(&comparison, managers, &id, force).map_err(Failure::Conflicts)?;
    strip(managers, &id);
    if super::element::equal_values(live, &new) { Ok(Applied::Same) } else { Ok(Applied::Changed(new)) }
}

/// Removes the fields that the manager owned, no longer sets, and nobody else owns.
fn prune(at: Type<'_>, merged: Value, managers: &Managers, id: &str, last: &Set) -> Value {
    if let Some(entry) = managers.get(id)
        && last.difference(entry.set()).is_empty()
    {
        // Everything that was owned still is.
        return merged;
    }
    let owned = managers.values().fold(Set::default(), |owned, entry| owned.union(entry.set()));
    let owned = owned.with_named_fields(at);
    let last = last.with_named_fields(at);
    let without = remove(at, &merged, &last);
    let merged_set = field_set(at, &merged).with_named_fields(at);
    let kept = field_set(at, &without).with_named_fields(at).union(&owned);
    let pruned = remove(at, &merged, &merged_set.difference(&kept));
    // Only what this manager owned may go; what dangles without an owner stays.
    let pruned_set = field_set(at, &pruned).with_named_fields(at);
    remove(at, &merged, &merged_set.difference(&pruned_set).intersection(&last))
}

/// Adapts sets to types that became atomic: who owned something inside owns the whole.
fn reconcile(at: Type<'_>, managers: &mut Managers) {
    for entry in managers.values_mut() {
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
