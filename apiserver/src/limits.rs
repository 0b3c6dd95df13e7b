//! Every limit of the API server, with its reason. Tenants may have lower ones (`kplex_tenants::limits`).

use std::time::Duration;

/// Largest request body, in bytes. Upstream's limit for all verbs.
pub const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Requests that the process runs at a time, watches not counted; upstream's sum of its two in-flight limits.
pub const REQUESTS_RUNNING_MAX: usize = 600;
/// Largest object as stored, in bytes: etcd's default request limit, which clients know.
pub const OBJECT_BYTES_MAX: usize = 1536 * 1024;
/// Deepest nesting of a document. Go's decoder stops at 10,000; nobody needs more than this.
pub const DEPTH_MAX: usize = 256;
/// How often a write is computed anew after a conflict that the client did not ask about.
pub const WRITE_RETRIES: usize = 16;
/// How often a generated name is tried; as upstream since 1.30.
pub const NAME_RETRIES: usize = 8;
/// How long a request may take that is neither a watch nor another long-running one; upstream's default.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Shortest life of a watch without `timeoutSeconds`; upstream's `--min-request-timeout`.
pub const WATCH_TIMEOUT_MIN: Duration = Duration::from_secs(1800);
/// Time between bookmarks; upstream sends one a minute.
pub const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// Life of a continue token; upstream's live for 5 to 15 minutes. Longer than the window, so that it counts only where
/// nothing was changed meanwhile.
pub const CONTINUE_LIFE: Duration = Duration::from_secs(6 * 60);
/// Entries that a filtered list reads at a time.
pub const LIST_CHUNK: usize = 2000;
/// Bytes of a list or watch written at a time.
pub const WRITE_CHUNK_BYTES: usize = 64 * 1024;
/// Answers larger than this are compressed for clients that accept it; upstream's threshold.
pub const GZIP_BYTES_OVER: usize = 128 * 1024;
/// Clauses of `Accept` that are looked at. Clients send up to four.
pub const ACCEPT_CLAUSES_MAX: usize = 64;
/// Operations in one JSON patch; upstream's limit.
pub const JSON_PATCH_OPERATIONS_MAX: usize = 10_000;
/// Objects that a deletecollection reads at a time.
pub const DELETE_COLLECTION_CHUNK: usize = 500;
