//! The base of the store, made from the bootstrap objects.

use super::holes::Hole;
use bytes::Bytes;
use kplex_machinery::api::Api;
use kplex_machinery::api::bootstrap::{Bootstrap, BootstrapObject};
use kplex_machinery::json;
use kplex_storage::{Base, BaseItem, Key, Part};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Addresses of Services, as KubeFlex sets them.
pub const SERVICE_CIDR: &str = "10.96.0.0/12";
/// Address of the Service default/kubernetes: the first of [`SERVICE_CIDR`].
pub const SERVICE_ADDRESS: &str = "10.96.0.1";

/// Changes of the base that come from us and not from a newer Kubernetes.
///
/// Raise it whenever the objects or holes of a version change: tenants move to a base only if it is not older.
const BASE_CHANGES: u64 = 1;

/// Returns the bootstrap objects of the newest Kubernetes version that is built in, with the values that are the same
/// for all tenants filled in.
///
/// # Panics
/// When the built-in data is broken, which its tests rule out.
#[must_use]
pub fn objects() -> Vec<BootstrapObject> {
    let version = Api::versions().last().expect("a version is built in");
    let mut objects = Bootstrap::load(version).expect("every version has its bootstrap objects").objects;
    for row in &mut objects {
        fill_constants(&mut row.object);
    }
    objects
}

/// Builds the base. `schema_of` returns the stamp of the stored version of an object's resource.
#[must_use]
pub fn build(objects: &[BootstrapObject], schema_of: impl Fn(&BootstrapObject) -> u64) -> Base {
    let item = |row: &BootstrapObject| BaseItem { key: key(row), schema: schema_of(row), parts: parts(&row.object) };
    Base::with_version(version(), objects.iter().map(item).collect())
}

/// Returns the place of a bootstrap object among all bases: by Kubernetes version, then by our own changes.
fn version() -> u64 {
    let version = Api::versions().last().expect("a version is built in");
    let minor: u64 = version.split('.').nth(1).and_then(|minor| minor.parse().ok()).expect("versions are 1.<minor>");
    minor * 1000 + BASE_CHANGES
}

/// Returns the key of a bootstrap object.
#[must_use]
pub fn key(row: &BootstrapObject) -> Key {
    let metadata = &row.object["metadata"];
    let name = metadata["name"].as_str().expect("bootstrap objects have names");
    Key::new(&row.group, &row.resource, metadata["namespace"].as_str(), name)
}

/// Returns the base's object of a key, with its holes.
///
/// # Panics
/// When the built-in data is broken, which its tests rule out.
#[must_use]
pub fn expected(key: &Key) -> Option<Value> {
    // As text: a fifth of what the documents would take.
    static TEXTS: LazyLock<HashMap<Key, Box<str>>> =
        LazyLock::new(|| objects().iter().map(|row| (self::key(row), row.object.to_string().into())).collect());
    TEXTS.get(key).map(|text| serde_json::from_str(text).expect("it was written from a document"))
}

fn fill_constants(value: &mut Value) {
    match value {
        Value::String(text) => match text.as_str() {
            "${service_cidr}" => SERVICE_CIDR.clone_into(text),
            "${service_ip}" => SERVICE_ADDRESS.clone_into(text),
            _ => {}
        },
        Value::Array(items) => items.iter_mut().for_each(fill_constants),
        Value::Object(map) => map.values_mut().for_each(fill_constants),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Cuts a document into the parts of a base item: canonical JSON with the place of the resourceVersion at the start of
/// `metadata`, the uid and the holes.
fn parts(object: &Value) -> Vec<Part> {
    let mut writer = Writer::default();
    let map = object.as_object().expect("bootstrap objects are objects");
    writer.members(type_first(map), |writer, key, value| match (key, value) {
        ("metadata", Value::Object(metadata)) => writer.metadata(metadata),
        _ => writer.value(key, value),
    });
    writer.cut();
    writer.parts
}

/// Orders members as `codec::pack` writes them: the type first.
pub(super) fn type_first(map: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let is_type = |key: &str| key == "apiVersion" || key == "kind";
    let kind = map.iter().filter(move |(key, _)| is_type(key));
    kind.chain(map.iter().filter(move |(key, _)| !is_type(key)))
}

#[derive(Default)]
struct Writer {
    parts: Vec<Part>,
    text: Vec<u8>,
}

impl Writer {
    fn cut(&mut self) {
        if !self.text.is_empty() {
            self.parts.push(Part::Literal(Bytes::from(std::mem::take(&mut self.text))));
        }
    }

    fn part(&mut self, part: Part) {
        self.cut();
        self.parts.push(part);
    }

    fn hole(&mut self, hole: Hole) {
        self.part(Part::Hole(hole.number()));
    }

    fn json(&mut self, value: &Value) {
        json::write(&mut self.text, value);
    }

    fn members<'m>(
        &mut self,
        members: impl Iterator<Item = (&'m String, &'m Value)>,
        mut write: impl FnMut(&mut Self, &str, &Value),
    ) {
        self.text.push(b'{');
        for (place, (key, value)) in members.enumerate() {
            if place > 0 {
                self.text.push(b',');
            }
            self.json(&Value::from(key.as_str()));
            self.text.push(b':');
            write(self, key, value);
        }
        self.text.push(b'}');
    }

    /// Writes `metadata` with what a tenant adds to it.
    fn metadata(&mut self, metadata: &Map<String, Value>) {
        let mut whole = metadata.clone();
        whole.insert("creationTimestamp".to_owned(), Value::from("${time}"));
        whole.insert("uid".to_owned(), Value::from(UID));
        // The members begin after the brace, and so does the place for the resourceVersion.
        let mut first = true;
        self.text.push(b'{');
        self.part(Part::Splice);
        for (key, value) in &whole {
            if !std::mem::take(&mut first) {
                self.text.push(b',');
            }
            self.json(&Value::from(key.as_str()));
            self.text.push(b':');
            self.value(key, value);
        }
        self.text.push(b'}');
    }

    fn value(&mut self, key: &str, value: &Value) {
        match value {
            Value::Object(map) => self.members(map.iter(), Self::value),
            Value::Array(items) => {
                self.text.push(b'[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        self.text.push(b',');
                    }
                    self.value(key, item);
                }
                self.text.push(b']');
            }
            Value::String(text) => self.string(key, text),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.json(value),
        }
    }

    fn string(&mut self, key: &str, text: &str) {
        let hole = match text {
            UID => return self.quoted(Part::Uid),
            "${port}" => return self.hole(Hole::Port),
            "${time}" => Hole::Created,
            "${date}" => Hole::Day,
            "${address}" => Hole::Address,
            // What clients inside trust and whose client certificates count are different questions.
            "${ca}" if key == "client-ca-file" => Hole::ClientAuthority,
            "${ca}" => Hole::Trust,
            _ => {
                assert!(!text.contains("${"), "the hole {text} is filled");
                return self.json(&Value::from(text));
            }
        };
        self.quoted(Part::Hole(hole.number()));
    }

    fn quoted(&mut self, part: Part) {
        self.text.push(b'"');
        self.part(part);
        self.text.push(b'"');
    }
}

