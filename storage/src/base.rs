//! The shared base: immutable objects that every tenant starts with, rendered for a tenant when they are read.
//!
//! Nothing of a base is written per tenant. A tenant's own row, live or a tombstone, hides the base object of its key
//! for good. Which revision a base object has follows from the tenant's list of bases: an object carries the revision
//! at which the base it last changed in was adopted, counted up over the changed keys in order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::codec::{Reader, put_bytes, put_varint};
use crate::key::{Key, KeyRange, Revision};
use crate::write::{Entry, Stamp};

/// Identity of a base: SHA-256 over its encoding.
pub type BaseHash = [u8; 32];

/// Piece of a base object's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Literal(Bytes),
    /// No bytes: marks where the upper layer splices the revision (the entry's `stamp.splice`).
    Splice,
    /// The object's uid, derived from the tenant's seed and the key.
    Uid,
    /// The tenant's hole of this number, such as its creation time.
    Hole(u16),
}

/// Object of a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseItem {
    /// Its path.
    pub key: Key,
    /// Becomes `stamp.schema`.
    pub schema: u64,
    /// The value, in pieces.
    pub parts: Vec<Part>,
}

/// Immutable set of objects shared by all tenants.
#[derive(Clone, Debug)]
pub struct Base {
    /// Invariant: sorted by key, no key twice.
    items: Vec<BaseItem>,
    version: u64,
    hash: BaseHash,
}

impl Base {
    /// Returns a base without an order among releases (version 0): any other base of version 0 replaces it.
    ///
    /// # Panics
    /// If a key occurs twice.
    pub fn new(items: Vec<BaseItem>) -> Base {
        Base::with_version(0, items)
    }

    /// Returns the base of a release. A tenant moves to a base of the same or a higher version, never to a lower one,
    /// so that an older release leaves tenants where a newer one put them.
    ///
    /// # Panics
    /// If a key occurs twice.
    pub fn with_version(version: u64, mut items: Vec<BaseItem>) -> Base {
        items.sort_by(|left, right| left.key.cmp(&right.key));
        for pair in items.windows(2) {
            assert!(pair[0].key != pair[1].key, "the base holds {} twice", pair[0].key);
        }
        let mut base = Base { items, version, hash: BaseHash::default() };
        let encoded = base.encode();
        base.hash.copy_from_slice(digest::digest(&digest::SHA256, &encoded).as_ref());
        base
    }

    /// Returns the identity of the base.
    pub fn hash(&self) -> BaseHash {
        self.hash
    }

    /// Returns the release order of the base.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the objects, sorted by key.
    pub fn items(&self) -> &[BaseItem] {
        &self.items
    }

    /// Returns how many holes a tenant must fill.
    pub fn holes(&self) -> usize {
        let parts = self.items.iter().flat_map(|item| &item.parts);
        let holes = parts.filter_map(|part| match part {
            Part::Hole(hole) => Some(usize::from(*hole) + 1),
            Part::Literal(_) | Part::Splice | Part::Uid => None,
        });
        holes.max().unwrap_or(0)
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        self.items.binary_search_by(|item| item.key.as_bytes().cmp(key)).ok()
    }

    /// Returns the bytes the base is stored as, under its hash.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = vec![1u8];
        put_varint(&mut out, self.version);
        put_varint(&mut out, self.items.len() as u64);
        for item in &self.items {
            put_bytes(&mut out, item.key.as_bytes());
            out.extend_from_slice(&item.schema.to_be_bytes());
            put_varint(&mut out, item.parts.len() as u64);
            for part in &item.parts {
                match part {
                    Part::Literal(bytes) => {
                        out.push(0);
                        put_bytes(&mut out, bytes);
                    }
                    Part::Splice => out.push(1),
                    Part::Uid => out.push(2),
                    Part::Hole(hole) => {
                        out.push(3);
                        put_varint(&mut out, u64::from(*hole));
                    }
                }
            }
        }
        Bytes::from(out)
    }

    /// Reads what [`Base::encode`] wrote; `None` when the bytes are not that.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Base> {
        let mut reader = Reader::new(bytes);
        if reader.take(1)? != [1] {
            return None;
        }
        let version = reader.varint()?;
        let mut items = Vec::new();
        for _ in 0..reader.varint()? {
            let key = Key::parse(reader.bytes()?)?;
            let schema = u64::from_be_bytes(reader.take(8)?.try_into().ok()?);
            let mut parts = Vec::new();
            for _ in 0..reader.varint()? {
                parts.push(match reader.take(1)?[0] {
                    0 => Part::Literal(reader.owned()?),
                    1 => Part::Splice,
                    2 => Part::Uid,
                    3 => Part::Hole(u16::try_from(reader.varint()?).ok()?),
                    _ => return None,
                });
            }
            items.push(BaseItem { key, schema, parts });
        }
        reader.is_empty().then(|| Base::with_version(version, items))
    }
}

