//! Query parameters and the `*Options` they stand for, with upstream's checks and texts.

use kplex_machinery::decode::FieldValidation;
use kplex_machinery::field_error::FieldError;
use kplex_machinery::status::Status;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::borrow::Cow;

/// Iterates over decoded `key=value` pairs.
pub fn pairs(query: &str) -> impl Iterator<Item = (String, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key).into_owned(), decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

/// Parameters of reads and of deletecollection: `metav1.ListOptions`.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// `labelSelector`.
    pub label_selector: String,
    /// `fieldSelector`.
    pub field_selector: String,
    /// `allowWatchBookmarks`.
    pub bookmarks: bool,
    /// `resourceVersion`, as given.
    pub resource_version: String,
    /// `resourceVersionMatch`, as given.
    pub resource_version_match: String,
    /// `timeoutSeconds`.
    pub timeout_seconds: Option<u64>,
    /// `limit`; 0 means none.
    pub limit: u64,
    /// `continue`.
    pub continue_token: String,
    /// `sendInitialEvents`.
    pub send_initial_events: Option<bool>,
}

impl ListOptions {
    /// Parses the query of a list, watch or deletecollection.
    ///
    /// # Errors
    /// 400 for values that don't parse, 422 for combinations that upstream refuses.
    pub fn parse(query: &str, watch: bool) -> Result<Self, Status> {
        let mut options = Self::default();
        for (key, value) in pairs(query) {
            match key.as_str() {
                "labelSelector" => options.label_selector = value.into_owned(),
                "fieldSelector" => options.field_selector = value.into_owned(),
                "allowWatchBookmarks" => options.bookmarks = boolean(&value),
                "resourceVersion" => options.resource_version = value.into_owned(),
                "resourceVersionMatch" => options.resource_version_match = value.into_owned(),
                "timeoutSeconds" => options.timeout_seconds = integer("timeoutSeconds", &value)?.map(i64::unsigned_abs),
                "limit" => options.limit = integer("limit", &value)?.map_or(0, |n| u64::try_from(n).unwrap_or(0)),
                "continue" => options.continue_token = value.into_owned(),
                "sendInitialEvents" => options.send_initial_events = Some(boolean(&value)),
                _ => {}
            }
        }
        options.check(watch)?;
        Ok(options)
    }

    fn check(&self, watch: bool) -> Result<(), Status> {
        let mut errors = Vec::new();
        let matching = self.resource_version_match.as_str();
        if watch {
            match self.send_initial_events {
                Some(_) if matching != "NotOlderThan" => {
                    let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                    errors.push(FieldError::forbidden("resourceVersionMatch", why));
                    if !matching.is_empty() {
                        errors.push(FieldError::not_supported("resourceVersionMatch", matching, &["NotOlderThan"]));
                    }
                }
                None if !matching.is_empty() => errors.push(FieldError::forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                )),
                Some(_) | None => {}
            }
        } else {
            if self.send_initial_events.is_some() {
                errors.push(FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
            }
            if !matching.is_empty() {
                self.check_match(&mut errors);
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", "ListOptions", "", &errors)) }
    }

    fn check_match(&self, errors: &mut Vec<FieldError>) {
        let matching = self.resource_version_match.as_str();
        if self.resource_version.is_empty() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden("resourceVersionMatch", why));
        }
        if !self.continue_token.is_empty() {
            let why = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden("resourceVersionMatch", why));
        }
        if matching != "Exact" && matching != "NotOlderThan" {
            errors.push(FieldError::not_supported_in_order(
                "resourceVersionMatch",
                matching,
                &["Exact", "NotOlderThan", ""],
            ));
        }
        if matching == "Exact" && self.resource_version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden("resourceVersionMatch", why));
        }
    }
}

/// Parameters of create, update, patch and apply.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// `dryRun=All`.
    pub dry_run: bool,
    /// `fieldManager`, as given.
    pub field_manager: String,
    /// `fieldValidation`.
    pub field_validation: FieldValidation,
    /// `force`, for apply.
    pub force: Option<bool>,
}

