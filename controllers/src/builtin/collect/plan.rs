//! What becomes of an object: pure decisions from it, its owners and its dependents.

use serde_json::{Value, json};
use std::collections::BTreeMap;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// One of an object's owner references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
}

/// What was found of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is there.
    Solid,
    /// It is not there, or another object has its name.
    Absent,
    /// It is there, and waits for its dependents to go first.
    Waiting,
    /// Its kind can't be found: nothing is decided.
    Unknown,
}

/// What was found of a dependent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependent {
    key: String,
    /// Its owner must not go before it.
    blocks: bool,
    /// It waits for its own dependents.
    waits: bool,
}

impl Dependent {
    /// Reads a dependent; `None` when it does not depend on this owner any more.
    pub(super) fn of(key: &str, object: &Value, owner: &str) -> Option<Self> {
        let list = object.pointer("/metadata/ownerReferences")?.as_array()?;
        let mut ours = list.iter().filter(|reference| reference["uid"] == owner).peekable();
        ours.peek()?;
        let blocks = ours.any(|reference| reference["blockOwnerDeletion"] == true);
        Some(Self { key: key.to_owned(), blocks, waits: waits(object) == Waits::ForDependents })
    }
}

/// What a deleted object waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// Nothing that the collector does.
    No,
    /// Its dependents go first.
    ForDependents,
    /// Its dependents lose it first.
    ForOrphans,
}

/// What to do about an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Look at these objects.
    Visit(Vec<String>),
    /// Take the object off these dependents.
    Orphan(Vec<String>),
    /// Set fields of its metadata.
    Write(BTreeMap<&'static str, Value>),
    /// Delete it under this policy.
    Delete(&'static str),
}

/// Returns the owners that an object names.
pub(super) fn references(object: &Value) -> Vec<Reference> {
    let text = |reference: &Value, field: &str| reference[field].as_str().unwrap_or_default().to_owned();
    let list = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
    list.map(|reference| Reference {
        api_version: text(reference, "apiVersion"),
        kind: text(reference, "kind"),
        name: text(reference, "name"),
        uid: text(reference, "uid"),
    })
    .collect()
}

/// Returns whether an object is deleted.
pub(super) fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}

fn has_finalizer(object: &Value, name: &str) -> bool {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|finalizer| finalizer == name))
}

/// Returns what an object waits for.
pub(super) fn waits(object: &Value) -> Waits {
    match (is_deleting(object), has_finalizer(object, FOREGROUND), has_finalizer(object, ORPHAN)) {
        (true, true, _) => Waits::ForDependents,
        (true, false, true) => Waits::ForOrphans,
        _ => Waits::No,
    }
}

/// Returns the owner references without those of some owners; `None` when there are none of them.
pub(super) fn without(object: &Value, uids: &[&str]) -> Option<Value> {
    let list = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let kept: Vec<&Value> =
        list.iter().filter(|reference| !uids.contains(&reference["uid"].as_str().unwrap_or_default())).collect();
    (kept.len() < list.len()).then(|| json!(kept))
}

fn without_finalizer(object: &Value, name: &str) -> BTreeMap<&'static str, Value> {
    let list = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    let kept: Vec<&Value> = list.into_iter().flatten().filter(|finalizer| *finalizer != name).collect();
    BTreeMap::from([("finalizers", json!(kept))])
}

/// Decides. `owners` are in the order of the object's references and are looked at only when it does not wait.
pub(super) fn plan(object: &Value, owners: &[Owner], dependents: &[Dependent]) -> Vec<Step> {
    match waits(object) {
        Waits::ForDependents => wait_for_dependents(object, dependents),
        Waits::ForOrphans => {
            let keys = dependents.iter().map(|dependent| dependent.key.clone()).collect();
            vec![Step::Orphan(keys), Step::Write(without_finalizer(object, ORPHAN))]
        }
        Waits::No if is_deleting(object) || owners.is_empty() || owners.contains(&Owner::Unknown) => Vec::new(),
        Waits::No => by_owners(object, owners, dependents),
    }
}

fn wait_for_dependents(object: &Value, dependents: &[Dependent]) -> Vec<Step> {
    let visit = dependents
        .iter()
        .filter(|dependent| !dependent.waits)
        .map(|dependent| dependent.key.clone())
        .collect::<Vec<_>>();
    let mut steps = if visit.is_empty() { Vec::new() } else { vec![Step::Visit(visit)] };
    if !dependents.iter().any(|dependent| dependent.blocks) {
        steps.push(Step::Write(without_finalizer(object, FOREGROUND)));
    }
    steps
}

