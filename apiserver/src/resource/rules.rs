//! Rules of the verbs: creation by PUT, grace, dependents, deletion.

use super::{Origin, Served};
use crate::codec;
use kplex_machinery::builtin::strategy::{self, Dependents};
use kplex_machinery::crd;
use serde_json::Value;

impl Served {
    /// PUT of an absent object creates it.
    #[must_use]
    pub fn allows_create_on_update(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.allow_create_on_update)
    }

    /// PUT without a resourceVersion is accepted.
    #[must_use]
    pub fn allows_unconditional_update(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.allow_unconditional_update)
    }

    /// Seconds until a deleted object goes; 0 for kinds that don't die gracefully.
    #[must_use]
    pub fn grace_period(&self, object: &Value, asked: Option<i64>) -> i64 {
        if self.is_custom() { 0 } else { strategy::grace_period(self.gvk(), object, asked).unwrap_or(0) }
    }

    /// Whether the garbage collector follows its dependents.
    #[must_use]
    pub fn is_collectable(&self) -> bool {
        self.strategy().is_none_or(|strategy| strategy.dependents != Dependents::Unsupported)
    }

    /// Whether dependents stay when a deletion does not say what becomes of them.
    #[must_use]
    pub fn orphans_by_default(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.dependents == Dependents::Orphan)
    }

    /// Whether deletion may take a grace period.
    #[must_use]
    pub fn dies_gracefully(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.graceful_delete)
    }

    /// Whether something besides `metadata.finalizers` holds the object: a namespace's `spec.finalizers`, or a definition's
    /// objects, which get it a finalizer when it is deleted first.
    #[must_use]
    pub fn holds(&self, object: &Value) -> bool {
        if self.is_definition() {
            return codec::meta_str(object, "deletionTimestamp").is_empty();
        }
        self.is_namespace()
            && object.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    }

    /// Whether an updated object has nothing left that holds it.
    #[must_use]
    pub fn is_finished(&self, object: &Value) -> bool {
        let metadata = codec::metadata(object);
        let field = |name: &str| metadata.and_then(|map| map.get(name));
        let going = field("deletionTimestamp").is_some_and(|value| !value.is_null());
        let grace = field("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
        let finalizers = field("finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        going && grace == 0 && !finalizers && !self.holds(object)
    }

    /// Whether upstream deletes such objects by code of their own, with words of its own.
    #[must_use]
    pub fn has_own_deletion(&self) -> bool {
        self.is_namespace() || self.is_definition()
    }

    /// Whether a deleted object that stays tells its grace period; those with a deletion of their own don't.
    #[must_use]
    pub fn tells_grace_period(&self) -> bool {
        !self.has_own_deletion()
    }

    /// What a deletion changes in an object that stays for a while.
    pub fn mark_deleting(&self, object: &mut Value, now: &str) {
        if self.is_namespace() {
            object["status"]["phase"] = Value::from("Terminating");
        }
        if self.is_definition() {
            crd::conditions::begin_deletion(object, now);
        }
    }

    /// Whether DELETE answers with the object rather than with a Status.
    #[must_use]
    pub fn returns_deleted(&self) -> bool {
        match &self.origin {
            Origin::BuiltIn(resource, _) => resource.delete_returns_object,
            Origin::Custom(..) => false,
        }
    }
}
