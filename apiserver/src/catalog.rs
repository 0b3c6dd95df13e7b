//! Which resources a tenant serves: the built-in ones of the process, and those of its CustomResourceDefinitions.
//!
//! Custom resources are read when a path names none of the built-in ones. What a tenant serves is followed by a cursor, so
//! an unchanged tenant costs a comparison; the compiled definitions are shared between tenants by content.

use crate::bootstrap;
use crate::call::Call;
use crate::http::info::ResourcePath;
use crate::resource::Served;
use crate::{codec, respond};
use kplex_machinery::api::Api;
use kplex_machinery::api::bootstrap::BootstrapObject;
use kplex_machinery::crd::{Compiled, Interner};
use kplex_machinery::status::Status;
use kplex_storage::{Base, Cursor, ListQuery, Prefix, StorageError};
use kplex_tenants::TenantScope;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use tokio::sync::Mutex;

type Key = (String, String, String);

/// Group of CustomResourceDefinitions.
pub const GROUP: &str = "apiextensions.k8s.io";
/// Plural of CustomResourceDefinitions.
pub const PLURAL: &str = "customresourcedefinitions";

/// The custom resources of one tenant at one moment.
#[derive(Default)]
pub struct Custom {
    by_path: HashMap<Key, Arc<Served>>,
    /// The established definitions, by name.
    pub definitions: Vec<Definition>,
}

/// An established definition.
pub struct Definition {
    /// Its compiled form.
    pub compiled: Arc<Compiled>,
    /// It is on its way out.
    pub terminating: bool,
}

impl Custom {
    /// All served resources, in no order.
    pub fn served(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.by_path.values()
    }
}

/// Per-tenant state: the last reading and where it was taken.
#[derive(Default)]
struct Follower {
    // Held across the reading, so that a change is read once; hot paths of built-in kinds never come here.
    inner: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    cursor: Option<Cursor>,
    custom: Arc<Custom>,
}

/// Returns the resource that a path names.
///
/// # Errors
/// 503 when the definitions can't be read.
pub async fn find(call: &Call, path: &ResourcePath) -> Result<Option<Arc<Served>>, Status> {
    resolve(&call.scope, &call.shared.interner, &path.group, &path.version, &path.resource).await
}

/// Returns the resource of a group, version and plural name.
///
/// # Errors
/// 503 when the definitions can't be read.
pub async fn resolve(
    scope: &TenantScope,
    interner: &Arc<Interner>,
    group: &str,
    version: &str,
    plural: &str,
) -> Result<Option<Arc<Served>>, Status> {
    let key = (group.to_owned(), version.to_owned(), plural.to_owned());
    if let Some(served) = builtin().get(&key) {
        return Ok(Some(served.clone()));
    }
    if group.is_empty() {
        return Ok(None);
    }
    Ok(custom(scope, interner).await?.by_path.get(&key).cloned())
}

/// The built-in resources; made once for the process.
pub fn builtin() -> &'static HashMap<Key, Arc<Served>> {
    static BUILTIN: OnceLock<HashMap<Key, Arc<Served>>> = OnceLock::new();
    BUILTIN.get_or_init(|| {
        let api = Api::builtin();
        let served = api.resources.iter().map(|resource| {
            let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
            (key, Arc::new(Served::builtin(api, resource)))
        });
        served.collect()
    })
}

/// Whether a group is one of the built-in ones.
#[must_use]
pub fn has_group(group: &str) -> bool {
    builtin().values().any(|served| served.group == group)
}

/// Returns the base of the store: the bootstrap objects, stamped as the resources that are served would stamp them.
#[must_use]
pub fn base() -> Base {
    let stamp = |row: &BootstrapObject| {
        let key = (row.group.clone(), row.version.clone(), row.resource.clone());
        builtin().get(&key).map_or(0, |served| served.stamp)
    };
    bootstrap::base::build(&bootstrap::base::objects(), stamp)
}

/// Returns the custom resources of a tenant, as of now.
///
/// # Errors
/// 503 when the definitions can't be read.
pub async fn custom(scope: &TenantScope, interner: &Arc<Interner>) -> Result<Arc<Custom>, Status> {
    let follower = scope.state(Follower::default);
    let mut reading = follower.inner.lock().await;
    let mut changed = reading.cursor.is_none();
    while let Some(cursor) = &mut reading.cursor {
        match cursor.advance().await {
            Ok(events) if events.is_empty() => break,
            Ok(_) => changed = true,
            Err(StorageError::Compacted { .. }) => {
                changed = true;
                break;
            }
            Err(error) => return Err(respond::storage(error)),
        }
    }
    if changed {
        let (custom, revision) = read(scope, interner).await?;
        reading.custom = Arc::new(custom);
        reading.cursor = Some(scope.log().watch(Prefix::resource(GROUP, PLURAL), revision));
    }
    Ok(reading.custom.clone())
}

async fn read(scope: &TenantScope, interner: &Arc<Interner>) -> Result<(Custom, kplex_storage::Revision), Status> {
    let query = ListQuery { prefix: Prefix::resource(GROUP, PLURAL), after: None, limit: usize::MAX, at: None };
    let page = scope.log().list(query).await.map_err(respond::storage)?;
    let mut custom = Custom::default();
    for entry in &page.entries {
        let definition = codec::parse(entry)?;
        if !has_condition(&definition, "Established") {
            continue;
        }
        match interner.intern(&definition) {
            Ok(compiled) => custom.add(compiled, has_condition(&definition, "Terminating")),
            Err(errors) => tracing::warn!(name = entry.key.name(), ?errors, "stored definition does not compile"),
        }
    }
    Ok((custom, page.revision))
}

impl Custom {
    fn add(&mut self, compiled: Arc<Compiled>, terminating: bool) {
        for (index, version) in compiled.versions.iter().enumerate().filter(|(_, version)| version.served) {
            let key = (compiled.group.clone(), version.name.clone(), compiled.names.plural.clone());
            self.by_path.insert(key, Arc::new(Served::custom(&compiled, index)));
        }
        self.definitions.push(Definition { compiled, terminating });
    }
}

fn has_condition(definition: &Value, kind: &str) -> bool {
    definition
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == kind && condition["status"] == "True")
}