/// Which options object a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsKind {
    /// `CreateOptions`.
    Create,
    /// `UpdateOptions`.
    Update,
    /// `PatchOptions`.
    Patch,
}

impl WriteOptions {
    /// Parses the query of a write.
    ///
    /// # Errors
    /// 422 as upstream for values outside the enumerations.
    pub fn parse(query: &str, kind: OptionsKind) -> Result<Self, Status> {
        let mut options = Self::default();
        let mut errors = Vec::new();
        for (key, value) in pairs(query) {
            match key.as_str() {
                "dryRun" if value == "All" => options.dry_run = true,
                "dryRun" => errors.push(dry_run_error(&value)),
                "fieldManager" => options.field_manager = value.into_owned(),
                "fieldValidation" => match &*value {
                    "" | "Warn" => options.field_validation = FieldValidation::Warn,
                    "Ignore" => options.field_validation = FieldValidation::Ignore,
                    "Strict" => options.field_validation = FieldValidation::Strict,
                    other => {
                        let allowed = ["", "Ignore", "Strict", "Warn"];
                        errors.push(FieldError::not_supported("fieldValidation", other, &allowed));
                    }
                },
                "force" => options.force = Some(boolean(&value)),
                _ => {}
            }
        }
        check_manager(&options.field_manager, &mut errors);
        if errors.is_empty() {
            return Ok(options);
        }
        let name = match kind {
            OptionsKind::Create => "CreateOptions",
            OptionsKind::Update => "UpdateOptions",
            OptionsKind::Patch => "PatchOptions",
        };
        Err(Status::invalid("meta.k8s.io", name, "", &errors))
    }
}

fn dry_run_error(value: &str) -> FieldError {
    FieldError::not_supported("dryRun", Value::Array(vec![Value::from(value)]), &["All"])
}

fn check_manager(manager: &str, errors: &mut Vec<FieldError>) {
    if manager.len() > 128 {
        errors.push(FieldError::too_long("fieldManager", 128));
    }
    if let Some((index, _)) = manager.char_indices().find(|(_, c)| c.is_control()) {
        let code = manager[index..].chars().next().map_or(0, u32::from);
        let detail = format!("invalid character U+{code:04X} (at position {index})");
        errors.push(FieldError::invalid("fieldManager", manager, detail));
    }
}

/// Parses a boolean as upstream does: `false` and `0` are false, anything else, even nothing, is true.
#[must_use]
pub fn boolean(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "false" | "0")
}

/// Parses an optional integer.
///
/// # Errors
/// 400 with upstream's words.
pub fn integer(key: &str, value: &str) -> Result<Option<i64>, Status> {
    let _ = key;
    if value.is_empty() {
        return Ok(None);
    }
    value.parse::<i64>().map(Some).map_err(|_| {
        Status::bad_request(format!(
            "strconv.ParseInt: parsing {}: invalid syntax",
            kplex_machinery::field_error::go_quote(value)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_options_are_checked_as_upstream_checks_them() {
        let cases = [
            (
                "resourceVersionMatch=Exact",
                false,
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            ),
            ("resourceVersion=0&resourceVersionMatch=Exact", false, "is forbidden for resourceVersion"),
            ("sendInitialEvents=true", true, "sendInitialEvents requires setting resourceVersionMatch"),
            ("limit=x", false, "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ];
        for (query, watch, text) in cases {
            let message = ListOptions::parse(query, watch).unwrap_err().message;
            assert!(message.contains(text), "{query}: {message}");
        }
        let options = ListOptions::parse("labelSelector=a%3Db%2Cc&limit=5", false).unwrap();
        assert_eq!((options.label_selector.as_str(), options.limit), ("a=b,c", 5));
    }

    #[test]
    fn an_unknown_dry_run_is_refused() {
        let status = WriteOptions::parse("dryRun=Some", OptionsKind::Create).unwrap_err();
        assert_eq!(status.code, 422);
        assert!(status.message.contains("dryRun: Unsupported value"), "{}", status.message);
    }
}
