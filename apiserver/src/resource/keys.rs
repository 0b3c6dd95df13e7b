//! Keys: where objects and collections of a resource are stored.

use super::Served;
use kplex_storage::{Key, Prefix};

impl Served {
    /// Returns the key of an object.
    #[must_use]
    pub fn key(&self, namespace: Option<&str>, name: &str) -> Key {
        Key::new(&self.storage_group, &self.plural, namespace.filter(|_| self.namespaced), name)
    }

    /// Returns the key of a collection that a continue token names; `None` when it lies outside.
    #[must_use]
    pub fn key_in(&self, prefix: &Prefix, rest: &str) -> Option<Key> {
        let mut bytes = prefix.as_bytes().to_vec();
        bytes.extend_from_slice(rest.as_bytes());
        Key::parse(&bytes).filter(|key| key.namespace().is_some() == self.namespaced)
    }

    /// Returns the keys of a collection.
    #[must_use]
    pub fn prefix(&self, namespace: Option<&str>) -> Prefix {
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => Prefix::namespace(&self.storage_group, &self.plural, namespace),
            None => Prefix::resource(&self.storage_group, &self.plural),
        }
    }
}