/// Returns the uid that the object `key` of a base has in the tenant with this seed: SHA-256 over both, shaped as a
/// version 4 UUID.
pub fn derived_uid(seed: &[u8; 16], key: &Key) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(seed);
    context.update(key.as_bytes());
    let mut uid = [0u8; 16];
    uid.copy_from_slice(&context.finish().as_ref()[..16]);
    uid[6] = (uid[6] & 0x0f) | 0x40;
    uid[8] = (uid[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in uid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16"));
        }
    }
    text
}

/// The bases that a tenant went through, oldest first; shared by all tenants with the same past.
#[derive(Debug)]
pub(crate) struct BaseChain {
    bases: Vec<Arc<Base>>,
    /// For each item of the last base: the base it last changed in, and its place among the keys changed there.
    origins: Vec<(u32, u32)>,
}

impl BaseChain {
    pub(crate) fn new(bases: Vec<Arc<Base>>) -> BaseChain {
        let last = bases.last().expect("a chain has a base");
        let mut origins = vec![(0, 0); last.items.len()];
        for step in 1..bases.len() {
            for (ordinal, key) in changed(&bases[step - 1], &bases[step]).into_iter().enumerate() {
                if let Some(at) = last.find(key.as_bytes()) {
                    origins[at] = (step as u32, ordinal as u32);
                }
            }
        }
        BaseChain { bases, origins }
    }

    pub(crate) fn find(&self, hash: BaseHash) -> Option<Arc<Base>> {
        self.bases.iter().find(|base| base.hash == hash).cloned()
    }

    pub(crate) fn last(&self) -> &Arc<Base> {
        self.bases.last().expect("a chain has a base")
    }
}

/// Returns the keys whose objects differ between two bases, in order.
pub(crate) fn changed(old: &Base, new: &Base) -> Vec<Key> {
    let mut states: BTreeMap<&Key, [Option<&BaseItem>; 2]> = BTreeMap::new();
    for (side, base) in [old, new].into_iter().enumerate() {
        for item in &base.items {
            states.entry(&item.key).or_default()[side] = Some(item);
        }
    }
    states.into_iter().filter(|(_, [old, new])| old != new).map(|(key, _)| key.clone()).collect()
}

/// A base as one tenant sees it.
#[derive(Debug)]
pub(crate) struct Overlay {
    pub(crate) chain: Arc<BaseChain>,
    /// For each base of the chain, the revision of the first object that changed with it.
    pub(crate) starts: Vec<Revision>,
    pub(crate) seed: [u8; 16],
    pub(crate) holes: Vec<Bytes>,
}

impl Overlay {
    pub(crate) fn base(&self) -> &Base {
        self.chain.last()
    }

    /// Returns the base object of a key, if the base has one.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Entry> {
        self.base().find(key).map(|at| self.entry(at))
    }

    pub(crate) fn has(&self, key: &[u8]) -> bool {
        self.base().find(key).is_some()
    }

    /// Returns the places of the base objects in the range.
    pub(crate) fn range(&self, range: &KeyRange) -> Range<usize> {
        let items = &self.base().items;
        let from = items.partition_point(|item| item.key.as_bytes() < range.from.as_slice());
        let to = match &range.to {
            Some(to) => items.partition_point(|item| item.key.as_bytes() < to.as_slice()),
            None => items.len(),
        };
        from..to.max(from)
    }

    /// Renders the base object at a place.
    pub(crate) fn entry(&self, at: usize) -> Entry {
        let (step, ordinal) = self.chain.origins[at];
        let revision = self.starts[step as usize].plus(u64::from(ordinal));
        render(&self.base().items[at], &self.seed, &self.holes, revision)
    }
}

