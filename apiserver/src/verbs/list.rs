//! LIST: a pure read plan, then chunks at one revision, filtered.
//!
//! The semantics of resourceVersion, resourceVersionMatch, limit and continue are those of the API concepts page
//! ("Resource versions", "Retrieving large results sets in chunks") and of KEP-2340.

use super::filter::Filter;
use super::get::parse_revision;
use super::reply::{ListReply, Reply};
use crate::call::Call;
use crate::http::query::ListOptions;
use crate::resource::Served;
use crate::{limits, respond};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD};
use base64::{DecodeError, Engine, alphabet};
use kplex_machinery::decode::{self, Limits};
use kplex_machinery::status::Status;
use kplex_storage::{Key, ListQuery, Prefix, Revision, StorageError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// At which revision a list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadPlan {
    /// The newest, which must be at least this revision.
    Newest(u64),
    /// Just this revision.
    Exact(u64),
}

/// Decides how a list is read from its options, as the table in the API concepts page has it.
///
/// # Errors
/// 400 for a resourceVersion that is not a number.
pub fn plan(options: &ListOptions) -> Result<ReadPlan, Status> {
    let revision = parse_revision(&options.resource_version)
        .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
    Ok(match (options.resource_version_match.as_str(), revision, options.limit) {
        ("Exact", exact, _) => ReadPlan::Exact(exact),
        ("NotOlderThan", least, _) => ReadPlan::Newest(least),
        (_, 0, _) => ReadPlan::Newest(0),
        (_, exact, limit) if limit > 0 => ReadPlan::Exact(exact),
        (_, least, _) => ReadPlan::Newest(least),
    })
}

/// Version of the token format; upstream's.
const TOKEN_VERSION: &str = "meta.k8s.io/v1";

/// Where a list goes on: upstream's token format.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct ContinueToken {
    v: String,
    /// Revision of the first page; -1 for an inconsistent continuation at the newest.
    rv: i64,
    /// Key after which the list goes on.
    start: String,
    /// Unix seconds of the first page, so that tokens expire also where nobody writes; 0 in tokens that don't expire.
    #[serde(default, skip_serializing_if = "is_zero")]
    since: i64,
}

impl ContinueToken {
    fn is_old(&self, now: i64) -> bool {
        let life = limits::CONTINUE_LIFE.as_secs().cast_signed();
        self.since != 0 && life < now.saturating_sub(self.since)
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Returns a page of a collection.
///
/// # Errors
/// 400 for bad options, 410 for a revision outside the window, 504 for one in the future.
pub async fn list(call: &Call, served: &Arc<Served>) -> Result<Reply, Status> {
    let options = ListOptions::parse(&call.query, false)?;
    let filter = Filter::new(served, &options, None)?;
    let page = page(call, served, &options, &filter).await?;
    Ok(Reply::List(served.clone(), page))
}

/// Reads one page.
///
/// # Errors
/// As [`list`].
pub async fn page(call: &Call, served: &Served, options: &ListOptions, filter: &Filter) -> Result<ListReply, Status> {
    let prefix = served.prefix(call.path()?.namespace.as_deref());
    let mut reader = Reader::start(call, served, options, prefix).await?;
    let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
    let limit = if limit == 0 { usize::MAX } else { limit };
    let mut entries = Vec::new();
    let mut last = None;
    let mut more = true;
    while more && entries.len() < limit {
        let wanted = if filter.is_empty() { limit - entries.len() } else { limits::LIST_CHUNK };
        let chunk = reader.next(wanted).await?;
        more = chunk.more;
        let count = chunk.entries.len();
        for (index, entry) in chunk.entries.into_iter().enumerate() {
            last = Some(entry.key.clone());
            if filter.is_empty() || filter.matches(served, &entry)? {
                entries.push(entry);
            }
            if entries.len() == limit {
                more = more || index + 1 < count;
                break;
            }
        }
    }
    let mut reply = ListReply { entries, revision: reader.revision, continue_token: String::new(), remaining: None };
    if let (true, Some(last)) = (more, last) {
        reply.continue_token = reader.token(&last);
        if filter.is_empty() {
            reply.remaining = Some(reader.count_after(last).await?);
        }
    }
    Ok(reply)
}

/// Reads chunks of one list at one revision.
struct Reader<'a> {
    call: &'a Call,
    prefix: Prefix,
    after: Option<Key>,
    at: Option<Revision>,
    /// What clients see as the revision of the list.
    revision: Revision,
    /// What goes into continue tokens.
    token_revision: i64,
    since: i64,
}

impl<'a> Reader<'a> {
    async fn start(call: &'a Call, served: &Served, options: &ListOptions, prefix: Prefix) -> Result<Self, Status> {
        let head = call.scope.log().head().await.map_err(respond::storage)?;
        let since = call.now.as_second();
        let mut reader = Self { call, prefix, after: None, at: None, revision: head, token_revision: 0, since };
        if options.continue_token.is_empty() {
            match plan(options)? {
                ReadPlan::Newest(least) if least > head.get() => {
                    return Err(Status::revision_too_large(least, head.get()));
                }
                ReadPlan::Exact(exact) if exact > head.get() => {
                    return Err(Status::revision_too_large(exact, head.get()));
                }
                ReadPlan::Newest(_) => {}
                ReadPlan::Exact(exact) => reader.pin(Revision::new(exact)),
            }
        } else {
            reader.resume(served, options).await?;
        }
        Ok(reader)
    }

