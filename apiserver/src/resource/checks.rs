//! What is wrong with an object, in upstream's words.

use super::Served;
use kplex_machinery::api::{self, Api};
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::builtin::{self, validation};
use kplex_machinery::decode::{self, FieldValidation, Findings};
use kplex_machinery::field_error::{FieldError, FieldErrors};
use kplex_machinery::metadata::{names, object_meta};
use kplex_machinery::status::Status;
use kplex_machinery::{convert, crd};
use serde_json::Value;

impl Served {
    /// Applies `fieldValidation` to what decoding found (KEP-2885); returns warnings.
    ///
    /// # Errors
    /// 400 under `Strict`.
    pub fn judge(&self, findings: &Findings, validation: FieldValidation) -> Result<Vec<String>, Status> {
        findings.judge(validation).map_err(|text| {
            Status::bad_request(decode::cannot_be_handled(&self.kind, &self.version, &self.kind, &text))
        })
    }

    /// The body is of another type than the path.
    #[must_use]
    pub fn wrong_type(&self, api_version: &str, kind: &str) -> Status {
        if kind == self.kind && self.converts_from(api_version) {
            return Status::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({})",
                self.api_version
            ));
        }
        Status::bad_request(decode::cannot_be_handled(
            kind,
            &api::GroupVersion::parse(api_version).version,
            &self.kind,
            &self.type_error(api_version, kind),
        ))
    }

    /// Whether another version holds the same objects.
    fn converts_from(&self, api_version: &str) -> bool {
        let other = api::GroupVersion::parse(api_version);
        let (group, _) = convert::storage_version(&other.group, &self.plural);
        group == self.storage_group && Api::builtin().resource(&other.group, &other.version, &self.plural).is_some()
    }

    /// Why an object of another type is none of this one.
    #[must_use]
    pub fn type_error(&self, api_version: &str, kind: &str) -> String {
        type_error(&self.group, &self.kind, api_version, kind)
    }

    /// Validates a new object.
    #[must_use]
    pub fn validate_create(&self, object: &Value) -> FieldErrors {
        let own = match self.definition() {
            Some(version) => version.validate_create(object),
            None if self.is_definition() => crd::validate_create(object),
            None => validation::validate_create(self.gvk(), object),
        };
        if !own.is_empty() && !self.is_custom() && !validation::validates_new_metadata(self.gvk()) {
            return own;
        }
        let mut errors = self.metadata_errors(object);
        errors.extend(own);
        errors
    }

    /// Validates an object that replaces another.
    ///
    /// Upstream looks at the metadata of every update itself before the kind does, mostly with the same rules, and tells
    /// each error as often as it was found.
    #[must_use]
    pub fn validate_update(&self, object: &Value, old: &Value, part: Subresource) -> FieldErrors {
        let (after, before) = (&object["metadata"], &old["metadata"]);
        let changes = || object_meta::validate_object_meta_update(after, before, "metadata");
        let mut errors = self.metadata_errors_with(names::name_is_path_segment, object);
        errors.extend(changes());
        match self.definition() {
            Some(version) => {
                errors.extend(changes());
                errors.extend(match part {
                    Subresource::Status => version.validate_status_update(object, old),
                    _ => version.validate_update(object, old),
                });
            }
            None if self.is_definition() => {
                errors.extend(changes());
                errors.extend(match part {
                    Subresource::Status => crd::validate_status_update(object),
                    _ => crd::validate_update(object, old),
                });
            }
            None => {
                errors.extend(validation::validate_metadata_update(self.gvk(), object, old, part));
                errors.extend(validation::validate_subresource_update(self.gvk(), object, old, part));
            }
        }
        errors
    }

    fn metadata_errors(&self, object: &Value) -> FieldErrors {
        let rule = self
            .strategy()
            .map_or(names::name_is_dns_subdomain as names::NameRule, |strategy| strategy.name_rule.function());
        self.metadata_errors_with(rule, object)
    }

    fn metadata_errors_with(&self, rule: names::NameRule, object: &Value) -> FieldErrors {
        let scope = if self.namespaced { object_meta::Scope::Namespaced } else { object_meta::Scope::Cluster };
        object_meta::validate_object_meta(&object["metadata"], scope, rule, "metadata")
    }

    /// Warnings about an accepted object.
    #[must_use]
    pub fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        if self.is_definition() {
            return crd::unrecognized_formats(object)
                .into_iter()
                .map(|format| format!("unrecognized format {format:?}"))
                .collect();
        }
        match (self.is_custom(), old) {
            (true, _) => Vec::new(),
            (false, None) => builtin::warnings::warnings_on_create(self.gvk(), object),
            (false, Some(old)) => builtin::warnings::warnings_on_update(self.gvk(), object, old, Subresource::Main),
        }
    }

    /// 422 with upstream's message, which names the group of the internal type: that of the storage.
    #[must_use]
    pub fn invalid(&self, name: &str, errors: &[FieldError]) -> Status {
        Status::invalid(&self.storage_group, &self.kind, name, errors)
    }

    /// The error of an update without a resourceVersion where one is needed.
    #[must_use]
    pub fn missing_revision(&self) -> FieldError {
        FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update")
    }

    /// Name of the type of objects or lists in upstream's process, which some messages tell.
    #[must_use]
    pub fn go_type(&self, kind: &str) -> String {
        match (self.is_custom(), kind == self.list_kind) {
            (false, _) => go_type(&self.group, kind),
            (true, false) => "*unstructured.Unstructured".to_owned(),
            (true, true) => "*unstructured.UnstructuredList".to_owned(),
        }
    }
}

/// Why an object of another type is none of a kind of `group`, in upstream's words.
#[must_use]
pub fn type_error(group: &str, own_kind: &str, api_version: &str, kind: &str) -> String {
    let version = api::GroupVersion::parse(api_version);
    let known = go_scheme(group) == go_scheme(&version.group)
        && Api::builtin().resource_of_kind(&version.group, &version.version, kind).is_some();
    if known {
        let package = go_package(group);
        return format!("converting ({}.{kind}) to ({package}.{own_kind}): unknown conversion", version.version);
    }
    format!("no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \"pkg/runtime/scheme.go:111\"")
}

/// Returns the name of a built-in type in upstream's process, which some messages tell.
#[must_use]
pub fn go_type(group: &str, kind: &str) -> String {
    format!("*{}.{kind}", go_package(group))
}

/// Upstream is three servers in one, each with types of its own; those of all requests stand apart too.
fn go_scheme(group: &str) -> &str {
    match group {
        "apiextensions.k8s.io" | "apiregistration.k8s.io" | "meta.k8s.io" => group,
        _ => "",
    }
}

fn go_package(group: &str) -> &str {
    match group {
        "" | "events.k8s.io" => "core",
        group => group.split('.').next().unwrap_or(group),
    }
}
