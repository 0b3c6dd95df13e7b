//! Webhook configurations, and the rules and conditions that admission policies share with them.

use super::meta::{self, Values, selector};
use crate::builtin::at::At;
use crate::builtin::formats::{dns_subdomain, dns1035_label, port_number, qualified_name};
use crate::builtin::same::same;
use crate::field_error::{FieldErrors, go_quote};
use std::collections::BTreeSet;

pub(super) const FAILURE_POLICIES: &[&str] = &["Fail", "Ignore"];
pub(super) const MATCH_POLICIES: &[&str] = &["Equivalent", "Exact"];
pub(super) const REINVOCATIONS: &[&str] = &["IfNeeded", "Never"];
const NO_SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun", "Some", "Unknown"];
const VERSIONS: &[&str] = &["v1", "v1beta1"];

/// What old hooks excuse.
struct Rules {
    any_condition: bool,
    any_side_effects: bool,
    any_version: bool,
    any_names: bool,
    values: Values,
}

impl Rules {
    fn after(new: &At, old: &At) -> Self {
        let hooks = || old.items();
        let conditions = |list: &At| -> Vec<serde_json::Value> {
            list.items().map(|hook| hook.get("matchConditions").value().clone()).collect()
        };
        let (now, then) = (conditions(new), conditions(old));
        let mut names = BTreeSet::new();
        let bad_selector = hooks().any(|hook| {
            ["namespaceSelector", "objectSelector"]
                .iter()
                .any(|name| Values::unless_bad(&hook.get(name)) == Values::Any)
        });
        Self {
            any_condition: now.len() == then.len() && now.iter().zip(&then).all(|(a, b)| same(a, b)),
            any_side_effects: hooks().any(|hook| !NO_SIDE_EFFECTS.contains(&hook.get("sideEffects").str())),
            any_version: hooks().any(|hook| {
                let versions = hook.get("admissionReviewVersions");
                !versions.is_empty() && !versions.strings().any(|version| VERSIONS.contains(&version))
            }),
            any_names: !hooks().all(|hook| names.insert(hook.get("name").str())),
            values: if bad_selector { Values::Any } else { Values::Strict },
        }
    }
}

/// A configuration of webhooks.
pub(super) fn configuration(root: &At, old: Option<&At>, mutating: bool, errors: &mut FieldErrors) {
    let hooks = root.get("webhooks");
    let strict = Rules {
        any_condition: false,
        any_side_effects: false,
        any_version: false,
        any_names: false,
        values: Values::Strict,
    };
    let rules = old.map_or(strict, |old| Rules::after(&hooks, &old.get("webhooks")));
    let mut names = BTreeSet::new();
    for hook in hooks.items() {
        webhook(&hook, &rules, mutating, errors);
        review_versions(&hook.get("admissionReviewVersions"), rules.any_version, errors);
        let name = hook.get("name");
        if !rules.any_names && !name.is_empty() && !names.insert(name.str()) {
            name.duplicate(errors, name.str());
        }
    }
}

fn optional(at: &At, supported: &[&str], errors: &mut FieldErrors) {
    if at.has() {
        at.one_of(errors, supported);
    }
}

fn webhook(at: &At, rules: &Rules, mutating: bool, errors: &mut FieldErrors) {
    meta::qualified_domain(&at.get("name"), errors);
    at.get("rules").items().for_each(|item| operations_rule(&item, errors));
    optional(&at.get("failurePolicy"), FAILURE_POLICIES, errors);
    optional(&at.get("matchPolicy"), MATCH_POLICIES, errors);
    let allowed = if rules.any_side_effects { SIDE_EFFECTS } else { NO_SIDE_EFFECTS };
    let (effects, timeout) = (at.get("sideEffects"), at.get("timeoutSeconds"));
    if effects.has() {
        effects.one_of(errors, allowed);
    } else {
        effects.required(errors, &format!("must specify one of {}", allowed.join(", ")));
    }
    if timeout.has() && !(1..=30).contains(&timeout.int()) {
        timeout.invalid(errors, timeout.int(), "the timeout value must be between 1 and 30 seconds");
    }
    selector(&at.get("namespaceSelector"), rules.values, errors);
    selector(&at.get("objectSelector"), rules.values, errors);
    if mutating {
        optional(&at.get("reinvocationPolicy"), REINVOCATIONS, errors);
    }
    let client = at.get("clientConfig");
    let (address, service) = (client.get("url"), client.get("service"));
    match (address.has(), service.has()) {
        (true, false) => url(&address, errors),
        (false, true) => client_service(&service, errors),
        _ => client.required(errors, "exactly one of url or service is required"),
    }
    if !rules.any_condition {
        match_conditions(&at.get("matchConditions"), errors);
    }
}

