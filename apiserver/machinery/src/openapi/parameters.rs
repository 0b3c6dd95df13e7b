//! Query and path parameters of operations.

use serde_json::{Value, json};

/// A parameter. Request bodies are not parameters here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// `path` or `query`.
    pub(super) place: &'static str,
    pub(super) type_name: &'static str,
    pub(super) text: String,
}

impl Parameter {
    fn query(name: &str, type_name: &'static str, text: &str) -> Self {
        Self { name: name.to_owned(), place: "query", type_name, text: text.to_owned() }
    }

    pub(super) fn path(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), place: "path", type_name: "string", text }
    }

    /// Returns it as OpenAPI 3.
    pub(super) fn v3(&self) -> Value {
        let mut value = json!({
            "name": self.name, "in": self.place, "schema": {"type": self.type_name, "uniqueItems": true},
        });
        self.add_common(&mut value);
        value
    }

    /// Returns it as Swagger 2.
    pub(super) fn v2(&self) -> Value {
        let mut value = json!({"name": self.name, "in": self.place, "type": self.type_name, "uniqueItems": true});
        self.add_common(&mut value);
        value
    }

    fn add_common(&self, value: &mut Value) {
        if !self.text.is_empty() {
            value["description"] = Value::from(self.text.as_str());
        }
        if self.place == "path" {
            value["required"] = Value::Bool(true);
        }
    }
}

pub(super) fn namespace() -> Parameter {
    Parameter::path("namespace", "Namespace of the object.".to_owned())
}

pub(super) fn pretty() -> Parameter {
    Parameter::query("pretty", "string", "Indent the answer if 'true'.")
}

fn resource_version() -> Parameter {
    Parameter::query("resourceVersion", "string", "What resource versions the answer may be taken from.")
}

/// Parameters of `get` for custom resources; built-in ones publish none.
pub(super) fn get() -> Vec<Parameter> {
    vec![resource_version()]
}

/// Parameters of `list` and `watch`.
pub(super) fn list() -> Vec<Parameter> {
    let mut all = vec![
        Parameter::query("allowWatchBookmarks", "boolean", "Allow the server to send bookmarks in a watch."),
        Parameter::query("watch", "boolean", "Watch for changes instead of listing; begins after resourceVersion."),
    ];
    all.extend(selection());
    all
}

/// What selects the objects of a list.
fn selection() -> Vec<Parameter> {
    vec![
        Parameter::query("continue", "string", "Token from the answer to a limited list, to get the objects after it."),
        Parameter::query("fieldSelector", "string", "Restricts the objects by their fields."),
        Parameter::query("labelSelector", "string", "Restricts the objects by their labels."),
        Parameter::query("limit", "integer", "How many objects to return at most."),
        resource_version(),
        Parameter::query("resourceVersionMatch", "string", "How resourceVersion is applied to a list."),
        Parameter::query("sendInitialEvents", "boolean", "Begin a watch with the objects that exist already."),
        Parameter::query("timeoutSeconds", "integer", "How long the request may take."),
    ]
}

fn dry_run() -> Parameter {
    Parameter::query("dryRun", "string", "Do all but store the change if 'All'.")
}

/// Parameters of `create` and `update`.
pub(super) fn write() -> Vec<Parameter> {
    vec![
        dry_run(),
        Parameter::query("fieldManager", "string", "Name of who makes the change, up to 128 characters."),
        Parameter::query(
            "fieldValidation",
            "string",
            "What to do about unknown and duplicate fields: 'Ignore', 'Warn' (the default) or 'Strict'.",
        ),
    ]
}

/// Parameters of `patch`.
pub(super) fn patch() -> Vec<Parameter> {
    let mut all = write();
    all.push(Parameter::query("force", "boolean", "Take over fields that others manage; for apply requests only."));
    all
}

/// Parameters of `delete`.
pub(super) fn delete() -> Vec<Parameter> {
    vec![
        dry_run(),
        Parameter::query("gracePeriodSeconds", "integer", "Seconds until the object is deleted; 0 is at once."),
        Parameter::query(
            "ignoreStoreReadErrorWithClusterBreakingPotential",
            "boolean",
            "Delete the object although it cannot be read from the store.",
        ),
        Parameter::query("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
        Parameter::query(
            "propagationPolicy",
            "string",
            "What happens to dependent objects: 'Orphan', 'Background' or 'Foreground'.",
        ),
    ]
}

/// Parameters of `deletecollection`.
pub(super) fn delete_collection() -> Vec<Parameter> {
    let mut all = delete();
    all.extend(selection());
    all
}

/// A parameter that a field of an options kind becomes.
pub(super) fn option(name: &str, type_name: &'static str, text: &str) -> Parameter {
    Parameter::query(name, type_name, text)
}
