//! Admission policies and their bindings. Expressions in CEL are compiled elsewhere.

use super::meta::{self, Values, selector};
use super::webhooks::{FAILURE_POLICIES, MATCH_POLICIES, REINVOCATIONS, match_conditions, operations_rule};
use crate::builtin::at::At;
use crate::builtin::formats::{dns_subdomain, dns1035_label, path_segment, qualified_name};
use crate::builtin::same::same;
use crate::field_error::FieldErrors;
use std::collections::BTreeSet;

const AUDIT_ANNOTATIONS_MAX: usize = 20;
const VALUE_MAX: usize = 5 * 1024;

fn required_one_of(at: &At, supported: &[&str], errors: &mut FieldErrors) {
    if at.has() {
        at.one_of(errors, supported);
    } else {
        at.required(errors, "");
    }
}

/// What policies of both kinds share; returns the spec's errors in upstream's order up to the variables.
fn common(root: &At, old: Option<&At>, mutating: bool, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    required_one_of(&spec.get("failurePolicy"), FAILURE_POLICIES, errors);
    let kind = spec.get("paramKind");
    if kind.has() {
        param_kind(&kind, errors);
    }
    let constraints = spec.get("matchConstraints");
    if constraints.has() {
        match_resources(&constraints, errors);
        constraints.get("resourceRules").require(errors);
        if mutating {
            mutating_operations(&constraints, errors);
        }
    } else {
        constraints.required(errors, "");
    }
    let conditions = spec.get("matchConditions");
    let unchanged = old.is_some_and(|old| {
        let before = old.get("spec");
        ["paramKind", "matchConditions"].iter().all(|name| same(before.get(name).value(), spec.get(name).value()))
    });
    if !unchanged {
        match_conditions(&conditions, errors);
    }
    spec.get("variables").items().for_each(|item| variable(&item, errors));
}