    fn pin(&mut self, revision: Revision) {
        self.at = Some(revision);
        self.revision = revision;
        self.token_revision = i64::try_from(revision.get()).unwrap_or(i64::MAX);
    }

    async fn resume(&mut self, served: &Served, options: &ListOptions) -> Result<(), Status> {
        if !options.resource_version.is_empty() && options.resource_version != "0" {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        let token = parse_token(&options.continue_token)?;
        let after = served
            .key_in(&self.prefix, &token.start)
            .ok_or_else(|| Status::bad_request("continue key is not valid: it lies outside of the list"))?;
        self.after = Some(after);
        if token.rv < 0 {
            return Ok(());
        }
        let revision = Revision::new(token.rv.unsigned_abs());
        if revision > self.revision {
            return Err(Status::revision_too_large(revision.get(), self.revision.get()));
        }
        let floor = self.call.scope.log().floor().await.map_err(respond::storage)?;
        if revision < floor || token.is_old(self.since) {
            return Err(expired(&token.start));
        }
        self.since = token.since;
        self.pin(revision);
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<kplex_storage::Page, Status> {
        let query = ListQuery { prefix: self.prefix.clone(), after: self.after.clone(), limit, at: self.at };
        let page = match self.call.scope.log().list(query).await {
            Ok(page) => page,
            Err(StorageError::Compacted { .. }) => {
                return Err(match &self.after {
                    Some(after) => expired(rest(&self.prefix, after)),
                    None => Status::expired("The resourceVersion for the provided list is too old."),
                });
            }
            Err(error) => return Err(respond::storage(error)),
        };
        if self.at.is_none() && self.token_revision == 0 {
            // The first chunk decides: all later chunks and pages show the same revision.
            self.pin(page.revision);
        }
        if let Some(last) = page.entries.last() {
            self.after = Some(last.key.clone());
        }
        Ok(page)
    }

    /// Returns the token of a list that goes on after a key.
    fn token(&self, last: &Key) -> String {
        let (rv, since) = (self.token_revision, self.since);
        let start = format!("{}\0", rest(&self.prefix, last));
        write_token(&ContinueToken { v: TOKEN_VERSION.to_owned(), rv, start, since })
    }

    async fn count_after(&self, last: Key) -> Result<u64, Status> {
        let query = ListQuery { prefix: self.prefix.clone(), after: Some(last), limit: usize::MAX, at: self.at };
        let page = self.call.scope.log().list(query).await.map_err(respond::storage)?;
        Ok(page.entries.len() as u64)
    }
}

fn write_token(token: &ContinueToken) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).expect("a token of strings and numbers serialises"))
}

