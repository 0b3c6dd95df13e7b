//! OpenAPI documents of the built-in API and of CustomResourceDefinitions, version 3 and version 2.
//!
//! Documents are made when somebody asks; nothing is kept here but the hashes of the built-in ones. A document of version 3
//! covers one group and version, and its address carries its hash, so that clients may keep it forever. HTTP is not known
//! here; the constants are the content types.

mod builtin;
mod custom;
mod gnostic;
mod gnostic_v3;
mod operations;
mod parameters;
mod resource;
mod schemas;
mod v2;
mod v3;

use crate::api::Api;
use crate::crd::Compiled;
use kplex_descriptions::Descriptions;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::OnceLock;

/// Content type of documents in JSON.
pub const JSON: &str = "application/json";

/// Content type of version 2 in protobuf.
pub const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// What older clients call [`V2_PROTOBUF`] when they ask for it.
pub const V2_PROTOBUF_OLD: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// Content type of version 3 in protobuf.
pub const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

/// What clients call [`V3_PROTOBUF`] when they ask for it.
pub const V3_PROTOBUF_OLD: &str = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";

/// Content type of the index of version 3, as upstream has it.
pub const INDEX: &str = "text/plain; charset=utf-8";

/// Counts the changes of the code here that change documents; part of all hashes.
const GENERATION: u32 = 1;

/// A definition with its stored form, which has the descriptions that the compiled one dropped.
#[derive(Clone, Copy)]
struct Custom<'a> {
    /// The stored object; `null` when the caller has not passed it.
    object: &'a Value,
    definition: &'a Compiled,
}

/// The documents of one control plane.
///
/// What there is, and with which hash, follows from the compiled definitions. Only a document about custom resources needs
/// their stored objects; [`OpenApi::needed`] says which.
pub struct OpenApi<'a> {
    api: &'a Api,
    definitions: Vec<&'a Compiled>,
}

impl<'a> OpenApi<'a> {
    /// Describes the built-in API and established definitions.
    pub fn new(api: &'a Api, definitions: impl IntoIterator<Item = &'a Compiled>) -> Self {
        let mut definitions: Vec<&Compiled> = definitions.into_iter().collect();
        definitions.sort_by(|left, right| {
            let key = |definition: &&'a Compiled| (&definition.group, &definition.names.plural);
            key(left).cmp(&key(right))
        });
        Self { api, definitions }
    }

    /// Returns the paths of the documents of version 3 with their hashes.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<String, String> {
        let mut paths = builtin_paths(self.api);
        let mut own: BTreeMap<String, Sha512> = BTreeMap::new();
        for definition in &self.definitions {
            for version in definition.versions.iter().filter(|version| version.served) {
                let path = format!("apis/{}/{}", definition.group, version.name);
                if !paths.contains_key(&path) {
                    own.entry(path).or_insert_with(|| seed(self.api)).update(definition.hash);
                }
            }
        }
        paths.extend(own.into_iter().map(|(path, hasher)| (path, hex(hasher))));
        paths
    }

    /// `GET /openapi/v3`: the index.
    #[must_use]
    pub fn index(&self) -> Vec<u8> {
        let entry = |(path, hash): (String, String)| {
            let address = format!("/openapi/v3/{path}?hash={hash}");
            (path, json!({"serverRelativeURL": address}))
        };
        let paths: Map<String, Value> = self.paths().into_iter().map(entry).collect();
        write(&json!({"paths": paths}))
    }

    /// Returns the definitions whose stored objects [`OpenApi::v3`] needs for a path; none for built-in documents.
    #[must_use]
    pub fn needed(&self, path: &str) -> Vec<&'a Compiled> {
        let parts = path.strip_prefix("apis/").and_then(|rest| rest.split_once('/'));
        let Some((group, version)) = parts.filter(|_| !builtin_list(self.api).contains(path)) else {
            return Vec::new();
        };
        let serves = |definition: &&&'a Compiled| {
            definition.group == group && definition.version(version).is_some_and(|found| found.served)
        };
        self.definitions.iter().filter(serves).copied().collect()
    }

    /// `GET /openapi/v3/<path>` in JSON: a document; nothing for a path that is not in the index. Its hash is in
    /// [`OpenApi::paths`], and its entity tag is the hash in quotes. `objects` are the stored definitions.
    #[must_use]
    pub fn v3<'v>(&self, path: &str, objects: impl IntoIterator<Item = &'v Value>) -> Option<Vec<u8>> {
        self.v3_document(path, objects).map(|document| write(&document))
    }

    /// As [`OpenApi::v3`], in protobuf.
    #[must_use]
    pub fn v3_protobuf<'v>(&self, path: &str, objects: impl IntoIterator<Item = &'v Value>) -> Option<Vec<u8>> {
        self.v3_document(path, objects).map(|document| gnostic_v3::encode(&document))
    }

    fn v3_document<'v>(&self, path: &str, objects: impl IntoIterator<Item = &'v Value>) -> Option<Value> {
        Some(if builtin_list(self.api).contains(path) {
            v3::of_builtin(self.api, &Descriptions::load(), path)
        } else {
            let needed = self.needed(path);
            let (_, version) = path.rsplit_once('/').filter(|_| !needed.is_empty())?;
            let objects: Vec<&Value> = objects.into_iter().collect();
            custom::v3(self.api, &Descriptions::load(), &with_objects(&needed, &objects), version)
        })
    }

    /// `GET /openapi/v2` in JSON. `objects` are the stored definitions, all of them.
    #[must_use]
    pub fn v2_json<'v>(&self, objects: impl IntoIterator<Item = &'v Value>) -> Vec<u8> {
        write(&self.v2(objects))
    }

    /// `GET /openapi/v2` in protobuf. `objects` are the stored definitions, all of them.
    #[must_use]
    pub fn v2_protobuf<'v>(&self, objects: impl IntoIterator<Item = &'v Value>) -> Vec<u8> {
        gnostic::encode(&self.v2(objects))
    }

    /// Hash of the document of version 2; its entity tag is the hash in quotes.
    #[must_use]
    pub fn v2_hash(&self) -> String {
        let mut hasher = seed(self.api);
        hasher.update("v2");
        for definition in &self.definitions {
            hasher.update(definition.hash);
        }
        hex(hasher)
    }

    fn v2<'v>(&self, objects: impl IntoIterator<Item = &'v Value>) -> Value {
        let objects: Vec<&Value> = objects.into_iter().collect();
        v2::document(self.api, &Descriptions::load(), &with_objects(&self.definitions, &objects))
    }
}

