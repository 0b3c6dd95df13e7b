//! Server-side apply and managed fields (KEP-555).
//!
//! [`apply`] merges a configuration into an object, [`track_update`] records who changed what in creates, updates and
//! patches. Both are pure: the time is an argument, and an apply that changes nothing returns an equal object.
//!
//! Entries of other API versions are compared in their version when the caller can convert ([`Versions`]); otherwise the
//! request's version is taken for all.

mod compare;
mod element;
mod last_applied;
mod managed;
mod merge;
mod scale;
mod set;
mod typed;
mod update;
mod validate;

use crate::decode::zero;
use crate::schema::{NodeId, Schema};
use crate::status::{Cause, Status};
use managed::{Entry, Managers, Operation};
use serde_json::{Map, Value};
use std::fmt;
use typed::Type;
use update::{Applied, Conflict, Context, Failure, Write};

pub use element::Element;
pub use scale::Replicas;
pub use set::{Path, Set, path_text};
pub use update::Versions;

/// The kind of object that fields are tracked of, and who writes.
#[derive(Clone, Copy, Debug)]
pub struct Tracking<'a> {
    /// Schema of the object.
    pub schema: &'a Schema,
    /// Root of the object's type.
    pub node: NodeId,
    /// Version of the request, such as `apps/v1`.
    pub api_version: &'a str,
    /// Kind of the object.
    pub kind: &'a str,
    /// Subresource of the request, such as `status`; empty for the object itself.
    pub subresource: &'a str,
    /// Who writes: the `fieldManager` parameter or what is made of the user agent; empty becomes `unknown`.
    pub manager: &'a str,
    /// RFC 3339 time with seconds in UTC.
    pub now: &'a str,
    /// Fields that the request's strategy resets and therefore no one owns through it, such as `status`.
    pub reset: &'a Set,
}

impl<'a> Tracking<'a> {
    fn context<'v>(&self, versions: Option<&'v dyn Versions<'a>>) -> Context<'a, 'v> {
        Context { at: Type::new(self.schema, self.node), api_version: self.api_version, versions }
    }
}

/// A configuration to apply.
#[derive(Clone, Copy, Debug)]
pub struct ApplyRequest<'a> {
    /// Where and who.
    pub tracking: Tracking<'a>,
    /// The stored object; `None` when apply creates it.
    pub live: Option<&'a Value>,
    /// The body as it was read: neither conformed nor defaulted.
    pub config: &'a Value,
    /// Take fields from other managers.
    pub force: bool,
}

/// Why a configuration was not applied.
#[derive(Clone, Debug, PartialEq)]
pub enum ApplyError {
    /// The configuration is for another type or carries managed fields.
    BadRequest(String),
    /// The configuration does not fit the type; upstream answers 500.
    Typed(String),
    /// Other managers own fields that the configuration changes.
    Conflicts {
        /// `Apply failed with 1 conflict: …`.
        message: String,
        /// One cause per field.
        causes: Vec<Cause>,
    },
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(text) | Self::Typed(text) | Self::Conflicts { message: text, .. } => f.write_str(text),
        }
    }
}

impl std::error::Error for ApplyError {}

impl ApplyError {
    /// Returns the answer to the client.
    #[must_use]
    pub fn to_status(&self) -> Status {
        match self {
            Self::BadRequest(text) => Status::bad_request(text),
            Self::Typed(text) => Status::new(500, "", text),
            Self::Conflicts { message, causes } => {
                let mut status = Status::new(409, "Conflict", message);
                status.causes.clone_from(causes);
                status
            }
        }
    }

