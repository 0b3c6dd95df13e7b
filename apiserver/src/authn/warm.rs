//! Authentication in a tenant: fetches what credentials depend on, and keeps what was verified a moment ago.

use super::bearer::{INVALID_TOKEN, Opinion};
use super::bootstrap_token::{self, BootstrapToken};
use super::certificate::{Certified, ClientAuthorities};
use super::follow::Follower;
use super::jwt;
use super::keys::{SigningKey, TokenKeys, VerifyingKey};
use super::objects::{Found, Lookup, Resource};
use super::service_account::ServiceAccountToken;
use super::token_cache::TokenCache;
use super::user::User;
use jiff::Timestamp;
use kplex_storage::{Key, StorageError, TenantLog};
use kplex_tenants::{TenantKeys, TenantScope};
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use std::sync::Arc;

/// How long a verified token is believed without looking again; upstream's value. A change of an object that the token
/// depends on ends it at once.
const TOKEN_SECONDS: i64 = 10;
/// Tokens kept for a tenant: what a busy tenant's controllers use, at some 500 bytes each.
const TOKENS_MAX: usize = 256;
/// Certificates kept for a tenant.
const CERTIFICATES_MAX: usize = 64;

/// Who a token speaks for, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    /// The identity, with `system:authenticated`.
    pub user: User,
    /// The audiences of the token that were asked for.
    pub audiences: Vec<String>,
    /// When it stops being good by itself, in Unix seconds.
    expiry: i64,
    /// The objects that it was made from.
    depends_on: Vec<Key>,
}

/// What authentication keeps for a warm tenant.
pub(super) struct WarmAuthn {
    /// Held while the news are read and applied, and while a token is put into the cache.
    news: tokio::sync::Mutex<News>,
    tokens: TokenCache<Verified>,
    certificates: TokenCache<Certified>,
}

#[derive(Default)]
struct News {
    follower: Follower,
    /// Grows with every change that may have ended a token: a token verified before it is not kept.
    epoch: u64,
}

impl Default for WarmAuthn {
    fn default() -> Self {
        Self {
            news: tokio::sync::Mutex::default(),
            tokens: TokenCache::new(TOKENS_MAX),
            certificates: TokenCache::new(CERTIFICATES_MAX),
        }
    }
}

impl WarmAuthn {
    pub(super) fn of(scope: &TenantScope) -> Arc<Self> {
        scope.state(Self::default)
    }

