//! `metadata.managedFields`: which manager owns which fields.

use super::set::Set;
use crate::decode::parse_time;
use crate::field_error::go_quote;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One manager and its fields.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) subresource: String,
    pub(super) time: Option<String>,
    set: Set,
    /// The `FieldsV1` document it was read from, while the set is unchanged.
    fields: Option<Value>,
}

impl Entry {
    pub(super) fn new(manager: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        let manager = if manager.is_empty() { "unknown" } else { manager };
        Self {
            manager: manager.to_owned(),
            operation,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
            time: None,
            set: Set::default(),
            fields: None,
        }
    }

    pub(super) fn set(&self) -> &Set {
        &self.set
    }

    pub(super) fn replace_set(&mut self, set: Set) {
        self.set = set;
        self.fields = None;
    }

    /// Returns what upstream identifies a manager by: the version counts for updates only.
    pub(super) fn id(&self) -> String {
        let text = |value: &str| Value::from(value).to_string();
        let mut id = format!("{{\"manager\":{},\"operation\":\"{}\"", text(&self.manager), self.operation.word());
        if self.operation == Operation::Update {
            id.push_str(&format!(",\"apiVersion\":{}", text(&self.api_version)));
        }
        if !self.subresource.is_empty() {
            id.push_str(&format!(",\"subresource\":{}", text(&self.subresource)));
        }
        id.push('}');
        id
    }

    /// Names the manager in a conflict message: `"kubectl" with subresource "status" using v1`.
    pub(super) fn describe(&self) -> String {
        let mut text = go_quote(&self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {}", go_quote(&self.subresource)));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    pub(super) fn seconds(&self) -> i64 {
        self.time.as_deref().and_then(|time| parse_time(time).ok()).unwrap_or(0)
    }

    fn decode(entry: &Value, index: usize) -> Result<Self, String> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let operation = match text("operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        if text("apiVersion").is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match text("fieldsType") {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
            other => return Err(format!("invalid fieldsType {} in managed fields entry {index}", go_quote(other))),
        }
        let fields = entry.get("fieldsV1").filter(|fields| fields.is_object());
        Ok(Self {
            manager: text("manager").to_owned(),
            operation,
            api_version: text("apiVersion").to_owned(),
            subresource: text("subresource").to_owned(),
            time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
            set: fields.map_or_else(|| Ok(Set::default()), Set::from_fields)?,
            fields: fields.cloned(),
        })
    }

    fn encode(self) -> Value {
        let mut map = Map::new();
        let texts = [
            ("manager", self.manager.as_str()),
            ("operation", self.operation.word()),
            ("apiVersion", &self.api_version),
            ("subresource", &self.subresource),
            ("time", self.time.as_deref().unwrap_or_default()),
            ("fieldsType", "FieldsV1"),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            map.insert(name.to_owned(), Value::from(text));
        }
        map.insert("fieldsV1".to_owned(), self.fields.unwrap_or_else(|| self.set.to_fields()));
        Value::Object(map)
    }
}

/// All managers of an object, by [`Entry::id`].
pub(super) type Managers = BTreeMap<String, Entry>;

/// Reads `metadata.managedFields`.
pub(super) fn decode(entries: Option<&Value>) -> Result<Managers, String> {
    let mut managers = Managers::new();
    for (index, entry) in entries.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let entry = Entry::decode(entry, index)?;
        managers.insert(entry.id(), entry);
    }
    Ok(managers)
}

/// Writes managers into an object's `metadata.managedFields`, sorted by operation, time and name.
pub(super) fn encode_into(object: &mut Value, managers: Managers) {
    encode_all_into(object, managers.into_values().collect());
}

/// As [`encode_into`], for entries that may look like those of one manager.
pub(super) fn encode_all_into(object: &mut Value, mut entries: Vec<Entry>) {
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| (entry.operation, entry.seconds());
        key(a)
            .cmp(&key(b))
            .then_with(|| a.manager.cmp(&b.manager))
            .then_with(|| a.api_version.cmp(&b.api_version))
            .then_with(|| a.subresource.cmp(&b.subresource))
    });
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if entries.is_empty() {
        metadata.remove("managedFields");
    } else {
        let encoded = entries.into_iter().map(Entry::encode).collect();
        metadata.insert("managedFields".to_owned(), Value::Array(encoded));
    }
}

/// Returns an object's `metadata.managedFields`.
pub(super) fn of(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

/// Removes `metadata.managedFields`.
pub(super) fn strip(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata").and_then(Value::as_object_mut).and_then(|metadata| metadata.remove("managedFields"))
}

/// Most managers of updates; the oldest are merged beyond that.
const UPDATE_MANAGERS_MAX: usize = 10;
const ANCIENT: &str = "ancient-changes";

/// Merges the oldest managers of updates into one when there are too many.
pub(super) fn cap_update_managers(managers: &mut Managers) {
    let mut updaters: Vec<(i64, String)> = managers
        .iter()
        .filter(|(_, entry)| entry.operation == Operation::Update)
        .map(|(id, entry)| (entry.seconds(), id.clone()))
        .collect();
    let mut count = updaters.len();
    if count <= UPDATE_MANAGERS_MAX {
        return;
    }
    updaters.sort();
    let mut first_of_version: BTreeMap<String, String> = BTreeMap::new();
    for (_, id) in updaters {
        if count <= UPDATE_MANAGERS_MAX {
            return;
        }
        let version = managers[&id].api_version.clone();
        let Some(first) = first_of_version.get(&version) else {
            first_of_version.insert(version, id);
            continue;
        };
        let mut bucket = Entry::new(ANCIENT, Operation::Update, &version, "");
        let bucket_id = bucket.id();
        if !managers.contains_key(&bucket_id)
            && let Some(entry) = managers.remove(first)
        {
            bucket.replace_set(entry.set);
            managers.insert(bucket_id.clone(), bucket);
        }
        if bucket_id == id {
            continue;
        }
        let Some(entry) = managers.remove(&id) else { continue };
        if let Some(bucket) = managers.get_mut(&bucket_id) {
            let union = entry.set.union(&bucket.set);
            bucket.replace_set(union);
            bucket.time = entry.time;
        }
        count -= 1;
    }
}
