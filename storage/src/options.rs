//! How to open a store.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::base::Base;
use crate::engine::Backend;
use crate::limits::Limits;

/// Where the bytes go.
#[derive(Clone)]
pub enum Engine {
    /// Nowhere: gone with the process.
    Memory,
    /// `kplex.db` in this directory, which is created when missing and locked while open.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by URL.
    Postgres(String),
    /// An engine made by the caller: tests inject faults and keep a memory engine over a restart.
    Custom(Arc<dyn Backend>),
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::Memory => f.write_str("memory"),
            Engine::Sqlite(path) => write!(f, "sqlite at {}", path.display()),
            // The URL may hold a password.
            Engine::Postgres(_) => f.write_str("postgres"),
            Engine::Custom(_) => f.write_str("custom"),
        }
    }
}

/// Everything [`crate::Store::open`] needs.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where the bytes go.
    pub engine: Engine,
    /// Objects that every tenant starts with.
    pub base: Arc<Base>,
    /// Limits.
    pub limits: Limits,
    /// Writer lanes. One is right unless the database is remote and wide; a store that was opened with more keeps them.
    pub lanes: u16,
    /// The wall clock.
    pub clock: Clock,
}

impl StoreOptions {
    /// Returns options with default limits, one lane and the system's clock.
    pub fn new(engine: Engine, base: Arc<Base>) -> StoreOptions {
        StoreOptions { engine, base, limits: Limits::default(), lanes: 1, clock: Clock::system() }
    }
}

/// A wall clock, passed in so that tests can move it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// Returns the system's clock.
    pub fn system() -> Clock {
        Clock(Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    /// Returns a clock that answers with the time since 1970 that `now` returns.
    pub fn from_fn(now: impl Fn() -> Duration + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now))
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from((self.0)().as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
