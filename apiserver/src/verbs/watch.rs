//! WATCH: a cursor and a filter on the connection's own task (D7).
//!
//! Hot path: no allocation per idle watcher beyond its state, events are encoded once and their bytes shared. Initial
//! events and their closing bookmark follow KEP-3157.

use super::filter::Filter;
use super::get::parse_revision;
use super::reply::Reply;
use super::watching::Watching;
use crate::call::Call;
use crate::encode::{self, EventType};
use crate::http::negotiate::{Accepted, Form};
use crate::http::query::ListOptions;
use crate::resource::Served;
use crate::{limits, respond};
use axum::body::Body;
use bytes::Bytes;
use kplex_machinery::status::Status;
use kplex_storage::{Cursor, Entry, Event, ListQuery, Prefix, Revision, StorageError};
use kplex_tenants::TenantScope;
use rand::RngExt;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// With every object as ADDED, then live.
    State,
    /// After this revision.
    After(Revision),
    /// With what happens from now on.
    Now,
}

fn start(options: &ListOptions) -> Result<Start, Status> {
    let revision = parse_revision(&options.resource_version).map_err(Status::plain)?;
    Ok(match (options.send_initial_events, revision) {
        (Some(true), _) | (None, 0) => Start::State,
        (Some(false), 0) => Start::Now,
        (Some(false) | None, revision) => Start::After(Revision::new(revision)),
    })
}

/// Opens a stream of events of a collection, or of one object.
///
/// # Errors
/// 400 for bad selectors, 422 for option combinations. A resourceVersion in the future is waited for; where the state at it
/// is asked for, the stream says 504, since its answer has begun.
pub async fn watch(call: &Call, served: &Arc<Served>) -> Result<Reply, Status> {
    let options = ListOptions::parse(&call.query, true)?;
    let path = call.path()?;
    let filter = Filter::new(served, &options, path.name.as_deref())?;
    let prefix = served.prefix(path.namespace.as_deref());
    let log = call.scope.log();
    let head = log.head().await.map_err(respond::storage)?;
    let start = start(&options)?;
    // Before the state is read: who has too many watches is refused for little.
    let watching = Watching::begin(&call.scope)?;
    let mut initial = Vec::new();
    let (mut from, mut after) = (head, Revision::new(0));
    match start {
        Start::State => {
            if let Err(status) = super::get::not_older(&options.resource_version, head) {
                let frame = encode::error_frame(call.accepted, &status);
                return Ok(Reply::Stream(call.accepted.media.stream_type(), Body::from(frame)));
            }
            (initial, from) = state(call, served, &prefix, &filter).await?;
        }
        Start::After(revision) => (from, after) = (revision.min(head), revision),
        Start::Now => {}
    }
    let now = Instant::now();
    let watcher = Watcher {
        _watching: watching,
        scope: call.scope.clone(),
        served: served.clone(),
        filter,
        accepted: call.accepted,
        cursor: log.watch(prefix, from),
        after,
        initial: initial.into_iter(),
        announce: start == Start::State && options.send_initial_events == Some(true) && options.bookmarks,
        columns_sent: false,
        bookmarks: options.bookmarks,
        bookmark_at: now + limits::BOOKMARK_INTERVAL,
        deadline: now + lifetime(&options),
        drain: call.shared.drain.clone(),
        ended: false,
        now: call.now,
        query: call.query.clone(),
    };
    let stream = futures::stream::unfold(watcher, |mut watcher| async move {
        let bytes = watcher.step().await?;
        Some((Ok::<Bytes, Infallible>(bytes), watcher))
    });
    let content_type = call.accepted.media.stream_type();
    Ok(Reply::Stream(content_type, Body::from_stream(stream)))
}

async fn state(
    call: &Call,
    served: &Served,
    prefix: &Prefix,
    filter: &Filter,
) -> Result<(Vec<Entry>, Revision), Status> {
    let query = ListQuery { prefix: prefix.clone(), after: None, limit: usize::MAX, at: None };
    let page = call.scope.log().list(query).await.map_err(respond::storage)?;
    if filter.is_empty() {
        return Ok((page.entries, page.revision));
    }
    let mut entries = Vec::new();
    for entry in page.entries {
        if filter.matches(served, &entry)? {
            entries.push(entry);
        }
    }
    Ok((entries, page.revision))
}

/// `timeoutSeconds`, else a random time as upstream has it, so that clients don't all come back at once.
fn lifetime(options: &ListOptions) -> Duration {
    match options.timeout_seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds),
        Some(_) | None => limits::WATCH_TIMEOUT_MIN.mul_f64(1.0 + rand::rng().random::<f64>()),
    }
}

struct Watcher {
    _watching: Watching,
    /// Keeps the tenant warm while somebody watches.
    scope: TenantScope,
    served: Arc<Served>,
    filter: Filter,
    accepted: Accepted,
    cursor: Cursor,
    /// What happens up to here is not told; it may lie in the future.
    after: Revision,
    initial: std::vec::IntoIter<Entry>,
    /// The bookmark that ends the initial events is still owed.
    announce: bool,
    /// Tables carry their columns in the first event only.
    columns_sent: bool,
    bookmarks: bool,
    bookmark_at: Instant,
    deadline: Instant,
    drain: CancellationToken,
    ended: bool,
    now: jiff::Timestamp,
    query: String,
}

