//! One copy of each compiled definition for all tenants that have it.

use super::compile::{Compiled, compile_interned, definition_hash};
use crate::field_error::FieldErrors;
use crate::schema::{NodeId, Schema};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Content hash.
pub(crate) type Hash = [u8; 32];

/// A schema and its root.
#[derive(Debug)]
pub(crate) struct Rooted {
    pub(crate) schema: Arc<Schema>,
    pub(crate) root: NodeId,
}

/// A table of what is compiled. It holds weak references: memory goes when the last tenant drops a definition.
#[derive(Debug, Default)]
pub struct Interner {
    /// Taken for the length of a lookup, never while compiling.
    definitions: Mutex<Shelf<Compiled>>,
    /// As `definitions`; the two are never held together.
    schemas: Mutex<Shelf<Rooted>>,
}

#[derive(Debug)]
struct Shelf<T> {
    entries: HashMap<Hash, Weak<T>>,
    /// Number of entries at which dead ones are swept.
    sweep_at: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), sweep_at: 64 }
    }
}

impl<T> Shelf<T> {
    fn get(&self, hash: &Hash) -> Option<Arc<T>> {
        self.entries.get(hash).and_then(Weak::upgrade)
    }

    /// Adds a value, or returns the one that somebody else added first.
    fn add(&mut self, hash: Hash, value: Arc<T>) -> Arc<T> {
        if let Some(found) = self.get(&hash) {
            return found;
        }
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|_, entry| entry.strong_count() > 0);
            self.sweep_at = (self.entries.len() * 2).max(64);
        }
        self.entries.insert(hash, Arc::downgrade(&value));
        value
    }
}

impl Interner {
    /// Compiles a definition, or returns the copy that exists.
    ///
    /// # Errors
    /// Why the definition cannot be compiled.
    pub fn intern(&self, definition: &Value) -> Result<Arc<Compiled>, FieldErrors> {
        let hash = definition_hash(definition);
        if let Some(found) = self.definitions.lock().unwrap_or_else(PoisonError::into_inner).get(&hash) {
            return Ok(found);
        }
        let compiled = Arc::new(compile_interned(definition, hash, self)?);
        Ok(self.definitions.lock().unwrap_or_else(PoisonError::into_inner).add(hash, compiled))
    }

    /// Returns the schema with a hash, or makes it.
    pub(crate) fn schema(&self, hash: Hash, make: impl FnOnce() -> Rooted) -> Arc<Rooted> {
        if let Some(found) = self.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(&hash) {
            return found;
        }
        let made = Arc::new(make());
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).add(hash, made)
    }

    /// Number of definitions that are alive.
    #[must_use]
    pub fn definition_count(&self) -> usize {
        let shelf = self.definitions.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.entries.values().filter(|entry| entry.strong_count() > 0).count()
    }
}

/// Hashes documents. Keys of `Value` are sorted, so that equal documents have equal hashes.
pub(crate) fn content_hash(parts: &[&Value]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        let bytes = serde_json::to_vec(part).expect("a Value has string keys and finite numbers");
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}