/// Stands for the uid until it becomes a part.
const UID: &str = "${uid}";

#[cfg(test)]
mod tests {
    use super::*;

    /// Renders parts as the store does, with the splice marked.
    fn render(parts: &[Part]) -> String {
        parts
            .iter()
            .map(|part| match part {
                Part::Literal(bytes) => String::from_utf8(bytes.to_vec()).expect("UTF-8"),
                Part::Splice => r#""resourceVersion":"7","#.to_owned(),
                Part::Uid => "u-1".to_owned(),
                Part::Hole(number) if *number == Hole::Port.number() => "9443".to_owned(),
                Part::Hole(number) => format!("hole {number}"),
            })
            .collect()
    }

    #[test]
    fn every_object_renders_to_itself_with_what_the_tenant_adds() {
        let objects = objects();
        assert!(objects.len() > 200, "{}", objects.len());
        for row in &objects {
            let text = render(&parts(&row.object));
            let mut got: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let metadata = got["metadata"].as_object_mut().expect("metadata");
            assert_eq!(metadata.remove("resourceVersion"), Some(Value::from("7")));
            assert_eq!(metadata.remove("uid"), Some(Value::from("u-1")));
            assert_eq!(metadata.remove("creationTimestamp"), Some(Value::from("hole 0")));
            let mut expected = row.object.to_string();
            for (name, hole) in [("time", "hole 0"), ("date", "hole 1"), ("address", "hole 4")] {
                expected = expected.replace(&format!("${{{name}}}"), hole);
            }
            expected = expected.replace(r#""client-ca-file":"${ca}""#, r#""client-ca-file":"hole 3""#);
            expected = expected.replace("${ca}", "hole 2").replace(r#""${port}""#, "9443");
            assert_eq!(got.to_string(), expected);
        }
    }

    #[test]
    fn the_splice_is_where_metadata_begins() {
        for row in objects() {
            let parts = parts(&row.object);
            let place = parts.iter().position(|part| *part == Part::Splice).expect("a place for the resourceVersion");
            let Part::Literal(before) = &parts[place - 1] else { panic!("text before the splice") };
            assert!(before.ends_with(br#""metadata":{"#), "{}", render(&parts));
        }
    }

    #[test]
    fn the_base_has_what_a_cluster_has() {
        let base = build(&objects(), |_| 5);
        assert_eq!(base.holes(), Hole::ALL.len());
        let keys: Vec<&str> = base.items().iter().map(|item| item.key.as_str()).collect();
        for key in [
            "/namespaces/default",
            "/serviceaccounts/default/default",
            "/configmaps/kube-system/extension-apiserver-authentication",
            "/services/default/kubernetes",
            "networking.k8s.io/ipaddresses/10.96.0.1",
            "rbac.authorization.k8s.io/clusterroles/cluster-admin",
            "flowcontrol.apiserver.k8s.io/flowschemas/catch-all",
        ] {
            assert!(keys.contains(&key), "{key} is in {keys:?}");
        }
        assert!(base.version() >= 35_000);
    }
}