    fn conflicts(conflicts: &[Conflict]) -> Self {
        let cause = |conflict: &Conflict| Cause {
            reason: "FieldManagerConflict".to_owned(),
            message: format!("conflict with {}", conflict.manager),
            field: path_text(&conflict.path),
        };
        let causes = conflicts.iter().map(cause).collect();
        let message = match conflicts {
            [only] => {
                format!("Apply failed with 1 conflict: conflict with {}: {}", only.manager, path_text(&only.path))
            }
            many => {
                let mut lines = Vec::with_capacity(many.len() + 1);
                let mut previous = None;
                // Conflicts come sorted by manager.
                for conflict in many {
                    if previous != Some(&conflict.id) {
                        lines.push(format!("conflicts with {}:", conflict.manager));
                        previous = Some(&conflict.id);
                    }
                    lines.push(format!("- {}", path_text(&conflict.path)));
                }
                format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
            }
        };
        Self::Conflicts { message, causes }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Writes a type as Go does: `apps/v1, Kind=Deployment`; core types start with a slash.
fn gvk_text(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

/// Checks what can be checked without the live object.
fn check_config(request: &ApplyRequest<'_>) -> Result<(), ApplyError> {
    let (tracking, config) = (&request.tracking, request.config);
    let (api_version, kind) = (text(config, "apiVersion"), text(config, "kind"));
    if api_version != tracking.api_version || kind != tracking.kind {
        return Err(ApplyError::BadRequest(format!("invalid object type: {}", gvk_text(api_version, kind))));
    }
    if managed::of(config).is_some_and(Value::is_array) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let at = Type::new(tracking.schema, tracking.node);
    validate::validate(at, config).map_err(|error| {
        let empty = Value::Null;
        let metadata = config.get("metadata").unwrap_or(&empty);
        ApplyError::Typed(format!(
            "failed to create typed patch object ({}/{}; {}): {error}",
            text(metadata, "namespace"),
            text(metadata, "name"),
            gvk_text(api_version, kind)
        ))
    })
}

/// Makes the object that upstream starts from when there is none: the zero value of the type.
fn blank(tracking: &Tracking<'_>) -> Value {
    let mut object = zero(tracking.schema, tracking.node);
    if !object.is_object() {
        object = Value::Object(Map::new());
    }
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), Value::from(tracking.api_version));
        map.insert("kind".to_owned(), Value::from(tracking.kind));
    }
    object
}

/// Makes sure that there is a `metadata` to write managed fields into.
fn ensure_metadata(object: &mut Value) {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    if let Some(map) = object.as_object_mut() {
        let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        match metadata.as_object_mut() {
            // What removing the last of a field's items leaves.
            Some(map) => map.retain(|_, value| !value.is_null()),
            None => *metadata = Value::Object(Map::new()),
        }
    }
}

/// Applies a configuration. The result is to be conformed, defaulted and validated like the body of an update, except
/// that it equals the live object when nothing changed.
///
/// # Errors
/// When the configuration does not fit the type or conflicts with other managers.
pub fn apply(request: &ApplyRequest<'_>) -> Result<Value, ApplyError> {
    apply_in(request, None)
}

/// Like [`apply`], for kinds that are served in several versions.
///
/// # Errors
/// When the configuration does not fit the type or conflicts with other managers.
pub fn apply_with<'a>(request: &ApplyRequest<'a>, versions: &dyn Versions<'a>) -> Result<Value, ApplyError> {
    apply_in(request, Some(versions))
}

fn apply_in<'a>(request: &ApplyRequest<'a>, versions: Option<&dyn Versions<'a>>) -> Result<Value, ApplyError> {
    check_config(request)?;
    let tracking = &request.tracking;
    let context = tracking.context(versions);
    let at = context.at;
    let mut live = request.live.cloned().unwrap_or_else(|| blank(tracking));
    let entries = managed::strip(&mut live);
    let mut managers = managed::decode(entries.as_ref())
        .map_err(|error| ApplyError::Typed(format!("failed to decode managed fields: {error}")))?;
    if managers.is_empty() {
        own_everything(tracking, &context, &live, &mut managers);
    }
    let entry = Entry::new(tracking.manager, Operation::Apply, tracking.api_version, tracking.subresource);
    let id = entry.id();
    let attempt = |force: bool| {
        let mut managers = managers.clone();
        let write = Write { entry: entry.clone(), reset: tracking.reset, now: tracking.now };
        update::apply(&context, &live, request.config, &mut managers, write, force).map(|applied| (applied, managers))
    };
    let outcome = match attempt(request.force) {
        Err(Failure::Conflicts(conflicts)) if tracking.manager == "kubectl" => {
            match last_applied::remaining(at, &live, tracking.api_version, conflicts) {
                conflicts if conflicts.is_empty() => attempt(true),
                conflicts => Err(Failure::Conflicts(conflicts)),
            }
        }
        outcome => outcome,
    };
    let (applied, mut managers) = outcome.map_err(|failure| match failure {
        Failure::Conflicts(conflicts) => ApplyError::conflicts(&conflicts),
        Failure::Merge(error) => ApplyError::Typed(format!("failed to merge config: {error}")),
    })?;
    let mut object = match applied {
        Applied::Changed(object) => {
            if let Some(entry) = managers.get_mut(&id) {
                entry.time = Some(tracking.now.to_owned());
            }
            object
        }
        Applied::Same => live,
    };
    ensure_metadata(&mut object);
    managed::encode_into(&mut object, managers);
    if tracking.manager == "kubectl" {
        last_applied::refresh(&mut object, request.config);
    }
    Ok(object)
}