/// Renders an object of a base for a tenant.
pub(crate) fn render(item: &BaseItem, seed: &[u8; 16], holes: &[Bytes], revision: Revision) -> Entry {
    let mut value = Vec::new();
    let mut splice = 0;
    for part in &item.parts {
        match part {
            Part::Literal(bytes) => value.extend_from_slice(bytes),
            Part::Splice => splice = u32::try_from(value.len()).expect("a base object is far below 4 GiB"),
            Part::Uid => value.extend_from_slice(derived_uid(seed, &item.key).as_bytes()),
            Part::Hole(hole) => value
                .extend_from_slice(holes.get(usize::from(*hole)).expect("holes are counted when a base is adopted")),
        }
    }
    let stamp = Stamp { schema: item.schema, splice };
    Entry { key: item.key.clone(), revision, stamp, value: Bytes::from(value.into_boxed_slice()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, text: &'static str) -> BaseItem {
        let parts = vec![
            Part::Literal(Bytes::from_static(b"{")),
            Part::Splice,
            Part::Literal(Bytes::from_static(text.as_bytes())),
            Part::Uid,
            Part::Hole(1),
            Part::Literal(Bytes::from_static(b"}")),
        ];
        BaseItem { key: Key::new("", "namespaces", None, name), schema: 7, parts }
    }

    fn overlay(bases: Vec<Base>, starts: &[u64]) -> Overlay {
        let chain = Arc::new(BaseChain::new(bases.into_iter().map(Arc::new).collect()));
        let holes = vec![Bytes::from_static(b"?"), Bytes::from_static(b"!")];
        Overlay { chain, starts: starts.iter().copied().map(Revision::new).collect(), seed: [3; 16], holes }
    }

    #[test]
    fn base_survives_its_encoding() {
        let base = Base::with_version(9, vec![item("b", "x"), item("a", "y")]);
        let read = Base::decode(&base.encode()).unwrap();
        assert_eq!((read.hash(), read.version(), read.items()), (base.hash(), 9, base.items()));
        assert_eq!(base.holes(), 2);
        assert!(Base::decode(&base.encode()[1..]).is_none());
    }

    #[test]
    fn rendered_object_has_uid_hole_and_splice() {
        let overlay = overlay(vec![Base::new(vec![item("a", "x")])], &[5]);
        let entry = overlay.get(b"/namespaces/a").unwrap();
        let uid = derived_uid(&[3; 16], &entry.key);
        assert_eq!(entry.value, format!("{{x{uid}!}}").as_bytes());
        assert_eq!((entry.stamp.splice, entry.stamp.schema, entry.revision.get()), (1, 7, 5));
        assert_eq!((uid.len(), &uid[14..15]), (36, "4"));
        assert!("89ab".contains(&uid[19..20]));
    }

    #[test]
    fn revision_follows_from_the_base_an_object_changed_in() {
        let first = Base::with_version(1, vec![item("a", "1"), item("b", "1"), item("c", "1"), item("gone", "1")]);
        let second = Base::with_version(2, vec![item("a", "2"), item("b", "1"), item("c", "2"), item("new", "1")]);
        let overlay = overlay(vec![first, second], &[5, 20]);
        let revisions = |name: &str| overlay.get(format!("/namespaces/{name}").as_bytes()).map(|e| e.revision.get());
        assert_eq!(revisions("a"), Some(20));
        assert_eq!(revisions("b"), Some(5));
        assert_eq!(revisions("c"), Some(21));
        assert_eq!(revisions("gone"), None);
        assert_eq!(revisions("new"), Some(23), "gone took 22");
    }
}