fn by_owners(object: &Value, owners: &[Owner], dependents: &[Dependent]) -> Vec<Step> {
    if owners.contains(&Owner::Solid) {
        let references = references(object);
        let leaving = references.iter().zip(owners).filter(|(_, owner)| **owner != Owner::Solid);
        let uids: Vec<&str> = leaving.map(|(reference, _)| reference.uid.as_str()).collect();
        let kept = without(object, &uids);
        return kept.map(|kept| Step::Write(BTreeMap::from([("ownerReferences", kept)]))).into_iter().collect();
    }
    if owners.contains(&Owner::Waiting) && !dependents.is_empty() {
        // A dependent that waits too may be the owner's owner. Nobody would ever go: this one stops blocking. The write
        // brings the object back here, with references that don't block.
        if dependents.iter().any(|dependent| dependent.waits)
            && let Some(unblocked) = unblocked(object)
        {
            return vec![Step::Write(BTreeMap::from([("ownerReferences", unblocked)]))];
        }
        return vec![Step::Delete("Foreground")];
    }
    let policy = match (has_finalizer(object, ORPHAN), has_finalizer(object, FOREGROUND)) {
        (true, _) => "Orphan",
        (false, true) => "Foreground",
        (false, false) => "Background",
    };
    vec![Step::Delete(policy)]
}

/// Returns the owner references, none of them blocking; `None` when none is.
fn unblocked(object: &Value) -> Option<Value> {
    let mut list = object.pointer("/metadata/ownerReferences")?.clone();
    let mut changed = false;
    for reference in list.as_array_mut()?.iter_mut().filter(|reference| reference["blockOwnerDeletion"] == true) {
        reference["blockOwnerDeletion"] = Value::from(false);
        changed = true;
    }
    changed.then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(owners: &[&str], deleted: bool, finalizers: &[&str]) -> Value {
        let owner = |uid: &&str| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid, "blockOwnerDeletion": true});
        let references: Vec<Value> = owners.iter().map(owner).collect();
        let mut object = json!({"metadata": {"ownerReferences": references, "finalizers": finalizers}});
        if deleted {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        object
    }

    fn dependent(blocks: bool, waits: bool) -> Dependent {
        Dependent { key: "k".to_owned(), blocks, waits }
    }

    fn written(steps: &[Step]) -> &BTreeMap<&'static str, Value> {
        let Some(Step::Write(fields)) = steps.last() else { panic!("nothing is written: {steps:?}") };
        fields
    }

    #[test]
    fn an_object_goes_when_all_its_owners_are_gone() {
        use Owner::{Absent, Solid, Unknown, Waiting};
        let one = object(&["a"], false, &[]);
        assert_eq!(plan(&one, &[Absent], &[]), [Step::Delete("Background")]);
        assert_eq!(plan(&one, &[Solid], &[]), []);
        assert_eq!(plan(&one, &[Unknown], &[]), []);
        assert_eq!(plan(&one, &[Waiting], &[]), [Step::Delete("Background")]);
        assert_eq!(plan(&one, &[Waiting], &[dependent(true, false)]), [Step::Delete("Foreground")]);
        assert_eq!(plan(&object(&["a"], true, &[]), &[Absent], &[]), [], "it goes already");
        assert_eq!(plan(&object(&["a"], false, &["orphan"]), &[Absent], &[]), [Step::Delete("Orphan")]);
    }

    #[test]
    fn an_object_with_a_valid_and_a_waiting_owner_loses_only_the_reference() {
        for other in [Owner::Absent, Owner::Waiting] {
            let steps = plan(&object(&["a", "b"], false, &[]), &[Owner::Solid, other], &[]);
            let kept = &written(&steps)["ownerReferences"];
            assert_eq!((kept.as_array().unwrap().len(), &kept[0]["uid"]), (1, &json!("a")));
        }
    }

    #[test]
    fn an_owner_waits_only_for_dependents_that_block_it() {
        let owner = object(&[], true, &["x", "foregroundDeletion"]);
        assert_eq!(plan(&owner, &[], &[dependent(true, false)]), [Step::Visit(vec!["k".to_owned()])]);
        assert_eq!(plan(&owner, &[], &[dependent(true, true)]), [], "it is on its way");
        let steps = plan(&owner, &[], &[dependent(false, false)]);
        assert_eq!(steps[0], Step::Visit(vec!["k".to_owned()]));
        assert_eq!(written(&steps)["finalizers"], json!(["x"]));
        assert_eq!(written(&plan(&owner, &[], &[]))["finalizers"], json!(["x"]));
    }

    #[test]
    fn orphans_lose_their_owner_before_it_goes() {
        let owner = object(&[], true, &["orphan"]);
        let steps = plan(&owner, &[], &[dependent(true, false)]);
        assert_eq!(steps[0], Step::Orphan(vec!["k".to_owned()]));
        assert_eq!(written(&steps)["finalizers"], json!([]));
    }

    #[test]
    fn a_cycle_of_waiting_objects_is_broken() {
        let second = object(&["first"], false, &[]);
        let steps = plan(&second, &[Owner::Waiting], &[dependent(true, true)]);
        let unblocked = &written(&steps)["ownerReferences"];
        assert_eq!(unblocked[0]["blockOwnerDeletion"], false);
        let mut second = second;
        second["metadata"]["ownerReferences"] = unblocked.clone();
        assert_eq!(plan(&second, &[Owner::Waiting], &[dependent(true, true)]), [Step::Delete("Foreground")]);
    }
}
