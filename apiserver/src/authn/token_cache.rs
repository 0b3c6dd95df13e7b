//! Credentials that were verified a moment ago, by the hash of what was shown.
//!
//! Bounded and per tenant. What an entry says is only as good as the objects it was made from: the caller keeps their
//! revisions in the value and compares them at each use, so that a deleted account is locked out at once.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

type Digest = [u8; 32];

/// Results of verification, by credential.
pub struct TokenCache<T> {
    /// Memory only; never held across an await.
    entries: Mutex<Entries<T>>,
    entries_max: usize,
}

struct Entries<T> {
    by_digest: HashMap<Digest, Kept<T>>,
    /// Counts uses; the entry used longest ago goes first.
    clock: u64,
}

struct Kept<T> {
    value: Arc<T>,
    used: u64,
    expiry: i64,
}

impl<T> TokenCache<T> {
    /// Makes a cache of at most `entries_max` entries; it allocates nothing until it holds one.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self { entries: Mutex::new(Entries { by_digest: HashMap::new(), clock: 0 }), entries_max }
    }

    /// Returns what was kept for a credential, unless it has expired.
    #[must_use]
    pub fn get(&self, credential: &[u8], now: i64) -> Option<Arc<T>> {
        let digest = digest_of(credential);
        let mut entries = self.entries.lock();
        entries.clock += 1;
        let clock = entries.clock;
        let kept = entries.by_digest.get_mut(&digest)?;
        if now >= kept.expiry {
            entries.by_digest.remove(&digest);
            return None;
        }
        kept.used = clock;
        Some(Arc::clone(&kept.value))
    }

    /// Keeps a result until `expiry` (Unix seconds) at the latest.
    pub fn put(&self, credential: &[u8], value: Arc<T>, expiry: i64) {
        let digest = digest_of(credential);
        let mut entries = self.entries.lock();
        if entries.by_digest.len() >= self.entries_max && !entries.by_digest.contains_key(&digest) {
            entries.drop_oldest();
        }
        entries.clock += 1;
        let used = entries.clock;
        entries.by_digest.insert(digest, Kept { value, used, expiry });
    }

    /// Forgets a credential.
    pub fn forget(&self, credential: &[u8]) {
        self.entries.lock().by_digest.remove(&digest_of(credential));
    }

    /// Keeps only what `keep` says.
    pub fn retain(&self, mut keep: impl FnMut(&T) -> bool) {
        self.entries.lock().by_digest.retain(|_, kept| keep(&kept.value));
    }

    /// Returns how many credentials are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.lock().by_digest.len()
    }

    /// Tells whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Entries<T> {
    fn drop_oldest(&mut self) {
        // Evicting an eighth at a time keeps the scan off the path of most insertions.
        let mut ages: Vec<u64> = self.by_digest.values().map(|kept| kept.used).collect();
        let place = ages.len() / 8;
        let (_, oldest, _) = ages.select_nth_unstable(place);
        let oldest = *oldest;
        self.by_digest.retain(|_, kept| kept.used > oldest);
    }
}

fn digest_of(credential: &[u8]) -> Digest {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, credential);
    digest.as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_expire_and_the_least_used_go_first() {
        let cache = TokenCache::new(16);
        for number in 0..16u8 {
            cache.put(&[number], Arc::new(number), 100);
        }
        assert_eq!(cache.get(&[0], 50).as_deref(), Some(&0));
        cache.put(&[16], Arc::new(16), 100);
        assert!(cache.len() <= 16);
        assert_eq!(cache.get(&[0], 50).as_deref(), Some(&0), "used just now");
        assert_eq!(cache.get(&[1], 50), None, "unused the longest");
        assert_eq!(cache.get(&[16], 99).as_deref(), Some(&16));
        assert_eq!(cache.get(&[16], 100), None);
        cache.forget(&[0]);
        assert_eq!(cache.get(&[0], 50), None);
    }

    #[test]
    fn it_never_holds_more_than_its_limit() {
        let cache = TokenCache::new(8);
        for number in 0..1000u32 {
            cache.put(&number.to_be_bytes(), Arc::new(()), 100);
            assert!(cache.len() <= 8);
        }
    }
}