fn parse_token(text: &str) -> Result<ContinueToken, Status> {
    let bad = |why: String| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    let bytes = decode_base64(text).map_err(|at| bad(format!("illegal base64 data at input byte {at}")))?;
    decode::json(&bytes, &Limits::default()).map_err(|error| bad(error.to_string()))?;
    let mut token: ContinueToken = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    if token.v != TOKEN_VERSION {
        return Err(bad(format!("server does not recognize this encoded version {}", token.v)));
    }
    if token.start.is_empty() || token.start.contains("../") || token.start.contains("/..") {
        return Err(bad(format!("\"{}\"", token.start)));
    }
    if token.start.ends_with('\0') {
        token.start.pop();
    }
    Ok(token)
}

/// Decodes as Go does, which minds no bits behind the last byte; on failure says where.
fn decode_base64(text: &str) -> Result<Vec<u8>, usize> {
    const ENGINE: GeneralPurpose =
        GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));
    ENGINE.decode(text).map_err(|error| match error {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
        DecodeError::InvalidLength(length) => length.saturating_sub(1),
        DecodeError::InvalidPadding => text.len(),
    })
}

/// The part of a key behind the prefix of its list.
fn rest<'k>(prefix: &Prefix, key: &'k Key) -> &'k str {
    &key.as_str()[prefix.as_bytes().len()..]
}

/// 410 with a token that goes on at the newest revision.
fn expired(start: &str) -> Status {
    let token = ContinueToken { v: TOKEN_VERSION.to_owned(), rv: -1, start: format!("{start}\0"), since: 0 };
    let mut status = Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
         results. Continuing with the provided token results in an inconsistent list - objects that were created, \
         modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    status.continue_token = write_token(&token);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_plan_follows_the_documented_table() {
        let cases = [
            ("", "", 0, ReadPlan::Newest(0)),
            ("0", "", 0, ReadPlan::Newest(0)),
            ("0", "", 5, ReadPlan::Newest(0)),
            ("7", "", 0, ReadPlan::Newest(7)),
            ("7", "", 5, ReadPlan::Exact(7)),
            ("7", "Exact", 0, ReadPlan::Exact(7)),
            ("7", "NotOlderThan", 5, ReadPlan::Newest(7)),
            ("0", "NotOlderThan", 0, ReadPlan::Newest(0)),
        ];
        for (revision, matching, limit, expected) in cases {
            let options = ListOptions {
                resource_version: revision.to_owned(),
                resource_version_match: matching.to_owned(),
                limit,
                ..ListOptions::default()
            };
            assert_eq!(plan(&options).unwrap(), expected, "{revision} {matching} {limit}");
        }
    }

    #[test]
    fn an_expired_token_comes_with_one_that_goes_on() {
        let status = expired("a");
        assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
        // What kube-apiserver 1.35 answers for an old token that goes on after "a".
        let upstream = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiYVx1MDAwMCJ9";
        assert_eq!(status.continue_token, upstream);
        assert_eq!(parse_token(upstream).unwrap().rv, -1);
    }

    #[test]
    fn what_is_no_token_is_told_in_the_words_of_go() {
        for (garbage, why) in [
            ("x", "illegal base64 data at input byte 0"),
            ("abcde", "illegal base64 data at input byte 4"),
            ("ab!d", "illegal base64 data at input byte 2"),
            ("eHh4", "invalid character 'x' looking for beginning of value"),
        ] {
            let message = parse_token(garbage).unwrap_err().message;
            assert_eq!(message, format!("invalid continue token: continue key is not valid: {why}"));
        }
    }

    #[test]
    fn tokens_survive_a_round_trip_and_garbage_is_refused() {
        let token = |since| ContinueToken { v: "meta.k8s.io/v1".to_owned(), rv: 9, start: "x\0".to_owned(), since };
        let parsed = parse_token(&write_token(&token(1_000))).unwrap();
        assert_eq!((parsed.rv, parsed.start.as_str(), parsed.since), (9, "x", 1_000));
        assert!(!parsed.is_old(1_360) && parsed.is_old(1_361));
        let upstreams = parse_token(&write_token(&token(0))).unwrap();
        assert!(!upstreams.is_old(i64::MAX), "it does not say when it was made");
        for garbage in ["!", "e30", "eyJ2IjoieCIsInJ2IjoxLCJzdGFydCI6ImEifQ"] {
            assert_eq!(parse_token(garbage).unwrap_err().code, 400, "{garbage}");
        }
    }
}