impl Watcher {
    /// Returns the next bytes, or `None` at the end of the stream.
    async fn step(&mut self) -> Option<Bytes> {
        loop {
            if self.ended {
                return None;
            }
            let bytes = if self.initial.len() > 0 {
                self.initial_events()
            } else if self.announce {
                self.announce = false;
                self.bookmark(true)
            } else {
                self.live().await?
            };
            match bytes {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Some(bytes),
                Err(status) => return Some(self.fail(&status)),
            }
        }
    }

    fn initial_events(&mut self) -> Result<Bytes, Status> {
        let mut out = Vec::with_capacity(limits::WRITE_CHUNK_BYTES.min(64 * 1024));
        while out.len() < limits::WRITE_CHUNK_BYTES {
            let Some(entry) = self.initial.next() else { break };
            let revision = entry.revision;
            self.encode(EventType::Added, &entry, revision, &mut out)?;
        }
        Ok(Bytes::from(out))
    }

    /// Waits for events, the bookmark timer, the deadline or the drain. `None` is a clean end.
    async fn live(&mut self) -> Option<Result<Bytes, Status>> {
        let wake = if self.bookmarks { self.bookmark_at.min(self.deadline) } else { self.deadline };
        tokio::select! {
            biased;
            () = self.drain.cancelled() => None,
            () = self.scope.gone() => None,
            events = self.cursor.next() => match events {
                Ok(events) => Some(self.events(&events)),
                Err(StorageError::Gone) => None,
                Err(StorageError::Compacted { floor }) => Some(Err(self.too_old(floor))),
                Err(error) => Some(Err(respond::storage(error))),
            },
            () = tokio::time::sleep_until(wake) => {
                if Instant::now() >= self.deadline {
                    return None;
                }
                Some(self.bookmark(false))
            }
        }
    }

    fn events(&mut self, events: &[Arc<Event>]) -> Result<Bytes, Status> {
        if let [event] = events {
            return self.event(event);
        }
        let mut out = Vec::new();
        for event in events {
            out.extend_from_slice(&self.event(event)?);
        }
        Ok(Bytes::from(out))
    }

    fn event(&mut self, event: &Event) -> Result<Bytes, Status> {
        if event.revision <= self.after {
            return Ok(Bytes::new());
        }
        let matches = |entry: Option<&Entry>| match entry {
            Some(entry) if !self.filter.is_empty() => self.filter.matches(&self.served, entry),
            entry => Ok(entry.is_some()),
        };
        let (kind, entry) = match (matches(event.before.as_ref())?, matches(event.after.as_ref())?) {
            (false, false) => return Ok(Bytes::new()),
            (false, true) => (EventType::Added, &event.after),
            (true, true) => (EventType::Modified, &event.after),
            (true, false) => (EventType::Deleted, &event.before),
        };
        let entry = entry.as_ref().expect("a matching side of an event exists");
        if self.accepted.form != Form::Object {
            let mut out = Vec::new();
            self.encode(kind, entry, event.revision, &mut out)?;
            return Ok(Bytes::from(out));
        }
        let mut failed = None;
        let bytes = event.derived(encode::frame_id(self.accepted, kind, &self.served), || {
            let mut out = Vec::with_capacity(entry.value.len() + 96);
            failed = encode::frame(self.accepted, kind, &self.served, entry, event.revision, &mut out).err();
            Bytes::from(out)
        });
        failed.map_or(Ok(bytes), Err)
    }

    fn encode(&mut self, kind: EventType, entry: &Entry, revision: Revision, out: &mut Vec<u8>) -> Result<(), Status> {
        match self.accepted.form {
            Form::Table => {
                let first = !std::mem::replace(&mut self.columns_sent, true);
                encode::table_frame(
                    self.accepted,
                    kind,
                    &self.served,
                    entry,
                    revision,
                    (first, self.now, &self.query),
                    out,
                )
            }
            Form::Object | Form::Metadata | Form::MetadataList => {
                encode::frame(self.accepted, kind, &self.served, entry, revision, out)
            }
        }
    }

    fn bookmark(&mut self, initial_end: bool) -> Result<Bytes, Status> {
        self.bookmark_at = Instant::now() + limits::BOOKMARK_INTERVAL;
        if self.cursor.position() < self.after {
            return Ok(Bytes::new());
        }
        let mut out = Vec::new();
        encode::bookmark(self.accepted, &self.served, self.cursor.position(), initial_end, &mut out)?;
        Ok(Bytes::from(out))
    }

    fn too_old(&self, floor: Revision) -> Status {
        let (asked, floor) = (self.cursor.position().get(), floor.get());
        Status::expired(format!("too old resource version: {asked} ({floor})"))
    }

    fn fail(&mut self, status: &Status) -> Bytes {
        self.ended = true;
        encode::error_frame(self.accepted, status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_starts_where_the_api_concepts_page_says() {
        let cases = [
            ("", None, Start::State),
            ("0", None, Start::State),
            ("5", None, Start::After(Revision::new(5))),
            ("5", Some(true), Start::State),
            ("", Some(false), Start::Now),
            ("5", Some(false), Start::After(Revision::new(5))),
        ];
        for (revision, send, expected) in cases {
            let options = ListOptions {
                resource_version: revision.to_owned(),
                send_initial_events: send,
                ..ListOptions::default()
            };
            assert_eq!(start(&options).unwrap(), expected, "{revision} {send:?}");
        }
    }
}
