//! The checks of the Pod Security Standards in the order in which their findings are told, and since when they apply.

use super::super::write::{items, text};
use super::policy::{Level, LevelVersion, Version};
use super::{baseline, restricted};
use serde_json::Value;
use std::collections::BTreeSet;

/// The last version that changed a check; all later ones are the same.
const NEWEST: u32 = 35;

/// A pod, or what a workload makes pods of.
pub(super) struct Subject<'a> {
    pub(super) annotations: Option<&'a serde_json::Map<String, Value>>,
    pub(super) spec: &'a Value,
}

impl<'a> Subject<'a> {
    pub(super) fn of(pod: &'a Value) -> Self {
        let annotations = pod.pointer("/metadata/annotations").and_then(Value::as_object);
        Self { annotations, spec: pod.get("spec").unwrap_or(&Value::Null) }
    }

    /// All containers, in upstream's order.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let lists = ["/initContainers", "/containers", "/ephemeralContainers"];
        let spec = self.spec;
        lists.into_iter().flat_map(move |list| items(spec, list))
    }

    /// The names of the containers that something is wrong with.
    pub(super) fn names(&self, mut is_bad: impl FnMut(&'a Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|container| is_bad(container)).map(|container| text(container, "/name")).collect()
    }

    /// Whether it says of itself that it is for Windows.
    pub(super) fn is_windows(&self) -> bool {
        text(self.spec, "/os/name") == "windows"
    }

    /// Whether its users are none of the node's.
    pub(super) fn has_own_users(&self) -> bool {
        self.spec.get("hostUsers") == Some(&Value::Bool(false))
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

/// What all checks found.
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn reasons(&self) -> String {
        self.0.iter().map(|finding| finding.reason).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn details(&self) -> String {
        let texts = self.0.iter().map(|finding| match finding.detail.as_str() {
            "" => finding.reason.to_owned(),
            detail => format!("{} ({detail})", finding.reason),
        });
        texts.collect::<Vec<_>>().join(", ")
    }
}

struct Check {
    id: &'static str,
    level: Level,
    /// First version it applies to.
    since: u32,
    /// A check of the lower level that it stands for.
    instead_of: &'static str,
    run: fn(&Subject<'_>, u32) -> Option<Finding>,
}

const fn check(id: &'static str, run: fn(&Subject<'_>, u32) -> Option<Finding>) -> Check {
    Check { id, level: Level::Baseline, since: 0, instead_of: "", run }
}

const fn strict(
    id: &'static str,
    since: u32,
    instead_of: &'static str,
    run: fn(&Subject<'_>, u32) -> Option<Finding>,
) -> Check {
    Check { id, level: Level::Restricted, since, instead_of, run }
}

const CHECKS: [Check; 19] = [
    check("appArmorProfile", baseline::app_armor),
    check("capabilities_baseline", baseline::capabilities),
    check("hostNamespaces", baseline::host_namespaces),
    check("hostPathVolumes", baseline::host_paths),
    check("hostPorts", baseline::host_ports),
    Check { since: 34, ..check("hostProbesAndHostLifecycle", baseline::probe_hosts) },
    check("privileged", baseline::privileged),
    check("procMount", baseline::proc_mount),
    check("seLinuxOptions", baseline::se_linux),
    check("seccompProfile_baseline", baseline::seccomp),
    check("sysctls", baseline::sysctls),
    check("windowsHostProcess", baseline::host_process),
    strict("allowPrivilegeEscalation", 8, "", restricted::privilege_escalation),
    strict("capabilities_restricted", 22, "capabilities_baseline", restricted::capabilities),
    strict("procMount_restricted", 35, "procMount", |subject, _| baseline::masked_proc(subject)),
    strict("restrictedVolumes", 0, "hostPathVolumes", restricted::volumes),
    strict("runAsNonRoot", 0, "", restricted::run_as_non_root),
    strict("runAsUser", 23, "", restricted::run_as_user),
    strict("seccompProfile_restricted", 19, "seccompProfile_baseline", restricted::seccomp),
];

/// Runs the checks of a level and version.
pub(super) fn evaluate(standard: &LevelVersion, subject: &Subject<'_>) -> Findings {
    if standard.level == Level::Privileged {
        return Findings(Vec::new());
    }
    let minor = match standard.version {
        Version::Latest => NEWEST,
        Version::Minor(minor) => minor.min(NEWEST),
    };
    let applies = |check: &&Check| check.level <= standard.level && check.since <= minor;
    let replaced: Vec<&str> = CHECKS.iter().filter(applies).map(|check| check.instead_of).collect();
    let active = CHECKS.iter().filter(applies).filter(|check| !replaced.contains(&check.id));
    Findings(active.filter_map(|check| (check.run)(subject, minor)).collect())
}

/// `"a", "b"`.
pub(super) fn quoted<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| format!("\"{}\"", name.as_ref())).collect::<Vec<_>>().join(", ")
}

pub(super) fn plural<'t>(one: &'t str, many: &'t str, count: usize) -> &'t str {
    if count == 1 { one } else { many }
}

/// `container "a"` or `containers "a", "b"`.
pub(super) fn named_containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// Who set something that it must not: `pod and containers "a", "b"`; empty when nobody did.
pub(super) fn setters(pod: bool, containers: &[&str]) -> String {
    let mut texts = Vec::new();
    if pod {
        texts.push("pod".to_owned());
    }
    if !containers.is_empty() {
        texts.push(named_containers(containers));
    }
    texts.join(" and ")
}

/// Finds who has a bad value of a string field of `securityContext`, and the bad values.
pub(super) fn bad_values<'a>(
    subject: &Subject<'a>,
    pointer: &str,
    is_bad: fn(&str) -> bool,
) -> (String, BTreeSet<&'a str>) {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let mut values = BTreeSet::new();
    let mut judge = |holder: &'a Value| {
        let has = holder.pointer(parent).is_some_and(|parent| !parent.is_null());
        let value = text(holder, pointer);
        let bad = has && is_bad(value);
        if bad {
            values.insert(value);
        }
        bad
    };
    let pod = judge(subject.spec);
    let containers = subject.names(&mut judge);
    (setters(pod, &containers), values)
}
