//! The labels by which a namespace chooses its Pod Security Standards.

use kplex_machinery::field_error::FieldError;
use serde_json::Value;
use std::fmt;

/// How strict, from lax to strict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Everything goes.
    #[default]
    Privileged,
    /// No known ways to gain privileges.
    Baseline,
    /// Current practice of hardening.
    Restricted,
}

/// The standards of which Kubernetes version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    /// Those of this server.
    #[default]
    Latest,
    /// Those of Kubernetes 1.x.
    Minor(u32),
}

/// A level of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LevelVersion {
    pub(super) level: Level,
    pub(super) version: Version,
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Latest => write!(f, "{level}:latest"),
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

/// What a namespace asks for. `audit` is read for its errors alone: there is no audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) enforce: LevelVersion,
    pub(super) audit: LevelVersion,
    pub(super) warn: LevelVersion,
}

impl Policy {
    /// Whether no pod can break it.
    pub(super) fn is_privileged(&self) -> bool {
        [self.enforce, self.audit, self.warn].iter().all(|standard| standard.level == Level::Privileged)
    }

    /// Reads the labels of a namespace. What can't be read is enforced as `restricted:latest`, and ignored elsewhere.
    pub(super) fn read(namespace: &Value) -> (Self, Vec<FieldError>) {
        let mut errors = Vec::new();
        let labels = namespace.pointer("/metadata/labels").and_then(Value::as_object);
        let mut label =
            |mode: &str| -> Option<&str> { labels?.get(&format!("pod-security.kubernetes.io/{mode}"))?.as_str() };
        let texts = ["enforce", "enforce-version", "audit", "audit-version", "warn", "warn-version"].map(&mut label);
        let mut level = |mode: &str, text: Option<&str>| text.map(|text| parse_level(mode, text, &mut errors));
        let (enforce, audit, warn) = (level("enforce", texts[0]), level("audit", texts[2]), level("warn", texts[4]));
        let mut version = |mode: &str, text: Option<&str>| text.map(|text| parse_version(mode, text, &mut errors));
        let versions = [
            version("enforce-version", texts[1]),
            version("audit-version", texts[3]),
            version("warn-version", texts[5]),
        ];
        let [enforce_version, audit_version, warn_version] = versions.map(Option::unwrap_or_default);
        let mut policy = Self {
            enforce: LevelVersion {
                level: enforce.map_or(Level::Privileged, |level| level.unwrap_or(Level::Restricted)),
                version: enforce_version,
            },
            audit: LevelVersion { level: audit.flatten().unwrap_or_default(), version: audit_version },
            warn: LevelVersion { level: warn.flatten().unwrap_or_default(), version: warn_version },
        };
        // Who enforces warns at least as much: of workloads that will get no pods.
        if warn.is_none() && enforce.flatten().is_some_and(|level| level > policy.warn.level) {
            policy.warn.level = policy.enforce.level;
            if texts[5].is_none() {
                policy.warn.version = policy.enforce.version;
            }
        }
        // Errors come in the order of the labels above, as upstream.
        errors.sort_by_key(|error: &FieldError| {
            ORDER.iter().position(|mode| error.field.ends_with(&format!("/{mode}]")))
        });
        (policy, errors)
    }
}

const ORDER: [&str; 6] = ["enforce", "enforce-version", "audit", "audit-version", "warn", "warn-version"];

fn invalid(mode: &str, text: &str, why: &str) -> FieldError {
    FieldError::invalid(format!("metadata.labels[pod-security.kubernetes.io/{mode}]"), text, why)
}

fn parse_level(mode: &str, text: &str, errors: &mut Vec<FieldError>) -> Option<Level> {
    let level = match text {
        "privileged" => Some(Level::Privileged),
        "baseline" => Some(Level::Baseline),
        "restricted" => Some(Level::Restricted),
        _ => None,
    };
    if level.is_none() {
        errors.push(invalid(mode, text, "must be one of privileged, baseline, restricted"));
    }
    level
}

fn parse_version(mode: &str, text: &str, errors: &mut Vec<FieldError>) -> Version {
    if text == "latest" {
        return Version::Latest;
    }
    let digits = text.strip_prefix("v1.").filter(|digits| !digits.starts_with('0') || *digits == "0");
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(minor) => Version::Minor(minor),
        None => {
            errors.push(invalid(mode, text, r#"must be "latest" or "v1.x""#));
            Version::Latest
        }
    }
}