/// A policy that validates.
pub(super) fn validating(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    common(root, old, false, errors);
    let (metadata, spec) = (root.get("metadata"), root.get("spec"));
    let (validations, annotations) = (spec.get("validations"), spec.get("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let message = "validations or auditAnnotations must contain at least one item";
        validations.required(errors, message);
        annotations.required(errors, message);
        return;
    }
    validations.items().for_each(|item| validation(&item, errors));
    if annotations.len() > AUDIT_ANNOTATIONS_MAX {
        let message = format!("must not have more than {AUDIT_ANNOTATIONS_MAX} auditAnnotations");
        annotations.invalid_here(errors, message);
    }
    let mut keys = BTreeSet::new();
    for item in annotations.items() {
        audit_annotation(&item, metadata.get("name").str(), errors);
        let key = item.get("key");
        if !keys.insert(key.str()) {
            key.duplicate(errors, key.str());
        }
    }
}

fn audit_annotation(at: &At, policy: &str, errors: &mut FieldErrors) {
    let (key, value) = (at.get("key"), at.get("valueExpression"));
    if policy.is_empty() {
        key.invalid(errors, key.str(), "requires metadata.name be non-empty");
    } else {
        key.check_text(errors, &format!("{policy}/{}", key.str()), qualified_name);
    }
    let expression = value.str().trim();
    if expression.is_empty() {
        value.required(errors, "valueExpression is not specified");
    } else if expression.len() > VALUE_MAX {
        value.required(errors, &format!("must not exceed {VALUE_MAX} bytes in length"));
    }
}

fn validation(at: &At, errors: &mut FieldErrors) {
    let (expression, message) = (at.get("expression"), at.get("message"));
    if expression.str().trim().is_empty() {
        expression.required(errors, "expression is not specified");
    }
    let computed = at.get("messageExpression");
    for text in [&computed, &message] {
        if !text.is_empty() && text.str().trim().is_empty() {
            text.invalid(errors, text.str(), "must be non-empty if specified");
        }
    }
    if message.str().trim().contains(['\n', '\r']) {
        message.invalid(errors, message.str(), "must not contain line breaks");
    }
    let reason = at.get("reason");
    if reason.has() {
        reason.one_of(errors, &["Forbidden", "Invalid", "RequestEntityTooLarge"]);
    }
}

/// A policy that mutates.
pub(super) fn mutating(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    common(root, old, true, errors);
    let spec = root.get("spec");
    let mutations = spec.get("mutations");
    if mutations.is_empty() {
        mutations.required(errors, "mutations must contain at least one item");
    }
    mutations.items().for_each(|item| mutation(&item, errors));
    spec.get("reinvocationPolicy").require_one_of(errors, REINVOCATIONS);
}

fn mutation(at: &At, errors: &mut FieldErrors) {
    let kind = at.get("patchType");
    let (own, other) = match kind.str() {
        "" => return kind.required(errors, ""),
        "JSONPatch" => ("jsonPatch", "applyConfiguration"),
        "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
        _ => return kind.unsupported(errors, &["ApplyConfiguration", "JSONPatch"]),
    };
    let patch = at.get(own);
    if !patch.has() {
        patch.required(errors, &format!("must be specified when patchType is {}", kind.str()));
    } else if patch.get("expression").str().trim().is_empty() {
        patch.get("expression").required(errors, "");
    }
    if at.get(other).has() {
        let message = format!("must not be specified when patchType is {}", kind.str());
        at.get(other).invalid(errors, format!("{{{other}}}"), message);
    }
}

fn param_kind(at: &At, errors: &mut FieldErrors) {
    let (api, kind) = (at.get("apiVersion"), at.get("kind"));
    let text = api.str();
    if text.matches('/').count() > 1 {
        api.invalid(errors, text, format!("unexpected GroupVersion string: {text}"));
    } else if !api.require(errors) {
        let (group, version) = if text == "/" { ("", "") } else { text.split_once('/').unwrap_or(("", text)) };
        let complaints = if group.is_empty() { Vec::new() } else { dns_subdomain(group) };
        if !complaints.is_empty() {
            api.invalid(errors, group, complaints.join(","));
        }
        let complaints = dns1035_label(version);
        if version.is_empty() {
            api.invalid(errors, text, "version must be specified");
        } else if !complaints.is_empty() {
            api.invalid(errors, version, complaints.join(","));
        }
    }
    let complaints = dns1035_label(&kind.str().to_lowercase());
    if !kind.require(errors) && !complaints.is_empty() {
        let message = "may have mixed case, but should otherwise match: ";
        kind.invalid(errors, kind.str(), format!("{message}{}", complaints.join(",")));
    }
}

fn match_resources(at: &At, errors: &mut FieldErrors) {
    required_one_of(&at.get("matchPolicy"), MATCH_POLICIES, errors);
    for name in ["namespaceSelector", "objectSelector"] {
        let field = at.get(name);
        if field.has() {
            selector(&field, Values::Strict, errors);
        } else {
            field.required(errors, "");
        }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        for rule in at.get(list).items() {
            let mut names = BTreeSet::new();
            for name in rule.get("resourceNames").items() {
                name.check(errors, path_segment);
                if !names.insert(name.str()) {
                    name.duplicate(errors, name.str());
                }
            }
            operations_rule(&rule, errors);
        }
    }
}

fn mutating_operations(at: &At, errors: &mut FieldErrors) {
    const SUPPORTED: &[&str] = &["*", "CONNECT", "CREATE", "UPDATE"];
    let rules = at.get("resourceRules");
    for rule in rules.items() {
        for operation in rule.get("operations").strings().filter(|operation| !SUPPORTED.contains(operation)) {
            rules.get("operations").unsupported_value(errors, operation, SUPPORTED);
        }
    }
}

const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

fn variable(at: &At, errors: &mut FieldErrors) {
    let (name, expression) = (at.get("name"), at.get("expression"));
    let text = name.str();
    let identifier = text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        && !RESERVED.contains(&text);
    if text.trim().is_empty() {
        name.required(errors, "name is not specified");
    } else if !identifier {
        name.invalid(errors, text, "must be a valid CEL identifier");
    }
    if expression.str().trim().is_empty() {
        expression.required(errors, "expression is not specified");
    }
}

/// A binding of a policy of either kind.
pub(super) fn binding(root: &At, is_mutating: bool, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    spec.get("policyName").require_check(errors, dns_subdomain);
    let (parameter, resources) = (spec.get("paramRef"), spec.get("matchResources"));
    if parameter.has() {
        parameter_reference(&parameter, errors);
    }
    if resources.has() {
        match_resources(&resources, errors);
    }
    if is_mutating {
        mutating_operations(&resources, errors);
    } else {
        actions(&spec.get("validationActions"), errors);
    }
}

fn parameter_reference(at: &At, errors: &mut FieldErrors) {
    let (name, labels, action) = (at.get("name"), at.get("selector"), at.get("parameterNotFoundAction"));
    let exclusive = "name and selector are mutually exclusive";
    if !name.is_empty() {
        name.check(errors, path_segment);
        if labels.has() {
            name.forbidden(errors, exclusive);
        }
    }
    if labels.has() {
        selector(&labels, Values::Strict, errors);
        if !name.is_empty() {
            labels.forbidden(errors, exclusive);
        }
    } else if name.is_empty() {
        at.required(errors, "one of name or selector must be specified");
    }
    action.require_one_of(errors, &["Deny", "Allow"]);
}

fn actions(at: &At, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for action in at.items() {
        action.one_of(errors, &["Audit", "Deny", "Warn"]);
        if !seen.insert(action.str()) {
            action.duplicate(errors, action.str());
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let message = "must not contain both Deny and Warn (repeating the same validation failure information in the \
                       API response and headers serves no purpose)";
        at.invalid_here(errors, message);
    }
    if seen.is_empty() {
        at.required(errors, "at least one validation action is required");
    }
}

/// A write to the status of a validating policy.
pub(super) fn status_update(root: &At, errors: &mut FieldErrors) {
    let status = root.get("status");
    let checking = status.get("typeChecking");
    for warning in checking.get("expressionWarnings").items() {
        warning.get("warning").require(errors);
        let field = warning.get("fieldRef");
        if field.str().trim().is_empty() {
            field.required(errors, "");
        }
    }
    meta::conditions(&status.get("conditions"), errors);
}