/// Finds the stored object of each definition.
fn with_objects<'c>(definitions: &[&'c Compiled], objects: &[&'c Value]) -> Vec<Custom<'c>> {
    let text = |object: &'c Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let find = |definition: &'c Compiled| {
        let found = objects.iter().find(|object| {
            text(object, "/spec/group") == definition.group
                && text(object, "/spec/names/plural") == definition.names.plural
        });
        Custom { object: found.copied().unwrap_or(&Value::Null), definition }
    };
    definitions.iter().copied().map(find).collect()
}

fn write(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).expect("a Value has string keys and finite numbers")
}

/// A hasher that has seen what all documents depend on.
fn seed(api: &Api) -> Sha512 {
    static SEED: OnceLock<Sha512> = OnceLock::new();
    let mut hasher = SEED
        .get_or_init(|| {
            let mut hasher = Sha512::new();
            hasher.update(GENERATION.to_le_bytes());
            hasher.update(env!("CARGO_PKG_VERSION"));
            hasher.update(kplex_descriptions::compressed());
            hasher
        })
        .clone();
    hasher.update(&api.kubernetes);
    hasher
}

fn hex(hasher: Sha512) -> String {
    let mut text = String::with_capacity(128);
    for byte in hasher.finalize() {
        write!(text, "{byte:02X}").expect("a String takes all that is written to it");
    }
    text
}

/// Paths of all built-in documents.
fn builtin_list(api: &Api) -> BTreeSet<String> {
    let fixed = [".well-known/openid-configuration", "api", "apis", "openid/v1/jwks", "version"];
    let mut paths: BTreeSet<String> = fixed.into_iter().map(str::to_owned).collect();
    for group in &api.groups {
        let root = if group.name.is_empty() { "api".to_owned() } else { format!("apis/{}", group.name) };
        paths.extend(group.versions.iter().map(|version| format!("{root}/{version}")));
        paths.insert(root);
    }
    paths
}

/// Paths and hashes of the built-in documents. They are hashed once; a hash covers what a document is made from, not the
/// document, which is much larger.
fn builtin_paths(api: &Api) -> BTreeMap<String, String> {
    static HASHES: OnceLock<(String, BTreeMap<String, String>)> = OnceLock::new();
    let make = || {
        let base = seed(api);
        let hash = |path: String| {
            let mut hasher = base.clone();
            hasher.update(&path);
            (path, hex(hasher))
        };
        (api.kubernetes.clone(), builtin_list(api).into_iter().map(hash).collect())
    };
    let (kubernetes, hashes) = HASHES.get_or_init(make);
    if *kubernetes == api.kubernetes { hashes.clone() } else { make().1 }
}

#[cfg(test)]
mod tests;
