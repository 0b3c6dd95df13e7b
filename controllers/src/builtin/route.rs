//! Which events are whose: from a committed change to the work that it causes.
//!
//! Hot path: every write of every tenant passes here. Values are parsed only for what the metadata decides, and only when
//! their bytes mention it.

use super::waiting::Waiting;
use super::work::{Controller, Work};
use super::{base_object, plane, quota};
use kplex_storage::{Entry, Event, Key, TenantId};
use memchr::memmem;
use serde::Deserialize;
use std::borrow::Cow;

/// The part of an object's metadata that routing looks at.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Metadata<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow)]
    deletion_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    finalizers: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    owner_references: Vec<Owner<'a>>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Owner<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    block_owner_deletion: Option<bool>,
}

#[derive(Default, Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

impl Metadata<'_> {
    fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// Waits for the garbage collector: its dependents go first, or lose it.
    fn is_collecting(&self) -> bool {
        self.is_deleting() && self.finalizers.iter().any(|name| name == "foregroundDeletion" || name == "orphan")
    }
}

/// Reads metadata where anything of interest can be in it.
fn metadata(entry: Option<&Entry>) -> Metadata<'_> {
    let Some(entry) = entry else { return Metadata::default() };
    let bytes = &entry.value[..];
    if !mentions(bytes, "\"ownerReferences\"") && !mentions(bytes, "\"deletionTimestamp\"") {
        return Metadata::default();
    }
    serde_json::from_slice::<Object<'_>>(bytes).unwrap_or_default().metadata
}

pub(super) fn mentions(bytes: &[u8], text: &str) -> bool {
    memmem::find(bytes, text.as_bytes()).is_some()
}

fn uid(entry: &Entry) -> Option<String> {
    let object: Object<'_> = serde_json::from_slice(&entry.value).ok()?;
    Some(object.metadata.uid.into_owned()).filter(|uid| !uid.is_empty())
}

/// One change of one object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    /// Whose.
    pub key: &'a Key,
    /// State before; `None` for a create.
    pub before: Option<&'a Entry>,
    /// State after; `None` for a delete.
    pub after: Option<&'a Entry>,
}

impl<'a> From<&'a Event> for Change<'a> {
    fn from(event: &'a Event) -> Self {
        Self { key: &event.key, before: event.before.as_ref(), after: event.after.as_ref() }
    }
}

/// Returns the work that a change causes, and keeps `waiting` up to date.
pub(crate) fn route(tenant: TenantId, event: Change<'_>, waiting: &Waiting) -> Vec<Work> {
    let mut works = Works { tenant, works: Vec::new() };
    let key = event.key;
    let (old, new) = (metadata(event.before), metadata(event.after));
    works.of_kind(event, &new, waiting);
    if !is_event(key) {
        works.collect(event, &old, &new, waiting);
    }
    if let Some(name) = plane::concerned(event) {
        works.add(Controller::ControlPlane, name);
    }
    if let Some(space) = quota::concerned(event) {
        works.add(Controller::Quota, space);
    }
    if base_object::concerns(key.group(), key.resource(), event.after.is_none()) {
        works.add(Controller::BaseObject, key.as_str());
    }
    if !waiting.is_idle(tenant) {
        if event.after.is_none() {
            works.departure(key, waiting);
        }
        if is_user(key) {
            works.works.extend(waiting.all(tenant, Controller::Protection));
        }
    }
    works.works
}

fn is_event(key: &Key) -> bool {
    key.resource() == "events" && matches!(key.group(), "" | "events.k8s.io")
}

/// What uses claims and attribute classes.
fn is_user(key: &Key) -> bool {
    key.group().is_empty() && matches!(key.resource(), "pods" | "persistentvolumes" | "persistentvolumeclaims")
}

struct Works {
    tenant: TenantId,
    works: Vec<Work>,
}

impl Works {
    fn add(&mut self, controller: Controller, key: &str) {
        self.works.push(Work::new(self.tenant, controller, key));
    }

