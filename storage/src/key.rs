//! Names of things: tenants, revisions, keys and key prefixes.
//!
//! A key is the path of an object, `group/resource/namespace/name` or `group/resource/name`, compared as bytes, so
//! that lists have upstream's order. The store never looks further into it than its parts.

use std::borrow::Borrow;
use std::fmt;

use bytes::Bytes;

/// Number of a tenant: assigned once, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(u32);

impl TenantId {
    /// Wraps a number that was handed out by the store before (a log line, an upper layer's own index).
    pub const fn new(id: u32) -> TenantId {
        TenantId(id)
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the four bytes that every row key of this tenant starts with.
    pub const fn prefix(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a commit within one tenant. Grows by one with each change; never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(u64);

impl Revision {
    /// The revision before all others; nothing ever has it.
    pub const ZERO: Revision = Revision(0);

    /// Wraps a number, usually a `resourceVersion` that a client sent.
    pub const fn new(revision: u64) -> Revision {
        Revision(revision)
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) fn plus(self, count: u64) -> Revision {
        Revision(self.0.checked_add(count).expect("2^64 revisions take longer than the sun"))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Path of an object within a tenant. Cheap to clone.
///
/// Invariant: UTF-8, three or four parts joined by `/`; only the group may be empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// Joins the parts of a key.
    ///
    /// # Panics
    /// If a part contains `/`, or a part other than the group is empty: the caller has validated names before.
    pub fn new(group: &str, resource: &str, namespace: Option<&str>, name: &str) -> Key {
        assert!(!group.contains('/') && !resource.contains('/') && !name.contains('/'), "a key part holds no slash");
        assert!(!resource.is_empty(), "a key has a resource");
        assert!(!name.is_empty(), "a key has a name");
        let space = namespace.map_or(0, |n| n.len() + 1);
        let mut bytes = Vec::with_capacity(group.len() + resource.len() + name.len() + space + 2);
        bytes.extend_from_slice(group.as_bytes());
        bytes.push(b'/');
        bytes.extend_from_slice(resource.as_bytes());
        bytes.push(b'/');
        if let Some(namespace) = namespace {
            assert!(!namespace.is_empty() && !namespace.contains('/'), "a namespace is a non-empty key part");
            bytes.extend_from_slice(namespace.as_bytes());
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name.as_bytes());
        Key(Bytes::from(bytes.into_boxed_slice()))
    }

    /// Reads a key from its bytes; `None` when they are not a key.
    pub fn parse(bytes: &[u8]) -> Option<Key> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.split('/');
        let _group = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        let whole = matches!(rest.len(), 2 | 3) && rest.iter().all(|part| !part.is_empty());
        whole.then(|| Key(Bytes::copy_from_slice(bytes)))
    }

    /// Returns the whole path.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the whole path as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a key is made from text and checked when read")
    }

    /// Returns the API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.as_str().split('/').next().expect("split yields at least one part")
    }

    /// Returns the resource (plural name).
    pub fn resource(&self) -> &str {
        self.as_str().split('/').nth(1).expect("a key has at least three parts")
    }

    /// Returns the namespace, or `None` for a cluster-scoped object.
    pub fn namespace(&self) -> Option<&str> {
        let mut parts = self.as_str().split('/').skip(2);
        let first = parts.next();
        parts.next().and(first)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        self.as_str().rsplit('/').next().expect("split yields at least one part")
    }

    /// Returns `group/resource/`, the unit of the cache.
    pub(crate) fn resource_prefix(&self) -> &[u8] {
        resource_part(&self.0).expect("a key has at least three parts")
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Start of a range of keys.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Prefix(Bytes);

impl Prefix {
    /// Every key of the tenant.
    pub const fn all() -> Prefix {
        Prefix(Bytes::new())
    }

    /// Every object of a resource.
    pub fn resource(group: &str, resource: &str) -> Prefix {
        Prefix(Bytes::from(format!("{group}/{resource}/").into_bytes()))
    }

    /// Every object of a resource in one namespace.
    pub fn namespace(group: &str, resource: &str, namespace: &str) -> Prefix {
        Prefix(Bytes::from(format!("{group}/{resource}/{namespace}/").into_bytes()))
    }

    /// Returns the bytes that the keys start with.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Tells whether the key lies under the prefix.
    pub fn contains(&self, key: &Key) -> bool {
        key.as_bytes().starts_with(&self.0)
    }

    /// Returns the resource that the whole range lies in, if it lies in one.
    pub(crate) fn resource_prefix(&self) -> Option<&[u8]> {
        resource_part(&self.0)
    }

    pub(crate) fn range(&self) -> KeyRange {
        prefix_range(&self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Half-open range of keys: `from` inclusive, `to` exclusive, `None` for the tenant's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First key of the range.
    pub from: Vec<u8>,
    /// First key after the range.
    pub to: Option<Vec<u8>>,
}

impl KeyRange {
    /// Returns the part of the range that lies after `key`.
    pub fn after(self, key: &[u8]) -> KeyRange {
        if key < self.from.as_slice() {
            return self;
        }
        let mut from = key.to_vec();
        from.push(0);
        KeyRange { from, to: self.to }
    }

    /// Tells whether the range holds the key.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.from.as_slice() <= key && self.to.as_deref().is_none_or(|to| key < to)
    }

    /// Returns the bounds of the rows of `tenant` in this range, as `[from, to)` of whole row keys.
    pub fn rows(&self, tenant: TenantId) -> (Vec<u8>, Vec<u8>) {
        let from = row_key(tenant, &self.from);
        let to = match &self.to {
            Some(to) => row_key(tenant, to),
            None => successor(&tenant.prefix()).unwrap_or_else(|| vec![0xff; 5]),
        };
        (from, to)
    }
}

/// Returns the range of the keys that start with `prefix`.
pub(crate) fn prefix_range(prefix: &[u8]) -> KeyRange {
    KeyRange { from: prefix.to_vec(), to: successor(prefix) }
}

/// Returns the key of an object row: the tenant's four bytes, then the path.
pub fn row_key(tenant: TenantId, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + key.len());
    bytes.extend_from_slice(&tenant.prefix());
    bytes.extend_from_slice(key);
    bytes
}

fn resource_part(path: &[u8]) -> Option<&[u8]> {
    let mut slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.nth(1).map(|(at, _)| &path[..=at])
}

/// Returns the smallest byte string that is greater than everything starting with `prefix`.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_knows_its_parts() {
        let pod = Key::new("", "pods", Some("default"), "web");
        assert_eq!(pod.as_str(), "/pods/default/web");
        assert_eq!((pod.group(), pod.resource(), pod.namespace(), pod.name()), ("", "pods", Some("default"), "web"));
        let role = Key::new("rbac.authorization.k8s.io", "clusterroles", None, "system:node");
        assert_eq!((role.group(), role.namespace(), role.name()), ("rbac.authorization.k8s.io", None, "system:node"));
        assert_eq!(role.resource_prefix(), b"rbac.authorization.k8s.io/clusterroles/");
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        for bad in ["", "/", "a/b", "a//c", "a/b/", "a/b/c/d/e", "a/b//d"] {
            assert_eq!(Key::parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert!(Key::parse(b"/pods/default/web").is_some());
    }

    #[test]
    fn prefix_range_holds_exactly_its_keys() {
        let range = Prefix::namespace("", "pods", "a").range();
        for (key, inside) in [("/pods/a/x", true), ("/pods/a-b/x", false), ("/pods/a0/x", false), ("/pod/a/x", false)] {
            assert_eq!(range.contains(key.as_bytes()), inside, "{key}");
        }
        assert!(!range.clone().after(b"/pods/a/x").contains(b"/pods/a/x"));
        assert!(range.after(b"/pods/a/x").contains(b"/pods/a/x0"));
    }

    #[test]
    fn last_tenant_has_an_end() {
        let (from, to) = Prefix::all().range().rows(TenantId::new(u32::MAX));
        assert!(from < to);
    }
}
