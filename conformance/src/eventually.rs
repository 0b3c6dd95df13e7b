//! Waiting for what will come true, without sleeping longer than needed and without waiting for ever.

use std::time::{Duration, Instant};

/// How long anything may take, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see, and returns it.
///
/// # Panics
/// When it does not come true in time; the text says what was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "gave up waiting: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Looks until there is something to see, and returns it; for code that is not async.
///
/// # Panics
/// When it does not come true in time; the text says what was waited for.
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "gave up waiting: {what}");
        std::thread::sleep(PAUSE);
    }
}
