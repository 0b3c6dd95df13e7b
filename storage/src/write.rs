//! What is stored and what is written: entries, changes, write sets.

use bytes::Bytes;

use crate::key::{Key, Revision};

/// What the upper layer wants to know about a value without parsing it; opaque to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Stamp {
    /// Identity of the schema (and storage version) that the value was written under.
    pub schema: u64,
    /// Byte offset in the value where the upper layer splices the revision.
    pub splice: u32,
}

/// A stored object. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub key: Key,
    /// The revision of its last change.
    pub revision: Revision,
    /// The writer's stamp.
    pub stamp: Stamp,
    /// The bytes as they were written.
    pub value: Bytes,
}

/// What a change expects to find, checked against the pending state of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing is there.
    Absent,
    /// The object is there and was last changed at this revision.
    At(Revision),
}

/// What a change does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Stores a value.
    Put {
        /// Stamp of the value.
        stamp: Stamp,
        /// The value.
        value: Bytes,
    },
    /// Removes the object.
    Delete,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub key: Key,
    /// On which condition.
    pub expect: Expect,
    /// What.
    pub op: Op,
}

/// Work that must go on without a request, kept as a row until it is removed by the commit that did it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Due {
    /// Unix time in minutes from which it may be done; 0 means at once.
    pub minute: u64,
    /// Who knows what to do; a short fixed name.
    pub kind: String,
    /// What to do it to; opaque to the store.
    pub key: Vec<u8>,
}

/// What a tenant stores of its own. Below zero when it deleted or shortened objects of its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// Objects, those of the base not counted.
    pub objects: i64,
    /// Bytes of their values, history not counted.
    pub bytes: i64,
}

impl Usage {
    /// Returns the usage after the state of a key has changed.
    pub(crate) fn after(self, before: Option<&Entry>, after: Option<&Entry>) -> Usage {
        let bytes = |entry: Option<&Entry>| entry.map_or(0, |entry| entry.value.len() as i64);
        let objects = i64::from(after.is_some()) - i64::from(before.is_some());
        Usage { objects: self.objects + objects, bytes: self.bytes + bytes(after) - bytes(before) }
    }

    /// Tells whether something grew beyond a limit; what was beyond it already may shrink.
    pub(crate) fn grew_beyond(self, old: Usage, limit: Usage) -> bool {
        let grew = |new: i64, old: i64, limit: i64| limit < new && old < new;
        grew(self.objects, old.objects, limit.objects) || grew(self.bytes, old.bytes, limit.bytes)
    }
}

/// Changes that are committed together or not at all.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    /// Changes, in order; each gets a revision of its own.
    pub changes: Vec<Change>,
    /// Due rows to add.
    pub due_add: Vec<Due>,
    /// Due rows to remove; a row that is not there is no error.
    pub due_remove: Vec<Due>,
    /// Index entries (owner uid, dependent) to add.
    pub owners_add: Vec<(String, Key)>,
    /// Index entries (owner uid, dependent) to remove.
    pub owners_remove: Vec<(String, Key)>,
    /// Refused when the tenant would grow beyond this.
    pub within: Option<Usage>,
}

impl WriteSet {
    /// Returns a set of one change.
    pub fn one(key: Key, expect: Expect, op: Op) -> WriteSet {
        WriteSet { changes: vec![Change { key, expect, op }], ..WriteSet::default() }
    }

    /// Tells whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.due_add.is_empty()
            && self.due_remove.is_empty()
            && self.owners_add.is_empty()
            && self.owners_remove.is_empty()
    }

    /// Returns the bytes that the set adds to a batch, roughly.
    pub(crate) fn weight(&self) -> usize {
        let changes: usize = self.changes.iter().map(Change::weight).sum();
        let due: usize = self.due_add.iter().chain(&self.due_remove).map(|due| due.key.len() + 32).sum();
        let owners = self.owners_add.iter().chain(&self.owners_remove);
        changes + due + owners.map(|(uid, key)| uid.len() + key.as_bytes().len() + 16).sum::<usize>()
    }
}

impl Change {
    fn weight(&self) -> usize {
        let value = match &self.op {
            Op::Put { value, .. } => value.len(),
            Op::Delete => 0,
        };
        value + self.key.as_bytes().len() + 64
    }
}