/// The service that answers a hook. Upstream confuses name and namespace when one is missing.
fn client_service(at: &At, errors: &mut FieldErrors) {
    if at.get("namespace").is_empty() {
        at.get("name").required(errors, "");
    }
    if at.get("name").is_empty() {
        at.get("namespace").required(errors, "");
    }
    let (port, path) = (at.get("port"), at.get("path"));
    let complaints = port_number(port.int());
    if !complaints.is_empty() {
        port.invalid(errors, port.int(), format!("port is not valid: {}", complaints.join(", ")));
    }
    let text = path.str();
    if text.is_empty() || text == "/" {
        return;
    }
    if text == "//" {
        path.invalid(errors, text, "segment[0] may not be empty");
        return;
    }
    if !text.starts_with('/') {
        path.invalid(errors, text, "must start with a '/'");
    }
    let mut rest = text.chars();
    rest.next();
    let rest = rest.as_str();
    for (index, segment) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if segment.is_empty() {
            path.invalid(errors, text, format!("segment[{index}] may not be empty"));
        } else {
            for message in dns_subdomain(segment) {
                path.invalid(errors, text, format!("segment[{index}]: {message}"));
            }
        }
    }
}

const FORM: &str = "; desired format: https://host[/path]";

/// The parts of an address that matter here.
struct Url<'t> {
    scheme: String,
    host: &'t str,
    user: Option<&'t str>,
    query: &'t str,
    fragment: &'t str,
}

/// Reads an address as Go does.
fn parse_url(text: &str) -> Result<Url<'_>, String> {
    let fail = |why: &str| format!("parse {}: {why}", go_quote(text));
    if text.chars().any(|c| c.is_ascii_control()) {
        return Err(fail("net/url: invalid control character in URL"));
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
    let (scheme, rest) = match end {
        Some(0) if rest.starts_with(':') => return Err(fail("missing protocol scheme")),
        Some(end) if rest[end..].starts_with(':') && rest.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            (&rest[..end], &rest[end + 1..])
        }
        _ => ("", rest),
    };
    if !rest.starts_with('/') && scheme.is_empty() && rest.split('/').next().is_some_and(|s| s.contains(':')) {
        return Err(fail("first path segment in URL cannot contain colon"));
    }
    let authority = rest.strip_prefix("//").map_or("", |rest| rest.split('/').next().unwrap_or(""));
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let port = host.rfind(':').filter(|at| !host[*at..].contains(']')).map_or("", |at| &host[at..]);
    if !port.chars().skip(1).all(|c| c.is_ascii_digit()) {
        return Err(fail(&format!("invalid port {} after host", go_quote(port))));
    }
    if let Some(bad) = host.chars().find(|c| " <>\"^`{}|\\".contains(*c)) {
        return Err(fail(&format!("invalid character {} in host name", go_quote(&bad.to_string()))));
    }
    Ok(Url { scheme: scheme.to_ascii_lowercase(), host, user, query, fragment })
}