    /// Work of the controllers that follow certain kinds.
    fn of_kind(&mut self, event: Change<'_>, new: &Metadata<'_>, waiting: &Waiting) {
        let key = event.key;
        let (name, namespace) = (key.name(), key.namespace().unwrap_or_default());
        let either =
            |text: &str| [event.before, event.after].into_iter().flatten().any(|entry| mentions(&entry.value, text));
        match (key.group(), key.resource()) {
            ("", "namespaces") => self.namespace(name, event, new, waiting),
            ("", "serviceaccounts") => {
                if name == "default" && event.after.is_none() {
                    self.add(Controller::DefaultAccount, namespace);
                }
                if event.after.is_none() {
                    self.add(Controller::AccountTokens, &format!("{namespace}/{name}"));
                }
            }
            ("", "configmaps") if name == "kube-root-ca.crt" => self.add(Controller::RootCertificate, namespace),
            ("", "configmaps") if name == "cluster-info" && namespace == "kube-public" => {
                self.add(Controller::BootstrapSigner, "")
            }
            ("", "secrets") => {
                if either("\"kubernetes.io/service-account-token\"") {
                    self.add(Controller::TokenSecret, &format!("{namespace}/{name}"));
                }
                if namespace == "kube-system" && either("\"bootstrap.kubernetes.io/token\"") {
                    self.add(Controller::BootstrapSigner, "");
                    self.add(Controller::BootstrapToken, name);
                }
            }
            ("apiextensions.k8s.io", "customresourcedefinitions") => {
                let work = Work::new(self.tenant, Controller::Definition, name);
                match event.after {
                    None => waiting.remove(&work),
                    Some(_) if new.is_deleting() => waiting.add(&work),
                    Some(_) => {}
                }
                self.works.push(work);
            }
            ("certificates.k8s.io", "certificatesigningrequests") if event.after.is_some() => {
                self.add(Controller::Certificate, name)
            }
            ("flowcontrol.apiserver.k8s.io", "flowschemas") if event.after.is_some() => {
                self.add(Controller::FlowSchema, "")
            }
            ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations")
                if event.before.is_none() || event.after.is_none() =>
            {
                self.add(Controller::FlowSchema, "")
            }
            ("rbac.authorization.k8s.io", "clusterroles") => self.add(Controller::Aggregation, ""),
            ("", "persistentvolumes" | "persistentvolumeclaims") | ("storage.k8s.io", "volumeattributesclasses") => {
                let work = Work::new(self.tenant, Controller::Protection, key.as_str());
                match event.after {
                    None => waiting.remove(&work),
                    Some(_) => self.works.push(work),
                }
            }
            _ => {}
        }
    }

    fn namespace(&mut self, name: &str, event: Change<'_>, new: &Metadata<'_>, waiting: &Waiting) {
        let work = Work::new(self.tenant, Controller::Namespace, name);
        match event.after {
            None => waiting.remove(&work),
            Some(_) if new.is_deleting() => {
                waiting.add(&work);
                self.works.push(work);
            }
            Some(_) => {
                self.add(Controller::DefaultAccount, name);
                self.add(Controller::RootCertificate, name);
            }
        }
    }

    /// Work of the garbage collector.
    fn collect(&mut self, event: Change<'_>, old: &Metadata<'_>, new: &Metadata<'_>, waiting: &Waiting) {
        let key = event.key.as_str();
        let Some(_) = event.after else {
            // The uid of an object that owns things need not stand near anything that routing parses for.
            if let Some(uid) = event.before.and_then(uid) {
                waiting.remove_owner(self.tenant, &uid);
                self.add(Controller::OwnerGone, &format!("{uid}/{key}"));
            }
            return self.owners(old, waiting);
        };
        let changed = old.owner_references != new.owner_references;
        if new.is_collecting() && (!old.is_collecting() || old.finalizers != new.finalizers) {
            waiting.add_owner(self.tenant, &new.uid, key);
            self.add(Controller::Collect, key);
        } else if changed && !new.owner_references.is_empty() {
            self.add(Controller::Collect, key);
        }
        if changed {
            self.owners(old, waiting);
        }
    }

    /// Owners that wait for this object look again.
    fn owners(&mut self, old: &Metadata<'_>, waiting: &Waiting) {
        if old.owner_references.is_empty() || waiting.is_idle(self.tenant) {
            return;
        }
        let keys: Vec<_> =
            old.owner_references.iter().filter_map(|owner| waiting.owner(self.tenant, &owner.uid)).collect();
        for key in keys {
            self.add(Controller::Collect, &key);
        }
    }

    /// An object went, and a namespace or definition may have waited for it.
    fn departure(&mut self, key: &Key, waiting: &Waiting) {
        let namespace = key.namespace().map(|namespace| (Controller::Namespace, namespace.to_owned()));
        let definition = (Controller::Definition, format!("{}.{}", key.resource(), key.group()));
        for (controller, name) in namespace.into_iter().chain([definition]) {
            let work = Work::new(self.tenant, controller, &name);
            if waiting.contains(&work) {
                self.works.push(work);
            }
        }
    }
}

#[cfg(test)]
mod tests;