/// Gives all fields of an object that has no managers to one called `before-first-apply`.
fn own_everything(tracking: &Tracking<'_>, context: &Context<'_, '_>, live: &Value, managers: &mut Managers) {
    let entry = Entry::new("before-first-apply", Operation::Update, tracking.api_version, tracking.subresource);
    let write = Write { entry, reset: tracking.reset, now: tracking.now };
    update::update(context, &blank(tracking), live, managers, write);
}

/// Does a request ask to forget all managers, with `[]` or `[{}]`?
fn is_reset(entries: Option<&Value>) -> bool {
    match entries.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([only]) => only.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

/// Returns the managers from which an update starts.
fn starting_managers(tracking: &Tracking<'_>, live: Option<&Value>, sent: Option<&Value>) -> Managers {
    let stored = || managed::decode(live.and_then(managed::of)).unwrap_or_default();
    if !tracking.subresource.is_empty() {
        return stored();
    }
    if is_reset(sent) {
        return Managers::new();
    }
    match managed::decode(sent) {
        Ok(managers) if !managers.is_empty() => managers,
        _ => stored(),
    }
}

/// Records a create (`live` is `None`), update or patch in the new object's managed fields. Both objects are conformed.
///
/// Objects that have no managed fields get none by an update.
pub fn track_update(tracking: &Tracking<'_>, live: Option<&Value>, new: &mut Value) {
    track_in(tracking, live, new, None);
}

/// Like [`track_update`], for kinds that are served in several versions.
pub fn track_update_with<'a>(
    tracking: &Tracking<'a>,
    live: Option<&Value>,
    new: &mut Value,
    versions: &dyn Versions<'a>,
) {
    track_in(tracking, live, new, Some(versions));
}

fn track_in<'a>(tracking: &Tracking<'a>, live: Option<&Value>, new: &mut Value, versions: Option<&dyn Versions<'a>>) {
    ensure_metadata(new);
    let sent = managed::strip(new);
    let mut managers = starting_managers(tracking, live, sent.as_ref());
    if managers.is_empty() && live.is_some() {
        return;
    }
    let entry = Entry::new(tracking.manager, Operation::Update, tracking.api_version, tracking.subresource);
    let write = Write { entry, reset: tracking.reset, now: tracking.now };
    let context = tracking.context(versions);
    match live {
        Some(live) => update::update(&context, live, new, &mut managers, write),
        None => update::update(&context, &blank(tracking), new, &mut managers, write),
    }
    managed::cap_update_managers(&mut managers);
    managed::encode_into(new, managers);
}

/// Puts the stored managed fields back when a write changes nothing but their times, so that it changes nothing at all.
pub fn ignore_timestamps(old: &Value, new: &mut Value) {
    let times_apart = |old: &[Value], new: &[Value]| {
        let mut differ = false;
        let same = old.len() == new.len()
            && old.iter().zip(new).all(|(a, b)| {
                let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
                differ |= a.get("time") != b.get("time");
                let plain = |(name, _): &(&String, &Value)| name.as_str() != "time";
                a.iter().filter(plain).eq(b.iter().filter(plain))
            });
        same && differ
    };
    let (Some(stored), Some(made)) = (managed::of(old), managed::of(new)) else { return };
    let (Some(stored_list), Some(made_list)) = (stored.as_array(), made.as_array()) else { return };
    if !times_apart(stored_list, made_list) || !equal_but_managed(old, new) {
        return;
    }
    let stored = stored.clone();
    if let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("managedFields".to_owned(), stored);
    }
}

fn equal_but_managed(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return false };
    let rest = |name: &str| name != "metadata";
    let same_rest = old.iter().filter(|(name, _)| rest(name)).eq(new.iter().filter(|(name, _)| rest(name)));
    let metadata = |object: &Map<String, Value>| object.get("metadata").and_then(Value::as_object).cloned();
    let (Some(mut old_meta), Some(mut new_meta)) = (metadata(old), metadata(new)) else { return false };
    old_meta.remove("managedFields");
    new_meta.remove("managedFields");
    same_rest && old_meta == new_meta
}

/// Makes a manager's name of a `fieldManager` parameter and a user agent, as upstream does.
#[must_use]
pub fn manager_name(field_manager: &str, user_agent: &str) -> String {
    if !field_manager.is_empty() {
        return field_manager.to_owned();
    }
    let prefix = user_agent.split('/').next().unwrap_or_default();
    let mut out = String::new();
    for c in prefix.chars().filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER) {
        if out.len() + c.len_utf8() > 128 {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests;