    /// Says whom a client certificate names.
    pub(super) fn by_certificate(&self, scope: &TenantScope, chain: &[CertificateDer<'_>], now: i64) -> Opinion {
        let Some(leaf) = chain.first() else { return Opinion::None };
        if let Some(certified) = self.certificates.get(leaf, now) {
            return opinion(&certified);
        }
        let authority = scope.keys().authority().certificate_der();
        match ClientAuthorities::new([authority.as_ref()]).and_then(|authorities| authorities.verify(chain, now)) {
            Ok(mut certified) => {
                certified.user = certified.user.map(User::authenticated);
                let certified = Arc::new(certified);
                self.certificates.put(leaf, Arc::clone(&certified), certified.expiry);
                opinion(&certified)
            }
            Err(error) => Opinion::Wrong(error.to_string()),
        }
    }

    /// Says whom a bearer token speaks for.
    pub(super) async fn by_token(
        &self,
        scope: &TenantScope,
        token: &str,
        now: Timestamp,
    ) -> Result<Opinion, StorageError> {
        let log = scope.log();
        let epoch = self.catch_up(log).await?;
        if let Some(verified) = self.tokens.get(token.as_bytes(), now.as_second()) {
            return Ok(Opinion::User(Box::new(verified.user.clone())));
        }
        let keys = token_keys(scope.keys());
        match verify(log, &keys, token, &keys.audiences, now).await? {
            Ok(verified) => {
                let user = verified.user.clone();
                self.keep(token, verified, epoch, now.as_second()).await;
                Ok(Opinion::User(Box::new(user)))
            }
            Err(wrong) => Ok(Opinion::Wrong(wrong)),
        }
    }

    /// Keeps a token unless something changed since `epoch` that may have ended it.
    async fn keep(&self, token: &str, verified: Verified, epoch: u64, now: i64) {
        let news = self.news.lock().await;
        if news.epoch == epoch {
            let expiry = verified.expiry.min(now.saturating_add(TOKEN_SECONDS));
            self.tokens.put(token.as_bytes(), Arc::new(verified), expiry);
        }
    }

    /// Drops the tokens whose objects changed.
    async fn catch_up(&self, log: &TenantLog) -> Result<u64, StorageError> {
        let mut news = self.news.lock().await;
        loop {
            match news.follower.news(log).await? {
                Some(events) if events.is_empty() => return Ok(news.epoch),
                Some(events) => {
                    for event in events.iter().filter(|event| may_end_tokens(&event.key)) {
                        news.epoch += 1;
                        self.tokens.retain(|verified| !verified.depends_on.contains(&event.key));
                    }
                }
                None => {
                    news.epoch += 1;
                    self.tokens.retain(|_| false);
                    let head = log.head().await?;
                    news.follower.start(log, head);
                }
            }
        }
    }
}

fn opinion(certified: &Certified) -> Opinion {
    certified.user.clone().map_or(Opinion::None, |user| Opinion::User(Box::new(user)))
}

fn may_end_tokens(key: &Key) -> bool {
    key.group().is_empty() && matches!(key.resource(), "serviceaccounts" | "secrets" | "pods" | "nodes")
}

/// Makes the tenant's keys ready for use.
pub(super) fn token_keys(keys: &TenantKeys) -> TokenKeys {
    let signing = keys.signing_key();
    TokenKeys {
        signing: SigningKey::from_p256_pkcs8(signing.public().id(), &signing.pkcs8_der()),
        verifying: keys.public_keys().map(|key| VerifyingKey::from_p256_point(key.id(), key.point())).collect(),
        issuers: keys.issuers().to_vec(),
        // Upstream's API server is its own audience under the name of each of its issuers.
        audiences: keys.issuers().to_vec(),
    }
}

/// Verifies a token for some audiences, without the cache.
///
/// # Errors
/// Outside, the storage fails; inside, why the token is not good.
pub(super) async fn verify(
    log: &TenantLog,
    keys: &TokenKeys,
    token: &str,
    audiences: &[String],
    now: Timestamp,
) -> Result<Result<Verified, String>, StorageError> {
    match jwt::verify(token, keys) {
        Ok(Some(claims)) => verify_service_account(log, keys, token, claims, audiences, now).await,
        Ok(None) => verify_bootstrap_token(log, keys, token, audiences, now).await,
        Err(wrong) => Ok(Err(wrong)),
    }
}

async fn verify_service_account(
    log: &TenantLog,
    keys: &TokenKeys,
    token: &str,
    claims: jwt::Claims,
    wanted: &[String],
    now: Timestamp,
) -> Result<Result<Verified, String>, StorageError> {
    let parsed = ServiceAccountToken::new(claims).and_then(|parsed| Ok((parsed.audiences(wanted, keys)?, parsed)));
    let (audiences, parsed) = match parsed {
        Ok(good) => good,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let mut found = Found::default();
    let mut depends_on = Vec::new();
    for lookup in parsed.lookups() {
        depends_on.push(key_of(&lookup));
        fetch(log, lookup, &mut found).await?;
    }
    Ok(parsed.user(token, &found, now.as_second()).map(|user| {
        let expiry = parsed.expiry().map_or(i64::MAX, |time| time.saturating_add(jwt::LEEWAY_SECONDS));
        Verified { user: user.authenticated(), audiences, expiry, depends_on }
    }))
}

async fn verify_bootstrap_token(
    log: &TenantLog,
    keys: &TokenKeys,
    token: &str,
    wanted: &[String],
    now: Timestamp,
) -> Result<Result<Verified, String>, StorageError> {
    let invalid = || Ok(Err(INVALID_TOKEN.to_owned()));
    let audiences: Vec<String> = keys.audiences.iter().filter(|audience| wanted.contains(audience)).cloned().collect();
    let Some(parsed) = BootstrapToken::parse(token).filter(|_| !audiences.is_empty()) else { return invalid() };
    let lookup = Lookup::new(Resource::Secret, bootstrap_token::NAMESPACE, &parsed.secret_name());
    let depends_on = vec![key_of(&lookup)];
    let mut found = Found::default();
    fetch(log, lookup, &mut found).await?;
    let secret = found.get(Resource::Secret, bootstrap_token::NAMESPACE, &parsed.secret_name());
    match secret.and_then(|secret| parsed.user(secret, now)) {
        Some(user) => Ok(Ok(Verified { user: user.authenticated(), audiences, expiry: i64::MAX, depends_on })),
        None => invalid(),
    }
}

fn key_of(lookup: &Lookup) -> Key {
    let namespace = Some(&*lookup.namespace).filter(|namespace| !namespace.is_empty());
    Key::new("", lookup.resource.plural(), namespace, &lookup.name)
}

/// Fetches an object; one that cannot be read counts as absent.
pub(super) async fn fetch(log: &TenantLog, lookup: Lookup, found: &mut Found) -> Result<(), StorageError> {
    let is_addressable = !lookup.name.is_empty() && (lookup.resource == Resource::Node || !lookup.namespace.is_empty());
    let object = if is_addressable && !lookup.name.contains('/') && !lookup.namespace.contains('/') {
        let (entry, _) = log.get(&key_of(&lookup)).await?;
        entry.and_then(|entry| serde_json::from_slice::<Value>(&entry.value).ok())
    } else {
        None
    };
    found.insert(lookup, object);
    Ok(())
}
