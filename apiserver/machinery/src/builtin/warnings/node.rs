//! Labels of nodes that went out of use, and selectors that name them.

use crate::builtin::at::At;
use crate::builtin::formats::label_value;

/// What to say about a label of nodes that went out of use.
pub(super) fn deprecated_label(key: &str) -> Option<&'static str> {
    Some(match key {
        "beta.kubernetes.io/arch" => "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
        "beta.kubernetes.io/os" => "deprecated since v1.14; use \"kubernetes.io/os\" instead",
        "failure-domain.beta.kubernetes.io/region" => {
            "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"
        }
        "failure-domain.beta.kubernetes.io/zone" => {
            "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"
        }
        "beta.kubernetes.io/instance-type" => {
            "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"
        }
        "app.kubernetes.io/created-by" => "deprecated since v1.9",
        "scheduler.alpha.kubernetes.io/preferAvoidPods" => "deprecated since v1.22; use Taints and Tolerations instead",
        "node-role.kubernetes.io/master" => "use \"node-role.kubernetes.io/control-plane\" instead",
        _ => return None,
    })
}

/// Warns about a term of a node selector.
pub(super) fn warn_about_term(term: &At, check_values: bool, out: &mut Vec<String>) {
    let expressions = term.get("matchExpressions");
    for expression in expressions.items() {
        let key = expression.get("key");
        if let Some(message) = deprecated_label(key.str()) {
            out.push(format!("{}: {} is {message}", key.path(), key.str()));
        }
        if !check_values {
            continue;
        }
        for value in expression.get("values").items() {
            for message in label_value(value.str()) {
                out.push(format!("{}: {} is invalid, {message}", value.path(), value.str()));
            }
        }
    }
}

/// Warns about a label selector over nodes.
pub(super) fn warn_about_selector(selector: &At, out: &mut Vec<String>) {
    warn_about_term(selector, false, out);
    for (label, _) in selector.get("matchLabels").entries() {
        if let Some(message) = deprecated_label(label) {
            out.push(format!("{}.matchLabels.{label}: {message}", selector.path()));
        }
    }
}
