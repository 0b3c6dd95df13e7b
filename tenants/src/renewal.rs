//! Due rows for certificates: what is renewed, and the minute from which it may be.

use kplex_storage::Due;

use crate::keys::Leaf;

/// A kind of due row: the serving certificate in a control plane's Secret is to be replaced.
pub const DUE_SERVING_CERTIFICATE: &str = "renew-serving";
/// A kind of due row: the admin credentials in a control plane's Secret are to be replaced.
pub const DUE_ADMIN_CREDENTIALS: &str = "renew-admin";

/// Returns the row that has a leaf replaced at two thirds of its life; it goes into the commit that stores the leaf.
pub fn renewal_due(kind: &'static str, leaf: &Leaf, key: &[u8]) -> Due {
    let seconds = u64::try_from(leaf.renew_at().as_second()).unwrap_or(0);
    Due { minute: seconds.div_ceil(60), kind: kind.to_owned(), key: key.to_vec() }
}
