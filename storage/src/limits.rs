//! Every limit of the store, each with its reason.

use std::time::Duration;

/// Encodings kept with one event: three media types times a few versions, and room.
pub const EVENT_ENCODINGS_MAX: usize = 12;

/// Events handed to a watcher in one call: keeps one slow client's share of memory and of the tenant's lock small.
pub const WATCH_EVENTS_MAX: usize = 256;

/// Rows of one tail chunk read back from the event tables after a restart.
pub const TAIL_ROWS_MAX: usize = 256;

/// Batches of a lane kept in memory for tails; a tail further behind reads the event tables.
pub const TAIL_BATCHES_MAX: usize = 1024;

/// Bytes of a lane's events kept in memory for tails (they share their values with the cache and the history).
pub const TAIL_BYTES_MAX: usize = 8 << 20;

/// Rows removed per batch when a tenant is purged: about 10 ms of work, so that others' writes are not held up.
pub const PURGE_ROWS_MAX: u32 = 2_000;

/// Tenants whose floor is raised in one batch when an event slice expires.
pub const FLOORS_PER_BATCH_MAX: usize = 1_000;

/// Changes in one write set: more than any request of ours makes, small enough to be one batch.
pub const WRITE_SET_CHANGES_MAX: usize = 4_096;

/// A value that is read twice in this time stays in memory: the hour's hot objects do, a look at each of many does not.
pub const READ_AGAIN_SECONDS: u32 = 300;

/// Lanes of one store: a lane is a connection and a task.
pub const LANES_MAX: u16 = 64;

/// Limits that an operator may want to move. Defaults suit one process on two cores.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest value. Upstream refuses request bodies above 3 MiB, so nothing larger can arrive.
    pub value_bytes_max: usize,
    /// Bytes in one batch: bounds the time a commit takes, and with it everybody's latency.
    pub batch_bytes_max: usize,
    /// Changes in one batch, for the same reason.
    pub batch_changes_max: usize,
    /// Bytes queued for a lane over all tenants; above it writes are refused as unavailable.
    pub queue_bytes_max: usize,
    /// Writes of one tenant queued for a lane, so that one flooding tenant cannot fill the queue for the others.
    pub tenant_queue_max: usize,
    /// Bytes of events kept in memory per warm tenant for its watchers; behind it they read the event tables.
    pub history_bytes_max: usize,
    /// Age after which events leave memory. Watchers that read at all are never this far behind.
    pub history_age_max: Duration,
    /// How long the past is kept in the event tables: upstream's etcd compaction interval, which clients rely on.
    pub window: Duration,
    /// Time covered by one event table; a table is dropped whole when all of it is older than the window.
    pub slice: Duration,
    /// Bytes of event tables per lane; above it the oldest slices go before the window has passed.
    pub window_bytes_max: u64,
    /// Bytes of the cache over all tenants; 0 turns it off.
    pub cache_bytes_max: usize,
    /// Largest delay before an acknowledged tail position is stored when nothing else is being written.
    pub ack_delay: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            value_bytes_max: 3 << 20,
            batch_bytes_max: 4 << 20,
            batch_changes_max: 1_024,
            queue_bytes_max: 64 << 20,
            tenant_queue_max: 1_024,
            history_bytes_max: 1 << 20,
            history_age_max: Duration::from_secs(75),
            window: Duration::from_secs(5 * 60),
            slice: Duration::from_secs(60),
            window_bytes_max: 1 << 30,
            cache_bytes_max: 256 << 20,
            ack_delay: Duration::from_secs(1),
        }
    }
}