fn url(at: &At, errors: &mut FieldErrors) {
    let parsed = match parse_url(at.str()) {
        Ok(parsed) => parsed,
        Err(why) => {
            at.required(errors, &format!("url must be a valid URL: {why}{FORM}"));
            return;
        }
    };
    if parsed.scheme != "https" {
        at.invalid(errors, parsed.scheme.as_str(), format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if parsed.host.is_empty() {
        at.invalid(errors, "", format!("host must be specified{FORM}"));
    }
    if let Some(user) = parsed.user {
        at.invalid(errors, user, "user information is not permitted in the URL");
    }
    if !parsed.fragment.is_empty() {
        at.invalid(errors, parsed.fragment, "fragments are not permitted in the URL");
    }
    if !parsed.query.is_empty() {
        at.invalid(errors, parsed.query, "query parameters are not permitted in the URL");
    }
}

fn review_versions(at: &At, any: bool, errors: &mut FieldErrors) {
    if at.is_empty() {
        at.required(errors, "must specify one of v1, v1beta1");
        return;
    }
    let mut seen = BTreeSet::new();
    for version in at.items() {
        if seen.insert(version.str()) {
            version.check(errors, dns1035_label);
        } else {
            version.invalid(errors, version.str(), "duplicate version");
        }
    }
    if !any && !VERSIONS.iter().any(|version| seen.contains(version)) {
        at.invalid_here(errors, "must include at least one of v1, v1beta1");
    }
}

fn alone(at: &At, others: &str, errors: &mut FieldErrors) {
    if at.len() > 1 && at.contains("*") {
        at.invalid_here(errors, format!("if '*' is present, must not specify other {others}"));
    }
}

/// A rule that names operations and resources.
pub(super) fn operations_rule(at: &At, errors: &mut FieldErrors) {
    let (operations, groups, versions) = (at.get("operations"), at.get("apiGroups"), at.get("apiVersions"));
    operations.require(errors);
    alone(&operations, "operations", errors);
    operations.items().for_each(|item| item.one_of(errors, &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]));
    groups.require(errors);
    alone(&groups, "API groups", errors);
    versions.require(errors);
    alone(&versions, "API versions", errors);
    for version in versions.items() {
        version.require(errors);
    }
    resources(&at.get("resources"), errors);
    optional(&at.get("scope"), &["*", "Cluster", "Namespaced"], errors);
}

fn resources(at: &At, errors: &mut FieldErrors) {
    at.require(errors);
    let (mut whole, mut anywhere) = (BTreeSet::new(), BTreeSet::new());
    let mut plain = false;
    for item in at.items() {
        let text = item.str();
        if item.require(errors) {
            continue;
        }
        let Some((resource, sub)) = text.split_once('/') else {
            plain = text != "*";
            continue;
        };
        if whole.contains(resource) {
            item.invalid(errors, text, format!("if '{resource}/*' is present, must not specify {text}"));
        }
        if anywhere.contains(sub) {
            item.invalid(errors, text, format!("if '*/{sub}' is present, must not specify {text}"));
        }
        if sub == "*" {
            whole.insert(resource);
        }
        if resource == "*" {
            anywhere.insert(sub);
        }
    }
    if at.len() > 1 && at.contains("*/*") {
        at.invalid_here(errors, "if '*/*' is present, must not specify other resources");
    }
    if at.contains("*") && plain {
        at.invalid_here(errors, "if '*' is present, must not specify other resources without subresources");
    }
}

/// Conditions in CEL; the expressions are compiled elsewhere.
pub(super) fn match_conditions(at: &At, errors: &mut FieldErrors) {
    if at.len() > 64 {
        at.too_many(errors, at.len(), 64);
    }
    let mut names = BTreeSet::new();
    for condition in at.items() {
        let (name, expression) = (condition.get("name"), condition.get("expression"));
        if expression.str().trim().is_empty() {
            expression.required(errors, "");
        }
        name.require_check(errors, qualified_name);
        if !name.is_empty() && !names.insert(name.str()) {
            name.duplicate(errors, name.str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        let good = parse_url("https://me@host:1/path?a=b#c").expect("well-formed");
        let parts = (good.scheme.as_str(), good.host, good.user, good.query, good.fragment);
        assert_eq!(parts, ("https", "host:1", Some("me"), "a=b", "c"));
        assert_eq!(parse_url(":x").err().as_deref(), Some("parse \":x\": missing protocol scheme"));
        let no_host = parse_url("host/path").expect("a relative address");
        assert_eq!((no_host.scheme.as_str(), no_host.host), ("", ""));
        assert!(parse_url("https://host:port").is_err());
    }
}
